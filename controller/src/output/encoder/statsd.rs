//! StatsD lines under k6's names: sums of a second as counters, levels as gauges, trends as timings that say how many samples they
//! stand for (`@0.1`: ten). Without tags, which plain StatsD does not know, the series of a metric are one.

use super::{Batches, Second, is_time};
use crate::output::queue::Batch;
use crate::output::rows::Rows;
use crate::output::sample::{Fraction, Sampler};
use crate::output::spec::StatsdSpec;
use metrics::{Metric, Tags, Value};
use std::collections::BTreeMap;

/// The lines.
#[derive(Debug)]
pub struct Statsd {
    namespace: String,
    tags: bool,
    sampler: Sampler,
}

impl Statsd {
    pub(super) fn new(spec: &StatsdSpec) -> Self {
        Self {
            namespace: spec.namespace.clone(),
            tags: spec.tags,
            sampler: Sampler::new(spec.samples, Fraction::Weighed),
        }
    }

    pub(super) fn second(&mut self, second: &Second<'_>) -> Vec<Batch> {
        let mut batches = Batches::default();
        if self.tags {
            self.rows(&mut batches, &second.frame.fleet);
        } else {
            self.rows(&mut batches, &second.frame.fleet.fold(untagged));
        }
        batches.done()
    }

    fn rows(&mut self, batches: &mut Batches, rows: &Rows) {
        let mut samples: BTreeMap<Metric, u64> = BTreeMap::new();
        for (metric, _, value) in rows.iter() {
            if let Value::Trend(trend) = value {
                let sum: &mut u64 = samples.entry(metric).or_default();
                *sum = sum.saturating_add(trend.count);
            }
        }
        for (metric, tags, value) in rows.iter() {
            let name = metric.name();
            match value {
                Value::Counter(sum) if *sum != 0.0 => {
                    self.line(batches, name, &format!("{sum}|c"), tags);
                }
                Value::Counter(_) => {}
                Value::Gauge { last, .. } => self.line(batches, name, &format!("{last}|g"), tags),
                Value::Rate { passes, total } => match tags.get("check") {
                    // k6 has two counters for each check,
                    Some(check) => {
                        for (count, end) in [(*passes, "pass"), (total - passes, "fail")] {
                            if count > 0 {
                                let name = format!("check.{check}.{end}");
                                self.line(batches, &name, &format!("{count}|c"), tags);
                            }
                        }
                    }
                    // and for other rates one: of those that were true.
                    None if *total > 0 => self.line(batches, name, &format!("{passes}|c"), tags),
                    None => {}
                },
                Value::Trend(trend) => {
                    let total = samples.get(&metric).copied().unwrap_or(0);
                    let unit = if is_time(metric) { 1e6 } else { 1.0 };
                    for sampled in self.sampler.trend(metric, tags, trend, total) {
                        let value = sampled.value as f64 / unit;
                        let what = match sampled.weight {
                            1 => format!("{value}|ms"),
                            more => format!("{value}|ms|@{}", 1.0 / more as f64),
                        };
                        self.line(batches, name, &what, tags);
                    }
                }
            }
        }
    }

    fn line(&self, batches: &mut Batches, name: &str, what: &str, tags: &Tags) {
        let text = batches.text();
        text.extend_from_slice(self.namespace.as_bytes());
        text.extend(plain(name));
        text.push(b':');
        text.extend_from_slice(what.as_bytes());
        if self.tags && !tags.0.is_empty() {
            text.extend_from_slice(b"|#");
            for (index, (name, value)) in tags.0.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                text.extend(plain(name));
                text.push(b':');
                text.extend(plain(value));
            }
        }
        text.push(b'\n');
        batches.point();
    }
}

/// What is told apart without tags: checks alone, by their names.
fn untagged(metric: Metric, tags: &Tags) -> Option<Tags> {
    let check = tags.get("check").filter(|_| metric == Metric::Checks);
    Some(check.map_or_else(Tags::default, |check| Tags::default().with("check", check)))
}

/// A text without what ends a part of a line.
fn plain(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|byte| match byte {
        b':' | b'|' | b'@' | b'#' | b',' | 0..b' ' => b'_',
        other => other,
    })
}
