//! Deadlines of a run whose controller was away.

use super::{Phase, Run};

impl Run {
    /// The controller was away: whoever could not answer meanwhile gets the time to do so.
    pub(crate) fn resumed(&mut self, now: u64) {
        let answered = now.saturating_add(self.limits.grace);
        match &mut self.phase {
            Phase::Enlisting { until }
            | Phase::Preflight { until, .. }
            | Phase::Setup { until, .. }
            | Phase::Drain { until, .. }
            | Phase::Teardown { until, .. } => *until = answered.max(*until),
            // The load's end is nobody's to move; what follows it is reckoned from here.
            Phase::Load { until } => *until = now.max(*until),
            Phase::Checked | Phase::Over => {}
        }
    }
}
