//! How far the controller's clock is from ours, as all newest pings together know it.
//!
//! Whoever answers reads its clock after we sent and before we received, so each ping says between what the offset lies, and the truth
//! lies where all agree (Marzullo's intersection). That is at least as good as the ping with the shortest round trip, and better where
//! ways are unequally slow: of a way that is busy now there and now back, each direction counts at its quickest.
//!
//! Pure. Both clocks are boot-time clocks in nanoseconds; they agree on nothing but about their pace.

use std::collections::VecDeque;

/// Pings remembered: at two a second half a minute.
const WINDOW: usize = 60;
/// By a nanosecond in so many clocks drift apart at most: each goes wrong by up to 100 millionths. What a ping says is the vaguer the
/// older it is.
const DRIFT: i64 = 5_000;

/// What pings measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Controller time − agent time, in nanoseconds,
    pub(crate) offset: i64,
    /// give or take so many.
    pub(crate) uncertainty: u64,
    /// The shortest round trip, in nanoseconds.
    pub(crate) rtt: u64,
}

impl Sample {
    /// Our clock's reading when the controller's reads this; negative if that was before our boot.
    pub(crate) fn local(self, controller: u64) -> i64 {
        let local = i128::from(controller) - i128::from(self.offset);
        let bound = if local < 0 { i64::MIN } else { i64::MAX };
        i64::try_from(local).unwrap_or(bound)
    }

    /// The controller's clock's reading when ours reads this.
    pub(crate) fn controller(self, local: u64) -> u64 {
        let controller = i128::from(local) + i128::from(self.offset);
        u64::try_from(controller.max(0)).unwrap_or(u64::MAX)
    }
}

/// What one ping says.
#[derive(Debug, Clone, Copy)]
struct Ping {
    /// The least that the offset can be: the answer took no time,
    least: i64,
    /// and the most: the question took none.
    most: i64,
    received: u64,
}

impl Ping {
    /// From three readings: ours at sending, the controller's, ours at receiving. `None` if they cannot be true.
    fn new(sent: u64, controller: u64, received: u64) -> Option<Self> {
        let beyond = |ours: u64| i64::try_from(i128::from(controller) - i128::from(ours)).ok();
        (sent <= received).then_some(Self {
            least: beyond(received)?,
            most: beyond(sent)?,
            received,
        })
    }

    fn rtt(&self) -> u64 {
        self.most.abs_diff(self.least)
    }

    /// What is left of it at a later reading of our clock.
    fn at(&self, now: u64) -> (i64, i64) {
        let age = i64::try_from(now.saturating_sub(self.received)).unwrap_or(i64::MAX);
        let vague = age / DRIFT;
        (
            self.least.saturating_sub(vague),
            self.most.saturating_add(vague),
        )
    }
}

/// The newest pings.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    newest: VecDeque<Ping>,
}

impl Pings {
    /// Takes the readings of one more; what cannot be true is left out.
    pub(crate) fn push(&mut self, sent: u64, controller: u64, received: u64) {
        let Some(ping) = Ping::new(sent, controller, received) else {
            return;
        };
        if self.newest.len() == WINDOW {
            self.newest.pop_front();
        }
        self.newest.push_back(ping);
    }

    /// What they know at this reading of our clock; `None` before the first. Where they contradict each other one of the clocks was
    /// set: then only what came after that counts.
    pub(crate) fn best(&self, now: u64) -> Option<Sample> {
        let mut pings = self.newest.iter().rev();
        let newest = pings.next()?;
        let (mut least, mut most) = newest.at(now);
        let mut rtt = newest.rtt();
        for ping in pings {
            let (low, high) = ping.at(now);
            if low > most || high < least {
                break;
            }
            (least, most) = (least.max(low), most.min(high));
            rtt = rtt.min(ping.rtt());
        }
        let width = most.abs_diff(least);
        Some(Sample {
            offset: least.saturating_add_unsigned(width / 2),
            uncertainty: width.div_ceil(2),
            rtt,
        })
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

    /// Of pings that were just received.
    fn of(pings: &[(u64, u64, u64)]) -> Option<Sample> {
        let mut all = Pings::default();
        for (sent, controller, received) in pings {
            all.push(*sent, *controller, *received);
        }
        all.best(0)
    }

    #[test]
    fn what_all_pings_agree_on_is_known() {
        for (pings, expected) in [
            (&[][..], None),
            (&[(100, 1_010, 120)], Some((900, 10, 20))),
            // A slow answer adds nothing to a quick one, whenever it came.
            (&[(100, 1_010, 120), (200, 1_200, 400)], Some((900, 10, 20))),
            (&[(200, 1_200, 400), (500, 1_410, 520)], Some((900, 10, 20))),
            // Slow there and then slow back: neither knows more than 100, both know 5.
            (&[(100, 1_195, 300), (400, 1_305, 600)], Some((900, 5, 200))),
            // Slow back both times: the quicker one knows.
            (
                &[(100, 1_005, 300), (400, 1_305, 500)],
                Some((855, 50, 100)),
            ),
            // Their clock may be behind ours.
            (&[(1_000, 10, 1_020)], Some((-1_000, 10, 20))),
            // A clock that was set: what came before says nothing any more.
            (
                &[(100, 1_010, 120), (200, 5_210, 220), (300, 5_320, 340)],
                Some((5_000, 10, 20)),
            ),
            // Received before it was sent: no such ping.
            (&[(100, 1_000, 99)], None),
            (&[(0, u64::MAX, 0)], None),
        ] {
            let known = of(pings).map(|sample| (sample.offset, sample.uncertainty, sample.rtt));
            assert_eq!(known, expected, "{pings:?}");
        }
    }

    #[test]
    fn the_true_offset_is_within_the_uncertainty_however_skewed_the_way() {
        let truth = 5_000_u64;
        let ways = [(0, 0), (10, 10), (0, 40), (40, 0), (3, 1_000), (1_000, 3)];
        for first in ways {
            for second in ways {
                let mut pings = Pings::default();
                for (sent, (there, back)) in [(10_000, first), (20_000, second)] {
                    let read = sent + there;
                    pings.push(sent, read + truth, read + back);
                    let sample = pings.best(read + back).unwrap();
                    let off = sample.offset.abs_diff(truth as i64);
                    assert!(
                        off <= sample.uncertainty,
                        "{first:?} {second:?}: {sample:?}"
                    );
                    assert!(sample.uncertainty <= (there + back).div_ceil(2));
                }
            }
        }
    }

    #[test]
    fn the_true_offset_is_within_the_uncertainty_while_the_clocks_drift_apart() {
        const S: u64 = 1_000_000_000;
        let mut pings = Pings::default();
        // Ours goes 200 millionths too slow.
        let theirs = |ours: u64| ours + ours / 5_000;
        for beat in 0..200 {
            let sent = beat * S / 2;
            // A way that is quick every tenth time only.
            let there = if beat % 10 == 0 { 100_000 } else { 30_000_000 };
            pings.push(sent, theirs(sent + there), sent + there + 200_000);
            let now = sent + S / 4;
            let sample = pings.best(now).unwrap();
            let off = sample.controller(now).abs_diff(theirs(now));
            assert!(off <= sample.uncertainty + 1, "{beat}: {sample:?}");
            assert!(sample.uncertainty <= 2_000_000, "{beat}: {sample:?}");
        }
    }

    #[test]
    fn what_is_too_old_no_longer_counts() {
        let mut pings = Pings::default();
        pings.push(0, 601, 2);
        for i in 1..=WINDOW as u64 {
            pings.push(i * 100, i * 100 + 610, i * 100 + 20);
        }
        let (offset, uncertainty, rtt) = (600, 10, 20);
        let expected = Sample {
            offset,
            uncertainty,
            rtt,
        };
        assert_eq!(pings.best(0), Some(expected));
    }

    #[test]
    fn both_ways_agree() {
        for offset in [-7, 0, 1_000] {
            let sample = sample(offset);
            assert_eq!(sample.local(sample.controller(5_000)), 5_000);
        }
        assert_eq!(sample(10).local(3), -7, "before our boot");
    }

    fn sample(offset: i64) -> Sample {
        Sample {
            offset,
            uncertainty: 1,
            rtt: 1,
        }
    }
}
