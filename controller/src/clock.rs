//! The one place of this room that reads clocks.
//!
//! Everything is decided on the boot-time clock, which neither steps nor stops while the machine sleeps; wall time only labels.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(feature = "sim")]
thread_local! {
    static SIMULATED: std::cell::Cell<Option<fn() -> u64>> = const { std::cell::Cell::new(None) };
}

/// On this thread the clock is a simulation's from now on.
#[cfg(feature = "sim")]
pub fn simulate(reads: fn() -> u64) {
    SIMULATED.set(Some(reads));
}

/// Controller time beyond the boot-time clock's reading: 0, unless a run is gone on with that began on another machine, or before
/// a boot of this one.
static SHIFT: AtomicI64 = AtomicI64::new(0);

/// "Controller time" on the wire: nanoseconds of this machine's boot-time clock, or of that of the machine on which the oldest run
/// began that is gone on with.
#[must_use]
pub fn now() -> u64 {
    #[cfg(feature = "sim")]
    if let Some(reads) = SIMULATED.get() {
        return reads();
    }
    boot_ns().saturating_add_signed(SHIFT.load(Ordering::Relaxed))
}

/// From now on controller time goes on from here.
pub fn go_on_from(controller_ns: u64) {
    let shift = i128::from(controller_ns) - i128::from(boot_ns());
    SHIFT.store(i64::try_from(shift).unwrap_or(0), Ordering::Relaxed);
}

/// From now on controller time is so much later, or earlier.
pub fn correct(by_ns: i64) {
    SHIFT.fetch_add(by_ns, Ordering::Relaxed);
}

/// What this machine's boot-time clock reads at a controller time.
#[must_use]
pub fn unshifted(controller_ns: u64) -> u64 {
    controller_ns.saturating_add_signed(-SHIFT.load(Ordering::Relaxed))
}

/// The name of this machine's boot; empty where it has none.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| String::new(), |id| id.trim().to_owned())
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

/// Nanoseconds since 1970, for labels only.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the door")]
pub fn unix_ns() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        })
}

/// Nanoseconds of a duration.
#[must_use]
pub fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The duration of so many nanoseconds.
#[must_use]
pub fn duration(ns: u64) -> Duration {
    Duration::from_nanos(ns)
}
