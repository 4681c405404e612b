//! Opening a connection: resolve, connect, TLS, HTTP handshake, each stamped as it happens.

use super::allow::Targets;
use super::clock::now;
use super::conn::{Body, Conn, Link, Origin, is_https};
use super::dial::Stream;
use super::failure::{Failure, Fault};
use super::shared::Shared;
use super::tap::{Layer, Tap};
use super::tls;
use super::wire::{Stamps, Traffic, Wire};
use http::HeaderValue;
use http::uri::Authority;
use hyper::client::conn::{http1, http2};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::TlsConnector;
use url::Url;

/// When the steps of opening a connection began and ended; `None` for what did not happen (yet).
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Marks {
    pub(super) connect_began: Option<Instant>,
    pub(super) connected: Option<Instant>,
    pub(super) tls_began: Option<Instant>,
    pub(super) tls_done: Option<Instant>,
    /// A connection was at hand.
    pub(super) ready: Option<Instant>,
}

/// A socket through which a target can be talked to.
pub(super) struct Opened {
    layer: Layer,
    stamps: Rc<Stamps>,
    http2: bool,
    tls_version: Option<&'static str>,
}

/// Resolves, connects and shakes hands.
pub(super) async fn open(
    shared: &Shared,
    url: &Url,
    traffic: &Rc<Traffic>,
    marks: &mut Marks,
) -> Result<Opened, Fault> {
    let bad = || {
        Fault::new(
            Failure::Url,
            format!("{url} has no host or port to connect to"),
        )
    };
    let host = url.host_str().ok_or_else(bad)?;
    let port = url.port_or_known_default().ok_or_else(bad)?;
    let mut addresses = shared.names.lookup(host).await?;
    if let Some(targets) = &shared.bounds.targets {
        // Here, because every connection is opened here: of steps, of redirects, of a preflight, and again when a name has moved.
        let resolved = addresses.clone();
        addresses.retain(|ip| targets.allow(host, port, *ip));
        if addresses.is_empty() {
            return Err(not_allowed(host, port, &resolved, targets));
        }
    }
    marks.connect_began = Some(now());
    let stream = dial(shared, host, port, &addresses).await?;
    let connected = now();
    marks.connected = Some(connected);

    let stamps = Rc::<Stamps>::default();
    let wire = Wire::new(stream, Rc::clone(&stamps), Rc::clone(traffic));
    if !is_https(url) {
        return Ok(Opened {
            layer: Layer::Plain(wire),
            stamps,
            http2: false,
            tls_version: None,
        });
    }
    marks.tls_began = Some(connected);
    let name = rustls::pki_types::ServerName::try_from(
        host.trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned(),
    )
    .map_err(|_| {
        Fault::new(
            Failure::Url,
            format!("{host} is no name a certificate can have"),
        )
    })?;
    let stream = TlsConnector::from(Arc::clone(&shared.tls))
        .connect(name, wire)
        .await
        .map_err(|error| Fault::tls(&error))?;
    marks.tls_done = Some(now());
    let session = stream.get_ref().1;
    let http2 = session.alpn_protocol() == Some(b"h2");
    let tls_version = tls::version_name(session.protocol_version());
    Ok(Opened {
        layer: Layer::Tls(Box::new(stream)),
        stamps,
        http2,
        tls_version,
    })
}

fn not_allowed(host: &str, port: u16, resolved: &[IpAddr], targets: &Targets) -> Fault {
    let literal = |ip: &IpAddr| host.contains(&ip.to_string());
    let at = match resolved.first().filter(|ip| !literal(ip)) {
        Some(ip) => format!(" at {ip}"),
        None => String::new(),
    };
    Fault::new(
        Failure::NotAllowed,
        format!(
            "{host}:{port}{at} is not among what this agent may talk to (--allow-target {targets})"
        ),
    )
}

/// Tries the addresses in order. Each gets an even part of the time that is left, but not less than two seconds of it.
async fn dial(
    shared: &Shared,
    host: &str,
    port: u16,
    addresses: &[IpAddr],
) -> Result<Box<dyn Stream>, Fault> {
    let began = now();
    let mut first = None;
    for (tried, &ip) in addresses.iter().enumerate() {
        let left = shared
            .connect_timeout
            .saturating_sub(now().saturating_duration_since(began));
        let to_try = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let patience = (left / to_try).max(Duration::from_secs(2)).min(left);
        let address = SocketAddr::new(ip, port);
        let fault = match tokio::time::timeout(patience, shared.dial.dial(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => Fault::io(&format!("connecting to {address}"), &error),
            Err(_) => Fault::new(
                Failure::ConnectTimeout,
                format!("connecting to {address}: no answer within {patience:?}"),
            ),
        };
        // The first address is the one that was meant; but a shortage of our own must not hide behind it.
        if first.is_none() || fault.failure == Failure::Local {
            first = Some(fault);
        }
    }
    Err(first.unwrap_or_else(|| Fault::new(Failure::Dns, format!("{host} has no address"))))
}

/// Runs HTTP/2's own tasks on the VU's worker.
#[derive(Debug, Clone, Copy)]
struct Here;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Makes an opened socket speak HTTP, the version that ALPN chose.
pub(super) async fn speak(opened: Opened, url: &Url) -> Result<Conn, Fault> {
    let Opened {
        layer,
        stamps,
        http2,
        tls_version,
    } = opened;
    let no_host = || {
        Fault::new(
            Failure::Url,
            format!("{url} has a host that cannot be sent as a header"),
        )
    };
    let origin = Origin::of(url).ok_or_else(no_host)?;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let authority = Authority::try_from(host.as_str()).map_err(|_| no_host())?;
    let host = HeaderValue::try_from(host).map_err(|_| no_host())?;

    let tap = Tap::new(layer, Rc::clone(&stamps), http2);
    let link = if http2 {
        let (sender, connection) = http2::Builder::new(Here)
            .handshake(tap)
            .await
            .map_err(|error| Fault::hyper(&error, true))?;
        let task = tokio::task::spawn_local(async move {
            // How it ended is told to the request that waits on it, or noticed by the next.
            let _ = connection.await;
        });
        Link::Http2 { sender, task }
    } else {
        let (sender, connection) = http1::Builder::new()
            .handshake::<_, Body>(tap)
            .await
            .map_err(|error| Fault::hyper(&error, false))?;
        Link::Http1 {
            sender,
            driver: Some(Box::pin(connection)),
        }
    };
    Ok(Conn {
        origin,
        link,
        stamps,
        host,
        authority,
        tls_version,
    })
}
