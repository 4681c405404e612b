//! What opens a controller's door: a join token, or certificates in files. Flags of every verb that dials one, and what they come to.

use crate::control::Control;
use crate::error::Error;
use crate::places;
use clap::builder::NonEmptyStringValueParser;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trust::keeper::Source;
use trust::{Address, Keeper, Role, Token};

/// Under which help lists these flags.
pub(crate) const SECURITY: &str = "Security (docs/security.md)";
/// Largest file that may hold a token, in bytes.
const LARGEST: u64 = 4096;

/// How to come in.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Access {
    /// A join token. What is typed here, others on this host can read: better a file, or THRONG_JOIN
    #[arg(long, env = "THRONG_JOIN", value_name = "TOKEN", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "join_file", help_heading = SECURITY)]
    pub(crate) join: Option<String>,
    /// A file with a join token; `-` for stdin
    #[arg(long, env = "THRONG_JOIN_FILE", value_name = "FILE", help_heading = SECURITY)]
    pub(crate) join_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) files: TlsFiles,
}

/// Certificates of one's own CA instead of throng's, and none at all.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TlsFiles {
    /// PEM: the CA to believe, instead of throng's own
    #[arg(long, env = "THRONG_TLS_CA", value_name = "FILE", requires_all = ["tls_cert", "tls_key"], help_heading = SECURITY)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// PEM: our certificate from that CA
    #[arg(long, env = "THRONG_TLS_CERT", value_name = "FILE", requires_all = ["tls_ca", "tls_key"], help_heading = SECURITY)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM: its key
    #[arg(long, env = "THRONG_TLS_KEY", value_name = "FILE", requires_all = ["tls_ca", "tls_cert"], help_heading = SECURITY)]
    pub(crate) tls_key: Option<PathBuf>,
    /// Clear text beyond this host: whoever is on the way reads and changes everything
    #[arg(long, env = "THRONG_INSECURE", help_heading = SECURITY)]
    pub(crate) insecure: bool,
}

impl TlsFiles {
    /// (CA, certificate, key), if they were given; clap sees to it that they come together.
    pub(crate) fn all(&self) -> Option<(&Path, &Path, &Path)> {
        Some((
            self.tls_ca.as_deref()?,
            self.tls_cert.as_deref()?,
            self.tls_key.as_deref()?,
        ))
    }
}

impl Access {
    /// Reads a controller's address, as these flags allow it.
    ///
    /// # Errors
    /// `Flags`.
    pub(crate) fn address(&self, url: &str) -> Result<Address, Error> {
        Address::parse(url, self.files.insecure).map_err(|error| {
            Error::flags(
                format!("--controller {error}"),
                format!("write e.g. {}", crate::args::CONTROLLER),
            )
        })
    }

    /// Where credentials come from; `None` for an address in clear text.
    ///
    /// # Errors
    /// `Flags`, `Read`.
    pub(crate) fn source(
        &self,
        address: &Address,
        role: Role,
        name: String,
        file: Option<PathBuf>,
    ) -> Result<Option<Source>, Error> {
        if !address.is_tls() {
            if !address.is_loopback() {
                tracing::warn!(
                    "--insecure: {} is dialed in clear text; whoever is on the way reads and changes everything",
                    address.url()
                );
            }
            return Ok(None);
        }
        if let Some((authority, certificate, key)) = self.files.all() {
            return Ok(Some(Source::Files {
                authority: authority.to_owned(),
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            }));
        }
        Ok(Some(Source::Join {
            token: self.token()?,
            role,
            name,
            file,
        }))
    }

    /// The token that was given.
    ///
    /// # Errors
    /// `Flags`, `Read`.
    pub(crate) fn token(&self) -> Result<Option<Token>, Error> {
        let (text, flag) = match (&self.join, &self.join_file) {
            (Some(text), _) => (text.clone(), "--join".to_owned()),
            (None, Some(path)) => (read(path)?, format!("--join-file {}", path.display())),
            (None, None) => return Ok(None),
        };
        Token::parse(&text).map(Some).map_err(|error| {
            Error::flags(
                format!("{flag}: {error}"),
                "`throng token create` prints one where the controller's state is",
            )
        })
    }

    /// Dials a controller as an operator.
    ///
    /// # Errors
    /// `Flags`, `Read`, `Unreachable`, `Door`.
    pub(crate) async fn connect(&self, url: &str) -> Result<Control, Error> {
        let address = self.address(url)?;
        let file = places::credentials(&address);
        let name = std::env::var("USER").unwrap_or_else(|_| Role::Operator.word().to_owned());
        let keeper = self
            .source(&address, Role::Operator, name, file)?
            .map(|source| Arc::new(Keeper::new(address.clone(), source)));
        Control::dial(address, keeper).await
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let told = |error: std::io::Error| Error::Read {
        path: path.display().to_string(),
        why: error.to_string(),
    };
    let mut text = String::new();
    if path.as_os_str() == "-" {
        let stdin = std::io::stdin().lock();
        stdin
            .take(LARGEST)
            .read_to_string(&mut text)
            .map_err(told)?;
        return Ok(text);
    }
    let file = std::fs::File::open(path).map_err(told)?;
    let mode = file.metadata().map_err(told)?.permissions().mode();
    if mode & 0o004 != 0 {
        tracing::warn!(
            "{}: everybody on this host may read this token (mode {:03o}); make it 600",
            path.display(),
            mode & 0o777
        );
    }
    file.take(LARGEST).read_to_string(&mut text).map_err(told)?;
    Ok(text)
}
