//! The controller's own CA: made once, kept in the state directory (`authority.pem`, and `authority.key` that only its owner may read,
//! and that nothing ever sends), signing for controllers, agents and operators of one fleet.

use super::books::{Books, lock};
use crate::clock;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trust::token::{self, Token, hex};
use trust::{Identity, Role, SigningRequest, files};

/// How long the CA itself holds.
const AUTHORITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// What others check holds from before now: their clocks may be behind.
const BACKDATED: Duration = Duration::from_secs(48 * 3600);
/// What only the controller checks does not need to.
const NOW: Duration = Duration::ZERO;

/// What can go wrong with the state directory or the CA in it.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A file.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Keys or certificates.
    #[error("{0}")]
    Certificate(String),
}

impl Trouble {
    fn file(path: &Path, error: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            error,
        }
    }

    fn certificate(what: impl ToString) -> Self {
        Self::Certificate(what.to_string())
    }
}

/// The CA.
#[derive(Debug)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// What a state directory holds, once a token was made.
    pub const FILES: [&str; 3] = ["authority.pem", "authority.key", "tokens.json"];

    /// The CA of a state directory; makes both if they are not there.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn open(folder: &Path) -> Result<Self, Trouble> {
        files::folder(folder).map_err(|error| Trouble::file(folder, error))?;
        let _alone = lock(folder).map_err(|error| Trouble::file(folder, error))?;
        let (certificate_file, key_file) =
            (folder.join("authority.pem"), folder.join("authority.key"));
        if !certificate_file.exists() {
            make(&certificate_file, &key_file)?;
        }
        let pem = std::fs::read(&certificate_file)
            .and_then(|pem| files::certificates(&pem))
            .map_err(|error| Trouble::file(&certificate_file, error))?;
        let key = files::read_secret(&key_file)
            .and_then(|pem| String::from_utf8(pem).map_err(io::Error::other))
            .map_err(|error| Trouble::file(&key_file, error))?;
        let key = KeyPair::from_pem(&key).map_err(Trouble::certificate)?;
        let certificate = pem[0].clone();
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(Trouble::certificate)?;
        Ok(Self {
            certificate,
            issuer,
            folder: folder.to_owned(),
        })
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What tokens carry: SHA-256 of its certificate.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        token::sha256(&self.certificate)
    }

    /// The book of tokens beside it.
    #[must_use]
    pub fn books(&self) -> Books {
        Books::new(&self.folder)
    }

    /// Makes a token and enters it.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn token(
        &self,
        role: Role,
        uses: Option<u64>,
        expires: Duration,
    ) -> Result<Token, Trouble> {
        let token = Token::draw(self.hash()).map_err(Trouble::certificate)?;
        let now = clock::unix_ms();
        let until = now.saturating_add(u64::try_from(expires.as_millis()).unwrap_or(u64::MAX));
        self.books()
            .enter(&token, role, uses, now, until)
            .map_err(|error| Trouble::file(&self.folder.join("tokens.json"), error))?;
        Ok(token)
    }

    /// A new key and certificate for the controller, under its names and addresses.
    ///
    /// # Errors
    /// [`Trouble::Certificate`].
    pub fn controller(
        &self,
        names: &[String],
        lifetime: Duration,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Trouble> {
        let key = KeyPair::generate().map_err(Trouble::certificate)?;
        let mut params = leaf("throng controller", BACKDATED, lifetime)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let own = [trust::tls::CONTROLLER.to_owned(), "localhost".to_owned()];
        for name in own.iter().chain(names) {
            let name = match name.parse::<IpAddr>() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(|_| {
                    Trouble::Certificate(format!("`{name}` is no name that a certificate can have"))
                })?),
            };
            params.subject_alt_names.push(name);
        }
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(Trouble::certificate)?;
        // The CA goes along: whoever holds a token knows it by hash only.
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        Ok((chain, PrivateKeyDer::Pkcs8(key.serialize_der().into())))
    }

    /// A certificate for who asks with a signing request, of which only the key is used.
    ///
    /// # Errors
    /// A sentence for people, about the request.
    pub fn sign(
        &self,
        request: &SigningRequest,
        identity: &Identity,
        lifetime: Duration,
    ) -> Result<CertificateDer<'static>, Trouble> {
        let mut params = leaf(&identity.name, NOW, lifetime)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let uri = identity.uri().try_into().map_err(Trouble::certificate)?;
        params.subject_alt_names.push(SanType::URI(uri));
        params
            .signed_by(request.public_key(), &self.issuer)
            .map(|certificate| certificate.der().clone())
            .map_err(Trouble::certificate)
    }

    /// A mark for a certificate from this token.
    ///
    /// # Errors
    /// [`Trouble::Certificate`].
    pub fn mark(token: &[u8]) -> Result<String, Trouble> {
        let random = token::random::<8>().map_err(Trouble::certificate)?;
        Ok(format!("{}-{}", hex(token), hex(&random)))
    }
}

fn leaf(name: &str, backdated: Duration, lifetime: Duration) -> Result<CertificateParams, Trouble> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(
        token::random::<16>()
            .map_err(Trouble::certificate)?
            .to_vec(),
    ));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, backdated, lifetime);
    Ok(params)
}

fn set_validity(params: &mut CertificateParams, backdated: Duration, lifetime: Duration) {
    let epoch = date_time_ymd(1970, 1, 1);
    let now = Duration::from_millis(clock::unix_ms());
    params.not_before = epoch + now.saturating_sub(backdated);
    params.not_after = epoch + (now + lifetime);
}

fn make(certificate_file: &Path, key_file: &Path) -> Result<(), Trouble> {
    let key = KeyPair::generate().map_err(Trouble::certificate)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "throng controller's own CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, BACKDATED, AUTHORITY);
    let certificate = params.self_signed(&key).map_err(Trouble::certificate)?;
    files::write(key_file, key.serialize_pem().as_bytes())
        .map_err(|error| Trouble::file(key_file, error))?;
    // The certificate last: where it is, both are.
    files::write(certificate_file, certificate.pem().as_bytes())
        .map_err(|error| Trouble::file(certificate_file, error))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use trust::identity;

    #[test]
    fn what_stands_in_a_certificate_is_the_signers_to_say() {
        let folder = std::env::temp_dir().join(format!("throng-authority-{}", std::process::id()));
        let authority = Authority::open(&folder).unwrap();
        let mut wishes = CertificateParams::new(vec![trust::tls::CONTROLLER.to_owned()]).unwrap();
        let uri = "throng://operator/eve".try_into().unwrap();
        wishes.subject_alt_names.push(SanType::URI(uri));
        wishes.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wishes.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let wishes = wishes.serialize_request(&key).unwrap();
        let request = SigningRequest::read(wishes.der()).unwrap();
        let agent = Identity {
            role: Role::Agent,
            name: "red".to_owned(),
            mark: Authority::mark(&[1, 2]).unwrap(),
        };
        let signed = authority
            .sign(&request, &agent, Duration::from_secs(60))
            .unwrap();
        assert_eq!(identity::read(&signed), Ok(agent));
        let text = String::from_utf8_lossy(&signed);
        assert!(!text.contains(trust::tls::CONTROLLER) && !text.contains("eve"));

        // Opened again, it is the same one.
        let hash = authority.hash();
        assert_eq!(Authority::open(&folder).unwrap().hash(), hash);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
