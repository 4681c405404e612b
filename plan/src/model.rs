//! The plan: checked, resolved, nothing optional by accident. Every agent compiles the same one.
//!
//! The types live beside their readers, one file per executor and step kind; here they are under one roof.

use serde::Serialize;
use std::time::Duration;

pub use crate::data::{DataSet, Rows};
pub use crate::executor::{Executor, Stage};
pub use crate::flow::Flow;
pub use crate::json_path::JsonPath;
pub use crate::options::{OnAgentLoss, Options, TrendStat};
pub use crate::phase::{Phase, PhaseKind};
pub use crate::rows::{RowNeed, Taking};
pub use crate::scenario::{Arrivals, Scenario};
pub use crate::status::StatusSet;
pub use crate::step::{
    Body, Check, CheckCondition, Condition, Expression, Extract, ExtractSource, Request, Step,
};
pub use crate::template::{JsonTemplate, Part, Reference, Template};
pub use crate::threshold::Threshold;

/// Index of a flow in [`Plan::flows`].
pub type FlowId = usize;
/// Index of a data set in [`Plan::data`].
pub type DataId = usize;
/// Index of a variable in a flow's slots.
pub type Slot = usize;

/// What a run means.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Run-wide options.
    pub options: Options,
    /// Scenarios in the file's order; at least one.
    pub scenarios: Vec<Scenario>,
    /// Flows; a scenario's `exec` is an index into these. A flow that scenarios with different `env` use is here once for each.
    pub flows: Vec<Flow>,
    /// Data sets; values refer to these by index.
    pub data: Vec<DataSet>,
    /// What is done once for the whole fleet before the load.
    pub setup: Option<Phase>,
    /// What is done once for the whole fleet after it.
    pub teardown: Option<Phase>,
    /// Thresholds, in the file's order.
    pub thresholds: Vec<Threshold>,
    /// Seeds every random choice.
    pub seed: u64,
}

impl Plan {
    /// Every request step of every flow, groups included, in the order of their ids.
    #[must_use]
    pub fn requests(&self) -> Vec<&Request> {
        fn collect<'a>(steps: &'a [Step], found: &mut Vec<&'a Request>) {
            for step in steps {
                match step {
                    Step::Request(request) => found.push(request),
                    Step::Group { steps, .. } | Step::Each { steps, .. } => collect(steps, found),
                    Step::Let(_) | Step::Sleep { .. } | Step::Stop { .. } | Step::Give(_) => {}
                }
            }
        }
        let mut found = Vec::new();
        for flow in &self.flows {
            collect(&flow.steps, &mut found);
        }
        found.sort_by_key(|request| request.id);
        found
    }

    /// When the last scenario is over, its graceful stop included; stage time.
    #[must_use]
    pub fn load_end(&self) -> Duration {
        self.scenarios
            .iter()
            .map(Scenario::cut_end)
            .max()
            .unwrap_or_default()
    }

    /// The most VUs that can be at work at one time: the peak, over time, of the sum of what the scenarios then running
    /// may use (an open one its `maxVUs`), graceful periods included.
    #[must_use]
    pub fn max_vus(&self) -> u64 {
        // The sum can only rise where a scenario begins.
        self.scenarios
            .iter()
            .map(|at| {
                self.scenarios
                    .iter()
                    .filter(|s| s.start_time <= at.start_time && at.start_time < s.cut_end())
                    .map(|s| s.executor.max_vus())
                    .sum()
            })
            .max()
            .unwrap_or(0)
    }
}
