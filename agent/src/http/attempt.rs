//! One hop: on the idle connection to its origin or on a new one, and once more on a new one if the idle one was stale.
//!
//! It writes what it learns into [`Current`] as it goes, so that a hop that is cut in the middle (a timeout, an iteration's
//! end) can still be told.

use super::auth;
use super::client::Client;
use super::clock::{nanos, now};
use super::conn::{Body, Conn};
use super::connect::{Marks, open, speak};
use super::failure::{Failure, Fault};
use super::hop::{Hop, Phases, Proto};
use super::wire::Stamps;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use hyper::body::Incoming;
use std::rc::Rc;
use std::time::Instant;
use url::{Position, Url};

/// The hop that is under way.
pub(super) struct Current {
    pub(super) url: Url,
    pub(super) method: Method,
    begun: Instant,
    marks: Marks,
    /// Of the connection it was last given.
    stamps: Option<Rc<Stamps>>,
    proto: Option<Proto>,
    tls_version: Option<&'static str>,
    status: Option<StatusCode>,
    resent: bool,
}

/// The head of a response, and the connection that its body is still to be read from.
pub(super) struct Answer {
    pub(super) conn: Box<Conn>,
    pub(super) headers: HeaderMap,
    pub(super) body: Incoming,
    pub(super) reusable: bool,
}

impl Current {
    pub(super) fn new(url: Url, method: Method) -> Self {
        Self {
            url,
            method,
            begun: now(),
            marks: Marks::default(),
            stamps: None,
            proto: None,
            tls_version: None,
            status: None,
            resent: false,
        }
    }

    pub(super) fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// What is known of it now. `whole` if its response was read to the end; `fault` says what is wrong.
    pub(super) fn finish(self, whole: bool, fault: Option<Fault>) -> Hop {
        let stamp = |pick: fn(&Stamps) -> Option<Instant>| self.stamps.as_deref().and_then(pick);
        let first_write = stamp(|stamps| stamps.first_write.get());
        // A whole response ends with its last read; waking up late is not the target's time.
        let done = stamp(|stamps| stamps.read.get())
            .filter(|_| whole)
            .unwrap_or_else(now);
        let (failure, detail) = fault.map_or((None, None), |fault| {
            (Some(fault.failure), Some(fault.detail))
        });
        let waited = matches!(failure, Some(Failure::Timeout | Failure::ConnectTimeout));
        let sent = if waited {
            self.begun
        } else {
            first_write.unwrap_or(done)
        };

        // Three parts of [sent, done], whatever the order in which the stamps came.
        let last_write = stamp(|stamps| stamps.last_write.get())
            .unwrap_or(sent)
            .clamp(sent, done.max(sent));
        let first_read = stamp(|stamps| stamps.first_read.get())
            .map_or(done, |at| at.clamp(last_write, done.max(last_write)));
        let sending = nanos(
            first_write.unwrap_or(last_write).clamp(sent, last_write),
            last_write,
        );
        let receiving = nanos(first_read, done);
        let marks = &self.marks;
        let step = |began: Option<Instant>, ended: Option<Instant>| {
            began.map_or(0, |began| nanos(began, ended.unwrap_or(done)))
        };
        Hop {
            phases: Phases {
                blocked: step(marks.connect_began.map(|_| self.begun), marks.ready),
                connecting: step(marks.connect_began, marks.connected),
                tls: step(marks.tls_began, marks.tls_done),
                sending,
                waiting: nanos(sent, done) - sending - receiving,
                receiving,
            },
            url: self.url,
            method: self.method,
            status: self.status,
            failure,
            detail,
            sent,
            done,
            written: first_write.is_some(),
            proto: self.proto,
            tls_version: self.tls_version,
            resent: self.resent,
        }
    }
}

/// RFC 9110 section 9.2.2: repeating these does no more than doing them once.
fn replayable(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::PUT,
        Method::DELETE,
    ]
    .contains(method)
}

impl Client {
    /// Sends the current hop and waits for the head of its response.
    pub(super) async fn attempt(
        &mut self,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Answer, Fault> {
        self.turn().await;
        let mut idle = self.idle();
        loop {
            let reused = idle.is_some();
            let mut conn = match idle.take() {
                Some(conn) => conn,
                None => self.connect().await?,
            };
            let current = self
                .current
                .as_mut()
                .expect("a hop is current while it is attempted");
            conn.stamps.begin();
            current.stamps = Some(Rc::clone(&conn.stamps));
            current.proto = Some(conn.proto());
            current.tls_version = conn.tls_version;
            let request = self.request(&conn, headers, body)?;
            let error = match conn.send(request).await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    if let Some(current) = &mut self.current {
                        current.status = Some(head.status);
                    }
                    let reusable = !self.shared.no_connection_reuse
                        && keeps_alive(head.version, &head.headers);
                    return Ok(Answer {
                        conn,
                        headers: head.headers,
                        body,
                        reusable,
                    });
                }
                Err(error) => error,
            };
            let hung_up =
                matches!(error.fault.failure, Failure::Closed | Failure::Reset) || error.unsent;
            let answered = conn.stamps.first_read.get().is_some();
            let written = conn.stamps.first_write.get().is_some();
            if !reused || answered || !hung_up {
                return Err(error.fault);
            }
            let current = self
                .current
                .as_mut()
                .expect("a hop is current while it is attempted");
            if !(error.unsent || !written || replayable(&current.method)) {
                return Err(Fault::new(
                    Failure::Stale,
                    format!(
                        "{} on a reused connection: {}",
                        current.method, error.fault.detail
                    ),
                ));
            }
            current.resent |= written && !error.unsent;
            self.turn().await;
        }
    }

    /// Waits until the agent's ceiling has room for one more request.
    async fn turn(&mut self) {
        let Some(ceiling) = &self.shared.bounds.ceiling else {
            return;
        };
        let begun = now();
        let wait = ceiling.turn(begun);
        if wait.is_zero() {
            return;
        }
        // Before the wait, so that the timeout is put off in time.
        self.held.set(self.held.get() + wait);
        tokio::time::sleep_until((begun + wait).into()).await;
        if let Some(current) = &mut self.current {
            current.begun = now();
        }
    }

    /// A new connection for the current hop.
    async fn connect(&mut self) -> Result<Box<Conn>, Fault> {
        let Self {
            shared,
            traffic,
            current,
            ..
        } = self;
        let Current {
            url, marks, stamps, ..
        } = current
            .as_mut()
            .expect("a hop is current while it is attempted");
        *marks = Marks::default();
        // What was written to a stale connection is not what this hop will have written.
        *stamps = None;
        let opened = open(shared, url, traffic, marks).await?;
        let mut conn = Box::new(speak(opened, url).await?);
        if !conn.ready() {
            return Err(Fault::new(
                Failure::Closed,
                "the connection was closed before a request was sent",
            ));
        }
        marks.ready = Some(now());
        Ok(conn)
    }

    /// The message as hyper wants it.
    fn request(
        &self,
        conn: &Conn,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<http::Request<Body>, Fault> {
        let Current { url, method, .. } = self
            .current
            .as_ref()
            .expect("a hop is current while it is attempted");
        let path = PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(
            url[Position::BeforePath..Position::AfterQuery].as_bytes(),
        ))
        .map_err(|error| Fault::new(Failure::Url, format!("{url} cannot be asked for: {error}")))?;
        let mut request = http::Request::new(Body::new(body.clone()));
        *request.method_mut() = method.clone();
        *request.headers_mut() = headers.clone();
        let http2 = conn.proto() == Proto::Http2;
        *request.uri_mut() = if http2 {
            let mut parts = http::uri::Parts::default();
            parts.scheme = Some(Scheme::HTTPS);
            parts.authority = Some(conn.authority.clone());
            parts.path_and_query = Some(path);
            Uri::from_parts(parts).map_err(|error| {
                Fault::new(Failure::Url, format!("{url} cannot be asked for: {error}"))
            })?
        } else {
            Uri::from(path)
        };
        let headers = request.headers_mut();
        if http2 {
            headers.remove(HOST);
        } else if !headers.contains_key(HOST) {
            headers.insert(HOST, conn.host.clone());
        }
        if let Some(agent) = &self.shared.user_agent
            && !headers.contains_key(USER_AGENT)
        {
            headers.insert(USER_AGENT, agent.clone());
        }
        if self.shared.no_connection_reuse && !http2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(credentials) = auth::basic(url)
            && !headers.contains_key(AUTHORIZATION)
        {
            headers.insert(AUTHORIZATION, credentials);
        }
        self.jar.apply(url, headers);
        Ok(request)
    }
}

/// Whether the target means to go on with the connection after this response (RFC 9112 section 9.3).
fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let says = |word: &str| {
        let lines = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok());
        lines
            .flat_map(|line| line.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case(word))
    };
    match version {
        Version::HTTP_2 => true,
        Version::HTTP_11 => !says("close"),
        _ => says("keep-alive"),
    }
}
