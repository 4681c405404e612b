//! The one place where the benchmarks read a clock: time, and CPU time of any process.
#![expect(
    unsafe_code,
    reason = "libc calls for the CPU clock of another process"
)]

use std::io;
use std::time::{Duration, Instant};

/// This moment.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// CPU time (user and system, all threads, those that ended included) that process `pid` has used so far, to the nanosecond.
pub(crate) fn cpu_time(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: both calls only write to the variables they are given.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: as above.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = u64::try_from(time.tv_sec).map_err(io::Error::other)?;
    let nanos = u32::try_from(time.tv_nsec).map_err(io::Error::other)?;
    Ok(Duration::new(seconds, nanos))
}
