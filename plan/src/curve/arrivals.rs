//! The curve of an open executor: when each iteration is due. `due_by` and `due_at` are exact inverses.

mod scaled;

use super::poisson::Points;
use super::{Ramp, ramps};
use crate::Stage;
use crate::duration::as_nanos;
use std::time::Duration;

pub use scaled::ScaledArrivals;

/// Arrivals over time, numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivalCurve {
    shape: Shape,
    total: u64,
    duration: u64,
    /// For Poisson arrivals: where under the shape they are.
    points: Option<Points>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// Index n is due at `n * period`, as in k6.
    Constant { period: u64 },
    /// Index n is due when the area under the rate reaches n + 1, as in k6.
    Ramping {
        ramps: Vec<Ramp>,
        /// Twice the area before each ramp, and at the end, times the time unit.
        before: Vec<u128>,
        /// Twice the time unit: what one arrival is, in the unit of `before`.
        one: u128,
    },
}

impl ArrivalCurve {
    /// k6: index n at `n * floor(time_unit / rate)`, before the end.
    pub(crate) fn constant(rate: u64, time_unit: Duration, duration: Duration) -> Self {
        let duration = as_nanos(duration);
        // `check` refuses more than one arrival per nanosecond and a rate of 0.
        let period = as_nanos(time_unit).checked_div(rate).unwrap_or(0).max(1);
        Self {
            shape: Shape::Constant { period },
            total: if rate == 0 {
                0
            } else {
                duration.div_ceil(period)
            },
            duration,
            points: None,
        }
    }

    /// k6: index n when the integral of the rate reaches n + 1; the fraction left by a stage is carried into the next.
    pub(crate) fn ramping(start_rate: u64, time_unit: Duration, stages: &[Stage]) -> Self {
        let ramps = ramps(start_rate, stages);
        let mut before = vec![0];
        let mut area = 0;
        for ramp in &ramps {
            area += double_area(ramp, ramp.end - ramp.start);
            before.push(area);
        }
        let one = 2 * u128::from(as_nanos(time_unit)).max(1);
        Self {
            // At most one arrival per nanosecond: 64 bits.
            total: u64::try_from(area / one).unwrap_or(u64::MAX),
            duration: ramps.last().map_or(0, |ramp| ramp.end),
            shape: Shape::Ramping { ramps, before, one },
            points: None,
        }
    }

    /// As many arrivals at the same rates, but each at an instant of its own: seeded, independent of one another.
    pub(crate) fn poisson(self, seed: u64, scenario: &str) -> Self {
        Self {
            points: Some(Points::new(seed, scenario, self.total)),
            ..self
        }
    }

    /// Arrivals in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// When the last stage ends; no arrival is due later.
    #[must_use]
    pub fn duration(&self) -> u64 {
        self.duration
    }

    /// When arrival `n` (from 0) is due; none at or beyond the total. The first nanosecond at which `due_by` exceeds n.
    #[must_use]
    pub fn due_at(&self, n: u64) -> Option<u64> {
        if n >= self.total {
            return None;
        }
        if let Some(points) = &self.points {
            let goal = part_of(self.area(), points.nth(n)?) + 1;
            return match &self.shape {
                // The goal is at most the duration.
                Shape::Constant { .. } => u64::try_from(goal - 1).ok(),
                Shape::Ramping { ramps, before, .. } => reach_area(ramps, before, goal),
            };
        }
        match &self.shape {
            Shape::Constant { period } => Some(n * period),
            Shape::Ramping { ramps, before, one } => {
                reach_area(ramps, before, (u128::from(n) + 1) * one)
            }
        }
    }

    /// What Poisson arrivals are strewn over: the nanoseconds of a constant rate, the area (as in `before`) of a ramping one.
    fn area(&self) -> u128 {
        match &self.shape {
            Shape::Constant { .. } => u128::from(self.duration),
            Shape::Ramping { before, .. } => before.last().copied().unwrap_or(0),
        }
    }

    /// Arrivals due at or before `t`.
    #[must_use]
    pub fn due_by(&self, t: u64) -> u64 {
        if let Some(points) = &self.points {
            let whole = self.area();
            let passed = match &self.shape {
                Shape::Constant { .. } => u128::from(t) + 1,
                Shape::Ramping { ramps, before, .. } => area_by(ramps, before, t).unwrap_or(whole),
            };
            return points.count_below(|point| part_of(whole, point) >= passed);
        }
        match &self.shape {
            Shape::Constant { period } => self.total.min((t / period).saturating_add(1)),
            Shape::Ramping { ramps, before, one } => match area_by(ramps, before, t) {
                Some(area) => u64::try_from(area / one).unwrap_or(u64::MAX),
                None => self.total,
            },
        }
    }
}

/// `whole · point / 2^64`, floored.
fn part_of(whole: u128, point: u64) -> u128 {
    let point = u128::from(point);
    (whole >> 64) * point + (((whole & u128::from(u64::MAX)) * point) >> 64)
}

/// The first nanosecond at which an area above 0 is reached, if it ever is.
fn reach_area(ramps: &[Ramp], before: &[u128], goal: u128) -> Option<u64> {
    // The first ramp at whose end the area is reached.
    let i = before.partition_point(|area| *area < goal).checked_sub(1)?;
    let ramp = ramps.get(i)?;
    Some(ramp.start + reach(ramp, goal - before[i]))
}

/// The area up to `t`; none once the last ramp is over.
fn area_by(ramps: &[Ramp], before: &[u128], t: u64) -> Option<u128> {
    let i = ramps.partition_point(|ramp| ramp.end <= t);
    let ramp = ramps.get(i)?;
    Some(before[i] + double_area(ramp, t - ramp.start))
}

/// Twice the area under a ramp up to `x` after its start, floored: `2·f·x + (t-f)·x²/d`, in arrivals times the time unit.
///
/// An area is compared with integers only, so its floor says the same as the area itself. Widths: rates are at most the
/// time unit in nanoseconds and times below ten years, so each factor is below 2^59 and no product of two exceeds 2^118.
fn double_area(ramp: &Ramp, x: u64) -> u128 {
    let length = u128::from(ramp.end - ramp.start);
    if length == 0 {
        return 0;
    }
    let x = u128::from(x);
    let flat = 2 * u128::from(ramp.from) * x;
    let slope = u128::from(ramp.to.abs_diff(ramp.from)) * x;
    // slope · x / length without a product of three.
    let (whole, rest) = (slope / length * x, slope % length * x);
    if ramp.to >= ramp.from {
        flat + whole + rest / length
    } else {
        flat - whole - rest.div_ceil(length)
    }
}

/// The smallest `x` after the ramp's start with `double_area(x) >= goal`, which its end reaches.
///
/// A float makes the guess, integers decide: the answer does not depend on how the guess was rounded.
fn reach(ramp: &Ramp, goal: u128) -> u64 {
    let length = ramp.end - ramp.start;
    let reached = |x| double_area(ramp, x) >= goal;
    // Always: not reached at low, reached at high.
    let (mut low, mut high) = (0, length);
    let guess = guess(ramp, goal).clamp(0.0, length as f64) as u64;
    let mut step = 1_u64;
    if reached(guess) {
        high = guess;
        while let Some(probe) = high.checked_sub(step).filter(|probe| *probe > low) {
            if !reached(probe) {
                low = probe;
                break;
            }
            high = probe;
            step = step.saturating_mul(2);
        }
    } else {
        low = guess;
        while let Some(probe) = low.checked_add(step).filter(|probe| *probe < high) {
            if reached(probe) {
                high = probe;
                break;
            }
            low = probe;
            step = step.saturating_mul(2);
        }
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if reached(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Where `2·f·x + (t-f)·x²/d = goal`, about.
fn guess(ramp: &Ramp, goal: u128) -> f64 {
    let (from, to) = (ramp.from as f64, ramp.to as f64);
    let slope = (to - from) / (ramp.end - ramp.start) as f64;
    let goal = goal as f64;
    // The citardauq form: no cancellation, and right for a slope of 0.
    let root = (from * from + slope * goal).max(0.0).sqrt();
    goal / (from + root)
}
