//! From what a host says to lines for a person: what was found, what is wanted, why it matters to a load generator, how to mend
//! it. Pure.

use super::facts::Facts;

/// Files that are open for other reasons than connections; the agent keeps as many back.
const RESERVE: u64 = 64;
/// The queue that the controller's and the demo's listeners ask for.
const BACKLOG: u64 = 1024;
/// How long a closed connection holds its port, seconds (Linux's TIME_WAIT).
const TIME_WAIT: u64 = 60;
/// What an agent uses before its first virtual user, bytes, rounded up,
const BASE: u64 = 32 << 20;
/// and for each connection, with its buffers in the kernel. `throng plan` is exact for a scenario.
const PER_CONNECTION: u64 = 64 << 10;
/// Threads of an agent beside its workers.
const THREADS: u64 = 16;
/// Clock sources that are read without entering the kernel, and cheaply.
const GOOD_CLOCKS: [&str; 5] = [
    "tsc",
    "kvm-clock",
    "arch_sys_counter",
    "hyperv_clocksource_tsc_page",
    "riscv_clocksource",
];

/// What the host is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// Connections at once.
    pub(super) connections: u64,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As wanted, or not there at all.
    Ok,
    /// Can be lived with.
    Note,
    /// Stands in the way of the load asked for.
    Bad,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Line {
    /// What was looked at.
    pub(super) check: &'static str,
    /// How it is.
    pub(super) state: State,
    /// What the system said.
    pub(super) found: String,
    /// What would be fine.
    pub(super) wanted: String,
    /// Why it matters.
    pub(super) why: &'static str,
    /// What to do.
    pub(super) mend: String,
}

/// Every check, in the order of what hurts most often.
pub(super) fn lines(facts: &Facts, need: Need) -> Vec<Line> {
    let files = need.connections.saturating_add(RESERVE);
    vec![
        at_least(
            "open files",
            facts.files,
            files,
            "Each connection is an open file; an agent raises its soft limit to this hard one and no further.",
            format!(
                "`ulimit -Hn {files}` as root, `LimitNOFILE={files}` in the unit, or more hosts"
            ),
        ),
        ports(facts, need),
        reuse(facts, need),
        Line {
            wanted: format!("at least {BACKLOG}"),
            ..softer(at_least(
                "accept queue",
                facts.backlog,
                BACKLOG,
                "When many agents join at once, or the demo serves, connections beyond this queue are refused or tried again after a second. It matters to a controller, not to an agent.",
                format!("sysctl -w net.core.somaxconn={BACKLOG}"),
            ))
        },
        tracked(facts, need),
        clock(facts),
        synchronised(facts),
        governor(facts),
        quota(facts),
        throttled(facts),
        memory(facts, need),
        tasks(facts),
    ]
}

/// A number that must not be smaller; nothing said means nothing in the way.
fn at_least(
    check: &'static str,
    found: Option<u64>,
    least: u64,
    why: &'static str,
    mend: String,
) -> Line {
    Line {
        check,
        state: match found {
            Some(found) if found < least => State::Bad,
            _ => State::Ok,
        },
        found: match found {
            Some(u64::MAX) => "no limit".to_owned(),
            Some(found) => found.to_string(),
            None => "not said".to_owned(),
        },
        wanted: format!("at least {least}"),
        why,
        mend,
    }
}

fn softer(line: Line) -> Line {
    Line {
        state: match line.state {
            State::Bad => State::Note,
            state => state,
        },
        ..line
    }
}

/// How many ports outgoing connections can have.
fn width(ports: (u64, u64)) -> u64 {
    (ports.1 + 1).saturating_sub(ports.0)
}

fn ports(facts: &Facts, need: Need) -> Line {
    let mend = "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"; beyond 64,512, more hosts or more addresses of the target".to_owned();
    let mut line = at_least(
        "outgoing ports",
        facts.ports.map(width),
        need.connections,
        "To one address and port of a target, a host can hold no more connections than it has such ports.",
        mend,
    );
    if let Some((first, last)) = facts.ports {
        line.found = format!("{} ({first}-{last})", width((first, last)));
    }
    line
}

fn reuse(facts: &Facts, need: Need) -> Line {
    let rate = facts.ports.map_or(0, width) / TIME_WAIT;
    let fine = facts.reuse == Some(1) || facts.reuse.is_none();
    Line {
        check: "reuse of ports",
        state: if fine || need.connections == 0 {
            State::Ok
        } else {
            State::Note
        },
        found: match facts.reuse {
            None => "not said".to_owned(),
            Some(1) => "always".to_owned(),
            Some(2) => format!("on the loopback only: {rate} new connections/s to one address"),
            Some(_) => format!("never: {rate} new connections/s to one address"),
        },
        wanted: "always".to_owned(),
        why: "A closed connection holds its port for a minute. It matters to flows that open a connection for each request or iteration, not to those that keep theirs.",
        mend: "sysctl -w net.ipv4.tcp_tw_reuse=1".to_owned(),
    }
}

fn tracked(facts: &Facts, need: Need) -> Line {
    let least = need.connections.saturating_mul(2);
    let mut line = at_least(
        "firewall's table",
        facts.tracked,
        least,
        "A firewall that follows connections drops packets, without a word to either side, when its table is full; closed ones stay in it for two minutes.",
        format!(
            "sysctl -w net.netfilter.nf_conntrack_max={least}, or do not track the target's address"
        ),
    );
    if facts.tracked.is_none() {
        line.found = "none".to_owned();
    }
    line
}

fn clock(facts: &Facts) -> Line {
    let good = facts
        .clock
        .as_deref()
        .is_none_or(|clock| GOOD_CLOCKS.contains(&clock));
    Line {
        check: "clock source",
        state: if good { State::Ok } else { State::Note },
        found: facts.clock.clone().unwrap_or_else(|| "not said".to_owned()),
        wanted: "read without the kernel".to_owned(),
        why: "Each request reads the clock several times; from this source a reading costs about a microsecond instead of some 25 ns.",
        mend: "boot with clocksource=tsc, or give the virtual machine its hypervisor's clock"
            .to_owned(),
    }
}

fn synchronised(facts: &Facts) -> Line {
    Line {
        check: "clock kept right",
        state: if facts.synchronised == Some(false) {
            State::Note
        } else {
            State::Ok
        },
        found: match facts.synchronised {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not said",
        }
        .to_owned(),
        wanted: "yes".to_owned(),
        why: "throng measures the agents' offsets itself, so a run does not need it; certificates and the times in reports and logs do.",
        mend: "systemctl enable --now systemd-timesyncd (or chrony)".to_owned(),
    }
}

fn governor(facts: &Facts) -> Line {
    let slow: Vec<&str> = facts
        .governors
        .iter()
        .map(String::as_str)
        .filter(|governor| *governor != "performance")
        .collect();
    Line {
        check: "CPU governor",
        state: if slow.is_empty() {
            State::Ok
        } else {
            State::Note
        },
        found: if facts.governors.is_empty() {
            "none here".to_owned()
        } else {
            facts.governors.join(", ")
        },
        wanted: "performance".to_owned(),
        why: "A core that sleeps deeply or runs slowly wakes late, and the first requests after a pause look slower than the target is.",
        mend: "cpupower frequency-set -g performance".to_owned(),
    }
}

fn quota(facts: &Facts) -> Line {
    Line {
        check: "CPU quota",
        state: if facts.quota.is_some() {
            State::Note
        } else {
            State::Ok
        },
        found: match facts.quota {
            Some(cores) => format!("{cores} of {} cores", facts.cores),
            None => format!("none ({} cores)", facts.cores),
        },
        wanted: "none".to_owned(),
        why: "When the quota of a tenth of a second is used up, the agent stands still until the next, and that looks like a slow target. Whole cores of its own (Kubernetes: Guaranteed, static CPU manager) or a request without a limit do not.",
        mend: "remove the CPU limit and keep the request, or give it whole cores".to_owned(),
    }
}

fn throttled(facts: &Facts) -> Line {
    let throttled = facts.throttled_us.unwrap_or(0);
    Line {
        check: "throttled so far",
        state: if throttled > 0 {
            State::Note
        } else {
            State::Ok
        },
        found: format!("{} ms", throttled / 1000),
        wanted: "0 ms".to_owned(),
        why: "This control group has been made to stand still already.",
        mend: "as for the CPU quota".to_owned(),
    }
}

fn memory(facts: &Facts, need: Need) -> Line {
    let least = BASE.saturating_add(need.connections.saturating_mul(PER_CONNECTION));
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Line {
        found: facts
            .memory
            .map_or_else(|| "no limit".to_owned(), |limit| format!("{} MiB", mib(limit))),
        wanted: format!("about {} MiB", mib(least)),
        ..at_least(
            "memory limit",
            facts.memory,
            least,
            "Beyond it the kernel ends the agent. The estimate is for TLS connections; `throng plan FILE` says what a scenario needs.",
            "raise the limit (Kubernetes: resources.limits.memory; systemd: MemoryMax=), or more hosts".to_owned(),
        )
    }
}

fn tasks(facts: &Facts) -> Line {
    let mut line = at_least(
        "threads",
        facts.tasks,
        facts.cores.saturating_add(THREADS),
        "An agent has one thread for each core and a few more.",
        "raise pids.max (systemd: TasksMax=)".to_owned(),
    );
    if facts.tasks.is_none() {
        line.found = "no limit".to_owned();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            files: Some(1 << 20),
            ports: Some((1024, 65_535)),
            reuse: Some(1),
            backlog: Some(4096),
            tracked: None,
            clock: Some("tsc".into()),
            synchronised: Some(true),
            governors: vec!["performance".into()],
            cores: 8,
            quota: None,
            throttled_us: Some(0),
            memory: None,
            tasks: Some(10_000),
        }
    }

    fn troubles(facts: &Facts, connections: u64) -> Vec<(&'static str, State)> {
        lines(facts, Need { connections })
            .into_iter()
            .filter(|line| line.state != State::Ok)
            .map(|line| (line.check, line.state))
            .collect()
    }

    #[test]
    fn a_good_host_has_no_troubles() {
        assert_eq!(troubles(&good(), 20_000), []);
        assert_eq!(troubles(&Facts::default(), 20_000), [], "nothing said");
    }

    #[test]
    fn one_trouble_at_a_time() {
        type Change = fn(&mut Facts);
        let table: [(Change, &str, State); 12] = [
            (|f| f.files = Some(20_063), "open files", State::Bad),
            (
                |f| f.ports = Some((32_768, 52_766)),
                "outgoing ports",
                State::Bad,
            ),
            (|f| f.reuse = Some(2), "reuse of ports", State::Note),
            (|f| f.backlog = Some(128), "accept queue", State::Note),
            (|f| f.tracked = Some(39_999), "firewall's table", State::Bad),
            (
                |f| f.clock = Some("hpet".into()),
                "clock source",
                State::Note,
            ),
            (
                |f| f.synchronised = Some(false),
                "clock kept right",
                State::Note,
            ),
            (
                |f| f.governors.push("powersave".into()),
                "CPU governor",
                State::Note,
            ),
            (|f| f.quota = Some(1.5), "CPU quota", State::Note),
            (
                |f| f.throttled_us = Some(5),
                "throttled so far",
                State::Note,
            ),
            (|f| f.memory = Some(1 << 30), "memory limit", State::Bad),
            (|f| f.tasks = Some(23), "threads", State::Bad),
        ];
        for (change, check, state) in table {
            let mut facts = good();
            change(&mut facts);
            assert_eq!(troubles(&facts, 20_000), [(check, state)]);
        }
    }

    #[test]
    fn every_trouble_says_why_and_what_to_do() {
        let facts = Facts {
            files: Some(1),
            ..good()
        };
        for line in lines(&facts, Need { connections: 1 }) {
            assert!(!line.why.is_empty() && !line.mend.is_empty(), "{line:?}");
        }
    }

    #[test]
    fn limits_are_enough_when_met() {
        let facts = Facts {
            files: Some(1064),
            ports: Some((1, 1000)),
            memory: Some(BASE + 1000 * PER_CONNECTION),
            tasks: Some(24),
            ..good()
        };
        assert_eq!(troubles(&facts, 1000), []);
    }
}
