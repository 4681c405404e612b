//! Which rows of a data set the load takes one by one: how many it needs, and which of them are whose.
//!
//! Laws: the rows of all agents are all that are needed; without `recycle` no two agents have the same one.

use crate::stripe::LONGEST_PATTERN;
use crate::{DataId, DataSet, Executor, Expression, Plan, Rows, Scenario, Shares, Step};
use serde::Serialize;
use std::collections::BTreeSet;

/// Who has a row of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Taking {
    /// Each VU of the scenario.
    Vu,
    /// Each iteration of the scenario.
    Iteration,
}

/// What one scenario wants of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowNeed {
    /// Index in [`Plan::scenarios`].
    pub scenario: usize,
    /// Who takes them.
    pub by: Taking,
    /// How many there are of those.
    pub rows: u64,
}

impl DataSet {
    /// True if setup gives its rows.
    #[must_use]
    pub fn is_given(&self) -> bool {
        matches!(self.rows, Rows::Given { .. })
    }
}

impl Taking {
    /// How many take one in a scenario; `None` if it does not count them.
    pub(crate) fn count(self, executor: &Executor) -> Option<u64> {
        match (self, executor) {
            (Taking::Vu, _) => Some(executor.max_vus()),
            (Taking::Iteration, Executor::SharedIterations { iterations, .. }) => Some(*iterations),
            (Taking::Iteration, _) => executor.arrival_curve().map(|arrivals| arrivals.total()),
        }
    }
}

/// What steps take row by row: data set and how, each once.
pub(crate) fn takings(steps: &[Step], found: &mut Vec<(DataId, Taking)>) {
    for step in steps {
        match step {
            Step::Let(values) => {
                for (_, expression) in values {
                    let taken = match expression {
                        Expression::Own(data) => (*data, Taking::Vu),
                        Expression::PerIteration(data) => (*data, Taking::Iteration),
                        Expression::Json(_) | Expression::Random(_) | Expression::Cycle(_) => {
                            continue;
                        }
                    };
                    if !found.contains(&taken) {
                        found.push(taken);
                    }
                }
            }
            Step::Group { steps, .. } | Step::Each { steps, .. } => takings(steps, found),
            Step::Request(_) | Step::Sleep { .. } | Step::Stop { .. } | Step::Give(_) => {}
        }
    }
}

impl Plan {
    /// What each scenario takes of a data set row by row.
    #[must_use]
    pub fn rows_needed(&self, data: DataId) -> Vec<RowNeed> {
        let of = |(index, scenario): (usize, &Scenario)| {
            let mut found = Vec::new();
            takings(&self.flows[scenario.exec].steps, &mut found);
            found
                .into_iter()
                .filter(|(id, _)| *id == data)
                .filter_map(|(_, by)| {
                    Some(RowNeed {
                        scenario: index,
                        by,
                        rows: by.count(&scenario.executor)?,
                    })
                })
                .collect::<Vec<_>>()
        };
        self.scenarios.iter().enumerate().flat_map(of).collect()
    }

    /// Why so many rows of a set are too few, for a person; `None` if they suffice.
    #[must_use]
    pub fn too_few_rows(&self, data: DataId, count: u64) -> Option<String> {
        let set = self.data.get(data)?;
        let needs = self.rows_needed(data);
        let most = needs.iter().max_by_key(|need| need.rows)?;
        let least = if set.recycle { 1 } else { most.rows };
        if count >= least {
            return None;
        }
        let scenario = &self.scenarios[most.scenario].name;
        let whom = match most.by {
            Taking::Vu => "VUs",
            Taking::Iteration => "iterations",
        };
        Some(format!(
            "`{}` has {count} rows, and the scenario `{scenario}` has {} {whom} that take one each",
            set.name, most.rows
        ))
    }

    /// The rows that an agent is to have, after all changes so far, of a set of which each VU or iteration takes its own, and of which
    /// there are `count`.
    #[must_use]
    pub fn rows_of(&self, data: DataId, shares: &Shares, seat: usize, count: u64) -> BTreeSet<u64> {
        self.rows_since(data, shares, seat, count, usize::MAX)
    }

    /// The rows that an agent is to have from the moment on at which so many of the changes hold: one that holds later may take away
    /// again what an earlier one gives.
    #[must_use]
    pub fn rows_since(
        &self,
        data: DataId,
        shares: &Shares,
        seat: usize,
        count: u64,
        changes: usize,
    ) -> BTreeSet<u64> {
        let mut rows = BTreeSet::new();
        if count == 0 {
            return rows;
        }
        for need in self.rows_needed(data) {
            let executor = &self.scenarios[need.scenario].executor;
            let own = match need.by {
                Taking::Vu => shares.clone(),
                Taking::Iteration => shares.of_arrivals(executor.max_vus()),
            };
            let last = if executor.vus_move() {
                own.changes().len()
            } else {
                0
            };
            for changes in changes.min(last)..=last {
                let own = own.under(changes);
                // The owners of rows repeat after so many at the latest, as long as nothing changed; else a row too many does no harm.
                let most = count.saturating_mul(LONGEST_PATTERN);
                if need.rows > most && !own.is_base() {
                    return (0..count).collect();
                }
                rows.extend(own.below(seat, need.rows.min(most)).map(|i| i % count));
            }
        }
        rows
    }
}
