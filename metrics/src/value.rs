//! What a series adds up to: counter, gauge, rate or trend. Adding two is the only way agents are combined.
//!
//! Gauges of several agents do not add up here but second by second, in [`crate::gauge`].

use crate::{Digits, Kind, Metric, Trend};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The aggregate of one series over some time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Sum of the samples.
    Counter(f64),
    /// Last, smallest and largest level.
    Gauge {
        /// The newest.
        last: f64,
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// Samples that were true, of all.
    Rate {
        /// True ones.
        passes: u64,
        /// All.
        total: u64,
    },
    /// A distribution.
    Trend(Box<Trend>),
}

/// Two values that cannot be added, or a value that is not of its metric's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a {found} where a {expected} is expected")]
pub struct KindMismatch {
    /// What there was.
    pub expected: Kind,
    /// What came.
    pub found: Kind,
}

impl Value {
    /// The neutral value of a metric, to merge into (a recorder's trend is [`Trend::new`]). A gauge's has no level yet: its smallest is above every level.
    #[must_use]
    pub fn empty(metric: Metric) -> Self {
        match metric.kind() {
            Kind::Counter => Value::Counter(0.0),
            Kind::Gauge => Value::Gauge {
                last: 0.0,
                min: f64::INFINITY,
                max: f64::NEG_INFINITY,
            },
            Kind::Rate => Value::Rate {
                passes: 0,
                total: 0,
            },
            Kind::Trend => Value::Trend(Box::new(Trend::compact(metric.resolution()))),
        }
    }

    /// A sum.
    #[must_use]
    pub fn counter(sum: f64) -> Self {
        Value::Counter(sum)
    }

    /// A level.
    #[must_use]
    pub fn gauge(level: f64) -> Self {
        Value::Gauge {
            last: level,
            min: level,
            max: level,
        }
    }

    /// A share.
    #[must_use]
    pub fn rate(passes: u64, total: u64) -> Self {
        Value::Rate { passes, total }
    }

    /// A distribution.
    #[must_use]
    pub fn trend(trend: Trend) -> Self {
        Value::Trend(Box::new(trend))
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Value::Counter(_) => Kind::Counter,
            Value::Gauge { .. } => Kind::Gauge,
            Value::Rate { .. } => Kind::Rate,
            Value::Trend(_) => Kind::Trend,
        }
    }

    /// The trend in it, if it is one.
    #[must_use]
    pub fn as_trend(&self) -> Option<&Trend> {
        match self {
            Value::Trend(trend) => Some(trend),
            _ => None,
        }
    }

    /// True if no sample went into it. A counter of 0 is not empty: it says that nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Value::Counter(_) => false,
            Value::Gauge { min, max, .. } => min > max,
            Value::Rate { total, .. } => *total == 0,
            Value::Trend(trend) => trend.is_empty(),
        }
    }

    /// Adds the other, which for gauges is the newer one.
    ///
    /// # Errors
    /// If they are of different kinds; then nothing was added.
    pub fn merge(&mut self, other: &Value) -> Result<(), KindMismatch> {
        match (&mut *self, other) {
            (Value::Counter(sum), Value::Counter(more)) => *sum += more,
            (Value::Gauge { last, min, max }, Value::Gauge { .. }) if !other.is_empty() => {
                if let Value::Gauge {
                    last: newer,
                    min: low,
                    max: high,
                } = other
                {
                    *last = *newer;
                    *min = min.min(*low);
                    *max = max.max(*high);
                }
            }
            (Value::Gauge { .. }, Value::Gauge { .. }) => {}
            (
                Value::Rate { passes, total },
                Value::Rate {
                    passes: p,
                    total: t,
                },
            ) => {
                *passes = passes.saturating_add(*p);
                *total = total.saturating_add(*t);
            }
            (Value::Trend(trend), Value::Trend(more)) => trend.merge(more),
            _ => {
                return Err(KindMismatch {
                    expected: self.kind(),
                    found: other.kind(),
                });
            }
        }
        Ok(())
    }
}

impl Metric {
    /// The resolution of its histogram; of what is not a trend, three digits.
    #[must_use]
    pub const fn resolution(self) -> Digits {
        match Digits::from_number(self.digits() as u32) {
            Some(digits) => digits,
            None => Digits::Three,
        }
    }
}
