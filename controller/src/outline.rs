//! What directing needs of a plan: how long it takes, what is planned when, and each seat's promise. Pure.

use crate::clock;
use crate::conservation::{Basis, Promise, Unit};
use crate::lease::Pool;
use plan::{Control, Executor, Plan, ScaledArrivals, ScaledVus, Stripe};
use std::collections::BTreeMap;

/// How one scenario's load is reckoned.
#[derive(Debug, Clone)]
enum Load {
    /// VUs over time.
    Closed(ScaledVus),
    /// Arrivals over time.
    Open(ScaledArrivals),
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
                (_, Some(arrivals)) => Load::Open(arrivals),
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
                    Load::Open(_) => None,
                }
            })
            .sum()
    }

    /// Run time until which a seat has something to do: its last VU's last stage, or its last arrival. What is counted in
    /// iterations may be done at any time.
    #[must_use]
    pub fn lasts(&self, stripe: &Stripe, seat: usize) -> u64 {
        self.parts
            .iter()
            .filter_map(|part| {
                let end = match &part.load {
                    // The VUs at work are always the lowest, so the lowest is at work longest.
                    Load::Closed(vus) => {
                        let vu = stripe.below(seat, vus.max()).next()?;
                        vus.spans(vu).last()?.stop
                    }
                    Load::Open(arrivals) => {
                        let own = stripe.count_below(seat, arrivals.total());
                        arrivals.due_at(stripe.nth(seat, own.checked_sub(1)?))?
                    }
                    Load::Shared { .. } | Load::PerVu { .. } => return None,
                };
                Some(part.start.saturating_add(end))
            })
            .max()
            .unwrap_or(0)
    }

    /// What each seat was to do: all of it, or what was due by the run time at which the run was cut short.
    #[must_use]
    pub fn promises(
        &self,
        stripe: &Stripe,
        pools: &BTreeMap<u32, Pool>,
        cut: Option<u64>,
    ) -> Vec<Promise> {
        (0..)
            .zip(&self.parts)
            .map(|(index, part)| {
                let until = cut.map_or(u64::MAX, |cut| {
                    self.control.stage_time(cut).saturating_sub(part.start)
                });
                let seats = 0..stripe.agents();
                let striped = |total: u64| -> Vec<u128> {
                    seats
                        .clone()
                        .map(|seat| u128::from(stripe.count_below(seat, total)))
                        .collect()
                };
                let (unit, shares) = match &part.load {
                    Load::Closed(vus) => (
                        Unit::VuSeconds,
                        seats
                            .map(|seat| vu_time(vus, stripe.below(seat, vus.max()), until))
                            .collect(),
                    ),
                    Load::Open(arrivals) => {
                        let due = if cut.is_some() && until < arrivals.duration() {
                            arrivals.due_by(until)
                        } else {
                            arrivals.total()
                        };
                        (Unit::Iterations, striped(due))
                    }
                    Load::Shared { .. } => {
                        let pool = pools.get(&index);
                        let granted =
                            |seat| pool.map_or(0, |pool| u128::from(pool.granted_to(seat as u32)));
                        (Unit::Iterations, seats.map(granted).collect())
                    }
                    Load::PerVu {
                        count, iterations, ..
                    } => (
                        Unit::Iterations,
                        striped(*count)
                            .into_iter()
                            .map(|vus| vus * u128::from(*iterations))
                            .collect(),
                    ),
                };
                let ungranted = pools
                    .get(&index)
                    .map_or(0, |pool| u128::from(pool.total() - pool.granted()));
                let basis = match (&part.load, cut) {
                    (Load::Shared { .. }, _) => Basis::Leased,
                    (_, None) | (Load::Closed(_), _) => Basis::Whole,
                    (Load::Open(_), Some(_)) => Basis::DueUntilStopped,
                    (Load::PerVu { .. }, Some(_)) => Basis::DoneUntilStopped,
                };
                Promise {
                    scenario: part.name.clone(),
                    unit,
                    shares,
                    ungranted,
                    basis,
                }
            })
            .collect()
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

/// VU time of these VUs up to a time of the scenario.
fn vu_time(curve: &ScaledVus, vus: impl Iterator<Item = u64>, until: u64) -> u128 {
    vus.flat_map(|vu| curve.spans(vu))
        .map(|span| u128::from(span.stop.min(until).saturating_sub(span.start)))
        .sum()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

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

    fn whole(promises: &[Promise]) -> Vec<u128> {
        promises
            .iter()
            .map(|promise| promise.shares.iter().sum())
            .collect()
    }

    #[test]
    fn promises_of_any_number_of_seats_sum_to_the_whole() {
        let outline = outline();
        let alone = outline.promises(&Stripe::equal(1), &BTreeMap::new(), None);
        assert_eq!(whole(&alone)[1..], [50, 12]);
        for seats in [2, 3, 7] {
            for cut in [None, Some(2 * S)] {
                let all = outline.promises(&Stripe::equal(seats), &BTreeMap::new(), cut);
                let one = outline.promises(&Stripe::equal(1), &BTreeMap::new(), cut);
                assert_eq!(whole(&all), whole(&one), "{seats} seats, cut at {cut:?}");
            }
        }
    }

    #[test]
    fn a_run_that_is_cut_short_promised_what_was_due_by_then() {
        let cut = outline().promises(&Stripe::equal(1), &BTreeMap::new(), Some(2 * S));
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
    fn a_run_is_as_long_as_its_last_stage_and_drains_as_long_as_its_grace() {
        let outline = outline();
        assert_eq!((outline.length, outline.drain), (6 * S, 28 * S));
        assert_eq!(outline.vus_at(3_000_000_000), 10);
        assert_eq!(outline.vus_at(-1), 0);
    }

    #[test]
    fn a_seat_lasts_until_its_last_arrival_or_its_lowest_vus_last_stage() {
        let outline = outline();
        assert_eq!(outline.lasts(&Stripe::equal(1), 0), 5 * S + 900_000_000);
        // Of 60 seats the last owns no arrival and no VU.
        assert_eq!(outline.lasts(&Stripe::equal(60), 59), 0);
        assert_eq!(outline.lasts(&Stripe::equal(60), 5), 4 * S);
    }
}
