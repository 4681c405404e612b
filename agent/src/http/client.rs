//! A VU's client: its idle connections, its cookies, its bytes; a request with its deadline and its redirects.

use super::attempt::{Answer, Current};
use super::conn::Conn;
use super::cookies::Jar;
use super::decode::decode;
use super::failure::{Failure, Fault};
use super::hop::{Exchange, Hop, Request};
use super::redirect;
use super::shared::Shared;
use super::wire::Traffic;
use bytes::Bytes;
use http::HeaderMap;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Most idle connections of one VU. A VU that goes to more origins than this loses the one it left longest ago.
const MOST_IDLE: usize = 32;
/// Longer timeouts are this long: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// One VU's HTTP client. Lives on a single-threaded runtime, inside a `LocalSet`.
pub struct Client {
    pub(super) shared: Arc<Shared>,
    pub(super) traffic: Rc<Traffic>,
    pub(super) jar: Jar,
    /// Idle; one per origin; the last one was used last.
    #[expect(
        clippy::vec_box,
        reason = "a connection goes in and out at every request: a pointer is moved, not 300 bytes"
    )]
    idle: Vec<Box<Conn>>,
    /// Reused from request to request: moving a timer back is cheaper than making one.
    timer: Option<Pin<Box<Sleep>>>,
    /// The request that is under way: its hops so far, and the one it is at.
    hops: Vec<Hop>,
    pub(super) current: Option<Current>,
    /// How long the request that is under way waited for its turns; the timeout does not count it.
    pub(super) held: Rc<Cell<Duration>>,
}

/// What an unfinished request leaves behind when its future is dropped.
#[derive(Debug)]
pub struct Cut {
    /// Redirects that had been followed: whole, to be recorded.
    pub hops: Vec<Hop>,
    /// The one that was under way. If `written`, the target may have seen it.
    pub pending: Hop,
}

/// A request's parts, as redirects change them.
struct Outgoing {
    headers: HeaderMap,
    body: Bytes,
    redirects: u32,
    keep_body: bool,
    /// The step named a `Referer`.
    own_referer: bool,
}

impl Client {
    /// A client without connections or cookies.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            traffic: Rc::default(),
            jar: Jar::default(),
            idle: Vec::new(),
            timer: None,
            hops: Vec::new(),
            current: None,
            held: Rc::default(),
        }
    }

    /// Sends a request, follows its redirects, and reads the last response. Whatever happens is told by the hops.
    ///
    /// Dropping the future cuts the request and closes its connection; [`Client::take_cut`] then tells how far it got.
    pub async fn send(&mut self, request: Request) -> Exchange {
        self.hops.clear();
        let Request {
            method,
            url,
            headers,
            body,
            timeout,
            max_redirects,
            keep_body,
        } = request;
        let own_referer = headers.contains_key(http::header::REFERER);
        let outgoing = Outgoing {
            own_referer,
            headers,
            body,
            redirects: max_redirects,
            keep_body,
        };
        self.current = Some(Current::new(url, method));
        let mut timer = self.timer(timeout);
        let (held, mut counted) = (Rc::clone(&self.held), Duration::ZERO);
        held.set(Duration::ZERO);
        let finished = {
            let mut chain = pin!(self.chain(outgoing));
            poll_fn(|cx| {
                if let Poll::Ready(last) = chain.as_mut().poll(cx) {
                    return Poll::Ready(Some(last));
                }
                while timer.as_mut().poll(cx).is_ready() {
                    let more = held.get() - counted;
                    if more.is_zero() {
                        return Poll::Ready(None);
                    }
                    counted = held.get();
                    let later = timer.deadline() + more;
                    timer.as_mut().reset(later);
                }
                Poll::Pending
            })
            .await
        };
        self.timer = Some(timer);
        let (headers, body) = finished.unwrap_or_else(|| {
            let detail = format!("no whole response within {timeout:?}");
            self.close_hop(false, Some(Fault::new(Failure::Timeout, detail)));
            Default::default()
        });
        Exchange {
            hops: std::mem::take(&mut self.hops),
            headers,
            body,
            held: self.held.get(),
        }
    }

    /// Forgets all cookies (k6 does so before each iteration).
    pub fn reset_cookies(&mut self) {
        self.jar.clear();
    }

    /// Closes all idle connections.
    pub fn close_connections(&mut self) {
        self.idle.clear();
    }

    /// Bytes (sent, received) on this client's sockets since last asked, TLS and HTTP framing included.
    pub fn traffic(&mut self) -> (u64, u64) {
        (self.traffic.sent.take(), self.traffic.received.take())
    }

    /// After the future of [`Client::send`] was dropped unfinished: what it had done. `None` if nothing was under way.
    pub fn take_cut(&mut self) -> Option<Cut> {
        let pending = self.current.take()?.finish(false, None);
        Some(Cut {
            hops: std::mem::take(&mut self.hops),
            pending,
        })
    }

    async fn chain(&mut self, mut outgoing: Outgoing) -> (HeaderMap, Bytes) {
        loop {
            let Answer {
                mut conn,
                mut headers,
                body,
                reusable,
            } = match self.attempt(&outgoing.headers, &outgoing.body).await {
                Ok(answer) => answer,
                Err(fault) => {
                    self.close_hop(false, Some(fault));
                    return Default::default();
                }
            };
            let current = self
                .current
                .as_ref()
                .expect("a hop is current until it is closed");
            let status = current.status().expect("an answer has a status");
            let next = match redirect::location(status, &headers) {
                Some(location) if outgoing.redirects > 0 => {
                    Some(redirect::target(&current.url, location))
                }
                _ => None,
            };
            let keep = if outgoing.keep_body && next.is_none() {
                self.shared.max_body
            } else {
                0
            };
            let read = conn.body(body, keep).await;
            if reusable && read.is_ok() {
                self.put_back(conn);
            }
            self.jar.store(
                &self
                    .current
                    .as_ref()
                    .expect("a hop is current until it is closed")
                    .url,
                &headers,
            );
            let (body, too_large) = match read {
                Ok(read) => read,
                Err(fault) => {
                    self.close_hop(false, Some(fault));
                    return (headers, Bytes::new());
                }
            };
            let (from, method) = match next {
                None => {
                    let (body, fault) = self.unpack(&mut headers, body, too_large);
                    self.close_hop(true, fault);
                    return (headers, body);
                }
                Some(Err(detail)) => {
                    self.close_hop(true, Some(Fault::new(Failure::Redirect, detail)));
                    return (headers, Bytes::new());
                }
                Some(Ok(to)) => {
                    self.close_hop(true, None);
                    let hop = self.hops.last().expect("a hop was closed");
                    let (method, with_body) = redirect::method(status, &hop.method);
                    redirect::headers(
                        &mut outgoing.headers,
                        &hop.url,
                        &to,
                        with_body,
                        outgoing.own_referer,
                    );
                    if !with_body {
                        outgoing.body = Bytes::new();
                    }
                    (to, method)
                }
            };
            outgoing.redirects -= 1;
            self.current = Some(Current::new(from, method));
        }
    }

    fn unpack(
        &self,
        headers: &mut HeaderMap,
        body: Bytes,
        too_large: bool,
    ) -> (Bytes, Option<Fault>) {
        let most = self.shared.max_body;
        if too_large {
            return (
                Bytes::new(),
                Some(Fault::new(
                    Failure::TooLarge,
                    format!("the body is larger than {most} bytes"),
                )),
            );
        }
        match decode(headers, body, most) {
            Ok(body) => (body, None),
            Err(fault) => (Bytes::new(), Some(fault)),
        }
    }

    fn close_hop(&mut self, whole: bool, fault: Option<Fault>) {
        if let Some(current) = self.current.take() {
            self.hops.push(current.finish(whole, fault));
        }
    }

    /// The idle connection to the current hop's origin, if it still lives.
    pub(super) fn idle(&mut self) -> Option<Box<Conn>> {
        let url = &self.current.as_ref()?.url;
        let at = self.idle.iter().rposition(|conn| conn.origin.is_of(url))?;
        let mut conn = self.idle.remove(at);
        conn.ready().then_some(conn)
    }

    fn put_back(&mut self, conn: Box<Conn>) {
        if self.idle.len() >= MOST_IDLE {
            self.idle.remove(0);
        }
        self.idle.push(conn);
    }

    fn timer(&mut self, timeout: Duration) -> Pin<Box<Sleep>> {
        let deadline = Instant::from_std(super::clock::now()) + timeout.min(LONGEST);
        match self.timer.take() {
            Some(mut timer) => {
                timer.as_mut().reset(deadline);
                timer
            }
            None => Box::pin(tokio::time::sleep_until(deadline)),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("idle", &self.idle.len())
            .finish_non_exhaustive()
    }
}
