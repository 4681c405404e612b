//! Asking the controller: the same service that the command line asks, called in the process.

use crate::problem::Problem;
use axum::http::{Request, Response, StatusCode};
use proto::v1::control_client::ControlClient;
use proto::v1::control_server::{Control, ControlServer};
use proto::v1::{
    AgentInfo, AgentsRequest, ChangeReply, ChangeRequest, RunEvent, RunInfo, RunOver, RunState,
    RunsRequest, StartHead, StartReply, StopReply, StopRequest, WatchRequest, run_event::Event,
};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::{Status, Streaming};
use tower::util::BoxCloneSyncService;

/// How long an answer may take. Less than a request of a browser may.
const ANSWER: Duration = Duration::from_secs(15);

type Service = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Whom to ask.
#[derive(Debug)]
pub(crate) struct Ask(ControlClient<Service>);

impl Ask {
    pub(crate) fn new(control: Arc<impl Control>) -> Self {
        let service = BoxCloneSyncService::new(ControlServer::from_arc(control));
        // Nothing is sent anywhere: what the controller could make, it can hand over.
        Self(ControlClient::new(service).max_decoding_message_size(usize::MAX))
    }

    pub(crate) async fn agents(&self) -> Result<Vec<AgentInfo>, Problem> {
        let mut client = self.0.clone();
        Ok(answer(client.agents(AgentsRequest {})).await?.agents)
    }

    /// The runs it knows.
    pub(crate) async fn runs(&self) -> Result<Vec<RunInfo>, Problem> {
        let mut client = self.0.clone();
        Ok(answer(client.runs(RunsRequest {})).await?.runs)
    }

    pub(crate) async fn start(
        &self,
        head: StartHead,
        bundle: &[u8],
    ) -> Result<StartReply, Problem> {
        let mut client = self.0.clone();
        let chunks = proto::bundle::start(head, bundle);
        answer(client.start(tokio_stream::iter(chunks))).await
    }

    pub(crate) async fn stop(&self, request: StopRequest) -> Result<StopReply, Problem> {
        let mut client = self.0.clone();
        answer(client.stop(request)).await
    }

    pub(crate) async fn change(&self, request: ChangeRequest) -> Result<ChangeReply, Problem> {
        let mut client = self.0.clone();
        answer(client.change(request)).await
    }

    /// Everything that happens in a run.
    pub(crate) async fn watch(&self, run: &str) -> Result<Streaming<RunEvent>, Problem> {
        let mut client = self.0.clone();
        let run = run.to_owned();
        answer(client.watch(WatchRequest { run })).await
    }

    /// What became of a run that is over.
    pub(crate) async fn outcome(&self, run: &str) -> Result<RunOver, Problem> {
        let known = self.runs().await?;
        if let Some(there) = known.iter().find(|known| known.run == run)
            && there.state() != RunState::StateOver
        {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                format!("run {run} goes on: its report is there when it is over"),
            ));
        }
        let mut events = self.watch(run).await?;
        let over = async {
            while let Some(event) = events.message().await? {
                if let Some(Event::Over(over)) = event.event {
                    return Ok(over);
                }
            }
            Err(Status::unavailable("the controller is ending"))
        };
        match timeout(ANSWER, over).await {
            Ok(over) => Ok(over?),
            Err(_) => Err(late()),
        }
    }
}

async fn answer<T>(
    asked: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Problem> {
    match timeout(ANSWER, asked).await {
        Ok(answered) => Ok(answered?.into_inner()),
        Err(_) => Err(late()),
    }
}

fn late() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        format!(
            "the controller did not answer within {} s; is its host overloaded?",
            ANSWER.as_secs()
        ),
    )
}
