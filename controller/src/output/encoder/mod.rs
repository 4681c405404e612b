//! From a second of the fleet to what an output is sent. One file per kind; pure: the same seconds give the same bytes.

mod csv;
mod exponential;
mod influx;
mod json;
mod k6;
mod otlp;
mod prometheus;
mod statsd;
mod time;

use super::feed::Labels;
use super::frame::Frame;
use super::queue::Batch;
use super::spec::{Kind, Spec};
use super::totals::{Sums, Totals};
use bytes::Bytes;
use metrics::Metric;

/// Points of one batch, about.
const POINTS: u64 = 10_000;

/// A second, and what else there is to say with it.
#[derive(Debug, Clone, Copy)]
pub struct Second<'a> {
    /// What was measured.
    pub frame: &'a Frame,
    /// Wall time of its begin, in nanoseconds since 1970.
    pub unix_ns: i64,
    /// Its sums.
    pub sums: &'a Sums,
    /// The run so far, this second included.
    pub totals: &'a Totals,
    /// The run and its agents.
    pub labels: &'a Labels,
}

/// An output's words.
#[derive(Debug)]
pub enum Encoder {
    /// k6's JSON lines.
    Json(json::Json),
    /// k6's CSV.
    Csv(csv::Csv),
    /// Line protocol.
    Influx(influx::Lines),
    /// Prometheus remote write.
    Prometheus(prometheus::Remote),
    /// The page that Prometheus scrapes.
    Page(prometheus::Text),
    /// OpenTelemetry.
    Otlp(otlp::Export),
    /// StatsD lines.
    Statsd(statsd::Statsd),
}

impl Encoder {
    /// The one for an output.
    #[must_use]
    pub fn new(spec: &Spec) -> Self {
        match &spec.kind {
            Kind::Json(file) => Encoder::Json(json::Json::new(file)),
            Kind::Csv(file) => Encoder::Csv(csv::Csv::new(file)),
            Kind::Influx(spec) => Encoder::Influx(influx::Lines::new(spec)),
            Kind::Prometheus(spec) => Encoder::Prometheus(prometheus::Remote::new(spec)),
            Kind::Page(_) => Encoder::Page(prometheus::Text::new()),
            Kind::Otlp(spec) => Encoder::Otlp(otlp::Export::new(spec)),
            Kind::Statsd(spec) => Encoder::Statsd(statsd::Statsd::new(spec)),
        }
    }

    /// A second in batches; none if the output waits for more.
    pub fn second(&mut self, second: &Second<'_>) -> Vec<Batch> {
        match self {
            Encoder::Json(json) => json.second(second),
            Encoder::Csv(csv) => csv.second(second),
            Encoder::Influx(lines) => lines.second(second),
            Encoder::Prometheus(remote) => remote.second(second),
            Encoder::Page(text) => text.second(second),
            Encoder::Otlp(export) => export.second(second),
            Encoder::Statsd(statsd) => statsd.second(second),
        }
    }

    /// Something that happened.
    pub fn event(&mut self, labels: &Labels, unix_ns: i64, kind: &str, text: &str) -> Vec<Batch> {
        match self {
            Encoder::Influx(lines) => lines.event(labels, unix_ns, kind, text),
            Encoder::Prometheus(remote) => {
                remote.event(unix_ns, kind, text);
                Vec::new()
            }
            Encoder::Page(page) => {
                page.event(unix_ns, kind, text);
                Vec::new()
            }
            Encoder::Json(_) | Encoder::Csv(_) | Encoder::Otlp(_) | Encoder::Statsd(_) => {
                Vec::new()
            }
        }
    }

    /// What is to be said when the run is over.
    pub fn end(&mut self, second: &Second<'_>) -> Vec<Batch> {
        match self {
            Encoder::Influx(lines) => lines.end(second),
            Encoder::Prometheus(remote) => remote.end(second),
            Encoder::Page(text) => text.end(second),
            Encoder::Otlp(export) => export.end(second),
            Encoder::Json(_) | Encoder::Csv(_) | Encoder::Statsd(_) => Vec::new(),
        }
    }
}

/// Text in batches of whole points.
#[derive(Debug, Default)]
struct Batches {
    done: Vec<Batch>,
    text: Vec<u8>,
    points: u64,
}

impl Batches {
    /// Where the next point is to be written.
    fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// A point was written whole.
    fn point(&mut self) {
        self.points += 1;
        if self.points >= POINTS {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if !self.text.is_empty() {
            self.done.push(Batch {
                body: Bytes::from(std::mem::take(&mut self.text)),
                points: std::mem::take(&mut self.points),
            });
        }
    }

    fn done(mut self) -> Vec<Batch> {
        self.cut();
        self.done
    }
}

/// True for a metric whose values are kept in nanoseconds.
fn is_time(metric: Metric) -> bool {
    metric.contains() == metrics::Contains::Time
}

/// True for a metric that k6 has, too.
fn is_k6(metric: Metric) -> bool {
    !matches!(
        metric,
        Metric::IterationLateness
            | Metric::IterationCorrected
            | Metric::HttpReqCorrected
            | Metric::LoopLag
            | Metric::StoppedIterations
            | Metric::ResentRequests
            | Metric::OverflowSamples
    )
}

#[cfg(test)]
mod tests;
