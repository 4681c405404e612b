//! The picture of a run that goes on: seconds are completed and marks are made, watched or not; views are told to whoever watches.

use super::Active;
use crate::fleet::Fleet;
use crate::run::{AgentId, Phase};
use crate::view::{self, load, rates::Told};
use proto::v1::{View, run_event};

/// Between two views.
const VIEW_NS: u64 = 1_000_000_000;
const SECOND: i64 = 1_000_000_000;

impl Active {
    /// Once a second: looks at the load, completes seconds, and tells watchers.
    pub(super) fn tick_view(&mut self, fleet: &Fleet, now: u64) {
        if now < self.next_view {
            return;
        }
        // By the run's clock, so that looks fall on its seconds.
        let into = match self.t0 {
            Some(t0) if now >= t0 => (now - t0) % VIEW_NS,
            _ => 0,
        };
        self.next_view = now.saturating_add(VIEW_NS - into);
        self.complete(now);
        self.seen = None;
        if self.events.receiver_count() > 0 {
            self.look_rates();
            self.tell_view(fleet, now);
        }
    }

    fn look_rates(&mut self) {
        let scenarios = &self.order.plan.scenarios;
        let members = self.members.values();
        let running = members.filter(|member| self.run.runs(member.id));
        let told = running.map(|member| {
            let begun = scenarios.iter();
            let begun = begun.map(|scenario| member.of(&scenario.name, |of| of.begun));
            let told = Told {
                run: self.gather.seconds.held_until(member.seat),
                begun: begun.collect(),
                requests: member.total(|totals| totals.requests),
            };
            (member.seat, told)
        });
        self.rates.look(told, scenarios.len());
    }

    /// Looks at nothing: whoever plays a run again knows its running totals at its end only.
    pub fn unlooked(&mut self) {
        self.next_view = u64::MAX;
    }

    /// Takes into account what an agent has made by now, or by the run time that it told.
    pub(super) fn made(&mut self, now: u64, id: AgentId, told: Option<i64>) {
        let present = self.run_time(now);
        // Its clock is measured, not equal.
        let run = told.map_or(present, |told| told.min(present));
        if let (Some(member), Ok(run)) = (self.members.get(&id), u64::try_from(run))
            && self.t0.is_some()
            && self.next_view < u64::MAX
        {
            let outline = &self.outline;
            let held = crate::progress::held(outline, member, run);
            let asks = |from, to| {
                let due = outline.due_by(to).saturating_sub(outline.due_by(from));
                (due, outline.vu_time(from, to))
            };
            self.gather
                .seconds
                .held(member.seat, member.came, held, &asks);
        }
    }

    /// Completes every second that is delivered by all who deliver, or whose lease has passed.
    fn complete(&mut self, now: u64) {
        let run = self.run_time(now);
        if self.t0.is_none() || run < 0 {
            return;
        }
        let until = match self.run.phase {
            Phase::Load { .. } | Phase::Drain { .. } => run.unsigned_abs() / VIEW_NS * VIEW_NS,
            // Its last second is not a whole one.
            _ => self.gather.seconds.made_until(),
        };
        for at in load::looks(self.gather.seconds.looked().run, until) {
            let look = crate::progress::look(self, at);
            self.gather.seconds.look(look);
        }
        let members = self.members.values();
        let running = members.filter(|member| self.run.runs(member.id));
        let delivered = running.map(|member| {
            let ns = |run: u64| i64::try_from(run).unwrap_or(i64::MAX);
            let held = ns(self.gather.seconds.held_until(member.seat));
            let until = self.gather.from_seat(member.seat).until;
            until.min(held).max(ns(member.came))
        });
        let lease = i64::try_from(self.run.limits.lease).unwrap_or(i64::MAX);
        let overdue = run.saturating_sub(lease);
        let complete = delivered.min().unwrap_or(run).min(run).max(overdue);
        self.gather.seconds.let_go(complete.div_euclid(SECOND));
    }

    fn tell_view(&mut self, fleet: &Fleet, now: u64) {
        if let Some(news) = self.gather.seconds.news() {
            self.tell(run_event::Event::Seconds(news));
        }
        let view = self.view(fleet, now);
        self.tell(run_event::Event::View(view));
    }

    /// How the run stands, or stood when somebody looked in this second: made once for everybody.
    pub(super) fn view(&mut self, fleet: &Fleet, now: u64) -> View {
        let view = self.seen.take();
        let view = view.unwrap_or_else(|| view::of(self, fleet, now));
        self.seen.insert(view).clone()
    }

    /// Tells watchers the line for those without a picture.
    pub(super) fn tell_progress(&mut self, now: u64) {
        if self.events.receiver_count() > 0 {
            let progress = crate::progress::of(self, now);
            self.tell(run_event::Event::Progress(progress));
        }
    }

    /// Nothing more comes: what is left is told. How the run stood in the end.
    pub(super) fn last_view(&mut self, fleet: &Fleet, now: u64) {
        self.complete(now);
        self.gather.seconds.end();
        self.seen = None;
        if self.events.receiver_count() > 0 {
            self.tell_view(fleet, now);
        } else {
            self.view(fleet, now);
        }
    }

    /// How it stood when somebody looked last, or in the end.
    pub fn last_seen(&mut self) -> Option<View> {
        self.seen.take()
    }

    /// Marks what is to be marked by now, and passes it on to the outputs.
    pub(super) fn tick_marks(&mut self, now: u64) {
        let (Some(t0), run) = (self.t0, self.run_time(now)) else {
            return;
        };
        let Ok(run) = u64::try_from(run) else { return };
        self.marks.stages(run, &self.changes.control);
        self.marks.annotations(&self.changes.annotations);
        for member in self.members.values() {
            let Some(standing) = self.standing(member.seat) else {
                continue;
            };
            let at = member.heard.map_or(run, |heard| heard.saturating_sub(t0));
            let (came_ms, at_ms) = (member.came as f64 / 1e6, at as f64 / 1e6);
            self.marks
                .seat(member.seat, &member.name, standing, came_ms, at_ms);
        }
        for mark in self.marks.fresh() {
            if let Some(outputs) = &mut self.gather.outputs {
                let text = match mark.who.as_str() {
                    "" => mark.text.clone(),
                    who => format!("{} by {who}", mark.text),
                };
                outputs.event(mark.run_ns(), mark.kind.word(), text);
            }
        }
    }
}
