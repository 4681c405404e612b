//! A director on a fake disk, and agents as they look from there: they say what a script says, keep what was not acknowledged, and
//! send it again when they have to.

use journal::Disk;
use journal::fake::FakeDisk;
use metrics::{Interval, Metric, Series, Tags, Value};
use plan::{Bundle, Overrides};
use proto::v1::{self, RunInfo, RunOver, from_agent::Message as From, to_agent::Message as To};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use throng_controller::active::Order;
use throng_controller::director::{Director, Input, Watched};
use throng_controller::journal::Folder;
use throng_controller::link::{Link, Outgoing};
use throng_controller::run::{AgentId, Needs, Part};
use throng_controller::weights::Weights;
use throng_controller::{Config, Refusal, Report, service_fleet};
use tokio::sync::{broadcast, mpsc, oneshot};

pub(crate) const AGENTS: usize = 2;
const DIR: &str = "/runs";
const TICK: u64 = 100_000_000;
const S: u64 = 1_000_000_000;

const SCENARIO: &str = "
scenarios:
  closed: { executor: constant-vus, vus: 4, duration: 10m, exec: default }
  shared: { executor: shared-iterations, vus: 4, iterations: 100000, maxDuration: 10m, exec: default }
flows:
  default: [{ get: 'http://h/' }]
";

struct Agent {
    name: String,
    incarnation: u64,
    id: AgentId,
    connection: u64,
    link: Arc<Link>,
    stream: mpsc::Receiver<Outgoing>,
    seat: u32,
    epoch: u32,
    /// What was not acknowledged.
    kept: Vec<v1::Interval>,
    sequence: u64,
    requests: u64,
    over: bool,
}

pub(crate) struct Rig {
    disk: FakeDisk,
    director: Option<Director>,
    now: u64,
    run: String,
    agents: Vec<Agent>,
    granted: Vec<(u64, u64)>,
    connections: u64,
    /// Ticks until the disk takes anything again.
    slow: usize,
    pub(crate) crashes: usize,
    /// What the next life of the controller is started with.
    pub(crate) own_lease: Duration,
    /// The lease that agents were told last.
    pub(crate) lease_ms: u32,
}

fn bundle() -> Bundle {
    Bundle {
        name: "f.yaml".to_owned(),
        source: SCENARIO.to_owned(),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        overrides: Overrides::default(),
        seed: 1,
    }
}

fn order() -> Order {
    let bundle = bundle();
    let plan = plan::compile(&bundle).map_err(|wrong| wrong.render(false));
    Order {
        id: String::new(),
        name: bundle.name.clone(),
        seed: bundle.seed,
        unix_ms: 1_790_000_000_000,
        bundle: serde_json::to_vec(&bundle).unwrap(),
        plan: plan.unwrap(),
        needs: Needs {
            expect: AGENTS as u32,
            min: 0,
            wait: S,
            preflight: false,
            on_loss: Default::default(),
        },
        weights: Weights::Equal,
    }
}

impl Rig {
    /// A run whose load has begun.
    pub(crate) fn begun(disk: FakeDisk) -> Self {
        let mut rig = Self {
            director: None,
            now: 1_000 * S,
            run: String::new(),
            agents: Vec::new(),
            granted: Vec::new(),
            connections: 0,
            slow: 0,
            crashes: 0,
            own_lease: Config::default().lease,
            lease_ms: 0,
            disk,
        };
        rig.start();
        for number in 0..AGENTS {
            let (outbox, stream) = mpsc::channel(1);
            let agent = Agent {
                name: format!("a-{number}"),
                incarnation: 100 + number as u64,
                id: 0,
                connection: 0,
                link: Arc::new(Link::new(outbox, rig.now)),
                stream,
                seat: 0,
                epoch: 0,
                kept: Vec::new(),
                sequence: 0,
                requests: 0,
                over: false,
            };
            rig.agents.push(agent);
            rig.redial(number);
        }
        rig.run = rig.order_another();
        rig.listen();
        for agent in 0..AGENTS {
            rig.prepared(agent);
        }
        rig.ticks(4);
        rig
    }

    /// An agent answers its newest assignment.
    pub(crate) fn prepared(&mut self, agent: usize) {
        let prepared = v1::Prepared {
            run: self.run.clone(),
            epoch: self.agents[agent].epoch,
            digest: order().plan.digest().to_vec(),
            ..v1::Prepared::default()
        };
        self.say(agent, From::Prepared(prepared));
        self.listen();
    }

    /// The agents' seats, as they were told last.
    pub(crate) fn seats(&self) -> Vec<u32> {
        self.agents.iter().map(|agent| agent.seat).collect()
    }

    /// The director must have ended an agent's stream.
    pub(crate) fn hangs_up(&mut self, agent: usize) {
        assert!(self.agents[agent].link.is_ended());
        self.agents[agent].over = false;
    }

    /// An agent's part is over.
    pub(crate) fn done(&mut self, agent: usize) {
        self.say_done(agent);
        self.listen();
    }

    /// An agent tells of its next second and of its end, and hears nothing any more: its line breaks.
    pub(crate) fn done_in_vain(&mut self, agent: usize, requests: u64) {
        self.measure(agent, requests);
        self.say_done(agent);
    }

    fn say_done(&mut self, agent: usize) {
        let done = v1::Done {
            run: self.run.clone(),
            intervals: self.agents[agent].sequence,
            ..v1::Done::default()
        };
        self.say(agent, From::Done(done));
    }

    fn start(&mut self) {
        let folder = Folder::open(Arc::new(self.disk.clone()), Path::new(DIR)).unwrap();
        let config = Config {
            lease: self.own_lease,
            ..Config::default()
        };
        self.director = Some(Director::resuming(config, folder, Some(self.now)));
    }

    fn director(&mut self) -> &mut Director {
        self.director.as_mut().unwrap()
    }

    fn take(&mut self, input: Input) {
        let now = self.now;
        self.director().take(now, input);
    }

    fn ask<T>(&mut self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> T {
        let (reply, mut answer) = oneshot::channel();
        self.take(input(reply));
        self.slow(0);
        self.listen();
        answer.try_recv().unwrap()
    }

    /// Orders a run; its id.
    pub(crate) fn order_another(&mut self) -> String {
        let reply = self.ask(|reply| Input::Start(Box::new(order()), true, reply));
        reply.unwrap().run
    }

    pub(crate) fn runs(&mut self) -> Vec<RunInfo> {
        self.ask(Input::Runs)
    }

    /// Somebody watches the run: what is said of its state, and what follows.
    pub(crate) fn watch(&mut self) -> (String, broadcast::Receiver<v1::RunEvent>) {
        let run = self.run.clone();
        let (events, follows) = self.ask(|reply| Input::Watch(run, reply)).unwrap();
        let state = events.into_iter().find_map(|event| match event.event {
            Some(v1::run_event::Event::State(state)) => Some(state.text),
            _ => None,
        });
        (state.unwrap(), follows.unwrap())
    }

    /// The director sees itself so far behind, in nanoseconds, or its wall clock set by so many seconds.
    pub(crate) fn saw(&mut self, behind_ns: u64, wall_step_s: f64) {
        let (now, seen) = (
            self.now,
            v1::SawItself {
                behind_ns,
                wall_step_s,
            },
        );
        self.director().saw_itself(now, seen);
        self.listen();
    }

    /// Whoever watches the run now, before the disk takes anything more: the receiver of the answer.
    pub(crate) fn watches(&mut self) -> oneshot::Receiver<Result<Watched, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let run = self.run.clone();
        self.take(Input::Watch(run, reply));
        answer
    }

    /// Stops the run; the disk takes nothing of it.
    pub(crate) fn interrupt(&mut self) {
        self.slow(1_000);
        let stop = v1::StopRequest {
            run: self.run.clone(),
            mode: v1::StopMode::StopInterrupt.into(),
            ..v1::StopRequest::default()
        };
        let (reply, _) = oneshot::channel();
        self.take(Input::Stop(stop, reply));
        for agent in 0..AGENTS {
            self.say_done(agent);
        }
    }

    fn over(&mut self) -> RunOver {
        let run = self.run.clone();
        let (events, _) = self.ask(|reply| Input::Watch(run, reply)).unwrap();
        match events.into_iter().next_back().and_then(|event| event.event) {
            Some(v1::run_event::Event::Over(over)) => over,
            other => panic!("it is not over: {other:?}"),
        }
    }

    fn say(&mut self, agent: usize, message: From) {
        let now = self.now;
        let agent = &self.agents[agent];
        let (link, id) = (agent.link.clone(), agent.id);
        let input = service_fleet::input(&link, agent.connection, id, message, now);
        if let Some(input) = input {
            self.take(input);
        }
    }

    /// From now on the disk takes nothing for so many ticks.
    pub(crate) fn slow(&mut self, ticks: usize) {
        self.slow = ticks;
    }

    /// The disk stalls for so many ticks, unless it does already: in one go it is never given up.
    pub(crate) fn stall(&mut self, ticks: usize) {
        if self.slow == 0 {
            self.listen();
            self.slow(ticks);
        }
    }

    /// Lets the disk take what it was told, and hears what the director lets go then.
    fn listen(&mut self) {
        if self.slow == 0 {
            let now = self.now;
            self.director().write(now);
        }
        for agent in &mut self.agents {
            while let Ok(Ok(message)) = agent.stream.try_recv() {
                match message.message {
                    Some(To::Welcome(welcome)) => self.lease_ms = welcome.lease_ms,
                    Some(To::Ack(ack)) => agent.kept.retain(|kept| kept.sequence > ack.sequence),
                    Some(To::Assign(assign)) => {
                        (agent.seat, agent.epoch) = (assign.seat, assign.epoch);
                    }
                    Some(To::Grant(grant)) if grant.from < grant.to => {
                        let (from, to) = (grant.from, grant.to);
                        let twice = self.granted.iter().any(|(f, t)| from < *t && *f < to);
                        assert!(!twice, "{from}..{to} was granted before");
                        self.granted.push((from, to));
                    }
                    Some(To::Closed(closed)) => agent.over |= closed.run == self.run,
                    _ => {}
                }
            }
        }
    }

    /// The controller's process is stopped for so many ticks, disk and all, and goes on.
    pub(crate) fn freeze(&mut self, ticks: u64) {
        self.now += ticks * TICK;
    }

    /// Those who are still in the run, by the name of their first life.
    pub(crate) fn running(&self) -> Vec<String> {
        let active = self.director.as_ref().and_then(Director::active);
        let members = active.map(|active| active.run.members.values());
        let running = members.into_iter().flatten();
        running
            .filter(|member| member.part == Part::Running)
            .map(|member| member.name.clone())
            .collect()
    }

    /// Ticks of 100 ms, with a heartbeat of each agent in every fifth.
    pub(crate) fn ticks(&mut self, count: usize) {
        self.ticks_with(count, 0..AGENTS);
    }

    /// The same, with heartbeats of these only.
    pub(crate) fn ticks_with(&mut self, count: usize, heard: std::ops::Range<usize>) {
        for tick in 0..count {
            self.now += TICK;
            self.slow = self.slow.saturating_sub(1);
            let now = self.now;
            self.director().tick(now);
            for agent in heard.clone() {
                if tick % 5 == 0 {
                    self.heartbeat(agent);
                }
            }
            self.listen();
        }
    }

    fn heartbeat(&mut self, agent: usize) {
        let of = &self.agents[agent];
        let heartbeat = v1::Heartbeat {
            sent_ns: self.now,
            run: if of.over {
                String::new()
            } else {
                self.run.clone()
            },
            totals: vec![v1::ScenarioTotals {
                scenario: "closed".to_owned(),
                requests: of.requests,
                ..v1::ScenarioTotals::default()
            }],
            epoch: of.epoch,
            rtt_ns: 1_000_000,
            ..v1::Heartbeat::default()
        };
        self.say(agent, From::Heartbeat(heartbeat));
    }

    /// An agent tells of its next second.
    pub(crate) fn interval(&mut self, agent: usize, requests: u64) {
        self.measure(agent, requests);
        self.listen();
    }

    fn measure(&mut self, agent: usize, requests: u64) {
        let of = &mut self.agents[agent];
        let interval = Interval {
            agent: of.seat,
            incarnation: of.incarnation,
            sequence: of.sequence,
            from: i64::try_from(of.sequence * S).unwrap(),
            to: i64::try_from((of.sequence + 1) * S).unwrap(),
            series: vec![Series {
                tags: Tags::default().with("scenario", "closed"),
                values: vec![(Metric::HttpReqs, Value::counter(requests as f64))],
            }],
        };
        of.sequence += 1;
        of.requests += requests;
        let wire = proto::convert::to_wire(&self.run, &interval);
        of.kept.push(wire.clone());
        self.say(agent, From::Interval(wire));
    }

    /// An agent sends what was not acknowledged once more.
    pub(crate) fn again(&mut self, agent: usize) {
        for wire in self.agents[agent].kept.clone() {
            self.say(agent, From::Interval(wire));
        }
        self.listen();
    }

    pub(crate) fn lease(&mut self, agent: usize, want: u64) {
        let request = v1::LeaseRequest {
            run: self.run.clone(),
            scenario: 1,
            want,
            epoch: self.agents[agent].epoch,
        };
        self.say(agent, From::LeaseRequest(request));
        self.listen();
    }

    /// An agent dials, and sends what was not acknowledged.
    pub(crate) fn redial(&mut self, agent: usize) {
        self.connections += 1;
        let (connection, now) = (self.connections, self.now);
        let (outbox, stream) = mpsc::channel(1024);
        let gate = self.director().gate();
        let link = Arc::new(Link::behind(Some(outbox), now, gate));
        let of = &mut self.agents[agent];
        (of.link, of.stream, of.connection) = (link.clone(), stream, connection);
        let hello = v1::Hello {
            name: of.name.clone(),
            incarnation: of.incarnation,
            ..v1::Hello::default()
        };
        let id = self.ask(|reply| Input::Hello(Box::new(hello), link, connection, reply));
        self.agents[agent].id = id.unwrap();
        self.again(agent);
    }

    /// The number by which an agent is known.
    pub(crate) fn id(&self, agent: usize) -> AgentId {
        self.agents[agent].id
    }

    /// How far the director's clock is off for an agent whose run time is so much ahead of it.
    pub(crate) fn clock_error(&self, id: AgentId, ahead: i64) -> Option<i64> {
        let active = self.director.as_ref()?.active()?;
        let heartbeat = v1::Heartbeat {
            run_ns: Some(active.run_time(self.now) + ahead),
            rtt_ns: 2_000_000,
            ..v1::Heartbeat::default()
        };
        active.clock_error(self.now, id, &heartbeat)
    }

    /// What the director knows of the run, but for what going on itself changes.
    fn remembered(&self) -> String {
        let active = self.director.as_ref().and_then(Director::active);
        active.map_or_else(String::new, |active| {
            let merged = &active.gather;
            let totals: Vec<_> = active
                .members
                .values()
                .map(|m| (&m.name, m.seat, &m.totals))
                .collect();
            let told = (
                &active.pools,
                &active.changes,
                &active.weights,
                &active.handover,
            );
            format!(
                "{totals:?} {merged:?} {told:?} {:?} {:?}",
                active.t0, active.notes
            )
        })
    }

    /// The controller is gone, with its machine or without, and a later one goes on. What it had not let go is lost.
    pub(crate) fn crash(&mut self, machine: bool) {
        let before = self.slow == 0 && !machine;
        let before = before.then(|| self.remembered());
        self.restart(machine);
        if let Some(before) = before {
            assert_eq!(self.remembered(), before, "what is relived is what was");
        }
        self.crashes += 1;
        for agent in 0..AGENTS {
            self.redial(agent);
        }
        // Granted twice would be noticed.
        for agent in 0..AGENTS {
            self.lease(agent, 3);
        }
    }

    /// The same, and no agent has dialed it yet.
    pub(crate) fn restart(&mut self, machine: bool) {
        self.director = None;
        if machine {
            self.disk.crash();
        }
        self.slow(0);
        self.now += S / 2;
        self.start();
    }

    /// Makes the run's directory look as if its end had not been written.
    pub(crate) fn forget_report(&mut self) {
        self.director = None;
        let dir = Path::new(DIR).join(&self.run);
        self.disk.remove(&dir.join("summary.json")).unwrap();
        let file = self.disk.read(&dir.join("run.json")).unwrap();
        let mut file: serde_json::Value = serde_json::from_slice(&file).unwrap();
        file.as_object_mut().unwrap().remove("finished").unwrap();
        let file = serde_json::to_vec(&file).unwrap();
        self.disk.replace(&dir.join("run.json"), &file).unwrap();
    }

    /// The disk fails, and the controller is started again: how the run ended then.
    pub(crate) fn abandoned(&mut self) -> RunOver {
        self.director = None;
        self.start();
        let over = self.over();
        self.listen();
        over
    }

    /// Everybody is done; the report.
    pub(crate) fn finish(&mut self) -> Report {
        let stop = v1::StopRequest {
            run: self.run.clone(),
            mode: v1::StopMode::StopInterrupt.into(),
            reason: String::new(),
        };
        self.slow(0);
        self.ask(|reply| Input::Stop(stop, reply)).unwrap();
        for agent in 0..AGENTS {
            self.done(agent);
        }
        self.ticks(1);
        let over = self.over();
        serde_json::from_slice(&over.report).unwrap()
    }

    /// Requests that agents told of.
    pub(crate) fn requests(&self) -> u64 {
        self.agents.iter().map(|agent| agent.requests).sum()
    }

    /// Intervals that agents still keep.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.agents.iter().map(|agent| agent.kept.len()).sum()
    }

    fn journal(&self) -> std::path::PathBuf {
        Path::new(DIR).join(&self.run).join("journal")
    }

    pub(crate) fn segments(&self) -> usize {
        journal::segments(&self.disk, &self.journal())
            .unwrap()
            .len()
    }

    pub(crate) fn records(&self) -> usize {
        let mut count = 0;
        journal::read::<journal::Error>(&self.disk, &self.journal(), |_, _| {
            count += 1;
            Ok(())
        })
        .unwrap();
        count
    }
}
