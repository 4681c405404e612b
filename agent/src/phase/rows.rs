//! The rows that setup gave, as far as this agent got them; they complete the plan.

use plan::{Plan, Rows};
use proto::v1;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows of one run, by data set.
#[derive(Debug, Default)]
pub(crate) struct GivenRows {
    run: String,
    sets: BTreeMap<u32, (u64, BTreeMap<u64, Value>)>,
    bytes: usize,
    /// The plan with all of them in it.
    complete: Option<Arc<Plan>>,
}

impl GivenRows {
    /// Keeps rows; those of another run replace all. Repetitions change nothing.
    ///
    /// # Errors
    /// What is wrong with them, for a person.
    pub(crate) fn take(&mut self, rows: v1::Rows) -> Result<(), String> {
        if rows.run != self.run {
            *self = Self {
                run: rows.run,
                ..Self::default()
            };
        }
        if !self.sets.contains_key(&rows.data) {
            self.complete = None;
        }
        let (count, set) = self.sets.entry(rows.data).or_default();
        *count = rows.count;
        for row in rows.rows {
            let value = serde_json::from_slice(&row.json)
                .map_err(|error| format!("row {} is not JSON: {error}", row.index))?;
            if set.insert(row.index, value).is_none() {
                self.bytes += row.json.len();
                self.complete = None;
            }
        }
        if self.bytes > proto::MAX_ROWS {
            return Err(format!("more than {} MiB of rows", proto::MAX_ROWS >> 20));
        }
        Ok(())
    }

    /// The plan with the rows in it.
    pub(crate) fn complete(&mut self, run: &str, plan: Arc<Plan>) -> Arc<Plan> {
        if run != self.run || self.sets.is_empty() {
            return plan;
        }
        if let Some(complete) = &self.complete {
            return Arc::clone(complete);
        }
        let mut plan = Plan::clone(&plan);
        for (id, (count, rows)) in &self.sets {
            let set = usize::try_from(*id)
                .ok()
                .and_then(|id| plan.data.get_mut(id));
            if let Some(set) = set
                && let Rows::Given {
                    count: c, rows: r, ..
                } = &mut set.rows
            {
                (*c, *r) = (*count, rows.clone());
            }
        }
        let plan = Arc::new(plan);
        self.complete = Some(Arc::clone(&plan));
        plan
    }

    /// Forgets them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
