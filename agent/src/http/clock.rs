//! The one place where the request path reads a clock.
//!
//! Tokio's clock, so that a test or a simulation that pauses it stops the request path too.

#![expect(clippy::disallowed_methods, reason = "this is the door")]

use std::time::Instant;

/// This moment, monotonic.
#[inline]
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Nanoseconds from `start` to `end`; zero if they are the other way round.
#[inline]
pub(super) fn nanos(start: Instant, end: Instant) -> u64 {
    u64::try_from(end.saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX)
}
