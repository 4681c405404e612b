//! Everything a run is made from, as it travels from the CLI to the controller and to every agent.

use crate::OnAgentLoss;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The source of a run. The same bundle compiles to the same plan everywhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// What to call the source in messages, e.g. `scenarios/reservation.yaml`.
    pub name: String,
    /// The scenario file's text.
    pub source: String,
    /// Files the scenario names (data), by the path written there.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Variables (`-e NAME=VALUE` and, where the scenario names them, the environment's), as resolved.
    pub env: BTreeMap<String, String>,
    /// What the command line says; it wins over the file, as in k6.
    pub overrides: Overrides,
    /// Seeds every random choice of the run.
    pub seed: u64,
}

/// Options from the command line or `THRONG_*` variables, in k6's spelling; k6's rule: `duration`, `iterations` or `stages`
/// here wipes all execution options of the file (scenarios included); `vus` alone joins a shortcut of the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// `-u`.
    pub vus: Option<u64>,
    /// `-d`, as written (`30s`, `1m30s`).
    pub duration: Option<String>,
    /// `-i`.
    pub iterations: Option<u64>,
    /// `-s 10s:20`, as written, in order.
    pub stages: Vec<String>,
    /// `--base-url`.
    pub base_url: Option<String>,
    /// `--tag name=value`.
    pub tags: BTreeMap<String, String>,
    /// `--summary-trend-stats`, as written.
    pub summary_trend_stats: Option<String>,
    /// `--no-thresholds`.
    pub no_thresholds: bool,
    /// `--no-setup`.
    #[serde(default)]
    pub no_setup: bool,
    /// `--no-teardown`.
    #[serde(default)]
    pub no_teardown: bool,
    /// `--compat k6`: a threshold without samples passes where k6 passes it.
    pub compat_k6: bool,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--on-agent-loss`.
    #[serde(default)]
    pub on_agent_loss: Option<OnAgentLoss>,
}
