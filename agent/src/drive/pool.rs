//! One agent's VUs of an open scenario: how many each worker has free and the way to it; and each worker's own.
//!
//! They follow the newest assignment at once: those that go are given up as soon as they are free, those that come are made as soon as
//! whoever had them is done with them. Whoever keeps none goes on with those it has until the change holds: it has arrivals until then.

use super::vu_id;
use crate::share::Share;
use crate::vu::{Site, Vu};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;

/// An arrival that is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Its index in the whole test's scenario.
    pub(crate) index: u64,
    pub(crate) due: Instant,
}

/// How many VUs each worker has free, and the way to it.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Vec<AtomicU64>,
    ways: Vec<UnboundedSender<Arrival>>,
}

impl Pool {
    /// For so many workers; and each worker's mailbox.
    pub(crate) fn new(workers: usize) -> (Arc<Self>, Vec<UnboundedReceiver<Arrival>>) {
        let (ways, mail) = (0..workers)
            .map(|_| tokio::sync::mpsc::unbounded_channel())
            .unzip();
        let free = (0..workers).map(|_| AtomicU64::new(0)).collect();
        (Arc::new(Self { free, ways }), mail)
    }

    /// Claims a free VU of a worker.
    pub(crate) fn claim(&self, worker: usize) -> bool {
        self.free[worker]
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1))
            .is_ok()
    }

    /// Claims a VU of some other worker and sends the arrival there.
    pub(crate) fn pass_on(&self, from: usize, arrival: Arrival) -> bool {
        (1..self.free.len())
            .map(|step| (from + step) % self.free.len())
            .any(|worker| self.claim(worker) && self.ways[worker].send(arrival).is_ok())
    }

    fn freed(&self, worker: usize) {
        self.free[worker].fetch_add(1, Ordering::AcqRel);
    }
}

/// One worker's VUs of one scenario.
pub(crate) struct Bench {
    site: Rc<Site>,
    scenario: usize,
    pool: Arc<Pool>,
    free: Vec<Vu>,
    /// Numbers (from 0 in the scenario) of those that are its own to have,
    own: BTreeSet<u64>,
    /// of those that were made, free or not,
    made: BTreeSet<u64>,
    /// and of those that may be made when they are needed.
    later: VecDeque<u64>,
    /// How many of those that were made are not its own.
    strays: usize,
    /// When to settle again, in run time.
    pub(crate) again: Option<u64>,
}

impl Bench {
    /// An empty one.
    pub(crate) fn new(site: &Rc<Site>, scenario: usize, pool: &Arc<Pool>) -> Self {
        Self {
            site: Rc::clone(site),
            scenario,
            pool: Arc::clone(pool),
            free: Vec::new(),
            own: BTreeSet::new(),
            made: BTreeSet::new(),
            later: VecDeque::new(),
            strays: 0,
            again: None,
        }
    }

    /// Takes what is its own now, and gives up what is not. `now` is run time.
    pub(crate) fn settle(&mut self, share: &Share, now: u64) {
        let executor = &self.site.plan.scenarios[self.scenario].executor;
        let (most, initialised) = (executor.max_vus(), executor.vus_initialised());
        let of = (self.scenario, most, executor.vus_move());
        let roster = self.site.rosters.of(share, self.site.turn, of);
        let kept: BTreeSet<u64> = roster.vus().filter(|vu| roster.keeps(*vu)).collect();
        let left = share.shares().under(usize::MAX);
        let keeps_none = left.count_below(share.seat, most) == 0;
        self.again = self
            .last_day(share)
            .filter(|from| keeps_none && now < *from);
        if self.again.is_some() {
            for vu in &self.made {
                self.site.giving.insert(self.scenario, *vu);
            }
            return;
        }
        let waits = |vu: &u64| share.waits_for(self.scenario, *vu);
        self.own = kept.into_iter().filter(|vu| !waits(vu)).collect();
        self.strays = 0;
        for vu in self.made.difference(&self.own) {
            self.strays += 1;
            self.site.giving.insert(self.scenario, *vu);
        }
        self.weed();
        let missing: Vec<u64> = self.own.difference(&self.made).copied().collect();
        let (first, later) = missing.split_at(missing.partition_point(|vu| *vu < initialised));
        for vu in first {
            self.make(*vu);
        }
        self.later = later.iter().copied().collect();
    }

    /// From when on it has nothing, if the newest changes leave it nothing.
    fn last_day(&self, share: &Share) -> Option<u64> {
        let shares = share.shares();
        let last = shares.changes().last().map(|(from, _)| *from);
        shares.gone_from(share.seat).or(last)
    }

    /// Gives up what is free and not its own. A VU that is spoken for does one more iteration first.
    fn weed(&mut self) {
        while let Some(place) = self.stray()
            && self.pool.claim(self.site.turn.0)
        {
            let vu = self.free.swap_remove(place);
            self.give_up(vu);
        }
    }

    fn stray(&self) -> Option<usize> {
        if self.strays == 0 {
            return None;
        }
        let stray = |vu: &Vu| !self.own.contains(&vu.number());
        self.free.iter().position(stray)
    }

    fn give_up(&mut self, vu: Vu) {
        let number = vu.number();
        vu.retire();
        self.made.remove(&number);
        self.strays = self.strays.saturating_sub(1);
        self.site.giving.remove(self.scenario, number);
    }

    fn make(&mut self, number: u64) {
        self.made.insert(number);
        if self.again.is_some() {
            self.site.giving.insert(self.scenario, number);
        }
        let id = vu_id(&self.site.plan, self.scenario, number);
        let vu = Vu::new(Rc::clone(&self.site), self.scenario, id);
        self.free.push(vu);
        self.pool.freed(self.site.turn.0);
    }

    /// Makes one of those that are not made yet. False if there is none.
    pub(crate) fn grow(&mut self) -> bool {
        let next = self.later.pop_front();
        if let Some(number) = next {
            self.make(number);
        }
        next.is_some()
    }

    /// A VU that was claimed; one that is to be given up if there is any.
    pub(crate) fn take(&mut self) -> Option<Vu> {
        match self.stray() {
            Some(place) => Some(self.free.swap_remove(place)),
            None => self.free.pop(),
        }
    }

    /// Its iteration is over.
    pub(crate) fn give_back(&mut self, vu: Vu) {
        if self.strays == 0 || self.own.contains(&vu.number()) {
            self.free.push(vu);
            self.pool.freed(self.site.turn.0);
            self.weed();
        } else {
            self.give_up(vu);
        }
    }
}
