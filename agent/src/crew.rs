//! The crew: an agent's workers and what is asked of them for one run. The link hands it a [`Job`]; it hands back reports.
//!
//! It knows plans, samples and targets, but neither streams nor controllers.

use crate::alarm::Alarm;
use crate::clock;
use crate::drive::giving::Giving;
use crate::drive::indexes::Indexes;
use crate::drive::pool::{Arrival, Pool};
use crate::fence::Fence;
use crate::health::{self, Machine};
use crate::http::{self, Bounds, ClientConfigOptions, Shared};
use crate::limits;
use crate::obedience::Obedience;
use crate::parts::Parts;
use crate::prepared::prepare;
use crate::recorder::{Census, MOST_SERIES};
use crate::share::{Assignment, Share};
use crate::stop::Stopper;
use crate::tally::{Tally, tally, totals};
use crate::vu::nanos;
use crate::worker::{self, Gauge, Orders};
use metrics::{Series, Tags, Trend};
use plan::{Control, Executor, Part, Plan, Shares, Template};
use proto::v1::{HeldVus, ProblemKind};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;
use url::Url;

/// How long resolving, connecting and TLS may take when the target is looked at before the load.
const PREFLIGHT: Duration = Duration::from_secs(10);

/// How long after an assignment was told workers divide their agent's arrivals by it: time enough for the word to reach them.
const SOON: Duration = Duration::from_millis(50);

/// One agent's part of a run.
#[derive(Debug, Clone)]
pub struct Job {
    /// What the run means.
    pub plan: Arc<Plan>,
    /// Of its assignment.
    pub epoch: u32,
    /// Which indexes are whose,
    pub shares: Arc<Shares>,
    /// and which of them are ours.
    pub seat: usize,
    /// By scenario: VUs that came and still finish an iteration on the agent that gave them.
    pub waiting: Vec<BTreeSet<u64>>,
    /// Run time zero, on this machine's monotonic clock.
    pub t0: Instant,
    /// Threads that make load; at least one.
    pub workers: usize,
    /// Closed when the lease has run out: no request begins behind it.
    pub fence: Arc<Fence>,
}

/// What a crew tells its link.
#[derive(Debug)]
pub enum Report {
    /// What all workers saw between two run times (nanoseconds), merged; once a run second, in order, without gaps.
    Interval {
        /// Begin.
        from: i64,
        /// End.
        to: i64,
        /// The series.
        series: Vec<Series>,
    },
    /// Messages and errors since the last interval: deduplicated by (error, text), with counts; at most
    /// 50 kinds, the rest in `suppressed`.
    Lines {
        /// The lines.
        lines: Vec<proto::v1::LogLine>,
        /// Lines of kinds beyond the limit.
        suppressed: u64,
    },
    /// `shared-iterations`: more indexes are wanted.
    WantIterations {
        /// Which scenario of the plan.
        scenario: usize,
        /// How many.
        want: u64,
    },
    /// All of the crew go by an assignment: nothing that it took away begins from its run time on.
    Taken {
        /// Which one.
        epoch: u32,
        /// VUs that were given away and are still at work here.
        held: Vec<HeldVus>,
    },
    /// One more VU that was given away is free.
    Freed,
    /// All VUs are done; the last interval was reported before this.
    Finished {
        /// A stop (or the fence) cut iterations.
        interrupted: bool,
    },
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopHow {
    /// Cut iterations now.
    Interrupt,
    /// Begin no more; let iterations finish within their graceful period.
    Graceful,
}

/// Workers at work on one job. Dropping it cuts everything.
#[derive(Debug)]
pub struct Crew {
    plan: Arc<Plan>,
    seat: usize,
    names: Vec<String>,
    tallies: Vec<Tally>,
    gauges: Vec<Arc<Gauge>>,
    parts: Arc<Parts>,
    stopper: Stopper,
    indexes: Vec<Option<Arc<Indexes>>>,
    giving: Arc<Giving>,
    obedience: Arc<Obedience>,
    machine: Machine,
    /// Cores its workers can use.
    cores: f64,
    t0: Instant,
    /// The agent's ceiling, and how many requests it had held back before.
    ceiling: Option<(Arc<http::Ceiling>, u64)>,
}

impl Crew {
    /// Starts the workers; VUs begin when their time comes after `job.t0`.
    ///
    /// # Errors
    /// If a thread, its runtime or the HTTP client cannot be set up.
    pub fn muster(job: Job, bounds: &Bounds, reports: UnboundedSender<Report>) -> io::Result<Self> {
        let http = shared(&job.plan, bounds)?;
        warn_of_few_files(&job, &reports);
        let (crew, workers) = Self::enlist(job, &http, reports, Alarm::new)?;
        for orders in workers {
            let runtime = worker::runtime()?;
            std::thread::Builder::new()
                .name(format!("load-{}", orders.number))
                .spawn(move || worker::work(&runtime, orders))?;
        }
        Ok(crew)
    }

    /// A crew, and what each of its workers is to do.
    pub(crate) fn enlist(
        job: Job,
        http: &Arc<Shared>,
        reports: UnboundedSender<Report>,
        alarm: fn() -> Alarm,
    ) -> io::Result<(Self, Vec<Orders>)> {
        let plan = Arc::clone(&job.plan);
        let workers = job.workers.max(1);
        let job = Job { workers, ..job };
        let run_tags = plan.options.tags.iter();
        let run_tags = run_tags.fold(Tags::default(), |tags, (name, value)| {
            tags.with(name, value)
        });
        let indexes = indexes(&job, &reports);
        let giving = Arc::new(Giving::new(reports.clone()));
        let obedience = Obedience::new(Arc::clone(&giving), reports.clone());
        let share = Share::new(
            job.epoch,
            job.seat,
            Arc::clone(&job.shares),
            job.waiting.clone(),
            Arc::clone(&plan),
        );
        // Whoever comes later tells from the second in which it came.
        let passed = clock::now().saturating_duration_since(job.t0).as_secs();
        for store in indexes.iter().flatten() {
            store.ask_ahead();
        }
        let machine = Machine::look();
        let mut crew = Self {
            plan: Arc::clone(&plan),
            seat: job.seat,
            names: plan.scenarios.iter().map(|s| s.name.clone()).collect(),
            tallies: Vec::new(),
            gauges: Vec::new(),
            parts: Arc::new(Parts::new(workers, run_tags, reports, passed)),
            stopper: Stopper::new(share),
            giving,
            obedience: Arc::new(obedience),
            // So many threads can use no more, and whoever shares the process has the rest.
            cores: machine.cores.min(workers as f64),
            machine,
            t0: job.t0,
            indexes,
            ceiling: http.ceiling().map(|ceiling| {
                let before = ceiling.held();
                (ceiling, before)
            }),
        };
        let census = Arc::new(Census::new(MOST_SERIES));
        let mut pools = pools(&job);
        let mut all = Vec::new();
        for number in 0..workers {
            let orders = Orders {
                job: job.clone(),
                number,
                http: Arc::clone(http),
                prepared: prepare(&plan).map_err(io::Error::other)?,
                tally: tally(plan.scenarios.len()),
                stopper: crew.stopper.clone(),
                parts: Arc::clone(&crew.parts),
                census: Arc::clone(&census),
                gauge: Arc::default(),
                giving: Arc::clone(&crew.giving),
                member: crew.obedience.join(job.epoch),
                second: passed + 1,
                indexes: crew.indexes.clone(),
                pools: pools
                    .iter_mut()
                    .map(|pool| {
                        let (pool, mail) = pool.as_mut()?;
                        let member = crew.obedience.join(job.epoch);
                        Some((Arc::clone(pool), mail.pop_front()?, member))
                    })
                    .collect(),
                alarm,
            };
            crew.tallies.push(Arc::clone(&orders.tally));
            crew.gauges.push(Arc::clone(&orders.gauge));
            all.push(orders);
        }
        Ok((crew, all))
    }

    /// Stops; the last interval and `Finished` follow, within about 100 ms if interrupted. May be called again with
    /// `Interrupt` after `Graceful`.
    pub fn stop(&self, how: StopHow) {
        self.stopper.stop(how, clock::now());
    }

    /// Something was changed in the run; an older version than the newest known is ignored.
    pub fn change(&self, control: Arc<Control>) {
        self.stopper.change(control);
    }

    /// A newer assignment. [`Report::Taken`] follows once all of the crew go by it.
    pub fn reassign(&self, assignment: Assignment) {
        let epoch = assignment.epoch;
        for (scenario, store) in self.plan.scenarios.iter().zip(&self.indexes) {
            if let (Executor::SharedIterations { vus, .. }, Some(store)) =
                (&scenario.executor, store)
            {
                let own = assignment.shares.under(usize::MAX);
                store.serve(own.count_below(self.seat, *vus));
            }
        }
        self.stopper.share(|share, control| {
            let at = || nanos(clock::now() + SOON, self.t0);
            share.next(assignment, control, at)
        });
        self.obedience.told(epoch);
    }

    /// VUs that were given away and are still at work here.
    #[must_use]
    pub fn held(&self) -> Vec<HeldVus> {
        self.giving.held()
    }

    /// More indexes for a `shared-iterations` scenario; `last` if there will be no more.
    pub fn grant(&self, scenario: usize, indexes: std::ops::Range<u64>, last: bool) {
        let Some(Some(store)) = self.indexes.get(scenario) else {
            return;
        };
        let late = store.grant(indexes, last);
        // Granted when nobody takes any more: dropped, or else they would be missing in the books.
        if let (1.., Some(tally)) = (late, self.tallies.first()) {
            tally[scenario].due.add(late);
            tally[scenario].dropped.add(late);
        }
    }

    /// Running totals of each scenario, counted apart from the histograms.
    #[must_use]
    pub fn totals(&self) -> Vec<proto::v1::ScenarioTotals> {
        totals(&self.names, &self.tallies, clock::now())
    }

    /// How this generator fares since T0.
    #[must_use]
    pub fn health(&self) -> proto::v1::Health {
        let elapsed = clock::now()
            .saturating_duration_since(self.t0)
            .as_secs_f64();
        let cpu: u64 = self
            .gauges
            .iter()
            .map(|gauge| gauge.cpu.load(Relaxed))
            .sum();
        let (lag, lateness) = self.parts.since_start();
        let throttled = health::throttled_ns().zip(self.machine.throttled);
        let p99 = |trend: &Trend| (!trend.is_empty()).then(|| trend.quantile(0.99) as u64);
        let max = |trend: &Trend| (!trend.is_empty()).then_some(trend.max);
        proto::v1::Health {
            cpu: (elapsed > 0.0).then(|| cpu as f64 / 1e9 / elapsed),
            cpu_available: Some(self.cores),
            throttled_ns: throttled.map(|(now, then)| now.saturating_sub(then)),
            lag_p99_ns: p99(&lag),
            lag_max_ns: max(&lag),
            lateness_p99_ns: p99(&lateness),
            lateness_max_ns: max(&lateness),
            memory_bytes: health::memory_bytes(),
            held_back: self.ceiling.as_ref().map_or(0, |(ceiling, before)| {
                ceiling.held().saturating_sub(*before)
            }),
        }
    }

    /// VUs at work now.
    #[must_use]
    pub fn vus(&self) -> u32 {
        let vus: u64 = self
            .gauges
            .iter()
            .map(|gauge| gauge.vus.load(Relaxed))
            .sum();
        u32::try_from(vus).unwrap_or(u32::MAX)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop(StopHow::Interrupt);
    }
}

/// By scenario: the store of a `shared-iterations` one.
fn indexes(job: &Job, reports: &UnboundedSender<Report>) -> Vec<Option<Arc<Indexes>>> {
    let scenarios = job.plan.scenarios.iter().enumerate();
    scenarios
        .map(|(i, scenario)| match scenario.executor {
            Executor::SharedIterations { vus, .. } => {
                let ours = job.shares.under(usize::MAX).count_below(job.seat, vus);
                let (workers, reports) = (job.workers, reports.clone());
                Some(Arc::new(Indexes::new(i, ours, workers, reports)))
            }
            _ => None,
        })
        .collect()
}

type Mailboxes = VecDeque<UnboundedReceiver<Arrival>>;

/// By scenario: the agent's pool of an open one, and a mailbox for each worker.
fn pools(job: &Job) -> Vec<Option<(Arc<Pool>, Mailboxes)>> {
    let scenarios = job.plan.scenarios.iter();
    scenarios
        .map(|scenario| {
            let executor = &scenario.executor;
            executor.is_open().then(|| {
                let (pool, mail) = Pool::new(job.workers);
                (pool, mail.into())
            })
        })
        .collect()
}

/// Asks for as many open files as this process may have, and warns if they may be too few for a socket per VU.
fn warn_of_few_files(job: &Job, reports: &UnboundedSender<Report>) {
    let vus: u64 = job
        .plan
        .scenarios
        .iter()
        .map(|scenario| {
            let own = job.shares.under(usize::MAX);
            own.count_below(job.seat, scenario.executor.max_vus())
        })
        .sum();
    let needed = vus.saturating_add(limits::RESERVE);
    let Some(most) = limits::raise_open_files().filter(|most| *most < needed) else {
        return;
    };
    let line = proto::v1::LogLine {
        level: proto::v1::Level::Warn.into(),
        text: format!(
            "{vus} VUs need about {needed} open files on this agent, and it may have {most}: raise its hard limit (`ulimit -Hn`)"
        ),
        count: 1,
        sample: String::new(),
        error: false,
    };
    // The link is gone only when the crew is being dropped.
    let _ = reports.send(Report::Lines {
        lines: vec![line],
        suppressed: 0,
    });
}

pub(crate) fn shared(plan: &Plan, bounds: &Bounds) -> io::Result<Arc<Shared>> {
    let options = &plan.options;
    Shared::new(ClientConfigOptions {
        insecure_skip_tls_verify: options.insecure_skip_tls_verify,
        dns_ttl: Some(options.dns_ttl),
        user_agent: options.user_agent.clone(),
        no_connection_reuse: options.no_connection_reuse,
        bounds: bounds.clone(),
        ..Default::default()
    })
    .map_err(io::Error::other)
}

/// Looks at every host the plan names, without an HTTP request: resolves, connects, shakes hands.
///
/// # Errors
/// What failed first, for a person, and whether it is this machine's fault.
pub async fn preflight(plan: &Plan, bounds: &Bounds) -> Result<(), (ProblemKind, String)> {
    let local = |what: String| (ProblemKind::ProblemLocal, what);
    let shared = shared(plan, bounds).map_err(|error| local(error.to_string()))?;
    for url in targets(plan) {
        http::preflight(&shared, &url, PREFLIGHT)
            .await
            .map_err(|(failure, detail)| {
                let kind = match failure {
                    http::Failure::Local | http::Failure::NotAllowed => ProblemKind::ProblemLocal,
                    _ => ProblemKind::ProblemTarget,
                };
                (
                    kind,
                    format!("{}: {detail}", url.origin().ascii_serialization()),
                )
            })?;
    }
    Ok(())
}

/// Whether this agent may do a plan: every host that the plan names is one it may talk to. Those that are known only in the load are
/// looked at when they are connected to.
///
/// # Errors
/// Which is not, for a person.
pub fn may(plan: &Plan, bounds: &Bounds) -> Result<(), (ProblemKind, String)> {
    let Some(allowed) = &bounds.targets else {
        return Ok(());
    };
    let refused = targets(plan).into_iter().find(|url| {
        let (host, port) = (url.host_str(), url.port_or_known_default());
        !allowed.may_allow(host.unwrap_or_default(), port.unwrap_or_default())
    });
    refused.map_or(Ok(()), |url| {
        let what = format!(
            "{} is not among what this agent may talk to (--allow-target {allowed})",
            url.origin().ascii_serialization()
        );
        Err((ProblemKind::ProblemLocal, what))
    })
}

/// One URL of each origin that is known before the load, in order.
fn targets(plan: &Plan) -> Vec<Url> {
    let mut seen = HashSet::new();
    let urls = plan
        .requests()
        .into_iter()
        .filter_map(|request| origin(&request.url));
    urls.filter(|url| seen.insert(url.origin())).collect()
}

/// The host of a URL whose begin is known before the load: scheme, host and port come before the first value in it.
fn origin(template: &Template) -> Option<Url> {
    let Some(Part::Literal(text)) = template.parts.first() else {
        return None;
    };
    let authority = text.split_once("://")?.1;
    if template.parts.len() > 1 && !authority.contains(['/', '?', '#']) {
        return None;
    }
    Url::parse(text).ok()
}
