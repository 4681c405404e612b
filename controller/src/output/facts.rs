//! What became of an output's points. A point is whatever its kind counts: a line, a row, a sample, a histogram.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// One output in the report. `points` = `written` + `refused` + `dropped` + `unsent`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFacts {
    /// What and where, without secrets: `influxdb=http://host:8086/db`.
    pub output: String,
    /// Points that were made for it.
    pub points: u64,
    /// Points it confirmed.
    pub written: u64,
    /// Points it refused for good.
    pub refused: u64,
    /// Points lost because its queue was full.
    pub dropped: u64,
    /// Points it had not confirmed when the time for it was over.
    pub unsent: u64,
    /// Intervals of agents that never reached any output, for the controller was too busy.
    #[serde(default)]
    pub missed_intervals: u64,
    /// The newest thing that went wrong; empty if nothing did.
    pub problem: String,
}

impl OutputFacts {
    /// Points that are not where they should be.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.refused + self.dropped + self.unsent
    }
}

/// An output's running counts, shared by whoever queues and whoever writes.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) points: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) unsent: AtomicU64,
    problem: Mutex<String>,
    notes: Mutex<Vec<String>>,
}

/// Notes kept until somebody fetches them.
const NOTES: usize = 20;

impl Counts {
    /// Adds to one of them.
    pub(super) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }

    /// Notes what went wrong.
    pub(super) fn problem(&self, text: &str) {
        text.clone_into(&mut self.problem.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Something a person should know now.
    pub(super) fn note(&self, text: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < NOTES {
            notes.push(text);
        }
    }

    /// What was noted since the last time.
    pub(super) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How it stands.
    pub(super) fn facts(&self, output: &str, missed_intervals: u64) -> OutputFacts {
        OutputFacts {
            output: output.to_owned(),
            points: self.points.load(Relaxed),
            written: self.written.load(Relaxed),
            refused: self.refused.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
            missed_intervals,
            problem: self
                .problem
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}
