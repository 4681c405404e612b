//! Agents that follow a test's script, against the real services over the loopback.

pub(crate) use crate::watch::{Watch, sleep_until, start, stop};
use metrics::{Interval, Metric, Series, Tags, Trend, Value};
use plan::Bundle;
use proto::bundle::Joiner;
use proto::v1::control_client::ControlClient;
use proto::v1::fleet_client::FleetClient;
use proto::v1::from_agent::Message as From;
use proto::v1::to_agent::Message as To;
use proto::v1::{self, FromAgent, Hello, ScenarioTotals, StartHead, ToAgent};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use throng_controller::output::Spec;
use throng_controller::{self as controller, Config, clock};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

/// Longer than anything takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const SECOND: u64 = 1_000_000_000;

/// Two VUs for a second.
pub(crate) const CLOSED: &str = "
scenarios:
  main: { executor: constant-vus, vus: 2, duration: 1s, gracefulStop: 1s }
flows:
  default:
    - get: http://127.0.0.1:9/
      checks: { ok: { status: 200 } }
";

async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

pub(crate) async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// A controller on a free port.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), controller::Error>>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::with_outputs(&[]).await
    }

    /// One that sends what it measures to these.
    pub(crate) async fn with_outputs(outs: &[String]) -> Server {
        let outputs = outs.iter().map(|out| Spec::parse(out, &|_| None).unwrap());
        Server::with(Config {
            outputs: outputs.collect(),
            lease: Duration::from_millis(600),
            heartbeat: Duration::from_millis(50),
            ..Config::default()
        })
        .await
    }

    /// One that directs like this.
    pub(crate) async fn with(config: Config) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(controller::serve(listener, config, async {
            let _ = stopped.await;
        }));
        Server {
            address,
            stop: Some(stop),
            task,
        }
    }

    pub(crate) async fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(channel(self.address).await).max_decoding_message_size(64 << 20)
    }

    /// Agents of these names, and a run of so many that is watched.
    pub(crate) async fn run<const N: usize>(
        &self,
        names: [&str; N],
        source: &str,
    ) -> (ControlClient<Channel>, [Fake; N], String, Watch) {
        self.run_as(names, source, head(u32::try_from(N).unwrap()))
            .await
    }

    /// The same, with other wishes.
    pub(crate) async fn run_as<const N: usize>(
        &self,
        names: [&str; N],
        source: &str,
        head: StartHead,
    ) -> (ControlClient<Channel>, [Fake; N], String, Watch) {
        let mut control = self.control().await;
        let mut agents = Vec::new();
        for name in names {
            agents.push(Fake::join(self, name).await);
        }
        let agents = agents.try_into().ok().unwrap();
        let run = start(&mut control, source, head).await.unwrap();
        let watch = Watch::of(&mut control, &run).await;
        (control, agents, run, watch)
    }

    pub(crate) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        patiently("the controller's end", &mut self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

pub(crate) fn bundle(source: &str) -> Bundle {
    Bundle {
        name: "test.yaml".to_owned(),
        source: source.to_owned(),
        seed: 7,
        ..Bundle::default()
    }
}

pub(crate) fn head(agents: u32) -> StartHead {
    StartHead {
        protocol: proto::PROTOCOL,
        expect_agents: agents,
        wait_ms: 10_000,
        preflight: true,
        ..StartHead::default()
    }
}

/// An agent that does what the test says.
pub(crate) struct Fake {
    pub(crate) name: String,
    pub(crate) incarnation: u64,
    address: SocketAddr,
    outbox: mpsc::Sender<FromAgent>,
    inbox: Streaming<ToAgent>,
    heart: JoinHandle<()>,
    pub(crate) totals: Arc<Mutex<Vec<ScenarioTotals>>>,
    /// The newest assignment it took, and the VUs it gave up that are still at work: what its heartbeats say.
    pub(crate) taken: Arc<Mutex<(u32, Vec<v1::HeldVus>)>>,
    pub(crate) run: String,
    pub(crate) plan: Option<plan::Plan>,
    pub(crate) assign: v1::Assign,
    /// Acknowledged sequences, in order.
    pub(crate) acks: Vec<u64>,
    over: Vec<String>,
    sequence: u64,
}

impl Fake {
    pub(crate) async fn join(server: &Server, name: &str) -> Fake {
        Fake::join_as(server.address, name, clock::now()).await
    }

    pub(crate) async fn join_as(address: SocketAddr, name: &str, incarnation: u64) -> Fake {
        let (outbox, inbox) = Fake::dial(address, name, incarnation, proto::PROTOCOL).await;
        let mut fake = Fake {
            name: String::new(),
            incarnation,
            address,
            outbox,
            inbox,
            heart: tokio::spawn(async {}),
            totals: Arc::default(),
            taken: Arc::default(),
            run: String::new(),
            plan: None,
            assign: v1::Assign::default(),
            acks: Vec::new(),
            over: Vec::new(),
            sequence: 0,
        };
        fake.welcome().await;
        fake
    }

    pub(crate) async fn dial(
        address: SocketAddr,
        name: &str,
        incarnation: u64,
        protocol: u32,
    ) -> (mpsc::Sender<FromAgent>, Streaming<ToAgent>) {
        let mut client = FleetClient::new(channel(address).await);
        let (outbox, messages) = mpsc::channel(1024);
        let hello = Hello {
            protocol,
            version: "0.1.0".to_owned(),
            name: name.to_owned(),
            incarnation,
            cores: 2,
            workers: 1,
            host: "here".to_owned(),
            ..Hello::default()
        };
        outbox
            .send(FromAgent {
                message: Some(From::Hello(hello)),
            })
            .await
            .unwrap();
        let inbox = client
            .join(ReceiverStream::new(messages))
            .await
            .unwrap()
            .into_inner();
        (outbox, inbox)
    }

    async fn welcome(&mut self) {
        let To::Welcome(welcome) = self.next().await else {
            panic!("no welcome")
        };
        self.name = welcome.name;
        self.beat();
    }

    /// Heartbeats from now on.
    fn beat(&mut self) {
        let (outbox, totals, run) = (self.outbox.clone(), self.totals.clone(), self.run.clone());
        let taken = self.taken.clone();
        self.heart.abort();
        self.heart = tokio::spawn(async move {
            loop {
                let (epoch, held) = taken.lock().unwrap().clone();
                let heartbeat = v1::Heartbeat {
                    epoch,
                    held,
                    sent_ns: clock::now(),
                    run: run.clone(),
                    totals: totals.lock().unwrap().clone(),
                    rtt_ns: 100_000,
                    vus: 1,
                    ..v1::Heartbeat::default()
                };
                if outbox
                    .send(FromAgent {
                        message: Some(From::Heartbeat(heartbeat)),
                    })
                    .await
                    .is_err()
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }

    pub(crate) async fn say(&self, message: From) {
        self.outbox
            .send(FromAgent {
                message: Some(message),
            })
            .await
            .unwrap();
    }

    /// The next message that is neither a pong nor an acknowledgement.
    pub(crate) async fn next(&mut self) -> To {
        loop {
            let message = patiently("a message", self.inbox.message()).await.unwrap();
            match message.expect("the stream ended").message.unwrap() {
                To::Pong(_) => {}
                To::Ack(ack) => self.acks.push(ack.sequence),
                // Repeated for every heartbeat that still names the run.
                To::Closed(closed) if self.over.contains(&closed.run) => {}
                To::Closed(closed) => {
                    self.over.push(closed.run.clone());
                    return To::Closed(closed);
                }
                message => return message,
            }
        }
    }

    /// Takes the bundle and the assignment; gives the digest.
    pub(crate) async fn assigned(&mut self) -> Vec<u8> {
        let mut joiner = Joiner::default();
        loop {
            match self.next().await {
                To::Bundle(chunk) => {
                    if let Some((run, bytes)) = joiner.push(chunk).unwrap() {
                        let bundle: Bundle = serde_json::from_slice(&bytes).unwrap();
                        self.run = run;
                        self.sequence = 0;
                        self.plan = Some(plan::compile(&bundle).unwrap());
                    }
                }
                To::Assign(assign) => {
                    assert_eq!(assign.run, self.run);
                    self.assign = assign;
                    self.beat();
                    return self.plan.as_ref().unwrap().digest().to_vec();
                }
                other => panic!("expected a bundle or an assignment, not {other:?}"),
            }
        }
    }

    /// Takes an assignment that comes while it makes load; rows may come before it.
    pub(crate) async fn told(&mut self) -> v1::Assign {
        loop {
            match self.next().await {
                To::Rows(_) => {}
                To::Assign(assign) => {
                    assert_eq!(assign.run, self.run);
                    self.assign = assign.clone();
                    return assign;
                }
                other => panic!("expected an assignment, not {other:?}"),
            }
        }
    }

    /// Says that it has given up what the newest assignment takes away, but for these VUs.
    pub(crate) async fn given(&self, vus: &[u64]) {
        let held = match vus {
            [] => Vec::new(),
            vus => vec![v1::HeldVus {
                scenario: 0,
                vus: vus.to_vec(),
            }],
        };
        *self.taken.lock().unwrap() = (self.assign.epoch, held.clone());
        self.say(From::Prepared(v1::Prepared {
            run: self.run.clone(),
            epoch: self.assign.epoch,
            digest: self.plan.as_ref().unwrap().digest().to_vec(),
            held,
            ..v1::Prepared::default()
        }))
        .await;
    }

    /// Says that the newest assignment came too late.
    pub(crate) async fn late(&self) {
        self.say(From::Prepared(v1::Prepared {
            run: self.run.clone(),
            epoch: self.assign.epoch,
            problem: "it came too late".to_owned(),
            problem_kind: v1::ProblemKind::ProblemLate.into(),
            ..v1::Prepared::default()
        }))
        .await;
    }

    /// True if nothing but pongs and acknowledgements comes for a while.
    pub(crate) async fn hears_nothing(&mut self, milliseconds: u64) -> bool {
        let wait = Duration::from_millis(milliseconds);
        tokio::time::timeout(wait, self.next()).await.is_err()
    }

    pub(crate) async fn prepared(&self, digest: Vec<u8>) {
        let prepared = v1::Prepared {
            run: self.run.clone(),
            epoch: self.assign.epoch,
            digest,
            ..v1::Prepared::default()
        };
        self.say(From::Prepared(prepared)).await;
    }

    pub(crate) async fn unfit(&mut self, kind: v1::ProblemKind, problem: &str) {
        self.assigned().await;
        self.say(From::Prepared(v1::Prepared {
            run: self.run.clone(),
            epoch: self.assign.epoch,
            problem: problem.to_owned(),
            problem_kind: kind.into(),
            ..v1::Prepared::default()
        }))
        .await;
    }

    /// Gets ready and waits for T0.
    pub(crate) async fn begin(&mut self) -> u64 {
        let digest = self.assigned().await;
        self.prepared(digest).await;
        self.go().await
    }

    pub(crate) async fn go(&mut self) -> u64 {
        let To::Go(go) = self.next().await else {
            panic!("no go")
        };
        let wait = go.t0_ns.saturating_sub(clock::now());
        tokio::time::sleep(Duration::from_nanos(wait)).await;
        self.say(From::Started(v1::Started {
            run: self.run.clone(),
            at_ns: go.t0_ns + 1_000_000,
            uncertainty_ns: 50_000,
        }))
        .await;
        go.t0_ns
    }

    /// An interval over a second of run time with so many requests of so many nanoseconds.
    pub(crate) fn interval(&self, sequence: u64, requests: u64, ns: u64) -> v1::Interval {
        let mut durations = Trend::new(Metric::HttpReqDuration.resolution());
        for _ in 0..requests {
            durations.record(ns);
        }
        let from = i64::try_from(sequence * SECOND).unwrap();
        let interval = Interval {
            agent: self.assign.seat,
            incarnation: self.incarnation,
            sequence,
            from,
            to: from + SECOND as i64,
            series: vec![Series {
                tags: Tags::default()
                    .with("scenario", "main")
                    .with("expected_response", "true"),
                values: vec![
                    (Metric::HttpReqs, Value::counter(requests as f64)),
                    (Metric::HttpReqDuration, Value::trend(durations)),
                    (Metric::HttpReqFailed, Value::rate(0, requests)),
                ],
            }],
        };
        proto::convert::to_wire(&self.run, &interval)
    }

    /// Sends the next interval.
    pub(crate) async fn measure(&mut self, requests: u64, ns: u64) {
        let interval = self.interval(self.sequence, requests, ns);
        self.sequence += 1;
        self.say(From::Interval(interval)).await;
    }

    /// Skips a sequence: the test sends it itself.
    pub(crate) fn skip(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }

    pub(crate) fn set(&self, totals: ScenarioTotals) {
        let totals = ScenarioTotals {
            scenario: "main".to_owned(),
            ..totals
        };
        *self.totals.lock().unwrap() = vec![totals];
    }

    pub(crate) async fn done(&self) {
        let totals = self.totals.lock().unwrap().clone();
        let health = Some(v1::Health {
            lag_p99_ns: Some(1_000_000),
            lateness_p99_ns: Some(2_000_000),
            ..v1::Health::default()
        });
        self.say(From::Done(v1::Done {
            run: self.run.clone(),
            totals,
            health,
            intervals: self.sequence,
            interrupted: false,
        }))
        .await;
    }

    /// Waits until everything it sent was acknowledged.
    pub(crate) async fn acknowledged(&mut self) {
        while self.acks.last().is_none_or(|last| last + 1 < self.sequence) {
            let message = patiently("an acknowledgement", self.inbox.message())
                .await
                .unwrap();
            if let To::Ack(ack) = message.unwrap().message.unwrap() {
                self.acks.push(ack.sequence);
            }
        }
    }

    /// Goes silent, as if its machine had lost its power.
    pub(crate) fn die(self) {
        self.heart.abort();
    }

    /// Loses its connection.
    pub(crate) fn hang_up(&mut self) {
        self.heart.abort();
        self.outbox = mpsc::channel(1).0;
    }

    /// Loses its connection and dials again, in the same life.
    pub(crate) async fn redial(&mut self, name: &str) {
        self.heart.abort();
        let (outbox, inbox) =
            Fake::dial(self.address, name, self.incarnation, proto::PROTOCOL).await;
        self.outbox = outbox;
        self.inbox = inbox;
        self.welcome().await;
    }
}

/// Half of [`CLOSED`] as an agent counts it that holds one of its two VUs.
pub(crate) fn half() -> ScenarioTotals {
    ScenarioTotals {
        begun: 10,
        completed: 10,
        requests: 10,
        vu_ns: SECOND,
        ..ScenarioTotals::default()
    }
}
