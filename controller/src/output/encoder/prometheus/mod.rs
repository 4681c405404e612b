//! Prometheus remote write: k6's names and labels, sums over the run so far, times in seconds, native histograms, and stale markers at
//! the end, so that a chart ends where the run did. The label `run` keeps runs apart.

mod series;
mod text;
mod wire;

use super::Second;
use crate::output::feed::Labels;
use crate::output::queue::Batch;
use crate::output::spec::{PrometheusSpec, Trends};
use bytes::Bytes;
use metrics::{Digits, Metric, Tags, Trend, Value};
use prost::Message;
use series::{Key, native};
use std::collections::BTreeMap;
pub(super) use text::Text;
use wire::{Sample, TimeSeries, WriteRequest};

/// Series in one request.
const SERIES: usize = 2_000;
/// Prometheus' marker of a series that ends, a NaN of this pattern.
const STALE: u64 = 0x7ff0_0000_0000_0002;
/// Trends told over all their series, too.
const OF_RUNS: [Metric; 2] = [Metric::HttpReqDuration, Metric::IterationDuration];
/// Events of one run that are kept.
const EVENTS: usize = 200;
/// Percentiles of a trend, and the names k6 gives them.
const PERCENTILES: [(f64, &str); 5] = [
    (0.5, "p50"),
    (0.9, "p90"),
    (0.95, "p95"),
    (0.99, "p99"),
    (0.999, "p999"),
];

/// The messages.
#[derive(Debug)]
pub struct Remote {
    trends: Trends,
    every: i64,
    /// Wall time of the end of what was written last, in milliseconds.
    written: i64,
    /// Newest levels.
    levels: BTreeMap<(Metric, Tags), f64>,
    agents: BTreeMap<u32, Agent>,
    /// What charts mark: kind, text and wall time in milliseconds.
    events: Vec<(String, String, i64)>,
    /// Series that were written; true for histograms.
    known: BTreeMap<Key, bool>,
}

/// One agent's sums over the run.
#[derive(Debug)]
struct Agent {
    requests: f64,
    vus: f64,
    /// Of two digits, for there may be many agents.
    durations: Trend,
}

/// What is being put together.
struct Writing<'a> {
    labels: &'a Labels,
    now: i64,
    /// True if sums began with what this one tells.
    from_zero: bool,
    series: Vec<TimeSeries>,
    known: &'a mut BTreeMap<Key, bool>,
}

impl Remote {
    pub(super) fn new(spec: &PrometheusSpec) -> Self {
        let every = i64::try_from(spec.every.as_millis()).unwrap_or(i64::MAX);
        Self::of(spec.trends, every)
    }

    /// `every` in milliseconds.
    fn of(trends: Trends, every: i64) -> Self {
        Self {
            trends,
            every,
            written: 0,
            levels: BTreeMap::new(),
            agents: BTreeMap::new(),
            events: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    pub(super) fn second(&mut self, second: &Second<'_>) -> Vec<Batch> {
        self.hear(second);
        // The end of the second: what is in it is known then.
        let now = second.unix_ns / 1_000_000 + 1_000;
        if now < self.written.saturating_add(self.every) {
            return Vec::new();
        }
        packed(self.series(second, now))
    }

    /// Notes what only seconds tell.
    fn hear(&mut self, second: &Second<'_>) {
        for (metric, tags, value) in second.frame.fleet.iter() {
            if let Value::Gauge { last, .. } = value {
                self.levels.insert((metric, tags.clone()), *last);
            }
        }
        for (seat, rows) in &second.frame.seats {
            let agent = self.agents.entry(*seat).or_insert_with(Agent::new);
            for (metric, value) in rows.by_metric() {
                agent.add(metric, &value);
            }
        }
    }

    /// Takes something that happened: from then on a series of its own, whose value is when.
    pub(super) fn event(&mut self, unix_ns: i64, kind: &str, text: &str) {
        if self.events.len() < EVENTS {
            let event = (kind.to_owned(), text.to_owned(), unix_ns / 1_000_000);
            self.events.push(event);
        }
    }

    pub(super) fn end(&mut self, second: &Second<'_>) -> Vec<Batch> {
        if second.unix_ns == 0 {
            return Vec::new();
        }
        let now = (second.unix_ns / 1_000_000 + 1_000).max(self.written + 1);
        let mut batches = packed(self.series(second, now));
        let series = self.known.iter().map(|(key, histogram)| {
            let marker = f64::from_bits(STALE);
            if *histogram {
                let mut empty = native(&Trend::compact(Digits::Two), now + 1);
                empty.sum = marker;
                key.histograms(vec![empty])
            } else {
                key.samples(vec![Sample {
                    value: marker,
                    timestamp: now + 1,
                }])
            }
        });
        batches.extend(packed(series.collect()));
        self.known.clear();
        batches
    }

    /// Every series as it stands.
    fn series(&mut self, second: &Second<'_>, now: i64) -> Vec<TimeSeries> {
        self.written = now;
        let mut writing = Writing {
            labels: second.labels,
            now,
            from_zero: !second.totals.gone_on,
            series: Vec::new(),
            known: &mut self.known,
        };
        if let Some(totals) = &second.totals.series {
            for (metric, tags, value) in totals.iter() {
                writing.value(metric, tags, &value, self.trends);
            }
        }
        for ((metric, tags), level) in &self.levels {
            writing.level(&name(*metric, ""), tags, *level);
        }
        for (seat, agent) in &self.agents {
            if *seat == u32::MAX {
                continue;
            }
            let tags = Tags::default().with("agent", &second.labels.agent(*seat));
            writing.count("throng_agent_http_reqs_total", &tags, agent.requests);
            writing.level("throng_agent_vus", &tags, agent.vus);
            if !agent.durations.is_empty() {
                let p95 = agent.durations.quantile(0.95) / 1e9;
                writing.level("throng_agent_http_req_duration_p95", &tags, p95);
                writing.native(
                    "throng_agent_http_req_duration_seconds",
                    &tags,
                    &agent.durations,
                );
            }
        }
        // Over all series, which Prometheus could not merge exactly.
        for (metric, _, value) in second.totals.metrics.iter() {
            if let Value::Trend(trend) = value
                && OF_RUNS.contains(&metric)
                && !trend.is_empty()
            {
                let start = format!("throng_run_{}", metric.name());
                writing.gauges(&start, &Tags::default(), trend);
            }
        }
        for (kind, text, unix_ms) in &self.events {
            let tags = Tags::default().with("kind", kind).with("text", text);
            writing.level("throng_event", &tags, *unix_ms as f64);
        }
        writing.series
    }
}

impl Agent {
    fn new() -> Self {
        Self {
            requests: 0.0,
            vus: 0.0,
            durations: Trend::compact(Digits::Two),
        }
    }

    fn add(&mut self, metric: Metric, value: &Value) {
        match (metric, value) {
            (Metric::HttpReqs, Value::Counter(sum)) => self.requests += sum,
            (Metric::Vus, Value::Gauge { last, .. }) => self.vus = *last,
            (Metric::HttpReqDuration, Value::Trend(trend)) => self.durations.merge(trend),
            _ => {}
        }
    }
}

impl Writing<'_> {
    fn value(&mut self, metric: Metric, tags: &Tags, value: &Value, trends: Trends) {
        match value {
            Value::Counter(sum) => self.count(&name(metric, "_total"), tags, *sum),
            Value::Gauge { .. } | Value::Rate { total: 0, .. } => {}
            Value::Rate { passes, total } => {
                let rate = *passes as f64 / *total as f64;
                self.level(&name(metric, "_rate"), tags, rate);
                // What k6 does not have: a rate over the run so far says nothing of the last minute.
                let own = format!("throng_{}", metric.name());
                self.count(&format!("{own}_true_total"), tags, *passes as f64);
                self.count(&format!("{own}_samples_total"), tags, *total as f64);
            }
            Value::Trend(trend) if trend.is_empty() => {}
            Value::Trend(trend) => {
                if trends != Trends::Native {
                    self.gauges(&name(metric, ""), tags, trend);
                }
                if trends != Trends::Gauges {
                    self.native(&name(metric, "_seconds"), tags, trend);
                }
            }
        }
    }

    /// A gauge per statistic, in seconds.
    fn gauges(&mut self, start: &str, tags: &Tags, trend: &Trend) {
        let simple = [
            ("avg", trend.mean()),
            ("min", trend.min as f64),
            ("max", trend.max as f64),
            ("med", trend.quantile(0.5)),
        ];
        let percentiles = PERCENTILES.map(|(q, end)| (end, trend.quantile(q)));
        for (end, ns) in simple.into_iter().chain(percentiles) {
            self.level(&format!("{start}_{end}"), tags, ns / 1e9);
        }
    }

    fn level(&mut self, name: &str, tags: &Tags, value: f64) {
        let key = Key::new(name, self.labels, tags);
        let timestamp = self.now;
        self.series
            .push(key.samples(vec![Sample { value, timestamp }]));
        self.known.insert(key, false);
    }

    /// A sum that grows; it begins at zero a millisecond before it is first told, or `rate()` would not see its first part.
    fn count(&mut self, name: &str, tags: &Tags, value: f64) {
        let key = Key::new(name, self.labels, tags);
        let timestamp = self.now;
        let mut samples = vec![Sample { value, timestamp }];
        if self.from_zero && !self.known.contains_key(&key) {
            samples.insert(
                0,
                Sample {
                    value: 0.0,
                    timestamp: timestamp - 1,
                },
            );
        }
        self.series.push(key.samples(samples));
        self.known.insert(key, false);
    }

    fn native(&mut self, name: &str, tags: &Tags, trend: &Trend) {
        let key = Key::new(name, self.labels, tags);
        let mut histograms = vec![native(trend, self.now)];
        if self.from_zero && !self.known.contains_key(&key) {
            histograms.insert(0, native(&Trend::compact(Digits::Two), self.now - 1));
        }
        self.series.push(key.histograms(histograms));
        self.known.insert(key, true);
    }
}

/// k6's name of a metric; throng's own have throng's.
fn name(metric: Metric, end: &str) -> String {
    let name = metric.name();
    if name.starts_with("throng_") {
        format!("{name}{end}")
    } else if super::is_k6(metric) {
        format!("k6_{name}{end}")
    } else {
        format!("throng_{name}{end}")
    }
}

/// Requests of bounded size; every sample and every histogram is a point.
fn packed(series: Vec<TimeSeries>) -> Vec<Batch> {
    let mut batches = Vec::new();
    for chunk in series.chunks(SERIES) {
        let points = chunk
            .iter()
            .map(|series| series.samples.len() + series.histograms.len())
            .sum::<usize>() as u64;
        let request = WriteRequest {
            timeseries: chunk.to_vec(),
        };
        let bytes = request.encode_to_vec();
        match snap::raw::Encoder::new().compress_vec(&bytes) {
            Ok(body) => batches.push(Batch {
                body: Bytes::from(body),
                points,
            }),
            // Only beyond 4 GiB.
            Err(error) => tracing::error!(%error, "a remote write cannot be compressed"),
        }
    }
    batches
}

/// A request for people: `name{labels} value @ time`.
#[cfg(test)]
pub(super) fn shown(body: &[u8]) -> String {
    let bytes = snap::raw::Decoder::new()
        .decompress_vec(body)
        .unwrap_or_default();
    let request = WriteRequest::decode(&*bytes).unwrap_or_default();
    let mut lines = Vec::new();
    for series in request.timeseries {
        let labels: Vec<String> = series
            .labels
            .iter()
            .map(|label| format!("{}={:?}", label.name, label.value))
            .collect();
        let labels = labels.join(",");
        for sample in &series.samples {
            let value = if sample.value.to_bits() == STALE {
                "stale".to_owned()
            } else {
                sample.value.to_string()
            };
            lines.push(format!("{{{labels}}} {value} @ {}", sample.timestamp));
        }
        for histogram in &series.histograms {
            let spans: Vec<(i32, u32)> = histogram
                .positive_spans
                .iter()
                .map(|span| (span.offset, span.length))
                .collect();
            let deltas = &histogram.positive_deltas;
            let sum = if histogram.sum.to_bits() == STALE {
                "stale".to_owned()
            } else {
                histogram.sum.to_string()
            };
            lines.push(format!(
                "{{{labels}}} count {:?} sum {sum} schema {} spans {spans:?} deltas {deltas:?} @ {}",
                histogram.count_int, histogram.schema, histogram.timestamp
            ));
        }
    }
    lines.join("\n")
}
