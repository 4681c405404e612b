//! A run's time line as the report has it: what was to be made, what was made and what was measured, second by second; and a picture
//! of it. Pure.
//!
//! The load's part comes from the agents' running totals, so it lags by a heartbeat. Bounded: see [`crate::view::points`].

use crate::view::load::Load;
use proto::v1::Second;
use serde::{Deserialize, Serialize};

/// One stretch of time. What a report of an older throng did not have is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// Where it begins, in run time in milliseconds.
    pub from_ms: f64,
    /// Up to where something is known.
    pub to_ms: f64,
    /// Arrivals a second that were due.
    pub due: f64,
    /// Arrivals a second that were begun.
    pub begun: f64,
    /// VUs that closed scenarios were to have.
    pub vus_planned: f64,
    /// VUs that they held, on average.
    pub vus: f64,
    /// VUs of open scenarios that were busy, on average.
    pub vus_open: f64,
    /// Agents that made load at its end.
    pub agents: u32,
    /// Requests done.
    pub requests: u64,
    /// Of them, failed.
    pub failed: u64,
    /// Requests a second.
    pub rate: f64,
    /// Mean of `http_req_duration` in milliseconds; 0 without a request, like all below.
    pub avg_ms: f64,
    /// Its quantiles, from merged histograms of two significant digits.
    pub p50_ms: f64,
    /// Likewise.
    pub p90_ms: f64,
    /// Likewise.
    pub p95_ms: f64,
    /// Likewise.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Iterations completed.
    pub iterations: u64,
    /// Iterations that were due and not begun.
    pub dropped: u64,
    /// Bytes written to sockets.
    pub sent_bytes: u64,
    /// Bytes read from sockets.
    pub received_bytes: u64,
}

impl Point {
    /// Of what is told of it, and the load's sums.
    #[must_use]
    pub fn new(second: &Second, load: &Load) -> Self {
        let span = second.span.unwrap_or_default();
        // To the microsecond: more would only be long.
        let ms = |ns: u64| (ns as f64 / 1e3).round() / 1e3;
        Self {
            from_ms: span.from_ns as f64 / 1e6,
            to_ms: span.to_ns as f64 / 1e6,
            due: second.due,
            begun: second.begun,
            vus_planned: second.vus_planned,
            vus: load.mean(load.vus),
            vus_open: load.mean(load.vus_open),
            agents: second.agents,
            requests: span.requests,
            failed: span.failed,
            rate: span.rate,
            avg_ms: ms(span.avg_ns),
            p50_ms: ms(span.p50_ns),
            p90_ms: ms(span.p90_ns),
            p95_ms: ms(span.p95_ns),
            p99_ms: ms(span.p99_ns),
            max_ms: ms(span.max_ns),
            iterations: span.iterations,
            dropped: span.dropped,
            sent_bytes: span.sent_bytes,
            received_bytes: span.received_bytes,
        }
    }
}

/// The load's curves in so many columns at most, each the mean over its time.
fn columns(points: &[Point], most: usize, value: fn(&Point) -> f64) -> Vec<f64> {
    let chunk = points.len().div_ceil(most.max(1)).max(1);
    let mean = |points: &[Point]| {
        let length = |point: &Point| point.to_ms - point.from_ms;
        let whole: f64 = points.iter().map(length).sum();
        let sum: f64 = points
            .iter()
            .map(|point| value(point) * length(point))
            .sum();
        if whole > 0.0 { sum / whole } else { 0.0 }
    };
    points.chunks(chunk).map(mean).collect()
}

/// Two lines of at most `width` blocks: what was to be, and what was. Empty if nothing was to be.
#[must_use]
pub fn picture(points: &[Point], width: usize) -> Vec<String> {
    let bars = |values: &[f64], top: f64| -> String {
        values.iter().map(|value| bar(value / top)).collect()
    };
    let curve = |value: fn(&Point) -> f64| columns(points, width, value);
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let mut lines = Vec::new();
    let due = curve(|point| point.due);
    let top = most(&due);
    if top > 0.0 {
        let begun = curve(|point| point.begun);
        lines.push(format!("due    {}  at most {top:.1}/s", bars(&due, top)));
        lines.push(format!("begun  {}", bars(&begun, top)));
    }
    let planned = curve(|point| point.vus_planned);
    let top = most(&planned);
    if top > 0.0 {
        let held = curve(|point| point.vus);
        lines.push(format!(
            "VUs planned  {}  at most {top:.0}",
            bars(&planned, top)
        ));
        lines.push(format!("VUs held     {}", bars(&held, top)));
    }
    lines
}

fn bar(share: f64) -> char {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    BARS[(share * 8.0).round().clamp(0.0, 8.0) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::load::{Held, Look};
    use crate::view::points::MOST;
    use crate::view::seconds::Seconds;

    fn open(seconds: u64, gap: std::ops::Range<u64>) -> Vec<Point> {
        let mut all = Seconds::default();
        let mut begun = 0;
        for second in 0..=seconds {
            let run = second * 1_000_000_000;
            all.look(Look {
                run,
                due: second * 90,
                agents: 3,
                ..Look::default()
            });
            let held = Held {
                run,
                begun,
                ..Held::default()
            };
            all.held(0, 0, held, &|from, to| (0, to - from));
            begun += if gap.contains(&second) { 60 } else { 90 };
        }
        all.end();
        all.points()
    }

    #[test]
    fn a_gap_shows_where_it_was() {
        let points = open(20, 5..11);
        insta::assert_snapshot!(picture(&points, 60).join("\n"), @r"
        due    ████████████████████  at most 90.0/s
        begun  █████▅▅▅▅▅▅█████████
        ");
        let gap: Vec<f64> = points[4..12]
            .iter()
            .map(|point| point.due - point.begun)
            .collect();
        assert_eq!(gap, [0.0, 30.0, 30.0, 30.0, 30.0, 30.0, 30.0, 0.0]);
    }

    #[test]
    fn however_long_it_takes_it_stays_small_and_the_sums_stay_right() {
        let points = open(5_000, 100..2_100);
        assert!(points.len() <= MOST, "{}", points.len());
        let missing: f64 = points
            .iter()
            .map(|point| (point.due - point.begun) * (point.to_ms - point.from_ms) / 1e3)
            .sum();
        assert!((missing - 60_000.0).abs() < 1.0, "{missing}");
    }
}
