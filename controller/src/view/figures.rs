//! What was measured in some time, over every series: counts, and the durations' histogram. Adding two is the only way they combine.

use metrics::{Digits, Interval, Metric, Trend, Value};
use proto::v1::Span;
use serde::{Deserialize, Serialize};

/// Sums over a stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Requests done.
    pub requests: u64,
    /// Of them, failed.
    pub failed: u64,
    /// Iterations completed.
    pub iterations: u64,
    /// Iterations that were due and not begun.
    pub dropped: u64,
    /// Bytes written to sockets.
    pub sent: u64,
    /// Bytes read from sockets.
    pub received: u64,
    /// `http_req_duration`.
    pub durations: Trend,
}

impl Figures {
    /// Nothing yet, with durations kept to so many digits.
    #[must_use]
    pub fn new(digits: Digits) -> Self {
        Self {
            requests: 0,
            failed: 0,
            iterations: 0,
            dropped: 0,
            sent: 0,
            received: 0,
            durations: Trend::compact(digits),
        }
    }

    /// What an interval comes to.
    #[must_use]
    pub fn of(interval: &Interval) -> Self {
        let mut sum = Self::new(Digits::Three);
        for (metric, value) in interval.series.iter().flat_map(|series| &series.values) {
            let (mine, more) = match (metric, value) {
                (Metric::HttpReqs, Value::Counter(count)) => (&mut sum.requests, *count as u64),
                (Metric::HttpReqFailed, Value::Rate { passes, .. }) => (&mut sum.failed, *passes),
                (Metric::Iterations, Value::Counter(count)) => (&mut sum.iterations, *count as u64),
                (Metric::DroppedIterations, Value::Counter(count)) => {
                    (&mut sum.dropped, *count as u64)
                }
                (Metric::DataSent, Value::Counter(bytes)) => (&mut sum.sent, *bytes as u64),
                (Metric::DataReceived, Value::Counter(bytes)) => (&mut sum.received, *bytes as u64),
                (Metric::HttpReqDuration, Value::Trend(trend)) => {
                    sum.durations.merge(trend);
                    continue;
                }
                _ => continue,
            };
            *mine = mine.saturating_add(more);
        }
        sum
    }

    /// Adds the other's.
    pub fn merge(&mut self, other: &Figures) {
        for (mine, theirs) in self.counts_mut().into_iter().zip(other.counts()) {
            *mine = mine.saturating_add(theirs);
        }
        self.durations.merge(&other.durations);
    }

    /// The nth of so many parts of the counts, in whole units: the parts add up to the whole. Durations cannot be told apart; the last
    /// part has them.
    #[must_use]
    pub fn part(&self, nth: u64, parts: u64) -> Self {
        let until = |count: u64, n: u64| {
            let share = u128::from(count) * u128::from(n) / u128::from(parts.max(1));
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        let mut part = Self::new(Digits::Three);
        for (mine, all) in part.counts_mut().into_iter().zip(self.counts()) {
            *mine = until(all, nth + 1) - until(all, nth);
        }
        if nth + 1 == parts {
            part.durations.merge(&self.durations);
        }
        part
    }

    /// As it is told, for run times in nanoseconds.
    #[must_use]
    pub fn span(&self, from_ns: i64, to_ns: i64) -> Span {
        let seconds = to_ns.saturating_sub(from_ns).max(0) as f64 / 1e9;
        let [p50_ns, p90_ns, p95_ns, p99_ns] =
            [0.5, 0.9, 0.95, 0.99].map(|q| self.durations.quantile(q) as u64);
        Span {
            from_ns,
            to_ns,
            requests: self.requests,
            failed: self.failed,
            rate: if seconds > 0.0 {
                self.requests as f64 / seconds
            } else {
                0.0
            },
            avg_ns: self.durations.mean() as u64,
            p50_ns,
            p90_ns,
            p95_ns,
            p99_ns,
            max_ns: self.durations.max,
            iterations: self.iterations,
            dropped: self.dropped,
            sent_bytes: self.sent,
            received_bytes: self.received,
        }
    }

    fn counts(&self) -> [u64; 6] {
        [
            self.requests,
            self.failed,
            self.iterations,
            self.dropped,
            self.sent,
            self.received,
        ]
    }

    fn counts_mut(&mut self) -> [&mut u64; 6] {
        [
            &mut self.requests,
            &mut self.failed,
            &mut self.iterations,
            &mut self.dropped,
            &mut self.sent,
            &mut self.received,
        ]
    }
}
