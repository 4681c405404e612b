//! The command line's side of the `Control` service: dialing, asking, and saying what a refusal means.
//!
//! Knows the wire; knows nothing of flags or of how events are shown.

use crate::error::Error;
use plan::Bundle;
use proto::v1::control_client::ControlClient;
use proto::v1::{
    AgentInfo, AgentsRequest, ChangeReply, ChangeRequest, RunEvent, RunInfo, RunsRequest,
    StartHead, StartReply, StopMode, StopRequest, WatchRequest,
};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

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
    /// Dials `url`.
    ///
    /// # Errors
    /// `Flags` for what is no URL, `Unreachable` when nothing answers there.
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        let endpoint = endpoint(url)?
            .connect_timeout(DIAL)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true);
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| Error::Unreachable {
                url: url.to_owned(),
                why: root_cause(&error),
            })?;
        let client = ControlClient::new(channel).max_decoding_message_size(proto::MAX_MESSAGE);
        Ok(Self {
            client,
            url: url.to_owned(),
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

    /// The agents it knows.
    pub(crate) async fn agents(&mut self) -> Result<Vec<AgentInfo>, Error> {
        let answer = self.client.agents(timed(AgentsRequest {})).await;
        answer
            .map(|reply| reply.into_inner().agents)
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
            _ => Error::Unreachable {
                url: self.url.clone(),
                why: root_cause(status),
            },
        }
    }
}

fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(ASK);
    request
}

/// Checks that `url` can be a controller's.
pub(crate) fn endpoint(url: &str) -> Result<Endpoint, Error> {
    let hint = format!("write e.g. {}", crate::args::CONTROLLER);
    let wrong = |what: String| Error::flags(what, hint.clone());
    match url::Url::parse(url) {
        Ok(parsed) if parsed.scheme() == "https" => {
            return Err(wrong(format!(
                "--controller {url}: the link to the controller has no TLS yet"
            )));
        }
        Ok(parsed) if parsed.scheme() == "http" && parsed.has_host() => {}
        _ => {
            return Err(wrong(format!(
                "--controller {url}: not the URL of a controller"
            )));
        }
    }
    Endpoint::from_shared(url.to_owned())
        .map_err(|error| wrong(format!("--controller {url}: {error}")))
}

/// The innermost error's text: "Connection refused" rather than "transport error".
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    let text = inner.to_string();
    // `(os error 111)` says nothing that the words before it do not.
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controllers_url_is_http_with_a_host() {
        for good in ["http://127.0.0.1:7437", "http://controller:7437/"] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "127.0.0.1:7437",
            "localhost:7437",
            "https://controller",
            "http://",
            "",
        ] {
            assert!(matches!(endpoint(bad), Err(Error::Flags { .. })), "{bad}");
        }
    }
}
