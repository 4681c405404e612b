//! The one place of this room that reads clocks: wall time, against which certificates are valid, and the runtime's, for their age.

use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the door")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the door")]
pub(crate) fn unix_s() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
}
