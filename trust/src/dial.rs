//! From an address to a channel, in TLS or in clear text; and what an error on the way means.

use crate::keeper::Keeper;
use crate::tls::Roots;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
#[cfg(feature = "sim")]
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
#[cfg(feature = "sim")]
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;
use url::{Host, Url};

/// Most that is read of what a server says first, in bytes.
const FIRST: usize = 256;
/// For connecting and shaking hands.
const CONNECT: Duration = Duration::from_secs(5);

/// Where a controller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
    tls: bool,
    host: String,
    port: u16,
}

/// Why an address will not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no URL of a controller.
    #[error(
        "{0:?} is not a controller's address ({1}); it has the form https://HOST:PORT, or http://HOST:PORT on this host"
    )]
    Malformed(String, String),
    /// It is beyond this host, in clear text.
    #[error(
        "{0} would be dialed in clear text: whoever is on the way reads and changes everything. Write https://, or give --insecure"
    )]
    ClearText(String),
}

impl Address {
    /// Reads a URL. Clear text is for the loopback, unless `insecure`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(url: &str, insecure: bool) -> Result<Self, AddressError> {
        let malformed = |why: String| AddressError::Malformed(url.to_owned(), why);
        let parsed = Url::parse(url).map_err(|error| malformed(error.to_string()))?;
        let tls = match parsed.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(malformed(format!("its scheme is {other}"))),
        };
        let Some(host) = parsed.host() else {
            return Err(malformed("it names no host".to_owned()));
        };
        let loopback = match &host {
            Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        };
        if !tls && !loopback && !insecure {
            return Err(AddressError::ClearText(url.to_owned()));
        }
        let port = parsed
            .port_or_known_default()
            .ok_or_else(|| malformed("it names no port".to_owned()))?;
        Ok(Self {
            url: url.to_owned(),
            tls,
            host: host.to_string(),
            port,
        })
    }

    /// As given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// True for https.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// True if it is this host: an address of the loopback, or `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().map_or_else(
            |_| bare == "localhost" || bare.ends_with(".localhost"),
            |ip| ip.is_loopback(),
        )
    }

    /// `host:port`.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The host, IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// Why there is no channel, or no answer on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialError {
    /// Nobody answered, or not as a controller does. It may be otherwise later.
    Unreachable(String),
    /// The peer may not be who it should be.
    Untrusted(String),
    /// We speak TLS and the peer does not.
    PeerSpeaksClearText,
    /// The peer speaks TLS and we do not.
    PeerSpeaksTls,
    /// The peer does not take our certificate.
    Rejected(String),
    /// The controller answered: no.
    Refused(String),
    /// Something of our own: a file, a key.
    Own(String),
}

impl Error for DialError {}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Refused(why) | Self::Own(why) => f.write_str(why),
            Self::Untrusted(why) => write!(
                f,
                "the controller there is not the one this token or CA is for, or somebody is in between: {why}"
            ),
            Self::PeerSpeaksClearText => {
                f.write_str("what listens there does not speak TLS: a clear-text controller is dialed as http://")
            }
            Self::PeerSpeaksTls => {
                f.write_str("the controller there speaks TLS: dial it as https://, with a join token or certificates")
            }
            Self::Rejected(why) => write!(f, "the controller does not take our certificate: {why}"),
        }
    }
}

impl DialError {
    /// True if trying again is no use.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Unreachable(_))
    }
}

/// TLS settings, and the name that the peer must have.
#[derive(Clone)]
pub struct Tls {
    /// Settings.
    pub config: Arc<ClientConfig>,
    /// Name.
    pub name: ServerName<'static>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Settings for dialing this address.
    ///
    /// # Errors
    /// [`DialError::Own`].
    pub fn new(
        config: Arc<ClientConfig>,
        roots: &Roots,
        address: &Address,
    ) -> Result<Self, DialError> {
        let name = roots
            .expects(address.host())
            .map_err(|error| DialError::Own(error.to_string()))?;
        Ok(Self { config, name })
    }
}

/// An endpoint to configure and [`connect`].
///
/// # Errors
/// [`DialError::Own`]: tonic cannot use the address.
pub fn endpoint(address: &Address) -> Result<Endpoint, DialError> {
    // TLS is ours and not tonic's, which therefore sees a plain one.
    Endpoint::from_shared(format!("http://{}", address.authority()))
        .map(|endpoint| endpoint.connect_timeout(CONNECT).tcp_nodelay(true))
        .map_err(|error| DialError::Own(format!("{}: {error}", address.url())))
}

/// Connects, once.
///
/// # Errors
/// [`DialError`].
pub async fn connect(
    endpoint: Endpoint,
    address: &Address,
    tls: Option<Tls>,
) -> Result<Channel, DialError> {
    let authority = address.authority();
    let connector = service_fn(move |_: Uri| open(authority.clone(), tls.clone()));
    let lazy = endpoint.connect_with_connector(connector);
    lazy.await.map_err(|error| explain(&error))
}

/// Connects, with what a keeper has each time: a channel connects again by itself when its connection broke, and shows the newest
/// certificate then.
///
/// # Errors
/// [`DialError`].
pub async fn connect_kept(
    endpoint: Endpoint,
    address: &Address,
    keeper: Arc<Keeper>,
) -> Result<Channel, DialError> {
    let authority = address.authority();
    let connector = service_fn(move |_: Uri| {
        let (authority, keeper) = (authority.clone(), Arc::clone(&keeper));
        async move {
            let tls = keeper.tls().await.map_err(io::Error::other)?;
            open(authority, Some(tls)).await
        }
    });
    let lazy = endpoint.connect_with_connector(connector);
    lazy.await.map_err(|error| explain(&error))
}

/// What carries bytes in a simulation.
#[cfg(feature = "sim")]
pub trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

#[cfg(feature = "sim")]
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

/// A simulation's network: from a host and its port to a connection.
#[cfg(feature = "sim")]
#[derive(Clone)]
pub struct Sockets(
    /// Opens one.
    pub Arc<dyn Fn(String) -> Opening + Send + Sync>,
);

/// A connection that is being opened.
#[cfg(feature = "sim")]
pub type Opening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Carrier>>> + Send>>;

#[cfg(feature = "sim")]
impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sockets")
    }
}

/// As [`connect`], in clear text over a simulation's network.
///
/// # Errors
/// [`DialError`].
#[cfg(feature = "sim")]
pub async fn connect_over(
    endpoint: Endpoint,
    address: &Address,
    sockets: Sockets,
) -> Result<Channel, DialError> {
    let authority = address.authority();
    let connector = service_fn(move |_: Uri| {
        let opening = (sockets.0)(authority.clone());
        async move { opening.await.map(TokioIo::new) }
    });
    let lazy = endpoint.connect_with_connector(connector);
    lazy.await.map_err(|error| explain(&error))
}

/// What tonic's transport carries: a socket, with TLS or without.
enum Socket {
    Clear(TcpStream),
    /// With what was read already, and how much of that was passed on.
    Tls(
        Box<tokio_rustls::client::TlsStream<TcpStream>>,
        (Vec<u8>, usize),
    ),
}

async fn open(authority: String, tls: Option<Tls>) -> io::Result<TokioIo<Socket>> {
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(match tls {
        None => Socket::Clear(stream),
        Some(Tls { config, name }) => {
            let mut stream = TlsConnector::from(config).connect(name, stream).await?;
            // With TLS 1.3 a client is done before the server has judged its certificate. The server speaks first then, or says why not;
            // asked for here, that reason is not lost in an HTTP/2 connection that nobody has used yet.
            let mut early = vec![0; FIRST];
            let read = stream.read(&mut early).await?;
            if read == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it took our certificate and closed the connection: does it name a role? The controller's log says why",
                ));
            }
            early.truncate(read);
            Socket::Tls(Box::new(stream), (early, 0))
        }
    }))
}

/// Reads an error of a channel: its chain may end in one of TLS, of HTTP/2 or of a socket.
#[must_use]
pub fn explain(error: &(dyn Error + 'static)) -> DialError {
    if let Some(known) = find::<DialError>(error) {
        return known.clone();
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return of_tls(tls);
    }
    let text = cause(error);
    // How h2 words a GOAWAY with INADEQUATE_SECURITY, which a controller's TLS port answers to clear text.
    if text.contains("security properties do not meet minimum requirements") {
        return DialError::PeerSpeaksTls;
    }
    // Once HTTP/2 is spoken, h2 keeps only the words of what rustls said: with TLS 1.3 a client learns there what came of its certificate.
    if let Some((_, alert)) = text.split_once("received fatal alert: ") {
        return DialError::Rejected(of_alert(alert));
    }
    DialError::Unreachable(text)
}

/// Reads a status: what a controller answered, or what became of the channel.
#[must_use]
pub fn explain_status(status: &tonic::Status) -> DialError {
    use tonic::Code;
    if let Some(source) = status.source() {
        let explained = explain(source);
        if explained.is_final() {
            return explained;
        }
    }
    let said = || match status.message() {
        "" => status.code().description().to_owned(),
        message => message.to_owned(),
    };
    match status.code() {
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::InvalidArgument
        | Code::FailedPrecondition => DialError::Refused(said()),
        _ => DialError::Unreachable(match status.source() {
            Some(source) => {
                let why = cause(source);
                if said().contains(&why) {
                    said()
                } else {
                    format!("{}: {why}", said())
                }
            }
            None => said(),
        }),
    }
}

fn of_tls(error: &rustls::Error) -> DialError {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(why) => DialError::Untrusted(match why {
            Bad::UnknownIssuer => "its certificate is signed by another CA".to_owned(),
            Bad::Expired | Bad::ExpiredContext { .. } => {
                "its certificate has expired (are both clocks right?)".to_owned()
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "its certificate is not valid yet (are both clocks right?)".to_owned()
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is for another name than the one that was dialed".to_owned()
            }
            other => format!("{other:?}"),
        }),
        rustls::Error::InvalidMessage(_) => DialError::PeerSpeaksClearText,
        rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion) => {
            DialError::PeerSpeaksClearText
        }
        rustls::Error::AlertReceived(alert) => DialError::Rejected(of_alert(&format!("{alert:?}"))),
        other => DialError::Unreachable(format!("TLS: {other}")),
    }
}

/// What a TLS alert (RFC 8446 section 6.2), by rustls's name for it, says of our certificate.
fn of_alert(alert: &str) -> String {
    let name: String = alert
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    match name.as_str() {
        "CertificateExpired" => "it has expired".to_owned(),
        "UnknownCA" | "BadCertificate" | "DecryptError" => {
            "it is signed by another CA than the controller's".to_owned()
        }
        "CertificateRequired" => "it wants one, and there is none".to_owned(),
        _ => format!("it says {name}"),
    }
}

/// The first error of type `T` in the chain. An `io::Error` hides what it wraps from `source`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
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

/// The whole chain of an error in one line, each part once.
#[must_use]
pub fn cause(error: &dyn Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut next = error.source();
    for _ in 0..16 {
        let Some(error) = next else { break };
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

mod socket {
    //! Reading and writing either kind.

    use super::Socket;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    impl AsyncRead for Socket {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.get_mut() {
                Self::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
                Self::Tls(_, (early, passed)) if *passed < early.len() => {
                    let rest = &early[*passed..];
                    let now = rest.len().min(buf.remaining());
                    buf.put_slice(&rest[..now]);
                    *passed += now;
                    Poll::Ready(Ok(()))
                }
                Self::Tls(stream, _) => Pin::new(stream).poll_read(cx, buf),
            }
        }
    }

    impl AsyncWrite for Socket {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            match self.get_mut() {
                Self::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
                Self::Tls(stream, _) => Pin::new(stream).poll_write(cx, buf),
            }
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.get_mut() {
                Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
                Self::Tls(stream, _) => Pin::new(stream).poll_flush(cx),
            }
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.get_mut() {
                Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
                Self::Tls(stream, _) => Pin::new(stream).poll_shutdown(cx),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn clear_text_is_for_this_host_or_for_those_who_say_so() {
        let table = [
            ("http://127.0.0.1:7437", false, Ok(true)),
            ("http://[::1]:7437", false, Ok(true)),
            ("http://localhost:7437", false, Ok(true)),
            ("https://10.0.0.1:7437", false, Ok(false)),
            ("https://controller", false, Ok(false)),
            ("http://10.0.0.1:7437", false, Err("--insecure")),
            ("http://10.0.0.1:7437", true, Ok(false)),
            ("http://localhost.evil.test:1", false, Err("--insecure")),
            ("controller:7437", false, Err("its scheme is controller")),
            ("", false, Err("https://HOST:PORT")),
            ("http://", true, Err("empty host")),
        ];
        for (url, insecure, wanted) in table {
            match (Address::parse(url, insecure), wanted) {
                (Ok(address), Ok(loopback)) => assert_eq!(address.is_loopback(), loopback, "{url}"),
                (Err(error), Err(word)) => {
                    assert!(error.to_string().contains(word), "{url}: {error}");
                }
                (got, _) => panic!("{url}: {got:?}"),
            }
        }
        assert_eq!(
            Address::parse("https://[2001:db8::1]", false)
                .unwrap()
                .authority(),
            "[2001:db8::1]:443"
        );
    }
}
