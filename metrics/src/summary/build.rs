//! From merged series to the summary.

use super::{MetricSummary, Shown, State, Summary, ThresholdResult, TrendStat, Unjudged, groups};
use crate::threshold::{Aggregation, Outcome, of_trend, per_second, submetric};
use crate::{Contains, Kind, Metric, Store, Tags, Threshold, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a summary needs to know beside the data.
#[derive(Debug, Clone)]
pub struct SummaryOptions {
    /// Columns of a trend.
    pub trend_stats: Vec<TrendStat>,
    /// How long the run took, setup included as in k6.
    pub duration: Duration,
    /// The group's path and the name of each check in the plan's order.
    pub checks: Vec<(String, String)>,
    /// Standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// `--no-color`.
    pub no_color: bool,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self {
            trend_stats: TrendStat::DEFAULT.to_vec(),
            duration: Duration::ZERO,
            checks: Vec::new(),
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            no_color: false,
        }
    }
}

/// A threshold and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Parsed.
    pub threshold: Threshold,
    /// As written.
    pub expression: String,
    /// What became of it.
    pub result: ThresholdResult,
}

impl Judged {
    /// Evaluates a threshold on the merged data. One that selects by tags is not judged, and so fails, if samples went to an
    /// overflow series: they could be any of its own. Without samples it fails unless `compat_k6` lets it pass.
    #[must_use]
    pub fn new(
        threshold: &Threshold,
        expression: &str,
        store: &Store,
        elapsed: Duration,
        compat_k6: bool,
    ) -> Self {
        let result = if threshold.is_submetric() && store.overflowed() {
            ThresholdResult {
                ok: false,
                actual: None,
                reason: Some(Unjudged::Overflow),
            }
        } else {
            let outcome = threshold.evaluate(store, elapsed);
            ThresholdResult {
                ok: outcome.passes(compat_k6),
                actual: outcome.actual(),
                reason: matches!(outcome, Outcome::NoSamples { .. }).then_some(Unjudged::NoSamples),
            }
        };
        Self {
            threshold: threshold.clone(),
            expression: expression.trim().to_owned(),
            result,
        }
    }
}

impl Summary {
    /// From everything merged: every metric that has samples or a threshold, the submetrics that have a threshold, and
    /// `http_req_duration{expected_response:true}`.
    #[must_use]
    pub fn new(store: &Store, thresholds: &[Judged], options: &SummaryOptions) -> Self {
        let stats: Vec<_> = options
            .trend_stats
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut summary = Self {
            root_group: groups::tree(store, &options.checks),
            options: Shown {
                summary_trend_stats: stats,
                summary_time_unit: String::new(),
                no_color: options.no_color,
            },
            state: State {
                is_std_out_tty: options.stdout_is_terminal,
                is_std_err_tty: options.stderr_is_terminal,
                test_run_duration_ms: options.duration.as_secs_f64() * 1e3,
            },
            metrics: BTreeMap::new(),
        };
        let all = Tags::default();
        for metric in store.metrics() {
            summary.add(store, metric, &all, options);
        }
        if summary.metrics.contains_key(Metric::HttpReqDuration.name()) {
            let expected = Tags::default().with("expected_response", "true");
            summary.add(store, Metric::HttpReqDuration, &expected, options);
        }
        for judged in thresholds {
            let threshold = &judged.threshold;
            summary.add(store, threshold.metric, &all, options);
            let entry = summary.add(store, threshold.metric, &threshold.filter, options);
            if let Some(actual) = judged.result.actual {
                let name = threshold.aggregation.to_string();
                entry.values.entry(name).or_insert(actual);
            }
            entry
                .thresholds
                .insert(judged.expression.clone(), judged.result);
        }
        summary
    }

    fn add(
        &mut self,
        store: &Store,
        metric: Metric,
        filter: &Tags,
        options: &SummaryOptions,
    ) -> &mut MetricSummary {
        self.metrics
            .entry(submetric(metric, filter))
            .or_insert_with(|| {
                let value = store
                    .aggregate(metric, filter)
                    .filter(|value| !value.is_empty());
                MetricSummary {
                    kind: metric.kind(),
                    contains: metric.contains(),
                    values: value.map_or_else(
                        || zeros(metric.kind(), &options.trend_stats),
                        |value| values(metric, &value, options),
                    ),
                    thresholds: BTreeMap::new(),
                }
            })
    }
}

fn values(metric: Metric, value: &Value, options: &SummaryOptions) -> BTreeMap<String, f64> {
    let named = |pairs: &[(&str, f64)]| {
        let pairs = pairs.iter();
        pairs
            .map(|&(name, value)| (name.to_owned(), value))
            .collect()
    };
    match value {
        Value::Counter(sum) => named(&[
            ("count", *sum),
            ("rate", per_second(*sum, options.duration)),
        ]),
        Value::Gauge { last, min, max } => named(&[("value", *last), ("min", *min), ("max", *max)]),
        Value::Rate { passes, total } => named(&[
            ("rate", *passes as f64 / *total as f64),
            ("passes", *passes as f64),
            ("fails", total.saturating_sub(*passes) as f64),
        ]),
        Value::Trend(trend) => {
            let unit = if metric.contains() == Contains::Time {
                1e6
            } else {
                1.0
            };
            let read = |stat: &TrendStat| match stat {
                TrendStat::Avg => of_trend(Aggregation::Avg, trend) / unit,
                TrendStat::Min => of_trend(Aggregation::Min, trend) / unit,
                TrendStat::Med => of_trend(Aggregation::Med, trend) / unit,
                TrendStat::Max => of_trend(Aggregation::Max, trend) / unit,
                TrendStat::Count => trend.count as f64,
                TrendStat::Percentile(p) => of_trend(Aggregation::Percentile(*p), trend) / unit,
            };
            let stats = options.trend_stats.iter();
            stats.map(|stat| (stat.to_string(), read(stat))).collect()
        }
    }
}

/// What k6 writes for a metric that has a threshold and no sample.
fn zeros(kind: Kind, stats: &[TrendStat]) -> BTreeMap<String, f64> {
    let names: &[&str] = match kind {
        Kind::Counter => &["count", "rate"],
        Kind::Gauge => &["value", "min", "max"],
        Kind::Rate => &["rate", "passes", "fails"],
        Kind::Trend => return stats.iter().map(|stat| (stat.to_string(), 0.0)).collect(),
    };
    names.iter().map(|&name| (name.to_owned(), 0.0)).collect()
}
