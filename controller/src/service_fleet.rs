//! `Fleet.Join`: reads one agent's stream, answers its heartbeats at once, and hands everything else to the director.

use crate::active::Said;
use crate::clock;
use crate::director::Input;
use crate::door::Peer;
use crate::gather::Received;
use crate::journal::Gate;
use crate::link::{Link, OUTBOX, Outgoing};
use crate::refusals::Refusals;
use crate::run::AgentId;
use proto::PROTOCOL;
use proto::v1::fleet_server::Fleet;
use proto::v1::from_agent::Message as From;
use proto::v1::to_agent::Message as To;
use proto::v1::{FromAgent, Hello, Refused};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use trust::Identity;

/// How long a new connection may take to say hello.
const HELLO: Duration = Duration::from_secs(5);
/// Log lines taken from one message.
const LINES: usize = 1000;

/// The service.
#[derive(Debug)]
pub struct FleetService {
    director: mpsc::Sender<Input>,
    connections: AtomicU64,
    version: String,
    gate: Arc<Gate>,
    refusals: Arc<Refusals>,
}

impl FleetService {
    /// One that reports to a director, whose messages to agents wait at this gate.
    #[must_use]
    pub fn new(director: mpsc::Sender<Input>, version: String, gate: Arc<Gate>) -> Self {
        Self {
            director,
            connections: AtomicU64::new(1),
            version,
            gate,
            refusals: Arc::default(),
        }
    }

    /// One that notes there whom it refuses.
    #[must_use]
    pub fn noting(self, refusals: Arc<Refusals>) -> Self {
        Self { refusals, ..self }
    }
}

#[tonic::async_trait]
impl Fleet for FleetService {
    type JoinStream = ReceiverStream<Outgoing>;

    async fn join(
        &self,
        request: Request<Streaming<FromAgent>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let (outbox, stream) = mpsc::channel(OUTBOX);
        let peer = request.extensions().get::<Peer>();
        let address = peer.map(Peer::address);
        let who = peer.and_then(Peer::identity).cloned();
        let reader = Reader {
            link: Arc::new(Link::behind(Some(outbox), clock::now(), self.gate.clone())),
            connection: self.connections.fetch_add(1, Ordering::Relaxed),
            director: self.director.clone(),
            version: self.version.clone(),
            refusals: self.refusals.clone(),
            address,
            who,
        };
        tokio::spawn(reader.read(request.into_inner()));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

struct Reader {
    link: Arc<Link>,
    connection: u64,
    director: mpsc::Sender<Input>,
    version: String,
    refusals: Arc<Refusals>,
    /// Where it dials from.
    address: Option<SocketAddr>,
    /// Who its certificate says it is; `None` on an open door.
    who: Option<Arc<Identity>>,
}

impl Reader {
    async fn read(self, mut stream: Streaming<FromAgent>) {
        if let Some(id) = self.hello(&mut stream).await {
            self.follow(id, &mut stream).await;
            // Without a director there is nobody to tell.
            let _ = self.director.send(Input::Closed(id, self.connection)).await;
        }
        self.link.end();
    }

    async fn hello(&self, stream: &mut Streaming<FromAgent>) -> Option<AgentId> {
        let first = tokio::time::timeout(HELLO, stream.message()).await;
        let mut hello = match first {
            Ok(Ok(Some(FromAgent {
                message: Some(From::Hello(hello)),
            }))) => hello,
            Ok(Ok(Some(_))) => return self.refuse("the first message must be a hello".to_owned()),
            Err(_) => return self.refuse(format!("no hello within {} s", HELLO.as_secs())),
            Ok(Ok(None) | Err(_)) => return None,
        };
        if hello.protocol != PROTOCOL {
            return self.refuse(mismatch(
                "agent",
                hello.protocol,
                &hello.version,
                &self.version,
            ));
        }
        // What the certificate says counts, not what is said.
        hello.identity = self.who.as_ref().map_or_else(String::new, |who| who.uri());
        if let Some(who) = &self.who {
            hello.name.clone_from(&who.name);
        }
        self.ask(hello).await
    }

    async fn ask(&self, hello: Hello) -> Option<AgentId> {
        let (reply, answer) = oneshot::channel();
        let input = Input::Hello(Box::new(hello), self.link.clone(), self.connection, reply);
        self.director.send(input).await.ok()?;
        let id = answer.await.ok()?;
        if id.is_none() {
            self.noted("the fleet is full, or the controller is ending");
        }
        id
    }

    fn noted(&self, why: &str) {
        if let Some(address) = self.address {
            self.refusals.note(clock::now(), address, why);
        }
    }

    fn refuse(&self, reason: String) -> Option<AgentId> {
        tracing::warn!("an agent was refused: {reason}");
        self.noted(&reason);
        self.link.send(To::Refused(Refused {
            reason,
            retry: false,
        }));
        None
    }

    async fn follow(&self, id: AgentId, stream: &mut Streaming<FromAgent>) {
        loop {
            let message = tokio::select! {
                message = stream.message() => message,
                // Lost, replaced or sent home: what it says on this stream counts no more.
                () = self.link.closed() => return,
            };
            let message = match message {
                Ok(Some(FromAgent {
                    message: Some(message),
                })) => message,
                // A message of a later version: what is not understood is not an error.
                Ok(Some(FromAgent { message: None })) => continue,
                Ok(None) => return,
                Err(status) => {
                    tracing::warn!("a stream broke: {}", status.message());
                    return;
                }
            };
            let Some(input) = input(&self.link, self.connection, id, message, clock::now()) else {
                return;
            };
            if self.director.send(input).await.is_err() {
                return;
            }
        }
    }
}

/// What the director is to hear of a message that came at this controller time; `None` if the agent was declared lost and must not
/// go on. Heartbeats are answered here, so that a busy director costs nobody a lease.
pub fn input(link: &Link, connection: u64, id: AgentId, message: From, now: u64) -> Option<Input> {
    let (run, said) = match message {
        From::Heartbeat(heartbeat) => {
            if !link.answer(heartbeat.sent_ns, now) {
                return None;
            }
            (heartbeat.run.clone(), Said::Heartbeat(heartbeat))
        }
        From::Prepared(prepared) => (prepared.run.clone(), Said::Prepared(prepared)),
        From::Started(started) => (started.run.clone(), Said::Started(started)),
        From::Interval(interval) => {
            // Decoded here, beside the director, which only merges.
            let received = Received::new(interval);
            (received.run.clone(), Said::Interval(Box::new(received)))
        }
        From::Log(mut log) => {
            log.lines.truncate(LINES);
            (log.run.clone(), Said::Log(log))
        }
        From::LeaseRequest(request) => (request.run.clone(), Said::Lease(request)),
        From::Phase(piece) => (piece.run.clone(), Said::Phase(Box::new(piece))),
        From::Done(done) => (done.run.clone(), Said::Done(done)),
        From::Drain(drain) => (drain.run.clone(), Said::Drain(drain)),
        From::Leave(leave) => return Some(Input::Leave(id, connection, leave.reason)),
        // A second hello says nothing new.
        From::Hello(_) => {
            return Some(Input::Said(
                id,
                connection,
                String::new(),
                Said::Heartbeat(Default::default()),
            ));
        }
    };
    Some(Input::Said(id, connection, run, said))
}

/// What is said to a peer of another protocol version.
#[must_use]
pub fn mismatch(peer: &str, protocol: u32, version: &str, own: &str) -> String {
    format!(
        "the {peer} is throng {} (protocol {protocol}), the controller throng {own} (protocol {PROTOCOL}); run the same version on both",
        crate::names::printable(version)
    )
}
