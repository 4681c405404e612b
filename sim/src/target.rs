//! The target as it saw the load: who began which index when, and which agent a VU was at work on. What it sees breaks a law at once.

use crate::clock::Clock;
use crate::schedule::Time;
use plan::{ArrivalCurve, Plan, VuCurve};
use std::collections::BTreeMap;

/// How far off an agent's idea of T0 may be, beside what its way to the controller explains: clocks drift between pings.
const SLACK: u64 = 20_000_000;

/// One life of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    /// Its host.
    pub host: usize,
    /// Which of its lives.
    pub life: u32,
}

/// A VU that is at work somewhere.
#[derive(Debug, Clone, Copy)]
struct Hold {
    life: Life,
    /// True time at which that life's lease is over, as far as it knows: it sends nothing after that.
    until: Time,
}

/// What one scenario did to the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Iterations begun.
    pub begun: u64,
    /// Requests answered, as whoever sent them saw it.
    pub answered: u64,
}

/// When what is due, by the only clock that counts.
#[derive(Debug)]
struct Timetable {
    clock: Clock,
    /// Its reading at T0.
    t0: u64,
    scenarios: Vec<Due>,
    /// How far off each host may be.
    slack: Vec<u64>,
}

#[derive(Debug)]
struct Due {
    start: u64,
    catch_up: u64,
    arrivals: Option<ArrivalCurve>,
    vus: Option<VuCurve>,
}

/// The target's own books.
#[derive(Debug, Default)]
pub struct Target {
    timetable: Option<Timetable>,
    indexes: BTreeMap<(usize, u64), (Life, Time)>,
    holds: BTreeMap<(usize, u64), Hold>,
    seen: BTreeMap<(usize, Life), Seen>,
    broken: Vec<String>,
}

impl Target {
    /// The controller has named T0, by its clock; `ways` is how long each host's way to it may take, there and back.
    pub fn named(&mut self, clock: Clock, t0: u64, plan: &Plan, ways: &[u64]) {
        let scenarios = plan.scenarios.iter().map(|scenario| Due {
            start: nanos(scenario.start_time),
            catch_up: nanos(scenario.catch_up),
            arrivals: scenario.arrival_curve(plan.seed),
            vus: scenario.executor.vu_curve(scenario.graceful_stop),
        });
        self.timetable.get_or_insert(Timetable {
            clock,
            t0,
            scenarios: scenarios.collect(),
            slack: ways.iter().map(|way| way / 2 + SLACK).collect(),
        });
    }

    /// The run was changed: what is due when is not what the plan says.
    pub fn changed(&mut self) {
        if let Some(timetable) = &mut self.timetable {
            timetable.scenarios.clear();
        }
    }

    /// An arrival, or a leased index, is begun.
    pub fn index(&mut self, at: Time, life: Life, scenario: usize, index: u64) {
        self.check_arrival(at, life, scenario, index);
        if let Some((first, then)) = self.indexes.insert((scenario, index), (life, at)) {
            self.broken.push(format!(
                "index {index} of scenario {scenario} was begun twice: by {} at {:.3} s, and by {} at {:.3} s",
                name(first),
                then as f64 / 1e9,
                name(life),
                at as f64 / 1e9
            ));
        }
    }

    /// An arrival is begun neither early nor later than `catchUp`.
    fn check_arrival(&mut self, at: Time, life: Life, scenario: usize, index: u64) {
        let Some((run, slack, due)) = self
            .timetable
            .as_ref()
            .and_then(|t| t.at(at, life, scenario))
        else {
            return;
        };
        let Some(when) = due.arrivals.as_ref().and_then(|curve| curve.due_at(index)) else {
            return;
        };
        let when = i128::from(when + due.start);
        if run + slack < when || run > when + i128::from(due.catch_up) + slack {
            self.broken.push(format!(
                "index {index} of scenario {scenario}, due at {:.3} s, was begun at {:.3} s",
                when as f64 / 1e9,
                run as f64 / 1e9
            ));
        }
    }

    /// A VU begins iterations only while the curve holds it.
    fn check_vu(&mut self, at: Time, life: Life, scenario: usize, vu: u64) {
        let Some((run, slack, due)) = self
            .timetable
            .as_ref()
            .and_then(|t| t.at(at, life, scenario))
        else {
            return;
        };
        let Some(curve) = &due.vus else { return };
        let here = run - i128::from(due.start);
        let spans = curve.spans(vu);
        let held = spans.iter().any(|span| {
            i128::from(span.start) <= here + slack && here < i128::from(span.stop) + slack
        });
        if !held {
            self.broken.push(format!(
                "VU {vu} of scenario {scenario} began an iteration at {:.3} s, when the plan has no place for it",
                run as f64 / 1e9
            ));
        }
    }

    /// A VU begins an iteration; `until` is when its agent's lease is over.
    pub fn hold(&mut self, at: Time, life: Life, scenario: usize, vu: u64, until: Time) {
        self.check_vu(at, life, scenario, vu);
        let before = self.holds.insert((scenario, vu), Hold { life, until });
        if let Some(before) = before
            && before.life != life
            && before.until > at
        {
            self.broken.push(format!(
                "VU {vu} of scenario {scenario} is at work on {} and {} at {:.3} s",
                name(before.life),
                name(life),
                at as f64 / 1e9
            ));
        }
    }

    /// The VU's iteration is over.
    pub fn release(&mut self, life: Life, scenario: usize, vu: u64) {
        if self
            .holds
            .get(&(scenario, vu))
            .is_some_and(|hold| hold.life == life)
        {
            self.holds.remove(&(scenario, vu));
        }
    }

    /// The lease of a life is longer than was known.
    pub fn extend(&mut self, life: Life, until: Time) {
        for hold in self.holds.values_mut().filter(|hold| hold.life == life) {
            hold.until = hold.until.max(until);
        }
    }

    /// A life ended without a word: its connections are closed.
    pub fn gone(&mut self, life: Life) {
        self.holds.retain(|_, hold| hold.life != life);
    }

    /// An iteration was begun.
    pub fn begun(&mut self, life: Life, scenario: usize) {
        self.seen.entry((scenario, life)).or_default().begun += 1;
    }

    /// A request was answered.
    pub fn answered(&mut self, life: Life, scenario: usize) {
        self.seen.entry((scenario, life)).or_default().answered += 1;
    }

    /// A law was broken.
    pub fn broken(&mut self, how: String) {
        self.broken.push(how);
    }

    /// The first law that was broken.
    #[must_use]
    pub fn first_broken(&self) -> Option<&str> {
        self.broken.first().map(String::as_str)
    }

    /// Requests of one life that were answered.
    #[must_use]
    pub fn answered_by(&self, life: Life) -> u64 {
        let of = self.seen.iter().filter(|((_, l), _)| *l == life);
        of.map(|(_, seen)| seen.answered).sum()
    }

    /// What a scenario did in all.
    #[must_use]
    pub fn of(&self, scenario: usize) -> Seen {
        let of = self.seen.iter().filter(|((s, _), _)| *s == scenario);
        of.fold(Seen::default(), |sum, (_, seen)| Seen {
            begun: sum.begun + seen.begun,
            answered: sum.answered + seen.answered,
        })
    }
}

impl Timetable {
    /// Run time, how far off a host may be, and what is due in a scenario.
    fn at(&self, at: Time, life: Life, scenario: usize) -> Option<(i128, i128, &Due)> {
        let run = i128::from(self.clock.reads(at)) - i128::from(self.t0);
        let slack = i128::from(*self.slack.get(life.host)?);
        Some((run, slack, self.scenarios.get(scenario)?))
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `agent-2`, or `agent-2's third life`.
fn name(life: Life) -> String {
    match life.life {
        0 => format!("agent {}", life.host),
        more => format!("agent {} (life {more})", life.host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Life = Life { host: 0, life: 0 };
    const B: Life = Life { host: 1, life: 0 };

    #[test]
    fn an_index_that_is_begun_twice_is_seen() {
        let mut target = Target::default();
        target.index(1, A, 0, 7);
        target.index(2, B, 1, 7);
        assert_eq!(target.first_broken(), None);
        target.index(3, B, 0, 7);
        assert!(target.first_broken().is_some());
    }

    #[test]
    fn a_vu_may_move_once_it_was_released_or_its_agents_lease_is_over() {
        let mut target = Target::default();
        target.hold(1, A, 0, 3, 100);
        target.release(A, 0, 3);
        target.hold(2, B, 0, 3, 50);
        target.hold(50, A, 0, 3, 100);
        assert_eq!(target.first_broken(), None);
        target.hold(99, B, 0, 3, 200);
        assert!(target.first_broken().is_some());
    }
}
