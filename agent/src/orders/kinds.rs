//! What happens to an agent's orders, and what is to be done about it.

use crate::config::Ended;
use crate::crew::StopHow;
use plan::{PhaseKind, Plan, Shares};
use proto::v1::{Assign, HeldVus, Prepared, ProblemKind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A bundle that compiled.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// What it means.
    pub plan: Arc<Plan>,
    /// The plan's digest.
    pub digest: Vec<u8>,
}

/// Why a part cannot be taken.
pub type Problem = (ProblemKind, String);

/// What happens to an agent.
#[derive(Debug)]
pub(crate) enum Event {
    /// The first piece of a run's bundle came; `Compiled` follows.
    Bundle(String),
    /// The bundle was put together and compiled, or could not be.
    Compiled(String, Result<Compiled, Problem>),
    /// A part of a run.
    Assign(Assign),
    /// The target was looked at for this assignment.
    Looked {
        /// The run.
        run: String,
        /// The assignment.
        epoch: u32,
        /// What was seen.
        result: Result<(), Problem>,
    },
    /// Load is to begin.
    Go {
        /// The run.
        run: String,
        /// When, in controller time.
        t0_ns: u64,
    },
    /// Setup or teardown is to be done here.
    Phase(String, PhaseKind),
    /// Load is to end.
    Stop(String, StopHow),
    /// The run is to be forgotten.
    Closed(String),
    /// The lease ran out.
    LeaseOver,
    /// The crew goes by an assignment that came after load began.
    Taken {
        /// Which one.
        epoch: u32,
        /// VUs that were given away and are still at work here.
        held: Vec<HeldVus>,
    },
    /// It came too late to give up what it takes away.
    Late(u32),
    /// The crew is done, or could not be mustered.
    Finished,
    /// Every interval was acknowledged after `Done` was sent.
    Saved,
    /// Whoever started this agent wants it to end.
    ShutDown,
    /// A new line to the controller: what it may not have heard is said again.
    Welcome,
    /// Nobody took over the share of an agent that drains, for too long.
    PatienceOver,
    /// The controller closes for good.
    Goodbye,
}

/// What is to be done about it.
#[derive(Debug)]
pub(crate) enum Action {
    /// Look at the target.
    Look {
        /// The run.
        run: String,
        /// For which assignment.
        epoch: u32,
        /// Whose hosts.
        plan: Arc<Plan>,
    },
    /// Tell whether the part is taken.
    Answer(Prepared),
    /// Start a crew.
    Muster {
        /// For what.
        part: Part,
        /// What it is to do.
        plan: Arc<Plan>,
        /// From when, in controller time.
        t0_ns: u64,
    },
    /// Do setup or teardown, unless it is being done or is done: then tell what came of it.
    Phase {
        /// The run.
        run: String,
        /// What it means.
        plan: Arc<Plan>,
        /// Which of the two.
        kind: PhaseKind,
    },
    /// Tell that it cannot be done here.
    Unable {
        /// The run.
        run: String,
        /// Which of the two.
        kind: PhaseKind,
    },
    /// Tell the crew what its part is now; `Taken` or `Late` follows.
    Reassign {
        /// The part.
        part: Part,
        /// What the run means.
        plan: Arc<Plan>,
    },
    /// The controller did not hear that load began: tell it again.
    StartedAgain,
    /// Stop the crew.
    Stop(StopHow),
    /// Shut the fence: no request begins any more.
    Fence,
    /// Send what is left, then `Done`.
    Done,
    /// Drop the crew, the look at the target and unacknowledged intervals.
    Forget,
    /// Ask the controller to give this agent's share to others.
    Drain(String),
    /// Say that this agent leaves.
    Leave,
    /// End.
    End(Ended),
}

/// A part that was taken.
#[derive(Debug, Clone)]
pub struct Part {
    /// The run.
    pub run: String,
    /// The assignment.
    pub epoch: u32,
    /// Which indexes are whose,
    pub shares: Arc<Shares>,
    /// and which are ours; no seat's yet for whoever is to come.
    pub seat: u32,
    /// By scenario: VUs that came and still finish an iteration on the agent that gave them.
    pub waiting: Vec<BTreeSet<u64>>,
}
