//! The one place where this room reads clocks.
#![expect(unsafe_code, reason = "clock_gettime")]
#![expect(clippy::disallowed_methods, reason = "this is the door to the clock")]

use std::mem::MaybeUninit;
use tokio::time::Instant;

/// This moment, monotonic; Tokio's, so that a test that pauses time stops it too.
#[inline]
#[must_use]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds since the machine booted, time spent suspended included (`CLOCK_BOOTTIME` on Linux, else the monotonic clock).
#[must_use]
pub(crate) fn boot_ns() -> u64 {
    #[cfg(target_os = "linux")]
    const CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    read(CLOCK)
}

/// CPU time of the calling thread in nanoseconds.
#[must_use]
pub(crate) fn thread_cpu_ns() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `time` is a valid place for one timespec; it is read only if the call filled it.
    let time = unsafe {
        if libc::clock_gettime(clock, time.as_mut_ptr()) != 0 {
            return 0;
        }
        time.assume_init()
    };
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}
