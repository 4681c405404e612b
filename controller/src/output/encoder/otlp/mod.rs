//! OpenTelemetry: k6's metrics as cumulative sums, gauges and exponential histograms, one resource per run.
//!
//! As k6 does it, a rate is a counter with the attribute `condition` (`zero`, `nonzero`), times are in milliseconds, and tags are
//! attributes.

mod wire;

use super::exponential::Exponential;
use super::{Second, is_time};
use crate::output::feed::Labels;
use crate::output::queue::Batch;
use crate::output::spec::OtlpSpec;
use bytes::Bytes;
use metrics::{Contains, Metric, Tags, Trend, Value};
use prost::Message;
use std::collections::BTreeMap;
use wire::{
    AnyValue, Buckets, Data, ExponentialHistogram, ExponentialPoint, Gauge, KeyValue, Number,
    Request, Resource, ResourceMetrics, Scope, ScopeMetrics, Sum,
};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: i32 = 2;
/// The finest scale: a bucket is 2.2 % wide.
const SCALE: i32 = 5;
/// Buckets of one histogram; OpenTelemetry's own default.
const WIDTH: i32 = 160;

/// The messages.
#[derive(Debug)]
pub struct Export {
    every: i64,
    /// Wall time of the first second, in nanoseconds.
    begun: Option<i64>,
    /// That of the end of what was written last.
    written: i64,
    levels: BTreeMap<(Metric, Tags), f64>,
}

/// The points of one metric.
#[derive(Default)]
struct Points {
    numbers: Vec<Number>,
    histograms: Vec<ExponentialPoint>,
}

/// The times of a point.
#[derive(Clone, Copy)]
struct Times {
    start: u64,
    now: u64,
}

impl Export {
    pub(super) fn new(spec: &OtlpSpec) -> Self {
        Self {
            every: i64::try_from(spec.every.as_nanos()).unwrap_or(i64::MAX),
            begun: None,
            written: 0,
            levels: BTreeMap::new(),
        }
    }

    pub(super) fn second(&mut self, second: &Second<'_>) -> Vec<Batch> {
        let first = second
            .totals
            .begun
            .map_or(second.unix_ns, |t0| t0.min(second.unix_ns));
        self.begun.get_or_insert(first);
        for (metric, tags, value) in second.frame.fleet.iter() {
            if let Value::Gauge { last, .. } = value {
                self.levels.insert((metric, tags.clone()), *last);
            }
        }
        let now = second.unix_ns.saturating_add(1_000_000_000);
        if now < self.written.saturating_add(self.every) {
            return Vec::new();
        }
        self.write(second, now)
    }

    pub(super) fn end(&mut self, second: &Second<'_>) -> Vec<Batch> {
        if self.begun.is_none() {
            return Vec::new();
        }
        let now = second.unix_ns.saturating_add(1_000_000_000);
        self.write(second, now.max(self.written + 1))
    }

    fn write(&mut self, second: &Second<'_>, now: i64) -> Vec<Batch> {
        self.written = now;
        let unsigned = |ns: i64| u64::try_from(ns).unwrap_or(0);
        let times = Times {
            start: unsigned(self.begun.unwrap_or(now)),
            now: unsigned(now),
        };
        let mut metrics: BTreeMap<Metric, Points> = BTreeMap::new();
        if let Some(totals) = &second.totals.series {
            for (metric, tags, value) in totals.iter() {
                metrics
                    .entry(metric)
                    .or_default()
                    .add(metric, tags, &value, times);
            }
        }
        for ((metric, tags), level) in &self.levels {
            let point = number(attributes(tags), *level, times);
            metrics.entry(*metric).or_default().numbers.push(point);
        }
        let points = metrics
            .values()
            .map(|points| points.numbers.len() + points.histograms.len())
            .sum::<usize>() as u64;
        if points == 0 {
            return Vec::new();
        }
        let request = Request {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(resource(second.labels)),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(Scope {
                        name: "throng".to_owned(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                    }),
                    metrics: metrics
                        .into_iter()
                        .filter_map(|(metric, points)| message(metric, points))
                        .collect(),
                }],
            }],
        };
        vec![Batch {
            body: Bytes::from(request.encode_to_vec()),
            points,
        }]
    }
}

impl Points {
    fn add(&mut self, metric: Metric, tags: &Tags, value: &Value, times: Times) {
        let attributes = attributes(tags);
        match value {
            Value::Counter(sum) => self.numbers.push(number(attributes, *sum, times)),
            Value::Rate { passes, total } => {
                let fails = total.saturating_sub(*passes);
                for (condition, count) in [("nonzero", *passes), ("zero", fails)] {
                    let mut attributes = attributes.clone();
                    attributes.push(attribute("condition", condition));
                    self.numbers.push(number(attributes, count as f64, times));
                }
            }
            Value::Trend(trend) if !trend.is_empty() => {
                self.histograms
                    .push(histogram(metric, attributes, trend, times));
            }
            Value::Trend(_) | Value::Gauge { .. } => {}
        }
    }
}

fn number(attributes: Vec<KeyValue>, value: f64, times: Times) -> Number {
    Number {
        start_unix_ns: times.start,
        unix_ns: times.now,
        value: Some(value),
        attributes,
    }
}

fn histogram(
    metric: Metric,
    attributes: Vec<KeyValue>,
    trend: &Trend,
    times: Times,
) -> ExponentialPoint {
    let unit = if is_time(metric) { 1e6 } else { 1.0 };
    let made = Exponential::new(trend, SCALE, unit).within(WIDTH);
    let first = made.buckets.first_key_value().map(|(index, _)| *index);
    let positive = first.map(|first| {
        let last = made
            .buckets
            .last_key_value()
            .map_or(first, |(last, _)| *last);
        Buckets {
            // Counted by lower bounds here, by upper ones there.
            offset: first - 1,
            counts: (first..=last)
                .map(|index| made.buckets.get(&index).copied().unwrap_or(0))
                .collect(),
        }
    });
    ExponentialPoint {
        attributes,
        start_unix_ns: times.start,
        unix_ns: times.now,
        count: trend.count,
        sum: Some(trend.sum as f64 / unit),
        scale: made.scale,
        zero_count: made.zeros,
        positive,
        min: Some(trend.min as f64 / unit),
        max: Some(trend.max as f64 / unit),
    }
}

fn message(metric: Metric, points: Points) -> Option<wire::Metric> {
    let data = match metric.kind() {
        metrics::Kind::Gauge => Data::Gauge(Gauge {
            points: points.numbers,
        }),
        metrics::Kind::Counter | metrics::Kind::Rate => Data::Sum(Sum {
            points: points.numbers,
            temporality: CUMULATIVE,
            monotonic: true,
        }),
        metrics::Kind::Trend if points.histograms.is_empty() => return None,
        metrics::Kind::Trend => Data::Exponential(ExponentialHistogram {
            points: points.histograms,
            temporality: CUMULATIVE,
        }),
    };
    Some(wire::Metric {
        name: metric.name().to_owned(),
        unit: match metric.contains() {
            Contains::Time => "ms",
            Contains::Data => "By",
            Contains::Default => "1",
        }
        .to_owned(),
        data: Some(data),
    })
}

fn resource(labels: &Labels) -> Resource {
    let mut attributes = vec![
        attribute("service.name", "throng"),
        attribute("throng.run", &labels.run),
        attribute("throng.test", &labels.test),
    ];
    let tags = labels.tags.iter();
    attributes.extend(tags.map(|(name, value)| attribute(name, value)));
    Resource { attributes }
}

fn attributes(tags: &Tags) -> Vec<KeyValue> {
    let tags = tags.0.iter();
    tags.map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            string: Some(value.to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests;
