//! Arrivals of an open scenario whose rate was changed while it ran.
//!
//! A curve counts the area under its rate; from a change's instant on the area grows faster or slower. What was under way to
//! the next arrival is carried over a change, indexes go on without a gap, and `due_by` and `due_at` stay exact inverses.
//! Poisson arrivals are strewn anew over what is left from each change on: what was due before it stays as it was.

use super::{ArrivalCurve, Shape, area_by, part_of, reach_area};
use crate::control::{Change, FACTOR_ONE};
use crate::curve::poisson::Points;

/// Arrivals over a scenario's own time, as changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaledArrivals {
    base: ArrivalCurve,
    /// Empty if nothing was changed.
    pieces: Vec<Piece>,
    total: u64,
}

/// A time in which one change holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    from: u64,
    /// Arrivals due by then.
    before: u64,
    pace: Pace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pace {
    /// The plan's own.
    Plan,
    /// Whenever so much has passed.
    Regular {
        of: Measure,
        /// In thousandths.
        factor: u64,
        /// The measure of one arrival, and what is under way to the next one in thousandths of that.
        unit: u128,
        carry: u128,
    },
    /// Poisson arrivals over all that is to come to pass.
    Strewn {
        of: Measure,
        whole: u128,
        points: Points,
    },
}

/// What passes from a piece's begin on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    /// Nanoseconds.
    Time,
    /// The area under the plan's rate, beyond this one.
    Area(u128),
}

impl ScaledArrivals {
    pub(crate) fn new(base: ArrivalCurve, time_unit: u64, changes: &[(u64, Change)]) -> Self {
        let mut all = Self {
            total: base.total,
            base,
            pieces: Vec::new(),
        };
        let duration = all.base.duration;
        for (at, change) in changes.iter().filter(|(at, _)| *at < duration) {
            if all.pieces.is_empty() {
                all.pieces.push(Piece {
                    from: 0,
                    before: 0,
                    pace: Pace::Plan,
                });
            }
            let piece = all.next_piece(*at, *change, time_unit);
            all.pieces.push(piece);
        }
        if !all.pieces.is_empty() {
            // As on the plan's curves: a constant rate ends before its end, a ramp with it.
            let last = match all.base.shape {
                Shape::Constant { .. } => duration.saturating_sub(1),
                Shape::Ramping { .. } => duration,
            };
            all.total = all.due(last);
        }
        all
    }

    fn next_piece(&self, at: u64, change: Change, time_unit: u64) -> Piece {
        let (of, unit, factor) = match (change, &self.base.shape) {
            (Change::Rate(rate), _) => {
                let period = time_unit.checked_div(rate).unwrap_or(u64::MAX).max(1);
                (Measure::Time, u128::from(period), FACTOR_ONE)
            }
            (Change::Factor(factor), Shape::Constant { period }) => {
                (Measure::Time, u128::from(*period), factor)
            }
            (Change::Factor(factor), Shape::Ramping { one, .. }) => {
                (Measure::Area(self.base.reached(at)), *one, factor)
            }
            // Of closed scenarios only.
            (Change::Vus(_), _) => (Measure::Time, 1, 0),
        };
        let pace = match &self.base.points {
            None => Pace::Regular {
                of,
                factor,
                unit,
                carry: self.carried(at, unit),
            },
            Some(points) => {
                let whole = match of {
                    Measure::Time => u128::from(self.base.duration - at),
                    Measure::Area(passed) => self.base.area() - passed,
                };
                let (count, _) = arrivals(whole, unit, factor, 0);
                let number = self.pieces.len() as u64;
                Pace::Strewn {
                    of,
                    whole,
                    points: points.again(number, u64::try_from(count).unwrap_or(u64::MAX)),
                }
            }
        };
        Piece {
            from: at,
            before: self.due(at),
            pace,
        }
    }

    /// What is under way to the next arrival, in thousandths of `unit`.
    fn carried(&self, at: u64, unit: u128) -> u128 {
        let (rest, old) = match self.piece_at(at) {
            Some(piece) => match &piece.pace {
                Pace::Regular {
                    of,
                    factor,
                    unit,
                    carry,
                } => {
                    let passed = self.passed(*of, piece.from, at);
                    (arrivals(passed, *unit, *factor, *carry).1, *unit)
                }
                Pace::Plan => self.base.under_way(at),
                Pace::Strewn { .. } => (0, unit),
            },
            None => self.base.under_way(at),
        };
        if unit == old {
            rest
        } else {
            // Between units a fraction of an arrival is kept to 32 bits.
            ((rest << 32) / (old * thousand()) * (unit * thousand())) >> 32
        }
    }

    fn piece_at(&self, t: u64) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.from <= t);
        self.pieces.get(after.checked_sub(1)?)
    }

    fn passed(&self, of: Measure, from: u64, t: u64) -> u128 {
        match of {
            Measure::Time => u128::from(t - from),
            Measure::Area(before) => self.base.reached(t) - before,
        }
    }

    /// Arrivals due at or before `t`, were there no end.
    fn due(&self, t: u64) -> u64 {
        let Some(piece) = self.piece_at(t) else {
            return self.base.due_by(t);
        };
        let more = match &piece.pace {
            Pace::Plan => return self.base.due_by(t),
            Pace::Regular {
                of,
                factor,
                unit,
                carry,
            } => arrivals(self.passed(*of, piece.from, t), *unit, *factor, *carry).0,
            Pace::Strewn { of, whole, points } => {
                // At an instant, its nanosecond has passed; an area has been reached.
                let passed = match of {
                    Measure::Time => u128::from(t - piece.from) + 1,
                    Measure::Area(_) => self.passed(*of, piece.from, t),
                };
                u128::from(points.count_below(|point| part_of(*whole, point) >= passed))
            }
        };
        u64::try_from(u128::from(piece.before) + more).unwrap_or(u64::MAX)
    }

    /// Arrivals in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// When the last stage ends; no arrival is due later.
    #[must_use]
    pub fn duration(&self) -> u64 {
        self.base.duration
    }

    /// Arrivals due at or before `t`.
    #[must_use]
    pub fn due_by(&self, t: u64) -> u64 {
        self.due(t.min(self.base.duration)).min(self.total)
    }

    /// When arrival `n` (from 0) is due; none at or beyond the total. The first nanosecond at which `due_by` exceeds n.
    #[must_use]
    pub fn due_at(&self, n: u64) -> Option<u64> {
        if n >= self.total {
            return None;
        }
        let next = self.pieces.partition_point(|piece| piece.before <= n);
        let Some(piece) = next.checked_sub(1).and_then(|i| self.pieces.get(i)) else {
            return self.base.due_at(n);
        };
        let (of, passed) = match &piece.pace {
            Pace::Plan => return self.base.due_at(n),
            Pace::Regular {
                of,
                factor,
                unit,
                carry,
            } => {
                // The smallest measure m with m · factor + carry >= more · unit · 1000.
                let factor = u128::from(*factor);
                let goal = (u128::from(n - piece.before) + 1) * thousand();
                let whole = goal.checked_div(factor)? * unit;
                let rest = goal % factor * unit;
                let missing = if rest >= *carry {
                    whole + (rest - carry).div_ceil(factor)
                } else {
                    whole - (carry - rest) / factor
                };
                (*of, missing)
            }
            Pace::Strewn { of, whole, points } => {
                let place = part_of(*whole, points.nth(n - piece.before)?);
                match of {
                    Measure::Time => (*of, place),
                    Measure::Area(_) => (*of, place + 1),
                }
            }
        };
        match of {
            Measure::Time => piece.from.checked_add(u64::try_from(passed).ok()?),
            Measure::Area(before) => self.base.first_at(before + passed),
        }
    }
}

/// Arrivals for which `passed · factor + carry` is enough, and the rest in thousandths of `unit`.
fn arrivals(passed: u128, unit: u128, factor: u64, carry: u128) -> (u128, u128) {
    // In whole arrivals and a rest, so that no product outgrows 128 bits: whole ones are below 2^64, a unit is below 2^60.
    let whole = passed / unit * u128::from(factor);
    let rest = whole % thousand() * unit + passed % unit * u128::from(factor) + carry;
    let one = unit * thousand();
    (whole / thousand() + rest / one, rest % one)
}

fn thousand() -> u128 {
    u128::from(FACTOR_ONE)
}

impl ArrivalCurve {
    /// What is under way to the next arrival at `t`, in thousandths of the measure of one, and that measure.
    fn under_way(&self, t: u64) -> (u128, u128) {
        match &self.shape {
            Shape::Constant { period } => {
                (u128::from(t % period) * thousand(), u128::from(*period))
            }
            Shape::Ramping { one, .. } => (self.reached(t) % one * thousand(), *one),
        }
    }

    /// The area under a ramping rate up to `t`.
    fn reached(&self, t: u64) -> u128 {
        match &self.shape {
            Shape::Constant { .. } => u128::from(t),
            Shape::Ramping { ramps, before, .. } => {
                area_by(ramps, before, t).unwrap_or_else(|| self.area())
            }
        }
    }

    /// The first nanosecond at which a ramping rate's area reaches `goal`, if it ever does.
    fn first_at(&self, goal: u128) -> Option<u64> {
        match &self.shape {
            Shape::Constant { .. } => u64::try_from(goal).ok(),
            Shape::Ramping { ramps, before, .. } => reach_area(ramps, before, goal),
        }
    }
}
