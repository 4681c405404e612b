//! `Fleet.Join`: reads one agent's stream, answers its heartbeats at once, and hands everything else to the director.

use crate::active::Said;
use crate::clock;
use crate::director::Input;
use crate::gather::Received;
use crate::link::{Link, OUTBOX, Outgoing};
use crate::run::AgentId;
use proto::PROTOCOL;
use proto::v1::fleet_server::Fleet;
use proto::v1::from_agent::Message as From;
use proto::v1::to_agent::Message as To;
use proto::v1::{FromAgent, Hello, Refused};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

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
}

impl FleetService {
    /// One that reports to a director.
    #[must_use]
    pub fn new(director: mpsc::Sender<Input>, version: String) -> Self {
        Self {
            director,
            connections: AtomicU64::new(1),
            version,
        }
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
        let reader = Reader {
            link: Arc::new(Link::new(outbox, clock::now())),
            connection: self.connections.fetch_add(1, Ordering::Relaxed),
            director: self.director.clone(),
            version: self.version.clone(),
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
        let hello = match first {
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
        self.ask(hello).await
    }

    async fn ask(&self, hello: Hello) -> Option<AgentId> {
        let (reply, answer) = oneshot::channel();
        let input = Input::Hello(Box::new(hello), self.link.clone(), self.connection, reply);
        self.director.send(input).await.ok()?;
        answer.await.ok()?
    }

    fn refuse(&self, reason: String) -> Option<AgentId> {
        tracing::warn!("an agent was refused: {reason}");
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
            let Some(input) = self.input(id, message) else {
                return;
            };
            if self.director.send(input).await.is_err() {
                return;
            }
        }
    }

    /// What the director is to hear; `None` if the agent was declared lost and must not go on.
    fn input(&self, id: AgentId, message: From) -> Option<Input> {
        let (run, said) = match message {
            From::Heartbeat(heartbeat) => {
                if !self.link.answer(heartbeat.sent_ns, clock::now()) {
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
            From::Leave(leave) => return Some(Input::Leave(id, self.connection, leave.reason)),
            // A second hello says nothing new.
            From::Hello(_) => {
                return Some(Input::Said(
                    id,
                    self.connection,
                    String::new(),
                    Said::Heartbeat(Default::default()),
                ));
            }
        };
        Some(Input::Said(id, self.connection, run, said))
    }
}

/// What is said to a peer of another protocol version.
#[must_use]
pub fn mismatch(peer: &str, protocol: u32, version: &str, own: &str) -> String {
    format!(
        "the {peer} is throng {} (protocol {protocol}), the controller throng {own} (protocol {PROTOCOL}); run the same version on both",
        crate::names::printable(version)
    )
}
