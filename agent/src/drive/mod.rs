//! Drivers: when a VU runs its iterations. Closed executors hold VUs, open ones let arrivals take them.
//!
//! Curves and stripes say what is due; drivers only wait, and begin.

pub(crate) mod closed;
pub(crate) mod holds;
pub(crate) mod indexes;
pub(crate) mod open;

use crate::vu::Site;
use plan::Plan;
use std::time::Duration;
use tokio::time::Instant;

/// The moment at `ns` of a scenario's own time.
fn moment(site: &Site, scenario: usize, ns: u64) -> Instant {
    site.t0 + site.plan.scenarios[scenario].start_time + Duration::from_nanos(ns)
}

/// How many VU numbers the scenarios before this one take: a scenario's VU `v` (from 0) is `first_vu + v + 1` in the test.
pub(crate) fn first_vu(plan: &Plan, scenario: usize) -> u64 {
    plan.scenarios[..scenario]
        .iter()
        .map(|scenario| scenario.executor.max_vus())
        .sum()
}
