//! The report of a run: k6's `handleSummary` data at the top level, and beside it what throng knows beyond k6.
//!
//! Plain data, written and read as JSON; [`text`] renders it.

mod outputs;
#[cfg(test)]
mod tests;
mod text;

use crate::change::Annotation;
use crate::conservation::{Conservation, Fate};
use crate::exit::ExitCode;
use crate::logs::ErrorKind;
pub use crate::membership::{FleetChange, FleetEvent};
pub use crate::output::OutputFacts;
pub use crate::phases::PhaseFacts;
pub use crate::stopping::StopFacts;
use crate::timeline::Point;
use crate::verdict::Verdict;
use crate::view::marks::Mark;
use metrics::summary::{Group, MetricSummary, Shown, State, Summary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
pub use text::text;

/// Everything that is known of a run at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// k6's: metrics and submetrics by name, with their thresholds.
    pub metrics: BTreeMap<String, MetricSummary>,
    /// k6's: groups and checks.
    pub root_group: Group,
    /// k6's: how to show it.
    pub options: Shown,
    /// k6's: the run's length and where it is shown.
    pub state: State,
    /// The run.
    pub run: RunFacts,
    /// Its agents, by seat.
    pub agents: Vec<AgentFacts>,
    /// Who was lost, left and came while load was made, in order; and who was silent for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fleet: Vec<FleetChange>,
    /// What was to be made, what was made and what was measured, second by second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Point>,
    /// What charts mark: stages, changes, notes, who was lost, left and came; by run time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// What was planned and what became of it.
    pub conservation: Conservation,
    /// How good the data are.
    pub verdict: Verdict,
    /// Kinds of errors, the most frequent first.
    pub errors: Vec<ErrorKind>,
    /// Setup and teardown, if they were done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseFacts>,
    /// What became of the points of each output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputFacts>,
    /// How to end.
    pub exit: Exit,
}

/// The run itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Its id.
    pub id: String,
    /// The bundle's name.
    pub name: String,
    /// throng's version at the controller.
    pub version: String,
    /// The wall time at which it was accepted; a label.
    pub started_unix_ms: u64,
    /// True if load was made.
    pub began: bool,
    /// From T0 to the end of the last interval, in milliseconds.
    pub load_ms: f64,
    /// Why it ended.
    pub ended: Ended,
    /// The same for people; empty if by itself.
    pub reason: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// SHA-256 of the plan, in hexadecimal.
    pub plan: String,
    /// True under `--compat k6`: thresholds without samples passed where k6 passes them.
    pub compat_k6: bool,
    /// Between the first and the last agent's begin, in milliseconds; absent if nobody said.
    pub start_skew_ms: Option<f64>,
    /// How far off that may be.
    pub start_uncertainty_ms: Option<f64>,
    /// How far the controller was behind with what it was told, or its disk with what it was to write, at worst; in milliseconds.
    #[serde(default)]
    pub controller_lag_ms: f64,
    /// How long the last order to stop took, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopFacts>,
    /// What was changed and noted while it ran, in order.
    #[serde(default)]
    pub annotations: Vec<Annotation>,
    /// What went wrong on the way, in order; the last ones are kept.
    pub notes: Vec<String>,
    /// When nobody directed it: the controller had ended and a later life of it went on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub away: Vec<Away>,
}

/// A time without a controller.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Away {
    /// Run time of its beginning, in milliseconds.
    pub from_ms: f64,
    /// How long, in milliseconds.
    pub for_ms: f64,
    /// True if its process was there and stood still, false if it had ended and another went on.
    #[serde(default)]
    pub stood_still: bool,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// By itself.
    Finished,
    /// Somebody cut it.
    Interrupted,
    /// Somebody let it finish early.
    Stopped,
    /// A threshold with `abortOnFail` failed.
    Aborted,
    /// No agent could reach the target; nothing was sent.
    TargetUnreachable,
    /// Too few agents; nothing was sent.
    FleetIncomplete,
    /// Every agent was lost.
    FleetLost,
    /// An agent was lost, and the run was to end then.
    AgentLost,
    /// Setup did not come to its end, or gave too few rows; no load was made.
    SetupFailed,
}

/// One agent's part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentFacts {
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// throng's version there.
    pub version: String,
    /// Its cores.
    pub cores: u32,
    /// Its threads that made load.
    pub workers: u32,
    /// Its share of the load, 0..=1.
    pub share: f64,
    /// How its part ended.
    pub fate: Fate,
    /// Most VUs at work at once, of those heard of.
    pub vus_max: u64,
    /// Iterations completed.
    pub iterations: u64,
    /// Iterations cut.
    pub interrupted: u64,
    /// Requests recorded, by its running totals.
    pub requests: u64,
    /// Round trip to the controller in milliseconds; absent while unknown.
    pub rtt_ms: Option<f64>,
    /// Controller time − agent time in milliseconds.
    pub offset_ms: Option<f64>,
    /// When its load began, after T0, in milliseconds.
    pub start_ms: Option<f64>,
    /// How far off that may be.
    pub start_uncertainty_ms: Option<f64>,
    /// How it fared.
    pub health: Option<HealthFacts>,
}

/// What an agent measured of itself, from T0 to its end. What is absent was not measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthFacts {
    /// CPU used, in cores, on average.
    pub cpu: Option<f64>,
    /// CPU it might have used, in cores.
    pub cpu_available: Option<f64>,
    /// Time its cgroup held it back.
    pub throttled_ms: Option<f64>,
    /// How late its event loop woke up.
    pub lag_p99_ms: Option<f64>,
    /// The worst.
    pub lag_max_ms: Option<f64>,
    /// How late iterations began.
    pub lateness_p99_ms: Option<f64>,
    /// The worst.
    pub lateness_max_ms: Option<f64>,
    /// Resident memory.
    pub memory_bytes: Option<u64>,
}

impl From<proto::v1::Health> for HealthFacts {
    fn from(health: proto::v1::Health) -> Self {
        let ms = |ns: Option<u64>| ns.map(|ns| ns as f64 / 1e6);
        // JSON has no NaN, and a report must stay readable whatever an agent says.
        let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
        Self {
            cpu: finite(health.cpu),
            cpu_available: finite(health.cpu_available),
            throttled_ms: ms(health.throttled_ns),
            lag_p99_ms: ms(health.lag_p99_ns),
            lag_max_ms: ms(health.lag_max_ns),
            lateness_p99_ms: ms(health.lateness_p99_ns),
            lateness_max_ms: ms(health.lateness_max_ns),
            memory_bytes: health.memory_bytes,
        }
    }
}

/// How to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code, without `--fail-on degraded`.
    pub code: u8,
    /// What it means.
    pub meaning: String,
    /// Every code that applies, in the order of their precedence; 120 (DEGRADED) included.
    pub all: Vec<u8>,
}

impl Exit {
    /// Of all that applies.
    #[must_use]
    pub fn new(applying: &[ExitCode]) -> Self {
        let chosen = ExitCode::choose(applying, false);
        let all = ExitCode::PRECEDENCE
            .into_iter()
            .filter(|code| applying.contains(code));
        Self {
            code: chosen.code(),
            meaning: chosen.meaning().to_owned(),
            all: all.map(ExitCode::code).collect(),
        }
    }

    /// The code with `--fail-on degraded`.
    #[must_use]
    pub fn code_failing_on_degraded(&self) -> u8 {
        match (self.code, self.all.contains(&ExitCode::Degraded.code())) {
            (0, true) => ExitCode::Degraded.code(),
            (code, _) => code,
        }
    }
}

impl Report {
    /// The part that k6 has, too.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            root_group: self.root_group.clone(),
            options: self.options.clone(),
            state: self.state.clone(),
            metrics: self.metrics.clone(),
        }
    }

    /// Thresholds that fail the run: metric and expression.
    #[must_use]
    pub fn failed_thresholds(&self) -> Vec<(&str, &str)> {
        self.metrics
            .iter()
            .flat_map(|(name, metric)| {
                let failed = metric.thresholds.iter().filter(|(_, result)| !result.ok);
                failed.map(move |(expression, _)| (name.as_str(), expression.as_str()))
            })
            .collect()
    }
}
