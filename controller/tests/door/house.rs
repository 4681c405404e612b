//! A controller behind its door, and what a peer does to come in.

use proto::v1::control_client::ControlClient;
use proto::v1::fleet_client::FleetClient;
use proto::v1::to_agent::Message as To;
use proto::v1::{AgentsRequest, FromAgent, Heartbeat, Hello, ToAgent, from_agent};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use throng_controller::door::{Authority, Door, Gate};
use throng_controller::{self as controller, Config};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use trust::dial::{self, Tls};
use trust::{Address, Credentials, DialError, Role, Token, tls};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
/// Longer than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of its own for each, gone with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "throng-door-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A controller.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), controller::Error>>,
}

impl House {
    /// With its own CA in a folder, giving certificates for so long.
    pub(crate) async fn own(folder: &Folder, lifetime: Duration) -> Self {
        let authority = Authority::open(&folder.0).unwrap();
        let gate = Gate::own(authority, vec![], lifetime).unwrap();
        Self::with(Door::Tls(Arc::new(gate))).await
    }

    pub(crate) async fn with(door: Door) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let config = Config {
            lease: Duration::from_secs(2),
            heartbeat: Duration::from_millis(100),
            ..Config::default()
        };
        let serving = controller::serve_doors(vec![(listener, door)], config, None, async {
            let _ = stopped.await;
        });
        Self {
            address,
            stop: Some(stop),
            task: tokio::spawn(serving),
        }
    }

    pub(crate) fn url(&self) -> Address {
        Address::parse(&format!("https://{}", self.address), false).unwrap()
    }

    pub(crate) fn clear_url(&self) -> Address {
        Address::parse(&format!("http://{}", self.address), false).unwrap()
    }

    pub(crate) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        let ended = tokio::time::timeout(PATIENCE, &mut self.task).await;
        ended.unwrap().unwrap().unwrap();
    }

    /// A channel with a certificate.
    pub(crate) async fn dial(&self, credentials: &Credentials) -> Result<Channel, DialError> {
        let own = (credentials.chain.clone(), credentials.key.clone_key());
        let config = tls::client(&credentials.roots, Some(own)).unwrap();
        let tls = Tls::new(config, &credentials.roots, &self.url()).unwrap();
        dial::connect(dial::endpoint(&self.url()).unwrap(), &self.url(), Some(tls)).await
    }

    /// What an operator does.
    pub(crate) async fn ask(&self, credentials: &Credentials) -> Result<usize, DialError> {
        ask(self.dial(credentials).await?).await
    }

    /// What an agent does.
    pub(crate) async fn join(&self, credentials: &Credentials) -> Result<Stream, DialError> {
        join(self.dial(credentials).await?).await
    }

    /// A join token of its own, entered in the book.
    pub(crate) fn token(
        folder: &Folder,
        role: Role,
        uses: Option<u64>,
        expires: Duration,
    ) -> Token {
        Authority::open(&folder.0)
            .unwrap()
            .token(role, uses, expires)
            .unwrap()
    }
}

/// Asks who is in the fleet.
pub(crate) async fn ask(channel: Channel) -> Result<usize, DialError> {
    let answer = ControlClient::new(channel).agents(AgentsRequest {}).await;
    let said = |status: Status| dial::explain_status(&status);
    Ok(answer.map_err(said)?.into_inner().agents.len())
}

/// An agent's stream.
pub(crate) struct Stream {
    pub(crate) outgoing: mpsc::Sender<FromAgent>,
    pub(crate) incoming: Streaming<ToAgent>,
    /// What the controller calls it.
    pub(crate) name: String,
}

/// Each hello is another life.
static LIVES: AtomicU32 = AtomicU32::new(1);

/// Says hello as an agent that would like to be called `liar`.
pub(crate) async fn join(channel: Channel) -> Result<Stream, DialError> {
    let said = |status: Status| dial::explain_status(&status);
    let (outgoing, stream) = mpsc::channel(4);
    let hello = Hello {
        protocol: proto::PROTOCOL,
        name: "liar".to_owned(),
        incarnation: LIVES.fetch_add(1, Ordering::Relaxed).into(),
        ..Hello::default()
    };
    outgoing
        .send(message(from_agent::Message::Hello(hello)))
        .await
        .unwrap();
    let mut incoming = FleetClient::new(channel)
        .max_encoding_message_size(64 << 20)
        .join(ReceiverStream::new(stream))
        .await
        .map_err(said)?
        .into_inner();
    match incoming.message().await.map_err(said)?.unwrap().message {
        Some(To::Welcome(welcome)) => Ok(Stream {
            outgoing,
            incoming,
            name: welcome.name,
        }),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn message(message: from_agent::Message) -> FromAgent {
    FromAgent {
        message: Some(message),
    }
}

impl Stream {
    /// A heartbeat and its answer.
    pub(crate) async fn beat(&mut self) -> Result<(), String> {
        let heartbeat = Heartbeat {
            sent_ns: 5,
            ..Heartbeat::default()
        };
        let sent = self
            .outgoing
            .send(message(from_agent::Message::Heartbeat(heartbeat)));
        sent.await.map_err(|_| "the stream is closed".to_owned())?;
        match self.incoming.message().await {
            Ok(Some(ToAgent {
                message: Some(To::Pong(_)),
            })) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
}
