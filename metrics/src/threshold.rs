//! Thresholds: k6's grammar, its checks before the start, and evaluation on merged data.

mod parse;

use crate::{Contains, Kind, Metric, Store, Tags, Trend, Value};
pub use parse::ThresholdError;
use std::fmt;
use std::time::Duration;

/// What a threshold compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregation {
    /// Of a counter: its sum.
    Count,
    /// Of a counter: its sum per second of the run. Of a rate: the share of true samples, 0..=1.
    Rate,
    /// Of a gauge: its last level.
    Value,
    /// Of a trend: its mean.
    Avg,
    /// Of a trend: its smallest sample.
    Min,
    /// Of a trend: its largest sample.
    Max,
    /// Of a trend: p(50).
    Med,
    /// Of a trend: a percentile, 0..=100.
    Percentile(f64),
}

impl Aggregation {
    /// What k6 allows for a kind of metric.
    #[must_use]
    pub const fn allowed(kind: Kind) -> &'static str {
        match kind {
            Kind::Counter => "count or rate",
            Kind::Gauge => "value",
            Kind::Rate => "rate",
            Kind::Trend => "avg, min, max, med or p(N) with N from 0 to 100",
        }
    }

    /// True if k6 allows it for that kind of metric.
    #[must_use]
    pub const fn suits(self, kind: Kind) -> bool {
        matches!(
            (kind, self),
            (Kind::Counter, Aggregation::Count | Aggregation::Rate)
                | (Kind::Gauge, Aggregation::Value)
                | (Kind::Rate, Aggregation::Rate)
                | (
                    Kind::Trend,
                    Aggregation::Avg
                        | Aggregation::Min
                        | Aggregation::Max
                        | Aggregation::Med
                        | Aggregation::Percentile(_)
                )
        )
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aggregation::Count => f.write_str("count"),
            Aggregation::Rate => f.write_str("rate"),
            Aggregation::Value => f.write_str("value"),
            Aggregation::Avg => f.write_str("avg"),
            Aggregation::Min => f.write_str("min"),
            Aggregation::Max => f.write_str("max"),
            Aggregation::Med => f.write_str("med"),
            Aggregation::Percentile(percent) => write!(f, "p({percent})"),
        }
    }
}

/// How a threshold compares; k6's `===` is `==`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==` and `===`
    Equal,
    /// `!=`
    NotEqual,
}

impl Operator {
    /// `left` operator `right`.
    #[must_use]
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Operator::Greater => left > right,
            Operator::GreaterOrEqual => left >= right,
            Operator::Less => left < right,
            Operator::LessOrEqual => left <= right,
            Operator::Equal => left == right,
            Operator::NotEqual => left != right,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
        })
    }
}

/// A parsed threshold expression on a metric, with the tags that select its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// What is measured.
    pub metric: Metric,
    /// Only series with these tags; empty for all.
    pub filter: Tags,
    /// What is compared,
    pub aggregation: Aggregation,
    /// how,
    pub operator: Operator,
    /// and with what. Times in milliseconds, as in k6.
    pub value: f64,
}

/// What a threshold found. `actual` is in the unit of [`Threshold::value`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// It holds.
    Passed {
        /// What was measured.
        actual: f64,
    },
    /// It does not.
    Failed {
        /// What was measured.
        actual: f64,
    },
    /// Nothing was measured.
    NoSamples {
        /// What k6 makes of that at the end of a run: a rate passes, everything else is compared as 0.
        passes_in_k6: bool,
    },
}

impl Outcome {
    /// True if the run may pass. Without samples that is no, or with `compat_k6` what k6 says.
    #[must_use]
    pub fn passes(self, compat_k6: bool) -> bool {
        match self {
            Outcome::Passed { .. } => true,
            Outcome::Failed { .. } => false,
            Outcome::NoSamples { passes_in_k6 } => compat_k6 && passes_in_k6,
        }
    }

    /// What was measured, if anything.
    #[must_use]
    pub fn actual(self) -> Option<f64> {
        match self {
            Outcome::Passed { actual } | Outcome::Failed { actual } => Some(actual),
            Outcome::NoSamples { .. } => None,
        }
    }
}

impl Threshold {
    /// Reads k6's `metric` or `metric{tag:value,…}` and `aggregation operator number`.
    ///
    /// # Errors
    /// Which part is wrong, and what would be right.
    pub fn parse(key: &str, expression: &str) -> Result<Self, ThresholdError> {
        let (metric, filter) = parse::key(key)?;
        let (aggregation, operator, value) = parse::expression(metric, expression)?;
        Ok(Self {
            metric,
            filter,
            aggregation,
            operator,
            value,
        })
    }

    /// True if it looks at some series of its metric only.
    #[must_use]
    pub fn is_submetric(&self) -> bool {
        !self.filter.is_empty()
    }

    /// Its metric as k6 writes it: `http_reqs` or `http_reqs{status:500}`.
    #[must_use]
    pub fn submetric(&self) -> String {
        submetric(self.metric, &self.filter)
    }

    /// Compares what is merged so far. `elapsed` is the run's time, by which counters become rates.
    ///
    /// A counter without a sample is a measured zero where that is known: counters of incidents, and submetrics of a counter
    /// that has samples, if some series carries each tag that the filter names (so that a mistyped tag is not).
    #[must_use]
    pub fn evaluate(&self, store: &Store, elapsed: Duration) -> Outcome {
        match self.measure(store, elapsed) {
            Some(actual) if self.operator.holds(actual, self.value) => Outcome::Passed { actual },
            Some(actual) => Outcome::Failed { actual },
            None => Outcome::NoSamples {
                passes_in_k6: self.metric.kind() == Kind::Rate
                    || self.operator.holds(0.0, self.value),
            },
        }
    }

    fn measure(&self, store: &Store, elapsed: Duration) -> Option<f64> {
        let found = store
            .aggregate(self.metric, &self.filter)
            .filter(|value| !value.is_empty())
            .or_else(|| self.known_zero(store))?;
        Some(match &found {
            Value::Counter(sum) => match self.aggregation {
                Aggregation::Rate => per_second(*sum, elapsed),
                _ => *sum,
            },
            Value::Gauge { last, .. } => *last,
            Value::Rate { passes, total } => *passes as f64 / *total as f64,
            Value::Trend(trend) => of_trend(self.aggregation, trend) / self.unit(),
        })
    }

    fn known_zero(&self, store: &Store) -> Option<Value> {
        if self.metric.kind() != Kind::Counter {
            return None;
        }
        let counted = self.metric.counts_incidents() && store.intervals() > 0
            || self.is_submetric() && store.aggregate(self.metric, &Tags::default()).is_some();
        let tags_known = self.filter.0.keys().all(|tag| store.knows_tag(tag));
        (counted && tags_known).then_some(Value::Counter(0.0))
    }

    /// Nanoseconds (or whatever the metric holds) in one unit of the threshold's value.
    fn unit(&self) -> f64 {
        match self.metric.contains() {
            Contains::Time => 1e6,
            Contains::Default | Contains::Data => 1.0,
        }
    }
}

/// k6's name of a metric under a filter: `http_reqs` or `http_reqs{status:500}`.
#[must_use]
pub fn submetric(metric: Metric, filter: &Tags) -> String {
    if filter.is_empty() {
        metric.name().to_owned()
    } else {
        format!("{metric}{{{filter}}}")
    }
}

/// A sum per second; 0 before any time has passed.
pub(crate) fn per_second(sum: f64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        0.0
    } else {
        sum / elapsed.as_secs_f64()
    }
}

/// In the trend's own unit.
pub(crate) fn of_trend(aggregation: Aggregation, trend: &Trend) -> f64 {
    match aggregation {
        Aggregation::Avg => trend.mean(),
        Aggregation::Min => trend.min as f64,
        Aggregation::Max => trend.max as f64,
        Aggregation::Med => trend.quantile(0.5),
        Aggregation::Percentile(percent) => trend.quantile(percent / 100.0),
        Aggregation::Count | Aggregation::Rate | Aggregation::Value => trend.count as f64,
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}{}{}",
            self.submetric(),
            self.aggregation,
            self.operator,
            self.value
        )
    }
}
