//! Keeps what a process shows at the door: gets it (from a file, by a token), renews it before it expires, and has it ready for the
//! next connection. Connections that are there are not touched: a certificate counts when a connection is made.

use crate::clock;
use crate::dial::{Address, DialError, Tls};
use crate::enrol::{self, Enrolment};
use crate::files;
use crate::identity::{self, Identity, Role};
use crate::tls::{self, Credentials, Roots};
use crate::token::{Token, hex, sha256};
use rustls::pki_types::CertificateDer;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Between attempts to renew that fail, at least.
const AGAIN: Duration = Duration::from_secs(1);

/// How often the time between such attempts doubles, if more than patience is needed: up to a sixth of the lifetime.
const RARER: u32 = 2;

/// Where credentials come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// From a join token, or kept from an earlier time.
    Join {
        /// Needed when nothing is kept, or what is kept has expired.
        token: Option<Token>,
        /// As what.
        role: Role,
        /// Under which name.
        name: String,
        /// The file in which they are kept; `None`: in memory only.
        file: Option<PathBuf>,
    },
    /// PEM files that somebody else renews; read at each connection.
    Files {
        /// Authorities to believe.
        authority: PathBuf,
        /// Our certificate, and those between it and the authority.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

#[derive(Debug, Default)]
struct Kept {
    credentials: Option<Credentials>,
    lifetime: Duration,
    /// When they were given; `None` for those from the file, whose age only the wall clock tells.
    since: Option<Instant>,
    /// The file was looked at.
    looked: bool,
}

/// One process's credentials for one controller.
#[derive(Debug)]
pub struct Keeper {
    address: Address,
    source: Source,
    kept: Mutex<Kept>,
    renewed: Notify,
    /// One enrolment at a time.
    enrolling: tokio::sync::Mutex<()>,
}

impl Keeper {
    /// One that has nothing yet.
    #[must_use]
    pub fn new(address: Address, source: Source) -> Self {
        Self {
            address,
            source,
            kept: Mutex::default(),
            renewed: Notify::new(),
            enrolling: tokio::sync::Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing that holds the lock can panic halfway through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to make the next connection with; enrols if there is nothing.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn tls(&self) -> Result<Tls, DialError> {
        let credentials = match &self.source {
            Source::Files {
                authority,
                certificate,
                key,
            } => {
                let read = |path: &PathBuf| std::fs::read(path);
                let told = |path: &PathBuf, error: std::io::Error| {
                    DialError::Own(format!("{}: {error}", path.display()))
                };
                let of = |path: &PathBuf| {
                    read(path)
                        .and_then(|pem| files::certificates(&pem))
                        .map_err(|error| told(path, error))
                };
                Credentials {
                    chain: of(certificate)?,
                    key: read(key)
                        .and_then(|pem| files::private_key(&pem))
                        .map_err(|error| told(key, error))?,
                    roots: Roots::Given(of(authority)?),
                }
            }
            Source::Join {
                token,
                role,
                name,
                file,
            } => {
                let _one = self.enrolling.lock().await;
                match self.held(file.as_ref(), token.as_ref())? {
                    Some(credentials) => credentials,
                    None => {
                        let token = token.as_ref().ok_or_else(|| self.nothing(*role))?;
                        let enrolment = enrol::enrol(&self.address, token, *role, name).await?;
                        tracing::info!(name = enrolment.identity.name, "enrolled as {role}");
                        self.keep(enrolment)
                    }
                }
            }
        };
        let roots = credentials.roots.clone();
        let config = tls::client(&roots, Some((credentials.chain, credentials.key)))
            .map_err(|error| DialError::Own(error.to_string()))?;
        Tls::new(config, &roots, &self.address)
    }

    fn nothing(&self, role: Role) -> DialError {
        DialError::Refused(format!(
            "no certificate for it is kept here: it takes a join token (`throng token create --role {role}` where the controller's state is), given with --join-file or THRONG_JOIN"
        ))
    }

    /// What is held. Whether it still holds is the controller's judgement, whose clock counts.
    fn held(
        &self,
        file: Option<&PathBuf>,
        token: Option<&Token>,
    ) -> Result<Option<Credentials>, DialError> {
        let mut kept = self.lock();
        if !std::mem::replace(&mut kept.looked, true)
            && kept.credentials.is_none()
            && let Some(file) = file
        {
            let loaded = files::load(file)
                .map_err(|error| DialError::Own(format!("{}: {error}", file.display())))?;
            // Another token is another way in: what came from an older one is replaced.
            kept.credentials = loaded.filter(|held| token.is_none_or(|token| is_from(held, token)));
            kept.lifetime = kept
                .credentials
                .as_ref()
                .and_then(lasts)
                .unwrap_or_default();
        }
        Ok(kept.credentials.clone())
    }

    fn keep(&self, enrolment: Enrolment) -> Credentials {
        let Enrolment {
            credentials,
            lifetime,
            ..
        } = enrolment;
        if let Source::Join {
            file: Some(file), ..
        } = &self.source
            && let Err(error) = files::save(file, &credentials)
        {
            tracing::warn!(
                "{}: {error}; the certificate is kept in memory only, and a restart will need a token",
                file.display()
            );
        }
        let mut kept = self.lock();
        kept.credentials = Some(credentials.clone());
        kept.lifetime = lifetime;
        kept.since = Some(clock::now());
        drop(kept);
        self.renewed.notify_one();
        credentials
    }

    /// The controller did not take them: they are not shown again.
    pub fn forget(&self) {
        let mut kept = self.lock();
        kept.credentials = None;
        kept.since = None;
    }

    /// True if a token could get new ones.
    #[must_use]
    pub fn can_enrol(&self) -> bool {
        matches!(self.source, Source::Join { token: Some(_), .. })
    }

    /// Who we are, once there are credentials.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let kept = self.lock();
        identity::read(kept.credentials.as_ref()?.chain.first()?).ok()
    }

    /// Renews if more than half of the time is over; for a process that soon ends.
    ///
    /// # Errors
    /// [`DialError`]: what is held may still serve.
    pub async fn renew_if_old(&self) -> Result<(), DialError> {
        let held = {
            let kept = self.lock();
            let old = kept.left() < kept.lifetime / 2;
            kept.credentials.clone().filter(|_| old)
        };
        if let Some(held) = held {
            let enrolment = enrol::renew(&self.address, &held).await?;
            self.keep(enrolment);
        }
        Ok(())
    }

    /// Renews for ever, each time a third of the time is left. Files are renewed by others: it then never does anything.
    pub async fn renew_for_ever(&self) {
        self.renew_by(|held| async move { enrol::renew(&self.address, &held).await })
            .await;
    }

    async fn renew_by<F>(&self, renew: impl Fn(Credentials) -> F)
    where
        F: Future<Output = Result<Enrolment, DialError>>,
    {
        if matches!(self.source, Source::Files { .. }) {
            return;
        }
        let mut failures = 0;
        loop {
            let (held, lifetime, left) = {
                let kept = self.lock();
                (kept.credentials.clone(), kept.lifetime, kept.left())
            };
            let Some(held) = held else {
                self.renewed.notified().await;
                failures = 0;
                continue;
            };
            if failures == 0 {
                let early = lifetime / 3;
                tokio::select! {
                    () = tokio::time::sleep(left.saturating_sub(early)) => {}
                    () = self.renewed.notified() => continue,
                }
            }
            match renew(held).await {
                Ok(enrolment) => {
                    tracing::info!(
                        name = enrolment.identity.name,
                        "certificate renewed, for {:.0} s",
                        enrolment.lifetime.as_secs_f64()
                    );
                    self.keep(enrolment);
                    failures = 0;
                }
                Err(error) => {
                    tracing::warn!("the certificate could not be renewed: {error}");
                    // It serves until it expires; the connection that is there goes on.
                    let renewed = self.renewed.notified();
                    let again = match again(&error, lifetime, failures) {
                        Some(wait) => tokio::time::timeout(wait, renewed).await.is_err(),
                        None => {
                            renewed.await;
                            false
                        }
                    };
                    failures = if again { failures + 1 } else { 0 };
                }
            }
        }
    }
}

/// After how long an attempt that failed is made again; `None`: the controller itself said no, and will not say anything else.
///
/// Whatever else is in the way may be gone later, though it is for a person to mend: another program listens there for a while, or its
/// authority is restored. Such attempts become rarer, and some of them are made while the certificate holds.
fn again(error: &DialError, lifetime: Duration, failures: u32) -> Option<Duration> {
    let wait = (lifetime / 24).max(AGAIN);
    match error {
        DialError::Refused(_) => None,
        DialError::Unreachable(_) => Some(wait),
        _ => Some(wait * (1 << failures.min(RARER))),
    }
}

fn validity(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let validity = certificate.validity();
    Some((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

/// True if they came from this token.
fn is_from(credentials: &Credentials, token: &Token) -> bool {
    let of_its_authority = match &credentials.roots {
        Roots::Own(authority) => sha256(authority) == token.authority,
        Roots::Pinned(_) | Roots::Given(_) => false,
    };
    let own = credentials.chain.first().map(identity::read);
    let from = own.and_then(Result::ok).is_some_and(|who| {
        let (id, _) = who.mark.split_once('-').unwrap_or_default();
        id == hex(&token.id)
    });
    of_its_authority && from
}

/// How long it holds in all.
fn lasts(credentials: &Credentials) -> Option<Duration> {
    let (from, until) = validity(credentials.chain.first()?)?;
    u64::try_from(until - from).ok().map(Duration::from_secs)
}

impl Kept {
    /// How long they still hold, by our clocks.
    fn left(&self) -> Duration {
        let Some(held) = &self.credentials else {
            return Duration::ZERO;
        };
        if let Some(since) = self.since {
            let age = clock::now().saturating_duration_since(since);
            return self.lifetime.saturating_sub(age);
        }
        let until = held
            .chain
            .first()
            .and_then(validity)
            .map(|(_, until)| until);
        let left = until.map_or(0, |until| until.saturating_sub(clock::unix_s()));
        Duration::from_secs(u64::try_from(left).unwrap_or(0)).min(self.lifetime)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::cell::RefCell;

    const LIFE: Duration = Duration::from_secs(24 * 3_600);
    const HOUR: u64 = 3_600;

    fn enrolment() -> Enrolment {
        let made = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
        Enrolment {
            credentials: Credentials {
                chain: vec![made.cert.der().clone()],
                key: rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der())
                    .into(),
                roots: Roots::Pinned([0; 32]),
            },
            identity: Identity {
                role: Role::Agent,
                name: "a".to_owned(),
                mark: "0-0".to_owned(),
            },
            lifetime: LIFE,
        }
    }

    /// At which hours it tries to renew, within two days of its certificate, if it is answered like this.
    async fn attempts(answers: Vec<Option<DialError>>) -> Vec<u64> {
        let source = Source::Join {
            token: None,
            role: Role::Agent,
            name: "a".to_owned(),
            file: None,
        };
        let keeper = Keeper::new(Address::parse("https://h:1", false).unwrap(), source);
        keeper.keep(enrolment());
        let begin = clock::now();
        let (tried, answers) = (RefCell::new(Vec::new()), RefCell::new(answers.into_iter()));
        let renewing = keeper.renew_by(|_| {
            let after = clock::now().saturating_duration_since(begin);
            tried.borrow_mut().push(after.as_secs().div_euclid(HOUR));
            std::future::ready(match answers.borrow_mut().next() {
                Some(Some(error)) => Err(error),
                _ => Ok(enrolment()),
            })
        });
        let two_days = Duration::from_secs(46 * HOUR);
        assert!(tokio::time::timeout(two_days, renewing).await.is_err());
        tried.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_is_in_the_way_is_tried_again_unless_the_controller_said_no() {
        let no = || "x".to_owned();
        let away = || Some(DialError::Unreachable(no()));
        let other = || Some(DialError::Untrusted(no()));
        for (what, answers, hours) in [
            ("nothing", vec![], vec![16, 32]),
            ("nobody, twice", vec![away(), away()], vec![16, 17, 18, 34]),
            (
                "somebody else, for some hours",
                vec![other(), other(), other()],
                vec![16, 17, 19, 23, 39],
            ),
            (
                "another program, for long",
                vec![Some(DialError::PeerSpeaksClearText); 9],
                vec![16, 17, 19, 23, 27, 31, 35, 39, 43],
            ),
            (
                "its clock is wrong, once; and then it is away, once",
                vec![Some(DialError::Rejected(no())), None, away()],
                vec![16, 17, 33, 34],
            ),
            (
                "its token was revoked",
                vec![Some(DialError::Refused(no()))],
                vec![16],
            ),
        ] {
            assert_eq!(attempts(answers).await, hours, "{what}");
        }
    }
}
