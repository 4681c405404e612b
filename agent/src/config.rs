//! What an agent is told at its birth, how it may end, and what can go wrong between it and its controller.
//!
//! Knows nothing of runs.

use crate::glance::Glance;
use crate::http::Bounds;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use trust::keeper::Source;

/// What an agent is told at its birth.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the controller is: `http://host:port`.
    pub controller: String,
    /// What to call it; the controller makes it unique.
    pub name: String,
    /// Labels, shown by `throng agents`.
    pub labels: BTreeMap<String, String>,
    /// Threads that make load; at least one.
    pub workers: usize,
    /// How long to look for a controller that is not there (any more).
    pub give_up: Duration,
    /// How long handing over its share and finishing what it began may take, once it is told to end in load.
    pub drain: Duration,
    /// What opens the controller's door.
    pub access: Access,
    /// What it will not do, whoever directs it.
    pub bounds: Bounds,
    /// Told whether a controller has it in its fleet now, for whoever asks from outside.
    pub enlisted: Arc<AtomicBool>,
    /// Told how it fares, if anybody wants to know.
    pub glance: Option<Glance>,
    /// Where runs are kept on disk until the controller has all of them; `None`: in memory only.
    pub spool: Option<Spooling>,
}

/// What opens the controller's door. By default nothing does: clear text, on the loopback only.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Clear text beyond the loopback is meant so.
    pub insecure: bool,
    /// A certificate, or how to get one; for addresses that begin with `https://`.
    pub source: Option<Source>,
}

/// Where runs are kept on disk, and how much.
#[derive(Debug, Clone)]
pub struct Spooling {
    /// The disk.
    pub disk: Arc<dyn journal::Disk>,
    /// A directory of its own for each run is made in it.
    pub dir: PathBuf,
    /// Most bytes of what was seen in one run; beyond it the oldest go.
    pub limit: u64,
}

impl Spooling {
    /// On this machine's disk.
    #[must_use]
    pub fn new(dir: PathBuf, limit: u64) -> Self {
        Self {
            disk: Arc::new(journal::RealDisk),
            dir,
            limit,
        }
    }
}

/// How an agent's life ended, as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The controller closed for good.
    Goodbye,
    /// It was told to end by whoever started it.
    ShutDown,
}

/// Why an agent could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one.
    #[error("{0}")]
    Address(String),
    /// Nobody answered for too long.
    #[error(
        "no controller at {address} for {:.1} s: {cause}. Is it running there (`throng controller --listen ADDR`), and is the \
         port open from here?",
        tried.as_secs_f64()
    )]
    Unreachable {
        /// Where.
        address: String,
        /// How long it was tried.
        tried: Duration,
        /// What went wrong at last.
        cause: String,
    },
    /// The controller does not want this agent.
    #[error(
        "the controller at {address} refused this agent: {reason} (this is throng {version}, version {protocol} of the wire)"
    )]
    Refused {
        /// Where.
        address: String,
        /// What it said.
        reason: String,
        /// throng's version here.
        version: &'static str,
        /// The wire's version here.
        protocol: u32,
    },
    /// The agent's own thread could not be set up, or broke.
    #[error("the agent's link to its controller broke: {0}")]
    Broken(String),
}
