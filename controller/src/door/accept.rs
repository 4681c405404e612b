//! From a listener to connections: a handshake each, in bounded time and from bounded crowds. Whoever fails costs a log line, and of
//! those there are at most a few a second.

use super::gate::{Door, Gate};
use super::peer::{Conn, Peer, Socket};
use crate::clock;
use crate::refusals::Refusals;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use trust::identity;
use trust::places::{Place, Places};

/// Strangers in the doorway: connections that have not shown a certificate yet, in all,
const STRANGERS: usize = 4096;
/// and from one address. A fleet behind one NAT comes through the handshake in a moment.
const FROM_ONE: usize = 256;
/// For a handshake, from the first byte.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a stranger may stay to enrol.
const STAY: Duration = Duration::from_secs(15);
/// How long a peer that was turned away has to read why.
const WHY: Duration = Duration::from_secs(1);
/// After an error of the listener itself (no file descriptors left).
const BREATHER: Duration = Duration::from_millis(100);
/// Log lines about failed handshakes: so many,
const GRUMBLES: u32 = 5;
/// in so many nanoseconds.
const GRUMBLE_FOR: u64 = 1_000_000_000;

/// What an HTTP/2 client says first (RFC 9113 section 3.4), as far as it tells clear text from TLS.
const PREFACE: &[u8] = b"PRI";
/// The first byte of a TLS handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// The whole of it, in bytes; frames follow.
const PREFACE_BYTES: usize = 24;
/// An HTTP/2 answer to clear text at a TLS port: empty SETTINGS,
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// then, to the first request, GOAWAY with `INADEQUATE_SECURITY` (RFC 9113 section 7).
const SPEAK_TLS: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12];
/// The type of the frame that begins a request.
const HEADERS: u8 = 1;

/// A TLS answer at a clear-text port: a fatal `protocol_version` alert (RFC 8446 section 6).
const SPEAK_CLEAR_TEXT: &[u8] = &[21, 3, 3, 0, 2, 2, 70];

/// Accepts for ever, and hands on who came through the door.
pub(crate) async fn accept(
    listener: TcpListener,
    door: Door,
    connections: mpsc::Sender<io::Result<Conn>>,
    refusals: Arc<Refusals>,
) {
    let strangers = Places::new(STRANGERS, FROM_ONE);
    let complaints = Arc::new(Complaints::default());
    // Aborted with this future.
    let mut coming = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Nobody wants more.
            () = connections.closed() => return,
            Some(_) = coming.join_next() => continue,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                complaints.say(|| format!("cannot accept a connection: {error}"));
                tokio::time::sleep(BREATHER).await;
                continue;
            }
        };
        let Some(place) = strangers.take(address.ip()) else {
            complaints.say(|| {
                format!(
                    "{} has too many connections without a certificate; one was closed",
                    address.ip()
                )
            });
            continue;
        };
        let (door, connections, complaints) =
            (door.clone(), connections.clone(), Arc::clone(&complaints));
        let refusals = Arc::clone(&refusals);
        coming.spawn(async move {
            let entered =
                tokio::time::timeout(HANDSHAKE, enter(stream, address, door, place)).await;
            let why = match entered {
                // An error means that the server has gone.
                Ok(Ok(conn)) => return drop(connections.send(Ok(conn)).await),
                Ok(Err(why)) => why,
                Err(_) => format!("no handshake within {} s", HANDSHAKE.as_secs()),
            };
            refusals.note(clock::now(), address, &why);
            complaints.say(|| format!("{address} did not come in: {why}"));
        });
    }
}

async fn enter(
    stream: TcpStream,
    address: SocketAddr,
    door: Door,
    place: Place,
) -> Result<Conn, String> {
    let told = |error: io::Error| error.to_string();
    stream.set_nodelay(true).map_err(told)?;
    let mut first = [0; PREFACE.len()];
    let seen = stream.peek(&mut first).await.map_err(told)?;
    match door {
        Door::Open if first[0] == TLS_HANDSHAKE && seen > 0 => {
            turn_away(stream, SPEAK_CLEAR_TEXT).await;
            Err("it speaks TLS, and this port is clear text".to_owned())
        }
        Door::Open => Ok(Conn::new(Socket::Clear(stream), Peer::Anybody(address))),
        Door::Tls(_) if seen == PREFACE.len() && first == PREFACE => {
            // A client that was told before it asked would only say that the connection is closed.
            let mut stream = stream;
            let _ = tokio::time::timeout(WHY, until_asked(&mut stream)).await;
            turn_away(stream, SPEAK_TLS).await;
            Err("it speaks clear text, and this port is TLS".to_owned())
        }
        Door::Tls(gate) => shake(stream, address, &gate, place).await,
    }
}

/// Answers an HTTP/2 preface, and reads until a request begins.
async fn until_asked(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(SETTINGS).await?;
    let mut skipped = [0; PREFACE_BYTES];
    stream.read_exact(&mut skipped).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        if head[3] == HEADERS {
            return Ok(());
        }
        let length = u64::from(u32::from_be_bytes([0, head[0], head[1], head[2]]));
        tokio::io::copy(&mut (&mut *stream).take(length), &mut tokio::io::sink()).await?;
    }
}

async fn shake(
    stream: TcpStream,
    address: SocketAddr,
    gate: &Arc<Gate>,
    place: Place,
) -> Result<Conn, String> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let start = start.await.map_err(|error| error.to_string())?;
    let mut stream = match start.into_stream(gate.config()).into_fallible().await {
        Ok(stream) => stream,
        Err((error, stream)) => {
            // The alert that says why was written; it must not be lost with what we have not read.
            turn_away(stream, &[]).await;
            return Err(error.to_string());
        }
    };
    let shown = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first);
    let Some(certificate) = shown else {
        let conn = Conn::new(Socket::Tls(Box::new(stream)), Peer::Stranger(address));
        return Ok(conn.for_a_while(place, tokio::time::sleep(STAY)));
    };
    match identity::read(certificate) {
        Ok(who) => {
            let mark = who.mark.clone();
            let peer = Peer::Known(Arc::new(who), address);
            Ok(Conn::new(Socket::Tls(Box::new(stream)), peer).until_revoked(gate, &mark))
        }
        Err(why) => {
            let _ = stream.shutdown().await;
            Err(format!("its certificate is of no use here: {why}"))
        }
    }
}

/// Closes a connection so that its peer gets the last words: what it still sends is read and dropped for a moment, since closing with
/// unread bytes resets the connection and drops what is under way.
async fn turn_away(mut stream: impl AsyncRead + AsyncWrite + Unpin, words: &[u8]) {
    let farewell = async {
        stream.write_all(words).await?;
        stream.shutdown().await?;
        let mut dropped = [0; 1024];
        while stream.read(&mut dropped).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    // Whatever comes of it, it is over.
    let _ = tokio::time::timeout(WHY, farewell).await;
}

/// Log lines about failed handshakes, a few a second, the rest counted.
#[derive(Debug, Default)]
struct Complaints(Mutex<(u64, u32, u64)>);

impl Complaints {
    fn say(&self, text: impl FnOnce() -> String) {
        if let Some(suppressed) = self.may(clock::now()) {
            match suppressed {
                0 => tracing::warn!("{}", text()),
                more => tracing::warn!("{} (and {more} like it)", text()),
            }
        }
    }

    /// Whether a line may be said now, and how many were not since the last.
    fn may(&self, now: u64) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, said, suppressed) = &mut *state;
        if now.saturating_sub(*since) >= GRUMBLE_FOR {
            (*since, *said) = (now, 0);
        }
        if *said >= GRUMBLES {
            *suppressed += 1;
            return None;
        }
        *said += 1;
        Some(std::mem::take(suppressed))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_says_nothing_is_closed_after_a_while() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (came_in, mut connections) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, Door::Open, came_in, Arc::default()));
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut speaks = TcpStream::connect(address).await.unwrap();
        speaks.write_all(b"PRI").await.unwrap();
        assert!(connections.recv().await.is_some());
        assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
        accepting.abort();
    }

    #[test]
    fn a_flood_of_failures_is_a_few_lines_and_a_count() {
        let complaints = Complaints::default();
        let said = (0..1000).filter(|_| complaints.may(1).is_some()).count();
        assert_eq!(said, 5);
        assert_eq!(complaints.may(1 + GRUMBLE_FOR), Some(995));
        assert_eq!(complaints.may(1 + GRUMBLE_FOR), Some(0));
    }
}
