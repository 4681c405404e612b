//! `group`: its steps, timed together.

use crate::vu::Vu;
use tokio::time::Instant;

/// A group that was entered.
pub(super) struct Open<'a> {
    path: &'a str,
    since: Instant,
}

impl<'a> Open<'a> {
    pub(super) fn new(path: &'a str, since: Instant) -> Self {
        Self { path, since }
    }

    /// It is over: `group_duration`.
    pub(super) fn close(&self, vu: &Vu) {
        super::group_duration(vu, self.path, self.since);
    }
}
