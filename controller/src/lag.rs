//! How far the director is behind: with its own timer, and with what it was told. Pure.

use crate::clock;
use crate::director::TICK;

/// A controller that is farther behind than this says so: heartbeats are answered all the same, but what is seen of a run is old.
pub const NOTED_NS: u64 = 1_000_000_000;

/// What is measured.
#[derive(Debug, Default)]
pub struct Lag {
    /// Inputs taken so far.
    taken: u64,
    /// The last input that waited when this was looked at, and when that was.
    mark: Option<(u64, u64)>,
    /// The last look.
    looked: Option<u64>,
}

impl Lag {
    /// An input was taken.
    pub fn took(&mut self) {
        self.taken += 1;
    }

    /// Due every [`TICK`]; so many inputs wait now. How far it is behind, in nanoseconds.
    pub fn look(&mut self, now: u64, waiting: usize) -> u64 {
        let due = self.looked.replace(now).map(|at| at + clock::ns(TICK));
        let late = due.map_or(0, |due| now.saturating_sub(due));
        let waited = match self.mark {
            Some((last, since)) => {
                if self.taken >= last {
                    self.mark = None;
                }
                now.saturating_sub(since)
            }
            None => 0,
        };
        // An empty inbox is no lag, however long the last look is ago.
        if self.mark.is_none() && waiting > 0 {
            self.mark = Some((self.taken + waiting as u64, now));
        }
        late.max(waited.saturating_sub(clock::ns(TICK)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn nothing_waits_and_nothing_is_late() {
        let mut lag = Lag::default();
        for look in 0..5 {
            assert_eq!(lag.look(look * 100 * MS, 0), 0);
            lag.took();
        }
    }

    #[test]
    fn a_controller_that_stood_still_is_late() {
        let mut lag = Lag::default();
        assert_eq!(lag.look(0, 0), 0);
        assert_eq!(lag.look(3_100 * MS, 50), 3_000 * MS);
        assert_eq!(lag.look(3_200 * MS, 0), 0, "it waits for its next turn");
    }

    #[test]
    fn what_waits_is_as_old_as_the_look_at_which_it_came_last() {
        let mut lag = Lag::default();
        assert_eq!(lag.look(0, 100), 0);
        for look in 1..30 {
            (0..3).for_each(|_| lag.took());
            let behind = lag.look(look * 100 * MS, 100);
            assert_eq!(behind, (look - 1) * 100 * MS, "33 looks for 100 of them");
        }
        (0..20).for_each(|_| lag.took());
        assert_eq!(lag.look(3_000 * MS, 0), 2_900 * MS, "the last of them");
        assert_eq!(lag.look(3_100 * MS, 0), 0);
    }
}
