//! Why a hop has no (whole) response, as variants; and how errors of sockets, TLS and HTTP are read as one of them.
//!
//! It does not decide what to do about a failure: that is `attempt`'s.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

/// Most characters of a failure's text.
const DETAIL_CHARS: usize = 200;

/// Why a hop has no response. Variants, not strings; k6's numbers come from [`Failure::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The request's time was up.
    Timeout,
    /// The name does not resolve.
    Dns,
    /// Connecting took too long.
    ConnectTimeout,
    /// Nobody listens.
    Refused,
    /// No route to the target.
    Unreachable,
    /// The peer reset the connection.
    Reset,
    /// The peer closed the connection before the response was whole.
    Closed,
    /// A reused connection had closed before any byte of the response, and the request may not be sent twice.
    Stale,
    /// TLS failed.
    Tls,
    /// The target's certificate is signed by nobody we trust (or has expired).
    TlsUntrusted,
    /// The target's certificate is for another name.
    TlsHostname,
    /// This machine is out of ports, descriptors or buffers: the generator's fault, not the target's.
    Local,
    /// The response is not HTTP.
    Protocol,
    /// An error of HTTP/2: a stream reset, a frame that makes no sense.
    Http2,
    /// A redirect to what is no http or https URL.
    Redirect,
    /// The URL cannot be asked for.
    Url,
    /// The agent may not talk to this target; nothing was sent.
    NotAllowed,
    /// The body's encoding could not be undone.
    Decoding,
    /// The body is larger than is kept in memory.
    TooLarge,
    /// Anything else.
    Other,
}

impl Failure {
    /// k6's error code.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Timeout => 1050,
            Self::Dns => 1101,
            Self::NotAllowed => 1110,
            Self::Unreachable | Self::Local => 1210,
            Self::ConnectTimeout => 1211,
            Self::Refused => 1212,
            Self::Reset => 1220,
            Self::Tls => 1300,
            Self::TlsUntrusted => 1310,
            Self::TlsHostname => 1311,
            Self::Http2 => 1600,
            Self::Redirect | Self::Url => 1020,
            Self::Decoding => 1701,
            Self::Closed | Self::Stale | Self::Protocol | Self::TooLarge | Self::Other => 1000,
        }
    }

    /// What a person reads in the table of errors.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Timeout => "request timeout",
            Self::Dns => "name not resolved",
            Self::ConnectTimeout => "connect timeout",
            Self::Refused => "connection refused",
            Self::Unreachable => "target unreachable",
            Self::Reset => "connection reset",
            Self::Closed => "connection closed early",
            Self::Stale => "stale connection",
            Self::Tls => "TLS error",
            Self::TlsUntrusted => "certificate not trusted",
            Self::TlsHostname => "certificate for another name",
            Self::Local => proto::LOCAL_ERROR,
            Self::Protocol => "not HTTP",
            Self::Http2 => "HTTP/2 error",
            Self::Redirect => "bad redirect",
            Self::Url => "bad URL",
            Self::NotAllowed => "target not allowed on this agent",
            Self::Decoding => "body not decodable",
            Self::TooLarge => "body too large",
            Self::Other => "other error",
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

/// A failure and its text.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) failure: Failure,
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn new(failure: Failure, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS) {
            let cut = detail[..end]
                .char_indices()
                .next_back()
                .map_or(0, |(at, _)| at);
            detail.truncate(cut);
            detail.push('…');
        }
        Self { failure, detail }
    }

    /// Reads an error of a socket; `doing` says what was tried.
    pub(super) fn io(doing: &str, error: &io::Error) -> Self {
        Self::new(
            of_io(error).unwrap_or(Failure::Other),
            format!("{doing}: {}", Chain(error)),
        )
    }

    /// Reads an error of a TLS handshake.
    pub(super) fn tls(error: &io::Error) -> Self {
        let failure = match source::<rustls::Error>(error) {
            Some(rustls::Error::InvalidCertificate(why)) => of_certificate(why),
            Some(_) => Failure::Tls,
            // The peer hung up in the middle: not TLS's fault if the socket says why.
            None => match of_io(error) {
                Some(Failure::Closed) | None => Failure::Tls,
                Some(other) => other,
            },
        };
        Self::new(failure, format!("TLS handshake: {}", Chain(error)))
    }

    /// Reads an error of hyper.
    pub(super) fn hyper(error: &hyper::Error, http2: bool) -> Self {
        let by_socket = source::<io::Error>(error).and_then(of_io);
        let failure = if let Some(failure) = by_socket {
            failure
        } else if source::<rustls::Error>(error).is_some() {
            Failure::Tls
        } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Failure::Closed
        } else if http2 {
            Failure::Http2
        } else if error.is_parse() {
            Failure::Protocol
        } else if error.is_user() {
            Failure::Other
        } else {
            // What is left of hyper's kinds at HTTP/1.1 is about bodies and framing.
            Failure::Protocol
        };
        Self::new(failure, Chain(error).to_string())
    }
}

/// What an error of a socket means; `None` if nothing in particular.
fn of_io(error: &io::Error) -> Option<Failure> {
    use io::ErrorKind as Kind;
    // The generator's own shortages come first: some of them have no kind of their own.
    if let Some(code) = error.raw_os_error() {
        let short = [
            libc::EADDRNOTAVAIL,
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOBUFS,
            libc::ENOMEM,
            libc::EADDRINUSE,
        ];
        if short.contains(&code) {
            return Some(Failure::Local);
        }
    }
    Some(match error.kind() {
        Kind::ConnectionRefused => Failure::Refused,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Failure::Reset,
        Kind::UnexpectedEof | Kind::NotConnected => Failure::Closed,
        Kind::TimedOut => Failure::ConnectTimeout,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
            Failure::Unreachable
        }
        Kind::OutOfMemory => Failure::Local,
        Kind::InvalidData if source::<rustls::Error>(error).is_some() => Failure::Tls,
        _ => return None,
    })
}

fn of_certificate(why: &rustls::CertificateError) -> Failure {
    use rustls::CertificateError as E;
    match why {
        E::NotValidForName | E::NotValidForNameContext { .. } => Failure::TlsHostname,
        E::BadEncoding => Failure::Tls,
        _ => Failure::TlsUntrusted,
    }
}

/// The first error of type `T` in the chain, `error` itself included. An `io::Error` hides what it wraps from `source`.
fn source<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    // Chains are short; the bound is against one that bites its tail.
    for _ in 0..16 {
        let error = next?;
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// An error with its causes: `error sending request: connection reset by peer`. A cause that its parent already quotes is not repeated.
struct Chain<'a>(&'a (dyn Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = self.0.to_string();
        let mut next = self.0.source();
        for _ in 0..16 {
            let Some(error) = next else { break };
            let cause = error.to_string();
            if !text.contains(&cause) {
                write!(text, ": {cause}")?;
            }
            next = error.source();
        }
        f.write_str(&text)
    }
}
