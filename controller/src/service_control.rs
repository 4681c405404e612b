//! `Control`: what the command line asks. Receives and compiles bundles; everything else is the director's to answer.

use crate::Refusal;
use crate::active::Order;
use crate::clock;
use crate::director::{Input, Watched};
use crate::door::Peer;
use crate::refusals::Refusals;
use crate::run::Needs;
use crate::service_fleet::mismatch;
use crate::weights::Weights;
use plan::{Bundle, Plan};
use proto::bundle::StartJoiner;
use proto::v1::control_server::Control;
use proto::v1::{self, Level, LogLine, RunEvent, StartChunk, run_event};
use proto::{PROTOCOL, bundle::BundleError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast, broadcast::error::RecvError, mpsc, oneshot};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Bytes of an error text in a status: it travels in a header, which HTTP/2 peers limit.
const STATUS: usize = 3000;
/// Bundles that are received at once.
const RECEIVING: usize = 8;
/// How long the next piece of one may take.
const HALT: Duration = Duration::from_secs(30);
/// Events that may wait for a watcher here.
const WATCH: usize = 64;

/// The service.
#[derive(Debug)]
pub struct ControlService {
    director: mpsc::Sender<Input>,
    version: String,
    /// Bundles are large: so many are held at once.
    receiving: Semaphore,
    refusals: Arc<Refusals>,
}

impl ControlService {
    /// One that asks a director.
    #[must_use]
    pub fn new(director: mpsc::Sender<Input>, version: String) -> Self {
        Self {
            director,
            version,
            receiving: Semaphore::new(RECEIVING),
            refusals: Arc::default(),
        }
    }

    /// One that tells who was refused.
    #[must_use]
    pub fn telling(self, refusals: Arc<Refusals>) -> Self {
        Self { refusals, ..self }
    }

    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, Status> {
        let ending = || Status::unavailable("the controller is ending");
        let (reply, answer) = oneshot::channel();
        self.director
            .send(input(reply))
            .await
            .map_err(|_| ending())?;
        answer.await.map_err(|_| ending())
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy(text) => Status::failed_precondition(text),
            Refusal::Full(text) => Status::resource_exhausted(text),
            Refusal::Wrong(text) => Status::invalid_argument(text),
            Refusal::NoSuchRun(text) => Status::not_found(text),
        }
    }
}

fn invalid(text: &str) -> Status {
    let mut end = text.len().min(STATUS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let more = if end < text.len() { "\n…" } else { "" };
    Status::invalid_argument(format!("{}{more}", &text[..end]))
}

fn broken(error: &BundleError) -> Status {
    invalid(&format!("the bundle was not received whole: {error}"))
}

#[tonic::async_trait]
impl Control for ControlService {
    type WatchStream = ReceiverStream<Result<RunEvent, Status>>;

    async fn start(
        &self,
        request: Request<Streaming<StartChunk>>,
    ) -> Result<Response<v1::StartReply>, Status> {
        let who = operator(&request);
        let _receiving = self.receiving.try_acquire().map_err(|_| {
            Status::resource_exhausted(format!(
                "{RECEIVING} bundles are being received already; try again in a moment"
            ))
        })?;
        let mut stream = request.into_inner();
        let mut joiner = StartJoiner::default();
        let late = |_| Status::deadline_exceeded("the bundle came to a halt on its way");
        while let Some(chunk) = timeout(HALT, stream.message()).await.map_err(late)?? {
            joiner.push(chunk).map_err(|error| broken(&error))?;
            // Said before a large bundle is received for nothing.
            if let Some(head) = joiner.head().filter(|head| head.protocol != PROTOCOL) {
                return Err(invalid(&mismatch(
                    "command line",
                    head.protocol,
                    "of another version",
                    &self.version,
                )));
            }
        }
        let (head, bytes) = joiner.finish().map_err(|error| broken(&error))?;
        let compiled =
            tokio::task::spawn_blocking(move || compile(&bytes).map(|compiled| (bytes, compiled)));
        let (bytes, (bundle, plan)) = compiled
            .await
            .map_err(|error| Status::internal(format!("compiling the bundle failed: {error}")))??;
        let weights = Weights::read(&head).map_err(|what| invalid(&what))?;
        let order = Order {
            weights,
            id: String::new(),
            name: bundle.name,
            seed: bundle.seed,
            unix_ms: clock::unix_ms(),
            bundle: bytes,
            needs: Needs {
                expect: head.expect_agents,
                min: head.min_agents,
                wait: head.wait_ms.saturating_mul(1_000_000),
                preflight: head.preflight,
                on_loss: plan.options.on_agent_loss,
            },
            plan,
        };
        let reply = self
            .ask(|reply| Input::Start(Box::new(order), head.queue, reply))
            .await??;
        tracing::info!(run = reply.run, operator = who, "a run was asked for");
        Ok(Response::new(reply))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let run = request.into_inner().run;
        let asked = run.clone();
        let watched = self.ask(|reply| Input::Watch(asked, reply)).await??;
        let (events, stream) = mpsc::channel(WATCH);
        tokio::spawn(forward(self.director.clone(), run, watched, events));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn stop(
        &self,
        request: Request<v1::StopRequest>,
    ) -> Result<Response<v1::StopReply>, Status> {
        let who = operator(&request);
        let request = request.into_inner();
        tracing::info!(run = request.run, operator = who, "a stop was asked for");
        Ok(Response::new(
            self.ask(|reply| Input::Stop(request, reply)).await??,
        ))
    }

    async fn change(
        &self,
        request: Request<v1::ChangeRequest>,
    ) -> Result<Response<v1::ChangeReply>, Status> {
        let who = operator(&request);
        let mut request = request.into_inner();
        // For the report: what the certificate says counts, not what is said.
        request.who = who.unwrap_or(request.who);
        request.asked_unix_ms = clock::unix_ms();
        Ok(Response::new(
            self.ask(|reply| Input::Change(request, reply)).await??,
        ))
    }

    async fn agents(
        &self,
        _: Request<v1::AgentsRequest>,
    ) -> Result<Response<v1::AgentsReply>, Status> {
        let agents = self.ask(Input::Agents).await?;
        let refused = self.refusals.list(clock::now());
        Ok(Response::new(v1::AgentsReply { agents, refused }))
    }

    async fn runs(&self, _: Request<v1::RunsRequest>) -> Result<Response<v1::RunsReply>, Status> {
        let runs = self.ask(Input::Runs).await?;
        Ok(Response::new(v1::RunsReply { runs }))
    }
}

/// Who asks, by the certificate; `None` on an open door.
fn operator<T>(request: &Request<T>) -> Option<String> {
    let peer = request.extensions().get::<Peer>()?;
    Some(peer.identity()?.name.clone())
}

/// What a bundle means.
pub(crate) fn compile(bytes: &[u8]) -> Result<(Bundle, Plan), Status> {
    let bundle: Bundle = serde_json::from_slice(bytes)
        .map_err(|error| invalid(&format!("the bundle cannot be read: {error}")))?;
    let plan = plan::compile(&bundle).map_err(|diagnostics| invalid(&diagnostics.render(false)))?;
    Ok((bundle, plan))
}

/// Passes a run's events on until it is over or the watcher has gone. One that reads too slowly misses some, is told, and begins anew
/// with how things stand: points that it missed come again.
async fn forward(
    director: mpsc::Sender<Input>,
    run: String,
    mut watched: Watched,
    events: mpsc::Sender<Result<RunEvent, Status>>,
) {
    loop {
        let (first, follows) = watched;
        for event in first {
            if events.send(Ok(event)).await.is_err() {
                return;
            }
        }
        let Some(follows) = follows else { return };
        let Some(missed) = pass_on(follows, &events).await else {
            return;
        };
        if events.send(Ok(missing(missed))).await.is_err() {
            return;
        }
        let (reply, answer) = oneshot::channel();
        if director
            .send(Input::Watch(run.clone(), reply))
            .await
            .is_err()
        {
            return;
        }
        watched = match answer.await {
            Ok(Ok(again)) => again,
            _ => return,
        };
    }
}

/// Passes on what follows, to its end (`None`) or until so many were missed.
async fn pass_on(
    mut follows: broadcast::Receiver<RunEvent>,
    events: &mpsc::Sender<Result<RunEvent, Status>>,
) -> Option<u64> {
    loop {
        let event = tokio::select! {
            event = follows.recv() => event,
            () = events.closed() => return None,
        };
        let event = match event {
            Ok(event) => event,
            Err(RecvError::Lagged(missed)) => return Some(missed),
            Err(RecvError::Closed) => return None,
        };
        let over = matches!(event.event, Some(run_event::Event::Over(_)));
        if events.send(Ok(event)).await.is_err() || over {
            return None;
        }
    }
}

fn missing(count: u64) -> RunEvent {
    RunEvent {
        event: Some(run_event::Event::Log(LogLine {
            level: Level::Warn.into(),
            text: format!("{count} events were missed: this watcher reads too slowly"),
            count: 1,
            sample: String::new(),
            error: false,
        })),
    }
}
