//! InfluxDB's line protocol in two layouts: k6's, in which every line is a sample, and throng's own, in which every line is exact.
//!
//! throng's measurements are `throng_<metric>`. Tag `window` says of what time (`1s`, or `run`: all of it so far), tag `scope` of what:
//! `total`, `step`, `series` (each set of k6's tags) or `agent`. Durations are in milliseconds.

use super::k6::Rows as K6;
use super::{Batches, Second, is_time};
use crate::output::feed::Labels;
use crate::output::queue::Batch;
use crate::output::rows::Rows;
use crate::output::sample::Fraction;
use crate::output::spec::{InfluxSpec, Layout};
use metrics::{Metric, Tags, Trend, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Metrics told of each agent.
const OF_AGENTS: [Metric; 10] = [
    Metric::HttpReqs,
    Metric::HttpReqDuration,
    Metric::HttpReqFailed,
    Metric::Iterations,
    Metric::DroppedIterations,
    Metric::Vus,
    Metric::DataSent,
    Metric::DataReceived,
    Metric::IterationLateness,
    Metric::LoopLag,
];
/// Percentiles, and the fields they are in.
const PERCENTILES: [(f64, &str); 5] = [
    (0.5, "p50"),
    (0.9, "p90"),
    (0.95, "p95"),
    (0.99, "p99"),
    (0.999, "p999"),
];

/// The lines.
#[derive(Debug)]
pub struct Lines {
    layout: Layout,
    k6: K6,
}

/// What is in a tag set besides the run and its tags.
type Extra<'a> = [(&'a str, &'a str)];

impl Lines {
    pub(super) fn new(spec: &InfluxSpec) -> Self {
        Self {
            layout: spec.layout,
            k6: K6::new(spec.samples, Fraction::Carried),
        }
    }

    pub(super) fn second(&mut self, second: &Second<'_>) -> Vec<Batch> {
        let mut batches = Batches::default();
        if self.layout.k6() {
            for row in self.k6.of(second) {
                let tags = row
                    .tags
                    .0
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()));
                let value = format!("value={}", row.value);
                line(&mut batches, row.metric.name(), tags, &value, row.unix_ns);
            }
        }
        if self.layout.throng() {
            let mut own = Own {
                batches: &mut batches,
                labels: second.labels,
                second,
            };
            own.all("1s", "total", &[], &second.sums.metrics);
            own.all("1s", "step", &[], &second.sums.steps);
            own.all("1s", "series", &[], &second.frame.fleet);
            for (seat, rows) in &second.frame.seats {
                let name = second.labels.agent(*seat);
                let main = rows.fold(|metric, _| OF_AGENTS.contains(&metric).then(Tags::default));
                own.all("1s", "agent", &[("agent", &name)], &main);
            }
            own.run_so_far();
        }
        batches.done()
    }

    pub(super) fn end(&mut self, second: &Second<'_>) -> Vec<Batch> {
        let mut batches = Batches::default();
        if self.layout.throng() && second.unix_ns > 0 {
            let mut own = Own {
                batches: &mut batches,
                labels: second.labels,
                second,
            };
            own.run_so_far();
        }
        batches.done()
    }

    pub(super) fn event(
        &mut self,
        labels: &Labels,
        unix_ns: i64,
        kind: &str,
        text: &str,
    ) -> Vec<Batch> {
        let mut batches = Batches::default();
        if self.layout.throng() {
            let run = [("run", labels.run.as_str()), ("kind", kind)];
            let quoted = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace(['\n', '\r'], " ");
            let tags = with(&labels.tags, &run);
            line(
                &mut batches,
                "throng_events",
                tags.into_iter(),
                &format!("text=\"{quoted}\""),
                unix_ns,
            );
        }
        batches.done()
    }
}

/// throng's own lines of a second.
struct Own<'a> {
    batches: &'a mut Batches,
    labels: &'a Labels,
    second: &'a Second<'a>,
}

impl Own<'_> {
    fn run_so_far(&mut self) {
        let totals = self.second.totals;
        self.all("run", "total", &[], &totals.metrics);
        self.all("run", "step", &[], &totals.steps);
    }

    fn all(&mut self, window: &str, scope: &str, extra: &Extra<'_>, rows: &Rows) {
        for (metric, tags, value) in rows.iter() {
            let Some(fields) = fields(metric, value) else {
                continue;
            };
            let mut all = with(&self.labels.tags, extra);
            all.extend(
                tags.0
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str())),
            );
            all.extend([
                ("run", self.labels.run.as_str()),
                ("scope", scope),
                ("window", window),
            ]);
            let name = metric.name();
            let measurement = format!("throng_{}", name.strip_prefix("throng_").unwrap_or(name));
            // What came later stands beside what was written; a corrected level, and the run so far, take its place.
            let later = match value {
                Value::Gauge { .. } => 0,
                _ if window == "run" => 0,
                _ => i64::from(self.second.frame.later),
            };
            line(
                self.batches,
                &measurement,
                all.into_iter(),
                &fields,
                self.second.unix_ns + later,
            );
        }
    }
}

/// The run's tags and others, which win.
fn with<'a>(tags: &'a BTreeMap<String, String>, extra: &Extra<'a>) -> BTreeMap<&'a str, &'a str> {
    let mut all: BTreeMap<&str, &str> = tags
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    all.extend(extra.iter().copied());
    all
}

/// A value's fields; `None` where there is nothing to say.
fn fields(metric: Metric, value: &Value) -> Option<String> {
    match value {
        Value::Counter(sum) => Some(format!("sum={sum}")),
        Value::Gauge { last, .. } => Some(format!("level={last}")),
        Value::Rate { total: 0, .. } => None,
        Value::Rate { passes, total } => Some(format!(
            "passes={passes}i,count={total}i,rate={}",
            *passes as f64 / *total as f64
        )),
        Value::Trend(trend) if trend.is_empty() => None,
        Value::Trend(trend) => Some(trend_fields(metric, trend)),
    }
}

fn trend_fields(metric: Metric, trend: &Trend) -> String {
    let unit = if is_time(metric) { 1e6 } else { 1.0 };
    let mut fields = format!(
        "count={}i,sum={},avg={},min={},max={}",
        trend.count,
        trend.sum as f64 / unit,
        trend.mean() / unit,
        trend.min as f64 / unit,
        trend.max as f64 / unit
    );
    for (q, name) in PERCENTILES {
        // Writing to a string does not fail.
        write!(fields, ",{name}={}", trend.quantile(q) / unit).unwrap_or_default();
    }
    fields
}

/// One line; tags without a value are left out.
fn line<'a>(
    batches: &mut Batches,
    measurement: &str,
    tags: impl Iterator<Item = (&'a str, &'a str)>,
    fields: &str,
    unix_ns: i64,
) {
    let mut text = escaped(measurement, &[',', ' ']);
    for (name, value) in tags.filter(|(_, value)| !value.is_empty()) {
        text.push(',');
        text.push_str(&escaped(name, &[',', '=', ' ']));
        text.push('=');
        text.push_str(&escaped(value, &[',', '=', ' ']));
    }
    // Writing to a string does not fail.
    writeln!(text, " {fields} {unix_ns}").unwrap_or_default();
    batches.text().extend_from_slice(text.as_bytes());
    batches.point();
}

/// A backslash before what would end the word. One at the end would escape what follows, so it is left out; a line is one line.
fn escaped(text: &str, special: &[char]) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    for letter in text.trim_end_matches('\\').chars() {
        let letter = if letter.is_control() { ' ' } else { letter };
        if special.contains(&letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
