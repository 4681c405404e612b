//! The real services against agents that follow a script: what a run comes to, whatever its agents do.

#![expect(clippy::unwrap_used, reason = "tests")]

mod absurd;
mod changes;
mod courses;
mod crowd;
mod fake;
mod faults;
mod outputs;
mod phases;
mod shares;
mod slow;
mod telling;
mod views;
mod watch;
