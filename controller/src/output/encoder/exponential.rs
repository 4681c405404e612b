//! Exponential buckets, as Prometheus' native histograms and OpenTelemetry have them: bucket i holds base^(i−1) < value ≤ base^i,
//! base = 2^(2^−scale). Made from a trend's counts, so they add up as those do.

use metrics::Trend;
use std::collections::BTreeMap;

/// Counts by bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exponential {
    pub(super) scale: i32,
    pub(super) zeros: u64,
    pub(super) buckets: BTreeMap<i32, u64>,
}

impl Exponential {
    /// Of a trend whose nanoseconds are divided by `unit`.
    pub(super) fn new(trend: &Trend, scale: i32, unit: f64) -> Self {
        let per_doubling = f64::from(scale).exp2();
        let (mut zeros, mut buckets) = (0_u64, BTreeMap::new());
        for (ns, count) in trend.histogram.buckets() {
            if ns == 0 {
                zeros = zeros.saturating_add(count);
            } else {
                // Within the exact ends, so that no bucket lies beyond the largest value.
                let value = ns.clamp(trend.min.max(1), trend.max.max(1)) as f64 / unit;
                let index = (value.log2() * per_doubling).ceil() as i32;
                add(&mut buckets, index, count);
            }
        }
        Self {
            scale,
            zeros,
            buckets,
        }
    }

    /// The same, coarser, until no more than so many buckets lie between the first and the last.
    pub(super) fn within(mut self, width: i32) -> Self {
        while let (Some((first, _)), Some((last, _))) = (
            self.buckets.first_key_value(),
            self.buckets.last_key_value(),
        ) {
            if last - first < width {
                break;
            }
            self.scale -= 1;
            let mut coarser = BTreeMap::new();
            for (index, count) in std::mem::take(&mut self.buckets) {
                // Two in one: 2i−1 and 2i become i.
                add(&mut coarser, (index + 1).div_euclid(2), count);
            }
            self.buckets = coarser;
        }
        self
    }
}

fn add(buckets: &mut BTreeMap<i32, u64>, index: i32, count: u64) {
    let sum = buckets.entry(index).or_default();
    *sum = sum.saturating_add(count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::Digits;

    fn trend(values: &[u64]) -> Trend {
        let mut trend = Trend::new(Digits::Three);
        for value in values {
            trend.record(*value);
        }
        trend
    }

    #[test]
    fn bounds_are_the_formulas() {
        // Powers of two are the upper bound of their bucket, whatever the scale; in units of 1 ns.
        for (value, scale, index) in [
            (1, 3, 0),
            (2, 3, 8),
            (1024, 3, 80),
            (1024, 5, 320),
            (1025, 0, 11),
        ] {
            let made = Exponential::new(&trend(&[value]), scale, 1.0);
            assert_eq!(
                made.buckets,
                BTreeMap::from([(index, 1)]),
                "{value} at {scale}"
            );
        }
        assert_eq!(Exponential::new(&trend(&[0, 0]), 3, 1.0).zeros, 2);
    }

    #[test]
    fn coarser_is_as_if_made_so() {
        let values: Vec<u64> = (1..2_000).map(|n| n * n * 10).collect();
        let trend = trend(&values);
        let fine = Exponential::new(&trend, 5, 1e9);
        let coarse = fine.within(100);
        assert_eq!(coarse, Exponential::new(&trend, coarse.scale, 1e9));
        assert_eq!(coarse.buckets.values().sum::<u64>(), 1_999);
        let (first, last) = (coarse.buckets.keys().min(), coarse.buckets.keys().max());
        assert!(
            last.zip(first)
                .is_some_and(|(last, first)| last - first < 100)
        );
    }
}
