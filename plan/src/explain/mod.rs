//! What a plan comes to, before anything is sent: the whole load and every agent's share of it, over time.
//!
//! The numbers are those that agents act on: the same curves, the same stripe. Knows nothing of how it is shown, beyond the two
//! ways it can be: [`Explanation::json`] for programs, [`Explanation::text`] for people.

mod chart;
mod erlang;
mod json;
mod memory;
mod text;

use crate::{ArrivalCurve, Executor, Plan, Scenario, SeatChange, Shares, Stripe, VuCurve};
use memory::{Memory, peak};

/// Changes of a VU curve beyond this many are not listed: nobody reads them, and the plan of a hundred million VUs has as many.
pub const MOST_STEPS: usize = 1_000_000;

/// A plan over a fleet.
#[derive(Debug, Clone)]
pub struct Explanation<'a> {
    plan: &'a Plan,
    stripe: Stripe,
    scenarios: Vec<Load<'a>>,
    memory: Memory,
    /// Arrivals to list, of each scenario and agent.
    arrivals: u64,
}

/// One scenario's load.
#[derive(Debug, Clone)]
struct Load<'a> {
    scenario: &'a Scenario,
    curve: Curve,
}

#[derive(Debug, Clone)]
enum Curve {
    /// VUs over time; its changes, and those of the VUs that may still be at work in a graceful period.
    Closed {
        vus: VuCurve,
        raw: Vec<Change>,
        graceful: Vec<Change>,
    },
    /// Arrivals over time, and whose they are: agents without a VU get none.
    Open {
        arrivals: ArrivalCurve,
        stripe: Stripe,
    },
}

/// So many VUs from here on; nanoseconds since the scenario's begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    t: u64,
    vus: u64,
}

/// Whose share is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Whole,
    Agent(usize),
}

impl<'a> Explanation<'a> {
    /// Of a plan over a fleet; the first `arrivals` instants of each open scenario are listed in JSON.
    #[must_use]
    pub fn new(plan: &'a Plan, stripe: Stripe, arrivals: u64) -> Self {
        let scenarios = plan
            .scenarios
            .iter()
            .filter_map(|scenario| Load::new(scenario, plan.seed, &stripe))
            .collect();
        Self {
            plan,
            scenarios,
            memory: Memory::new(plan),
            stripe,
            arrivals,
        }
    }

    fn agents(&self) -> impl Iterator<Item = usize> + '_ {
        0..self.stripe.agents()
    }

    /// The most VUs that one agent has once the first one is lost and the others have its share, at one time.
    fn vus_after_loss(&self) -> u64 {
        let mut shares = Shares::from(self.stripe.clone());
        // The first seat is there.
        let _ = shares.change(0, SeatChange::Gone(0));
        let own = shares.under(usize::MAX);
        let vus = |seat: usize| {
            peak(&self.scenarios, |load| {
                let executor = &load.scenario.executor;
                match executor.vus_move() {
                    true => own.count_below(seat, executor.max_vus()),
                    false => self.stripe.count_below(seat, executor.max_vus()),
                }
            })
        };
        self.agents().skip(1).map(vus).max().unwrap_or(0)
    }

    /// Rows that setup gives to an agent, if it gives as many as are needed.
    fn given_rows(&self, agent: usize) -> u64 {
        let shares = Shares::from(self.stripe.clone());
        let sets = self
            .memory
            .data
            .iter()
            .enumerate()
            .filter(|(_, data)| data.given);
        sets.map(|(id, data)| self.plan.rows_of(id, &shares, agent, data.taken).len() as u64)
            .sum()
    }
}

impl<'a> Load<'a> {
    fn new(scenario: &'a Scenario, seed: u64, stripe: &Stripe) -> Option<Self> {
        let executor = &scenario.executor;
        let curve = match (
            executor.vu_curve(scenario.graceful_stop),
            scenario.arrival_curve(seed),
        ) {
            (_, Some(arrivals)) => Curve::Open {
                arrivals,
                stripe: stripe.of_arrivals(executor.max_vus()),
            },
            (Some(vus), None) => Curve::Closed {
                raw: changes(vus.steps()),
                graceful: changes(vus.held_steps()),
                vus,
            },
            // Every executor has one or the other.
            (None, None) => return None,
        };
        Some(Self { scenario, curve })
    }

    /// How many of a number of VUs are of `of`.
    fn share(stripe: &Stripe, of: Of, vus: u64) -> u64 {
        match of {
            Of::Whole => vus,
            Of::Agent(agent) => stripe.count_below(agent, vus),
        }
    }

    /// VUs that begin iterations, over time; of an open scenario those made before the start.
    fn raw(&self, stripe: &Stripe, of: Of) -> Vec<Change> {
        match &self.curve {
            Curve::Closed { raw, .. } => shared(raw, stripe, of),
            Curve::Open { arrivals, .. } => self.pool(arrivals.duration(), stripe, of),
        }
    }

    /// VUs that may be at work, graceful periods included.
    fn graceful(&self, stripe: &Stripe, of: Of) -> Vec<Change> {
        match &self.curve {
            Curve::Closed { graceful, .. } => shared(graceful, stripe, of),
            Curve::Open { arrivals, .. } => {
                let grace = crate::duration::as_nanos(self.scenario.graceful_stop);
                self.pool(arrivals.duration() + grace, stripe, of)
            }
        }
    }

    fn pool(&self, until: u64, stripe: &Stripe, of: Of) -> Vec<Change> {
        let vus = self.scenario.executor.vus_initialised();
        let whole = [Change { t: 0, vus }, Change { t: until, vus: 0 }];
        shared(&whole, stripe, of)
    }

    /// Arrivals in all.
    fn arrivals(&self, of: Of) -> u64 {
        match &self.curve {
            Curve::Closed { .. } => 0,
            Curve::Open { arrivals, stripe } => Self::share(stripe, of, arrivals.total()),
        }
    }

    /// The first arrivals: their indexes in the whole, and when they are due in nanoseconds since the scenario's begin.
    fn first(&self, of: Of, most: u64) -> Vec<(u64, u64)> {
        let Curve::Open { arrivals, stripe } = &self.curve else {
            return Vec::new();
        };
        (0..self.arrivals(of).min(most))
            .map(|k| match of {
                Of::Whole => k,
                Of::Agent(agent) => stripe.nth(agent, k),
            })
            .filter_map(|index| Some((index, arrivals.due_at(index)?)))
            .collect()
    }

    /// Iterations, where the plan knows how many: `None` where time alone ends them. What agents lease of shared iterations as
    /// they go is nobody's beforehand.
    fn iterations(&self, stripe: &Stripe, of: Of) -> Option<u64> {
        match (&self.scenario.executor, of) {
            (executor, Of::Whole) => executor.iterations(),
            (Executor::SharedIterations { .. }, Of::Agent(_)) => None,
            (
                Executor::PerVuIterations {
                    vus, iterations, ..
                },
                of,
            ) => Some(Self::share(stripe, of, *vus).saturating_mul(*iterations)),
            (executor, of) => executor.is_open().then(|| self.arrivals(of)),
        }
    }

    /// VU time of a closed scenario, graceful periods not included; nanoseconds.
    fn vu_nanos(&self, stripe: &Stripe, of: Of) -> u128 {
        if self.scenario.executor.is_open() {
            return 0;
        }
        let raw = self.raw(stripe, of);
        raw.windows(2)
            .map(|pair| u128::from(pair[1].t - pair[0].t) * u128::from(pair[0].vus))
            .sum()
    }

    /// The most VUs it may have.
    fn max_vus(&self, stripe: &Stripe, of: Of) -> u64 {
        Self::share(stripe, of, self.scenario.executor.max_vus())
    }
}

fn changes(steps: impl Iterator<Item = (u64, u64)>) -> Vec<Change> {
    steps
        .take(MOST_STEPS)
        .map(|(t, vus)| Change { t, vus })
        .collect()
}

/// The changes of a share; where the whole changes and the share does not, nothing is said. The first and the last stay.
fn shared(whole: &[Change], stripe: &Stripe, of: Of) -> Vec<Change> {
    let mut list: Vec<Change> = Vec::new();
    for change in whole {
        let vus = Load::share(stripe, of, change.vus);
        if list.last().is_none_or(|last| last.vus != vus) {
            list.push(Change { t: change.t, vus });
        }
    }
    list
}
