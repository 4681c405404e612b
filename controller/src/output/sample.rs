//! Single values that stand for a merged distribution, for programs that want samples: each stands for as many as any other.
//!
//! Below the budget every recorded value is there once. Above it a trend is cut into strata of equal weight and each is stood for by
//! the value of its middle rank, so that quantiles and means of the samples are those of the distribution, to within a stratum. Pure.

use metrics::{Metric, Tags, Trend};
use std::collections::HashMap;

/// A value, and how many recorded ones it stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampled<T> {
    pub(super) value: T,
    pub(super) weight: u64,
}

/// How a fraction of a sample is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fraction {
    /// Carried over to the series' next second, so that all samples weigh the same over time: for those who cannot weigh.
    Carried,
    /// Every series has a row every second, which says what it weighs: for those who can.
    Weighed,
}

/// Samples for each second, so many per metric.
#[derive(Debug)]
pub(super) struct Sampler {
    budget: u64,
    fraction: Fraction,
    series: HashMap<(Metric, Tags), Carried>,
}

/// What is kept of a series.
#[derive(Debug, Default)]
struct Carried {
    fraction: f64,
    truths: f64,
    smallest: Option<u64>,
    largest: u64,
}

/// Series of which fractions are kept.
const SERIES: usize = 50_000;

impl Sampler {
    pub(super) fn new(budget: u64, fraction: Fraction) -> Self {
        Self {
            budget,
            fraction,
            series: HashMap::new(),
        }
    }

    /// Samples of a series' second, in nanoseconds, where the metric has `total` of them over all its series.
    pub(super) fn trend(
        &mut self,
        metric: Metric,
        tags: &Tags,
        trend: &Trend,
        total: u64,
    ) -> Vec<Sampled<u64>> {
        if trend.is_empty() {
            return Vec::new();
        }
        if total <= self.budget {
            return strata(trend, trend.count);
        }
        let wanted = trend.count as f64 * self.budget as f64 / total as f64;
        if self.fraction == Fraction::Weighed {
            return strata(trend, (wanted as u64).max(1));
        }
        let carried = self.carried(metric, tags);
        let mut due = wanted + carried.fraction;
        // A series' smallest and largest value ever are among its samples, at the cost of later ones.
        let smallest = carried.smallest.is_none_or(|known| trend.min < known);
        let largest = trend.max > carried.largest;
        let records = u64::from(smallest) + u64::from(largest);
        let rows = (due.max(0.0) as u64).max(records).min(trend.count);
        due -= rows as f64;
        carried.fraction = due;
        carried.smallest = Some(carried.smallest.map_or(trend.min, |old| old.min(trend.min)));
        carried.largest = carried.largest.max(trend.max);
        let mut rows = strata(trend, rows);
        let count = rows.len();
        for (index, row) in rows.iter_mut().enumerate() {
            if smallest && index == 0 {
                row.value = trend.min;
            }
            if largest && index + 1 == count {
                row.value = trend.max;
            }
        }
        rows
    }

    /// Samples of a share: true ones first.
    pub(super) fn rate(
        &mut self,
        metric: Metric,
        tags: &Tags,
        (passes, of): (u64, u64),
        total: u64,
    ) -> Vec<Sampled<bool>> {
        let fails = of.saturating_sub(passes);
        let (trues, falses) = if total <= self.budget {
            (passes, fails)
        } else {
            let factor = self.budget as f64 / total as f64;
            if self.fraction == Fraction::Weighed {
                let rows = |n: u64| ((n as f64 * factor) as u64).max(u64::from(n > 0));
                (rows(passes), rows(fails))
            } else {
                let carried = self.carried(metric, tags);
                let take = |n: u64, fraction: &mut f64| {
                    let due = n as f64 * factor + *fraction;
                    let rows = (due as u64).min(n);
                    *fraction = due - rows as f64;
                    rows
                };
                (
                    take(passes, &mut carried.truths),
                    take(fails, &mut carried.fraction),
                )
            }
        };
        let some = |value: bool, n: u64, rows: u64| {
            (0..rows).map(move |index| Sampled {
                value,
                weight: until(n, index + 1, rows) - until(n, index, rows),
            })
        };
        some(true, passes, trues)
            .chain(some(false, fails, falses))
            .collect()
    }

    fn carried(&mut self, metric: Metric, tags: &Tags) -> &mut Carried {
        let key = (metric, tags.clone());
        let key = if self.series.len() < SERIES || self.series.contains_key(&key) {
            key
        } else {
            (metric, Tags::overflow())
        };
        self.series.entry(key).or_default()
    }
}

/// The end of the `index`th of so many equal parts of n, in whole units.
fn until(n: u64, index: u64, parts: u64) -> u64 {
    u64::try_from(u128::from(n) * u128::from(index) / u128::from(parts.max(1))).unwrap_or(n)
}

/// So many values at the middle of strata of equal weight; the two ends are exact where every value is asked for.
fn strata(trend: &Trend, rows: u64) -> Vec<Sampled<u64>> {
    let n = trend.count;
    let rows = rows.min(n);
    let mut sampled = Vec::with_capacity(usize::try_from(rows).unwrap_or(0));
    let mut buckets = trend.histogram.buckets();
    let mut bucket = buckets.next();
    // Ranks before those of the bucket.
    let mut before = 0_u64;
    for index in 0..rows {
        let (first, end) = (until(n, index, rows), until(n, index + 1, rows));
        let rank = first + (end - first) / 2;
        while let Some((_, count)) = bucket
            && before.saturating_add(count) <= rank
        {
            before += count;
            bucket = buckets.next();
        }
        let value = bucket.map_or(trend.max, |(value, _)| value);
        sampled.push(Sampled {
            value: match rank {
                0 => trend.min,
                rank if rank + 1 == n => trend.max,
                _ => value.clamp(trend.min, trend.max),
            },
            weight: end - first,
        });
    }
    sampled
}

/// When the `index`th of `count` samples of a second is said to have been, in nanoseconds after the second's begin: all different,
/// and in no order of value.
pub(super) fn moment(index: usize, count: usize) -> i64 {
    let count = count.max(1) as u64;
    // The golden section's step meets every place once if it has no divisor in common with their number.
    let mut step = (count as f64 * 0.618) as u64 | 1;
    while divisor(step, count) > 1 {
        step += 1;
    }
    let place = (index as u64 % count) * step % count;
    let micros = place * 1_000_000 / count;
    i64::try_from(micros * 1_000).unwrap_or(0)
}

fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
#[path = "sample_tests.rs"]
mod tests;
