//! Connections: real sockets on the loopback, in real time; limits are short, so that what must come is not long in coming.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::fake::{Fake, ON};
use super::rig::settings;
use crate::page::{Limits, Page};
use crate::server::{Face, serve};
use proto::v1::{LogLine, run_event::Event};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A limit that is reached in a moment.
const SHORT: Duration = Duration::from_millis(300);

/// A page on a socket.
struct Standing {
    fake: Arc<Fake>,
    address: SocketAddr,
    csrf: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Standing {
    async fn start() -> Self {
        Self::within(|_| {}).await
    }

    /// With other limits.
    async fn within(set: impl FnOnce(&mut Limits)) -> Self {
        let fake = Arc::new(Fake::default());
        let mut page = Page::new(settings(None, false), Arc::clone(&fake)).unwrap();
        set(&mut page.limits);
        let csrf = page.sessions.csrf.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, told) = oneshot::channel::<()>();
        let serving = tokio::spawn(serve(listener, Face::Clear, page, async {
            let _ = told.await;
        }));
        Self {
            fake,
            address,
            csrf,
            stop,
            serving,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection that has asked for this.
    async fn ask(&self, path: &str) -> TcpStream {
        let mut stream = self.connect().await;
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }
}

/// What comes until it holds `end`, or is over.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    while !text.contains(end) {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(length) => text.push_str(&String::from_utf8_lossy(&piece[..length])),
        }
    }
    text
}

fn log(text: String) -> Event {
    Event::Log(LogLine {
        text,
        ..LogLine::default()
    })
}

#[tokio::test]
async fn requests_are_answered_and_everything_ends_in_order() {
    // However long the last words take on a busy machine.
    let page = Standing::within(|limits| limits.farewell = Duration::from_secs(60)).await;
    let mut one = page.ask("/api/runs").await;
    assert!(until(&mut one, "r-over").await.starts_with("HTTP/1.1 200"));
    // The same connection again.
    let head = format!(
        "GET /api/session HTTP/1.1\r\nHost: {}\r\n\r\n",
        page.address
    );
    one.write_all(head.as_bytes()).await.unwrap();
    assert!(until(&mut one, "csrf").await.starts_with("HTTP/1.1 200"));
    let mut watching = page.ask(&format!("/api/runs/{ON}/events")).await;
    until(&mut watching, "retry").await;
    // The controller says its last words, and ends; the page was told before they were read.
    page.stop.send(()).unwrap();
    let fake = Arc::clone(&page.fake);
    let last = async {
        fake.tell(log("goodbye".to_owned())).await;
        fake.end();
    };
    let (served, ()) = tokio::join!(page.serving, last);
    served.unwrap();
    let rest = until(&mut watching, "never").await;
    assert!(rest.contains("goodbye"), "{rest}");
    assert!(
        rest.ends_with("0\r\n\r\n"),
        "the stream ends as streams do: {rest}"
    );
    assert_eq!(until(&mut one, "never").await, "");
    assert!(TcpStream::connect(page.address).await.is_err());
}

#[tokio::test]
async fn a_page_does_not_wait_for_a_controller_that_goes_on() {
    let page = Standing::start().await;
    let mut watching = page.ask(&format!("/api/runs/{ON}/events")).await;
    until(&mut watching, "retry").await;
    page.stop.send(()).unwrap();
    page.serving.await.unwrap();
    assert_eq!(until(&mut watching, "never").await, "");
}

#[tokio::test]
async fn who_says_nothing_or_half_of_something_is_cut_off() {
    let page = Standing::within(|limits| limits.head = SHORT).await;
    for said in ["", "GET / HTTP/1.1\r\nHost: x", "POST / HT"] {
        let mut stream = page.connect().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let since = crate::clock::now();
        until(&mut stream, "never").await;
        assert!(crate::clock::now() - since >= SHORT / 2, "{said:?}");
    }
    // Nor does one stay for ever that has asked.
    let mut stream = page.ask("/assets/nothing").await;
    until(&mut stream, "never").await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let page = Standing::within(|limits| limits.answer = SHORT).await;
    let mut stream = page.connect().await;
    let head = format!(
        "POST /api/runs HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nX-Throng-CSRF: {}\r\nContent-Length: 500\r\n\r\n{{",
        page.address, page.csrf
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = until(&mut stream, "error").await;
    assert!(answer.contains("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn who_reads_nothing_is_cut_off_and_its_watch_ends() {
    let page = Standing::within(|limits| limits.stalled = SHORT).await;
    let stream = page.ask(&format!("/api/runs/{ON}/events")).await;
    while page.fake.watched() == 0 {
        tokio::task::yield_now().await;
    }
    let line = "x".repeat(100_000);
    let mut told = 0;
    while page.fake.watched() > 0 {
        page.fake.tell(log(line.clone())).await;
        told += 1;
        assert!(told < 1000, "100 MB wait for a reader who takes nothing");
    }
    drop(stream);
}

#[tokio::test]
async fn one_address_holds_so_many_connections() {
    let page = Standing::start().await;
    let mut held = Vec::new();
    for _ in 0..128 {
        let mut stream = page.ask("/api/session").await;
        assert!(until(&mut stream, "csrf").await.contains("200 OK"));
        held.push(stream);
    }
    let mut surplus = page.ask("/api/session").await;
    assert_eq!(until(&mut surplus, "csrf").await, "");
    // One goes, another comes.
    held.pop();
    let mut answered = String::new();
    for _ in 0..10_000 {
        let mut stream = page.ask("/api/session").await;
        answered = until(&mut stream, "csrf").await;
        if !answered.is_empty() {
            break;
        }
    }
    assert!(answered.contains("200 OK"));
}

#[tokio::test]
async fn large_heads_and_nonsense_are_refused() {
    let page = Standing::start().await;
    let large = format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(70_000));
    for (said, wanted) in [
        (large.clone(), "HTTP/1.1 431"),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(70)),
            "HTTP/1.1 431",
        ),
        (
            "\u{16}\u{3}\u{1} this is no HTTP\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        // Whoever begins with HTTP/2 could not read an answer: there is none.
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
    ] {
        let mut stream = page.connect().await;
        // It may close before it has read all of the large one, and its answer be lost with that.
        let _ = stream.write_all(said.as_bytes()).await;
        let answer = until(&mut stream, "\r\n\r\n").await;
        let shown: String = said.chars().take(20).collect();
        if answer.is_empty() {
            assert!(wanted.is_empty() || said == large, "{shown}");
        } else {
            assert!(
                !wanted.is_empty() && answer.starts_with(wanted),
                "{shown}: {answer}"
            );
        }
    }
    let mut stream = page.ask("/api/session").await;
    assert!(until(&mut stream, "csrf").await.contains("200 OK"));
}
