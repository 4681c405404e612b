//! The one place of this room that reads a clock: the runtime's, which tests can stop.

pub(crate) use tokio::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the door")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
