//! A second as k6 would have it: single values under k6's metrics and tags.

use super::{Second, is_time};
use crate::output::sample::{Fraction, Sampler, moment};
use metrics::{Metric, Tags, Value};
use std::collections::BTreeMap;

/// One of k6's points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) metric: Metric,
    pub(super) tags: &'a Tags,
    /// Milliseconds for times.
    pub(super) value: f64,
    /// Nanoseconds since 1970; different for every row of a series.
    pub(super) unix_ns: i64,
    /// What it stands for.
    pub(super) stands: Stands,
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// For itself: a sample, or a level.
    Itself,
    /// For so many samples.
    Samples(u64),
    /// For the sum of a second's samples.
    Sum,
}

/// Makes rows.
#[derive(Debug)]
pub(super) struct Rows {
    sampler: Sampler,
}

impl Rows {
    pub(super) fn new(samples: u64, fraction: Fraction) -> Self {
        Self {
            sampler: Sampler::new(samples, fraction),
        }
    }

    /// The rows of a second, series by series.
    pub(super) fn of<'a>(&mut self, second: &Second<'a>) -> Vec<Row<'a>> {
        let mut totals: BTreeMap<Metric, u64> = BTreeMap::new();
        let frame = second.frame;
        for (metric, _, value) in frame.fleet.iter() {
            let total: &mut u64 = totals.entry(metric).or_default();
            *total = total.saturating_add(samples(value));
        }
        // What came later does not take the place of what was written.
        let start = second.unix_ns + i64::from(frame.later);
        let mut rows = Vec::new();
        for (metric, tags, value) in frame.fleet.iter() {
            let total = totals.get(&metric).copied().unwrap_or(0);
            let row = |value, unix_ns, stands| Row {
                metric,
                tags,
                value,
                unix_ns,
                stands,
            };
            match value {
                Value::Counter(sum) if *sum != 0.0 => rows.push(row(*sum, start, Stands::Sum)),
                Value::Counter(_) => {}
                // A corrected level takes the place of the old one.
                Value::Gauge { last, .. } => rows.push(row(*last, second.unix_ns, Stands::Itself)),
                Value::Rate { passes, total: of } => {
                    let sampled = self.sampler.rate(metric, tags, (*passes, *of), total);
                    let count = sampled.len();
                    rows.extend(sampled.iter().enumerate().map(|(index, sampled)| {
                        let value = if sampled.value { 1.0 } else { 0.0 };
                        let at = start + moment(index, count);
                        row(value, at, stands(sampled.weight))
                    }));
                }
                Value::Trend(trend) => {
                    let sampled = self.sampler.trend(metric, tags, trend, total);
                    let count = sampled.len();
                    let unit = if is_time(metric) { 1e6 } else { 1.0 };
                    rows.extend(sampled.iter().enumerate().map(|(index, sampled)| {
                        let value = sampled.value as f64 / unit;
                        let at = start + moment(index, count);
                        row(value, at, stands(sampled.weight))
                    }));
                }
            }
        }
        rows
    }
}

fn stands(weight: u64) -> Stands {
    match weight {
        1 => Stands::Itself,
        more => Stands::Samples(more),
    }
}

fn samples(value: &Value) -> u64 {
    match value {
        Value::Rate { total, .. } => *total,
        Value::Trend(trend) => trend.count,
        Value::Counter(_) | Value::Gauge { .. } => 0,
    }
}
