//! Whose what is, as this agent's workers were told, one telling after the other.
//!
//! Ownership itself is `plan`'s: a function of run time. What is kept here beside it is from when on this agent's workers divide their
//! agent's part by it, so that all of them do so at the same instant of the run, and no index is begun by two workers or by none.

use plan::{Control, Plan, Scenario, Shares};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One version of whose what is.
#[derive(Debug, Clone)]
pub(crate) struct Telling {
    pub(crate) shares: Arc<Shares>,
    /// By scenario: whose arrivals are, if it is open. Worked out once, for all workers.
    arrivals: Vec<Option<Arc<Shares>>>,
    /// Run time from which workers divide arrivals by it,
    pub(crate) at: u64,
    /// under these changes of the run.
    pub(crate) control: Arc<Control>,
}

impl Telling {
    fn new(shares: Arc<Shares>, plan: &Plan, at: u64, control: Arc<Control>) -> Self {
        let of = |scenario: &Scenario| {
            let executor = &scenario.executor;
            let open = executor.is_open();
            open.then(|| Arc::new(shares.of_arrivals(executor.max_vus())))
        };
        Self {
            arrivals: plan.scenarios.iter().map(of).collect(),
            shares,
            at,
            control,
        }
    }

    /// Whose an open scenario's arrivals are.
    pub(crate) fn arrivals(&self, scenario: usize) -> Option<&Arc<Shares>> {
        self.arrivals.get(scenario)?.as_ref()
    }
}

/// What is this agent's.
#[derive(Debug)]
pub(crate) struct Share {
    /// Of the newest assignment.
    pub(crate) epoch: u32,
    /// Ours.
    pub(crate) seat: usize,
    /// At least one.
    tellings: Vec<Telling>,
    /// By scenario: VUs that are this agent's now and still finish an iteration on the agent that gave them.
    pub(crate) waiting: Vec<BTreeSet<u64>>,
    /// With the rows that setup gave to this agent's VUs and arrivals.
    pub(crate) plan: Arc<Plan>,
}

impl Share {
    /// What a crew begins with.
    pub(crate) fn new(
        epoch: u32,
        seat: usize,
        shares: Arc<Shares>,
        waiting: Vec<BTreeSet<u64>>,
        plan: Arc<Plan>,
    ) -> Self {
        let first = Telling::new(shares, &plan, 0, Arc::default());
        Self {
            epoch,
            seat,
            tellings: vec![first],
            waiting,
            plan,
        }
    }

    /// This, after an assignment that came. Workers go by it from run time `at` (asked for when all is worked out) on, or from the moment at which something is to be given
    /// away if that is earlier.
    pub(crate) fn next(
        &self,
        assignment: Assignment,
        control: &Arc<Control>,
        at: impl FnOnce() -> u64,
    ) -> Self {
        let Assignment {
            epoch,
            shares,
            waiting,
            plan,
        } = assignment;
        let mut tellings = self.tellings.clone();
        if *shares != **self.shares() {
            let given = shares.takes_from(self.seat, self.shares());
            let mut telling = Telling::new(shares, &plan, 0, Arc::clone(control));
            let at = at();
            telling.at = given.map_or(at, |from| from.min(at));
            tellings.push(telling);
        }
        Self {
            epoch,
            seat: self.seat,
            tellings,
            waiting,
            plan,
        }
    }

    /// The newest.
    pub(crate) fn shares(&self) -> &Arc<Shares> {
        &self.newest().shares
    }

    fn newest(&self) -> &Telling {
        // There is a first one, and none is taken away.
        &self.tellings[self.tellings.len() - 1]
    }

    /// All, in order.
    pub(crate) fn tellings(&self) -> &[Telling] {
        &self.tellings
    }

    /// True while a VU that came still finishes an iteration elsewhere.
    pub(crate) fn waits_for(&self, scenario: usize, vu: u64) -> bool {
        let waiting = self.waiting.get(scenario);
        waiting.is_some_and(|waiting| waiting.contains(&vu))
    }
}

/// By scenario: VUs that are a seat's at a run time or later, and go to others after it, as is known already.
pub(crate) fn to_be_given(
    plan: &Plan,
    control: &Control,
    shares: &Shares,
    seat: usize,
    run: u64,
) -> Vec<BTreeSet<u64>> {
    let of = |(index, scenario): (usize, &Scenario)| {
        let Some(vus) = control
            .vus(index, scenario)
            .filter(|_| scenario.executor.vus_move())
        else {
            return BTreeSet::new();
        };
        let ends = |windows: &[(u64, u64)]| {
            let mut ends = windows.iter().map(|(_, to)| *to);
            ends.any(|to| run < to && to < u64::MAX)
        };
        let own = shares.tenures(seat, vus.max());
        own.filter(|tenure| ends(&tenure.windows))
            .map(|tenure| tenure.index)
            .collect()
    };
    plan.scenarios.iter().enumerate().map(of).collect()
}

/// A newer assignment, for a crew at work.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Its number.
    pub epoch: u32,
    /// Whose what is.
    pub shares: Arc<Shares>,
    /// By scenario: VUs that came and still finish an iteration on the agent that gave them.
    pub waiting: Vec<BTreeSet<u64>>,
    /// The plan with the rows that are needed from now on.
    pub plan: Arc<Plan>,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use plan::SeatChange;

    #[test]
    fn what_is_to_be_given_is_what_a_change_to_come_takes_away() {
        let bundle = plan::Bundle {
            source: "
scenarios:
  moves: { executor: constant-vus, vus: 6, duration: 9s }
  stays: { executor: per-vu-iterations, vus: 6, iterations: 1 }
  open: { executor: constant-arrival-rate, rate: 1, duration: 9s, preAllocatedVUs: 6 }
flows: { default: [{ get: http://127.0.0.1/ }] }
"
            .to_owned(),
            ..plan::Bundle::default()
        };
        let plan = plan::compile(&bundle).unwrap();
        let mut shares = Shares::equal(2);
        shares.change(1_000, SeatChange::Gone(0)).unwrap();
        shares.change(2_000, SeatChange::Came(1)).unwrap();
        let own = |changes: usize, seat: usize| -> BTreeSet<u64> {
            shares.under(changes).below(seat, 6).collect()
        };
        let kept = own(2, 1);
        let taken: BTreeSet<u64> = (0..6).filter(|vu| !kept.contains(vu)).collect();
        for (seat, run, given) in [
            (0, 0, own(0, 0)),
            (0, 1_000, BTreeSet::new()),
            (1, 0, taken.clone()),
            (1, 1_999, taken),
            (1, 2_000, BTreeSet::new()),
            (2, 0, BTreeSet::new()),
        ] {
            let all = to_be_given(&plan, &Control::default(), &shares, seat, run);
            let nothing = BTreeSet::new();
            assert_eq!(
                all,
                [given, nothing.clone(), nothing],
                "seat {seat} at {run}"
            );
        }
    }
}
