//! hyper's server behind rustls, with a certificate made for the test; counts the bytes on its sockets.

use super::server::Seen;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(super) struct TlsServer {
    pub(super) port: u16,
    pub(super) root: CertificateDer<'static>,
    pub(super) seen: Rc<RefCell<Seen>>,
}

/// Answers each request with its method, path and body, after `delay`; speaks the protocols of `alpn`.
pub(super) async fn serve(names: &[&str], alpn: &[&str], delay: Duration) -> TlsServer {
    serve_until(names, alpn, delay, Goodbye::Never).await
}

/// How a server ends a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goodbye {
    Never,
    /// After so many requests, with GOAWAY or `connection: close`.
    Polite(u32),
    /// As soon as so many requests have come, without a word, the last of them unanswered.
    Rude(u32),
}

/// The same, with a goodbye on each connection.
pub(super) async fn serve_until(
    names: &[&str],
    alpn: &[&str],
    delay: Duration,
    goodbye: Goodbye,
) -> TlsServer {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let root = certificate.der().clone();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![root.clone()], private)
    .unwrap();
    config.alpn_protocols = alpn
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Rc::<RefCell<Seen>>::default();
    let log = Rc::clone(&seen);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            log.borrow_mut().connections += 1;
            let counted = Counted {
                stream,
                seen: Rc::clone(&log),
            };
            tokio::task::spawn_local(connection(acceptor.clone(), counted, delay, goodbye));
        }
    });
    TlsServer { port, root, seen }
}

async fn connection(acceptor: TlsAcceptor, stream: Counted, delay: Duration, goodbye: Goodbye) {
    let seen = Rc::clone(&stream.seen);
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let served = Rc::<Cell<u32>>::default();
    let count = Rc::clone(&served);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (seen, count) = (Rc::clone(&seen), Rc::clone(&count));
        async move {
            count.set(count.get() + 1);
            let line = format!(
                "{} {} {:?}",
                request.method(),
                request.uri().path(),
                request.uri().authority().map(ToString::to_string)
            );
            seen.borrow_mut().requests.push(line);
            let head = format!("{} {} ", request.method(), request.uri().path());
            let body = request
                .into_body()
                .collect()
                .await
                .map(|body| body.to_bytes())
                .unwrap_or_default();
            tokio::time::sleep(delay).await;
            let answer = [head.as_bytes(), &body].concat();
            Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from(answer))))
        }
    });
    let (most, polite) = match goodbye {
        Goodbye::Never => (u32::MAX, true),
        Goodbye::Polite(most) => (most, true),
        Goodbye::Rude(most) => (most, false),
    };
    let goodbye = async {
        while served.get() < most {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // How the client leaves is the client's business: what the connection comes to is not looked at.
    if http2 {
        let builder = hyper::server::conn::http2::Builder::new(Local);
        let mut connection = pin!(builder.serve_connection(Io(stream), service));
        tokio::select! {
            _ = connection.as_mut() => {}
            () = goodbye => if polite {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    } else {
        let builder = hyper::server::conn::http1::Builder::new();
        let mut connection = pin!(builder.serve_connection(Io(stream), service));
        tokio::select! {
            _ = connection.as_mut() => {}
            () = goodbye => if polite {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// The server's side of the wire, counted on its own.
struct Counted {
    stream: TcpStream,
    seen: Rc<RefCell<Seen>>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        self.seen
            .borrow_mut()
            .count((buf.filled().len() - before) as u64, 0);
        Poll::Ready(result)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.seen.borrow_mut().count(0, bytes as u64);
        Poll::Ready(Ok(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Tokio's IO as hyper's.
struct Io<T>(T);

impl<T: AsyncRead + Unpin> Read for Io<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 4096];
        let room = buf.remaining().min(bytes.len());
        let mut read = ReadBuf::new(&mut bytes[..room]);
        ready!(Pin::new(&mut self.get_mut().0).poll_read(cx, &mut read))?;
        buf.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> Write for Io<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
