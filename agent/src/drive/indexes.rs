//! The indexes of a `shared-iterations` scenario as this agent has them on lease: taken by its VUs, at most once each.

use crate::clock;
use crate::crew::Report;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// What a VU gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// An index that is now its own.
    Index(u64),
    /// There will be no more, or not in time.
    NoMore,
}

/// One scenario's store, shared by the agent's workers.
#[derive(Debug)]
pub(crate) struct Indexes {
    scenario: usize,
    store: Mutex<Store>,
    more: Notify,
    reports: UnboundedSender<Report>,
}

#[derive(Debug, Default)]
struct Store {
    /// VUs of this agent: at least so many indexes are asked for at once; none, if there are none.
    vus: u64,
    ranges: VecDeque<Range<u64>>,
    left: u64,
    asked: bool,
    last: bool,
    taken: u64,
    /// When the first was taken.
    since: Option<Instant>,
    /// Somebody found nothing since the last grant.
    starved: bool,
    /// How many grants came too late for somebody: each doubles what is asked for, since the rate so far was not the VUs' own.
    dry: u32,
    /// Workers that may still take.
    workers: usize,
}

/// A thousandfold is enough for any round trip.
const MOST_DOUBLINGS: u32 = 10;
/// Below this nobody knows the rate.
const SOON: Duration = Duration::from_millis(100);

impl Indexes {
    /// For an agent with so many VUs in the scenario, on so many workers.
    pub(crate) fn new(
        scenario: usize,
        vus: u64,
        workers: usize,
        reports: UnboundedSender<Report>,
    ) -> Self {
        let store = Store {
            vus,
            workers,
            ..Store::default()
        };
        Self {
            scenario,
            store: Mutex::new(store),
            more: Notify::new(),
            reports,
        }
    }

    /// Asks for the first block, so that it is here when the load begins. An agent without VUs asks for nothing.
    pub(crate) fn ask_ahead(&self) {
        self.ask(&mut self.lock());
    }

    /// From now on this agent has so many VUs.
    pub(crate) fn serve(&self, vus: u64) {
        let mut store = self.lock();
        store.vus = vus;
        self.ask(&mut store);
        drop(store);
        self.more.notify_waiters();
    }

    /// Asks whether there are more, unless that will be heard anyway.
    pub(crate) fn inquire(&self) {
        let mut store = self.lock();
        if store.vus == 0 && !store.last && !store.asked {
            store.asked = true;
            self.want(0);
        }
    }

    /// Once no index is left that a VU of this agent could take.
    pub(crate) async fn exhausted(&self) {
        loop {
            let more = self.more.notified();
            tokio::pin!(more);
            more.as_mut().enable();
            {
                let store = self.lock();
                if store.last && (store.left == 0 || store.vus == 0) {
                    return;
                }
            }
            more.await;
        }
    }

    /// Takes the next index; asks for more before they run out.
    pub(crate) async fn take(&self, until: Instant) -> Taken {
        loop {
            let more = self.more.notified();
            tokio::pin!(more);
            more.as_mut().enable();
            {
                let mut store = self.lock();
                store.since.get_or_insert_with(clock::now);
                let found = store.take();
                store.starved |= found.is_none();
                self.ask(&mut store);
                if store.last && store.left == 0 {
                    self.more.notify_waiters();
                }
                match found {
                    Some(index) => return Taken::Index(index),
                    // Nobody asks for more for VUs that go to others.
                    None if store.last || (store.vus == 0 && !store.asked) => {
                        return Taken::NoMore;
                    }
                    None => {}
                }
            }
            tokio::select! {
                () = more => {}
                () = tokio::time::sleep_until(until) => return Taken::NoMore,
            }
        }
    }

    /// Adds what was granted. Returns how many of them came when all workers were done, and will not be taken.
    pub(crate) fn grant(&self, indexes: Range<u64>, last: bool) -> u64 {
        let mut store = self.lock();
        if store.workers == 0 {
            return indexes.end.saturating_sub(indexes.start);
        }
        store.left += indexes.end.saturating_sub(indexes.start);
        store.ranges.push_back(indexes);
        store.last |= last;
        store.asked = false;
        if std::mem::take(&mut store.starved) {
            store.dry = (store.dry + 1).min(MOST_DOUBLINGS);
        }
        drop(store);
        self.more.notify_waiters();
        0
    }

    /// A worker takes no more. Once that is true of all, returns how many indexes are left on this agent's hands.
    pub(crate) fn leave(&self) -> u64 {
        let mut store = self.lock();
        store.workers = store.workers.saturating_sub(1);
        if store.workers > 0 {
            return 0;
        }
        store.last = true;
        store.ranges.clear();
        std::mem::take(&mut store.left)
    }

    /// Asks for about a second's work when less than half of that is left.
    fn ask(&self, store: &mut Store) {
        let elapsed = store.since.map_or(Duration::ZERO, |since| {
            clock::now().saturating_duration_since(since)
        });
        // At first one index for each VU keeps all at work.
        let per_second = if elapsed < SOON {
            0.0
        } else {
            store.taken as f64 / elapsed.as_secs_f64()
        };
        let rate = (per_second.ceil() as u64).max(store.vus);
        let block = rate.saturating_mul(1 << store.dry);
        if store.vus > 0 && !store.last && !store.asked && store.left <= block / 2 {
            store.asked = true;
            self.want(block);
        }
    }

    fn want(&self, want: u64) {
        // The link is gone only when the crew is being dropped.
        let _ = self.reports.send(Report::WantIterations {
            scenario: self.scenario,
            want,
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn take(&mut self) -> Option<u64> {
        loop {
            let range = self.ranges.front_mut()?;
            if let Some(index) = range.next() {
                self.left -= 1;
                self.taken += 1;
                return Some(index);
            }
            self.ranges.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Indexes, Taken};
    use crate::clock;
    use crate::crew::Report;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn each_index_is_taken_once_and_more_is_asked_for_in_time() {
        let (reports, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let indexes = Indexes::new(3, 4, 1, reports);
        indexes.grant(0..4, false);
        indexes.grant(10..12, true);
        let until = clock::now() + Duration::from_secs(1);
        let mut taken = Vec::new();
        while let Taken::Index(index) = indexes.take(until).await {
            taken.push(index);
        }
        assert_eq!(taken, [0, 1, 2, 3, 10, 11]);
        assert!(asked.try_recv().is_err(), "the last grant came in time");
        let empty = Indexes::new(3, 4, 1, indexes.reports.clone());
        empty.ask_ahead();
        assert_eq!(empty.take(until).await, Taken::NoMore);
        assert!(matches!(
            asked.try_recv(),
            Ok(Report::WantIterations {
                scenario: 3,
                want: 4
            })
        ));
        assert!(asked.try_recv().is_err(), "not asked twice");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_ran_dry_asks_for_more_than_before() {
        let (reports, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let indexes = Indexes::new(0, 4, 1, reports);
        let mut wants = Vec::new();
        let mut next = 0;
        for _ in 0..4 {
            let soon = clock::now() + Duration::from_millis(1);
            while indexes.take(soon).await != Taken::NoMore {}
            while let Ok(Report::WantIterations { want, .. }) = asked.try_recv() {
                wants.push(want);
                indexes.grant(next..next + want, false);
                next += want;
            }
        }
        assert!(wants.is_sorted() && wants[3] > wants[0], "{wants:?}");
    }

    #[test]
    fn what_is_left_is_told_once_by_the_last_worker_and_late_grants_are_given_back() {
        let (reports, _asked) = tokio::sync::mpsc::unbounded_channel();
        let indexes = Indexes::new(0, 4, 2, reports);
        assert_eq!(indexes.grant(0..7, false), 0);
        assert_eq!((indexes.leave(), indexes.leave()), (0, 7));
        assert_eq!(indexes.grant(7..10, false), 3);
    }
}
