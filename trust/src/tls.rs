//! TLS settings of the link: TLS 1.3, HTTP/2, ring; no resumption, so that every connection shows its certificate anew.
//!
//! Two kinds of authority. A controller's **own CA** signs for one fleet and nobody else, so clients check that the peer's certificate
//! is for [`CONTROLLER`], whatever address they dialed: port forwards, service names and NAT do not matter. An authority that was
//! **given** may sign for others too, so the certificate must be for the name or address that was dialed.

use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use std::sync::Arc;

/// The name that stands in the certificate of every controller with its own CA.
pub const CONTROLLER: &str = "controller.throng.internal";

/// By what a controller is believed.
#[derive(Debug, Clone)]
pub enum Roots {
    /// Its own CA, known by hash only: it must show it.
    Pinned([u8; 32]),
    /// Its own CA.
    Own(CertificateDer<'static>),
    /// Authorities that were given.
    Given(Vec<CertificateDer<'static>>),
}

/// A private key, its certificate with those up to its root, and whom its holder believes.
#[derive(Debug)]
pub struct Credentials {
    /// Its own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
    /// Whom to believe.
    pub roots: Roots,
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            roots: self.roots.clone(),
        }
    }
}

/// Keys or certificates that TLS cannot use.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl Unusable {
    fn because(error: impl ToString) -> Self {
        Self(error.to_string())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn store<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<Arc<RootCertStore>, Unusable> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store
            .add(certificate.clone())
            .map_err(|error| Unusable(format!("the CA's certificate cannot be used: {error}")))?;
    }
    Ok(Arc::new(store))
}

impl Roots {
    /// The name that the certificate must be for, when `host` was dialed.
    ///
    /// # Errors
    /// `host` is nothing that a certificate can name.
    pub fn expects(&self, host: &str) -> Result<ServerName<'static>, Unusable> {
        let name = match self {
            Self::Pinned(_) | Self::Own(_) => CONTROLLER,
            Self::Given(_) => host.trim_start_matches('[').trim_end_matches(']'),
        };
        ServerName::try_from(name.to_owned())
            .map_err(|_| Unusable(format!("no certificate can be for `{host}`")))
    }
}

/// Settings of whoever dials.
///
/// # Errors
/// Keys or certificates that cannot be used.
pub fn client(
    roots: &Roots,
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<Arc<ClientConfig>, Unusable> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(Unusable::because)?;
    let builder = match roots {
        Roots::Pinned(hash) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedAuthority::new(*hash))),
        Roots::Own(one) => builder.with_root_certificates(store([one])?),
        Roots::Given(many) => builder.with_root_certificates(store(many)?),
    };
    let mut config = match own {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(Unusable::because)?,
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Settings of a controller. `strangers` may come in without a certificate, to enrol.
///
/// # Errors
/// Keys or certificates that cannot be used.
pub fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: &[CertificateDer<'static>],
    strangers: bool,
) -> Result<Arc<ServerConfig>, Unusable> {
    let verifier = WebPkiClientVerifier::builder_with_provider(store(authorities)?, provider());
    let verifier = if strangers {
        verifier.allow_unauthenticated()
    } else {
        verifier
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(Unusable::because)?
        .with_client_cert_verifier(verifier.build().map_err(Unusable::because)?)
        .with_single_cert(chain, key)
        .map_err(Unusable::because)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Settings for browsers, with the certificate of a controller's settings: HTTP/1.1, and nobody is asked for a certificate.
///
/// # Errors
/// None that a controller's settings do not have.
pub fn browsers(controller: &ServerConfig) -> Result<Arc<ServerConfig>, Unusable> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(Unusable::because)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&controller.cert_resolver));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Believes a chain that ends in the CA of a hash, and shows it; the rest is webpki's judgement.
#[derive(Debug)]
struct PinnedAuthority {
    hash: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl PinnedAuthority {
    fn new(hash: [u8; 32]) -> Self {
        Self {
            hash,
            provider: provider(),
        }
    }
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let foreign = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let authority = intermediates
            .iter()
            .find(|shown| crate::token::sha256(shown) == self.hash)
            .ok_or_else(foreign)?;
        let roots = store([&authority.clone().into_owned()]).map_err(|_| foreign())?;
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&self.provider))
            .build()
            .map_err(|_| foreign())?
            .verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // The link speaks 1.3 only.
        Err(rustls::Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
