//! What handing over speaks of: who sits where, what changed since T0, what can happen, and what is to be done.

use crate::run::AgentId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// When something happens. Times are in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Run time; 0 before T0.
    pub run: u64,
    /// The longest round trip of the run's agents.
    pub rtt: u64,
    /// True while somebody may have begun arrivals that the curve has not reached: it had not heard yet that they are put off.
    pub ahead: bool,
}

/// How somebody stands to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It makes its share.
    Present,
    /// It asked to go and still makes its share.
    Leaving,
    /// Its part was over by itself. Its seat gets nothing more.
    Finished,
    /// It handed its share over.
    Left,
    /// It is lost.
    Lost,
}

/// One seat. Seats are never used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Whose it is.
    pub agent: AgentId,
    /// Its name.
    pub name: String,
    /// Its weight.
    pub weight: u32,
    /// How it stands.
    pub standing: Standing,
}

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A seat's share goes to those that remain.
    Gone(u32),
    /// The next seat came, with this weight.
    Came(u32),
}

/// One change of who has which share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatChange {
    /// Run time from which it holds; not before the change before it.
    pub from: u64,
    /// What changes.
    pub what: What,
    /// Run time at which it was decided.
    pub decided: u64,
    /// How many agents make load from then on.
    pub present: u32,
}

/// VUs by scenario.
pub type Vus = BTreeMap<u32, BTreeSet<u64>>;

/// One agent's part as it is told, whole each time. Weights are those at T0, the same for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which assignment.
    pub epoch: u32,
    /// Its seat. A newcomer that only prepares has the next one, which owns nothing.
    pub seat: u32,
    /// What changed since T0.
    pub changes: Vec<SeatChange>,
    /// VUs that are its own and still finish an iteration elsewhere.
    pub waiting: Vus,
}

/// An agent's answer to its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is ready, or has given up what it is to give up; these VUs still finish an iteration on it.
    Ready(Vus),
    /// The part came after the run time from which it was to hold.
    Late,
    /// It cannot; why, for people.
    Unfit(String),
}

/// An idle agent that may take part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub agent: AgentId,
    /// Its name.
    pub name: String,
    /// The weight it would have.
    pub weight: u32,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// These agents are idle and may take part.
    Idle(Vec<Candidate>),
    /// An agent answered the assignment of this epoch.
    Answered(AgentId, u32, Answer),
    /// An agent that took the assignment of this epoch has these given-up VUs at work.
    Held(AgentId, u32, Vus),
    /// It is sure that an agent makes no load any more.
    Lost(AgentId),
    /// An agent asks to go.
    Drain(AgentId),
    /// An agent's part is over.
    Finished(AgentId),
    /// Time went by.
    Tick,
    /// Nothing is handed over any more: the load is over, or is being stopped.
    Close,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send this idle agent the bundle, and a part that owns nothing.
    Prepare(AgentId, Part),
    /// Send this agent its part, after the rows that it needs for it.
    Assign(AgentId, Part),
    /// This agent takes part from now on, in this seat: send it its part, its rows, and T0.
    Begin(AgentId, Part),
    /// This agent does not take part: why, for people; empty where nothing is wrong.
    Release(AgentId, String),
    /// Nobody is there to take over from this agent, which wants to go: it is to finish what it began.
    Dismiss(AgentId),
    /// These changes, by number, are settled: all who give know, and all who take are told.
    Settled(std::ops::Range<usize>),
    /// For whoever watches, and the report.
    Warn(String),
}
