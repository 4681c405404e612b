//! Whether somebody set this machine's wall clock, seen against the clock that nobody sets. Pure.

/// A jump of the wall clock by more than this, in nanoseconds, between two looks is told. Less is how clocks are kept right.
const STEP_NS: u128 = 500_000_000;

/// What the wall clock is ahead of the other by.
#[derive(Debug, Default)]
pub struct Wall(Option<i128>);

impl Wall {
    /// By how much it was set since the last look, in seconds, if it was. Forward is more than zero.
    pub fn look(&mut self, now: u64, unix_ns: i128) -> Option<f64> {
        let ahead = unix_ns - i128::from(now);
        let step = ahead - self.0.replace(ahead).unwrap_or(ahead);
        (step.unsigned_abs() > STEP_NS).then_some(step as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_once_and_slow_correction_never() {
        const S: i128 = 1_000_000_000;
        let mut wall = Wall::default();
        let mut ahead = 1_800_000_000 * S;
        let mut look = |second: u64, by: i128| {
            ahead += by;
            wall.look(second * S as u64, ahead + i128::from(second) * S)
        };
        assert_eq!(look(0, 0), None);
        for second in 1..2_000 {
            assert_eq!(look(second, S / 2_000), None, "slewed by a second in all");
        }
        assert_eq!(look(2_000, 3_600 * S), Some(3_600.0));
        assert_eq!(look(2_001, 0), None);
        assert_eq!(look(2_002, -2 * S), Some(-2.0));
    }
}
