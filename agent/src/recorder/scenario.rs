//! The series of a scenario that are not of a request: iterations, groups, bytes, drops, early stops.

use super::{DropReason, Iteration};
use metrics::{Metric, Series, Tags, Trend, Value};
use plan::{Plan, Scenario, Step};

/// One scenario's, on one worker. All are made before the load, for the plan names them.
#[derive(Debug)]
pub(super) struct ScenarioSeries {
    iterations: u64,
    duration: Trend,
    pub(super) lateness: Trend,
    corrected: Trend,
    pub(super) dropped: [u64; DropReason::ALL.len()],
    stopped: Vec<(String, u64)>,
    groups: Vec<(String, Trend)>,
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl ScenarioSeries {
    pub(super) fn new(plan: &Plan, scenario: &Scenario) -> Self {
        let mut stopped = Vec::new();
        let mut groups = Vec::new();
        collect(&plan.flows[scenario.exec].steps, &mut stopped, &mut groups);
        Self {
            iterations: 0,
            duration: Trend::new(Metric::IterationDuration.resolution()),
            lateness: Trend::new(Metric::IterationLateness.resolution()),
            corrected: Trend::new(Metric::IterationCorrected.resolution()),
            dropped: Default::default(),
            stopped,
            groups,
            sent: 0,
            received: 0,
        }
    }

    pub(super) fn iteration(&mut self, iteration: Iteration) {
        self.iterations += 1;
        self.duration.record(iteration.duration);
        if let Some(ns) = iteration.corrected {
            self.corrected.record(ns);
        }
    }

    pub(super) fn stopped(&mut self, reason: &str) {
        if let Some((_, n)) = self.stopped.iter_mut().find(|(known, _)| known == reason) {
            *n += 1;
        }
    }

    pub(super) fn group(&mut self, path: &str, ns: u64) {
        if let Some((_, trend)) = self.groups.iter_mut().find(|(known, _)| known == path) {
            trend.record(ns);
        }
    }

    /// Takes everything off into series.
    pub(super) fn cut(&mut self, tags: &Tags, out: &mut Vec<Series>) {
        let mut values = Vec::new();
        for (metric, n) in [
            (Metric::Iterations, &mut self.iterations),
            (Metric::DataSent, &mut self.sent),
            (Metric::DataReceived, &mut self.received),
        ] {
            if *n > 0 {
                values.push((metric, Value::counter(std::mem::take(n) as f64)));
            }
        }
        for (metric, trend) in [
            (Metric::IterationDuration, &mut self.duration),
            (Metric::IterationLateness, &mut self.lateness),
            (Metric::IterationCorrected, &mut self.corrected),
        ] {
            push_trend(metric, trend, &mut values);
        }
        if !values.is_empty() {
            out.push(Series {
                tags: tags.clone(),
                values,
            });
        }
        for (reason, text) in DropReason::ALL {
            push_counter(
                Metric::DroppedIterations,
                &mut self.dropped[reason as usize],
                || tags.clone().with("reason", text),
                out,
            );
        }
        for (reason, n) in &mut self.stopped {
            push_counter(
                Metric::StoppedIterations,
                n,
                || tags.clone().with("reason", reason),
                out,
            );
        }
        for (path, trend) in &mut self.groups {
            let mut values = Vec::new();
            push_trend(Metric::GroupDuration, trend, &mut values);
            if !values.is_empty() {
                out.push(Series {
                    tags: tags.clone().with("group", path),
                    values,
                });
            }
        }
    }
}

fn push_counter(metric: Metric, n: &mut u64, tags: impl FnOnce() -> Tags, out: &mut Vec<Series>) {
    if *n > 0 {
        out.push(Series {
            tags: tags(),
            values: vec![(metric, Value::counter(std::mem::take(n) as f64))],
        });
    }
}

/// Moves a trend's content out, if there is any; the space stays reserved.
pub(super) fn push_trend(metric: Metric, trend: &mut Trend, values: &mut Vec<(Metric, Value)>) {
    if !trend.is_empty() {
        values.push((metric, Value::trend(trend.clone())));
        trend.reset();
    }
}

fn collect(steps: &[Step], stopped: &mut Vec<(String, u64)>, groups: &mut Vec<(String, Trend)>) {
    for step in steps {
        match step {
            Step::Stop { reason, .. } => {
                if stopped.iter().all(|(known, _)| known != reason) {
                    stopped.push((reason.clone(), 0));
                }
            }
            Step::Group { path, steps } => {
                if groups.iter().all(|(known, _)| known != path) {
                    let trend = Trend::new(Metric::GroupDuration.resolution());
                    groups.push((path.clone(), trend));
                }
                collect(steps, stopped, groups);
            }
            Step::Each { steps, .. } => collect(steps, stopped, groups),
            Step::Let(_) | Step::Request(_) | Step::Sleep { .. } | Step::Give(_) => {}
        }
    }
}
