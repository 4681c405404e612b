//! What a run makes of a controller that was away, or whose journal failed.

use super::Active;
use crate::lag::NOTED_NS;
use crate::output::Spec;
use crate::report::Away;
use crate::run::AgentId;
use proto::v1;

/// Times at which its controller stood still that the report names.
const AWAY: usize = 100;

/// What a checkpoint holds of a run, in this order; and, so that nothing is forgotten, what it does not hold.
macro_rules! state {
    (kept: $($kept:ident)*; not: $($not:ident)*) => {
        /// Everything that happened in it but for what was merged, as bytes that only this version of throng reads.
        ///
        /// # Errors
        /// What cannot be written.
        pub fn checkpoint(&self) -> Result<Vec<u8>, postcard::Error> {
            let Self { $($kept,)* $($not: _,)* } = self;
            let bytes = Vec::new();
            $(let bytes = postcard::to_extend($kept, bytes)?;)*
            Ok(bytes)
        }

        /// Takes a run to that state.
        ///
        /// # Errors
        /// What cannot be read.
        fn take_state(&mut self, bytes: &[u8]) -> Result<(), postcard::Error> {
            $(let (value, bytes) = postcard::take_from_bytes(bytes)?;
              self.$kept = value;)*
            if bytes.is_empty() { Ok(()) } else { Err(postcard::Error::DeserializeBadEncoding) }
        }
    };
}

impl Active {
    state! {
        kept: run members weights epoch farthest handover unfit returned t0 stopped stop_ordered behind gather logs phases load_over pools changes notes away
            unjournaled ending marks begun state next_progress next_view next_thresholds;
        // What follows from the order, and who watches now.
        not: order digest outline over version events rates seen
    }

    /// Takes a run whose turn has just come to where a checkpoint says it was.
    ///
    /// # Errors
    /// Why it cannot, for a person.
    pub fn restore(&mut self, state: &[u8], store: &[u8]) -> Result<(), String> {
        let unreadable = |error| format!("its checkpoint cannot be read: {error}");
        self.take_state(state).map_err(unreadable)?;
        let store = postcard::from_bytes(store).map_err(unreadable)?;
        self.gather.restore(store);
        // What was changed, the plan's outline follows.
        self.outline
            .change(&self.order.plan, self.changes.control.clone());
        Ok(())
    }

    /// Nobody directed it for so long, and now somebody does again.
    pub fn resumed(&mut self, now: u64, away_ns: u64) {
        self.without_a_controller(now, away_ns, false);
    }

    /// From here on agents are told this lease, in nanoseconds, by a controller that was started with `own`.
    pub fn lease_kept(&mut self, lease: u64, own: u64) {
        let was = self.run.limits.lease;
        self.run.limits.set_lease(lease);
        let text = |ns: u64| metrics::text::duration(ns as f64);
        let (now, before, own_text) = (text(lease), text(was), text(own));
        if lease > was {
            self.note(format!(
                "the controller was started again with --lease {own_text}; until then the run's lease was {before}"
            ));
        } else if own < lease {
            let note = format!(
                "the controller was started again with --lease {own_text}; the run keeps its lease of {now}, which agents may still hold"
            );
            // However often it is started again.
            if !self.notes.contains(&note) {
                self.note(note);
            }
        }
    }

    /// The controller stood still for so long, and goes on in the same life.
    pub fn stood_still(&mut self, now: u64, for_ns: u64) {
        self.without_a_controller(now, for_ns, true);
    }

    fn without_a_controller(&mut self, now: u64, for_ns: u64, stood_still: bool) {
        let from = self.run_time(now).saturating_sub_unsigned(for_ns);
        if !stood_still || self.away.len() < AWAY {
            self.away.push(Away {
                from_ms: from as f64 / 1e6,
                for_ms: for_ns as f64 / 1e6,
                stood_still,
            });
        }
        for member in self.members.values_mut() {
            member.unheard_until(now);
        }
        self.run.resumed(now);
    }

    /// Its outputs go on. What was merged and not yet written to them when the controller ended is in the report only.
    pub fn outputs_go_on(&mut self, now: u64, specs: &[Spec], lease: u64) {
        let lives = self.away.iter().filter(|away| !away.stood_still);
        let life = lives.count() as u64 + 1;
        let specs: Vec<Spec> = specs.iter().map(|spec| spec.of_life(life)).collect();
        self.outputs_start(&specs, lease);
        if let Some(t0) = self.t0 {
            self.outputs_begin(now, t0);
        }
    }

    /// How far this controller time is from what an agent's heartbeat says, if it makes load: the run's clock is the agents'. One that
    /// was lost says nothing of it: others may have begun by this clock since.
    #[must_use]
    pub fn clock_error(&self, now: u64, id: AgentId, heartbeat: &v1::Heartbeat) -> Option<i64> {
        self.t0.filter(|_| self.run.runs(id))?;
        // It said so half a round trip ago.
        let told = heartbeat
            .run_ns?
            .saturating_add_unsigned(heartbeat.rtt_ns / 2);
        Some(told.saturating_sub(self.run_time(now)))
    }

    /// Its controller is so far behind now, in nanoseconds. The worst is kept, and told once.
    pub fn behind(&mut self, behind: u64) {
        let worst = self.behind;
        self.behind = worst.max(behind);
        if worst < NOTED_NS && behind >= NOTED_NS {
            self.note(format!(
                "the controller is {:.1} s behind: its machine or its disk does not keep up, so what is shown of the run is old",
                behind as f64 / 1e9
            ));
        }
    }

    /// Its journal ended: from now on it is in memory only.
    pub fn unjournaled(&mut self, why: &str) {
        if self.unjournaled.is_none() {
            self.unjournaled = Some(why.to_owned());
            self.note(format!(
                "the journal ended: {why}; the run goes on in memory, and would be lost with its controller"
            ));
        }
    }
}
