//! The lease as workers see it: one atomic deadline, tested before every request.

use crate::clock;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long this agent may go on unheard. Boot-time nanoseconds, so that a suspended machine's lease runs out too.
#[derive(Debug)]
pub struct Fence {
    until: AtomicU64,
}

impl Fence {
    /// Open until `until`, in `clock::boot_ns`'s time.
    #[must_use]
    pub fn new(until: u64) -> Self {
        Self {
            until: AtomicU64::new(until),
        }
    }

    /// A later answer was heard: open until `until`. Never moves back.
    pub fn extend(&self, until: u64) {
        self.until.fetch_max(until, Ordering::AcqRel);
    }

    /// Open until `until` at the latest.
    pub fn limit(&self, until: u64) {
        self.until.fetch_min(until, Ordering::AcqRel);
    }

    /// Shuts it for good.
    pub fn shut(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// When it shuts, boot-time nanoseconds.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.until.load(Ordering::Acquire)
    }

    /// True while load may be made.
    #[must_use]
    pub fn is_open(&self) -> bool {
        clock::boot_ns() < self.until()
    }
}
