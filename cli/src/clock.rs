//! The only door to time in this crate: readings and sleeps for progress, deadlines and polls. It knows nothing of runs.

use std::future::Future;
use std::time::{Duration, Instant};

/// The monotonic clock, now.
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the crate's door to time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the Unix epoch, for people and for seeds.
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the crate's door to time"
)]
pub(crate) fn unix_millis() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// Waits for `future` at most `limit`; `None` when the time was up first.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

/// Waits until `deadline`; for ever if there is none.
pub(crate) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Blocks this thread, which is nobody else's, for so long.
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the crate's door to time"
)]
pub(crate) fn rest(time: Duration) {
    std::thread::sleep(time);
}
