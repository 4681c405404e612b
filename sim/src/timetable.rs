//! What is due when, by the only clock that counts, and by every version of the plan that somebody may go by.

use crate::clock::Clock;
use crate::schedule::Time;
use plan::{Control, Plan, ScaledArrivals, ScaledVus};

/// How far off an agent's idea of T0 may be, beside what its way to the controller explains: clocks drift between pings.
const SLACK: u64 = 20_000_000;
/// How long a change that was decided on takes to be written down before anybody is told.
const WRITTEN: u64 = 200_000_000;

/// When what is due.
#[derive(Debug)]
pub struct Timetable {
    clock: Clock,
    /// Its reading at T0.
    t0: u64,
    plan: Plan,
    /// How far off each host may be.
    slack: Vec<u64>,
    lease: u64,
    versions: Vec<Version>,
}

/// What the plan is after so many changes.
#[derive(Debug)]
struct Version {
    /// When it was decided on, true time.
    since: Time,
    control: Control,
    scenarios: Vec<Due>,
}

#[derive(Debug)]
struct Due {
    start: u64,
    catch_up: u64,
    arrivals: Option<ScaledArrivals>,
    vus: Option<ScaledVus>,
}

impl Timetable {
    /// The plan as it was written; T0 is a reading of the controller's clock. `ways` is how long each host's way to it may take, there
    /// and back.
    #[must_use]
    pub fn new(clock: Clock, t0: u64, plan: &Plan, ways: &[u64], lease: u64) -> Self {
        let mut timetable = Self {
            clock,
            t0,
            plan: plan.clone(),
            slack: ways.iter().map(|way| way / 2 + SLACK).collect(),
            lease,
            versions: Vec::new(),
        };
        timetable.change(0, &Control::default());
        timetable
    }

    /// What a host states of its T0's uncertainty counts, if its way is slower now than it used to be.
    pub fn stated(&mut self, host: usize, uncertainty: u64) {
        if let Some(slack) = self.slack.get_mut(host) {
            *slack = uncertainty.saturating_add(SLACK).max(*slack);
        }
    }

    /// From now on agents may be told of this.
    pub fn change(&mut self, at: Time, control: &Control) {
        if self
            .versions
            .last()
            .is_some_and(|newest| newest.control == *control)
        {
            return;
        }
        let scenarios = self.plan.scenarios.iter().enumerate();
        let due = scenarios.map(|(index, scenario)| Due {
            start: nanos(scenario.start_time),
            catch_up: nanos(scenario.catch_up),
            arrivals: control.arrivals(index, scenario, self.plan.seed),
            vus: control.vus(index, scenario),
        });
        self.versions.push(Version {
            since: at,
            control: control.clone(),
            scenarios: due.collect(),
        });
    }

    /// The versions that an agent may go by: the newest, and those whose successor it need not have heard of within its lease.
    fn versions(&self, at: Time) -> impl Iterator<Item = &Version> {
        let next = self.versions.iter().skip(1).map(|next| Some(next.since));
        let until = next.chain([None]);
        let heard = self.lease + WRITTEN;
        let all = self.versions.iter().zip(until);
        all.filter(move |(_, until)| until.is_none_or(|until| at < until + heard))
            .map(|(version, _)| version)
    }

    /// Run time, and how far off a host may be.
    fn run(&self, at: Time, host: usize) -> Option<(i128, i128)> {
        let run = i128::from(self.clock.reads(at)) - i128::from(self.t0);
        Some((run, i128::from(*self.slack.get(host)?)))
    }

    /// What is wrong with an arrival that is begun: it is earlier than by any version, or later than `catchUp` by all of them.
    #[must_use]
    pub fn arrival(&self, at: Time, host: usize, scenario: usize, index: u64) -> Option<String> {
        let (run, slack) = self.run(at, host)?;
        let due = self.versions(at).filter_map(|version| {
            let due = version.scenarios.get(scenario)?;
            Some((version, due, due.arrivals.as_ref()?))
        });
        // When, by each version; never, if it does not have it, or has it after a pause that nobody ended yet.
        let due: Vec<(Option<u64>, u64)> = due
            .map(|(version, due, curve)| {
                let when = curve.due_at(index).map(|when| when + due.start);
                let when = when.and_then(|when| version.control.run_time(when));
                (when, due.catch_up)
            })
            .collect();
        let fits = due
            .iter()
            .any(|(when, _)| when.is_some_and(|when| i128::from(when) <= run + slack))
            && due.iter().any(|(when, catch_up)| {
                when.is_none_or(|when| run <= i128::from(when + catch_up) + slack)
            });
        (!due.is_empty() && !fits).then(|| {
            let when = due
                .iter()
                .map(|(when, _)| when.map(|when| when as f64 / 1e9));
            format!(
                "index {index} of scenario {scenario}, due at {:?} s, was begun at {:.3} s",
                when.collect::<Vec<_>>(),
                run as f64 / 1e9
            )
        })
    }

    /// What is wrong with a VU that begins an iteration: no version has a place for it.
    #[must_use]
    pub fn vu(&self, at: Time, host: usize, scenario: usize, vu: u64) -> Option<String> {
        let (run, slack) = self.run(at, host)?;
        let (first, last) = (positive(run - slack), positive(run + slack));
        let mut all = self.versions(at).filter_map(|version| {
            let due = version.scenarios.get(scenario)?;
            Some((&version.control, due, due.vus.as_ref()?))
        });
        let mut any = false;
        let held = all.any(|(control, due, curve)| {
            any = true;
            let here = |run| control.stage_time(run).checked_sub(due.start);
            let (Some(last_here), first_here) = (here(last), here(first).unwrap_or(0)) else {
                return false;
            };
            let paused = control.is_paused(first) && control.is_paused(last);
            let spans = curve.spans(vu);
            !paused
                && spans
                    .iter()
                    .any(|span| span.start <= last_here && first_here < span.stop)
        });
        (any && !held).then(|| {
            format!(
                "VU {vu} of scenario {scenario} began an iteration at {:.3} s, when the plan has no place for it",
                run as f64 / 1e9
            )
        })
    }
}

fn positive(run: i128) -> u64 {
    u64::try_from(run.max(0)).unwrap_or(u64::MAX)
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::Pause;

    const S: u64 = 1_000_000_000;

    /// Ten iterations a second from T0 on, at 100 s of true time; agents have a lease of two seconds.
    fn timetable() -> Timetable {
        let source = "baseURL: http://target\nscenarios:\n  s0: { executor: constant-arrival-rate, rate: 10, duration: 20s, preAllocatedVUs: 9 }\n\
                      flows:\n  default:\n    - get: /\n";
        let bundle = plan::Bundle {
            name: "test.yaml".to_owned(),
            source: source.to_owned(),
            ..plan::Bundle::default()
        };
        let plan = plan::compile(&bundle).expect("a plan");
        let clock = Clock { began: 0, fast: 0 };
        Timetable::new(clock, 100 * S, &plan, &[0], 2 * S)
    }

    #[test]
    fn an_arrival_is_neither_early_nor_later_than_catch_up() {
        let timetable = timetable();
        let begun = |at| timetable.arrival(at, 0, 0, 30);
        assert_eq!(begun(103 * S), None);
        assert!(begun(102 * S + S / 2).is_some());
        assert!(begun(118 * S).is_some());
    }

    #[test]
    fn an_agent_may_be_off_by_what_it_states_and_no_more() {
        const MS: u64 = S / 1_000;
        let mut timetable = timetable();
        let early = |timetable: &Timetable, by: u64| timetable.arrival(103 * S - by, 0, 0, 30);
        assert!(early(&timetable, 50 * MS).is_some());
        timetable.stated(0, 40 * MS);
        assert_eq!(early(&timetable, 50 * MS), None);
        assert!(early(&timetable, 70 * MS).is_some());
    }

    #[test]
    fn an_agent_goes_by_what_it_may_not_have_heard_the_change_of_and_no_longer() {
        let mut timetable = timetable();
        let pause = Pause {
            from: 4 * S,
            to: None,
        };
        let paused = Control::new(1, vec![pause], Vec::new()).expect("a pause");
        timetable.change(104 * S, &paused);
        let begun = |timetable: &Timetable, at: u64, index| timetable.arrival(at, 0, 0, index);
        assert_eq!(begun(&timetable, 105 * S, 50), None, "it need not know yet");
        assert!(begun(&timetable, 107 * S, 70).is_some(), "it knows by now");
        let to = Some(9 * S);
        let resumed = Control::new(2, vec![Pause { to, ..pause }], Vec::new()).expect("its end");
        timetable.change(109 * S, &resumed);
        assert!(
            begun(&timetable, 110 * S, 90).is_some(),
            "five seconds early"
        );
        assert_eq!(begun(&timetable, 114 * S, 90), None);
    }
}
