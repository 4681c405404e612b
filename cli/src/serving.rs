//! How a controller's listener lets peers in: flags of `throng controller` and `throng run --listen`, and the door they come to.

use crate::access::{SECURITY, TlsFiles};
use crate::error::Error;
use crate::places;
use controller::door::{Authority, Door, Gate, Trouble};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use trust::Role;

/// How long a token holds that a controller prints at its start.
pub(crate) const PRINTED: Duration = Duration::from_secs(24 * 3600);

/// Where the CA and the book of tokens are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct State {
    /// Where secrets are kept: a controller's CA and its book of tokens, an agent's certificate [default: the user's state
    /// directory, e.g. ~/.local/state/throng]
    #[arg(
        long,
        env = "THRONG_STATE",
        value_name = "DIR",
        help_heading = SECURITY
    )]
    pub(crate) state: Option<PathBuf>,
}

impl State {
    /// The directory.
    ///
    /// # Errors
    /// `Flags` when there is none.
    pub(crate) fn folder(&self) -> Result<PathBuf, Error> {
        self.state.clone().or_else(places::state).ok_or_else(|| {
            Error::flags(
                "there is no directory for secrets: neither --state nor HOME is set",
                "name one that only you may read with --state",
            )
        })
    }

    /// The CA in it; makes both if they are not there.
    ///
    /// # Errors
    /// `Flags`, `State`.
    pub(crate) fn authority(&self) -> Result<Authority, Error> {
        Authority::open(&self.folder()?).map_err(trouble)
    }
}

/// How to serve.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Serving {
    #[command(flatten)]
    pub(crate) state: State,
    /// Copy a CA and its book of tokens from here to --state at the start, over what is there: a mounted Secret cannot be written to
    #[arg(
        long,
        env = "THRONG_STATE_FROM",
        value_name = "DIR",
        help_heading = "Security (docs/security.md)"
    )]
    pub(crate) state_from: Option<PathBuf>,
    /// Speak TLS on the loopback too; elsewhere throng does
    #[arg(long, env = "THRONG_TLS", conflicts_with = "insecure", help_heading = SECURITY)]
    pub(crate) tls: bool,
    /// A name or address by which the controller is reached, for its certificate; repeat it. Needed only by programs that check it:
    /// throng's own know the controller by its CA
    #[arg(
        long = "tls-name",
        env = "THRONG_TLS_NAME",
        value_name = "NAME",
        value_delimiter = ',', help_heading = SECURITY)]
    pub(crate) tls_names: Vec<String>,
    /// How long certificates of agents and operators hold; they are renewed by themselves
    #[arg(long, env = "THRONG_CERT_LIFE", value_name = "TIME", default_value = "24h", value_parser = plan::parse_duration, help_heading = SECURITY)]
    pub(crate) cert_life: Duration,
    /// Print no join token at the start
    #[arg(long, env = "THRONG_NO_TOKEN", help_heading = SECURITY)]
    pub(crate) no_token: bool,
    /// Set when --state-from was copied: that is done once, since tokens are made after it.
    #[arg(skip)]
    pub(crate) copied: OnceLock<()>,
}

/// A door, and what to say about it.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) door: Door,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// A token for one agent.
    pub(crate) token: Option<String>,
}

/// What a CA in trouble means for who started a controller.
pub(crate) fn trouble(trouble: Trouble) -> Error {
    Error::State(trouble.to_string())
}

/// Copies what a state directory holds; the key so that only its owner may read it.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let told = |path: &Path, error: std::io::Error| {
        Error::State(format!("{}: {error} (--state-from)", path.display()))
    };
    trust::files::folder(to).map_err(|error| told(to, error))?;
    for name in Authority::FILES {
        let path = from.join(name);
        let bytes = trust::files::read_secret(&path).map_err(|error| told(&path, error))?;
        let place = to.join(name);
        trust::files::write(&place, &bytes).map_err(|error| told(&place, error))?;
    }
    Ok(())
}

impl Serving {
    /// The door of a listener at this address.
    ///
    /// # Errors
    /// `Flags`, `State`.
    pub(crate) fn open(&self, address: SocketAddr, files: &TlsFiles) -> Result<Opened, Error> {
        let given = files.all();
        let beyond = !address.ip().is_loopback();
        if files.insecure && (given.is_some() || self.tls) {
            return Err(Error::flags(
                "--insecure is clear text, and certificates are for TLS",
                "leave one of them out",
            ));
        }
        if !(self.tls || given.is_some() || beyond) || files.insecure {
            if beyond {
                tracing::warn!(%address, "--insecure: clear text, and no certificates: whoever reaches this address runs load from every agent, and whoever is on the way reads and changes everything (docs/security.md)");
            }
            return Ok(Opened {
                door: Door::Open,
                scheme: "http",
                token: None,
            });
        }
        let (gate, token) = match given {
            Some((authority, certificate, key)) => (
                Gate::files(certificate, key, authority).map_err(trouble)?,
                None,
            ),
            None => {
                let authority = self.authority()?;
                let token = if self.no_token {
                    None
                } else {
                    let token = authority
                        .token(Role::Agent, Some(1), PRINTED)
                        .map_err(trouble)?;
                    Some(token.text())
                };
                let gate = Gate::own(authority, self.names(address), self.cert_life);
                (gate.map_err(trouble)?, token)
            }
        };
        Ok(Opened {
            door: Door::Tls(Arc::new(gate)),
            scheme: "https",
            token,
        })
    }

    /// The CA, from the state directory.
    ///
    /// # Errors
    /// `Flags`, `State`.
    pub(crate) fn authority(&self) -> Result<Authority, Error> {
        if let (Some(from), None) = (&self.state_from, self.copied.get()) {
            copy(from, &self.state.folder()?)?;
            let _ = self.copied.set(());
        }
        self.state.authority()
    }

    /// TLS at this address, also under these names, whoever comes.
    ///
    /// # Errors
    /// `Flags`, `State`.
    pub(crate) fn gate(
        &self,
        address: SocketAddr,
        names: &[String],
        files: &TlsFiles,
    ) -> Result<Gate, Error> {
        let gate = match files.all() {
            Some((authority, certificate, key)) => Gate::files(certificate, key, authority),
            None => {
                let mut all = self.names(address);
                all.extend_from_slice(names);
                Gate::own(self.authority()?, all, self.cert_life)
            }
        };
        gate.map_err(trouble)
    }

    fn names(&self, address: SocketAddr) -> Vec<String> {
        let mut names = self.tls_names.clone();
        if !address.ip().is_unspecified() {
            names.push(address.ip().to_string());
        }
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_copied_whole_over_what_is_there() {
        let folder = std::env::temp_dir().join(format!("throng-state-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let (from, to) = (folder.join("secret"), folder.join("state"));
        let first = Authority::open(&from).unwrap();
        assert!(copy(&from, &to).is_err(), "there is no book yet");
        first.token(Role::Agent, None, PRINTED).unwrap();
        Authority::open(&to).unwrap();
        copy(&from, &to).unwrap();
        let second = Authority::open(&to).unwrap();
        assert_eq!(first.hash(), second.hash());
        assert_eq!(second.books().list().unwrap().len(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
