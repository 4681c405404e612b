//! A worker: one thread with one single-threaded runtime; its VUs are tasks that never leave it.

use crate::alarm::Alarm;
use crate::clock;
use crate::crew::{Job, StopHow};
use crate::drive::closed::{self, Budget};
use crate::drive::giving::Giving;
use crate::drive::holds::Holds;
use crate::drive::indexes::Indexes;
use crate::drive::open::Open;
use crate::drive::pool::{Arrival, Pool};
use crate::drive::roster::Rosters;
use crate::http::Shared;
use crate::obedience::Member;
use crate::parts::{Part, Parts};
use crate::prepared::Prepared;
use crate::recorder::{Census, DropReason, Recorder};
use crate::share::Share;
use crate::stop::{Going, Stop, Stopper};
use crate::tally::Tally;
use crate::vu::{Site, nanos};
use plan::Control;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
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
    pub(crate) giving: Arc<Giving>,
    pub(crate) member: Member,
    /// The first run second at whose end it tells what it saw.
    pub(crate) second: u64,
    /// By scenario: the common store of indexes, if it has one.
    pub(crate) indexes: Vec<Option<Arc<Indexes>>>,
    /// By scenario: this worker's part of the agent's pool, if it is open.
    pub(crate) pools: Vec<Option<InPool>>,
    /// What wakes an open scenario. Called on the worker's thread.
    pub(crate) alarm: fn() -> Alarm,
}

/// A worker's part of the agent's pool of an open scenario: the pool, its mailbox, and who obeys for it.
pub(crate) type InPool = (Arc<Pool>, UnboundedReceiver<Arrival>, Member);

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
        giving,
        member,
        second,
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
        turn: (number, job.workers),
        rosters: Rosters::default(),
        giving,
    });
    let mut drivers = JoinSet::new();
    let mut crowds = Vec::new();
    for (scenario, pool) in pools.into_iter().enumerate() {
        if let Some((pool, mail, member)) = pool {
            let open = Open {
                site: Rc::clone(&site),
                scenario,
                pool,
                mail,
                member,
                alarm: alarm(),
            };
            drivers.spawn_local(open.drive());
        } else {
            let crowd = Crowd {
                scenario,
                driven: BTreeSet::new(),
                indexes: indexes[scenario].clone(),
            };
            let budget = crowd.budget(&site);
            if site.plan.scenarios[scenario].executor.vus_move() {
                drivers.spawn_local(closed::stay(Rc::clone(&site), scenario, budget));
            }
            crowds.push(crowd);
        }
    }
    let mut news = stopper.watch();
    member.obeys(heed(&site, &mut news, &mut crowds, &mut drivers));
    let cutter = tokio::task::spawn_local(cut_seconds(
        Rc::clone(&site),
        number,
        second,
        Arc::clone(&parts),
    ));
    let ticker = tokio::task::spawn_local(tick(Rc::clone(&site), stopper, gauge));
    loop {
        tokio::select! {
            biased;
            done = drivers.join_next() => match done {
                Some(done) => broke(done),
                None => break,
            },
            going = news.changed(), if news.going() != Going::Cut => {
                let epoch = if going == Going::On {
                    site.holds.replan(&site);
                    heed(&site, &mut news, &mut crowds, &mut drivers)
                } else {
                    // Nothing begins any more.
                    news.share().epoch
                };
                member.obeys(epoch);
            }
        }
    }
    drop(member);
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

/// Does for closed scenarios what was told: VUs that there may be get drivers, those that go are told. Gives the assignment.
fn heed(site: &Rc<Site>, news: &mut Stop, crowds: &mut [Crowd], drivers: &mut JoinSet<()>) -> u32 {
    let (control, share) = news.take();
    for crowd in crowds {
        crowd.grow(site, (&control, &share), drivers);
        if !share.shares().changes().is_empty() {
            closed::give(site, crowd.scenario, (&control, &share));
        }
    }
    share.epoch
}

/// One worker's VUs of a closed scenario; a change may ask for more than the plan has, or bring those of other agents.
struct Crowd {
    scenario: usize,
    /// Numbers of those that have a driver.
    driven: BTreeSet<u64>,
    indexes: Option<Arc<Indexes>>,
}

impl Crowd {
    fn budget(&self, site: &Site) -> Budget {
        let executor = &site.plan.scenarios[self.scenario].executor;
        Budget::of(executor, self.indexes.as_ref())
    }

    /// Starts drivers of all VUs there may be under the newest changes.
    fn grow(
        &mut self,
        site: &Rc<Site>,
        (control, share): (&Control, &Share),
        drivers: &mut JoinSet<()>,
    ) {
        let it = &site.plan.scenarios[self.scenario];
        let Some(vus) = control.vus(self.scenario, it) else {
            return;
        };
        let of = (self.scenario, vus.max(), it.executor.vus_move());
        for vu in site.rosters.of(share, site.turn, of).vus() {
            if self.driven.insert(vu) {
                let budget = self.budget(site);
                drivers.spawn_local(closed::drive(Rc::clone(site), self.scenario, vu, budget));
            }
        }
    }
}

/// Cuts the recorder at every run second.
async fn cut_seconds(site: Rc<Site>, worker: usize, first: u64, parts: Arc<Parts>) {
    for second in first.. {
        tokio::time::sleep_until(site.t0 + Duration::from_secs(second)).await;
        let to = i64::try_from(second).unwrap_or(i64::MAX);
        parts.add(part(&site, worker, to.saturating_mul(SECOND), false));
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
