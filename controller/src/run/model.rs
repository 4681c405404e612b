//! What a run's machine speaks of: what was asked for, what can happen, what is to be done, and where a run can be.

use crate::exit::ExitCode;
use plan::OnAgentLoss;
use plan::PhaseKind;
use proto::v1::{PhaseTrouble, ProblemKind, RunState, StopMode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An agent's number in the fleet: one life of one process.
pub type AgentId = u64;

/// What whoever started the run asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Wait for so many; 0: all that are there, at least one.
    pub expect: u32,
    /// Go with these when the wait is over; 0: as expected.
    pub min: u32,
    /// How long to wait for them, in nanoseconds.
    pub wait: u64,
    /// Look at the target before sending anything.
    pub preflight: bool,
    /// What becomes of a lost agent's share.
    pub on_loss: OnAgentLoss,
}

impl Needs {
    /// Below this many the run does not begin.
    #[must_use]
    pub fn least(&self) -> usize {
        let least = if self.min == 0 { self.expect } else { self.min };
        least.max(1) as usize
    }
}

/// How long things may take, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// For all agents to get ready.
    pub prepare: u64,
    /// Run time at which the last stage ends.
    pub load: u64,
    /// The longest graceful period after that.
    pub drain: u64,
    /// What agents are granted beyond any deadline, for their last messages.
    pub grace: u64,
    /// How long an agent may go on unheard.
    pub lease: u64,
    /// Shortest time between the order to begin and T0.
    pub lead: u64,
    /// `setupTimeout`; `None` without a setup.
    pub setup: Option<u64>,
    /// `teardownTimeout`; `None` without a teardown.
    pub teardown: Option<u64>,
}

impl Limits {
    /// Of a run whose plan is not known yet.
    #[must_use]
    pub fn new(prepare: u64, lease: u64) -> Self {
        let mut limits = Self {
            prepare,
            load: 0,
            drain: 0,
            grace: 0,
            lease: 0,
            lead: 250_000_000,
            setup: None,
            teardown: None,
        };
        limits.set_lease(lease);
        limits
    }

    /// With another lease, and the grace that follows from it.
    pub fn set_lease(&mut self, lease: u64) {
        self.lease = lease;
        self.grace = lease.saturating_add(2_000_000_000);
    }
}

/// When, and how far away the farthest agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Controller time.
    pub now: u64,
    /// The longest round trip of the run's agents, in nanoseconds.
    pub rtt: u64,
}

/// Why an agent cannot take part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// What it said.
    pub text: String,
}

/// Why setup or teardown did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseProblem {
    /// What kind.
    pub trouble: PhaseTrouble,
    /// For people.
    pub text: String,
}

/// What is kept of setup and teardown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The present, as of the newest step.
    pub now: u64,
    /// Who was told to do setup.
    pub setup_by: Option<AgentId>,
    /// True once something was begun that teardown is to clear up.
    pub owed: bool,
    /// Who could not begin teardown.
    pub unable: Vec<AgentId>,
    /// Controller time until which somebody is waited for who may take over, while nobody makes load.
    pub deserted: Option<u64>,
    /// Who was lost, came back, and has not told all that it saw yet.
    pub telling: BTreeSet<AgentId>,
    /// True if teardown took too long, or nobody knows whether it was done.
    pub teardown_late: bool,
}

/// What happens to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is its turn, or the fleet changed: these agents are idle, in the order of their names.
    Idle(Vec<(AgentId, String)>),
    /// Time went by.
    Tick,
    /// The weights that were asked for do not fit the agents that are there.
    Misfit(String),
    /// An agent answered an assignment.
    Prepared(AgentId, u32, Result<(), Problem>),
    /// An agent's lease ran out, or it left: what and why, for people.
    Gone(AgentId, String),
    /// An agent's part is over.
    Done(AgentId),
    /// An agent's part is over, before all of it was done.
    Left(AgentId),
    /// A lost agent is back and tells what it saw: its share is gone, its end is waited for.
    Returned(AgentId),
    /// One that was back is silent again, for a lease.
    GoneAgain(AgentId),
    /// An idle agent prepares to take part; until this controller time at the latest.
    Coming(u64),
    /// An agent takes part from now on.
    Joined(AgentId, String),
    /// An agent is done with setup or teardown.
    PhaseOver(AgentId, PhaseKind, Result<(), PhaseProblem>),
    /// Somebody wants it to end.
    Stop(StopMode, String),
    /// The load's deadline moved to this controller time.
    Until(u64),
    /// A threshold with `abortOnFail` failed.
    Abort(String),
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Tell whoever watches.
    Announce(RunState, String),
    /// Tell whoever watches, louder.
    Warn(String),
    /// Send these agents, in the order of their seats, the bundle and their part.
    Assign {
        /// Which assignment.
        epoch: u32,
        /// Seat by seat.
        seats: Vec<AgentId>,
        /// Look at the target before answering.
        preflight: bool,
    },
    /// This agent is not part of the run any more.
    Release(AgentId),
    /// Begin at this controller time.
    Go(u64),
    /// This agent is to do setup or teardown.
    RunPhase(AgentId, PhaseKind),
    /// This agent is to cut it.
    CutPhase(AgentId),
    /// All agents are to stop.
    Stop(StopMode, String),
    /// It is over.
    End(Ending),
}

/// Why a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// By itself.
    Finished,
    /// Somebody stopped it.
    Stopped(StopMode),
    /// A threshold with `abortOnFail` failed.
    Aborted,
    /// No agent could reach the target.
    Target,
    /// Too few agents came, or could take part.
    NeverComplete,
    /// Every agent was lost.
    FleetLost,
    /// An agent was lost, and the run was to end then.
    AgentLost,
    /// Setup took longer than its time-out.
    SetupTimeout,
    /// Setup ended itself, or gave too few rows.
    SetupFailed,
    /// The agent that did setup was lost.
    SetupLost,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Why.
    pub why: Why,
    /// For people; empty when it ended by itself.
    pub text: String,
}

impl Ending {
    /// The exit code that the end alone asks for.
    #[must_use]
    pub fn exit(&self) -> Option<ExitCode> {
        match self.why {
            Why::Finished => None,
            Why::Stopped(_) => Some(ExitCode::Interrupted),
            Why::Aborted => Some(ExitCode::Thresholds),
            Why::Target => Some(ExitCode::Invalid),
            Why::NeverComplete | Why::FleetLost | Why::AgentLost | Why::SetupLost => {
                Some(ExitCode::Fleet)
            }
            Why::SetupTimeout => Some(ExitCode::SetupTimeout),
            Why::SetupFailed => Some(ExitCode::ScriptException),
        }
    }
}

/// How far one agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// It was told its part.
    Asked,
    /// It is ready.
    Ready,
    /// It cannot take part.
    Unfit(Problem),
    /// It makes load.
    Running,
    /// It finished its part.
    Done,
    /// It was lost while making load.
    Lost,
}

/// One agent of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub part: Part,
}

/// Where the run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Compiled; its turn has not come.
    Checked,
    /// Waiting for agents.
    Enlisting {
        /// Deadline.
        until: u64,
    },
    /// Agents compile, and look at the target.
    Preflight {
        /// Which assignment.
        epoch: u32,
        /// Deadline.
        until: u64,
    },
    /// One agent does setup; the others wait.
    Setup {
        /// Which assignment.
        epoch: u32,
        /// Who does it.
        agent: AgentId,
        /// Deadline.
        until: u64,
        /// Why the run ends after it, if it was stopped.
        ending: Option<Ending>,
    },
    /// Load is made, from T0 on.
    Load {
        /// Deadline: then it drains.
        until: u64,
    },
    /// Agents finish.
    Drain {
        /// Deadline.
        until: u64,
        /// Why it is ending.
        ending: Ending,
        /// True once agents were told to cut what they do.
        cut: bool,
    },
    /// One agent does teardown.
    Teardown {
        /// Who does it.
        agent: AgentId,
        /// Deadline.
        until: u64,
        /// Why the run ended.
        ending: Ending,
    },
    /// It has ended.
    Over,
}
