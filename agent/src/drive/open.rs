//! Open executors: an iteration begins when it is due, whether or not earlier ones are done.
//!
//! Each worker begins every W-th of its agent's arrivals. A late wake-up begins all that is due, each with its own due time;
//! what is found later than [`CATCH_UP`] is expired. An arrival without a free VU goes to a worker that has one, or is dropped.

use super::{first_vu, moment};
use crate::alarm::Alarm;
use crate::clock;
use crate::recorder::DropReason;
use crate::stop::Going;
use crate::vu::{Site, Turn, Vu};
use plan::{ArrivalCurve, Stripe};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;

/// How late an arrival may begin.
pub(crate) const CATCH_UP: Duration = Duration::from_secs(1);

/// An arrival that is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Its index in the whole test's scenario.
    index: u64,
    due: Instant,
}

/// One agent's VUs of one scenario, as its workers see them: how many each has free, and the way to it.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Vec<AtomicU64>,
    ways: Vec<UnboundedSender<Arrival>>,
    /// VUs that may still be made.
    growth: AtomicU64,
}

impl Pool {
    /// For `workers` workers, which may together make `growth` VUs beyond those they begin with; and each worker's mailbox.
    pub(crate) fn new(workers: usize, growth: u64) -> (Arc<Self>, Vec<UnboundedReceiver<Arrival>>) {
        let (ways, mail) = (0..workers)
            .map(|_| tokio::sync::mpsc::unbounded_channel())
            .unzip();
        let free = (0..workers).map(|_| AtomicU64::new(0)).collect();
        let pool = Self {
            free,
            ways,
            growth: AtomicU64::new(growth),
        };
        (Arc::new(pool), mail)
    }

    /// Claims a free VU of a worker.
    fn claim(&self, worker: usize) -> bool {
        take_one(&self.free[worker])
    }

    /// Claims a VU of some other worker and sends the arrival there.
    fn pass_on(&self, from: usize, arrival: Arrival) -> bool {
        (1..self.free.len())
            .map(|step| (from + step) % self.free.len())
            .any(|worker| self.claim(worker) && self.ways[worker].send(arrival).is_ok())
    }
}

fn take_one(count: &AtomicU64) -> bool {
    count
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1))
        .is_ok()
}

/// One worker's part of an open scenario.
pub(crate) struct Open {
    pub(crate) site: Rc<Site>,
    pub(crate) scenario: usize,
    pub(crate) curve: ArrivalCurve,
    /// Which arrivals are whose.
    pub(crate) stripe: Stripe,
    pub(crate) seat: usize,
    pub(crate) worker: usize,
    pub(crate) workers: usize,
    pub(crate) pool: Arc<Pool>,
    pub(crate) mail: UnboundedReceiver<Arrival>,
    /// VU numbers (from 0 in the scenario) this worker makes before the start, and those it may make later.
    pub(crate) made: Vec<u64>,
    pub(crate) later: VecDeque<u64>,
    pub(crate) alarm: Alarm,
}

/// The free VUs of this worker.
type Free = Rc<RefCell<Vec<Vu>>>;

impl Open {
    /// Begins arrivals until the scenario is over, then waits for those that run.
    pub(crate) async fn drive(mut self) {
        let free: Free = Rc::default();
        for number in std::mem::take(&mut self.made) {
            self.make(number, &free);
        }
        let mut stop = self.site.stop.clone();
        let mut running = tokio::task::JoinSet::new();
        let end = moment(&self.site, self.scenario, self.curve.duration());
        let mut next = self.worker as u64;
        loop {
            let arrival = self.arrival(next);
            // Passed-on arrivals may come until the end, also when our own are all begun.
            let wake = arrival.map_or(end, |arrival| arrival.due);
            if arrival.is_none() && clock::now() >= end {
                break;
            }
            tokio::select! {
                biased;
                () = stop.ending() => break,
                passed = self.mail.recv() => {
                    if let Some(passed) = passed {
                        // Its VU was claimed by the sender.
                        self.begin(passed, &free, &mut running);
                    }
                }
                () = self.alarm.wait_until(wake) => {
                    if !self.site.fence.is_open() { break; }
                    if let Some(arrival) = arrival {
                        next += self.workers as u64;
                        self.take_up(arrival, &free, &mut running);
                    }
                }
            }
            while let Some(done) = running.try_join_next() {
                crate::worker::broke(done);
            }
        }
        // What another worker sent here before it could know that we stop: it was due, so it is begun or counted.
        self.mail.close();
        while let Ok(passed) = self.mail.try_recv() {
            if self.site.goes_on() {
                self.begin(passed, &free, &mut running);
            } else {
                self.site.tally[self.scenario].dropped.add(1);
                self.drop_one(DropReason::TimeUp);
            }
        }
        while let Some(done) = running.join_next().await {
            crate::worker::broke(done);
        }
    }

    /// This worker's `k`-th arrival of the agent's.
    fn arrival(&self, k: u64) -> Option<Arrival> {
        let total = self.curve.total();
        if k >= self.stripe.count_below(self.seat, total) {
            return None;
        }
        let index = self.stripe.nth(self.seat, k);
        let due = moment(&self.site, self.scenario, self.curve.due_at(index)?);
        Some(Arrival { index, due })
    }

    fn take_up(&mut self, arrival: Arrival, free: &Free, running: &mut tokio::task::JoinSet<()>) {
        let cells = &self.site.tally[self.scenario];
        cells.due.add(1);
        if clock::now().saturating_duration_since(arrival.due) > CATCH_UP {
            cells.expired.add(1);
            self.drop_one(DropReason::Expired);
        } else if self.pool.claim(self.worker) {
            self.begin(arrival, free, running);
        } else if !self.pool.pass_on(self.worker, arrival) {
            cells.dropped.add(1);
            self.drop_one(DropReason::NoFreeVu);
            self.grow(free);
        }
    }

    fn drop_one(&self, reason: DropReason) {
        let mut recorder = self.site.recorder.borrow_mut();
        recorder.dropped(self.scenario, reason, 1);
    }

    /// Runs an arrival on a VU that was claimed for it.
    fn begin(&self, arrival: Arrival, free: &Free, running: &mut tokio::task::JoinSet<()>) {
        let Some(mut vu) = free.borrow_mut().pop() else {
            // Unreachable while claims and VUs are counted alike; counted all the same.
            self.site.tally[self.scenario].dropped.add(1);
            self.drop_one(DropReason::NoFreeVu);
            return;
        };
        let site = Rc::clone(&self.site);
        let (scenario, worker) = (self.scenario, self.worker);
        let (pool, free) = (Arc::clone(&self.pool), Rc::clone(free));
        let cut = moment(&site, scenario, self.curve.duration())
            + site.plan.scenarios[scenario].graceful_stop;
        running.spawn_local(async move {
            let grace = site.plan.scenarios[scenario].graceful_stop;
            let turn = Turn {
                index: Some(arrival.index),
                due: Some(arrival.due),
                open: true,
            };
            site.active.set(site.active.get() + 1);
            vu.iterate(turn, cut, grace).await;
            site.active.set(site.active.get() - 1);
            free.borrow_mut().push(vu);
            pool.free[worker].fetch_add(1, Ordering::AcqRel);
        });
    }

    fn make(&self, number: u64, free: &Free) {
        let id = first_vu(&self.site.plan, self.scenario) + number + 1;
        let vu = Vu::new(Rc::clone(&self.site), self.scenario, id);
        free.borrow_mut().push(vu);
        self.pool.free[self.worker].fetch_add(1, Ordering::AcqRel);
    }

    /// k6: an arrival that found no VU is dropped, and one more VU is made for those to come, up to `maxVUs`.
    fn grow(&mut self, free: &Free) {
        if self.site.stop.going() != Going::On {
            return;
        }
        match self.later.pop_front() {
            Some(number) if take_one(&self.pool.growth) => self.make(number, free),
            Some(_) | None => {
                let plan = &self.site.plan;
                let name = &plan.scenarios[self.scenario].name;
                let most = plan.scenarios[self.scenario].executor.max_vus();
                let mut recorder = self.site.recorder.borrow_mut();
                recorder.lines.message(
                    proto::v1::Level::Warn,
                    &format!("scenario {name}: arrivals dropped, all VUs are busy (maxVUs {most} in the whole fleet)"),
                    String::new,
                );
            }
        }
    }
}
