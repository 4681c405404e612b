//! How this generator fares: its own CPU, what it may use, throttling, memory.
#![expect(unsafe_code, reason = "sched_getaffinity")]

use std::fs;

/// What the machine and its control group said at the start of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    /// Cores this process may use: affinity, or less if the control group has a quota.
    pub(crate) cores: f64,
    /// Throttled time so far in nanoseconds, if the control group counts it.
    pub(crate) throttled: Option<u64>,
}

impl Machine {
    pub(crate) fn look() -> Self {
        Self {
            cores: cores(),
            throttled: throttled_ns(),
        }
    }
}

/// Throttled time of our control group so far (cgroup v2 `cpu.stat`), nanoseconds.
pub(crate) fn throttled_ns() -> Option<u64> {
    let stat = read_cgroup("cpu.stat")?;
    let line = stat
        .lines()
        .find_map(|line| line.strip_prefix("throttled_usec "));
    match line {
        Some(micros) => micros.trim().parse::<u64>().ok()?.checked_mul(1000),
        // The root group has no quota, so there is nothing to throttle.
        None => Some(0),
    }
}

/// Resident memory of this process, bytes.
pub(crate) fn memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn cores() -> f64 {
    let affinity =
        affinity().unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    quota().unwrap_or(f64::INFINITY).min(affinity as f64)
}

/// The smallest quota of our control group and those above it, in cores.
fn quota() -> Option<f64> {
    let path = cgroup()?;
    std::path::Path::new(&path)
        .ancestors()
        .filter_map(|group| {
            let file = format!("/sys/fs/cgroup{}/cpu.max", group.display());
            cores_of(&fs::read_to_string(file).ok()?)
        })
        .reduce(f64::min)
}

/// `cpu.max` in cores; `None` without a quota.
fn cores_of(max: &str) -> Option<f64> {
    let (quota, period) = max.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

#[cfg(target_os = "linux")]
fn affinity() -> Option<usize> {
    // SAFETY: an all-zero set is valid, and the call writes no more than the size it is told.
    let count = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
            return None;
        }
        libc::CPU_COUNT(&set)
    };
    usize::try_from(count).ok()
}

#[cfg(not(target_os = "linux"))]
fn affinity() -> Option<usize> {
    None
}

/// Our control group's path (v2).
fn cgroup() -> Option<String> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    own.lines()
        .find_map(|line| line.strip_prefix("0::"))
        .map(str::to_owned)
}

/// A file of our control group, or of the root that a container sees as such.
fn read_cgroup(file: &str) -> Option<String> {
    let path = cgroup()?;
    fs::read_to_string(format!("/sys/fs/cgroup{path}/{file}"))
        .or_else(|_| fs::read_to_string(format!("/sys/fs/cgroup/{file}")))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::cores_of;

    #[test]
    fn a_quota_is_read_in_cores() {
        assert_eq!(cores_of("150000 100000\n"), Some(1.5));
        assert_eq!(cores_of("max 100000\n"), None);
        assert_eq!(cores_of(""), None);
    }
}
