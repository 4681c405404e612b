//! What is asked of the request path and what it answers: [`Request`], [`Hop`], [`Exchange`].

use super::failure::Failure;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use std::time::{Duration, Instant};
use url::Url;

/// What to send. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Absolute, http or https. A user and password in it become an `Authorization` header (k6).
    pub url: Url,
    /// As given; `Host`, `Content-Length`, `User-Agent` and `Cookie` are added when absent.
    pub headers: HeaderMap,
    /// Empty for none.
    pub body: Bytes,
    /// For the whole request, redirects included (k6).
    pub timeout: Duration,
    /// Most redirects that are followed; the response after the last of them is returned as it is (k6).
    pub max_redirects: u32,
    /// Keep the last hop's body (decoded); otherwise it is read and dropped.
    pub keep_body: bool,
}

impl Request {
    /// A GET with k6's defaults: 60 s, 10 redirects, the body kept.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(60),
            max_redirects: 10,
            keep_body: true,
        }
    }
}

/// The negotiated protocol, k6's `proto` tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proto {
    /// `HTTP/1.1`
    Http1,
    /// `HTTP/2.0`
    Http2,
}

impl Proto {
    /// The tag's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
        }
    }
}

/// Durations of a hop's phases in nanoseconds. Zero for phases that did not happen (a reused connection).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Until a connection was ready: resolving, connecting and TLS together, as k6 has it. Not part of the duration.
    pub blocked: u64,
    /// TCP, every address that was tried.
    pub connecting: u64,
    /// TLS.
    pub tls: u64,
    /// First byte written to last.
    pub sending: u64,
    /// Last byte written to first byte read.
    pub waiting: u64,
    /// First byte read to last.
    pub receiving: u64,
}

impl Phases {
    /// Service time (k6's `http_req_duration`): sending + waiting + receiving.
    #[must_use]
    pub fn duration(&self) -> u64 {
        self.sending + self.waiting + self.receiving
    }
}

/// One request on the wire: an element of a chain of redirects.
#[derive(Debug)]
pub struct Hop {
    /// Where to.
    pub url: Url,
    /// The method (a redirect may turn POST into GET).
    pub method: Method,
    /// The response's status; `None` when there was none.
    pub status: Option<StatusCode>,
    /// What failed. A response may have both: a status, and a body that broke off.
    pub failure: Option<Failure>,
    /// The failure as text, at most 200 characters, for a capped sample in the table of errors.
    pub detail: Option<String>,
    /// How long each phase took. `phases.duration()` is `done − sent` to the nanosecond.
    pub phases: Phases,
    /// When its service time began: its first byte on a ready connection. If none was written, this is `done` (a duration of
    /// zero, as in k6), except for a timeout, which counts from the hop's beginning: the user waited all that time.
    pub sent: Instant,
    /// When it was done: the last byte of the response, or the failure.
    pub done: Instant,
    /// True if at least a byte of it went onto the wire, so that the target may have seen it.
    pub written: bool,
    /// `None` when no connection came about.
    pub proto: Option<Proto>,
    /// `tls1.2`, `tls1.3`, or `None` for clear text.
    pub tls_version: Option<&'static str>,
    /// True if it was sent a second time because a reused connection had closed.
    pub resent: bool,
}

impl Hop {
    /// k6's `error_code`: the failure's number, or 1000 + status from 400 on, or 0 for none.
    #[must_use]
    pub fn error_code(&self) -> u32 {
        match (self.failure, self.status) {
            (Some(failure), _) => failure.code(),
            (None, Some(status)) if status.as_u16() >= 400 => 1000 + u32::from(status.as_u16()),
            (None, _) => 0,
        }
    }
}

/// What came of a [`Request`].
#[derive(Debug)]
pub struct Exchange {
    /// In order; at least one.
    pub hops: Vec<Hop>,
    /// Headers of the last response.
    pub headers: HeaderMap,
    /// Its body, decoded, if it was to be kept.
    pub body: Bytes,
    /// How long its hops waited, before they were sent, for their turn under the agent's ceiling.
    pub held: Duration,
}

impl Exchange {
    /// The hop that answered.
    #[must_use]
    pub fn last(&self) -> &Hop {
        self.hops.last().expect("an exchange has at least one hop")
    }
}
