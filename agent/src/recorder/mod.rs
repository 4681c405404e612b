//! Samples become series, on one worker: no lock, and no allocation once a series exists.
//!
//! Once a run second everything recorded is cut off and handed on ([`Recorder::cut`]).

mod census;
mod scenario;
mod series;
#[cfg(test)]
mod tests;

pub(crate) use census::Census;
pub(crate) use series::HttpKey;

use crate::http::Hop;
use crate::lines::Lines;
use metrics::{Metric, Series, Tags, Trend, Value};
use plan::{Plan, Request};
use scenario::ScenarioSeries;
use series::HttpSeries;
use std::sync::Arc;

/// Most series (metric and tags) of one agent that the target's answers may give rise to.
pub(crate) const MOST_SERIES: usize = 1000;

/// What one worker saw since the last cut.
#[derive(Debug)]
pub(crate) struct Recorder {
    plan: Arc<Plan>,
    /// By scenario.
    scenarios: Vec<ScenarioSeries>,
    /// Requests by scenario and request id: few kinds of outcome each, so a scan beats a hash.
    http: Vec<Vec<Vec<HttpSeries>>>,
    /// Checks by scenario and request id: (passes, total) each.
    checks: Vec<Vec<Vec<(u64, u64)>>>,
    census: Arc<Census>,
    /// Everything of requests beyond the limit of series, under no tags of its own. Made when first needed: once.
    beyond: Option<Box<HttpSeries>>,
    lag: Trend,
    /// Messages.
    pub(crate) lines: Lines,
}

/// How long a completed iteration took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Iteration {
    /// done - begun.
    pub(crate) duration: u64,
    /// done - due, open models.
    pub(crate) corrected: Option<u64>,
}

impl Recorder {
    /// For a worker; `census` is its agent's.
    pub(crate) fn new(plan: Arc<Plan>, census: Arc<Census>) -> Self {
        let requests = plan.requests().len();
        let per_scenario = plan.scenarios.len();
        let mut checks = vec![Vec::new(); requests];
        for request in plan.requests() {
            checks[request.id] = vec![(0, 0); request.checks.len()];
        }
        Self {
            scenarios: plan
                .scenarios
                .iter()
                .map(|scenario| ScenarioSeries::new(&plan, scenario))
                .collect(),
            http: (0..per_scenario)
                .map(|_| (0..requests).map(|_| Vec::new()).collect())
                .collect(),
            checks: vec![checks; per_scenario],
            census,
            beyond: None,
            lag: Trend::new(Metric::LoopLag.resolution()),
            lines: Lines::default(),
            plan,
        }
    }

    /// One request on the wire, done. `corrected` is done - due of an open iteration's first request.
    pub(crate) fn request(
        &mut self,
        scenario: usize,
        request: &Request,
        hop: &Hop,
        corrected: Option<u64>,
    ) {
        let key = HttpKey::of(request, hop);
        let found = &mut self.http[scenario][request.id];
        if let Some(series) = found.iter_mut().find(|series| series.key == key) {
            series.record(hop, corrected);
        } else if self.census.admits(scenario, request.id, &key) {
            let mut series = HttpSeries::new(key);
            series.record(hop, corrected);
            found.push(series);
        } else {
            let expected = key.expected;
            let beyond = self
                .beyond
                .get_or_insert_with(|| Box::new(HttpSeries::new(key)));
            beyond.key.expected = expected;
            beyond.record(hop, corrected);
        }
    }

    /// One check.
    pub(crate) fn check(&mut self, scenario: usize, request: &Request, index: usize, passed: bool) {
        let (passes, total) = &mut self.checks[scenario][request.id][index];
        *passes += u64::from(passed);
        *total += 1;
    }

    /// One completed iteration.
    pub(crate) fn iteration(&mut self, scenario: usize, iteration: Iteration) {
        self.scenarios[scenario].iteration(iteration);
    }

    /// How late a VU or an iteration began: told at once, since it may go on for long.
    pub(crate) fn lateness(&mut self, scenario: usize, ns: u64) {
        self.scenarios[scenario].lateness.record(ns);
    }

    /// Arrivals that were not begun.
    pub(crate) fn dropped(&mut self, scenario: usize, reason: DropReason, n: u64) {
        self.scenarios[scenario].dropped[reason as usize] += n;
    }

    /// An iteration that ended at a `stop` step.
    pub(crate) fn stopped(&mut self, scenario: usize, reason: &str) {
        self.scenarios[scenario].stopped(reason);
    }

    /// A whole group.
    pub(crate) fn group(&mut self, scenario: usize, path: &str, ns: u64) {
        self.scenarios[scenario].group(path, ns);
    }

    /// Bytes on sockets.
    pub(crate) fn traffic(&mut self, scenario: usize, (sent, received): (u64, u64)) {
        let series = &mut self.scenarios[scenario];
        series.sent += sent;
        series.received += received;
    }

    /// How late the event loop woke up.
    pub(crate) fn lag(&mut self, ns: u64) {
        self.lag.record(ns);
    }

    /// Everything since the last cut, and the event loop's lag and the lateness in it, for the health report.
    pub(crate) fn cut(&mut self) -> Cutting {
        let mut cutting = Cutting {
            series: Vec::new(),
            lag: self.lag.clone(),
            lateness: Trend::compact(Metric::IterationLateness.resolution()),
            lines: std::mem::take(&mut self.lines),
        };
        for (i, scenario) in self.plan.scenarios.iter().enumerate() {
            let tags = scenario_tags(&self.plan, i);
            cutting.lateness.merge(&self.scenarios[i].lateness);
            self.scenarios[i].cut(&tags, &mut cutting.series);
            for request in self.plan.requests() {
                for series in &mut self.http[i][request.id] {
                    series.cut(&tags, scenario, request, &mut cutting.series);
                }
                series::cut_checks(
                    &tags,
                    request,
                    &mut self.checks[i][request.id],
                    &mut cutting.series,
                );
            }
        }
        if !self.lag.is_empty() {
            cutting.series.push(Series {
                tags: run_tags(&self.plan),
                values: vec![(Metric::LoopLag, Value::trend(cutting.lag.clone()))],
            });
            self.lag.reset();
        }
        if let Some(beyond) = &mut self.beyond {
            beyond.cut_as_overflow(&mut cutting.series);
        }
        cutting
    }
}

/// What a cut takes off.
#[derive(Debug)]
pub(crate) struct Cutting {
    pub(crate) series: Vec<Series>,
    pub(crate) lag: Trend,
    pub(crate) lateness: Trend,
    pub(crate) lines: Lines,
}

/// Why an arrival was not begun.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DropReason {
    /// No VU was free.
    NoFreeVu,
    /// Found too late: the agent had stalled.
    Expired,
    /// `shared-iterations`, `per-vu-iterations`: the time was up.
    TimeUp,
}

impl DropReason {
    /// All, by their number.
    const ALL: [(Self, &'static str); 3] = [
        (Self::NoFreeVu, "no free VU"),
        (Self::Expired, "expired"),
        (Self::TimeUp, "time up"),
    ];
}

fn run_tags(plan: &Plan) -> Tags {
    plan.options
        .tags
        .iter()
        .fold(Tags::default(), |tags, (name, value)| {
            tags.with(name, value)
        })
}

fn scenario_tags(plan: &Plan, scenario: usize) -> Tags {
    let scenario = &plan.scenarios[scenario];
    let tags = run_tags(plan).with("scenario", &scenario.name);
    scenario
        .tags
        .iter()
        .fold(tags, |tags, (name, value)| tags.with(name, value))
}
