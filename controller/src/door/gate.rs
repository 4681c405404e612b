//! How a listener lets peers in: in clear text, or by TLS with settings that are those of now, for certificates change under a
//! controller that stands for months.

use super::authority::{Authority, Trouble};
use super::books::Books;
use crate::clock;
use rustls::ServerConfig;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use trust::files::{self, Stamp};

/// How long the controller's own certificate holds,
const OWN: Duration = Duration::from_secs(30 * 24 * 3600);
/// and after how much of that a connection makes it a new one.
const OWN_OLD: Duration = Duration::from_secs(10 * 24 * 3600);

/// How a listener lets peers in.
#[derive(Debug, Clone)]
pub enum Door {
    /// Whoever reaches it, in clear text: the loopback, or `--insecure`.
    Open,
    /// Those with a certificate; and strangers, to enrol, where the CA is the controller's own.
    Tls(Arc<Gate>),
}

/// TLS settings, and the office that signs where there is one.
#[derive(Debug)]
pub struct Gate {
    kind: Kind,
    now: Mutex<Now>,
}

#[derive(Debug)]
enum Kind {
    Own(Box<Office>),
    Files(Files),
}

/// Settings, and when (or from which files) they were made.
#[derive(Debug)]
struct Now {
    config: Arc<ServerConfig>,
    made: u64,
    seen: [Option<Stamp>; 3],
}

/// Who signs.
#[derive(Debug)]
pub(crate) struct Office {
    pub(super) authority: Authority,
    pub(super) books: Books,
    /// How long certificates of agents and operators hold.
    pub(super) lifetime: Duration,
    names: Vec<String>,
}

/// PEM files that somebody else renews.
#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
}

impl Gate {
    /// With the controller's own CA. `names` are the names and addresses under which it is reached; certificates of agents and
    /// operators hold for `lifetime`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn own(
        authority: Authority,
        names: Vec<String>,
        lifetime: Duration,
    ) -> Result<Self, Trouble> {
        let books = authority.books();
        let office = Office {
            authority,
            books,
            lifetime,
            names,
        };
        let config = office.config()?;
        Ok(Self::new(Kind::Own(Box::new(office)), config, [None; 3]))
    }

    /// With a certificate, its key, and the authorities whose peers may come in, from PEM files. They are read again when they change.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn files(certificate: &Path, key: &Path, authority: &Path) -> Result<Self, Trouble> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            authority: authority.to_owned(),
        };
        let (seen, config) = (files.seen(), files.config()?);
        Ok(Self::new(Kind::Files(files), config, seen))
    }

    fn new(kind: Kind, config: Arc<ServerConfig>, seen: [Option<Stamp>; 3]) -> Self {
        Self {
            kind,
            now: Mutex::new(Now {
                config,
                made: clock::now(),
                seen,
            }),
        }
    }

    /// The settings for the next connection.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let renewed = match &self.kind {
            Kind::Own(office) => {
                let age = clock::now().saturating_sub(now.made);
                (age > clock::ns(OWN_OLD)).then(|| office.config())
            }
            Kind::Files(files) => {
                let seen = files.seen();
                let changed = seen != now.seen;
                now.seen = seen;
                changed.then(|| files.config())
            }
        };
        match renewed {
            None => {}
            Some(Ok(config)) => {
                tracing::info!("the controller's certificate was renewed");
                now.config = config;
                now.made = clock::now();
            }
            Some(Err(error)) => {
                tracing::error!(
                    "the controller's certificate could not be renewed, the old one stays: {error}"
                );
            }
        }
        Arc::clone(&now.config)
    }

    /// The settings for the next connection of a browser, which is asked for no certificate.
    ///
    /// # Errors
    /// [`Trouble::Certificate`].
    pub fn browsers(&self) -> Result<Arc<ServerConfig>, Trouble> {
        trust::tls::browsers(&self.config())
            .map_err(|error| Trouble::Certificate(error.to_string()))
    }

    /// Who signs; `None` where somebody else does.
    pub(crate) fn office(&self) -> Option<&Office> {
        match &self.kind {
            Kind::Own(office) => Some(office),
            Kind::Files(_) => None,
        }
    }
}

impl Office {
    fn config(&self) -> Result<Arc<ServerConfig>, Trouble> {
        let (chain, key) = self.authority.controller(&self.names, OWN)?;
        let authorities = [self.authority.certificate().clone()];
        trust::tls::server(chain, key, &authorities, true)
            .map_err(|error| Trouble::Certificate(error.to_string()))
    }
}

impl Files {
    fn seen(&self) -> [Option<Stamp>; 3] {
        [&self.certificate, &self.key, &self.authority].map(|path| files::stamp(path))
    }

    fn config(&self) -> Result<Arc<ServerConfig>, Trouble> {
        let told = |path: &Path, error| Trouble::File {
            path: path.to_owned(),
            error,
        };
        let certificates = |path: &Path| {
            std::fs::read(path)
                .and_then(|pem| files::certificates(&pem))
                .map_err(|error| told(path, error))
        };
        let key = std::fs::read(&self.key)
            .and_then(|pem| files::private_key(&pem))
            .map_err(|error| told(&self.key, error))?;
        let (chain, authorities) = (
            certificates(&self.certificate)?,
            certificates(&self.authority)?,
        );
        trust::tls::server(chain, key, &authorities, false)
            .map_err(|error| Trouble::Certificate(error.to_string()))
    }
}
