//! A host's clock: it began somewhere else than the others, and goes a little faster or slower.
//!
//! This is the boot-time clock, the only one that decides anything in throng: it does not step. Wall clocks do, but nothing that is
//! simulated is handed one, so that there is nothing a step could harm.

use crate::schedule::Time;

/// A boot-time clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// What it read when the world began, nanoseconds.
    pub began: u64,
    /// How much too fast it goes, in millionths.
    pub fast: i64,
}

impl Clock {
    /// What it reads at a true time.
    #[must_use]
    pub fn reads(self, at: Time) -> u64 {
        let gained = i128::from(at) * i128::from(self.fast) / 1_000_000;
        let reading = i128::from(self.began) + i128::from(at) + gained;
        u64::try_from(reading).unwrap_or(0)
    }

    /// The first true time at which it reads this or more.
    #[must_use]
    pub fn when(self, reading: u64) -> Time {
        let Some(passed) = reading.checked_sub(self.began) else {
            return 0;
        };
        let guess = i128::from(passed) * 1_000_000 / (1_000_000 + i128::from(self.fast));
        let mut at = u64::try_from(guess).unwrap_or(u64::MAX);
        while self.reads(at) < reading && at < u64::MAX {
            at += 1;
        }
        while at > 0 && self.reads(at - 1) >= reading {
            at -= 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_is_the_first_moment_of_a_reading() {
        for fast in [-500, 0, 37, 500] {
            let clock = Clock { began: 7_000, fast };
            for at in [0, 1, 999, 1_000_000, 30_000_000_001] {
                let reading = clock.reads(at);
                let first = clock.when(reading);
                assert!(first <= at && clock.reads(first) >= reading);
                assert!(first == 0 || clock.reads(first - 1) < reading);
            }
        }
    }
}
