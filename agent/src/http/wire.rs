//! The raw socket, below TLS: every byte counted, the last read and write stamped.
//!
//! It does not know which bytes belong to a request: `tap` does.

use super::clock::now;
use super::dial::Stream;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a VU's sockets, both ways.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) sent: Cell<u64>,
    pub(super) received: Cell<u64>,
}

/// When things happened on one connection. Shared by its wire, its tap, and the VU's client, which reads them even after the
/// connection is gone.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// Before the socket's newest successful write.
    pub(super) write_began: Cell<Option<Instant>>,
    /// After the socket's newest successful write.
    pub(super) write_ended: Cell<Option<Instant>>,
    /// After the socket's newest read, the end of the stream included.
    pub(super) read: Cell<Option<Instant>>,
    /// The request's first byte was about to be written.
    pub(super) first_write: Cell<Option<Instant>>,
    /// The request's last byte (so far) was written.
    pub(super) last_write: Cell<Option<Instant>>,
    /// The response's first byte was read.
    pub(super) first_read: Cell<Option<Instant>>,
    /// The next successful write carries the request's first byte.
    pub(super) armed: Cell<bool>,
}

impl Stamps {
    /// Forgets the previous request.
    pub(super) fn begin(&self) {
        self.first_write.set(None);
        self.last_write.set(None);
        self.first_read.set(None);
        self.armed.set(false);
    }
}

/// A socket that counts and stamps.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    stamps: Rc<Stamps>,
    traffic: Rc<Traffic>,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, stamps: Rc<Stamps>, traffic: Rc<Traffic>) -> Self {
        Self {
            stream,
            stamps,
            traffic,
        }
    }

    fn wrote(&self, began: Instant, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.traffic
            .sent
            .set(self.traffic.sent.get() + bytes as u64);
        self.stamps.write_began.set(Some(began));
        self.stamps.write_ended.set(Some(now()));
        if self.stamps.armed.take() {
            self.stamps.first_write.set(Some(began));
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        let bytes = (buf.filled().len() - before) as u64;
        this.stamps.read.set(Some(now()));
        this.traffic
            .received
            .set(this.traffic.received.get() + bytes);
        Poll::Ready(result)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let began = now();
        let bytes = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.wrote(began, bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let began = now();
        let bytes = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs))?;
        this.wrote(began, bytes);
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
