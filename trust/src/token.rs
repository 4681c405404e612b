//! Join tokens: what a controller's owner hands to those who may come in.
//!
//! `throng_` and then base64url (RFC 4648 section 5, unpadded) of 73 bytes: version 1, the SHA-256 of the controller's CA certificate
//! (so that whoever holds the token knows the controller, with no trust on first use), an id of 8 bytes, and a secret of 32 random
//! bytes. Role, expiry and uses stand in the controller's books, not here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::ring::default_provider;
use sha2::{Digest, Sha256};
use std::fmt;

const PREFIX: &str = "throng_";
const VERSION: u8 = 1;
const BYTES: usize = 1 + 32 + 8 + 32;

/// A join token. Its `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the CA's certificate (DER).
    pub authority: [u8; 32],
    /// Which token; no secret.
    pub id: [u8; 8],
    /// What proves it.
    pub secret: [u8; 32],
}

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Something else entirely.
    #[error("this is no join token: one begins with `{PREFIX}`")]
    Foreign,
    /// Cut off, or with a letter too many.
    #[error("the join token is damaged: it must have {} characters", PREFIX.len() + (BYTES * 4).div_ceil(3))]
    Damaged,
    /// Of a later throng.
    #[error("the join token is of version {0}, and this throng knows version {VERSION}")]
    Version(u8),
}

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

/// Random bytes from the system.
///
/// # Errors
/// [`NoRandomness`].
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    let filled = default_provider().secure_random.fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| NoRandomness)
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Token {
    /// A new one for the CA of this hash.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn draw(authority: [u8; 32]) -> Result<Self, NoRandomness> {
        Ok(Self {
            authority,
            id: random()?,
            secret: random()?,
        })
    }

    /// Reads a token; spaces and line ends around it do not matter.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let body = text.trim().strip_prefix(PREFIX);
        let body = body.ok_or(TokenError::Foreign)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| TokenError::Damaged)?;
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&other) => return Err(TokenError::Version(other)),
            None => return Err(TokenError::Damaged),
        }
        let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| TokenError::Damaged)?;
        let mut token = Self {
            authority: [0; 32],
            id: [0; 8],
            secret: [0; 32],
        };
        token.authority.copy_from_slice(&bytes[1..33]);
        token.id.copy_from_slice(&bytes[33..41]);
        token.secret.copy_from_slice(&bytes[41..]);
        Ok(token)
    }

    /// The token as it is handed over. Not `Display`, so that it is not shown by accident.
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.authority);
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.secret);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("id", &hex(&self.id))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_went() {
        let token = Token::draw([7; 32]).unwrap();
        let text = token.text();
        assert_eq!(text.len(), 105);
        assert_eq!(Token::parse(&format!(" {text}\n")), Ok(token.clone()));
        assert_ne!(Token::draw([7; 32]).unwrap(), token);
        let shown = format!("{token:?}");
        assert!(!shown.contains(&hex(&token.secret)[..8]), "{shown}");
    }

    #[test]
    fn what_is_no_token_is_told() {
        let text = Token::draw([7; 32]).unwrap().text();
        let table = [
            ("", TokenError::Foreign),
            ("eyJhbGciOi", TokenError::Foreign),
            ("throng_", TokenError::Damaged),
            ("throng_!", TokenError::Damaged),
            (&text[..text.len() - 4], TokenError::Damaged),
            ("throng_AgAA", TokenError::Version(2)),
        ];
        for (text, wanted) in table {
            assert_eq!(Token::parse(text), Err(wanted), "{text}");
        }
    }
}
