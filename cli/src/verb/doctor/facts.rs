//! What the system says of itself: files of `/proc` and `/sys` below a root that a test can replace. Judges nothing.
#![expect(unsafe_code, reason = "adjtimex")]

use std::path::{Path, PathBuf};

/// What could be read; `None`: this system does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Facts {
    /// Open files: the hard limit, to which an agent raises its own.
    pub(super) files: Option<u64>,
    /// First and last port of those that outgoing connections get.
    pub(super) ports: Option<(u64, u64)>,
    /// Whether a port in TIME_WAIT may be taken again: 0 never, 1 always, 2 on the loopback.
    pub(super) reuse: Option<u64>,
    /// Longest queue of connections not yet accepted.
    pub(super) backlog: Option<u64>,
    /// Connections that the firewall can follow; `None` without one.
    pub(super) tracked: Option<u64>,
    /// What the kernel reads the time from.
    pub(super) clock: Option<String>,
    /// Whether something keeps the clock right.
    pub(super) synchronised: Option<bool>,
    /// The CPUs' governors, each once; empty where the host does not set frequencies.
    pub(super) governors: Vec<String>,
    /// Cores this process may use.
    pub(super) cores: u64,
    /// The smallest CPU quota of our control group and those above it, in cores.
    pub(super) quota: Option<f64>,
    /// How long our control group was throttled, microseconds.
    pub(super) throttled_us: Option<u64>,
    /// The smallest memory limit likewise, bytes.
    pub(super) memory: Option<u64>,
    /// The smallest limit of tasks likewise.
    pub(super) tasks: Option<u64>,
}

impl Facts {
    /// Reads the system below `root`; the clock's state and the cores are always this host's.
    pub(super) fn read(root: &Path) -> Self {
        let system = System(root);
        Self {
            files: system
                .text("proc/self/limits")
                .and_then(|limits| hard_limit(&limits, "Max open files")),
            ports: system
                .text("proc/sys/net/ipv4/ip_local_port_range")
                .and_then(|text| {
                    let mut ends = text.split_whitespace().map(str::parse);
                    Some((ends.next()?.ok()?, ends.next()?.ok()?))
                }),
            reuse: system.number("proc/sys/net/ipv4/tcp_tw_reuse"),
            backlog: system.number("proc/sys/net/core/somaxconn"),
            tracked: system.number("proc/sys/net/netfilter/nf_conntrack_max"),
            clock: system
                .text("sys/devices/system/clocksource/clocksource0/current_clocksource")
                .map(|text| text.trim().to_owned()),
            synchronised: synchronised(),
            governors: system.governors(),
            cores: crate::embedded::cores() as u64,
            quota: system.smallest("cpu.max", cores_of, f64::min),
            throttled_us: system.groups().first().and_then(|group| {
                let stat = std::fs::read_to_string(group.join("cpu.stat")).ok()?;
                let line = stat
                    .lines()
                    .find_map(|line| line.strip_prefix("throttled_usec "))?;
                line.trim().parse().ok()
            }),
            memory: system.smallest("memory.max", limit_of, u64::min),
            tasks: system.smallest("pids.max", limit_of, u64::min),
        }
    }
}

/// The files below a root.
struct System<'a>(&'a Path);

impl System<'_> {
    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.0.join(path)).ok()
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.trim().parse().ok()
    }

    fn governors(&self) -> Vec<String> {
        let cpus = std::fs::read_dir(self.0.join("sys/devices/system/cpu"));
        let mut governors: Vec<String> = cpus
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|cpu| {
                std::fs::read_to_string(cpu.path().join("cpufreq/scaling_governor")).ok()
            })
            .map(|text| text.trim().to_owned())
            .collect();
        governors.sort();
        governors.dedup();
        governors
    }

    /// Our control group (v2) and those above it, ours first. In a container the root is its own group.
    fn groups(&self) -> Vec<PathBuf> {
        let root = self.0.join("sys/fs/cgroup");
        let own = self.text("proc/self/cgroup").and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("0::/"))
                .map(str::to_owned)
        });
        let Some(own) = own else { return Vec::new() };
        let own = root.join(own);
        own.ancestors()
            .take_while(|group| group.starts_with(&root))
            .map(Path::to_path_buf)
            .collect()
    }

    fn smallest<T>(
        &self,
        file: &str,
        read: fn(&str) -> Option<T>,
        smaller: fn(T, T) -> T,
    ) -> Option<T> {
        self.groups()
            .iter()
            .filter_map(|group| read(&std::fs::read_to_string(group.join(file)).ok()?))
            .reduce(smaller)
    }
}

/// The hard limit of `/proc/self/limits`; the largest number where there is none.
fn hard_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// `cpu.max` in cores; `None` without a quota.
fn cores_of(max: &str) -> Option<f64> {
    let (quota, period) = max.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

/// A number, or `max`, which is no limit.
fn limit_of(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// What the kernel knows of who keeps its clock; nobody has told it for some minutes if it calls itself unsynchronised.
#[cfg(target_os = "linux")]
fn synchronised() -> Option<bool> {
    // SAFETY: all zeroes is a valid request, whose mode 0 only reads; the call writes no more than the structure.
    let (state, asked) = unsafe {
        let mut asked: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut asked), asked)
    };
    (state >= 0).then_some(asked.status & libc::STA_UNSYNC == 0)
}

#[cfg(not(target_os = "linux"))]
fn synchronised() -> Option<bool> {
    None
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_system_is_read_from_its_files() {
        let root = std::env::temp_dir().join(format!("throng-doctor-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        for (path, text) in [
            (
                "proc/self/limits",
                "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \n",
            ),
            (
                "proc/self/cgroup",
                "0::/system.slice/throng-agent.service\n",
            ),
            ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
            ("proc/sys/net/ipv4/tcp_tw_reuse", "2\n"),
            ("proc/sys/net/core/somaxconn", "4096\n"),
            (
                "sys/devices/system/clocksource/clocksource0/current_clocksource",
                "tsc\n",
            ),
            (
                "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
                "powersave\n",
            ),
            (
                "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor",
                "powersave\n",
            ),
            ("sys/fs/cgroup/system.slice/memory.max", "1073741824\n"),
            (
                "sys/fs/cgroup/system.slice/throng-agent.service/memory.max",
                "max\n",
            ),
            (
                "sys/fs/cgroup/system.slice/throng-agent.service/cpu.max",
                "150000 100000\n",
            ),
            (
                "sys/fs/cgroup/system.slice/throng-agent.service/cpu.stat",
                "usage_usec 7\nthrottled_usec 42\n",
            ),
        ] {
            write(&root, path, text);
        }
        let facts = Facts::read(&root);
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(facts.files, Some(524_288));
        assert_eq!(facts.ports, Some((32_768, 60_999)));
        assert_eq!(facts.reuse, Some(2));
        assert_eq!(facts.backlog, Some(4096));
        assert_eq!(facts.tracked, None);
        assert_eq!(facts.clock.as_deref(), Some("tsc"));
        assert_eq!(facts.governors, ["powersave"]);
        assert_eq!(facts.quota, Some(1.5));
        assert_eq!(facts.throttled_us, Some(42));
        assert_eq!(facts.memory, Some(1 << 30));
        assert_eq!(facts.tasks, None);
    }

    #[test]
    fn no_limit_is_a_large_one() {
        assert_eq!(
            hard_limit(
                "Max open files  unlimited  unlimited  files",
                "Max open files"
            ),
            Some(u64::MAX)
        );
    }
}
