//! A server that follows a script: what to answer to the n-th request, and when to hang up.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A line of the script.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Read a request (head and body), then write this.
    Answer(String),
    /// The same, and then close.
    AnswerThenClose(String),
    /// Read a request, then close.
    ReadThenClose,
    /// Read a request, then reset the connection.
    ReadThenReset,
    /// Read a request.
    Read,
    /// Wait for the client to hang up.
    Hang,
    /// Write this without waiting for a request.
    Say(String),
    /// Pause.
    Pause(Duration),
}

/// What the server saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Each request's head and body, in the order they came.
    pub(super) requests: Vec<String>,
    pub(super) connections: usize,
    /// Connections that the server has closed, or seen closed.
    pub(super) closed: usize,
    /// Bytes.
    read: u64,
    written: u64,
}

impl Seen {
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.read, self.written)
    }

    pub(super) fn count(&mut self, read: u64, written: u64) {
        self.read += read;
        self.written += written;
    }
}

pub(super) struct Server {
    pub(super) port: u16,
    pub(super) seen: Rc<RefCell<Seen>>,
}

impl Server {
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.borrow().requests.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.borrow().connections
    }

    /// (read, written)
    pub(super) fn bytes(&self) -> (u64, u64) {
        self.seen.borrow().bytes()
    }

    /// Returns once `count` connections are closed and this thread's reactor has heard of it.
    pub(super) async fn closed(&self, count: usize) {
        while self.seen.borrow().closed < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // What the kernel already knows, the reactor learns when the runtime next waits.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A response with this body.
pub(super) fn ok(body: &str) -> String {
    response("200 OK", "", body)
}

/// A response; `headers` each end with `\r\n`.
pub(super) fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Serves one script per connection, in order; connections beyond them get an empty one. `PORT` in what is written becomes
/// the server's own.
pub(super) async fn serve(scripts: Vec<Vec<Act>>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Rc::<RefCell<Seen>>::default();
    let log = Rc::clone(&seen);
    tokio::task::spawn_local(async move {
        let mut scripts = scripts.into_iter();
        while let Ok((stream, _)) = listener.accept().await {
            log.borrow_mut().connections += 1;
            let script = scripts.next().unwrap_or_default();
            let log = Rc::clone(&log);
            tokio::task::spawn_local(async move {
                follow(stream, script, &log).await;
                log.borrow_mut().closed += 1;
            });
        }
    });
    Server { port, seen }
}

async fn follow(mut stream: TcpStream, script: Vec<Act>, log: &RefCell<Seen>) {
    let mut unread = Vec::new();
    for act in script {
        match &act {
            Act::Say(text) => write(&mut stream, text, log).await,
            Act::Pause(time) => tokio::time::sleep(*time).await,
            Act::Hang => while read(&mut stream, &mut unread, log).await {},
            _ => {
                let Some(request) = request(&mut stream, &mut unread, log).await else {
                    return;
                };
                log.borrow_mut().requests.push(request);
            }
        }
        match act {
            Act::Answer(text) => write(&mut stream, &text, log).await,
            Act::AnswerThenClose(text) => {
                write(&mut stream, &text, log).await;
                return;
            }
            Act::ReadThenClose => return,
            Act::ReadThenReset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Act::Read | Act::Hang | Act::Say(_) | Act::Pause(_) => {}
        }
    }
    // The script is over, the connection is not: it stays until the client leaves.
    while read(&mut stream, &mut unread, log).await {}
}

async fn write(stream: &mut TcpStream, text: &str, log: &RefCell<Seen>) {
    let text = text.replace("PORT", &stream.local_addr().unwrap().port().to_string());
    if stream.write_all(text.as_bytes()).await.is_ok() {
        log.borrow_mut().count(0, text.len() as u64);
    }
}

async fn read(stream: &mut TcpStream, unread: &mut Vec<u8>, log: &RefCell<Seen>) -> bool {
    let bytes = stream.read_buf(unread).await.unwrap_or(0);
    log.borrow_mut().count(bytes as u64, 0);
    bytes > 0
}

/// One request's head and body, or `None` at the end of the stream.
async fn request(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
    log: &RefCell<Seen>,
) -> Option<String> {
    loop {
        if let Some(head) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&unread[..head]).into_owned();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            let end = head + 4 + length;
            while unread.len() < end {
                if !read(stream, unread, log).await {
                    return None;
                }
            }
            let request: Vec<u8> = unread.drain(..end).collect();
            return Some(String::from_utf8_lossy(&request).into_owned());
        }
        if !read(stream, unread, log).await {
            return None;
        }
    }
}
