//! Steps by their name tag: what each was asked, and how fast it answered.

use metrics::{Digits, Metric, Store, Trend, Value};
use proto::v1::StepView;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Steps that are told.
const STEPS: usize = 50;

#[derive(Default)]
struct Step {
    requests: u64,
    failed: u64,
    durations: Option<Trend>,
}

/// The steps with the most requests, those first.
#[must_use]
pub(super) fn of(store: &Store) -> Vec<StepView> {
    let mut counts: BTreeMap<&str, Step> = BTreeMap::new();
    for (metric, tags, value) in store.iter() {
        let Some(name) = tags.get("name") else {
            continue;
        };
        match (metric, value.as_ref()) {
            (Metric::HttpReqs, Value::Counter(sum)) => {
                counts.entry(name).or_default().requests += *sum as u64;
            }
            (Metric::HttpReqFailed, Value::Rate { passes, .. }) => {
                counts.entry(name).or_default().failed += passes;
            }
            _ => {}
        }
    }
    let mut steps: Vec<(&str, Step)> = counts.into_iter().collect();
    steps.sort_by_key(|(_, step)| Reverse(step.requests));
    steps.truncate(STEPS);
    let mut places: BTreeMap<&str, &mut Step> = BTreeMap::new();
    for (name, step) in &mut steps {
        places.insert(name, step);
    }
    for (metric, tags, value) in store.iter() {
        if metric == Metric::HttpReqDuration
            && let Some(step) = tags.get("name").and_then(|name| places.get_mut(name))
            && let Some(trend) = value.as_trend()
        {
            let sum = &mut step.durations;
            sum.get_or_insert_with(|| Trend::compact(Digits::Three))
                .merge(trend);
        }
    }
    steps.iter().map(|(name, step)| view(name, step)).collect()
}

fn view(name: &str, step: &Step) -> StepView {
    let durations = step.durations.as_ref();
    let quantile = |q: f64| durations.map_or(0, |trend| trend.quantile(q) as u64);
    StepView {
        name: name.to_owned(),
        requests: step.requests,
        failed: step.failed,
        avg_ns: durations.map_or(0, |trend| trend.mean() as u64),
        p50_ns: quantile(0.5),
        p90_ns: quantile(0.9),
        p95_ns: quantile(0.95),
        p99_ns: quantile(0.99),
        max_ns: durations.map_or(0, |trend| trend.max),
    }
}
