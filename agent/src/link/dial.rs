//! Dials the controller: from an address to a stream on which it said welcome, or why not.
//!
//! Knows nothing of runs. When to dial again is the link's decision; how long to wait, [`pause`]'s.

use crate::clock;
use crate::config::Error;
use proto::v1::fleet_client::FleetClient;
use proto::v1::{FromAgent, Hello, ToAgent, Welcome, from_agent, to_agent};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

/// For one attempt, from resolving to the welcome.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How often an idle connection is probed, and how long the answer may take.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// Between attempts: twice as long each time, within these.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

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

/// Why there is no such stream.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The controller does not want us.
    Refused {
        /// What it said.
        reason: String,
        /// It may want us later.
        retry: bool,
    },
    /// It is closing for good.
    SentHome,
    /// Nobody answered, or not as a controller does.
    Unreachable(String),
}

/// Where to dial.
///
/// # Errors
/// [`Error::Address`].
pub(crate) fn endpoint(address: &str) -> Result<Endpoint, Error> {
    let wrong = |why: String| Error::Address {
        address: address.to_owned(),
        why,
    };
    let url = url::Url::parse(address).map_err(|error| wrong(error.to_string()))?;
    if url.scheme() != "http" {
        return Err(wrong(format!("its scheme is {}", url.scheme())));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it names no host".to_owned()));
    }
    let endpoint =
        Endpoint::from_shared(address.to_owned()).map_err(|error| wrong(cause(&error)))?;
    Ok(endpoint
        .connect_timeout(ATTEMPT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1)
        .keep_alive_while_idle(true))
}

/// Dials once.
pub(crate) async fn dial(endpoint: Endpoint, hello: Hello) -> Result<Connected, Failure> {
    match tokio::time::timeout(ATTEMPT, attempt(endpoint, hello)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::Unreachable(format!(
            "no answer within {} s",
            ATTEMPT.as_secs()
        ))),
    }
}

async fn attempt(endpoint: Endpoint, hello: Hello) -> Result<Connected, Failure> {
    let unreachable = |what: String| Failure::Unreachable(what);
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| unreachable(cause(&error)))?;
    let stranger = |what: String| {
        unreachable(format!(
            "what listens there does not answer as a throng controller: {what}"
        ))
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
    let mut incoming = answer
        .map_err(|status| stranger(status_text(&status)))?
        .into_inner();
    let first = incoming
        .message()
        .await
        .map_err(|status| stranger(status_text(&status)))?;
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

/// How long to wait before the attempt of this number, from 0; `noise` spreads a fleet's attempts over the upper half.
pub(crate) fn pause(attempt: u32, noise: u64) -> Duration {
    let whole = PAUSES.0.saturating_mul(1 << attempt.min(16)).min(PAUSES.1);
    let half = whole / 2;
    half + half.mul_f64((noise >> 11) as f64 / (1_u64 << 53) as f64)
}

/// The whole chain of an error in one line, each part once.
pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
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
    fn pauses_double_within_bounds_and_spread() {
        let ms = |attempt, noise| pause(attempt, noise).as_millis();
        let longest: Vec<u128> = (0..7).map(|attempt| ms(attempt, u64::MAX)).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!([ms(0, 0), ms(4, 0), ms(u32::MAX, 0)], [50, 800, 1000]);
    }

    #[test]
    fn an_address_that_is_none_is_told_with_its_form() {
        for (address, why) in [
            ("controller:7437", "its scheme is controller"),
            ("https://controller:7437", "its scheme is https"),
            ("", "relative URL without a base"),
            ("http://", "empty host"),
        ] {
            let error = endpoint(address).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(error.contains("http://HOST:PORT"), "{error}");
        }
        endpoint("http://[::1]:7437").unwrap();
    }
}
