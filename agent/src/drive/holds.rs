//! VU time held by closed scenarios, counted as it passes: a heartbeat in the middle of a long iteration tells it too.
//!
//! It is stage time that counts: a pause is no time at all, and what goes on behind a span is not held.

use super::course::Course;
use crate::clock;
use crate::stop::Going;
use crate::tally::Onward;
use crate::vu::Site;
use plan::Span;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
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
    /// The one that it was in when it was counted.
    within: Option<Span>,
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
            within: None,
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
        let goes_on = site.stop.going() == Going::On;
        let courses = (0..site.tally.len()).map(|scenario| Course::newest(site, scenario));
        let mut sums: Vec<Sum> = courses.map(Sum::new).collect();
        for hold in self.held.borrow_mut().values_mut() {
            let sum = &mut sums[hold.scenario];
            sum.time += hold.count(&sum.course, now);
            if let Some(span) = hold.within {
                sum.vus += 1;
                sum.stop = sum.stop.max(span.stop);
            }
        }
        for (cells, sum) in site.tally.iter().zip(sums) {
            let grows = sum.vus > 0 && goes_on && !sum.course.is_paused(now);
            let onward = grows.then(|| Onward {
                since: now,
                vus: sum.vus,
                until: sum.course.until(now, sum.stop),
            });
            cells.held(sum.time, onward);
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
    /// What was held since the last time.
    fn count(&mut self, course: &Course, now: Instant) -> Duration {
        let Some(to) = course.position(now) else {
            return Duration::ZERO;
        };
        let held = |span: &Span| span.stop.min(to).saturating_sub(span.start.max(self.since));
        let held: u64 = self.spans.iter().map(held).sum();
        self.since = self.since.max(to);
        let within = |span: &&Span| (span.start..span.stop).contains(&to);
        self.within = self.spans.iter().find(within).copied();
        Duration::from_nanos(held)
    }
}

/// What the VUs of one scenario held since they were counted last.
struct Sum {
    course: Course,
    time: Duration,
    /// How many are within a span, and where the last of these ends.
    vus: u32,
    stop: u64,
}

impl Sum {
    fn new(course: Course) -> Self {
        Self {
            course,
            time: Duration::ZERO,
            vus: 0,
            stop: 0,
        }
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
            let grew = hold.within.is_some();
            let course = Course::newest(self.site, hold.scenario);
            let held = hold.count(&course, until(self.site));
            self.site.tally[hold.scenario].held_by_one(held, grew);
        }
        self.site.active.set(self.site.active.get() - 1);
    }
}
