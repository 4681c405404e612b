//! The demo's only door to time: everything else is handed a reading or a duration.

#![expect(clippy::disallowed_methods, reason = "this is the door")]

use std::time::Duration;

use tokio::time::Instant;

/// Monotonic time since the demo began, in a form that tests can stop (tokio's clock).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: Instant,
}

impl Clock {
    /// A clock that reads zero now.
    pub(crate) fn start() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// Time since [`Clock::start`].
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Waits for `time`, or not at all when it is zero.
pub(crate) async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// What `work` gives, or `None` when it takes longer than `limit`.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}
