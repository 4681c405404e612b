//! Whom a host trusts on the public web: its own roots, or Mozilla's where it has none, as in an empty image.

use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// The host's roots.
#[must_use]
pub fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Also reads SSL_CERT_FILE and SSL_CERT_DIR. What it cannot read or parse is not fatal while something remains.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// TLS settings for a client that believes them.
///
/// # Errors
/// When the provider of cryptography cannot do any version of TLS.
pub fn client() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots()).with_no_client_auth())
}
