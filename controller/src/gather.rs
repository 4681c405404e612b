//! Gathers a run's intervals: each merged once, in order, or refused whole. What is merged may be acknowledged.
//!
//! Knows seats and numbers; knows nothing of streams or of what is done with the merged data.

use crate::output::Feed;
use crate::plausible;
use crate::view::seconds::Seconds;
use metrics::delivery::Arrival;
use metrics::{Delivery, Interval, Judged, Metric, Series, Store, Tags, Value};
use proto::convert::Rejected;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How far beyond the present an interval may end, in nanoseconds: clocks are measured, not equal.
const AHEAD: i64 = 60_000_000_000;

/// An interval as it came, decoded (or not) by the task that read it.
#[derive(Debug)]
pub struct Received {
    /// The run it is said to be of.
    pub run: String,
    /// The seat it is said to come from.
    pub seat: u32,
    /// Which life.
    pub incarnation: u64,
    /// Its number.
    pub sequence: u64,
    /// What is in it.
    pub content: Result<Interval, Rejected>,
    /// The same as it came, for the journal.
    pub wire: Option<Box<proto::v1::Interval>>,
}

impl Received {
    /// Decodes a message.
    #[must_use]
    pub fn new(wire: proto::v1::Interval) -> Self {
        Self {
            content: proto::convert::from_wire(&wire),
            run: wire.run.clone(),
            seat: wire.agent,
            incarnation: wire.incarnation,
            sequence: wire.sequence,
            wire: Some(Box::new(wire)),
        }
    }
}

/// What was merged from one seat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Intervals merged.
    pub intervals: u64,
    /// Intervals given up: corrupt, or skipped by the agent.
    pub missing: u64,
    /// Run time covered, in nanoseconds.
    pub merged_ns: u128,
    /// Requests in them, by their counter.
    pub requests: u64,
    /// Where the newest one ends, in run time.
    pub until: i64,
}

/// What became of an interval.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// Merged; everything up to this sequence may be acknowledged.
    Merged(u64),
    /// Merged before; acknowledge again.
    Again(u64),
    /// Not merged, and given up: what was wrong. Acknowledged, so that the agent does not keep it for ever.
    Refused(u64, String),
}

/// Everything merged.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Gather {
    /// Large, and kept apart by a checkpoint.
    #[serde(skip)]
    store: Store,
    delivery: Delivery,
    seats: BTreeMap<u32, Delivered>,
    rejected: u64,
    phases: u64,
    /// The same second by second, without setup and teardown.
    pub seconds: Seconds,
    /// Whoever gets what was merged, too.
    #[serde(skip)]
    pub outputs: Option<Feed>,
}

impl Gather {
    /// Takes an interval of a seat's life. `run_now` is the present in run time.
    pub fn take(&mut self, received: Received, run_now: i64) -> Taken {
        let Received {
            seat,
            incarnation,
            sequence,
            content,
            ..
        } = received;
        let expected = self.delivery.next(seat, incarnation);
        if sequence < expected {
            // Counts the duplicate.
            self.delivery.accept(seat, incarnation, sequence, 0, 0);
            return Taken::Again(expected - 1);
        }
        if sequence - expected > plausible::INTERVALS {
            // One that says so skipped nothing: it is not numbered by throng.
            self.rejected += 1;
            let what = format!(
                "interval {sequence} refused: {expected} was due, and nobody makes so many"
            );
            return Taken::Refused(sequence, what);
        }
        let content = content
            .map_err(|rejected| rejected.to_string())
            .and_then(|interval| {
                if interval.to > run_now.saturating_add(AHEAD) {
                    return Err("interval: it ends in the future".to_owned());
                }
                Ok(interval)
            });
        let delivered = self.seats.entry(seat).or_default();
        match content {
            Ok(interval) => {
                let mut note = None;
                if sequence > expected {
                    // The stream keeps the order, so what is skipped was given up by the agent.
                    self.delivery.skip_to(seat, incarnation, sequence);
                    delivered.missing += sequence - expected;
                    note = Some(format!(
                        "{} intervals before number {sequence} never came",
                        sequence - expected
                    ));
                }
                let arrival =
                    self.delivery
                        .accept(seat, incarnation, sequence, interval.from, interval.to);
                debug_assert_eq!(arrival, Arrival::New);
                delivered.intervals += 1;
                let covered = i128::from(interval.to.max(0)) - i128::from(interval.from.max(0));
                delivered.merged_ns += u128::try_from(covered).unwrap_or(0);
                delivered.until = delivered.until.max(interval.to);
                delivered.requests = delivered.requests.saturating_add(requests(&interval));
                self.store.merge_interval(&interval);
                self.seconds.observe(&interval);
                if let Some(outputs) = &mut self.outputs {
                    outputs.interval(interval);
                }
                note.map_or(Taken::Merged(sequence), |note| {
                    Taken::Refused(sequence, note)
                })
            }
            Err(what) => {
                self.rejected += 1;
                delivered.missing += sequence.saturating_add(1) - expected;
                self.delivery
                    .skip_to(seat, incarnation, sequence.saturating_add(1));
                Taken::Refused(sequence, format!("interval {sequence} refused: {what}"))
            }
        }
    }

    /// Takes what setup or teardown measured; belongs to no seat's books. The requests in it.
    pub fn phase(&mut self, intervals: &[Interval]) -> u64 {
        let sum = plausible::sum(intervals.iter().map(requests));
        for interval in intervals {
            self.store.merge_interval(interval);
        }
        if let Some(outputs) = &mut self.outputs {
            outputs.phase(intervals.to_vec(), crate::clock::unix_ns());
        }
        self.phases = self.phases.saturating_add(sum);
        sum
    }

    /// Requests of setup and teardown.
    #[must_use]
    pub fn phase_requests(&self) -> u64 {
        self.phases
    }

    /// Notes that a life said it made so many intervals: those that did not come are missing.
    pub fn ended(&mut self, seat: u32, incarnation: u64, made: u64) {
        let next = self.delivery.next(seat, incarnation);
        if made > next {
            self.delivery.skip_to(seat, incarnation, made);
            self.seats.entry(seat).or_default().missing += made - next;
        }
    }

    /// The newest sequence of a life that may be acknowledged.
    #[must_use]
    pub fn acknowledged(&self, seat: u32, incarnation: u64) -> Option<u64> {
        self.delivery.next(seat, incarnation).checked_sub(1)
    }

    /// What came from a seat.
    #[must_use]
    pub fn from_seat(&self, seat: u32) -> Delivered {
        self.seats.get(&seat).copied().unwrap_or_default()
    }

    /// Intervals refused as corrupt.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// The merged data.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Goes on from what an earlier life merged.
    pub fn restore(&mut self, store: Store) {
        self.store = store;
    }

    /// Tells the outputs what was merged before they began: an earlier life of the controller told it to its own.
    pub fn outputs_go_on(&mut self) {
        if let Some(outputs) = &mut self.outputs {
            outputs.so_far(&self.store);
        }
    }

    /// Iterations that nobody leased before the time was over: k6's `dropped_iterations`.
    pub fn add_dropped(&mut self, scenario: &str, count: u64) {
        let tags = Tags::default().with("scenario", scenario);
        let value = Value::counter(count as f64);
        // A counter to a counter's series cannot fail.
        let _ = self
            .store
            .merge_series(&tags, Metric::DroppedIterations, &value);
        if let Some(outputs) = &mut self.outputs {
            let interval = Interval {
                agent: u32::MAX,
                incarnation: 0,
                sequence: 0,
                from: 0,
                to: 0,
                series: vec![Series {
                    tags,
                    values: vec![(Metric::DroppedIterations, value)],
                }],
            };
            outputs.phase(vec![interval], crate::clock::unix_ns());
        }
    }

    /// A quantile of the merged service time, in nanoseconds; `None` without a request.
    #[must_use]
    pub fn service_time(&self, quantiles: &[f64]) -> Option<Vec<f64>> {
        let value = self
            .store
            .aggregate(Metric::HttpReqDuration, &Tags::default())?;
        let trend = value.as_trend().filter(|trend| !trend.is_empty())?;
        Some(quantiles.iter().map(|q| trend.quantile(*q)).collect())
    }

    /// The merged sum of a counter.
    #[must_use]
    pub fn count(&self, metric: Metric) -> u64 {
        self.count_of(metric, &Tags::default())
    }

    /// Requests that failed for want of something on an agent's own host.
    #[must_use]
    pub fn local_errors(&self) -> u64 {
        let tags = Tags::default().with("error", proto::LOCAL_ERROR);
        self.count_of(Metric::HttpReqs, &tags)
    }

    fn count_of(&self, metric: Metric, tags: &Tags) -> u64 {
        match self.store.aggregate(metric, tags) {
            Some(Value::Counter(sum)) => sum as u64,
            _ => 0,
        }
    }

    /// True samples of a rate.
    #[must_use]
    pub fn passes(&self, metric: Metric) -> u64 {
        match self.store.aggregate(metric, &Tags::default()) {
            Some(Value::Rate { passes, .. }) => passes,
            _ => 0,
        }
    }

    /// Every threshold on what is merged so far.
    #[must_use]
    pub fn judge(
        &self,
        thresholds: &[plan::Threshold],
        elapsed: Duration,
        compat_k6: bool,
    ) -> Vec<Judged> {
        thresholds
            .iter()
            .map(|threshold| {
                Judged::new(
                    &threshold.parsed,
                    &threshold.expression,
                    &self.store,
                    elapsed,
                    compat_k6,
                )
            })
            .collect()
    }
}

fn requests(interval: &Interval) -> u64 {
    let counters = interval.series.iter().flat_map(|series| &series.values);
    plausible::sum(counters.filter_map(|(metric, value)| match value {
        Value::Counter(sum) if *metric == Metric::HttpReqs => Some(*sum as u64),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn received(sequence: u64, requests: f64) -> Received {
        let from = i64::try_from(sequence).unwrap() * 1_000_000_000;
        let series = vec![Series {
            tags: Tags::default(),
            values: vec![(Metric::HttpReqs, Value::Counter(requests))],
        }];
        Received {
            run: "r".to_owned(),
            seat: 0,
            incarnation: 7,
            sequence,
            content: Ok(Interval {
                agent: 0,
                incarnation: 7,
                sequence,
                from,
                to: from + 1_000_000_000,
                series,
            }),
            wire: None,
        }
    }

    fn corrupt(sequence: u64) -> Received {
        let rejected = Rejected {
            at: "series 0".to_owned(),
            what: "nonsense".to_owned(),
        };
        Received {
            content: Err(rejected),
            ..received(sequence, 0.0)
        }
    }

    const NOW: i64 = 100_000_000_000;

    #[test]
    fn whatever_is_sent_again_counts_once() {
        let mut gather = Gather::default();
        for (sequence, taken) in [
            (0, Taken::Merged(0)),
            (0, Taken::Again(0)),
            (1, Taken::Merged(1)),
            (0, Taken::Again(1)),
            (1, Taken::Again(1)),
            (2, Taken::Merged(2)),
        ] {
            assert_eq!(gather.take(received(sequence, 5.0), NOW), taken);
        }
        assert_eq!(gather.count(Metric::HttpReqs), 15);
        assert_eq!(gather.from_seat(0).merged_ns, 3_000_000_000);
    }

    #[test]
    fn a_corrupt_interval_is_refused_whole_counted_and_does_not_block() {
        let mut gather = Gather::default();
        assert_eq!(gather.take(received(0, 5.0), NOW), Taken::Merged(0));
        let refused = "interval 1 refused: series 0: nonsense".to_owned();
        assert_eq!(gather.take(corrupt(1), NOW), Taken::Refused(1, refused));
        assert_eq!(gather.take(received(2, 5.0), NOW), Taken::Merged(2));
        assert_eq!(gather.count(Metric::HttpReqs), 10);
        assert_eq!((gather.rejected(), gather.from_seat(0).missing), (1, 1));
    }

    #[test]
    fn gaps_and_intervals_that_never_came_are_missing() {
        let mut gather = Gather::default();
        assert_eq!(gather.take(received(0, 1.0), NOW), Taken::Merged(0));
        assert!(matches!(
            gather.take(received(3, 1.0), NOW),
            Taken::Refused(3, _)
        ));
        gather.ended(0, 7, 6);
        gather.ended(0, 7, 6);
        assert_eq!(
            (gather.from_seat(0).intervals, gather.from_seat(0).missing),
            (2, 4)
        );
        assert_eq!(gather.count(Metric::HttpReqs), 2);
    }

    #[test]
    fn an_interval_from_the_future_is_refused() {
        let mut gather = Gather::default();
        assert!(matches!(
            gather.take(received(200, 1.0), NOW),
            Taken::Refused(200, _)
        ));
        assert_eq!(gather.count(Metric::HttpReqs), 0);
    }
}
