//! How far the controller's clock is from ours: of the newest pings, the one with the shortest round trip knows best.
//!
//! Pure. Both clocks are boot-time clocks in nanoseconds; they agree on nothing but their pace.

use std::collections::VecDeque;

/// Pings remembered; at two a second half a minute, in which clocks drift apart by less than a millisecond.
const WINDOW: usize = 60;

/// What one ping measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Controller time − agent time, in nanoseconds.
    pub(crate) offset: i64,
    /// The round trip, in nanoseconds; the offset is off by half of it at most.
    pub(crate) rtt: u64,
}

impl Sample {
    /// From three readings: ours at sending, the controller's, ours at receiving. `None` if they cannot be true.
    fn new(sent: u64, controller: u64, received: u64) -> Option<Self> {
        let rtt = received.checked_sub(sent)?;
        let offset = i128::from(controller) - (i128::from(sent) + i128::from(received)) / 2;
        Some(Self {
            offset: i64::try_from(offset).ok()?,
            rtt,
        })
    }

    /// Our clock's reading when the controller's reads this.
    pub(crate) fn local(self, controller: u64) -> u64 {
        clamp(i128::from(controller) - i128::from(self.offset))
    }

    /// The controller's clock's reading when ours reads this.
    pub(crate) fn controller(self, local: u64) -> u64 {
        clamp(i128::from(local) + i128::from(self.offset))
    }
}

fn clamp(ns: i128) -> u64 {
    u64::try_from(ns.max(0)).unwrap_or(u64::MAX)
}

/// The newest pings.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    newest: VecDeque<Sample>,
}

impl Pings {
    /// Takes the readings of one more; what cannot be true is left out.
    pub(crate) fn push(&mut self, sent: u64, controller: u64, received: u64) {
        let Some(sample) = Sample::new(sent, controller, received) else {
            return;
        };
        if self.newest.len() == WINDOW {
            self.newest.pop_front();
        }
        self.newest.push_back(sample);
    }

    /// The one with the shortest round trip, the newest of equals; `None` before the first.
    pub(crate) fn best(&self) -> Option<Sample> {
        self.newest
            .iter()
            .rev()
            .copied()
            .min_by_key(|sample| sample.rtt)
    }

    /// Forgets all: another controller's clock may be another clock.
    pub(crate) fn clear(&mut self) {
        self.newest.clear();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn best(pings: &[(u64, u64, u64)]) -> Option<(i64, u64)> {
        let mut all = Pings::default();
        for (sent, controller, received) in pings {
            all.push(*sent, *controller, *received);
        }
        all.best().map(|sample| (sample.offset, sample.rtt))
    }

    #[test]
    fn the_shortest_round_trip_knows_best() {
        for (pings, expected) in [
            (&[][..], None),
            (&[(100, 1_010, 120)], Some((900, 20))),
            // A slow answer says less, whenever it came.
            (&[(100, 1_010, 120), (200, 1_400, 400)], Some((900, 20))),
            (&[(200, 1_400, 400), (500, 1_410, 520)], Some((900, 20))),
            // Of equals the newest.
            (&[(100, 1_010, 120), (200, 1_111, 220)], Some((901, 20))),
            // Their clock may be behind ours.
            (&[(1_000, 10, 1_020)], Some((-1_000, 20))),
            // Received before it was sent: no such ping.
            (&[(100, 1_000, 99)], None),
            (&[(0, u64::MAX, 0)], None),
        ] {
            assert_eq!(best(pings), expected, "{pings:?}");
        }
    }

    #[test]
    fn the_true_offset_is_within_half_the_round_trip_however_skewed_the_way() {
        let truth = 5_000_i64;
        for (there, back) in [(0, 0), (10, 10), (0, 40), (40, 0), (3, 1_000)] {
            let sent = 10_000_u64;
            let controller = sent + there + truth.unsigned_abs();
            let mut pings = Pings::default();
            pings.push(sent, controller, sent + there + back);
            let sample = pings.best().unwrap();
            assert!(sample.offset.abs_diff(truth) <= sample.rtt.div_ceil(2));
        }
    }

    #[test]
    fn what_is_too_old_no_longer_counts() {
        let mut pings = Pings::default();
        pings.push(0, 500, 2);
        for i in 1..=WINDOW as u64 {
            pings.push(i * 100, i * 100 + 610, i * 100 + 20);
        }
        assert_eq!(
            pings.best(),
            Some(Sample {
                offset: 600,
                rtt: 20
            })
        );
    }

    #[test]
    fn both_ways_agree() {
        for offset in [-7, 0, 1_000] {
            let sample = Sample { offset, rtt: 1 };
            assert_eq!(sample.local(sample.controller(5_000)), 5_000);
        }
        assert_eq!(Sample { offset: 10, rtt: 1 }.local(3), 0, "before our boot");
    }
}
