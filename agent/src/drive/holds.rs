//! VU time held by closed scenarios, counted as it passes: a heartbeat in the middle of a long iteration tells it too.
//!
//! It is stage time that counts: a pause is no time at all, and what goes on behind a span is not held.

use super::course::Course;
use crate::clock;
use crate::stop::Going;
use crate::vu::Site;
use plan::Span;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// The VUs of one worker that are within a span now.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    next: Cell<u64>,
    held: RefCell<BTreeMap<u64, Hold>>,
}

#[derive(Debug)]
struct Hold {
    scenario: usize,
    number: u64,
    /// Counted up to here in the scenario's own time.
    since: u64,
    spans: Vec<Span>,
}

/// One VU within its span; dropping it ends that.
pub(crate) struct Held<'a> {
    site: &'a Site,
    key: u64,
}

impl Holds {
    /// A VU is held from `since` on, in its scenario's own time, as far as its spans reach.
    pub(crate) fn hold<'a>(
        &self,
        site: &'a Site,
        scenario: usize,
        number: u64,
        since: u64,
        spans: Vec<Span>,
    ) -> Held<'a> {
        let key = self.next.get();
        self.next.set(key + 1);
        let hold = Hold {
            scenario,
            number,
            since,
            spans,
        };
        self.held.borrow_mut().insert(key, hold);
        site.active.set(site.active.get() + 1);
        Held { site, key }
    }

    /// VUs of a scenario that are held.
    pub(crate) fn numbers(&self, scenario: usize) -> BTreeSet<u64> {
        let held = self.held.borrow();
        let ours = held.values().filter(|hold| hold.scenario == scenario);
        ours.map(|hold| hold.number).collect()
    }

    /// Counts what was held up to now.
    pub(crate) fn count(&self, site: &Site) {
        let now = until(site);
        for hold in self.held.borrow_mut().values_mut() {
            hold.count(site, now);
        }
    }

    /// Something was changed: from here on other spans count.
    pub(crate) fn replan(&self, site: &Site) {
        self.count(site);
        let control = site.stop.control();
        for hold in self.held.borrow_mut().values_mut() {
            let scenario = &site.plan.scenarios[hold.scenario];
            if let Some(vus) = control.vus(hold.scenario, scenario) {
                hold.spans = vus.spans(hold.number);
            }
        }
    }
}

impl Hold {
    fn count(&mut self, site: &Site, now: Instant) {
        let Some(to) = Course::newest(site, self.scenario).position(now) else {
            return;
        };
        let within = |span: &Span| span.stop.min(to).saturating_sub(span.start.max(self.since));
        let held: u64 = self.spans.iter().map(within).sum();
        site.tally[self.scenario].vu_ns.add(held);
        self.since = self.since.max(to);
    }
}

/// Now, or when a graceful stop came: from there on nothing is held, iterations only finish.
fn until(site: &Site) -> Instant {
    let now = clock::now();
    match site.stop.going() {
        Going::Ending(since) => now.min(since),
        Going::On | Going::Cut => now,
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(mut hold) = self.site.holds.held.borrow_mut().remove(&self.key) {
            hold.count(self.site, until(self.site));
        }
        self.site.active.set(self.site.active.get() - 1);
    }
}
