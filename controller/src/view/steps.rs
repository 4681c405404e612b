//! Steps by their name tag: what each was asked, and how fast it answered.

use metrics::{Digits, Metric, Store, Trend, Value};
use proto::v1::StepView;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Steps that are told.
const STEPS: usize = 50;

#[derive(Default)]
struct Step<'s> {
    requests: u64,
    failed: u64,
    durations: Vec<&'s Trend>,
}

/// The steps with the most requests, those first. Once over every series; only what is told is merged.
#[must_use]
pub(super) fn of(store: &Store) -> Vec<StepView> {
    let mut all: HashMap<&str, Step<'_>> = HashMap::new();
    for (tags, row) in store.rows() {
        let requests = row.get(&Metric::HttpReqs);
        let (Some(name), Some(Value::Counter(requests))) = (tags.get("name"), requests) else {
            continue;
        };
        let step = all.entry(name).or_default();
        step.requests = step.requests.saturating_add(*requests as u64);
        if let Some(Value::Rate { passes, .. }) = row.get(&Metric::HttpReqFailed) {
            step.failed = step.failed.saturating_add(*passes);
        }
        let durations = row.get(&Metric::HttpReqDuration);
        step.durations.extend(durations.and_then(Value::as_trend));
    }
    let mut steps: Vec<(&str, Step<'_>)> = all.into_iter().collect();
    steps.sort_by_key(|(name, step)| (Reverse(step.requests), *name));
    steps.truncate(STEPS);
    steps.iter().map(|(name, step)| view(name, step)).collect()
}

fn view(name: &str, step: &Step<'_>) -> StepView {
    let mut durations = Trend::compact(Digits::Three);
    for trend in &step.durations {
        durations.merge(trend);
    }
    let quantile = |q: f64| durations.quantile(q) as u64;
    StepView {
        name: name.to_owned(),
        requests: step.requests,
        failed: step.failed,
        avg_ns: durations.mean() as u64,
        p50_ns: quantile(0.5),
        p90_ns: quantile(0.9),
        p95_ns: quantile(0.95),
        p99_ns: quantile(0.99),
        max_ns: durations.max,
    }
}
