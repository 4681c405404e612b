//! The door to the network: opening sockets. A simulation hands in its own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A future that stays on its thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What a socket must be able to do.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Opens connections to targets.
pub trait Dial: Send + Sync {
    /// Connects to one address. The caller bounds the time.
    ///
    /// # Errors
    /// The socket's own, with its number: refused, unreachable, out of ports.
    fn dial(&self, to: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Stream>>>;
}

/// Real TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDial;

impl Dial for TcpDial {
    fn dial(&self, to: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(to).await?;
            // A request is one write; waiting for an acknowledgement before the second would be measured as the target's time.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}
