//! Certificate signing requests, as whoever signs reads them: only the public key counts, and that its sender has the private one.

use rcgen::{CertificateSigningRequestParams, PublicKey, PublicKeyData};
use rustls::pki_types::CertificateSigningRequestDer;

/// Largest, in bytes.
const MOST: usize = 8 << 10;

/// A signing request whose own signature was checked.
#[derive(Debug)]
pub struct SigningRequest(CertificateSigningRequestParams);

impl SigningRequest {
    /// Reads one (PKCS #10, DER).
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        if der.len() > MOST {
            return Err(format!(
                "the signing request of {} bytes is beyond the limit of {MOST}",
                der.len()
            ));
        }
        CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der.to_vec()))
            .map(Self)
            .map_err(|error| format!("the signing request cannot be used: {error}"))
    }

    /// Its public key, to be signed.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    /// The same, as bytes.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.0.public_key.der_bytes()
    }
}
