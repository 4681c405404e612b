//! Names to addresses: one cache per agent, so that a thousand VUs ask the name server once.
//!
//! Addresses are handed out in turn (each lookup begins one further), IPv4 before IPv6 as k6 does. A name that does not
//! resolve is remembered for a second, so that a wrong name costs one question a second and not one per request.

use super::clock::now;
use super::dial::LocalFuture;
use super::failure::{Failure, Fault};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// Most names remembered. Beyond them, expired ones go first, then all.
const MOST_NAMES: usize = 4096;
/// How long a failed lookup is remembered.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// Turns a name into addresses.
pub trait Resolve: Send + Sync {
    /// All addresses of `host`, in the order the system prefers.
    ///
    /// # Errors
    /// If there is no such name or nobody to ask.
    fn resolve<'a>(&'a self, host: &'a str) -> LocalFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver (`getaddrinfo`), on Tokio's pool of blocking threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolve;

impl Resolve for SystemResolve {
    fn resolve<'a>(&'a self, host: &'a str) -> LocalFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((host, 0))
                .await?
                .map(|address| address.ip())
                .collect())
        })
    }
}

type Answer = Result<Arc<[IpAddr]>, (Failure, Arc<str>)>;

/// One name: answered once for everybody who waits.
#[derive(Default)]
struct Name {
    answer: OnceCell<(Instant, Answer)>,
    turn: AtomicUsize,
}

/// The cache.
pub(super) struct Names {
    resolve: Arc<dyn Resolve>,
    /// How long an answer holds; `None` for ever, zero not at all.
    ttl: Option<Duration>,
    known: Mutex<HashMap<Box<str>, Arc<Name>>>,
}

impl Names {
    pub(super) fn new(resolve: Arc<dyn Resolve>, ttl: Option<Duration>) -> Self {
        Self {
            resolve,
            ttl,
            known: Mutex::default(),
        }
    }

    /// The addresses of `host`, at least one, in the order to try them.
    pub(super) async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        // IPv6 literals come in brackets from a URL.
        if let Ok(literal) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(vec![literal]);
        }
        let name = if self.ttl == Some(Duration::ZERO) {
            Arc::default()
        } else {
            self.name(host)
        };
        // Whoever comes first asks; if that VU is cut meanwhile, the next in line asks.
        let (_, answer) = name
            .answer
            .get_or_init(|| async { (now(), self.ask(host).await) })
            .await;
        match answer {
            Ok(addresses) => {
                let mut addresses = addresses.to_vec();
                let preferred = addresses
                    .iter()
                    .filter(|ip| ip.is_ipv4() == addresses[0].is_ipv4())
                    .count();
                let turn = name.turn.fetch_add(1, Ordering::Relaxed);
                addresses[..preferred].rotate_left(turn % preferred.max(1));
                Ok(addresses)
            }
            Err((failure, detail)) => Err(Fault::new(*failure, &**detail)),
        }
    }

    /// The entry of `host`: the one there is, unless it is too old.
    fn name(&self, host: &str) -> Arc<Name> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.get(host)
            && !self.is_old(name)
        {
            return Arc::clone(name);
        }
        if known.len() >= MOST_NAMES {
            known.retain(|_, name| !self.is_old(name));
            if known.len() >= MOST_NAMES {
                known.clear();
            }
        }
        let name = Arc::<Name>::default();
        known.insert(host.into(), Arc::clone(&name));
        name
    }

    fn is_old(&self, name: &Name) -> bool {
        match name.answer.get() {
            None => false,
            Some((_, Ok(_))) if self.ttl.is_none() => false,
            Some((at, Ok(_))) => self
                .ttl
                .is_some_and(|ttl| now().saturating_duration_since(*at) >= ttl),
            Some((at, Err(_))) => now().saturating_duration_since(*at) >= FAILED_FOR,
        }
    }

    async fn ask(&self, host: &str) -> Answer {
        match self.resolve.resolve(host).await {
            Ok(mut addresses) if !addresses.is_empty() => {
                let mut seen = Vec::with_capacity(addresses.len());
                addresses.retain(|ip| {
                    let new = !seen.contains(ip);
                    if new {
                        seen.push(*ip);
                    }
                    new
                });
                addresses.sort_by_key(IpAddr::is_ipv6);
                Ok(addresses.into())
            }
            Ok(_) => Err((Failure::Dns, format!("{host} has no address").into())),
            Err(error) => {
                let fault = Fault::io(&format!("looking up {host}"), &error);
                let failure = if fault.failure == Failure::Local {
                    Failure::Local
                } else {
                    Failure::Dns
                };
                Err((failure, fault.detail.into()))
            }
        }
    }
}
