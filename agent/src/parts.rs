//! The workers' parts of a run second become one interval: merged, in order, without gaps.

use crate::crew::Report;
use crate::lines::Lines;
use crate::recorder::Cutting;
use crate::worker::SECOND;
use metrics::{Metric, Series, Tags, Trend, Value};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tokio::sync::mpsc::UnboundedSender;

/// What one worker saw up to a run time.
#[derive(Debug)]
pub(crate) struct Part {
    /// Which worker, from 0.
    pub(crate) worker: usize,
    /// The run second's end in nanoseconds, or for the worker's last part the moment it was done.
    pub(crate) to: i64,
    pub(crate) cutting: Cutting,
    /// VUs at work, and VUs made, at that moment.
    pub(crate) vus: u64,
    pub(crate) vus_max: u64,
    /// True for the worker's last part.
    pub(crate) last: bool,
    /// An iteration was cut.
    pub(crate) interrupted: bool,
}

/// Where parts meet.
#[derive(Debug)]
pub(crate) struct Parts {
    inner: Mutex<Inner>,
    run_tags: Tags,
    reports: UnboundedSender<Report>,
}

#[derive(Debug)]
struct Inner {
    /// Seconds that wait for some worker, by their end.
    waiting: BTreeMap<i64, Merged>,
    /// The last moment of those that are done.
    done_at: i64,
    /// VUs they had made.
    done_made: u64,
    /// Up to where each worker has told; `i64::MAX` when it is done and tells no more.
    told: Vec<i64>,
    from: i64,
    interrupted: bool,
    /// Since T0, for the health report.
    lag: Trend,
    lateness: Trend,
}

#[derive(Debug, Default)]
struct Merged {
    series: BTreeMap<Tags, BTreeMap<Metric, Value>>,
    lines: Lines,
    vus: u64,
    vus_max: u64,
}

impl Parts {
    /// `from` is the run second in which the workers begin.
    pub(crate) fn new(
        workers: usize,
        run_tags: Tags,
        reports: UnboundedSender<Report>,
        from: u64,
    ) -> Self {
        let from = i64::try_from(from)
            .unwrap_or(i64::MAX)
            .saturating_mul(SECOND);
        Self {
            inner: Mutex::new(Inner {
                waiting: BTreeMap::new(),
                done_at: from,
                done_made: 0,
                told: vec![from; workers],
                from,
                interrupted: false,
                lag: Trend::compact(Metric::LoopLag.resolution()),
                lateness: Trend::compact(Metric::IterationLateness.resolution()),
            }),
            run_tags,
            reports,
        }
    }

    /// Adds a worker's part; reports every interval that is whole now, and the end after the last worker's last part.
    pub(crate) fn add(&self, part: Part) {
        let mut inner = self.lock();
        inner.lag.merge(&part.cutting.lag);
        inner.lateness.merge(&part.cutting.lateness);
        inner.interrupted |= part.interrupted;
        // What a worker saw in the piece of a second after which it was done belongs to that second.
        let second = ceil(part.to);
        let worker = part.worker;
        if part.last {
            inner.told[worker] = i64::MAX;
            inner.done_at = inner.done_at.max(part.to);
            inner.done_made += part.vus_max;
        } else {
            inner.told[worker] = part.to;
        }
        inner.waiting.entry(second).or_default().add(part);
        // A second is whole when every worker has told it or is done.
        let told = inner.told.iter().copied().min().unwrap_or(i64::MAX);
        let done = told == i64::MAX;
        while let Some(first) = inner.waiting.first_entry() {
            if *first.key() > told {
                break;
            }
            let (second, merged) = first.remove_entry();
            let to = if done && inner.waiting.is_empty() {
                second.min(inner.done_at)
            } else {
                second
            };
            self.report(&mut inner, to, merged);
        }
        if done {
            // The link is gone only when the crew is being dropped.
            let _ = self.reports.send(Report::Finished {
                interrupted: inner.interrupted,
            });
        }
    }

    /// Event-loop lag and lateness since T0.
    pub(crate) fn since_start(&self) -> (Trend, Trend) {
        let inner = self.lock();
        (inner.lag.clone(), inner.lateness.clone())
    }

    fn report(&self, inner: &mut Inner, to: i64, mut merged: Merged) {
        let to = to.max(inner.from);
        let from = std::mem::replace(&mut inner.from, to);
        // Workers may have a series of these tags already, and no tags come twice in an interval.
        let ours = merged.series.entry(self.run_tags.clone()).or_default();
        ours.insert(Metric::Vus, Value::gauge(merged.vus as f64));
        ours.insert(
            Metric::VusMax,
            Value::gauge((merged.vus_max + inner.done_made) as f64),
        );
        let series: Vec<Series> = merged
            .series
            .into_iter()
            .map(|(tags, values)| Series {
                tags,
                values: values.into_iter().collect(),
            })
            .collect();
        let mut lines = merged.lines;
        let (lines, suppressed) = lines.take();
        if !lines.is_empty() || suppressed > 0 {
            let _ = self.reports.send(Report::Lines { lines, suppressed });
        }
        let _ = self.reports.send(Report::Interval { from, to, series });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The end of the run second that a moment is in.
fn ceil(to: i64) -> i64 {
    (to.max(1) - 1) / SECOND * SECOND + SECOND
}

impl Merged {
    fn add(&mut self, part: Part) {
        if !part.last {
            self.vus += part.vus;
            self.vus_max += part.vus_max;
        }
        self.lines.merge(part.cutting.lines);
        for series in part.cutting.series {
            let ours = self.series.entry(series.tags).or_default();
            for (metric, value) in series.values {
                match ours.get_mut(&metric) {
                    // Both come from the same recorder, so kinds agree.
                    Some(known) => drop(known.merge(&value)),
                    None => drop(ours.insert(metric, value)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Parts, SECOND};
    use crate::crew::Report;
    use crate::lines::Lines;
    use crate::recorder::Cutting;
    use metrics::{Metric, Series, Tags, Trend, Value};

    fn part(worker: usize, to: i64, last: bool) -> Part {
        Part {
            worker,
            to,
            cutting: Cutting {
                series: vec![Series {
                    tags: Tags::default().with("scenario", "s"),
                    values: vec![(Metric::Iterations, Value::counter(1.0))],
                }],
                lag: Trend::compact(Metric::LoopLag.resolution()),
                lateness: Trend::compact(Metric::IterationLateness.resolution()),
                lines: Lines::default(),
            },
            vus: 1,
            vus_max: 1,
            last,
            interrupted: false,
        }
    }

    /// (from, to, iterations) of every interval, whatever order two workers tell their seconds in.
    fn intervals(parts: Vec<Part>) -> (Vec<(i64, i64, f64)>, bool) {
        let (reports, mut told) = tokio::sync::mpsc::unbounded_channel();
        let merger = Parts::new(2, Tags::default(), reports, 0);
        for part in parts {
            merger.add(part);
        }
        let mut found = Vec::new();
        let mut finished = false;
        while let Ok(report) = told.try_recv() {
            match report {
                Report::Interval { from, to, series } => {
                    let values = series.iter().flat_map(|series| &series.values);
                    let iterations = values.filter_map(|(metric, value)| match value {
                        Value::Counter(n) if *metric == Metric::Iterations => Some(*n),
                        _ => None,
                    });
                    found.push((from / SECOND, to / SECOND, iterations.sum()));
                }
                Report::Finished { .. } => finished = true,
                _ => {}
            }
        }
        (found, finished)
    }

    #[test]
    fn seconds_wait_for_the_slowest_worker_and_come_in_order() {
        let whole = vec![(0, 1, 2.0), (1, 2, 2.0), (2, 3, 2.0)];
        let in_turn = vec![
            part(0, SECOND, false),
            part(1, SECOND, false),
            part(1, 2 * SECOND, false),
            part(0, 2 * SECOND, false),
            part(1, 3 * SECOND, true),
            part(0, 3 * SECOND, true),
        ];
        assert_eq!(intervals(in_turn), (whole.clone(), true));
        // Worker 0 stalls while worker 1 tells everything and is done: nothing may be told before worker 0 has.
        let stalled = vec![
            part(1, SECOND, false),
            part(1, 2 * SECOND, false),
            part(1, 3 * SECOND, true),
            part(0, SECOND, false),
            part(0, 2 * SECOND, false),
            part(0, 3 * SECOND, true),
        ];
        assert_eq!(intervals(stalled), (whole, true));
    }

    #[test]
    fn a_worker_without_work_holds_nobody_up() {
        let parts = vec![
            part(1, 0, true),
            part(0, SECOND, false),
            part(0, 2 * SECOND, true),
        ];
        assert_eq!(intervals(parts), (vec![(0, 1, 2.0), (1, 2, 1.0)], true));
    }
}
