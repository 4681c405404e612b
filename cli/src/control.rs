//! The command line's side of the `Control` service: dialing, asking, and saying what a refusal means.
//!
//! Knows the wire; knows nothing of flags or of how events are shown.

use crate::error::Error;
use plan::Bundle;
use proto::v1::control_client::ControlClient;
use proto::v1::{
    AgentsReply, AgentsRequest, ChangeReply, ChangeRequest, RunEvent, RunInfo, RunsRequest,
    StartHead, StartReply, StopMode, StopRequest, WatchRequest,
};
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use trust::dial::explain_status;
use trust::{Address, DialError, Keeper};

/// How long dialing may take.
const DIAL: Duration = Duration::from_secs(5);
/// How long a short question may take. Starting has longer: a bundle may be large and the link slow.
const ASK: Duration = Duration::from_secs(15);

/// A connection to a controller. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    client: ControlClient<Channel>,
    url: String,
}

impl Control {
    /// Dials a controller of this host, in clear text.
    ///
    /// # Errors
    /// `Flags` for what is no URL, `Unreachable` when nothing answers there.
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        let address = Address::parse(url, false)
            .map_err(|error| Error::flags(error.to_string(), "write http://127.0.0.1:PORT"))?;
        Self::dial(address, None).await
    }

    /// Dials a controller, with what opens its door.
    ///
    /// # Errors
    /// `Unreachable` when nothing answers there, `Door` when it does not open.
    pub(crate) async fn dial(address: Address, keeper: Option<Arc<Keeper>>) -> Result<Self, Error> {
        let meaning = |error: DialError| meaning(address.url(), error);
        let endpoint = trust::dial::endpoint(&address)
            .map_err(meaning)?
            .connect_timeout(DIAL)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true);
        let channel = match keeper {
            None => trust::dial::connect(endpoint, &address, None).await,
            Some(keeper) => {
                fresh(&keeper).await.map_err(meaning)?;
                let kept = Arc::clone(&keeper);
                // For as long as this process lives: a run may be longer than a certificate.
                tokio::spawn(async move { kept.renew_for_ever().await });
                trust::dial::connect_kept(endpoint, &address, keeper).await
            }
        };
        let client = ControlClient::new(channel.map_err(meaning)?)
            .max_decoding_message_size(proto::MAX_MESSAGE);
        Ok(Self {
            client,
            url: address.url().to_owned(),
        })
    }

    /// Hands over the bundle and starts, or queues, a run.
    pub(crate) async fn start(
        &mut self,
        bundle: &Bundle,
        wanted: &StartHead,
    ) -> Result<StartReply, Error> {
        let json = serde_json::to_vec(bundle)
            .map_err(|error| Error::Internal(format!("the bundle cannot be written: {error}")))?;
        let head = StartHead {
            protocol: proto::PROTOCOL,
            ..wanted.clone()
        };
        let chunks = proto::bundle::start(head, &json);
        let answer = self.client.start(tokio_stream::iter(chunks)).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| self.meaning(&status))
    }

    /// Everything that happens in a run from now on; ends with `RunOver`.
    pub(crate) async fn watch(&mut self, run: &str) -> Result<Streaming<RunEvent>, Error> {
        let answer = self
            .client
            .watch(WatchRequest {
                run: run.to_owned(),
            })
            .await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| self.meaning(&status))
    }

    /// Asks a run to stop; true if it was running.
    pub(crate) async fn stop(
        &mut self,
        run: &str,
        mode: StopMode,
        reason: &str,
    ) -> Result<bool, Error> {
        let request = StopRequest {
            run: run.to_owned(),
            mode: mode.into(),
            reason: reason.to_owned(),
        };
        let answer = self.client.stop(timed(request)).await;
        answer
            .map(|reply| reply.into_inner().was_running)
            .map_err(|status| self.meaning(&status))
    }

    /// Asks for a change of a run.
    pub(crate) async fn change(&mut self, request: ChangeRequest) -> Result<ChangeReply, Error> {
        let answer = self.client.change(timed(request)).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| self.meaning(&status))
    }

    /// The agents it knows, and who was refused lately.
    pub(crate) async fn agents(&mut self) -> Result<AgentsReply, Error> {
        let answer = self.client.agents(timed(AgentsRequest {})).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| self.meaning(&status))
    }

    /// The runs it knows.
    pub(crate) async fn runs(&mut self) -> Result<Vec<RunInfo>, Error> {
        let answer = self.client.runs(timed(RunsRequest {})).await;
        answer
            .map(|reply| reply.into_inner().runs)
            .map_err(|status| self.meaning(&status))
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What a refusal means for the person who asked.
    fn meaning(&self, status: &Status) -> Error {
        let said = status.message().to_owned();
        match status.code() {
            Code::NotFound => Error::NoSuchRun(said),
            Code::InvalidArgument => Error::Refused(said),
            Code::FailedPrecondition | Code::ResourceExhausted => Error::Busy(said),
            Code::Unimplemented => Error::Unreachable {
                url: self.url.clone(),
                why: "it answers, but not as a controller of this version".to_owned(),
            },
            _ => match explain_status(status) {
                DialError::Unreachable(_) => Error::Unreachable {
                    url: self.url.clone(),
                    why: root_cause(status),
                },
                shut => meaning(&self.url, shut),
            },
        }
    }
}

fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(ASK);
    request
}

/// Sees to it that there is a certificate which the controller takes, as far as can be told before it is shown.
async fn fresh(keeper: &Keeper) -> Result<(), DialError> {
    keeper.tls().await?;
    match keeper.renew_if_old().await {
        Err(DialError::Rejected(_)) => {
            // The token, if there is one, gives another.
            keeper.forget();
            keeper.tls().await.map(|_| ())
        }
        result => result,
    }
}

/// What it means for the person who asked that a door does not open.
fn meaning(url: &str, error: DialError) -> Error {
    let url = url.to_owned();
    match error {
        DialError::Unreachable(why) => Error::Unreachable {
            url,
            // `(os error 111)` says nothing that the words before it do not.
            why: match why.split_once(" (os error") {
                Some((words, _)) => words.rsplit(": ").next().unwrap_or(words).to_owned(),
                None => why,
            },
        },
        shut => Error::Door {
            url,
            why: shut.to_string(),
        },
    }
}

/// The innermost error's text: "Connection refused" rather than "transport error".
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    let text = inner.to_string();
    // `(os error 111)` says nothing that the words before it do not, nor does where a library explains itself.
    let said = text.split_once(" (os error");
    match said.or_else(|| text.split_once(": https://docs.rs/")) {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
