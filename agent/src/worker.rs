//! A worker: one thread with one single-threaded runtime; its VUs are tasks that never leave it.

use crate::alarm::Alarm;
use crate::clock;
use crate::crew::{Job, StopHow};
use crate::drive::closed::{self, Budget};
use crate::drive::holds::Holds;
use crate::drive::indexes::Indexes;
use crate::drive::open::{Arrival, Open, Pool};
use crate::http::Shared;
use crate::parts::{Part, Parts};
use crate::prepared::Prepared;
use crate::recorder::{Census, DropReason, Recorder};
use crate::stop::{Going, Stopper};
use crate::tally::Tally;
use crate::vu::{Site, nanos};
use plan::{Executor, Stripe};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinSet, LocalSet};

/// How often the event loop's lag is measured and the fence looked at.
const TICK: Duration = Duration::from_millis(10);
/// Ticks between two looks at who is held: often enough for heartbeats, seldom enough for a crowd.
const HOLDS_EVERY: u64 = 25;
/// Run seconds: what an interval covers.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// Everything one worker is given.
pub(crate) struct Orders {
    pub(crate) job: Job,
    pub(crate) number: usize,
    pub(crate) http: Arc<Shared>,
    pub(crate) prepared: Vec<Prepared>,
    pub(crate) tally: Tally,
    pub(crate) stopper: Stopper,
    pub(crate) parts: Arc<Parts>,
    pub(crate) census: Arc<Census>,
    pub(crate) gauge: Arc<Gauge>,
    /// By scenario: the common store of indexes, if it has one.
    pub(crate) indexes: Vec<Option<Arc<Indexes>>>,
    /// By scenario: the agent's pool and this worker's mailbox, if it is open.
    pub(crate) pools: Vec<Option<(Arc<Pool>, UnboundedReceiver<Arrival>)>>,
    /// What wakes an open scenario. Called on the worker's thread.
    pub(crate) alarm: fn() -> Alarm,
}

/// What a worker shows of itself while it works.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    pub(crate) vus: AtomicU64,
    /// CPU time of its thread, nanoseconds.
    pub(crate) cpu: AtomicU64,
}

/// The worker's thread: returns when all its VUs are done.
///
/// # Errors
/// If the runtime cannot be built.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Look at sockets and timers often: a crowd of ready VUs must not starve them.
        .event_interval(31)
        .build()
}

/// Does the work.
pub(crate) fn work(runtime: &tokio::runtime::Runtime, orders: Orders) {
    LocalSet::new().block_on(runtime, run(orders));
}

pub(crate) async fn run(orders: Orders) {
    let Orders {
        job,
        number,
        http,
        prepared,
        tally,
        stopper,
        parts,
        census,
        gauge,
        indexes,
        pools,
        alarm,
    } = orders;
    let site = Rc::new(Site {
        recorder: RefCell::new(Recorder::new(Arc::clone(&job.plan), census)),
        plan: Arc::clone(&job.plan),
        prepared,
        http,
        tally,
        fence: Arc::clone(&job.fence),
        stop: stopper.watch(),
        t0: job.t0,
        active: Cell::new(0),
        made: Cell::new(0),
        holds: Holds::default(),
    });
    let mut drivers = JoinSet::new();
    let mut crowds = Vec::new();
    for (scenario, pool) in pools.into_iter().enumerate() {
        if let Some((pool, mail)) = pool {
            let share = (pool, mail, alarm());
            drivers.spawn_local(open(&site, &job, number, scenario, share).drive());
        } else {
            let crowd = Crowd::new(&site, &job, number, scenario, indexes[scenario].clone());
            if crowd.may_grow() {
                drivers.spawn_local(closed::stay(Rc::clone(&site), scenario));
            }
            crowds.push(crowd);
        }
    }
    for crowd in &mut crowds {
        crowd.grow(&site, &mut drivers);
    }
    let mut news = stopper.watch();
    let cutter =
        tokio::task::spawn_local(cut_seconds(Rc::clone(&site), number, Arc::clone(&parts)));
    let ticker = tokio::task::spawn_local(tick(Rc::clone(&site), stopper, gauge));
    loop {
        tokio::select! {
            biased;
            done = drivers.join_next() => match done {
                Some(done) => broke(done),
                None => break,
            },
            going = news.changed(), if news.going() == Going::On => if going == Going::On {
                site.holds.replan(&site);
                for crowd in &mut crowds {
                    crowd.grow(&site, &mut drivers);
                }
            },
        }
    }
    cutter.abort();
    ticker.abort();
    for (scenario, indexes) in indexes.iter().enumerate() {
        let left = indexes.as_ref().map_or(0, |indexes| indexes.leave());
        // After a stop nothing more was due.
        if left > 0 && site.goes_on() {
            site.dropped(scenario, DropReason::TimeUp, left);
        }
    }
    parts.add(part(&site, number, run_time(&site), true));
}

/// Says so if a task ended by a fault of throng's.
pub(crate) fn broke(done: Result<(), tokio::task::JoinError>) {
    if let Err(error) = done
        && error.is_panic()
    {
        tracing::error!(%error, "a virtual user failed inside throng; please report this");
    }
}

/// One worker's VUs of a closed scenario; a change may ask for more than the plan has.
struct Crowd {
    scenario: usize,
    stripe: Stripe,
    seat: usize,
    /// Which of the agent's VUs is the next to be started, and how many workers take turns.
    next: u64,
    workers: usize,
    indexes: Option<Arc<Indexes>>,
    /// True if it holds VUs for a time, and not for a number of iterations.
    by_time: bool,
}

impl Crowd {
    fn new(
        site: &Site,
        job: &Job,
        number: usize,
        scenario: usize,
        indexes: Option<Arc<Indexes>>,
    ) -> Self {
        let executor = &site.plan.scenarios[scenario].executor;
        Self {
            scenario,
            stripe: job.stripe.clone(),
            seat: job.seat,
            next: number as u64,
            workers: job.workers,
            by_time: matches!(
                executor,
                Executor::ConstantVus { .. } | Executor::RampingVus { .. }
            ),
            indexes,
        }
    }

    fn may_grow(&self) -> bool {
        self.by_time
    }

    /// Starts drivers of all VUs there may be under the newest changes.
    fn grow(&mut self, site: &Rc<Site>, drivers: &mut JoinSet<()>) {
        let it = &site.plan.scenarios[self.scenario];
        let Some(vus) = site.stop.control().vus(self.scenario, it) else {
            return;
        };
        let ours = self.stripe.count_below(self.seat, vus.max());
        while self.next < ours {
            let vu = self.stripe.nth(self.seat, self.next);
            self.next += self.workers as u64;
            let budget = Budget::of(&it.executor, self.indexes.as_ref());
            drivers.spawn_local(closed::drive(Rc::clone(site), self.scenario, vu, budget));
        }
    }
}

fn open(
    site: &Rc<Site>,
    job: &Job,
    number: usize,
    scenario: usize,
    (pool, mail, alarm): (Arc<Pool>, UnboundedReceiver<Arrival>, Alarm),
) -> Open {
    let executor = &job.plan.scenarios[scenario].executor;
    let ours = |below| {
        let all = job.stripe.below(job.seat, below);
        all.skip(number).step_by(job.workers)
    };
    let made: Vec<u64> = ours(executor.vus_initialised()).collect();
    let later = ours(executor.max_vus()).skip(made.len()).collect();
    Open {
        site: Rc::clone(site),
        scenario,
        stripe: job.stripe.of_arrivals(executor.max_vus()),
        seat: job.seat,
        worker: number,
        workers: job.workers,
        pool,
        mail,
        made,
        later,
        alarm,
    }
}

/// Cuts the recorder at every run second.
async fn cut_seconds(site: Rc<Site>, worker: usize, parts: Arc<Parts>) {
    let mut second: i64 = 1;
    loop {
        let at = site.t0 + Duration::from_secs(second.unsigned_abs());
        tokio::time::sleep_until(at).await;
        parts.add(part(&site, worker, second * SECOND, false));
        second += 1;
    }
}

fn part(site: &Site, worker: usize, to: i64, last: bool) -> Part {
    let interrupted = site.tally.iter().any(|cells| cells.interrupted.get() > 0);
    Part {
        worker,
        to,
        cutting: site.recorder.borrow_mut().cut(),
        vus: site.active.get(),
        vus_max: site.made.get(),
        last,
        interrupted,
    }
}

fn run_time(site: &Site) -> i64 {
    i64::try_from(nanos(clock::now(), site.t0)).unwrap_or(i64::MAX)
}

/// Measures the event loop's lag, shows the gauges, and cuts everything once the fence is shut, even if the link sleeps.
async fn tick(site: Rc<Site>, stopper: Stopper, gauge: Arc<Gauge>) {
    tokio::time::sleep_until(site.t0).await;
    let mut due = clock::now();
    for tick in 1_u64.. {
        due += TICK;
        tokio::time::sleep_until(due).await;
        let now = clock::now();
        site.recorder.borrow_mut().lag(nanos(now, due));
        if tick.is_multiple_of(HOLDS_EVERY) {
            site.holds.count(&site);
        }
        gauge.vus.store(site.active.get(), Relaxed);
        gauge.cpu.store(clock::thread_cpu_ns(), Relaxed);
        if !site.fence.is_open() && stopper.going() != Going::Cut {
            stopper.stop(StopHow::Interrupt, now);
        }
        // After a stall, one late tick tells its length; those that were missed would only repeat it.
        due = due.max(now);
    }
}
