//! Levels of several agents, added up second by second: the fleet's `vus` is the sum over its agents at one instant,
//! so its extremes are those of the sum, not sums of extremes.

use crate::Value;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Sums per run second, and the extremes of the seconds that are too old to change.
///
/// Memory: at most [`GaugeBook::WINDOW`] seconds and [`GaugeBook::SOURCES`] sources, some 16 and 40 bytes each.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GaugeBook {
    /// Run second of the front of `sums`.
    first: i64,
    /// Sum per second; `None` where nobody reported.
    sums: VecDeque<Option<f64>>,
    /// The newest second of each source, and its level then.
    newest: BTreeMap<u64, (i64, f64)>,
    /// Extremes of what left the window: smallest, largest.
    folded: Option<(f64, f64)>,
    /// Levels that came outside the window, not finite, or from too many sources.
    ignored: u64,
}

impl GaugeBook {
    /// How many seconds back a level may still arrive.
    pub const WINDOW: usize = 3_600;
    /// How many sources are told apart.
    pub const SOURCES: usize = 100_000;
    /// Later run seconds (ten years) are nonsense.
    pub const LAST: i64 = 315_360_000;

    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A source's (an agent's, or one of an agent's series') level in a run second. A second report for its newest second
    /// replaces the first. Seconds before T0 are ignored: no load runs then.
    pub fn record(&mut self, source: u64, second: i64, level: f64) {
        let full = !self.newest.contains_key(&source) && self.newest.len() >= Self::SOURCES;
        if !(0..=Self::LAST).contains(&second) || !level.is_finite() || full {
            self.ignored += 1;
            return;
        }
        let Some(sum) = self.cell(second) else {
            self.ignored += 1;
            return;
        };
        let mut level_change = level;
        let mut newest = true;
        if let Some(&(last, old)) = self.newest.get(&source) {
            if last == second {
                level_change -= old;
            }
            newest = last <= second;
        }
        if let Some(cell) = self.sums.get_mut(sum) {
            *cell = Some(cell.unwrap_or(0.0) + level_change);
        }
        if newest {
            self.newest.insert(source, (second, level));
        }
    }

    /// Index of a second in the window, moving it forward if needed; `None` before the window.
    fn cell(&mut self, second: i64) -> Option<usize> {
        if self.sums.is_empty() && self.folded.is_none() {
            self.first = (second - Self::WINDOW as i64 / 2).max(0);
        }
        let beyond = second - (self.first + Self::WINDOW as i64 - 1);
        if beyond > 0 {
            // A jump beyond the whole window empties it; going second by second would take its length.
            for _ in 0..beyond.min(self.sums.len() as i64) {
                self.fold();
            }
            self.first = second - (Self::WINDOW as i64 - 1);
        }
        let index = usize::try_from(second - self.first).ok()?;
        if index >= self.sums.len() {
            self.sums.resize(index + 1, None);
        }
        Some(index)
    }

    fn fold(&mut self) {
        if let Some(Some(sum)) = self.sums.pop_front() {
            let (low, high) = self.folded.unwrap_or((sum, sum));
            self.folded = Some((low.min(sum), high.max(sum)));
        }
    }

    /// The sum over all sources in a second, if somebody reported it and it is still in the window.
    #[must_use]
    pub fn at(&self, second: i64) -> Option<f64> {
        let index = usize::try_from(second.checked_sub(self.first)?).ok()?;
        self.sums.get(index).copied().flatten()
    }

    /// The seconds in the window and their sums, in order.
    pub fn seconds(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        (self.first..)
            .zip(&self.sums)
            .filter_map(|(second, sum)| sum.map(|sum| (second, sum)))
    }

    /// The newest second that somebody reported.
    #[must_use]
    pub fn newest(&self) -> Option<i64> {
        self.newest.values().map(|&(second, _)| second).max()
    }

    /// Levels that were not taken: outside the window, not a number, or from too many sources.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Last, smallest and largest sum; `None` before the first report.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        let (_, last) = self.seconds().last()?;
        let (mut min, mut max) = self.folded.unwrap_or((last, last));
        for (_, sum) in self.seconds() {
            min = min.min(sum);
            max = max.max(sum);
        }
        Some(Value::Gauge { last, min, max })
    }

    /// Adds another book's levels, second by second: two series of one gauge. Exact within the window; of older seconds only
    /// bounds of the extremes are left, which then go too far rather than not far enough.
    pub fn merge(&mut self, other: &GaugeBook) {
        for (second, sum) in other.seconds() {
            if let Some(index) = self.cell(second)
                && let Some(cell) = self.sums.get_mut(index)
            {
                *cell = Some(cell.unwrap_or(0.0) + sum);
            }
        }
        if let Some((low, high)) = other.folded {
            let (l, h) = self.folded.unwrap_or((0.0, 0.0));
            self.folded = Some((low.min(l + low), h + high));
        }
        self.ignored += other.ignored;
    }
}
