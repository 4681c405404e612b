//! Who is on turmoil's network: the controller's services, agents, the target, and whoever starts the run.

use super::seen::Seen;
use crate::random::Random;
use agent::http::{Dial, LocalFuture, Stream};
use agent::sim::{Carrier, Sockets};
use controller::director::{Director, INBOX};
use controller::service_control::ControlService;
use controller::service_fleet::FleetService;
use hyper_util::rt::TokioIo;
use proto::v1::control_client::ControlClient;
use proto::v1::control_server::ControlServer;
use proto::v1::fleet_server::FleetServer;
use proto::v1::{RunOver, StartHead, WatchRequest, run_event};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::transport::{Endpoint, Server};
use turmoil::net::{TcpListener, TcpStream};

pub(super) const CONTROLLER: &str = "controller";
pub(super) const TARGET: &str = "target";
pub(super) const TARGET_PORT: u16 = 80;
const PORT: u16 = 7437;
/// Readings of everybody's boot-time clock when the world begins.
const BOOTED: u64 = 1_000_000_000_000;

fn reads() -> u64 {
    let elapsed = turmoil::sim_elapsed().unwrap_or_default();
    BOOTED + u64::try_from(elapsed.as_nanos()).unwrap_or(0)
}

/// On this thread all clocks are turmoil's.
pub(super) fn simulate_clocks() {
    agent::sim::simulate_clock(reads);
    controller::clock::simulate(reads);
}

/// A connection that came in.
struct Incoming(TcpStream);

impl Connected for Incoming {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl AsyncRead for Incoming {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The controller, as `controller::serve` puts it together, but for its doors.
pub(super) async fn controller(lease: Duration) -> turmoil::Result {
    let config = controller::Config {
        lease,
        version: "sim".to_owned(),
        ..controller::Config::default()
    };
    let (director, inbox) = mpsc::channel(INBOX);
    let directing = Director::new(config);
    let fleet = FleetService::new(director.clone(), "sim".to_owned(), directing.gate());
    tokio::spawn(directing.run(inbox));
    let control = ControlService::new(director, "sim".to_owned());
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let (came, connections) = mpsc::channel::<io::Result<Incoming>>(16);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if came.send(Ok(Incoming(stream))).await.is_err() {
                return;
            }
        }
    });
    let keep_alive = Some(Duration::from_secs(10));
    Server::builder()
        .http2_keepalive_interval(keep_alive)
        .http2_keepalive_timeout(keep_alive)
        .add_service(FleetServer::new(fleet))
        .add_service(ControlServer::new(control))
        .serve_with_incoming(ReceiverStream::new(connections))
        .await?;
    Ok(())
}

/// Opens connections to the target.
struct TargetDial;

impl Dial for TargetDial {
    fn dial(&self, to: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(to).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// How an agent is told to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(Arc<Mutex<Option<oneshot::Sender<()>>>>);

impl Told {
    fn listen(&self) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
        told
    }

    /// Tells its newest life.
    pub(super) fn tell(&self) {
        let tell = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // One that has ended need not be told.
        tell.map(|tell| tell.send(()));
    }
}

/// An agent's life.
pub(super) async fn agent(number: usize, life: u64, told: Told) -> turmoil::Result {
    let config = agent::Config {
        controller: format!("http://{CONTROLLER}:{PORT}"),
        name: format!("a{number}"),
        labels: Default::default(),
        workers: 2,
        give_up: Duration::from_secs(600),
        drain: Duration::from_secs(15),
        access: agent::Access {
            insecure: true,
            source: None,
        },
        bounds: Default::default(),
        enlisted: Arc::default(),
        glance: None,
        spool: None,
    };
    let sockets = Sockets(Arc::new(|authority: String| {
        Box::pin(async move {
            let stream = TcpStream::connect(authority).await?;
            Ok(Box::new(stream) as Box<dyn Carrier>)
        })
    }));
    let stopped = told.listen();
    agent::sim::run(config, sockets, Arc::new(TargetDial), life, stopped).await?;
    Ok(())
}

/// The target: answers every request after a while.
pub(super) async fn target(seen: Arc<Mutex<Seen>>, random: Random) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", TARGET_PORT)).await?;
    let random = Arc::new(Mutex::new(random));
    loop {
        let (stream, _) = listener.accept().await?;
        let (seen, random) = (Arc::clone(&seen), Arc::clone(&random));
        tokio::spawn(async move {
            // Whoever was lost closes its connections in the middle of everything.
            let _ = answer(stream, &seen, &random).await;
        });
    }
}

async fn answer(
    mut stream: TcpStream,
    seen: &Mutex<Seen>,
    random: &Mutex<Random>,
) -> io::Result<()> {
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
        let head: Vec<u8> = bytes.drain(..end).collect();
        let head = String::from_utf8_lossy(&head);
        let path = head.split(' ').nth(1).unwrap_or_default();
        seen.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ask(path);
        let takes = {
            let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
            Duration::from_millis(random.between(5, 200))
        };
        tokio::time::sleep(takes).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await?;
    }
}

/// What is to be run.
pub(super) struct Order {
    pub(super) source: String,
    pub(super) seed: u64,
    pub(super) agents: usize,
    pub(super) over: Arc<Mutex<Option<RunOver>>>,
}

/// Starts a run and watches it to its end.
pub(super) async fn tester(order: Order) -> turmoil::Result {
    // Agents and controller begin at the same moment.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let connector = tower::service_fn(|_| async {
        let stream = TcpStream::connect((CONTROLLER, PORT)).await?;
        Ok::<_, io::Error>(TokioIo::new(stream))
    });
    let endpoint = Endpoint::from_static("http://controller:7437");
    let channel = endpoint.connect_with_connector(connector).await?;
    let mut control = ControlClient::new(channel);
    let bundle = plan::Bundle {
        name: "sim.yaml".to_owned(),
        source: order.source,
        seed: order.seed,
        ..plan::Bundle::default()
    };
    let head = StartHead {
        protocol: proto::PROTOCOL,
        expect_agents: u32::try_from(order.agents)?,
        min_agents: 1,
        wait_ms: 5_000,
        preflight: true,
        ..StartHead::default()
    };
    let chunks = proto::bundle::start(head, &serde_json::to_vec(&bundle)?);
    let run = control
        .start(tokio_stream::iter(chunks))
        .await?
        .into_inner()
        .run;
    let mut events = control.watch(WatchRequest { run }).await?.into_inner();
    while let Some(event) = events.message().await? {
        if let Some(run_event::Event::Over(over)) = event.event {
            *order.over.lock().unwrap_or_else(PoisonError::into_inner) = Some(over);
            return Ok(());
        }
    }
    Err("the events ended before the run did".into())
}
