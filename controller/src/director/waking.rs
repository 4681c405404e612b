//! A controller that stood still itself: stopped, suspended, or its machine stolen.
//!
//! Whoever it has not heard meanwhile may have called all the time. So it is as one that was started again: what waits in its sockets
//! is heard first, and nobody is given up before one more lease is over. (Agents fence themselves by their own clocks: whose lease ran
//! out meanwhile makes no load, whatever the controller thinks.)

use super::Director;
use crate::clock;
use proto::v1::{self, record::What};

/// When something was done last, and until when nobody is given up.
#[derive(Debug, Default)]
pub(super) struct Waking {
    /// Controller time of the newest thing done; `None` before the first.
    seen: Option<u64>,
    patient: u64,
    never: bool,
}

impl Waking {
    /// For whoever lets time jump: it never stood still.
    pub(super) fn never() -> Self {
        Self {
            never: true,
            ..Self::default()
        }
    }

    /// Controller time goes on from another reading: that is no standing still. When agents were heard is by the old one, so nobody is
    /// given up before one more lease is over.
    pub(super) fn clock_set(&mut self, now: u64, lease: u64) {
        self.seen = None;
        self.patient = now.saturating_add(lease + lease / 100);
    }

    /// Whether agents that are silent may be given up.
    pub(super) fn may_give_up(&self, now: u64) -> bool {
        now >= self.patient
    }

    /// Something is done now. How long nothing was, if that is more than half a lease: then an agent that was heard in time before
    /// may seem silent for a lease without being so.
    fn look(&mut self, now: u64, lease: u64) -> Option<u64> {
        let seen = self.seen.replace(now)?;
        let gap = now.saturating_sub(seen);
        if self.never || gap <= lease / 2 {
            return None;
        }
        self.patient = now.saturating_add(lease + lease / 100);
        Some(gap)
    }
}

impl Director {
    /// Something is to be done: was nothing done for long?
    pub(super) fn wake(&mut self, now: u64) {
        let Some(gap) = self.waking.look(now, clock::ns(self.config.lease)) else {
            return;
        };
        tracing::warn!(
            "the controller stood still for {:.1} s; nobody is given up before one more lease is over",
            gap as f64 / 1e9
        );
        if let Some(journal) = &mut self.journal {
            journal.stood_still(now);
        }
        self.record(now, What::StoodStill(v1::StoodStill { for_ns: gap }));
        self.stood_still(now, gap);
    }

    /// What that means for the run.
    pub(super) fn stood_still(&mut self, now: u64, for_ns: u64) {
        if let Some(active) = &mut self.active {
            active.stood_still(now, for_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn whoever_stood_still_for_more_than_half_a_lease_gives_everybody_one_more() {
        let mut waking = Waking::default();
        assert_eq!(waking.look(100 * S, 5 * S), None, "it has just begun");
        assert_eq!(waking.look(102 * S, 5 * S), None, "a hiccup");
        assert!(waking.may_give_up(102 * S));
        assert_eq!(waking.look(105 * S, 5 * S), Some(3 * S));
        assert_eq!(waking.look(106 * S, 5 * S), None);
        assert!(!waking.may_give_up(110 * S));
        assert!(waking.may_give_up(110 * S + S / 20));
        waking.clock_set(500 * S, 5 * S);
        assert_eq!(waking.look(501 * S, 5 * S), None);
        assert!(!waking.may_give_up(505 * S));
        assert!(waking.may_give_up(505 * S + S / 20));
        let mut jumping = Waking::never();
        assert_eq!(jumping.look(0, 5 * S), None);
        assert_eq!(jumping.look(1000 * S, 5 * S), None);
        assert!(jumping.may_give_up(0));
    }
}
