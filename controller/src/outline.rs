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

/// By seat, and by open scenario: below which index it may have begun arrivals that the curve had not reached, for it had not heard of
/// a change.
pub type Ahead = BTreeMap<usize, BTreeMap<u32, u64>>;

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
    /// `sure` says of seats that were lost, or late, from which run time on they surely made no load; `ahead`, what they may have begun
    /// before it was due.
    #[must_use]
    pub fn promises(
        &self,
        shares: &Shares,
        pools: &BTreeMap<u32, Pool>,
        cut: Option<u64>,
        sure: &BTreeMap<usize, Until>,
        ahead: &Ahead,
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
                let ahead = |seat: usize| {
                    let below = ahead.get(&seat).and_then(|of| of.get(&index));
                    match (&part.load, below) {
                        (Load::Open { arrivals, .. }, Some(below)) => {
                            self.arrivals_of(part, arrivals, &split, seat, None, *below)
                        }
                        _ => 0,
                    }
                };
                // Of what is not due at a known time, what was not reported is lost.
                let dated = matches!(part.load, Load::Closed(_) | Load::Open { .. });
                let of = |seat: usize| match sure.get(&seat) {
                    None => {
                        let share = own(seat, cut);
                        (share, share)
                    }
                    // Who was lost did not hear of a stop: it went on until its lease was over.
                    Some(Until::Lost(until)) => {
                        let share = own(seat, cut.map(|cut| cut.max(*until))).max(ahead(seat));
                        let known = if dated { own(seat, Some(*until)) } else { 0 };
                        (share, known.max(ahead(seat)).min(share))
                    }
                    // Nobody knows whether one that is late has heard of it.
                    Some(Until::Late(until)) => {
                        let share = own(seat, cut.map(|cut| cut.max(*until))).max(ahead(seat));
                        (share, own(seat, cut).min(share))
                    }
                };
                let (whole, known) = (0..shares.seats()).map(of).unzip();
                let ungranted = pool.map_or(0, |pool| u128::from(pool.total() - pool.granted()));
                let basis = match (&part.load, cut) {
                    (Load::Shared { .. }, _) => Basis::Leased,
                    (Load::PerVu { .. }, None) => Basis::Unmoved,
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
                    ahead: (0..shares.seats()).map(ahead).collect(),
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
                self.arrivals_of(part, arrivals, shares, seat, until, end)
            }
            Load::Shared { .. } => pool.map_or(0, |pool| u128::from(pool.granted_to(seat as u32))),
            // Nobody knows how many iterations a lost agent's VU did: it stays its own.
            Load::PerVu {
                count, iterations, ..
            } => u128::from(shares.under(0).count_below(seat, *count)) * u128::from(*iterations),
        }
    }

    /// A seat's own of the arrivals that are due before a run time, below an index.
    fn arrivals_of(
        &self,
        part: &Part,
        arrivals: &ScaledArrivals,
        shares: &Shares,
        seat: usize,
        until: Option<u64>,
        below: u64,
    ) -> u128 {
        let counted = windows(shares, until).into_iter().map(|(own, from, to)| {
            let from = self.due_before(part, arrivals, from).min(below);
            let to = match Some(to) == until || to == u64::MAX {
                true => below,
                false => self.due_before(part, arrivals, to).min(below),
            };
            let below = own.count_below(seat, to);
            u128::from(below.saturating_sub(own.count_below(seat, from)))
        });
        counted.sum()
    }

    /// Arrivals of open scenarios that are due before a run time.
    #[must_use]
    pub fn due_by(&self, run: u64) -> u64 {
        self.each_due_by(run).map(|(_, due)| due).sum()
    }

    /// The same of each open scenario, by its place in the plan.
    pub fn each_due_by(&self, run: u64) -> impl Iterator<Item = (u32, u64)> + '_ {
        let open = (0..).zip(&self.parts);
        open.filter_map(move |(index, part)| match &part.load {
            Load::Open { arrivals, .. } => Some((index, self.due_before(part, arrivals, run))),
            _ => None,
        })
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
#[path = "outline/tests.rs"]
mod tests;
