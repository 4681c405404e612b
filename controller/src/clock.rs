//! The one place of this room that reads clocks.
//!
//! Everything is decided on the boot-time clock, which neither steps nor stops while the machine sleeps; wall time only labels.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds of this machine's boot-time clock: "controller time" on the wire.
#[must_use]
pub fn now() -> u64 {
    boot_ns()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT: libc::clockid_t = libc::CLOCK_BOOTTIME;
// Elsewhere the monotonic clock is the nearest thing (on macOS it goes on while the machine sleeps).
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT: libc::clockid_t = libc::CLOCK_MONOTONIC;

#[expect(unsafe_code, reason = "libc call; std has no boot-time clock")]
fn boot_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec to write to; the clock id is a constant every supported kernel knows.
    unsafe { libc::clock_gettime(BOOT, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Milliseconds since 1970, for labels only.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the door")]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// Nanoseconds of a duration.
#[must_use]
pub fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
