//! What all VUs of an agent have in common: TLS settings, the DNS cache, the doors to the network, a few options.

use super::allow::Targets;
use super::ceiling::Ceiling;
use super::dial::{Dial, TcpDial};
use super::resolve::{Names, Resolve, SystemResolve};
use super::tls;
use http::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use std::time::Duration;

/// What an agent will not do, whoever directs it. By default there are none.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// Whom it talks to; `None`: anybody.
    pub targets: Option<Arc<Targets>>,
    /// How many requests it sends; one for all runs of its life.
    pub ceiling: Option<Arc<Ceiling>>,
}

/// How an agent's clients behave. `Default` is what k6 does.
#[derive(Clone)]
pub struct ClientConfigOptions {
    /// Accept any certificate (k6's `insecureSkipTLSVerify`).
    pub insecure_skip_tls_verify: bool,
    /// How long a resolved name holds: `None` for the whole run, zero to ask for every new connection. 5 min by default.
    pub dns_ttl: Option<Duration>,
    /// Most time for connecting (TCP), all addresses together. 30 s by default.
    pub connect_timeout: Duration,
    /// Sent when a request has no `User-Agent`; empty for none.
    pub user_agent: String,
    /// A new connection for each request (k6's `noConnectionReuse`).
    pub no_connection_reuse: bool,
    /// Offer HTTP/2 to TLS targets.
    pub http2: bool,
    /// Largest body that is kept, bytes, before and after decoding. A larger one is read to its end, and the hop fails as
    /// [`TooLarge`](super::Failure::TooLarge). 64 MiB by default.
    pub max_body: usize,
    /// Certificates to trust beside the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// What is not done.
    pub bounds: Bounds,
    /// The door to name servers.
    pub resolve: Arc<dyn Resolve>,
    /// The door to sockets.
    pub dial: Arc<dyn Dial>,
}

impl Default for ClientConfigOptions {
    fn default() -> Self {
        Self {
            insecure_skip_tls_verify: false,
            dns_ttl: Some(Duration::from_secs(300)),
            connect_timeout: Duration::from_secs(30),
            user_agent: concat!("throng/", env!("CARGO_PKG_VERSION")).to_owned(),
            no_connection_reuse: false,
            http2: true,
            max_body: 64 << 20,
            extra_roots: Vec::new(),
            bounds: Bounds::default(),
            resolve: Arc::new(SystemResolve),
            dial: Arc::new(TcpDial),
        }
    }
}

/// Why options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// The user agent has characters that no header may have.
    #[error("user agent {0:?} cannot be sent as a header: use visible ASCII characters only")]
    UserAgent(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Built once per agent, shared by its workers.
pub struct Shared {
    pub(super) names: Names,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) bounds: Bounds,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) connect_timeout: Duration,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) no_connection_reuse: bool,
    pub(super) max_body: usize,
}

impl Shared {
    /// Builds it.
    ///
    /// # Errors
    /// If the user agent is no header value or a root certificate is none.
    pub fn new(options: ClientConfigOptions) -> Result<Arc<Self>, SharedError> {
        let user_agent = match options.user_agent.as_str() {
            "" => None,
            text => Some(
                HeaderValue::from_str(text)
                    .map_err(|_| SharedError::UserAgent(options.user_agent.clone()))?,
            ),
        };
        Ok(Arc::new(Self {
            names: Names::new(options.resolve, options.dns_ttl),
            dial: options.dial,
            bounds: options.bounds,
            tls: tls::config(
                options.insecure_skip_tls_verify,
                options.http2,
                options.extra_roots,
            )?,
            connect_timeout: options.connect_timeout,
            user_agent,
            no_connection_reuse: options.no_connection_reuse,
            max_body: options.max_body,
        }))
    }

    /// The agent's ceiling, if it has one.
    #[must_use]
    pub fn ceiling(&self) -> Option<Arc<Ceiling>> {
        self.bounds.ceiling.clone()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
