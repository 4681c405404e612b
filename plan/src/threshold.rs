//! Thresholds as written in a scenario file. Their grammar and their evaluation are the `metrics` room's.

use crate::diagnostics::Place;
use crate::draft::{Kind, Node, Reader, unknown_name};
use crate::{Flow, Options, Scenario, Step};
use metrics::threshold::ThresholdError;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// A threshold and what it does.
#[derive(Debug, Clone, Serialize)]
pub struct Threshold {
    /// `metric` or `metric{tag:value}`, as written.
    pub key: String,
    /// `p(95)<500`, as written.
    pub expression: String,
    /// Parsed.
    #[serde(skip)]
    pub parsed: metrics::Threshold,
    /// Stop the whole fleet when it fails.
    pub abort_on_fail: bool,
    /// Not before this run time.
    pub delay_abort_eval: Duration,
}

/// A threshold whose filter is still to be held against what the plan has.
pub(crate) struct Draft {
    pub(crate) threshold: Threshold,
    pub(crate) key_place: Place,
}

/// Reads `thresholds: { metric: [expression, …] }`.
pub(crate) fn read(reader: Reader<'_>, node: &Node) -> Vec<Draft> {
    let Some(fields) = reader.fields(node, &node.place, "a map of thresholds by metric") else {
        return Vec::new();
    };
    let mut thresholds = Vec::new();
    for (key, node) in fields.entries {
        let items = match &node.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if items.is_empty() {
            reader.error(&node.place, format!("`{}` has no threshold", key.text));
        }
        for item in items {
            let Some((expression, abort_on_fail, delay_abort_eval)) = read_one(reader, item) else {
                continue;
            };
            match metrics::Threshold::parse(&key.text, &expression) {
                Ok(parsed) => thresholds.push(Draft {
                    threshold: Threshold {
                        key: key.text.clone(),
                        expression,
                        parsed,
                        abort_on_fail,
                        delay_abort_eval,
                    },
                    key_place: key.place.clone(),
                }),
                Err(error) => report(reader, &key.place, &item.place, &error),
            }
        }
    }
    thresholds
}

fn report(reader: Reader<'_>, key: &Place, expression: &Place, error: &ThresholdError) {
    match error {
        ThresholdError::UnknownMetric { name, .. } => unknown_name(
            reader,
            key,
            format!("no metric is called `{name}`"),
            name,
            metrics::Metric::ALL.iter().map(|metric| metric.name()),
        ),
        ThresholdError::Filter { .. } | ThresholdError::NotATag { .. } => {
            reader.error(key, error.to_string());
        }
        ThresholdError::Expression { .. } | ThresholdError::Aggregation { .. } => {
            reader.error(expression, error.to_string());
        }
    }
}

fn read_one(reader: Reader<'_>, node: &Node) -> Option<(String, bool, Duration)> {
    const EXPECTED: &str =
        "a threshold such as `p(95)<500` or `{ threshold: \"p(95)<500\", abortOnFail: true }`";
    if !matches!(node.kind, Kind::Map(_)) {
        return Some((reader.text(node, EXPECTED)?, false, Duration::ZERO));
    }
    let mut fields = reader.fields(node, &node.place, "a threshold")?;
    let expression = fields
        .require("threshold", "\"p(95)<500\"")
        .and_then(|node| reader.text(node, "a threshold such as `p(95)<500`"));
    let abort_on_fail = fields.bool("abortOnFail").unwrap_or(false);
    let delay_abort_eval = fields.duration("delayAbortEval").unwrap_or_default();
    fields.finish(&[]);
    Some((expression?, abort_on_fail, delay_abort_eval))
}

/// Tags that samples get without anybody asking: k6's system tags and throng's `reason`.
const SYSTEM_TAGS: [&str; 15] = [
    "proto",
    "subproto",
    "status",
    "method",
    "name",
    "group",
    "check",
    "error",
    "error_code",
    "tls_version",
    "scenario",
    "service",
    "expected_response",
    "reason",
    "url",
];

/// What a plan's samples can be tagged with.
#[derive(Default)]
struct Vocabulary {
    tags: BTreeSet<String>,
    scenarios: BTreeSet<String>,
    checks: BTreeSet<String>,
    groups: BTreeSet<String>,
    reasons: BTreeSet<String>,
}

impl Vocabulary {
    fn of(options: &Options, scenarios: &[Scenario], flows: &[Flow]) -> Self {
        let mut words = Self::default();
        words.tags.extend(SYSTEM_TAGS.map(str::to_owned));
        words.tags.extend(options.tags.keys().cloned());
        for scenario in scenarios {
            words.scenarios.insert(scenario.name.clone());
            words.tags.extend(scenario.tags.keys().cloned());
        }
        // Samples outside of any group, of setup and of teardown.
        words
            .groups
            .extend(["", "::setup", "::teardown"].map(str::to_owned));
        for flow in flows {
            words.steps(&flow.steps);
        }
        words
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Let(_) | Step::Sleep { .. } | Step::Give(_) => {}
                Step::Each { steps, .. } => self.steps(steps),
                Step::Stop { reason, .. } => {
                    self.reasons.insert(reason.clone());
                }
                Step::Group { path, steps } => {
                    self.groups.insert(path.clone());
                    self.steps(steps);
                }
                Step::Request(request) => {
                    self.tags.extend(request.tags.keys().cloned());
                    let names = request.checks.iter().map(|check| check.name.clone());
                    self.checks.extend(names);
                }
            }
        }
    }
}

/// Holds the thresholds' filters against what the plan has: one that can match no sample is a typing error now, and would
/// be a threshold without samples after the run.
pub(crate) fn check_filters(
    reader: Reader<'_>,
    drafts: Vec<Draft>,
    options: &Options,
    scenarios: &[Scenario],
    flows: &[Flow],
) -> Vec<Threshold> {
    let words = Vocabulary::of(options, scenarios, flows);
    for draft in &drafts {
        let parsed = &draft.threshold.parsed;
        for (tag, value) in &parsed.filter.0 {
            let (what, wanted, there) = match tag.as_str() {
                "scenario" => ("scenario", value, &words.scenarios),
                "check" => ("check", value, &words.checks),
                "group" => ("group", value, &words.groups),
                "reason" if parsed.metric == metrics::Metric::StoppedIterations => {
                    ("reason to stop", value, &words.reasons)
                }
                _ => ("tag", tag, &words.tags),
            };
            // An empty value selects the series without the tag.
            if !wanted.is_empty() && !there.contains(wanted) {
                unknown_name(
                    reader,
                    &draft.key_place.within(reader.source, wanted),
                    format!("no sample can match: there is no {what} `{wanted}`"),
                    wanted,
                    there.iter().map(String::as_str),
                );
            }
        }
    }
    drafts.into_iter().map(|draft| draft.threshold).collect()
}
