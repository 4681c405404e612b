//! A scenario's own time on this agent: where the newest changes put it, and when its instants come.

use crate::clock;
use crate::vu::{Site, nanos};
use plan::Control;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Farther than any run; sums with it cannot overflow.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A scenario's own time under one version of the changes.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(crate) control: Arc<Control>,
    t0: Instant,
    /// Stage time of its begin.
    start: u64,
}

impl Course {
    /// Under these changes.
    pub(crate) fn new(site: &Site, scenario: usize, control: Arc<Control>) -> Self {
        let start = site.plan.scenarios[scenario].start_time;
        Self {
            control,
            t0: site.t0,
            start: u64::try_from(start.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Under the newest changes.
    pub(crate) fn newest(site: &Site, scenario: usize) -> Self {
        Self::new(site, scenario, site.stop.control())
    }

    /// Where the scenario is; `None` before its begin.
    pub(crate) fn position(&self, at: Instant) -> Option<u64> {
        let run = at.checked_duration_since(self.t0)?;
        let run = u64::try_from(run.as_nanos()).unwrap_or(u64::MAX);
        self.control.stage_time(run).checked_sub(self.start)
    }

    /// The run time at which `ns` of its time have passed and it goes on; `None` if it is paused before, and nobody has resumed.
    pub(crate) fn run_time(&self, ns: u64) -> Option<u64> {
        self.control.run_time(self.start.saturating_add(ns))
    }

    /// When `ns` of its time have passed and it goes on; `None` if it is paused before, and nobody has resumed.
    pub(crate) fn moment(&self, ns: u64) -> Option<Instant> {
        let run = self.run_time(ns)?;
        Some(self.t0 + Duration::from_nanos(run))
    }

    /// The same for what needs a moment at any rate: far away.
    pub(crate) fn moment_or_far(&self, ns: u64) -> Instant {
        self.moment(ns).unwrap_or_else(|| clock::now() + FAR)
    }

    /// True if the stages stand still.
    pub(crate) fn is_paused(&self, at: Instant) -> bool {
        at >= self.t0 && self.control.is_paused(nanos(at, self.t0))
    }

    /// When `ns` of its time have passed, or the next pause begins.
    pub(crate) fn until(&self, now: Instant, ns: u64) -> Instant {
        let pause = self.control.next_pause(nanos(now, self.t0));
        let pause = pause.map(|run| self.t0 + Duration::from_nanos(run));
        let end = self.moment_or_far(ns);
        pause.map_or(end, |pause| pause.min(end))
    }
}

/// Waits for a moment; forever if there is none.
pub(crate) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
