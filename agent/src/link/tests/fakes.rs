//! A controller that does what a test tells it, and a crew that does nothing but say what it was told.

use crate::crew::{Job, Report, StopHow};
use crate::link::core::Vitals;
use crate::link::load::{AtWork, Load};
use crate::orders::Problem;
use plan::Plan;
use proto::v1::fleet_server::{Fleet, FleetServer};
use proto::v1::from_agent::Message as FromAgentMessage;
use proto::v1::to_agent::Message as ToAgentMessage;
use proto::v1::{
    FromAgent, Health, Heartbeat, Hello, Pong, ProblemKind, ScenarioTotals, ToAgent, Welcome,
};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// What a test waits for comes in this time, or never.
const BOUND: Duration = Duration::from_secs(20);
/// How far ahead of the agent's clock the fake controller's is.
pub(super) const AHEAD: u64 = 1_000_000_000_000;

/// Awaits what must come.
pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {} s", BOUND.as_secs()),
    }
}

/// A controller whose every connection is a test's to talk on.
pub(super) struct Controller {
    pub(super) url: String,
    connections: mpsc::UnboundedReceiver<Connection>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One connection.
pub(super) struct Connection {
    from: mpsc::Receiver<FromAgentMessage>,
    /// Gone: the stream ends.
    to: mpsc::Sender<Result<ToAgent, Status>>,
    /// The newest heartbeat.
    pub(super) heartbeat: watch::Receiver<Heartbeat>,
    /// Whether heartbeats are answered.
    pub(super) answers: Arc<AtomicBool>,
    /// Whether anything is read.
    pub(super) reads: watch::Sender<bool>,
}

struct Service(mpsc::UnboundedSender<Connection>);

#[tonic::async_trait]
impl Fleet for Service {
    type JoinStream = ReceiverStream<Result<ToAgent, Status>>;

    async fn join(
        &self,
        request: Request<Streaming<FromAgent>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let mut incoming = request.into_inner();
        let (to, stream) = mpsc::channel(64);
        let (forward, from) = mpsc::channel(1024);
        let (newest, heartbeat) = watch::channel(Heartbeat::default());
        let (reads, mut reading) = watch::channel(true);
        let answers = Arc::new(AtomicBool::new(true));
        let connection = Connection {
            from,
            to: to.clone(),
            heartbeat,
            answers: Arc::clone(&answers),
            reads,
        };
        // Held weakly, so that the test can end the stream.
        let to = to.downgrade();
        tokio::spawn(async move {
            while let Ok(Some(message)) = incoming.message().await {
                if reading.wait_for(|reads| *reads).await.is_err() {
                    break;
                }
                match message.message {
                    Some(FromAgentMessage::Heartbeat(heartbeat)) => {
                        let pong = Pong {
                            echo_ns: heartbeat.sent_ns,
                            controller_ns: crate::clock::boot_ns() + AHEAD,
                        };
                        if let Some(to) = to.upgrade().filter(|_| answers.load(Ordering::SeqCst)) {
                            let _ = to.send(Ok(message_of(ToAgentMessage::Pong(pong)))).await;
                        }
                        newest.send_replace(heartbeat);
                    }
                    Some(other) => {
                        let _ = forward.send(other).await;
                    }
                    None => {}
                }
            }
        });
        let _ = self.0.send(connection);
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn message_of(message: ToAgentMessage) -> ToAgent {
    ToAgent {
        message: Some(message),
    }
}

impl Controller {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (joined, connections) = mpsc::unbounded_channel();
        let server = tonic::transport::Server::builder()
            .add_service(
                FleetServer::new(Service(joined)).max_decoding_message_size(proto::MAX_MESSAGE),
            )
            .serve_with_incoming(TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move { server.await.unwrap() });
        Self {
            url,
            connections,
            serving,
        }
    }

    /// The next connection and the hello on it; not welcomed yet.
    pub(super) async fn hello(&mut self) -> (Connection, Hello) {
        let mut connection = soon("a connection", self.connections.recv()).await.unwrap();
        match connection.next().await {
            FromAgentMessage::Hello(hello) => (connection, hello),
            other => panic!("{other:?} came before hello"),
        }
    }

    /// The next connection, welcomed.
    pub(super) async fn welcome(&mut self, lease_ms: u32) -> Connection {
        let (connection, hello) = self.hello().await;
        let welcome = Welcome {
            name: hello.name,
            lease_ms,
            heartbeat_ms: 50,
            version: "test".to_owned(),
            generation: 0,
        };
        connection.send(ToAgentMessage::Welcome(welcome)).await;
        connection
    }
}

impl Connection {
    /// The next message that is not a heartbeat.
    pub(super) async fn next(&mut self) -> FromAgentMessage {
        soon("a message of the agent", self.from.recv())
            .await
            .expect("the agent's stream ended")
    }

    /// That the agent's side of the stream ends, and nothing else comes.
    pub(super) async fn ends(&mut self) {
        let more = soon("the end of the agent's stream", self.from.recv()).await;
        assert!(more.is_none(), "{more:?} came");
    }

    pub(super) async fn send(&self, message: ToAgentMessage) {
        self.to.send(Ok(message_of(message))).await.unwrap();
    }
}

/// What the crew was told.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    Stop(StopHow),
    Change(u64),
    Reassign(u32, usize),
    Grant(usize, Range<u64>, bool),
    Dropped,
}

/// A crew as the test sees it.
pub(super) struct Mustered {
    pub(super) job: Job,
    pub(super) reports: mpsc::UnboundedSender<Report>,
    told: mpsc::UnboundedReceiver<Told>,
}

impl Mustered {
    pub(super) async fn told(&mut self) -> Told {
        soon("a word to the crew", self.told.recv()).await.unwrap()
    }
}

/// Musters fake crews.
#[derive(Clone)]
pub(super) struct FakeLoad {
    mustered: mpsc::UnboundedSender<Mustered>,
    /// What is wrong with the target.
    pub(super) target: Arc<Mutex<Option<String>>>,
    /// What is wrong with the machine.
    pub(super) machine: Arc<Mutex<Option<String>>>,
}

impl FakeLoad {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Mustered>) {
        let (mustered, crews) = mpsc::unbounded_channel();
        let load = Self {
            mustered,
            target: Arc::default(),
            machine: Arc::default(),
        };
        (load, crews)
    }
}

pub(super) struct FakeCrew(mpsc::UnboundedSender<Told>);

impl Drop for FakeCrew {
    fn drop(&mut self) {
        let _ = self.0.send(Told::Dropped);
    }
}

impl Load for FakeLoad {
    type Crew = FakeCrew;

    fn muster(&self, job: Job, reports: mpsc::UnboundedSender<Report>) -> io::Result<FakeCrew> {
        if let Some(what) = self.machine.lock().unwrap().clone() {
            return Err(io::Error::other(what));
        }
        let (tell, told) = mpsc::unbounded_channel();
        let _ = self.mustered.send(Mustered { job, reports, told });
        Ok(FakeCrew(tell))
    }

    fn preflight(&self, _: Arc<Plan>) -> impl Future<Output = Result<(), Problem>> + 'static {
        let wrong = self.target.lock().unwrap().clone();
        async move { wrong.map_or(Ok(()), |text| Err((ProblemKind::ProblemTarget, text))) }
    }
}

impl AtWork for FakeCrew {
    fn stop(&self, how: StopHow) {
        let _ = self.0.send(Told::Stop(how));
    }

    fn change(&self, control: Arc<plan::Control>) {
        let _ = self.0.send(Told::Change(control.version()));
    }

    fn reassign(&self, assignment: crate::Assignment) {
        let changes = assignment.shares.changes().len();
        let _ = self.0.send(Told::Reassign(assignment.epoch, changes));
    }

    fn grant(&self, scenario: usize, indexes: Range<u64>, last: bool) {
        let _ = self.0.send(Told::Grant(scenario, indexes, last));
    }

    fn vitals(&self) -> Vitals {
        Vitals {
            totals: vec![ScenarioTotals {
                scenario: "default".to_owned(),
                begun: 7,
                ..ScenarioTotals::default()
            }],
            health: Some(Health {
                cpu: Some(0.5),
                ..Health::default()
            }),
            vus: 3,
            held: Vec::new(),
        }
    }
}
