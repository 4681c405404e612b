//! A connection that came through the door, and who is at its other end.

use super::gate::Gate;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;
use trust::Identity;
use trust::places::Place;

/// How soon a revocation reaches connections that are there.
const LOOK: Duration = Duration::from_secs(2);

/// Who is at the other end, as every request on the connection is told.
#[derive(Debug, Clone)]
pub enum Peer {
    /// Whoever reached a door that is open.
    Anybody(SocketAddr),
    /// Somebody without a certificate, who may enrol.
    Stranger(SocketAddr),
    /// The holder of a verified certificate.
    Known(Arc<Identity>, SocketAddr),
}

impl Peer {
    /// Where it dials from.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Anybody(address) | Self::Stranger(address) | Self::Known(_, address) => *address,
        }
    }

    /// Who it is, if it has shown a certificate.
    #[must_use]
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match self {
            Self::Known(identity, _) => Some(identity),
            Self::Anybody(_) | Self::Stranger(_) => None,
        }
    }
}

/// A connection.
pub(crate) struct Conn {
    socket: Socket,
    peer: Peer,
    watch: Watch,
}

/// Until when it may stay.
enum Watch {
    /// As long as it likes.
    Nobody,
    /// A stranger keeps its place while it is there, and is cut off in the end.
    Stranger { _place: Place, end: Pin<Box<Sleep>> },
    /// Until its token is taken back, which is looked at each time this rings.
    Holder(Arc<Gate>, String, Pin<Box<Sleep>>),
}

/// What carries it.
pub(super) enum Socket {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Conn {
    pub(super) fn new(socket: Socket, peer: Peer) -> Self {
        Self {
            socket,
            peer,
            watch: Watch::Nobody,
        }
    }

    /// Of a stranger, until then.
    pub(super) fn for_a_while(self, place: Place, end: Sleep) -> Self {
        Self {
            watch: Watch::Stranger {
                _place: place,
                end: Box::pin(end),
            },
            ..self
        }
    }

    /// Of the holder of a certificate with this mark, from this gate's office.
    pub(super) fn until_revoked(self, gate: &Arc<Gate>, mark: &str) -> Self {
        if gate.office().is_none() {
            return self;
        }
        let look = Box::pin(tokio::time::sleep(LOOK));
        Self {
            watch: Watch::Holder(Arc::clone(gate), mark.to_owned(), look),
            ..self
        }
    }

    /// Why it is cut off now, if it is.
    fn over(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        match &mut self.watch {
            Watch::Nobody => {}
            Watch::Stranger { end, .. } => {
                if end.as_mut().poll(cx).is_ready() {
                    return Some(io::ErrorKind::TimedOut.into());
                }
            }
            Watch::Holder(gate, mark, look) => {
                while look.as_mut().poll(cx).is_ready() {
                    if gate
                        .office()
                        .is_some_and(|office| office.books.is_revoked(mark))
                    {
                        tracing::warn!(peer = %self.peer.address(), "cut off: the token it came in with was revoked");
                        return Some(io::ErrorKind::PermissionDenied.into());
                    }
                    let next = look.deadline() + LOOK;
                    look.as_mut().reset(next);
                }
            }
        }
        None
    }
}

impl Connected for Conn {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Conn {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(over) = this.over(cx) {
            return Poll::Ready(Err(over));
        }
        match &mut this.socket {
            Socket::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Conn {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            Socket::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
