//! Sums that outputs ask for: a second's and the run's so far, over everything and by step, kept as the seconds go by.

use super::frame::Frame;
use super::rows::Rows;
use metrics::{Kind, Limits, Metric, Store, Tags};
use std::collections::BTreeMap;

/// Steps of which the run's figures are kept; more are summed up as overflow.
const STEPS: usize = 300;
/// What the run's series may take.
const SERIES: Limits = Limits {
    series: 10_000,
    bytes: 1 << 30,
};
/// What makes a step.
const STEP: [&str; 4] = ["scenario", "group", "name", "method"];

/// Sums of the run so far.
#[derive(Debug)]
pub struct Totals {
    /// Over everything, by metric; without levels.
    pub metrics: Rows,
    /// By step.
    pub steps: Rows,
    /// By series, everything but levels; kept only for those who want it.
    pub series: Option<Store>,
    /// Wall time of T0 in nanoseconds since 1970, once it is known.
    pub begun: Option<i64>,
    /// True if an earlier life of the controller told a part of it.
    pub gone_on: bool,
}

/// Sums of one second.
#[derive(Debug, Default)]
pub struct Sums {
    /// Over everything, by metric.
    pub metrics: Rows,
    /// By step.
    pub steps: Rows,
}

impl Totals {
    /// Nothing yet.
    #[must_use]
    pub fn new(series: bool) -> Self {
        Self {
            metrics: Rows::default(),
            steps: Rows::with_limit(STEPS),
            series: series.then(|| Store::with_limits(SERIES)),
            begun: None,
            gone_on: false,
        }
    }

    /// Takes what the run had come to when an earlier life of the controller ended.
    pub fn go_on(&mut self, so_far: Rows) {
        self.gone_on = true;
        self.take(&Frame {
            second: 0,
            later: 0,
            seats: BTreeMap::new(),
            fleet: so_far,
        });
    }

    /// Takes a frame; gives its own sums.
    pub fn take(&mut self, frame: &Frame) -> Sums {
        let sums = Sums {
            metrics: frame.fleet.fold(|_, _| Some(Tags::default())),
            steps: frame.fleet.fold(step),
        };
        sums.metrics.pour_into(&mut self.metrics);
        sums.steps.pour_into(&mut self.steps);
        for (metric, tags, value) in frame.fleet.iter() {
            if let Some(series) = &mut self.series
                && metric.kind() != Kind::Gauge
            {
                // Of its metric's kind, or it would not be in a frame.
                let _ = series.merge_series(tags, metric, value);
            }
        }
        sums
    }
}

/// The step that a series of requests belongs to.
fn step(metric: Metric, tags: &Tags) -> Option<Tags> {
    if !matches!(
        metric,
        Metric::HttpReqDuration | Metric::HttpReqs | Metric::HttpReqFailed
    ) {
        return None;
    }
    let parts = STEP.iter().filter_map(|name| Some((name, tags.get(name)?)));
    Some(parts.fold(Tags::default(), |tags, (name, value)| {
        tags.with(name, value)
    }))
}
