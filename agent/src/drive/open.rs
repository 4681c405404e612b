//! Open executors: an iteration begins when it is due, whether or not earlier ones are done.
//!
//! Each worker begins every W-th of its agent's arrivals. A late wake-up begins all that is due, each with its own due time;
//! what is found later than the scenario's `catchUp` is expired. An arrival without a free VU goes to a worker that has one, or is dropped.

use super::course::Course;
use super::vu_id;
use crate::alarm::Alarm;
use crate::clock;
use crate::recorder::DropReason;
use crate::stop::Going;
use crate::vu::{Limit, Site, Turn, Vu};
use plan::{Control, Stripe};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;

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

/// When arrivals are due, under one version of the changes.
struct Timetable {
    course: Course,
    curve: Option<plan::ScaledArrivals>,
    /// When the last stage ends; `None` if that is not known in a pause.
    end: Option<Instant>,
}

/// When an arrival is due.
#[derive(Debug, Clone, Copy)]
enum Due {
    At(Arrival),
    /// There is no such arrival.
    Never,
    /// When somebody resumes.
    Unknown,
}

impl Timetable {
    /// A worker's `k`-th arrival of its agent's.
    fn arrival(&self, of: &Open, k: u64) -> Due {
        let Some(curve) = &self.curve else {
            return Due::Never;
        };
        if k >= of.stripe.count_below(of.seat, curve.total()) {
            return Due::Never;
        }
        let index = of.stripe.nth(of.seat, k);
        let Some(ns) = curve.due_at(index) else {
            return Due::Never;
        };
        match self.course.moment(ns) {
            Some(due) => Due::At(Arrival { index, due }),
            None => Due::Unknown,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now >= end)
    }
}

async fn wait_until(alarm: &mut Alarm, moment: Option<Instant>) {
    match moment {
        Some(moment) => alarm.wait_until(moment).await,
        None => std::future::pending().await,
    }
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
        let mut next = self.worker as u64;
        let mut timetable = self.timetable(stop.take_control());
        while self.site.stop.going() == Going::On {
            let arrival = timetable.arrival(&self, next);
            // Passed-on arrivals may come until the end, also when our own are all begun. In a pause nothing comes.
            let wake = match arrival {
                Due::At(arrival) => Some(arrival.due),
                Due::Never => timetable.end,
                Due::Unknown => None,
            };
            if matches!(arrival, Due::Never) && timetable.is_over(clock::now()) {
                break;
            }
            tokio::select! {
                biased;
                _ = stop.changed() => timetable = self.timetable(stop.control()),
                passed = self.mail.recv() => {
                    if let Some(passed) = passed {
                        // Its VU was claimed by the sender.
                        self.begin(passed, &free, &mut running);
                    }
                }
                () = wait_until(&mut self.alarm, wake) => {
                    if !self.site.fence.is_open() { break; }
                    if let Due::At(arrival) = arrival {
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

    fn timetable(&self, control: Arc<Control>) -> Timetable {
        let it = &self.site.plan.scenarios[self.scenario];
        let curve = control.arrivals(self.scenario, it, self.site.plan.seed);
        let course = Course::new(&self.site, self.scenario, control);
        let end = curve
            .as_ref()
            .and_then(|curve| course.moment(curve.duration()));
        Timetable { course, curve, end }
    }

    fn take_up(&mut self, arrival: Arrival, free: &Free, running: &mut tokio::task::JoinSet<()>) {
        let cells = &self.site.tally[self.scenario];
        cells.due.add(1);
        let catch_up = self.site.plan.scenarios[self.scenario].catch_up;
        if clock::now().saturating_duration_since(arrival.due) > catch_up {
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
        running.spawn_local(async move {
            let grace = site.plan.scenarios[scenario].graceful_stop;
            let cut_end =
                site.plan.scenarios[scenario].cut_end() - site.plan.scenarios[scenario].start_time;
            let cut_end = u64::try_from(cut_end.as_nanos()).unwrap_or(u64::MAX);
            let anew = |control: &Arc<Control>| {
                Course::new(&site, scenario, Arc::clone(control)).moment_or_far(cut_end)
            };
            let limit = Limit {
                at: anew(&site.stop.control()),
                anew: &anew,
            };
            let turn = Turn {
                index: Some(arrival.index),
                due: Some(arrival.due),
                open: true,
            };
            site.active.set(site.active.get() + 1);
            vu.iterate(turn, limit, grace).await;
            site.active.set(site.active.get() - 1);
            free.borrow_mut().push(vu);
            pool.free[worker].fetch_add(1, Ordering::AcqRel);
        });
    }

    fn make(&self, number: u64, free: &Free) {
        let id = vu_id(&self.site.plan, self.scenario, number);
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
