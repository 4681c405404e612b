//! What the director sees of itself: how far it is behind, and that its wall clock was set. Recorded like every other input, so that a
//! later life tells of it, too.

use super::Director;
use proto::v1::{self, record::What};

impl Director {
    /// Takes what it saw of itself at this controller time.
    pub fn saw_itself(&mut self, now: u64, seen: v1::SawItself) {
        let Some(active) = &self.active else {
            if seen.wall_step_s != 0.0 {
                tracing::warn!("{}", set(seen.wall_step_s));
            }
            return;
        };
        // Only the worst is told of a run.
        if seen.behind_ns > active.behind || seen.wall_step_s != 0.0 {
            self.record(now, What::SawItself(seen));
            self.tells(&seen);
        }
    }

    /// Tells a run of it.
    pub(super) fn tells(&mut self, seen: &v1::SawItself) {
        if let Some(active) = &mut self.active {
            active.behind(seen.behind_ns);
            if seen.wall_step_s != 0.0 {
                active.note(set(seen.wall_step_s));
            }
        }
    }

    /// How long what the disk was told has been waiting for it, in nanoseconds.
    pub(super) fn disk_owes(&self, now: u64) -> u64 {
        let journal = self.journal.as_ref();
        journal.map_or(0, |journal| journal.owing_for(now))
    }
}

/// Nothing but labels goes by the wall clock: that it was set is said, so that nobody wonders at them.
fn set(step: f64) -> String {
    let way = if step < 0.0 { "back" } else { "forward" };
    format!(
        "the controller's wall clock was set {way} by {:.1} s; load, leases and measurements do not go by it",
        step.abs()
    )
}
