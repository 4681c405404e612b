//! Makes load: dials the controller, takes orders, drives VUs through their flows, records samples, streams intervals.
//!
//! A library: the `cli` room runs it as a process (`throng agent`) or embeds it (`throng run`). It never knows the controller's code.

mod alarm;
mod clock;
mod config;
mod crew;
mod drive;
mod fence;
mod glance;
mod health;
pub mod http;
mod life;
mod limits;
mod lines;
pub mod link;
mod obedience;
mod offset;
mod orders;
mod parts;
mod phase;
mod prepared;
mod random;
mod recorder;
mod run;
mod share;
#[cfg(feature = "sim")]
pub mod sim;
mod spool;
mod step;
mod stop;
mod tally;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
#[cfg_attr(
    not(feature = "sim"),
    expect(unreachable_pub, reason = "the simulation takes it")
)]
mod transcript;
mod vu;
mod worker;

pub use config::{Access, Config, Ended, Error, Spooling};
pub use crew::{Crew, Job, Report, StopHow, may, preflight};
pub use fence::Fence;
pub use glance::Glance;
pub use run::run;
pub use share::Assignment;
