//! A distribution of durations: its histogram, and beside it exactly what a histogram cannot hold.
//!
//! Quantiles are k6's (linear between two ranks), read from merged counts. Knows nothing of metrics or tags.

use crate::v2::{self, DecodeError};
use crate::{Digits, Histogram};
use serde::{Deserialize, Serialize};

/// A distribution: its histogram and what a histogram cannot hold exactly. All times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// The counts, clamped to the histogram's range.
    pub histogram: Histogram,
    /// Samples; exact.
    pub count: u64,
    /// Sum of the samples in nanoseconds; exact.
    pub sum: u128,
    /// Smallest sample in nanoseconds; exact; `u64::MAX` when empty.
    pub min: u64,
    /// Largest sample in nanoseconds; exact; 0 when empty.
    pub max: u64,
    /// Samples beyond the histogram's range: in its last bucket, and counted here.
    pub clamped: u64,
}

/// A trend as it travels: its exact figures and its histogram's V2 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrendParts<'a> {
    /// As [`Trend::count`].
    pub count: u64,
    /// As [`Trend::sum`].
    pub sum: u128,
    /// As [`Trend::min`].
    pub min: u64,
    /// As [`Trend::max`].
    pub max: u64,
    /// As [`Trend::clamped`].
    pub clamped: u64,
    /// From [`Histogram::to_v2`].
    pub histogram: &'a [u8],
}

impl TrendParts<'_> {
    /// Checks the bytes and that no figure contradicts another.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, digits: Digits) -> Result<(), DecodeError> {
        self.survey(digits).map(|_| ())
    }

    fn survey(&self, digits: Digits) -> Result<v2::Survey, DecodeError> {
        let contradiction = |what| Err(DecodeError::Contradiction(what));
        let survey = v2::survey(digits, self.histogram)?;
        if survey.total != self.count {
            return contradiction("count");
        }
        if self.clamped > self.count {
            return contradiction("clamped");
        }
        if self.count == 0 {
            return match (self.sum, self.min, self.max) {
                (0, u64::MAX, 0) => Ok(survey),
                _ => contradiction("emptiness"),
            };
        }
        if self.min > self.max {
            return contradiction("min");
        }
        let count = u128::from(self.count);
        if self.sum < u128::from(self.min) * count || self.sum > u128::from(self.max) * count {
            return contradiction("sum");
        }
        Ok(survey)
    }
}

impl Trend {
    /// An empty one, to record into: all its memory is reserved.
    #[must_use]
    pub fn new(digits: Digits) -> Self {
        Self::empty(Histogram::new(digits))
    }

    /// An empty one, to merge into: it takes memory for the values that come.
    #[must_use]
    pub fn compact(digits: Digits) -> Self {
        Self::empty(Histogram::compact(digits))
    }

    fn empty(histogram: Histogram) -> Self {
        Self {
            histogram,
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
            clamped: 0,
        }
    }

    /// From what travelled.
    ///
    /// # Errors
    /// As [`TrendParts::check`].
    pub fn from_parts(digits: Digits, parts: &TrendParts<'_>) -> Result<Self, DecodeError> {
        let mut trend = Self::compact(digits);
        trend.merge_parts(parts)?;
        Ok(trend)
    }

    /// Adds a sample. Never panics, nor allocates after [`Trend::new`].
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.count += 1;
        self.sum += u128::from(ns);
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
        self.clamped += u64::from(self.histogram.record(ns));
    }

    /// Adds every sample of the other.
    pub fn merge(&mut self, other: &Trend) {
        self.histogram.merge(&other.histogram);
        self.add_figures(other.count, other.sum, other.min, other.max, other.clamped);
    }

    /// Adds what travelled, without building a trend in between; on an error nothing was added.
    ///
    /// # Errors
    /// As [`TrendParts::check`].
    pub fn merge_parts(&mut self, parts: &TrendParts<'_>) -> Result<(), DecodeError> {
        let survey = parts.survey(self.histogram.digits())?;
        self.histogram.add_v2(parts.histogram, survey)?;
        self.add_figures(parts.count, parts.sum, parts.min, parts.max, parts.clamped);
        Ok(())
    }

    fn add_figures(&mut self, count: u64, sum: u128, min: u64, max: u64, clamped: u64) {
        self.count = self.count.saturating_add(count);
        self.sum = self.sum.saturating_add(sum);
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.clamped = self.clamped.saturating_add(clamped);
    }

    /// Forgets every sample; keeps the memory.
    pub fn reset(&mut self) {
        self.histogram.reset();
        self.count = 0;
        self.sum = 0;
        self.min = u64::MAX;
        self.max = 0;
        self.clamped = 0;
    }

    /// True if there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Arithmetic mean in nanoseconds; 0 when empty.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        self.sum as f64 / self.count as f64
    }

    /// The value of a rank in sorted order: exact at both ends, else the middle of its bucket within the exact ends.
    fn at(&self, rank: u64, read: u64) -> f64 {
        let value = if rank == 0 {
            self.min
        } else if rank >= self.count - 1 {
            self.max
        } else {
            read.clamp(self.min, self.max)
        };
        value as f64
    }

    /// The q-quantile in nanoseconds, q in 0..=1, by k6's formula: linear at q·(n−1) between the values of the two ranks
    /// beside it. 0 when empty, as in k6.
    ///
    /// Off from the same formula on the raw samples by at most [`Digits::error`] of it, if none was clamped: each rank is read
    /// with that relative error, so a weighted mean of two is, too.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        let place = q.clamp(0.0, 1.0) * (self.count - 1) as f64;
        let rank = (place.floor() as u64).min(self.count - 1);
        let (read, next) = self.histogram.values_at_rank(rank);
        let low = self.at(rank, read);
        let high = self.at((rank + 1).min(self.count - 1), next);
        low + (high - low) * (place - place.floor())
    }
}
