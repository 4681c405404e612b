//! TLS settings, built once per agent: rustls with ring, the system's roots (Mozilla's if the system has none), ALPN.
//!
//! Sessions are not resumed, as in k6: one cache for all VUs would let the second user of a run skip the handshake that
//! every real user pays for.

use super::shared::SharedError;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// Builds the settings.
pub(super) fn config(
    insecure: bool,
    http2: bool,
    extra_roots: Vec<CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, SharedError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(Arc::<CryptoProvider>::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| SharedError::Tls(error.to_string()))?;
    let mut config = if insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TrustAnybody { algorithms }))
            .with_no_client_auth()
    } else {
        builder
            .with_root_certificates(roots(extra_roots)?)
            .with_no_client_auth()
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = if http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    Ok(Arc::new(config))
}

fn roots(extra: Vec<CertificateDer<'static>>) -> Result<RootCertStore, SharedError> {
    let mut store = trust::web::roots();
    for certificate in extra {
        store.add(certificate).map_err(|error| {
            SharedError::Tls(format!("an extra root certificate cannot be used: {error}"))
        })?;
    }
    Ok(store)
}

/// The name of a negotiated version as k6 tags it.
pub(super) fn version_name(version: Option<rustls::ProtocolVersion>) -> Option<&'static str> {
    match version? {
        rustls::ProtocolVersion::TLSv1_2 => Some("tls1.2"),
        rustls::ProtocolVersion::TLSv1_3 => Some("tls1.3"),
        _ => None,
    }
}

/// `insecureSkipTLSVerify`: any certificate will do; signatures are still checked against it.
#[derive(Debug)]
struct TrustAnybody {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for TrustAnybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
