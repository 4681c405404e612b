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

#[cfg(feature = "sim")]
thread_local! {
    static SIMULATED: std::cell::Cell<Option<fn() -> u64>> = const { std::cell::Cell::new(None) };
}

/// On this thread the boot-time clock is a simulation's from now on.
#[cfg(feature = "sim")]
pub(crate) fn simulate(reads: fn() -> u64) {
    SIMULATED.set(Some(reads));
}

/// Nanoseconds since the machine booted, time spent suspended included (`CLOCK_BOOTTIME` on Linux, else the monotonic clock).
#[must_use]
pub(crate) fn boot_ns() -> u64 {
    #[cfg(feature = "sim")]
    if let Some(reads) = SIMULATED.get() {
        return reads();
    }
    #[cfg(target_os = "linux")]
    const CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    read(CLOCK)
}

/// The name of this machine's boot; empty where it has none.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| String::new(), |id| id.trim().to_owned())
}

/// CPU time of the calling thread in nanoseconds.
#[must_use]
pub(crate) fn thread_cpu_ns() -> u64 {
    // What work costs here says nothing about time that is simulated.
    #[cfg(feature = "sim")]
    if SIMULATED.get().is_some() {
        return 0;
    }
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
