//! Dials the controller: from an address to a stream on which it said welcome, or why not.
//!
//! Knows nothing of runs. When to dial again is the core's decision.

use super::core::Failure;
use crate::clock;
use crate::config::{Access, Error};
use proto::v1::fleet_client::FleetClient;
use proto::v1::{FromAgent, Hello, ToAgent, Welcome, from_agent, to_agent};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};
use trust::dial::{Tls, cause, explain_status};
use trust::{Address, DialError, Keeper};

/// For one attempt, from resolving to the welcome.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How often an idle connection is probed, and how long the answer may take.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// A stream on which the controller said welcome.
#[derive(Debug)]
pub(crate) struct Connected {
    /// To the controller. It holds one message, so that what is due when there is room is decided then.
    pub(crate) outgoing: mpsc::Sender<FromAgent>,
    /// From the controller.
    pub(crate) incoming: Streaming<ToAgent>,
    /// What it said.
    pub(crate) welcome: Welcome,
    /// When our hello was sent, boot-time nanoseconds.
    pub(crate) sent_ns: u64,
}

/// Where to dial, and what to show there.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    address: Address,
    endpoint: Endpoint,
    keeper: Option<Arc<Keeper>>,
    /// A simulation's network.
    #[cfg(feature = "sim")]
    pub(crate) sockets: Option<trust::dial::Sockets>,
    /// A controller said welcome before: whatever the door says now may be otherwise in a moment.
    welcomed: Arc<AtomicBool>,
}

impl Way {
    /// Reads an address.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub(crate) fn new(address: &str, access: &Access) -> Result<Self, Error> {
        let wrong = |why: String| Error::Address(why);
        let address =
            Address::parse(address, access.insecure).map_err(|error| wrong(error.to_string()))?;
        let endpoint = trust::dial::endpoint(&address)
            .map_err(|error| wrong(error.to_string()))?
            .http2_keep_alive_interval(KEEP_ALIVE.0)
            .keep_alive_timeout(KEEP_ALIVE.1)
            .keep_alive_while_idle(true);
        let keeper = match (&access.source, address.is_tls()) {
            (Some(source), true) => Some(Arc::new(Keeper::new(address.clone(), source.clone()))),
            (None, true) => {
                return Err(wrong(format!(
                    "{} speaks TLS, which takes a join token or certificates",
                    address.url()
                )));
            }
            (_, false) => None,
        };
        Ok(Self {
            address,
            endpoint,
            keeper,
            #[cfg(feature = "sim")]
            sockets: None,
            welcomed: Arc::default(),
        })
    }

    /// What keeps our certificate.
    pub(crate) fn keeper(&self) -> Option<Arc<Keeper>> {
        self.keeper.clone()
    }

    /// What an error of the door means for the link: whether to dial again.
    fn failure(&self, error: DialError) -> Failure {
        let text = error.to_string();
        let refused = |reason| Failure::Refused {
            reason,
            retry: false,
        };
        match (error, &self.keeper) {
            (DialError::Unreachable(_), _) => Failure::Unreachable(text),
            (DialError::Refused(_), _) => refused(text),
            (DialError::Rejected(_), Some(keeper)) if keeper.can_enrol() => {
                // The token may give another; if it does not, that is the last word.
                keeper.forget();
                Failure::Unreachable(text)
            }
            (_, _) if self.welcomed.load(Ordering::Relaxed) => Failure::Unreachable(text),
            (DialError::Rejected(_), _) => refused(format!(
                "{text}; it takes a new join token, given with --join-file or THRONG_JOIN"
            )),
            _ => refused(text),
        }
    }
}

/// Dials once.
pub(crate) async fn dial(way: Way, hello: Hello) -> Result<Connected, Failure> {
    let tls = match &way.keeper {
        // Has a deadline of its own: the first time it enrols.
        Some(keeper) => Some(keeper.tls().await.map_err(|error| way.failure(error))?),
        None => None,
    };
    match tokio::time::timeout(ATTEMPT, attempt(&way, tls, hello)).await {
        Ok(result) => result.inspect(|_| way.welcomed.store(true, Ordering::Relaxed)),
        Err(_) => Err(Failure::Unreachable(format!(
            "no answer within {} s",
            ATTEMPT.as_secs()
        ))),
    }
}

async fn connect(way: &Way, tls: Option<Tls>) -> Result<Channel, DialError> {
    let endpoint = way.endpoint.clone();
    #[cfg(feature = "sim")]
    if let Some(sockets) = &way.sockets {
        return trust::dial::connect_over(endpoint, &way.address, sockets.clone()).await;
    }
    trust::dial::connect(endpoint, &way.address, tls).await
}

async fn attempt(way: &Way, tls: Option<Tls>, hello: Hello) -> Result<Connected, Failure> {
    let unreachable = |what: String| Failure::Unreachable(what);
    let channel = connect(way, tls)
        .await
        .map_err(|error| way.failure(error))?;
    let stranger = |what: String| {
        unreachable(format!(
            "what listens there does not answer as a throng controller: {what}"
        ))
    };
    let told = |status: tonic::Status| match explain_status(&status) {
        DialError::Unreachable(_) => stranger(status_text(&status)),
        other => way.failure(other),
    };
    let mut client = FleetClient::new(channel)
        .max_decoding_message_size(proto::MAX_MESSAGE)
        .max_encoding_message_size(proto::MAX_MESSAGE);
    let (outgoing, stream) = mpsc::channel(1);
    let sent_ns = clock::boot_ns();
    let first = FromAgent {
        message: Some(from_agent::Message::Hello(hello)),
    };
    if outgoing.try_send(first).is_err() {
        return Err(unreachable(
            "the stream has no room for one message".to_owned(),
        ));
    }
    let answer = client.join(ReceiverStream::new(stream)).await;
    let mut incoming = answer.map_err(told)?.into_inner();
    let first = incoming.message().await.map_err(told)?;
    match first.and_then(|first| first.message) {
        Some(to_agent::Message::Welcome(welcome)) => Ok(Connected {
            outgoing,
            incoming,
            welcome,
            sent_ns,
        }),
        Some(to_agent::Message::Refused(refused)) => Err(Failure::Refused {
            reason: refused.reason,
            retry: refused.retry,
        }),
        Some(to_agent::Message::Goodbye(_)) => Err(Failure::SentHome),
        Some(_) => Err(stranger("it began without a welcome".to_owned())),
        None => Err(unreachable("the controller closed the stream".to_owned())),
    }
}

/// What a status says, with what it came from.
pub(crate) fn status_text(status: &tonic::Status) -> String {
    let mut text = match status.message() {
        "" => status.code().description().to_owned(),
        message => message.to_owned(),
    };
    if let Some(source) = std::error::Error::source(status) {
        let why = cause(source);
        if !text.contains(&why) {
            text = format!("{text}: {why}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_address_that_is_none_is_told_with_its_form() {
        let way = |address: &str, insecure| {
            let access = Access {
                insecure,
                source: None,
            };
            Way::new(address, &access).map(|_| ())
        };
        for (address, insecure, why) in [
            ("controller:7437", false, "its scheme is controller"),
            ("https://controller:7437", false, "takes a join token"),
            ("http://controller:7437", false, "--insecure"),
            ("", true, "relative URL without a base"),
            ("http://", true, "empty host"),
        ] {
            let error = way(address, insecure).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        way("http://[::1]:7437", false).unwrap();
        way("http://controller:7437", true).unwrap();
    }
}
