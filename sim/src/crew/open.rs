//! Arrivals: each begun when it is due, by whom it belongs to then.

use super::{Scene, Site, View};
use agent::StopHow;
use std::collections::{BTreeMap, BTreeSet};

/// Shortest and longest service time.
const SERVICE: (u64, u64) = (5_000_000, 400_000_000);

/// One open scenario on one agent.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// The next index to look at.
    next: u64,
    /// Our own that were begun, dropped or expired.
    handled: BTreeSet<u64>,
    /// Run time from which indexes are to be looked at again.
    again: Option<u64>,
    /// By reading of the clock at which it is answered: how many, and since when.
    running: BTreeMap<(u64, u64), u64>,
    number: u64,
}

impl Open {
    /// Ownership changed from a run time on.
    pub(super) fn look_again(&mut self, since: u64) {
        self.again = Some(self.again.map_or(since, |again| again.min(since)));
    }

    /// True once nothing is left to do.
    pub(super) fn turn(&mut self, site: &mut Site, view: &View<'_>, scene: &mut Scene<'_>) -> bool {
        let now = scene.now();
        while let Some(entry) = self.running.first_entry() {
            let (until, _) = *entry.key();
            if until > now {
                break;
            }
            let since = entry.remove();
            site.complete(scene, until - since);
        }
        let scenario = &view.plan.scenarios[site.scenario];
        let curve = view
            .control
            .arrivals(site.scenario, scenario, view.plan.seed);
        let Some(curve) = curve else { return true };
        if view.stop == Some(StopHow::Interrupt) {
            for _ in std::mem::take(&mut self.running) {
                site.cut();
            }
        }
        if view.stop.is_some() {
            return self.running.is_empty();
        }
        if let Some(since) = self.again.take() {
            let position = view.control.stage_time(since).saturating_sub(site.start);
            self.next = self.next.min(curve.due_by(position.saturating_sub(1)));
        }
        let max_vus = scenario.executor.max_vus();
        let shares = view.shares.of_arrivals(max_vus);
        while let Some(due) = curve
            .due_at(self.next)
            .filter(|_| self.next < curve.total())
        {
            let Some(when) = site.when(view.control, due).filter(|when| *when <= now) else {
                return false;
            };
            let index = self.next;
            self.next += 1;
            let run = when - site.t0;
            if shares.at(run).owner(index) != site.seat || !self.handled.insert(index) {
                continue;
            }
            site.totals.due += 1;
            let own = view.shares.at(run).count_below(site.seat, max_vus);
            if now - when > super::nanos(scenario.catch_up) {
                site.totals.expired += 1;
            } else if self.running.len() as u64 >= own {
                site.totals.dropped += 1;
            } else {
                site.begin(view, scene, index);
                scene
                    .target
                    .index(scene.at, site.life, site.scenario, index);
                let until = now + scene.random.between(SERVICE.0, SERVICE.1);
                self.number += 1;
                self.running.insert((until, self.number), now);
            }
        }
        let end = site.when(view.control, curve.duration());
        end.is_some_and(|end| now >= end) && self.running.is_empty()
    }

    pub(super) fn next(&self, site: &Site, view: &View<'_>, now: u64) -> Option<u64> {
        let answered = self.running.keys().next().map(|(until, _)| *until);
        if view.stop.is_some() {
            return answered;
        }
        let scenario = &view.plan.scenarios[site.scenario];
        let curve = view
            .control
            .arrivals(site.scenario, scenario, view.plan.seed)?;
        let due = curve
            .due_at(self.next)
            .filter(|_| self.next < curve.total());
        let due = due.unwrap_or(curve.duration());
        let due = site.when(view.control, due).map(|due| due.max(now));
        let again = self.again.map(|_| now);
        [answered, due, again].into_iter().flatten().min()
    }
}
