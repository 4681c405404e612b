//! VU time held by closed scenarios, counted as it passes: a heartbeat in the middle of a long iteration tells it too.

use crate::clock;
use crate::stop::Going;
use crate::vu::{Site, nanos};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
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
    /// Counted up to here.
    since: Instant,
    /// The span's end: what goes on behind it is not held.
    end: Instant,
}

/// One VU within its span; dropping it ends that.
pub(crate) struct Held<'a> {
    site: &'a Site,
    key: u64,
}

impl Holds {
    /// A VU is held from `since` to `end` at most.
    pub(crate) fn hold<'a>(
        &self,
        site: &'a Site,
        scenario: usize,
        since: Instant,
        end: Instant,
    ) -> Held<'a> {
        let key = self.next.get();
        self.next.set(key + 1);
        let hold = Hold {
            scenario,
            since,
            end,
        };
        self.held.borrow_mut().insert(key, hold);
        site.active.set(site.active.get() + 1);
        Held { site, key }
    }

    /// Counts what was held up to now.
    pub(crate) fn count(&self, site: &Site) {
        let now = until(site);
        for hold in self.held.borrow_mut().values_mut() {
            hold.count(site, now);
        }
    }
}

impl Hold {
    fn count(&mut self, site: &Site, now: Instant) {
        let now = now.min(self.end);
        site.tally[self.scenario].vu_ns.add(nanos(now, self.since));
        self.since = self.since.max(now);
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
