//! Trading a token, or a certificate that still holds, for a short-lived one. The private key is made here and stays here.

use crate::dial::{self, Address, DialError, Tls};
use crate::identity::{self, Identity, Role};
use crate::tls::{self, Credentials, Roots};
use crate::token::{Token, sha256};
use proto::v1::door_client::DoorClient;
use proto::v1::{EnrolRequest, Enrolled, PeerRole, RenewRequest};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::time::Duration;
use tonic::transport::Channel;

/// For one exchange.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was given.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Key, certificate, and the CA that signed it.
    pub credentials: Credentials,
    /// Who we are now.
    pub identity: Identity,
    /// How long the certificate holds, from when it was given.
    pub lifetime: Duration,
}

/// A private key that nobody else has seen.
#[derive(Debug)]
pub struct NewKey(KeyPair);

impl NewKey {
    /// Makes one (ECDSA on P-256).
    ///
    /// # Errors
    /// [`DialError::Own`]: the system gives no random bytes.
    pub fn generate() -> Result<Self, DialError> {
        KeyPair::generate()
            .map(Self)
            .map_err(|error| DialError::Own(format!("no key could be made: {error}")))
    }

    /// A certificate signing request (DER) for it. It asks for nothing: what will stand in the certificate is the signer's to say.
    ///
    /// # Errors
    /// [`DialError::Own`].
    pub fn request(&self) -> Result<Vec<u8>, DialError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .serialize_request(&self.0)
            .map(|request| request.der().to_vec())
            .map_err(|error| DialError::Own(format!("no signing request could be made: {error}")))
    }

    fn with(self, answer: Enrolled, known: &Roots) -> Result<Enrolment, DialError> {
        let certificate = CertificateDer::from(answer.certificate);
        let authority = CertificateDer::from(answer.authority);
        let same = match known {
            Roots::Pinned(hash) => sha256(&authority) == *hash,
            Roots::Own(own) => *own == authority,
            Roots::Given(_) => false,
        };
        if !same {
            return Err(DialError::Untrusted(
                "it gave a certificate of another CA".to_owned(),
            ));
        }
        let identity = identity::read(&certificate).map_err(|why| {
            DialError::Refused(format!("the certificate it gave is of no use: {why}"))
        })?;
        let key = PrivateKeyDer::Pkcs8(self.0.serialize_der().into());
        Ok(Enrolment {
            credentials: Credentials {
                chain: vec![certificate],
                key,
                roots: Roots::Own(authority),
            },
            identity,
            lifetime: Duration::from_millis(answer.lifetime_ms),
        })
    }
}

/// Enrols with a token. The controller must show the CA that the token names.
///
/// # Errors
/// [`DialError`].
pub async fn enrol(
    address: &Address,
    token: &Token,
    role: Role,
    name: &str,
) -> Result<Enrolment, DialError> {
    let roots = Roots::Pinned(token.authority);
    let key = NewKey::generate()?;
    let request = EnrolRequest {
        protocol: proto::PROTOCOL,
        token: token.id.to_vec(),
        secret: token.secret.to_vec(),
        request: key.request()?,
        name: name.to_owned(),
        role: match role {
            Role::Agent => PeerRole::RoleAgent,
            Role::Operator => PeerRole::RoleOperator,
        }
        .into(),
    };
    let exchange = async {
        let channel = channel(address, &roots, None).await?;
        // The token's use is counted before the answer comes; asking again with the same key costs no second one.
        let mut client = DoorClient::new(channel);
        let answer = match client.enrol(request.clone()).await {
            Err(status) if !dial::explain_status(&status).is_final() => client.enrol(request).await,
            answer => answer,
        };
        answer.map_err(|status| dial::explain_status(&status))
    };
    let answer = in_time(exchange).await?;
    let enrolment = key.with(answer.into_inner(), &roots)?;
    if enrolment.identity.role != role {
        return Err(DialError::Refused(format!(
            "the certificate it gave is for an {}, and this is an {role}",
            enrolment.identity.role
        )));
    }
    Ok(enrolment)
}

/// Trades a certificate that still holds for the next one, with a new key.
///
/// # Errors
/// [`DialError`].
pub async fn renew(address: &Address, credentials: &Credentials) -> Result<Enrolment, DialError> {
    let key = NewKey::generate()?;
    let request = RenewRequest {
        request: key.request()?,
    };
    let exchange = async {
        let channel = channel(address, &credentials.roots, Some(credentials)).await?;
        let answer = DoorClient::new(channel).renew(request).await;
        answer.map_err(|status| dial::explain_status(&status))
    };
    let answer = in_time(exchange).await?;
    key.with(answer.into_inner(), &credentials.roots)
}

async fn in_time<T>(exchange: impl Future<Output = Result<T, DialError>>) -> Result<T, DialError> {
    let late = |_| DialError::Unreachable(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .map_err(late)?
}

async fn channel(
    address: &Address,
    roots: &Roots,
    own: Option<&Credentials>,
) -> Result<Channel, DialError> {
    let own = own.map(|own| (own.chain.clone(), own.key.clone_key()));
    let config = tls::client(roots, own).map_err(|error| DialError::Own(error.to_string()))?;
    let tls = Tls::new(config, roots, address)?;
    dial::connect(dial::endpoint(address)?, address, Some(tls)).await
}
