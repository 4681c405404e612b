//! A fleet of crews on one thread whose time stands still unless everybody waits, and a town of servers in memory.

use crate::alarm::Alarm;
use crate::clock;
use crate::crew::{Crew, Job, Report, StopHow};
use crate::fence::Fence;
use crate::http::{ClientConfigOptions, Dial, LocalFuture, Shared, Stream};
use crate::worker;
use metrics::{Interval, Metric, Series, Store, Tags, Value};
use plan::{Bundle, Control, Plan, Shares};
use proto::v1::{HeldVus, LogLine, ScenarioTotals};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;
use tokio::time::Instant;

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A request as a server saw it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    /// Since T0.
    pub(super) at: Duration,
    pub(super) path: String,
    pub(super) head: String,
    pub(super) body: String,
    /// Which connection of the town it came on.
    pub(super) connection: usize,
}

/// What a server answers, and how long it takes for that.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) after: Duration,
    pub(super) status: u16,
    pub(super) headers: &'static str,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn after(after: Duration) -> Self {
        Self {
            after,
            status: 200,
            headers: "",
            body: String::new(),
        }
    }
}

type Behaviour = dyn Fn(&Hit) -> Answer + Send + Sync;

/// Servers at every address.
#[derive(Clone)]
pub(super) struct Town {
    behaviour: Arc<Behaviour>,
    hits: Arc<Mutex<Vec<Hit>>>,
    connections: Arc<Mutex<usize>>,
    t0: Arc<Mutex<Option<Instant>>>,
}

impl Town {
    pub(super) fn new(behaviour: impl Fn(&Hit) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            behaviour: Arc::new(behaviour),
            hits: Arc::default(),
            connections: Arc::default(),
            t0: Arc::default(),
        }
    }

    /// Answers everything so late.
    pub(super) fn slow(after: Duration) -> Self {
        Self::new(move |_| Answer::after(after))
    }

    /// Run time zero.
    pub(super) fn begins(&self, t0: Instant) {
        *self.t0.lock().unwrap() = Some(t0);
    }

    /// Everything that was asked, in order.
    pub(super) fn hits(&self) -> Vec<Hit> {
        self.hits.lock().unwrap().clone()
    }

    async fn serve(self, mut stream: DuplexStream, connection: usize) -> io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                    break end + 4;
                }
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Ok(());
                }
            };
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            while bytes.len() < end + length {
                stream.read_buf(&mut bytes).await?;
            }
            let rest = bytes.split_off(end + length);
            let t0 = self.t0.lock().unwrap().unwrap();
            let hit = Hit {
                at: clock::now().saturating_duration_since(t0),
                path: head.split(' ').nth(1).unwrap().to_owned(),
                body: String::from_utf8_lossy(&bytes[end..]).into_owned(),
                head,
                connection,
            };
            bytes = rest;
            self.hits.lock().unwrap().push(hit.clone());
            let answer = (self.behaviour)(&hit);
            if !answer.after.is_zero() {
                tokio::time::sleep(answer.after).await;
            }
            let text = format!(
                "HTTP/1.1 {} X\r\n{}content-length: {}\r\n\r\n{}",
                answer.status,
                answer.headers,
                answer.body.len(),
                answer.body
            );
            stream.write_all(text.as_bytes()).await?;
        }
    }
}

impl Dial for Town {
    fn dial(&self, _: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(1 << 16);
            let connection = {
                let mut connections = self.connections.lock().unwrap();
                *connections += 1;
                *connections
            };
            tokio::task::spawn_local(self.clone().serve(far, connection));
            Ok(Box::new(near) as Box<dyn Stream>)
        })
    }
}

/// What is to be run, and what happens meanwhile.
#[derive(Clone)]
pub(super) struct Play {
    pub(super) source: String,
    pub(super) seed: u64,
    pub(super) agents: u32,
    pub(super) workers: usize,
    pub(super) town: Town,
    /// Since T0.
    pub(super) events: Vec<(Duration, Event)>,
    /// How long after T0 the crews are mustered; usually before.
    pub(super) late: Duration,
}

#[derive(Debug, Clone)]
pub(super) enum Event {
    Stop(StopHow),
    /// What was changed so far is told.
    Change(Control),
    /// The fence shuts, and nobody says so.
    Fence,
    /// Everything stands still for so long.
    Stall(Duration),
}

type Look = (Duration, Rc<RefCell<ScenarioTotals>>);

pub(super) fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

/// What came of one agent.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) totals: BTreeMap<String, ScenarioTotals>,
    pub(super) intervals: Vec<(i64, i64, Vec<Series>)>,
    pub(super) lines: Vec<LogLine>,
    pub(super) interrupted: bool,
    /// When its crew was there, and when it was done, since T0.
    pub(super) mustered: Duration,
    pub(super) done: Duration,
    /// Indexes that were granted to it.
    pub(super) granted: u64,
}

impl Play {
    /// One agent with one worker plays a scenario file.
    pub(super) fn of(source: impl Into<String>, town: &Town) -> Self {
        Self {
            source: source.into(),
            seed: 7,
            agents: 1,
            workers: 1,
            town: town.clone(),
            events: Vec::new(),
            late: Duration::ZERO,
        }
    }

    pub(super) fn fleet(self, agents: u32, workers: usize) -> Self {
        Self {
            agents,
            workers,
            ..self
        }
    }

    pub(super) fn at(mut self, when: Duration, event: Event) -> Self {
        self.events.push((when, event));
        self
    }

    pub(super) fn plan(&self) -> Plan {
        let bundle = Bundle {
            name: "play.yaml".to_owned(),
            source: self.source.clone(),
            seed: self.seed,
            ..Bundle::default()
        };
        plan::compile(&bundle).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
    }

    /// Plays it to its end. Time is the runtime's, and stands still while anybody works.
    pub(super) fn run(self) -> Vec<Outcome> {
        LocalSet::new().block_on(&paused(), self.play_with(None))
    }

    async fn play_with(self, look: Option<Look>) -> Vec<Outcome> {
        let plan = Arc::new(self.plan());
        let start = clock::now() + Duration::from_secs(60);
        let t0 = start - self.late;
        self.town.begins(t0);
        tokio::time::sleep_until(start - 50 * MS).await;
        if !self.late.is_zero() {
            tokio::time::sleep_until(start).await;
        }
        let http = Shared::new(ClientConfigOptions {
            dial: Arc::new(self.town.clone()),
            no_connection_reuse: plan.options.no_connection_reuse,
            ..ClientConfigOptions::default()
        })
        .unwrap();
        let pool = Rc::new(Cell::new(0));
        let fence = Arc::new(Fence::new(u64::MAX));
        let mut crews = Vec::new();
        let mut listening = Vec::new();
        for seat in 0..self.agents {
            let job = Job {
                plan: Arc::clone(&plan),
                epoch: 1,
                shares: Arc::new(Shares::equal(self.agents)),
                seat: seat as usize,
                waiting: Vec::new(),
                t0,
                workers: self.workers,
                fence: Arc::clone(&fence),
            };
            let (reports, heard) = tokio::sync::mpsc::unbounded_channel();
            let (crew, workers) = Crew::enlist(job, &http, reports, Alarm::wheel).unwrap();
            for orders in workers {
                tokio::task::spawn_local(worker::run(orders));
            }
            let crew = Rc::new(crew);
            crews.push(Rc::clone(&crew));
            let listen = listen(crew, heard, Arc::clone(&plan), Rc::clone(&pool), t0, |_| ());
            listening.push(tokio::task::spawn_local(listen));
        }
        if let Some((when, into)) = look {
            let crew = Rc::clone(&crews[0]);
            tokio::task::spawn_local(async move {
                tokio::time::sleep_until(t0 + when).await;
                *into.borrow_mut() = crew.totals().remove(0);
            });
        }
        let events = self.events.clone();
        let acting = tokio::task::spawn_local(async move {
            for (when, event) in events {
                tokio::time::sleep_until(t0 + when).await;
                match event {
                    Event::Stop(how) => crews.iter().for_each(|crew| crew.stop(how)),
                    Event::Change(control) => {
                        let control = Arc::new(control);
                        crews
                            .iter()
                            .for_each(|crew| crew.change(Arc::clone(&control)));
                    }
                    Event::Fence => fence.shut(),
                    Event::Stall(long) => tokio::time::advance(long).await,
                }
            }
            // Kept until all are done: dropping a crew stops it.
            crews
        });
        let mut outcomes = Vec::new();
        for one in listening {
            outcomes.push(one.await.unwrap());
        }
        acting.abort();
        drop(acting.await);
        outcomes
    }
}

/// The link's and the controller's part: takes reports, grants indexes.
pub(super) async fn listen(
    crew: Rc<Crew>,
    mut heard: UnboundedReceiver<Report>,
    plan: Arc<Plan>,
    pool: Rc<Cell<u64>>,
    t0: Instant,
    taken: impl Fn((u32, Vec<HeldVus>)),
) -> Outcome {
    let mut outcome = Outcome {
        totals: BTreeMap::new(),
        intervals: Vec::new(),
        lines: Vec::new(),
        interrupted: false,
        mustered: clock::now().saturating_duration_since(t0),
        done: Duration::ZERO,
        granted: 0,
    };
    while let Some(report) = heard.recv().await {
        match report {
            Report::Interval { from, to, series } => outcome.intervals.push((from, to, series)),
            Report::Lines { lines, .. } => outcome.lines.extend(lines),
            Report::WantIterations { scenario, want } => {
                let total = plan.scenarios[scenario].executor.iterations().unwrap();
                let to = total.min(pool.get() + want);
                outcome.granted += to - pool.get();
                let block = pool.replace(to)..to;
                // There and back again.
                tokio::time::sleep(5 * MS).await;
                crew.grant(scenario, block, to == total);
            }
            Report::Taken { epoch, held } => taken((epoch, held)),
            Report::Freed => {}
            Report::Finished { interrupted } => {
                outcome.interrupted = interrupted;
                break;
            }
        }
    }
    outcome.done = clock::now().saturating_duration_since(t0);
    let totals = crew.totals().into_iter();
    outcome.totals = totals.map(|t| (t.scenario.clone(), t)).collect();
    outcome
}

/// What the fleet saw, merged as the controller does, from intervals that were checked on the way.
pub(super) fn merged(outcomes: &[Outcome]) -> Store {
    let mut store = Store::new();
    for (agent, outcome) in (0..).zip(outcomes) {
        for (sequence, (from, to, series)) in (0..).zip(&outcome.intervals) {
            let interval = Interval {
                agent,
                incarnation: 1,
                sequence,
                from: *from,
                to: *to,
                series: series.clone(),
            };
            let wire = proto::convert::to_wire("run", &interval);
            let read = proto::convert::from_wire(&wire).expect("a controller takes it");
            store.merge_interval(&read);
        }
    }
    store
}

/// The sums of all agents' totals of the only scenario.
pub(super) fn totals(outcomes: &[Outcome]) -> ScenarioTotals {
    let mut sum = ScenarioTotals::default();
    for t in outcomes.iter().flat_map(|outcome| outcome.totals.values()) {
        sum.begun += t.begun;
        sum.completed += t.completed;
        sum.interrupted += t.interrupted;
        sum.in_flight += t.in_flight;
        sum.dropped += t.dropped;
        sum.expired += t.expired;
        sum.requests += t.requests;
        sum.requests_cut += t.requests_cut;
        sum.vu_ns += t.vu_ns;
        sum.due += t.due;
    }
    sum
}

/// A merged counter.
pub(super) fn count(store: &Store, metric: Metric, filter: &[(&str, &str)]) -> u64 {
    let filter = filter.iter().fold(Tags::default(), |tags, (name, value)| {
        tags.with(name, value)
    });
    match store.aggregate(metric, &filter) {
        Some(Value::Counter(sum)) => sum as u64,
        None => 0,
        Some(other) => panic!("{metric} is {other:?}"),
    }
}

/// A merged trend's count and largest value.
pub(super) fn trend(store: &Store, metric: Metric) -> (u64, Duration) {
    match store.aggregate(metric, &Tags::default()) {
        Some(Value::Trend(trend)) => (trend.count, Duration::from_nanos(trend.max)),
        None => (0, Duration::ZERO),
        Some(other) => panic!("{metric} is {other:?}"),
    }
}

/// What holds after every run: nothing in flight, begun iterations and requests accounted for, intervals without gaps.
pub(super) fn books_balance(outcomes: &[Outcome], town: &Town) {
    let sum = totals(outcomes);
    let store = merged(outcomes);
    assert_eq!(sum.in_flight, 0);
    assert_eq!(sum.begun, sum.completed + sum.interrupted);
    assert_eq!(count(&store, Metric::Iterations, &[]), sum.completed);
    assert_eq!(trend(&store, Metric::IterationDuration).0, sum.completed);
    assert_eq!(count(&store, Metric::HttpReqs, &[]), sum.requests);
    assert_eq!(trend(&store, Metric::HttpReqDuration).0, sum.requests);
    assert_eq!(
        town.hits().len() as u64,
        sum.requests + sum.requests_cut,
        "what the target saw"
    );
    assert_eq!(
        count(&store, Metric::DroppedIterations, &[]),
        sum.dropped + sum.expired
    );
    for outcome in outcomes {
        // Whoever comes late tells from the second in which it came.
        let second = outcome.mustered.as_secs() * 1_000_000_000;
        let mut at = i64::try_from(second).unwrap();
        for (from, to, _) in &outcome.intervals {
            assert_eq!(*from, at, "a gap between intervals");
            at = *to;
        }
        let done = i64::try_from(outcome.done.as_nanos()).unwrap();
        assert_eq!(at, done, "the last interval reaches to the end");
    }
}

/// Plays, and looks at the running totals at a moment after T0.
pub(super) fn watch(play: Play, when: Duration) -> ScenarioTotals {
    let runtime = paused();
    LocalSet::new().block_on(&runtime, async move {
        let looked = Rc::new(RefCell::new(ScenarioTotals::default()));
        let into = Rc::clone(&looked);
        play.play_with(Some((when, into))).await;
        looked.take()
    })
}
