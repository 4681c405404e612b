//! The verdict on the data: did the generator itself distort what it measured? Numbers against limits, facet by facet.
//!
//! Thresholds judge the target; this judges throng. What was not measured is not judged, and never VALID. Pure. The limits are
//! explained for people in `docs/verdict.md`.

use crate::conservation::Conservation;
use proto::v1::Health;
use serde::{Deserialize, Serialize};

/// Time facets: DEGRADED above the larger of this and [`DEGRADED_SHARE`] of the median response time.
pub const DEGRADED_NS: f64 = 100e6;
/// See [`DEGRADED_NS`].
pub const DEGRADED_SHARE: f64 = 0.05;
/// Time facets: INVALID above the larger of this and [`INVALID_SHARE`] of the median response time. A process that shares its cores
/// with a busy loop is delayed by a scheduler's slice or a few, some 10 ms; one that was stopped, by seconds.
pub const INVALID_NS: f64 = 250e6;
/// See [`INVALID_NS`].
pub const INVALID_SHARE: f64 = 0.10;
/// The longest time in which an event loop did not turn: DEGRADED above. A quantile hides it, for nothing is counted meanwhile.
pub const STALL_NS: f64 = 500e6;
/// The same: INVALID above the larger of this and [`STALL_SHARE`] of the run. An overloaded machine can hold a process back for a
/// second or so; that is a gap, but not yet a distortion of a whole run.
pub const STALL_INVALID_NS: f64 = 3e9;
/// See [`STALL_INVALID_NS`].
pub const STALL_SHARE: f64 = 0.10;
/// CPU used of CPU available: DEGRADED above. A generator near its limit tends to be late, but only lateness makes it INVALID.
pub const CPU: f64 = 0.95;
/// Time a cgroup held the process back, of the run's time: DEGRADED above.
pub const THROTTLED: f64 = 0.10;
/// Lost + expired + unaccounted, of what was planned: DEGRADED above.
pub const GAP: f64 = 0.001;
/// Expired + unaccounted, of what was planned: INVALID above. (What was lost with an agent is known, and dated.)
pub const STALLED: f64 = 0.05;
/// Requests that waited under an agent's own ceiling, of those it sent: DEGRADED above.
pub const HELD: f64 = 0.001;
/// The same: INVALID above. Then the rate that the target saw was the ceiling's, and not the plan's.
pub const HELD_INVALID: f64 = 0.05;
/// VU time not held though the agent was there, of what was planned: DEGRADED above.
pub const SHORT: f64 = 0.01;
/// The same: INVALID above.
pub const SHORT_INVALID: f64 = 0.20;

/// How good the data are; the later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Grade {
    /// Nothing was measured.
    NotJudged,
    /// The numbers can be used.
    Valid,
    /// Load or data have gaps, which are stated.
    Degraded,
    /// The numbers must not be used.
    Invalid,
}

impl Grade {
    /// For people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Grade::NotJudged => "not judged",
            Grade::Valid => "VALID",
            Grade::Degraded => "DEGRADED",
            Grade::Invalid => "INVALID",
        }
    }
}

/// What a facet's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Milliseconds.
    Milliseconds,
    /// A share, 0..=1.
    Share,
    /// A number of things.
    Count,
}

/// One measured aspect and its limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facet {
    /// What is measured.
    pub name: String,
    /// The unit of the numbers.
    pub measure: Measure,
    /// What was measured; the worst agent's. Absent when it was not.
    pub value: Option<f64>,
    /// DEGRADED above.
    pub degraded_above: f64,
    /// INVALID above; absent where that alone spoils nothing.
    pub invalid_above: Option<f64>,
    /// What that makes it.
    pub grade: Grade,
    /// Whose the value is, where it is an agent's.
    pub agent: Option<String>,
    /// From when to when that agent was not heard, if it was silent for long: run time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_ms: Option<[f64; 2]>,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The worst of what was judged.
    pub grade: Grade,
    /// Facet by facet.
    pub facets: Vec<Facet>,
}

/// What one agent said of itself.
#[derive(Debug, Clone)]
pub struct Witness {
    /// Its name.
    pub agent: String,
    /// Its last health.
    pub health: Option<Health>,
    /// How long it made load, in nanoseconds.
    pub elapsed_ns: u64,
    /// Requests it counted.
    pub requests: u64,
    /// Its longest silence, in run time in milliseconds.
    pub silent_ms: Option<[f64; 2]>,
}

/// Everything the verdict is made from.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The agents.
    pub witnesses: Vec<Witness>,
    /// The merged median of `http_req_duration` in nanoseconds.
    pub median_ns: Option<f64>,
    /// The books; absent when no load was made.
    pub conservation: Option<Conservation>,
    /// Samples that went to an overflow series.
    pub overflow: u64,
    /// Requests that could not be sent for want of something on the agent's own host.
    pub local_errors: u64,
    /// Values beyond what histograms tell apart, counted as the largest they do.
    pub clamped: u64,
    /// True if the journal ended before the run.
    pub unjournaled: bool,
}

impl Verdict {
    /// Judges.
    #[must_use]
    pub fn new(evidence: &Evidence) -> Self {
        let median = evidence.median_ns.unwrap_or(0.0);
        let degraded = DEGRADED_NS.max(DEGRADED_SHARE * median) / 1e6;
        let invalid = INVALID_NS.max(INVALID_SHARE * median) / 1e6;
        let time = |name, read: fn(&Health) -> Option<u64>| {
            let (value, agent) = worst(&evidence.witnesses, |w| {
                Some(read(w.health.as_ref()?)? as f64 / 1e6)
            });
            facet(
                name,
                Measure::Milliseconds,
                value,
                degraded,
                Some(invalid),
                agent,
            )
        };
        let elapsed = evidence
            .witnesses
            .iter()
            .map(|w| w.elapsed_ns)
            .max()
            .unwrap_or(0);
        let (stall, stalled) = worst(&evidence.witnesses, |w| {
            Some(w.health.as_ref()?.lag_max_ns? as f64 / 1e6)
        });
        let (cpu, cpu_agent) = worst(&evidence.witnesses, |w| {
            let health = w.health.as_ref()?;
            Some(health.cpu? / health.cpu_available.filter(|cores| *cores > 0.0)?)
        });
        let (throttled, throttled_agent) = worst(&evidence.witnesses, |w| {
            let elapsed = (w.elapsed_ns > 0).then_some(w.elapsed_ns as f64)?;
            Some(w.health.as_ref()?.throttled_ns? as f64 / elapsed)
        });
        let books = evidence.conservation.as_ref();
        let share = |name, value: Option<f64>, degraded, invalid| {
            facet(name, Measure::Share, value, degraded, invalid, None)
        };
        // Every request that an agent counted must be merged, or lost with its agent, which has its own line.
        let requests = books
            .filter(|books| books.requests.counted + books.requests.merged > 0)
            .map(|books| {
                let requests = books.requests;
                requests.unaccounted.unsigned_abs() as f64
                    / requests.counted.max(requests.merged) as f64
            });
        let incomplete = books
            .filter(|books| books.completeness.intervals > 0)
            .map(|books| 1.0 - books.completeness.share);
        let mut facets = vec![
            time("lateness p99", |health| health.lateness_p99_ns),
            time("event-loop lag p99", |health| health.lag_p99_ns),
            facet(
                "longest stall of an event loop",
                Measure::Milliseconds,
                stall,
                STALL_NS / 1e6,
                Some(STALL_INVALID_NS.max(STALL_SHARE * elapsed as f64) / 1e6),
                stalled,
            ),
            facet(
                "CPU used of available",
                Measure::Share,
                cpu,
                CPU,
                None,
                cpu_agent,
            ),
            facet(
                "throttled by the cgroup",
                Measure::Share,
                throttled,
                THROTTLED,
                None,
                throttled_agent,
            ),
            share(
                "load lost, expired or unaccounted",
                books.and_then(Conservation::gap),
                GAP,
                None,
            ),
            share(
                "load expired or unaccounted",
                books.and_then(Conservation::stalled),
                STALLED,
                Some(STALLED),
            ),
            share(
                "VU time begun late",
                books.and_then(Conservation::short),
                SHORT,
                Some(SHORT_INVALID),
            ),
            share("intervals missing", incomplete, GAP, None),
            share("requests unaccounted", requests, GAP, Some(STALLED)),
            facet(
                "samples beyond the limit of series",
                Measure::Count,
                books.map(|_| evidence.overflow as f64),
                0.0,
                None,
                None,
            ),
        ];
        // What hardly ever happens has a line only when it did.
        let (held, holder) = worst(&evidence.witnesses, |w| {
            let held = w.health.as_ref().map(|health| health.held_back)?;
            // One that waits when the run ends is not among the requests yet.
            (held > 0).then_some(held as f64 / w.requests.max(held) as f64)
        });
        if held.is_some() {
            facets.push(facet(
                "requests held back by an agent's ceiling",
                Measure::Share,
                held,
                HELD,
                Some(HELD_INVALID),
                holder,
            ));
        }
        let rare = [
            (
                "intervals refused as corrupt",
                books.map_or(0, |books| books.completeness.rejected),
            ),
            (
                "requests that an agent's host had no means for",
                evidence.local_errors,
            ),
            ("values beyond a histogram's hour", evidence.clamped),
            (
                "journals that ended too early",
                u64::from(evidence.unjournaled),
            ),
        ];
        for (name, count) in rare.into_iter().filter(|(_, count)| *count > 0) {
            let count = Some(count as f64);
            facets.push(facet(name, Measure::Count, count, 0.0, None, None));
        }
        let facets: Vec<Facet> = facets
            .into_iter()
            .map(|facet| Facet {
                silent_ms: silence(&evidence.witnesses, &facet),
                ..facet
            })
            .collect();
        Self {
            grade: facets
                .iter()
                .map(|facet| facet.grade)
                .max()
                .unwrap_or(Grade::NotJudged),
            facets,
        }
    }
}

/// When a facet's agent stood still, if that is what the facet shows.
fn silence(witnesses: &[Witness], facet: &Facet) -> Option<[f64; 2]> {
    if facet.measure != Measure::Milliseconds || facet.grade <= Grade::Valid {
        return None;
    }
    let agent = facet.agent.as_ref()?;
    let of = |witness: &&Witness| witness.agent == *agent && witness.silent_ms.is_some();
    witnesses.iter().find(of)?.silent_ms
}

fn worst(
    witnesses: &[Witness],
    read: impl Fn(&Witness) -> Option<f64>,
) -> (Option<f64>, Option<String>) {
    witnesses
        .iter()
        .filter_map(|witness| Some((read(witness)?, &witness.agent)))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or((None, None), |(value, agent)| {
            (Some(value), Some(agent.clone()))
        })
}

fn facet(
    name: &str,
    measure: Measure,
    value: Option<f64>,
    degraded_above: f64,
    invalid_above: Option<f64>,
    agent: Option<String>,
) -> Facet {
    let grade = match value {
        None => Grade::NotJudged,
        Some(value) if invalid_above.is_some_and(|limit| value > limit) => Grade::Invalid,
        Some(value) if value > degraded_above => Grade::Degraded,
        Some(_) => Grade::Valid,
    };
    Facet {
        name: name.to_owned(),
        measure,
        value,
        degraded_above,
        invalid_above,
        grade,
        agent,
        silent_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness(agent: &str, lateness_ms: Option<u64>) -> Witness {
        Witness {
            agent: agent.to_owned(),
            health: Some(Health {
                lateness_p99_ns: lateness_ms.map(|ms| ms * 1_000_000),
                ..Health::default()
            }),
            elapsed_ns: 1_000_000_000,
            requests: 0,
            silent_ms: None,
        }
    }

    fn grade(lateness_ms: Option<u64>, median_ms: f64) -> Grade {
        Verdict::new(&Evidence {
            witnesses: vec![witness("a", Some(0)), witness("b", lateness_ms)],
            median_ns: Some(median_ms * 1e6),
            ..Evidence::default()
        })
        .grade
    }

    #[test]
    fn time_limits_are_relative_to_what_is_measured() {
        let table = [
            (5, 4.0, Grade::Valid),
            (99, 4.0, Grade::Valid),
            (101, 4.0, Grade::Degraded),
            (251, 4.0, Grade::Invalid),
            (251, 2000.0, Grade::Invalid),
            (251, 3000.0, Grade::Degraded),
            (301, 4000.0, Grade::Degraded),
            (199, 4000.0, Grade::Valid),
            (401, 4000.0, Grade::Invalid),
        ];
        for (lateness, median, expected) in table {
            assert_eq!(
                grade(Some(lateness), median),
                expected,
                "{lateness} ms beside {median} ms"
            );
        }
    }

    #[test]
    fn what_is_not_measured_is_not_judged_and_never_valid() {
        let nothing = Verdict::new(&Evidence::default());
        assert_eq!(nothing.grade, Grade::NotJudged);
        assert!(
            nothing
                .facets
                .iter()
                .all(|facet| facet.grade == Grade::NotJudged)
        );
        assert_eq!(grade(None, 4.0), Grade::Valid, "one agent measured it");
    }

    #[test]
    fn a_clamped_value_and_a_corrupt_interval_are_told_and_cost_the_validity() {
        let sound = Verdict::new(&Evidence {
            witnesses: vec![witness("a", Some(3))],
            ..Evidence::default()
        });
        let clamped = Verdict::new(&Evidence {
            witnesses: vec![witness("a", Some(3))],
            clamped: 17,
            ..Evidence::default()
        });
        assert_eq!(
            (sound.grade, clamped.grade),
            (Grade::Valid, Grade::Degraded)
        );
        let told = clamped
            .facets
            .iter()
            .find(|facet| facet.value == Some(17.0));
        assert!(told.is_some_and(|facet| facet.name.contains("hour")));
        assert_eq!(clamped.facets.len(), sound.facets.len() + 1);
    }

    #[test]
    fn what_a_ceiling_holds_back_is_judged_by_its_share_and_has_a_line_only_then() {
        let table = [
            (0, 10_000, None),
            (9, 10_000, Some(Grade::Valid)),
            (11, 10_000, Some(Grade::Degraded)),
            (501, 10_000, Some(Grade::Invalid)),
            (1, 0, Some(Grade::Invalid)),
        ];
        for (held_back, requests, expected) in table {
            let held = Witness {
                health: Some(Health {
                    held_back,
                    ..Health::default()
                }),
                requests,
                ..witness("b", None)
            };
            let verdict = Verdict::new(&Evidence {
                witnesses: vec![witness("a", Some(1)), held],
                ..Evidence::default()
            });
            let facet = verdict
                .facets
                .iter()
                .find(|facet| facet.name.contains("ceiling"));
            assert_eq!(
                facet.map(|facet| facet.grade),
                expected,
                "{held_back} of {requests}"
            );
            assert!(facet.is_none_or(|facet| facet.agent.as_deref() == Some("b")));
        }
    }

    #[test]
    fn the_worst_agent_is_named() {
        let evidence = Evidence {
            witnesses: vec![witness("a", Some(3)), witness("b", Some(400))],
            ..Evidence::default()
        };
        let verdict = Verdict::new(&evidence);
        assert_eq!(verdict.facets[0].agent.as_deref(), Some("b"));
        assert_eq!(verdict.facets[0].grade, Grade::Invalid);
    }

    #[test]
    fn the_time_in_which_an_agent_stood_still_is_named_where_it_shows() {
        let frozen = Witness {
            silent_ms: Some([7_300.0, 11_400.0]),
            ..witness("b", Some(4_000))
        };
        let sound = Witness {
            silent_ms: Some([1.0, 2_500.0]),
            ..witness("a", Some(3))
        };
        let judge = |witnesses| {
            Verdict::new(&Evidence {
                witnesses,
                ..Evidence::default()
            })
        };
        let verdict = judge(vec![sound.clone(), frozen]);
        assert_eq!(verdict.facets[0].silent_ms, Some([7_300.0, 11_400.0]));
        let verdict = judge(vec![sound]);
        assert_eq!(verdict.facets[0].silent_ms, None, "it spoiled nothing");
    }

    #[test]
    fn one_long_stall_shows_though_no_quantile_does() {
        let table = [
            (400, 20, Grade::Valid),
            (600, 20, Grade::Degraded),
            (2000, 20, Grade::Degraded),
            (3100, 20, Grade::Invalid),
            (5000, 60, Grade::Degraded),
        ];
        for (stall_ms, run_s, expected) in table {
            let stalled = Witness {
                health: Some(Health {
                    lag_p99_ns: Some(1_000_000),
                    lag_max_ns: Some(stall_ms * 1_000_000),
                    ..Health::default()
                }),
                elapsed_ns: run_s * 1_000_000_000,
                ..witness("a", Some(1))
            };
            let evidence = Evidence {
                witnesses: vec![stalled],
                ..Evidence::default()
            };
            assert_eq!(
                Verdict::new(&evidence).grade,
                expected,
                "{stall_ms} ms of {run_s} s"
            );
        }
    }

    #[test]
    fn cpu_and_throttling_alone_degrade_but_never_spoil() {
        let mut busy = witness("a", Some(1));
        busy.health = Some(Health {
            cpu: Some(2.0),
            cpu_available: Some(2.0),
            throttled_ns: Some(900_000_000),
            ..Health::default()
        });
        let verdict = Verdict::new(&Evidence {
            witnesses: vec![busy],
            ..Evidence::default()
        });
        assert_eq!(verdict.grade, Grade::Degraded);
    }
}
