//! What an agent knows of itself, for whoever scrapes it: a page in Prometheus' text format. The link's thread tells it twice a second;
//! workers know nothing of it.

use crate::clock;
use crate::health;
use proto::v1::{Heartbeat, ScenarioTotals};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Between two tellings, in nanoseconds.
const PACE: u64 = 500_000_000;

/// What the link knows at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// What a heartbeat would tell.
    pub(crate) heartbeat: Heartbeat,
    /// The name that the controller gave it; empty until it has.
    pub(crate) name: String,
    /// Reading of the boot-time clock at which its lease ends, if it holds one.
    pub(crate) leased: Option<u64>,
    /// Intervals that no controller has acknowledged.
    pub(crate) waiting: usize,
    /// True while a controller has it in its fleet.
    pub(crate) connected: bool,
}

#[derive(Debug, Default)]
struct Told {
    seen: Seen,
    memory: Option<u64>,
    next: u64,
}

/// Shared between the link, the spool's thread and whoever serves the page.
#[derive(Debug, Clone, Default)]
pub struct Glance {
    told: Arc<Mutex<Told>>,
    /// Bytes that the spool has on disk for the run in progress.
    pub(crate) spooled: Arc<AtomicU64>,
}

impl Glance {
    /// True if it is time to tell again.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        now >= self
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next
    }

    /// Tells.
    pub(crate) fn tell(&self, now: u64, seen: Seen) {
        let memory = health::memory_bytes();
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Told {
            seen,
            memory,
            next: now.saturating_add(PACE),
        };
    }

    /// The page as it is now.
    #[must_use]
    pub fn text(&self) -> String {
        let (seen, memory) = {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            (told.seen.clone(), told.memory)
        };
        words(&seen, memory, self.spooled.load(Relaxed), clock::boot_ns())
    }
}

/// The page's lines.
#[derive(Default)]
struct Words(String);

impl Words {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP throng_agent_{name} {help}");
        let _ = writeln!(self.0, "# TYPE throng_agent_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| metrics::text::label(name, value))
            .collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.0, "throng_agent_{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.head(name, "gauge", help);
            self.line(name, &[], value);
        }
    }
}

/// A count of each scenario: its name, its help, and where it is.
type Count = (&'static str, &'static str, fn(&ScenarioTotals) -> f64);

/// Counts of each scenario, since the run began.
const COUNTS: [Count; 9] = [
    ("iterations_begun_total", "Iterations begun.", |of| {
        of.begun as f64
    }),
    (
        "iterations_completed_total",
        "Iterations that came to their end.",
        |of| of.completed as f64,
    ),
    (
        "iterations_interrupted_total",
        "Iterations that were cut.",
        |of| of.interrupted as f64,
    ),
    (
        "iterations_dropped_total",
        "Arrivals that were due while no VU was free.",
        |of| of.dropped as f64,
    ),
    (
        "iterations_expired_total",
        "Arrivals that were found too late to be begun.",
        |of| of.expired as f64,
    ),
    (
        "iterations_due_total",
        "Arrivals of its share that were due.",
        |of| of.due as f64,
    ),
    ("requests_total", "Requests done.", |of| of.requests as f64),
    (
        "requests_cut_total",
        "Requests in flight when their iteration was cut.",
        |of| of.requests_cut as f64,
    ),
    (
        "vu_seconds_total",
        "VU time that closed executors held.",
        |of| of.vu_ns as f64 / 1e9,
    ),
];

fn words(seen: &Seen, memory: Option<u64>, spooled: u64, now: u64) -> String {
    let beat = &seen.heartbeat;
    let mut words = Words::default();
    words.head(
        "info",
        "gauge",
        "This agent: its name in the fleet, and its version.",
    );
    let version = env!("CARGO_PKG_VERSION");
    words.line("info", &[("name", &seen.name), ("version", version)], 1.0);
    words.gauge(
        "connected",
        "1 while a controller has it in its fleet.",
        Some(f64::from(u8::from(seen.connected))),
    );
    if !beat.run.is_empty() {
        words.head("run_info", "gauge", "The run it takes part in.");
        words.line("run_info", &[("run", &beat.run)], 1.0);
    }
    let left = |until: u64| until.saturating_sub(now) as f64 / 1e9;
    let lease = "How long it may go on unheard; 0 once it was cut off.";
    words.gauge("lease_left_seconds", lease, seen.leased.map(left));
    let seconds = |ns: Option<u64>| ns.map(|ns| ns as f64 / 1e9);
    words.gauge(
        "rtt_seconds",
        "Round trip to the controller.",
        seconds((beat.rtt_ns > 0).then_some(beat.rtt_ns)),
    );
    let offset = (beat.rtt_ns > 0).then_some(beat.offset_ns as f64 / 1e9);
    let help = "The controller's clock less this one's.";
    words.gauge("clock_offset_seconds", help, offset);
    let busy = "VUs in an iteration.";
    words.gauge("busy_vus", busy, Some(f64::from(beat.vus)));
    for (name, help, number) in COUNTS.iter().filter(|_| !beat.totals.is_empty()) {
        words.head(name, "counter", help);
        for totals in &beat.totals {
            words.line(name, &[("scenario", &totals.scenario)], number(totals));
        }
    }
    let health = beat.health.unwrap_or_default();
    words.gauge(
        "cpu_cores",
        "CPU that making load took, in cores, since T0.",
        health.cpu,
    );
    let help = "Cores it may use.";
    words.gauge("cpu_available_cores", help, health.cpu_available);
    let help = "Time since T0 that its cgroup held it back.";
    words.gauge("throttled_seconds", help, seconds(health.throttled_ns));
    let help = "Resident memory.";
    words.gauge("memory_bytes", help, memory.map(|bytes| bytes as f64));
    let help = "How late its event loops woke up, since T0: p(99).";
    words.gauge("loop_lag_p99_seconds", help, seconds(health.lag_p99_ns));
    let help = "How late its event loops woke up, since T0: the worst.";
    words.gauge("loop_lag_max_seconds", help, seconds(health.lag_max_ns));
    let help = "How late iterations began, since T0: p(99).";
    words.gauge(
        "lateness_p99_seconds",
        help,
        seconds(health.lateness_p99_ns),
    );
    let help = "How late iterations began, since T0: the worst.";
    words.gauge(
        "lateness_max_seconds",
        help,
        seconds(health.lateness_max_ns),
    );
    let help = "Requests since T0 that waited for their turn under its own ceiling.";
    let held = beat.health.map(|health| health.held_back as f64);
    words.gauge("held_back_requests", help, held);
    let help = "Intervals that no controller has acknowledged.";
    words.gauge("unacknowledged_intervals", help, Some(seen.waiting as f64));
    let help = "Bytes of the run in progress that it keeps on disk.";
    words.gauge("spool_bytes", help, Some(spooled as f64));
    words.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::Health;

    #[test]
    fn the_page_of_an_agent_at_work_and_of_one_that_waits() {
        let seen = Seen {
            heartbeat: Heartbeat {
                run: "r-1".to_owned(),
                totals: vec![ScenarioTotals {
                    scenario: "a \"b\"".to_owned(),
                    begun: 10,
                    completed: 8,
                    requests: 21,
                    vu_ns: 1_500_000_000,
                    ..ScenarioTotals::default()
                }],
                health: Some(Health {
                    cpu: Some(0.25),
                    memory_bytes: Some(1),
                    lag_p99_ns: Some(2_000_000),
                    ..Health::default()
                }),
                rtt_ns: 500_000,
                offset_ns: -1_000_000,
                vus: 2,
                ..Heartbeat::default()
            },
            name: "paris".to_owned(),
            leased: Some(4_000_000_000),
            waiting: 3,
            connected: true,
        };
        insta::assert_snapshot!(words(&seen, Some(4096), 77, 1_000_000_000));
        let page = words(&Seen::default(), Some(4096), 0, 0);
        assert!(page.contains("throng_agent_connected 0\n"), "{page}");
        assert!(
            !page.contains("lease") && !page.contains("_total"),
            "{page}"
        );
    }

    #[test]
    fn it_is_told_twice_a_second() {
        let glance = Glance::default();
        assert!(glance.is_due(1));
        glance.tell(1, Seen::default());
        assert!(!glance.is_due(PACE));
        assert!(glance.is_due(PACE + 1));
    }
}
