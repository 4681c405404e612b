//! One connection: ready or not, one request and its response at a time.
//!
//! In HTTP/1.1 the VU's own task drives hyper's connection while it waits for the response: no second task to wake, which
//! at high rates is a tenth of the CPU. While the VU sleeps nobody drives it; that the target closed it meanwhile is noticed
//! by [`Conn::ready`]. HTTP/2 has things to say between requests (PING, SETTINGS), so its connection is a task of its own.

use super::failure::Fault;
use super::hop::Proto;
use super::tap::Tap;
use super::wire::Stamps;
use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderValue, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use url::Url;

/// A request's body.
pub(super) type Body = Full<Bytes>;

/// Where a connection leads.
#[derive(Debug)]
pub(super) struct Origin {
    https: bool,
    port: u16,
    host: Box<str>,
}

impl Origin {
    pub(super) fn of(url: &Url) -> Option<Self> {
        Some(Self {
            https: is_https(url),
            port: url.port_or_known_default()?,
            host: url.host_str()?.into(),
        })
    }

    pub(super) fn is_of(&self, url: &Url) -> bool {
        self.https == is_https(url)
            && url.port_or_known_default() == Some(self.port)
            && url.host_str() == Some(&self.host)
    }
}

pub(super) fn is_https(url: &Url) -> bool {
    url.scheme() == "https"
}

/// Hyper's two protocols.
pub(super) enum Link {
    Http1 {
        sender: http1::SendRequest<Body>,
        /// `None` once it has ended.
        driver: Option<Pin<Box<http1::Connection<Tap, Body>>>>,
    },
    Http2 {
        sender: http2::SendRequest<Body>,
        task: tokio::task::JoinHandle<()>,
    },
}

/// A connection. Dropping it closes the socket.
pub(super) struct Conn {
    pub(super) origin: Origin,
    pub(super) link: Link,
    pub(super) stamps: Rc<Stamps>,
    /// `Host`, or `:authority`: the port only if it is not the scheme's own.
    pub(super) host: HeaderValue,
    pub(super) authority: Authority,
    pub(super) tls_version: Option<&'static str>,
}

impl Drop for Conn {
    fn drop(&mut self) {
        if let Link::Http2 { task, .. } = &self.link {
            task.abort();
        }
    }
}

/// Why there is no response.
pub(super) struct NoResponse {
    pub(super) fault: Fault,
    /// Hyper never began to write it.
    pub(super) unsent: bool,
}

impl Conn {
    pub(super) fn proto(&self) -> Proto {
        match self.link {
            Link::Http1 { .. } => Proto::Http1,
            Link::Http2 { .. } => Proto::Http2,
        }
    }

    /// Whether a request can be sent on it now. Notices what the socket told us since it was last used.
    pub(super) fn ready(&mut self) -> bool {
        // Nobody needs to be woken: whoever asks goes on at once, and polls with a real waker when it waits.
        let cx = &mut Context::from_waker(Waker::noop());
        match &mut self.link {
            Link::Http1 { sender, driver } => {
                let Some(running) = driver else { return false };
                if running.as_mut().poll(cx).is_ready() {
                    *driver = None;
                    return false;
                }
                matches!(sender.poll_ready(cx), Poll::Ready(Ok(())))
            }
            Link::Http2 { sender, .. } => matches!(sender.poll_ready(cx), Poll::Ready(Ok(()))),
        }
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(
        &mut self,
        request: http::Request<Body>,
    ) -> Result<Response<Incoming>, NoResponse> {
        let result = match &mut self.link {
            Link::Http1 { sender, driver } => drive(driver, sender.try_send_request(request)).await,
            Link::Http2 { sender, .. } => sender.try_send_request(request).await,
        };
        result.map_err(|mut error: TrySendError<_>| NoResponse {
            unsent: error.take_message().is_some(),
            fault: Fault::hyper(error.error(), self.proto() == Proto::Http2),
        })
    }

    /// Reads the body to its end. What is beyond `keep` bytes is read and dropped, and `true` comes back with the rest.
    pub(super) async fn body(
        &mut self,
        mut body: Incoming,
        keep: usize,
    ) -> Result<(Bytes, bool), Fault> {
        let http2 = self.proto() == Proto::Http2;
        let mut whole = Bytes::new();
        let mut parts: Option<Vec<u8>> = None;
        let mut too_large = false;
        while !body.is_end_stream() {
            let frame = match &mut self.link {
                Link::Http1 { driver, .. } => drive(driver, body.frame()).await,
                Link::Http2 { .. } => body.frame().await,
            };
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| Fault::hyper(&error, http2))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if keep == 0 || too_large {
                continue;
            }
            let have = parts.as_ref().map_or(whole.len(), Vec::len);
            if have + data.len() > keep {
                too_large = true;
                (whole, parts) = (Bytes::new(), None);
            } else if have == 0 {
                // Most bodies are one piece: no copy.
                whole = data;
            } else {
                parts
                    .get_or_insert_with(|| std::mem::take(&mut whole).to_vec())
                    .extend_from_slice(&data);
            }
        }
        Ok((parts.map_or(whole, Bytes::from), too_large))
    }
}

/// Polls `driver` and `future` as one. Whatever `future` waits for, `driver` brings, in the same poll; so only `driver`
/// needs the task's waker, and the task is not woken by itself.
async fn drive<D: Future, F: Future>(driver: &mut Option<Pin<Box<D>>>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(move |cx| {
        let quiet = &mut Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(quiet) {
                return Poll::Ready(output);
            }
            // A driver that is gone leaves nothing pending: hyper tells all that waited for it.
            let Some(running) = driver else {
                return future.as_mut().poll(cx);
            };
            if running.as_mut().poll(cx).is_ready() {
                *driver = None;
                continue;
            }
            return future.as_mut().poll(quiet);
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() -> Result<(), url::ParseError> {
        let origin =
            Origin::of(&Url::parse("http://a.test/x")?).ok_or(url::ParseError::EmptyHost)?;
        for (url, same) in [
            ("http://a.test:80/other?q#f", true),
            ("http://user@a.test/", true),
            ("https://a.test/", false),
            ("http://a.test:8080/", false),
            ("http://b.test/", false),
            ("https://a.test:80/", false),
        ] {
            assert_eq!(origin.is_of(&Url::parse(url)?), same, "{url}");
        }
        Ok(())
    }
}
