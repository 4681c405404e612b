//! What directing needs of a plan: how long it takes, what is planned when, and each seat's promise. Pure.

mod now;

use crate::clock;
use crate::conservation::{Basis, Promise, Unit};
use crate::lease::Pool;
use plan::{Control, Executor, Ownership, Plan, ScaledArrivals, ScaledVus, Shares};
use std::collections::BTreeMap;

/// How one scenario's load is reckoned.
#[derive(Debug, Clone)]
enum Load {
    /// VUs over time.
    Closed(ScaledVus),
    /// Arrivals over time.
    Open {
        /// When they are due.
        arrivals: ScaledArrivals,
        /// VUs that may take them: who owns none of them takes no arrival.
        max_vus: u64,
    },
    /// Indexes that agents lease.
    Shared {
        /// For the progress line.
        vus: ScaledVus,
    },
    /// So many iterations of each VU.
    PerVu {
        /// For the progress line.
        vus: ScaledVus,
        /// VUs.
        count: u64,
        /// Iterations of each.
        iterations: u64,
    },
}

#[derive(Debug, Clone)]
struct Part {
    name: String,
    /// Stage time of its begin.
    start: u64,
    load: Load,
}

/// Run time from which on a seat that did not report its end surely made no load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// It was lost: its lease was over then.
    Lost(u64),
    /// It never reported its end, and is not lost: its lease will be over then.
    Late(u64),
}

/// What directing needs of a plan.
#[derive(Debug, Clone)]
pub struct Outline {
    /// Stage time at which the last stage ends, in nanoseconds.
    pub length: u64,
    /// The longest graceful period after that.
    pub drain: u64,
    control: Control,
    parts: Vec<Part>,
    /// Iterations of the scenarios that lease them, by the scenario's index.
    shared: BTreeMap<u32, u64>,
}

impl Outline {
    /// Of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self::changed(plan, Control::default())
    }

    /// The same plan, changed.
    pub fn change(&mut self, plan: &Plan, control: Control) {
        *self = Self::changed(plan, control);
    }

    fn changed(plan: &Plan, control: Control) -> Self {
        let mut parts = Vec::new();
        let mut shared = BTreeMap::new();
        for (index, scenario) in (0_u32..).zip(&plan.scenarios) {
            let executor = &scenario.executor;
            let load = match (
                control.vus(index as usize, scenario),
                control.arrivals(index as usize, scenario, plan.seed),
            ) {
                (_, Some(arrivals)) => Load::Open {
                    arrivals,
                    max_vus: executor.max_vus(),
                },
                (Some(vus), None) => match executor {
                    Executor::SharedIterations { iterations, .. } => {
                        shared.insert(index, *iterations);
                        Load::Shared { vus }
                    }
                    Executor::PerVuIterations {
                        vus: count,
                        iterations,
                        ..
                    } => Load::PerVu {
                        vus,
                        count: *count,
                        iterations: *iterations,
                    },
                    _ => Load::Closed(vus),
                },
                // Every executor has one or the other.
                (None, None) => continue,
            };
            parts.push(Part {
                name: scenario.name.clone(),
                start: clock::ns(scenario.start_time),
                load,
            });
        }
        let length = plan
            .scenarios
            .iter()
            .map(|scenario| clock::ns(scenario.end()))
            .max()
            .unwrap_or(0);
        Self {
            length,
            drain: clock::ns(plan.load_end()).saturating_sub(length),
            control,
            parts,
            shared,
        }
    }

    /// Pools of the scenarios that lease indexes.
    #[must_use]
    pub fn pools(&self) -> BTreeMap<u32, Pool> {
        self.shared
            .iter()
            .map(|(scenario, iterations)| (*scenario, Pool::new(*iterations)))
            .collect()
    }

    /// Run time at which the last stage ends; in a pause, if it ended at `run`.
    #[must_use]
    pub fn end_at(&self, run: i64) -> u64 {
        let run = u64::try_from(run).unwrap_or(0);
        let ahead = || run + self.length.saturating_sub(self.control.stage_time(run));
        self.control.run_time(self.length).unwrap_or_else(ahead)
    }

    /// True if the stages stand still.
    #[must_use]
    pub fn is_paused(&self, run: i64) -> bool {
        u64::try_from(run).is_ok_and(|run| self.control.is_paused(run))
    }

    /// VUs that closed scenarios are to run at a run time.
    #[must_use]
    pub fn vus_at(&self, run: i64) -> u64 {
        let Ok(run) = u64::try_from(run) else {
            return 0;
        };
        if self.control.is_paused(run) {
            return 0;
        }
        let stage = self.control.stage_time(run);
        self.parts
            .iter()
            .filter_map(|part| {
                let at = stage.checked_sub(part.start)?;
                match &part.load {
                    Load::Closed(vus) | Load::Shared { vus } | Load::PerVu { vus, .. } => {
                        Some(vus.vus_at(at))
                    }
                    Load::Open { .. } => None,
                }
            })
            .sum()
    }

    /// Run time until which a seat has something to do, by all changes so far: its last VU's last stage, or its last arrival. What is
    /// counted in iterations may be done at any time.
    #[must_use]
    pub fn lasts(&self, shares: &Shares, seat: usize) -> u64 {
        let all = shares.changes().len();
        self.parts
            .iter()
            .filter_map(|part| {
                let end = match &part.load {
                    // The VUs at work are always the lowest, so the lowest is at work longest.
                    Load::Closed(vus) => {
                        let vu = shares.under(all).below(seat, vus.max()).next()?;
                        vus.spans(vu).last()?.stop
                    }
                    Load::Open { arrivals, max_vus } => {
                        let shares = shares.of_arrivals(*max_vus);
                        let own = shares.under(all);
                        let count = own.count_below(seat, arrivals.total());
                        arrivals.due_at(own.nth(seat, count.checked_sub(1)?))?
                    }
                    Load::Shared { .. } | Load::PerVu { .. } => return None,
                };
                Some(part.start.saturating_add(end))
            })
            .max()
            .unwrap_or(0)
    }

    /// What each seat was to do while it was its own: all of it, or what was due by the run time at which the run was cut short.
    /// `sure` says of seats that were lost, or late, from which run time on they surely made no load.
    #[must_use]
    pub fn promises(
        &self,
        shares: &Shares,
        pools: &BTreeMap<u32, Pool>,
        cut: Option<u64>,
        sure: &BTreeMap<usize, Until>,
    ) -> Vec<Promise> {
        (0..)
            .zip(&self.parts)
            .map(|(index, part)| {
                let pool = pools.get(&index);
                let split = match &part.load {
                    Load::Open { max_vus, .. } => shares.of_arrivals(*max_vus),
                    _ => shares.clone(),
                };
                let own = |seat, until| self.owned(part, &split, pool, seat, until);
                // Of what is not due at a known time, what was not reported is lost.
                let dated = matches!(part.load, Load::Closed(_) | Load::Open { .. });
                let of = |seat: usize| match sure.get(&seat) {
                    None => {
                        let share = own(seat, cut);
                        (share, share)
                    }
                    // Who was lost did not hear of a stop: it went on until its lease was over.
                    Some(Until::Lost(until)) => {
                        let share = own(seat, cut.map(|cut| cut.max(*until)));
                        let known = if dated { own(seat, Some(*until)) } else { 0 };
                        (share, known.min(share))
                    }
                    // Nobody knows whether one that is late has heard of it.
                    Some(Until::Late(until)) => {
                        let share = own(seat, cut.map(|cut| cut.max(*until)));
                        (share, own(seat, cut).min(share))
                    }
                };
                let (whole, known) = (0..shares.seats()).map(of).unzip();
                let ungranted = pool.map_or(0, |pool| u128::from(pool.total() - pool.granted()));
                let basis = match (&part.load, cut) {
                    (Load::Shared { .. }, _) => Basis::Leased,
                    (_, None) | (Load::Closed(_), _) => Basis::Whole,
                    (Load::Open { .. }, Some(_)) => Basis::DueUntilStopped,
                    (Load::PerVu { .. }, Some(_)) => Basis::DoneUntilStopped,
                };
                Promise {
                    scenario: part.name.clone(),
                    unit: match part.load {
                        Load::Closed(_) => Unit::VuSeconds,
                        _ => Unit::Iterations,
                    },
                    shares: whole,
                    sure: known,
                    moved: !shares.changes().is_empty(),
                    ungranted,
                    basis,
                }
            })
            .collect()
    }

    /// What was a seat's own up to a run time; to the end without one. An open scenario's shares are those of its arrivals.
    fn owned(
        &self,
        part: &Part,
        shares: &Shares,
        pool: Option<&Pool>,
        seat: usize,
        until: Option<u64>,
    ) -> u128 {
        match &part.load {
            Load::Closed(vus) => {
                let end = until.unwrap_or(u64::MAX);
                let tenures = shares.tenures(seat, vus.max());
                let held = tenures.map(|tenure| {
                    let windows = tenure.windows.iter().map(|(from, to)| {
                        let from = self.scenario_time(part, *from);
                        (from, self.scenario_time(part, (*to).min(end)))
                    });
                    vu_time(vus, tenure.index, windows)
                });
                held.sum()
            }
            Load::Open { arrivals, .. } => {
                let end = until.map_or(arrivals.total(), |until| {
                    let until = self.scenario_time(part, until);
                    if until < arrivals.duration() {
                        arrivals.due_by(until)
                    } else {
                        arrivals.total()
                    }
                });
                let counted = windows(shares, until).into_iter().map(|(own, from, to)| {
                    let from = self.due_before(part, arrivals, from).min(end);
                    let to = match Some(to) == until || to == u64::MAX {
                        true => end,
                        false => self.due_before(part, arrivals, to).min(end),
                    };
                    let below = own.count_below(seat, to);
                    u128::from(below.saturating_sub(own.count_below(seat, from)))
                });
                counted.sum()
            }
            Load::Shared { .. } => pool.map_or(0, |pool| u128::from(pool.granted_to(seat as u32))),
            // Nobody knows how many iterations a lost agent's VU did: it stays its own.
            Load::PerVu {
                count, iterations, ..
            } => u128::from(shares.under(0).count_below(seat, *count)) * u128::from(*iterations),
        }
    }

    /// Arrivals of open scenarios that are due before a run time.
    #[must_use]
    pub fn due_by(&self, run: u64) -> u64 {
        let due = |part: &Part| match &part.load {
            Load::Open { arrivals, .. } => self.due_before(part, arrivals, run),
            _ => 0,
        };
        self.parts.iter().map(due).sum()
    }

    /// Names of open scenarios, or of closed ones.
    pub fn named(&self, open: bool) -> impl Iterator<Item = &str> {
        let wanted = move |part: &&Part| matches!(part.load, Load::Open { .. }) == open;
        self.parts
            .iter()
            .filter(wanted)
            .map(|part| part.name.as_str())
    }

    /// A scenario's own time at a run time.
    fn scenario_time(&self, part: &Part, run: u64) -> u64 {
        match run {
            u64::MAX => u64::MAX,
            run => self.control.stage_time(run).saturating_sub(part.start),
        }
    }

    /// How many arrivals are due before a run time.
    fn due_before(&self, part: &Part, arrivals: &ScaledArrivals, run: u64) -> u64 {
        let total = arrivals.total();
        let due = |index: u64| {
            let stage = part.start.saturating_add(arrivals.due_at(index)?);
            self.control.run_time(stage)
        };
        let mut count = arrivals.due_by(self.scenario_time(part, run)).min(total);
        while count > 0 && due(count - 1).is_none_or(|due| due >= run) {
            count -= 1;
        }
        while count < total && due(count).is_some_and(|due| due < run) {
            count += 1;
        }
        count
    }

    /// True if the plan has a scenario of that name.
    #[must_use]
    pub fn knows(&self, scenario: &str) -> bool {
        self.parts.iter().any(|part| part.name == scenario)
    }

    /// The name of a scenario by its index.
    #[must_use]
    pub fn name(&self, scenario: u32) -> Option<&str> {
        self.parts
            .get(scenario as usize)
            .map(|part| part.name.as_str())
    }
}

/// Who owns what, and from when to when (run time), up to `until`.
fn windows(shares: &Shares, until: Option<u64>) -> Vec<(Ownership<'_>, u64, u64)> {
    let until = until.unwrap_or(u64::MAX);
    let mut edges: Vec<u64> = shares
        .changes()
        .iter()
        .map(|(from, _)| (*from).min(until))
        .collect();
    edges.insert(0, 0);
    edges.push(until);
    edges
        .windows(2)
        .enumerate()
        .filter(|(_, edge)| edge[0] < edge[1])
        .map(|(changes, edge)| (shares.under(changes), edge[0], edge[1]))
        .collect()
}

/// VU time of a VU within windows of the scenario's time.
fn vu_time(curve: &ScaledVus, vu: u64, windows: impl Iterator<Item = (u64, u64)>) -> u128 {
    let spans = curve.spans(vu);
    let within = |from: u64, to: u64| -> u128 {
        let overlaps = spans.iter();
        let overlap = overlaps.map(|span| span.stop.min(to).saturating_sub(span.start.max(from)));
        overlap.map(u128::from).sum()
    };
    windows.map(|(from, to)| within(from, to)).sum()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use plan::SeatChange;

    const S: u64 = 1_000_000_000;

    fn outline() -> Outline {
        let source = "
scenarios:
  ramp: { executor: ramping-vus, startVUs: 0, stages: [{ duration: 1s, target: 10 }, { duration: 3s, target: 10 }] }
  open: { executor: constant-arrival-rate, rate: 10, duration: 5s, preAllocatedVUs: 1, startTime: 1s, gracefulStop: 2s }
  own: { executor: per-vu-iterations, vus: 4, iterations: 3, maxDuration: 2s, gracefulStop: 1s }
flows:
  default:
    - get: http://127.0.0.1:9/
";
        let bundle = plan::Bundle {
            source: source.to_owned(),
            ..plan::Bundle::default()
        };
        Outline::new(&plan::compile(&bundle).unwrap())
    }

    fn none_sure() -> BTreeMap<usize, Until> {
        BTreeMap::new()
    }

    fn equal(seats: usize) -> Shares {
        Shares::new(vec![1; seats]).unwrap()
    }

    fn whole(promises: &[Promise]) -> Vec<u128> {
        promises
            .iter()
            .map(|promise| promise.shares.iter().sum())
            .collect()
    }

    #[test]
    fn promises_of_any_number_of_seats_sum_to_the_whole() {
        let outline = outline();
        let alone = outline.promises(&equal(1), &BTreeMap::new(), None, &BTreeMap::new());
        assert_eq!(whole(&alone)[1..], [50, 12]);
        for seats in [2, 3, 7] {
            for cut in [None, Some(2 * S)] {
                let all = outline.promises(&equal(seats), &BTreeMap::new(), cut, &BTreeMap::new());
                let one = outline.promises(&equal(1), &BTreeMap::new(), cut, &BTreeMap::new());
                assert_eq!(whole(&all), whole(&one), "{seats} seats, cut at {cut:?}");
            }
        }
    }

    #[test]
    fn shares_that_change_hands_sum_to_the_whole_at_every_cut() {
        let outline = outline();
        let none = BTreeMap::new();
        for cut in [None, Some(S), Some(2 * S), Some(2 * S + 123_456_789)] {
            let one = outline.promises(&equal(1), &none, cut, &none_sure());
            let mut shares = equal(3);
            let changes = [
                (S / 2, SeatChange::Gone(1)),
                (S, SeatChange::Came(2)),
                (S, SeatChange::Came(1)),
                (2 * S + 50_000_000, SeatChange::Gone(0)),
            ];
            for (from, change) in changes {
                shares.change(from, change).unwrap();
                let all = outline.promises(&shares, &none, cut, &none_sure());
                assert_eq!(whole(&all), whole(&one), "{change:?}, cut at {cut:?}");
            }
        }
    }

    #[test]
    fn a_lost_seat_promised_until_its_share_was_handed_on_and_lived_for_sure_only_until_its_lease_ended()
     {
        let outline = outline();
        let mut shares = equal(2);
        shares.change(3 * S, SeatChange::Gone(0)).unwrap();
        let sure = BTreeMap::from([(0, Until::Lost(2 * S))]);
        let promises = outline.promises(&shares, &BTreeMap::new(), None, &sure);
        // It had the one VU, so all arrivals from 1 s on, 10 a second: twenty before 3 s, eleven until its lease's end.
        assert_eq!(promises[1].shares, [20, 30]);
        assert_eq!(promises[1].sure, [11, 30]);
        // Five VUs, one more second of them until the hand-over.
        assert_eq!(
            promises[0].shares[0] - promises[0].sure[0],
            5 * u128::from(S)
        );
        assert_eq!(
            (promises[2].shares[0], promises[2].sure[0]),
            (6, 0),
            "nobody knows when an iteration was done"
        );
    }

    #[test]
    fn a_run_that_is_cut_short_promised_what_was_due_by_then() {
        let cut = outline().promises(&equal(1), &BTreeMap::new(), Some(2 * S), &BTreeMap::new());
        let whole = whole(&cut);
        // 10 VUs for the second second, and the ramp's 10 steps in the first: 0.1 + … + 0.9 (or 1.0) VU s.
        assert!(
            (14_400_000_000..=15_600_000_000).contains(&whole[0]),
            "{whole:?}"
        );
        // Due at 1 s, 1.1 s, …, and those of 2 s itself or not.
        assert!((10..=11).contains(&whole[1]), "{whole:?}");
    }

    #[test]
    fn who_is_late_at_a_stop_promised_what_its_lease_may_have_let_it_do() {
        // The second seat has every arrival but the first's, ten a second from 1 s on, and five VUs.
        let promises = |cut, sure: Option<Until>| {
            let sure = sure.map(|until| (0, until)).into_iter().collect();
            outline().promises(&equal(2), &BTreeMap::new(), cut, &sure)
        };
        for (name, cut, until, [open, known]) in [
            ("not cut", None, Some(Until::Late(2 * S)), [50, 50]),
            ("cut, and told", Some(2 * S), None, [11, 11]),
            (
                "cut, and late",
                Some(2 * S),
                Some(Until::Late(4 * S)),
                [31, 11],
            ),
            (
                "its lease was over before",
                Some(2 * S),
                Some(Until::Late(S)),
                [11, 11],
            ),
        ] {
            let promises = promises(cut, until);
            let (share, sure) = (promises[1].shares[0], promises[1].sure[0]);
            assert_eq!([share, sure], [open, known], "{name}");
            let vu_time = promises[0].shares[0] - promises[0].sure[0];
            let beyond = if open == known {
                0
            } else {
                5 * 2 * u128::from(S)
            };
            assert_eq!(vu_time, beyond, "{name}");
        }
    }

    #[test]
    fn a_run_is_as_long_as_its_last_stage_and_drains_as_long_as_its_grace() {
        let outline = outline();
        assert_eq!((outline.length, outline.drain), (6 * S, 28 * S));
        assert_eq!(outline.vus_at(3_000_000_000), 10);
        assert_eq!(outline.vus_at(-1), 0);
    }

    #[test]
    fn a_seat_lasts_until_its_last_arrival_or_its_lowest_vus_last_stage() {
        let outline = outline();
        assert_eq!(outline.lasts(&equal(1), 0), 5 * S + 900_000_000);
        // Of 60 seats the last owns no arrival and no VU.
        assert_eq!(outline.lasts(&equal(60), 59), 0);
        assert_eq!(outline.lasts(&equal(60), 5), 4 * S);
    }
}
