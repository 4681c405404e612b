//! What this process trusts when it fetches a scenario: the host's roots, or Mozilla's where the host has none, as in an empty image.

/// TLS settings for a client of the public web.
///
/// # Errors
/// When the provider of cryptography cannot do any version of TLS.
pub(crate) fn client() -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    // Also reads SSL_CERT_FILE and SSL_CERT_DIR.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
