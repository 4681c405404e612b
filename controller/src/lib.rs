//! Directs a fleet: enlists agents, hands each its part, agrees on the instant to begin, merges what they measure, and reports.
//!
//! Acts through the wire only and never knows an agent's code; the command line talks to it over the same `Control` service when it
//! is embedded. Rooms within: [`run`] and [`handover`] decide (pure), [`active`] acts it out, [`director`] is the loop, [`fleet`] the register,
//! [`gather`] the merging, [`view`] the picture of a run that goes on, [`output`] what other programs get, [`conservation`] and [`verdict`] the judging (pure), [`report`] the outcome,
//! [`journal`] what a later life needs; [`door`] says who may come in. Time comes from [`clock`].

pub mod active;
pub mod change;
pub mod clock;
pub mod closing;
pub mod conservation;
pub mod crashes;
pub mod director;
pub mod door;
pub mod exit;
pub mod fleet;
pub mod gather;
pub mod handover;
pub mod journal;
pub mod lag;
pub mod lease;
pub mod link;
pub mod logs;
pub mod member;
pub mod membership;
pub mod merge;
pub mod names;
pub mod outline;
pub mod output;
pub mod phases;
pub mod plausible;
pub mod progress;
pub mod refusals;
pub mod report;
pub mod run;
mod serve;
pub mod service_control;
pub mod service_fleet;
pub mod stopping;
pub mod timeline;
pub mod verdict;
pub mod view;
pub mod wall;
pub mod weights;

pub use exit::ExitCode;
pub use report::Report;
pub use serve::{serve, serve_doors, serve_with};
use std::time::Duration;

/// How to direct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long an agent may go on unheard. 5 s.
    pub lease: Duration,
    /// How often agents send heartbeats. 500 ms.
    pub heartbeat: Duration,
    /// How long agents may take to get ready, the look at the target included. 60 s.
    pub prepare: Duration,
    /// throng's version, for people.
    pub version: String,
    /// Where what runs measure goes, second by second. Nowhere.
    pub outputs: Vec<output::Spec>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(5),
            heartbeat: Duration::from_millis(500),
            prepare: Duration::from_secs(60),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            outputs: Vec::new(),
        }
    }
}

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server failed.
    #[error("the controller cannot serve: {0}")]
    Server(#[source] tonic::transport::Error),
    /// A bug: the loop that decides everything broke.
    #[error("the controller broke: {0}")]
    Director(String),
}

/// Why a request of the command line is refused; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Another run is in progress.
    Busy(String),
    /// Too many wait.
    Full(String),
    /// It makes no sense for this run, or not now.
    Wrong(String),
    /// No such run.
    NoSuchRun(String),
}
