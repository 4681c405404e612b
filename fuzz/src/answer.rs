//! A broken or hostile target: whatever it answers, a virtual user's request ends, as an answer or as a failure with a name.

use crate::targets::kind;
use agent::http::{Client, ClientConfigOptions, Dial, LocalFuture, Request, Shared, Stream};
use std::cell::RefCell;
use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::LocalSet;

/// Largest body that is kept.
const MOST: usize = 4_096;
/// What means something in an answer.
pub(crate) const WORDS: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 307 \r\nLocation: ",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 x\r\n",
    "HTTP/1.0 204 \r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 18446744073709551615\r\n",
    "Content-Length: 5\r\n",
    "Content-Encoding: gzip\r\n",
    "Content-Encoding: br, deflate, zstd\r\n",
    "Set-Cookie: a=b; Path=/; Domain=h; Max-Age=-1\r\n",
    "Set-Cookie: =; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n",
    "Connection: close\r\n",
    "\r\n\r\n",
    "ffffffffffffffff\r\n",
    "0\r\n\r\n",
    "http://127.0.0.1/",
    "//[::1]:99999/",
    "/../%00%ff",
    "\u{1f}\u{8b}",
];

/// A network on which everybody says the same: whatever is to be said next.
struct Says;

thread_local! {
    static SAID: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    // Reads the system's certificates, so once.
    static SHARED: Arc<Shared> = Shared::new(ClientConfigOptions {
        // Small, so that an input can be beyond it.
        max_body: MOST,
        dial: Arc::new(Says),
        ..ClientConfigOptions::default()
    })
    .expect("these options are fine");
}

impl Dial for Says {
    fn dial(&self, _: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Stream>>> {
        let stream = Wire {
            answer: Cursor::new(SAID.with_borrow(Clone::clone)),
            asked: false,
            waiting: None,
        };
        Box::pin(async { Ok(Box::new(stream) as Box<dyn Stream>) })
    }
}

/// A connection that answers once it was asked something.
struct Wire {
    answer: Cursor<Vec<u8>>,
    asked: bool,
    waiting: Option<Waker>,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.asked {
            return Pin::new(&mut self.answer).poll_read(context, into);
        }
        self.waiting = Some(context.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked = true;
        if let Some(reader) = self.waiting.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Any bytes from a target are an answer or a failure.
pub fn answer(bytes: &[u8]) -> u64 {
    SAID.set(bytes.to_vec());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime of one thread needs nothing");
    let exchange = LocalSet::new().block_on(&runtime, async {
        let mut client = Client::new(SHARED.with(Arc::clone));
        let url = "http://127.0.0.1/a".parse().expect("a URL");
        client.send(Request::get(url)).await
    });
    let hops = exchange.hops.len();
    assert!((1..=11).contains(&hops), "{hops} hops");
    let last = exchange.last();
    assert!(exchange.body.len() <= MOST, "more was kept than may be");
    let _ = (last.error_code(), last.phases.duration());
    kind(&(
        hops.min(3),
        last.failure.map(|failure| format!("{failure:?}")),
        last.status,
        exchange.body.len().min(2),
    ))
}

/// Plain, in chunks, with cookies, packed, elsewhere.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 5] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Type: application/json\r\n\r\n{\"a\": [1]}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n4\r\nabcd\r\n0\r\nx: y\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nSet-Cookie: a=b; Path=/; HttpOnly\r\nSet-Cookie: c=d; Max-Age=9\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /b?c#d\r\nContent-Length: 0\r\n\r\n",
        // Nothing, packed with gzip.
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0",
    ];
    texts.map(<[u8]>::to_vec).into()
}
