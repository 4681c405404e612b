//! A run's outputs: begun with it, told what time it is, and given their time at its end.

use super::Active;
use crate::clock;
use crate::fleet::Fleet;
use crate::output::{Feed, Labels, OutputFacts, Spec};
use crate::run::Ending;
use std::collections::BTreeSet;

impl Active {
    /// Starts them. Before anything of the run, so that setup is in them, too.
    pub fn outputs_start(&mut self, specs: &[Spec], lease: u64) {
        // A controller that ended while outputs wrote the rest of a run: only its report is left to make.
        if self.ending.is_some() {
            return;
        }
        let labels = Labels {
            run: self.order.id.clone(),
            test: self.order.name.clone(),
            tags: self.order.plan.options.tags.clone(),
            ..Labels::default()
        };
        self.gather.outputs = Feed::start(specs, labels, lease);
    }

    /// Load begins at `t0`; or began then, and an earlier life of this controller told what was so far.
    pub(super) fn outputs_begin(&mut self, now: u64, t0: u64) {
        if now > t0 {
            self.gather.outputs_go_on();
        }
        let Some(outputs) = &mut self.gather.outputs else {
            return;
        };
        let ahead = i128::from(t0) - i128::from(now);
        let unix = i128::from(clock::unix_ns()) + ahead;
        outputs.began(i64::try_from(unix).unwrap_or(i64::MAX));
    }

    /// Tells them the time and who still delivers; passes on what they have to say.
    pub(super) fn outputs_tick(&mut self, now: u64) {
        let run_ns = self.run_time(now);
        if self.ending.is_none() {
            self.tick_marks(now);
        }
        let Some(outputs) = &mut self.gather.outputs else {
            return;
        };
        if self.ending.is_none() && self.t0.is_some() {
            let mut live = BTreeSet::new();
            for member in self.members.values() {
                outputs.seat(member.seat, &member.name);
                if self.run.runs(member.id) {
                    live.insert(member.seat);
                }
            }
            outputs.now(run_ns, live);
        }
        for note in outputs.notes() {
            self.note(note);
        }
    }

    /// What became of them, for the report.
    #[must_use]
    pub fn outputs_facts(&self) -> Vec<OutputFacts> {
        let outputs = self.gather.outputs.as_ref();
        outputs.map(Feed::facts).unwrap_or_default()
    }

    /// The run has ended: at once if it has no outputs (true), else when they are done.
    pub(super) fn wind_up(&mut self, fleet: &mut Fleet, now: u64, ending: Ending) -> bool {
        crate::closing::count_never_begun(self, now);
        self.outputs_tick(now);
        let Some(outputs) = &mut self.gather.outputs else {
            self.end(fleet, now, &ending);
            return true;
        };
        let text = match ending.text.as_str() {
            "" => "finished".to_owned(),
            text => text.to_owned(),
        };
        let run_ns = self
            .t0
            .map_or(0, |t0| i64::try_from(now.saturating_sub(t0)).unwrap_or(0));
        outputs.event(run_ns, "end", text);
        outputs.end();
        self.ending = Some((ending, now));
        false
    }

    /// True once its outputs are done, and it with them. Bounded: each output gives up in time.
    pub(super) fn wound_up(&mut self, fleet: &mut Fleet) -> bool {
        let outputs = self.gather.outputs.as_ref();
        if !outputs.is_none_or(Feed::is_done) {
            return false;
        }
        if let Some((ending, at)) = self.ending.take() {
            self.end(fleet, at, &ending);
        }
        true
    }
}
