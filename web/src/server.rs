//! The page on a listener that is handed in: connections from bounded crowds, each step of each in bounded time.

use crate::conn::{Conn, Socket};
use crate::login::From;
use crate::page::{Limits, Page, closed};
use crate::router::router;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use trust::places::{Place, Places};

/// Connections in all.
const CONNECTIONS: usize = 512;
/// From one address. A browser holds up to six.
const FROM_ONE: usize = 128;
/// Largest head of a request, and most that waits to be written, in bytes.
const BUFFER: usize = 64 << 10;
/// Most headers of a request.
const HEADERS: usize = 64;
/// After an error of the listener itself (no file descriptors left).
const BREATHER: Duration = Duration::from_millis(100);
/// How the page is shown to those who connect.
#[derive(Clone)]
pub enum Face {
    /// In clear text.
    Clear,
    /// Over TLS, with settings that are those of now.
    Tls(Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>),
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear => "Clear",
            Self::Tls(_) => "Tls",
        })
    }
}

/// The page's routes without a listener, for whoever brings requests of his own; they are all said to come from that address.
pub fn routes(page: Page, from: SocketAddr) -> Router {
    router(&Arc::new(page)).layer(Extension(From(from)))
}

/// Serves the page until `shutdown` completes; streams are ended then, and what is being answered has a second.
pub async fn serve(
    listener: TcpListener,
    face: Face,
    page: Page,
    shutdown: impl Future<Output = ()>,
) {
    let page = Arc::new(page);
    let (router, places) = (router(&page), Places::new(CONNECTIONS, FROM_ONE));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, address)) => {
                let Some(place) = places.take(address.ip()) else {
                    tracing::debug!(peer = %address, "too many connections; one was closed");
                    continue;
                };
                let closing = page.closing.subscribe();
                connections.spawn(connection(
                    stream,
                    address,
                    place,
                    face.clone(),
                    router.clone(),
                    page.limits,
                    closing,
                ));
            }
            Err(error) => {
                tracing::debug!("the web page cannot accept a connection: {error}");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
    drop(listener);
    page.closing.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(page.limits.farewell, all)
        .await
        .is_err()
    {
        tracing::debug!("some pages did not close in time and were dropped");
    }
}

/// One connection, from its first byte to its last.
async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
    face: Face,
    router: Router,
    limits: Limits,
    closing: watch::Receiver<bool>,
) {
    let closed = closed(closing);
    tokio::pin!(closed);
    let socket = tokio::select! {
        () = &mut closed => return,
        opened = tokio::time::timeout(limits.handshake, open(stream, face)) => match opened {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => {
                tracing::debug!(peer = %address, "no handshake: {error}");
                return;
            }
            Err(_) => return,
        },
    };
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(From(address));
        request.map(axum::body::Body::new)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(BUFFER)
        .max_headers(HEADERS)
        .serve_connection(
            TokioIo::new(Conn::new(socket, limits.stalled, place)),
            TowerToHyperService::new(service),
        );
    tokio::pin!(serving);
    tokio::select! {
        // A peer that goes away, or says nonsense, is no trouble of ours.
        _ = &mut serving => return,
        () = &mut closed => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}

async fn open(stream: TcpStream, face: Face) -> io::Result<Socket> {
    stream.set_nodelay(true)?;
    match face {
        Face::Clear => Ok(Socket::Clear(stream)),
        Face::Tls(config) => {
            let stream = TlsAcceptor::from(config()).accept(stream).await?;
            Ok(Socket::Tls(Box::new(stream)))
        }
    }
}
