//! How many series an agent may have, counted over its workers: they see the same kinds of outcome, so each kind counts once.

use super::HttpKey;
use super::series::PER_HTTP_SERIES;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The kinds of request outcome that have series. Asked only when a worker meets a kind that is new to it.
#[derive(Debug)]
pub(crate) struct Census {
    known: Mutex<HashSet<(usize, usize, HttpKey)>>,
    most: usize,
}

impl Census {
    /// For at most so many series (metric and tags).
    pub(crate) fn new(most_series: usize) -> Self {
        Self {
            known: Mutex::default(),
            most: most_series / PER_HTTP_SERIES,
        }
    }

    /// True if this kind of outcome of a scenario's request may have series of its own.
    pub(super) fn admits(&self, scenario: usize, request: usize, key: &HttpKey) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = (scenario, request, key.clone());
        if known.contains(&kind) {
            return true;
        }
        known.len() < self.most && known.insert(kind)
    }
}
