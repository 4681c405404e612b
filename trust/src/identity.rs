//! Who a certificate says its holder is: `throng://agent/NAME` or `throng://operator/NAME` among its subject alternative names, or,
//! for issuers that cannot write those, an organizational unit `throng-agent` or `throng-operator` and the common name.
//!
//! Reads; whether the certificate may be believed was decided by the TLS handshake.

use rustls::pki_types::CertificateDer;
use std::fmt;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Longest name, in characters.
const LONGEST: usize = 63;

/// What a holder may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Join the fleet and make load.
    Agent,
    /// Start, watch and stop runs.
    Operator,
}

impl Role {
    /// As written in tokens' books, flags and certificates.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Operator => "operator",
        }
    }

    /// The role of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Agent, Self::Operator]
            .into_iter()
            .find(|role| role.word() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Who a certificate speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// What it may do.
    pub role: Role,
    /// What it is called.
    pub name: String,
    /// Tells holders of one name apart, and names the token it came in with: `TOKEN-RANDOM` in certificates of a controller's own
    /// CA, which stays the same when the certificate is renewed; empty in others.
    pub mark: String,
}

impl Identity {
    /// The URI in the certificate.
    #[must_use]
    pub fn uri(&self) -> String {
        let Self { role, name, mark } = self;
        if mark.is_empty() {
            format!("throng://{role}/{name}")
        } else {
            format!("throng://{role}/{name}/{mark}")
        }
    }

    fn of_uri(uri: &str) -> Result<Self, String> {
        let parts: Vec<&str> = uri
            .strip_prefix("throng://")
            .unwrap_or_default()
            .split('/')
            .collect();
        let (role, name, mark) = match parts[..] {
            [role, name] => (role, name, ""),
            [role, name, mark] => (role, name, mark),
            _ => return Err(format!("`{uri}` is not throng://ROLE/NAME")),
        };
        let known = Role::of(role)
            .ok_or_else(|| format!("`{uri}` names no role; they are agent and operator"))?;
        if clean(name) != name || !(mark.is_empty() || clean(mark) == mark) {
            return Err(format!(
                "`{uri}` has a name that is not made of up to {LONGEST} letters, digits, `.`, `_` and `-`"
            ));
        }
        Ok(Self {
            role: known,
            name: name.to_owned(),
            mark: mark.to_owned(),
        })
    }
}

/// A wish made fit to stand in a certificate: letters, digits, `.`, `_` and `-`, at most 63 of them.
#[must_use]
pub fn clean(wish: &str) -> String {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = wish
        .trim()
        .chars()
        .take(LONGEST)
        .map(|c| if fit(c) { c } else { '-' })
        .collect();
    if name.is_empty() {
        "unnamed".to_owned()
    } else {
        name
    }
}

/// Who a certificate says its holder is.
///
/// # Errors
/// A sentence for people: it names no role, or more than one.
pub fn read(certificate: &CertificateDer<'_>) -> Result<Identity, String> {
    let (_, certificate) = X509Certificate::from_der(certificate)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    let mut found = uris(&certificate)?;
    if found.is_empty() {
        found = units(&certificate);
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err("it names no role: a SAN URI throng://agent/NAME or throng://operator/NAME, or an OU throng-agent or throng-operator".to_owned()),
        _ => Err("it names more than one role".to_owned()),
    }
}

fn uris(certificate: &X509Certificate<'_>) -> Result<Vec<Identity>, String> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| format!("its alternative names cannot be read: {error}"))?;
    let Some(names) = names else {
        return Ok(Vec::new());
    };
    names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) if uri.starts_with("throng://") => Some(Identity::of_uri(uri)),
            _ => None,
        })
        .collect()
}

fn units(certificate: &X509Certificate<'_>) -> Vec<Identity> {
    let subject = certificate.subject();
    let name = subject
        .iter_common_name()
        .find_map(|name| name.as_str().ok());
    subject
        .iter_organizational_unit()
        .filter_map(|unit| Role::of(unit.as_str().ok()?.strip_prefix("throng-")?))
        .map(|role| Identity {
            role,
            name: clean(name.unwrap_or_default()),
            mark: String::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn certificate(uris: &[&str], units: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "paris 1");
        for unit in units {
            params
                .distinguished_name
                .push(DnType::OrganizationalUnitName, *unit);
        }
        for uri in uris {
            params
                .subject_alt_names
                .push(SanType::URI((*uri).try_into().unwrap()));
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn roles_come_from_a_uri_or_else_from_a_unit() {
        let is = |uris: &[&str], units: &[&str]| {
            read(&certificate(uris, units)).map(|who| (who.role, who.name, who.mark))
        };
        let who = |role, name: &str, mark: &str| Ok((role, name.to_owned(), mark.to_owned()));
        assert_eq!(
            is(&["https://x.test/", "throng://agent/paris-1"], &[]),
            who(Role::Agent, "paris-1", "")
        );
        assert_eq!(
            is(&["throng://operator/ada/0a-1b"], &["throng-agent"]),
            who(Role::Operator, "ada", "0a-1b"),
            "the URI counts"
        );
        assert_eq!(is(&[], &["throng-agent"]), who(Role::Agent, "paris-1", ""));
        for (uris, units, why) in [
            (&[][..], &["sales"][..], "names no role"),
            (
                &["throng://agent/a", "throng://operator/a"],
                &[],
                "more than one",
            ),
            (&["throng://boss/a"], &[], "names no role"),
            (&["throng://agent/a b"], &[], "has a name"),
            (&["throng://agent/"], &[], "has a name"),
            (&["throng://agent"], &[], "is not throng://"),
            (&["throng://agent/a/b/c"], &[], "is not throng://"),
        ] {
            let told = is(uris, units).unwrap_err();
            assert!(told.contains(why), "{uris:?}: {told}");
        }
        assert!(read(&CertificateDer::from(vec![1, 2, 3])).is_err());
    }
}
