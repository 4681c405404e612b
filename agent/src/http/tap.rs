//! Between HTTP and the (possibly encrypted) socket: tells the request's first and last byte written, and the response's
//! first byte read, from everything else that passes. TLS's session tickets and HTTP/2's own frames are such else; taking
//! them for the response's first byte would turn waiting into receiving.

use super::frames::Frames;
use super::wire::{Stamps, Wire};
use hyper::rt::ReadBufCursor;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

/// Most bytes of one read. One buffer per thread serves every connection on it: what a socket has is read here and copied
/// to hyper, which is cheaper than clearing hyper's own buffer before each read, and needs no `unsafe`.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// Clear text or TLS.
pub(super) enum Layer {
    Plain(Wire),
    Tls(Box<TlsStream<Wire>>),
}

/// What hyper reads from and writes to.
pub(super) struct Tap {
    layer: Layer,
    stamps: Rc<Stamps>,
    /// Of what is written and read, if this is HTTP/2; in HTTP/1.1 every byte is a message's.
    frames: Option<(Frames, Frames)>,
    /// Bytes of a request may still sit in the TLS layer.
    unflushed: bool,
}

impl Tap {
    pub(super) fn new(layer: Layer, stamps: Rc<Stamps>, http2: bool) -> Self {
        let frames = http2.then(|| (Frames::written(), Frames::read()));
        Self {
            layer,
            stamps,
            frames,
            unflushed: false,
        }
    }

    /// Before a write of `bufs`: if it holds the request's first byte, the wire is to stamp it.
    fn before_write(&mut self, bufs: &[io::IoSlice<'_>]) {
        if self.stamps.first_write.get().is_some() {
            return;
        }
        let request = match &self.frames {
            None => true,
            Some((written, _)) => {
                let mut ahead = *written;
                bufs.iter().any(|buf| ahead.walk(buf))
            }
        };
        if request {
            self.stamps.armed.set(true);
        }
    }

    /// After `bytes` of `bufs` were taken by the layer.
    fn after_write(&mut self, bufs: &[io::IoSlice<'_>], bytes: usize) {
        self.unflushed |= match &mut self.frames {
            None => true,
            Some((written, _)) => {
                let mut left = bytes;
                let mut found = false;
                for buf in bufs {
                    let step = buf.len().min(left);
                    found |= written.walk(&buf[..step]);
                    left -= step;
                }
                found
            }
        };
        self.mark_last_write();
    }

    fn mark_last_write(&self) {
        // A response that begins before the request is wholly written ends the sending phase.
        if self.unflushed && self.stamps.first_read.get().is_none() {
            self.stamps.last_write.set(self.stamps.write_ended.get());
        }
    }

    fn after_read(&mut self, bytes: &[u8]) {
        let response = match &mut self.frames {
            None => !bytes.is_empty(),
            Some((_, read)) => read.walk(bytes),
        };
        if response
            && self.stamps.first_read.get().is_none()
            && self.stamps.first_write.get().is_some()
        {
            self.stamps.first_read.set(self.stamps.read.get());
        }
    }
}

impl hyper::rt::Read for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        BUFFER.with_borrow_mut(|scratch| {
            let room = buf.remaining().min(scratch.len());
            let mut read = ReadBuf::new(&mut scratch[..room]);
            ready!(match &mut this.layer {
                Layer::Plain(wire) => Pin::new(wire).poll_read(cx, &mut read),
                Layer::Tls(tls) => Pin::new(tls).poll_read(cx, &mut read),
            })?;
            this.after_read(read.filled());
            buf.put_slice(read.filled());
            Poll::Ready(Ok(()))
        })
    }
}

impl hyper::rt::Write for Tap {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.before_write(bufs);
        let bytes = ready!(match &mut this.layer {
            Layer::Plain(wire) => Pin::new(wire).poll_write_vectored(cx, bufs),
            Layer::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        })?;
        this.after_write(bufs, bytes);
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.layer {
            Layer::Plain(wire) => wire.is_write_vectored(),
            Layer::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = match &mut this.layer {
            Layer::Plain(wire) => Pin::new(wire).poll_flush(cx),
            Layer::Tls(tls) => Pin::new(tls).poll_flush(cx),
        };
        this.mark_last_write();
        if flushed.is_ready() {
            this.unflushed = false;
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().layer {
            Layer::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            Layer::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
