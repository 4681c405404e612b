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
