//! The summary of a run in the shape of the data k6 hands to `handleSummary`: plain data, written and read as JSON.
//!
//! Times are in milliseconds, as in k6. What throng knows beyond k6 is in fields that k6 does not have
//! (`actual` and `reason` of a threshold). Knows nothing of how it is shown: [`crate::text`].

mod build;
mod groups;
mod stat;

use crate::{Contains, Kind};
pub use build::{Judged, SummaryOptions};
use serde::{Deserialize, Serialize, Serializer};
pub use stat::{TrendStat, TrendStatError};
use std::collections::BTreeMap;

/// What k6 calls `data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Groups and checks.
    pub root_group: Group,
    /// How to show it.
    pub options: Shown,
    /// The run.
    pub state: State,
    /// By name; a submetric's is `name{tag:value}`.
    pub metrics: BTreeMap<String, MetricSummary>,
}

/// k6's `options` of a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Columns of a trend.
    pub summary_trend_stats: Vec<String>,
    /// Always empty: each time in the unit that suits it.
    pub summary_time_unit: String,
    /// `--no-color`.
    pub no_color: bool,
}

/// k6's `state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Standard output is a terminal.
    #[serde(rename = "isStdOutTTY")]
    pub is_std_out_tty: bool,
    /// Standard error is a terminal.
    #[serde(rename = "isStdErrTTY")]
    pub is_std_err_tty: bool,
    /// How long the run took, by which counters become rates.
    #[serde(rename = "testRunDurationMs", serialize_with = "number")]
    pub test_run_duration_ms: f64,
}

/// A group and what is in it, in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The last part of the path; empty for the root.
    pub name: String,
    /// `::outer::inner`; empty for the root.
    pub path: String,
    /// MD5 of the path, as in k6.
    pub id: String,
    /// Groups inside.
    pub groups: Vec<Group>,
    /// Checks made directly in it.
    pub checks: Vec<Check>,
}

/// How often a check passed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// As written.
    pub name: String,
    /// The group's path, `::`, the name.
    pub path: String,
    /// MD5 of the path, as in k6.
    pub id: String,
    /// Times it was true.
    pub passes: u64,
    /// Times it was not.
    pub fails: u64,
}

/// One metric or submetric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// How it adds up.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What its number means.
    pub contains: Contains,
    /// By statistic: `avg`, `p(95)`, …; `count`, `rate`; `rate`, `passes`, `fails`; `value`, `min`, `max`. Also what a threshold
    /// compares, if it is none of these.
    #[serde(serialize_with = "numbers")]
    pub values: BTreeMap<String, f64>,
    /// By expression as written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, ThresholdResult>,
}

/// What became of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// It does not fail the run.
    pub ok: bool,
    /// What was measured, in k6's unit (milliseconds for times). Not in k6.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "if_any"
    )]
    pub actual: Option<f64>,
    /// Why nothing was compared. Not in k6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Unjudged>,
}

/// Why a threshold was not compared with anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unjudged {
    /// Its metric has no sample.
    NoSamples,
    /// It selects by tags, and samples of unknown tags went to the overflow series: INVALID.
    Overflow,
}

/// Whole numbers without a fraction, as JavaScript writes them.
fn shortest(value: f64) -> serde_json::Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        serde_json::Number::from(value as i64)
    } else {
        // JSON has neither infinity nor NaN; no value here is either.
        serde_json::Number::from_f64(value).unwrap_or_else(|| 0.into())
    }
}

fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    shortest(*value).serialize(serializer)
}

fn if_any<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(shortest).serialize(serializer)
}

fn numbers<S: Serializer>(
    values: &BTreeMap<String, f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let pairs = values.iter().map(|(name, &value)| (name, shortest(value)));
    serializer.collect_map(pairs)
}
