//! What an agent is told at its birth, how it may end, and what can go wrong between it and its controller.
//!
//! Knows nothing of runs.

use std::collections::BTreeMap;
use std::time::Duration;

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
    #[error("{address:?} is not a controller's address ({why}); it has the form http://HOST:PORT")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
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
