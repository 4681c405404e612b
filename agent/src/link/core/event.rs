//! What happens to a link, and what it wants done.

use super::Keep;
use crate::config::{Ended, Error};
use crate::crew::{Report, StopHow};
use crate::fence::Fence;
use crate::orders::{Compiled, Part, Problem};
use crate::phase::{PhaseJob, PhaseReport};
use crate::share::Assignment;
use plan::{Control, Plan};
use proto::v1::{BundleChunk, Health, HeldVus, ScenarioTotals, ToAgent, Welcome};
use std::ops::Range;
use std::sync::Arc;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// Time has passed.
    Time,
    /// The attempt to dial succeeded: what the controller said, and when our hello was sent (boot-time nanoseconds); or failed.
    Dialed(Result<(Welcome, u64), Failure>),
    /// The controller said something.
    Message(ToAgent),
    /// The stream ended or broke, for this reason.
    Broken(String),
    /// The crew saw something. Its end has events of its own.
    Report(Report),
    /// How the crew fares, beside an interval; of use only to what is kept on disk.
    Vitals(Vitals),
    /// The crew is done, after its last report.
    CrewOver {
        /// A stop (or the fence) cut iterations.
        interrupted: bool,
        /// Its last totals.
        last: Vitals,
    },
    /// The crew broke off; what it did not report is lost.
    CrewBroke(Vitals),
    /// The disk is done with so many of [`Action::Keep`], counted from the first; well or not.
    Kept(u64),
    /// The crew could not be mustered.
    NoCrew(String),
    /// A bundle was put together and compiled, or could not be.
    Compiled(String, Result<Compiled, Problem>),
    /// The target was looked at.
    Looked(Look, Result<(), Problem>),
    /// Setup or teardown is over; `None` if its thread broke.
    PhaseOver(Option<PhaseReport>),
    /// Whoever started this agent wants it to end.
    ShutDown,
    /// Whoever started it is gone without a word: it ends at once.
    Abandoned,
}

/// Something to be done.
#[derive(Debug)]
pub enum Action {
    /// Dial the controller, once; [`Event::Dialed`] follows.
    Dial,
    /// Drop the stream.
    HangUp,
    /// Put a run's bundle together and compile it; [`Event::Compiled`] follows.
    Compile(String, Vec<BundleChunk>),
    /// Look at the target; [`Event::Looked`] follows, unless it is given up.
    Look(Look, Arc<Plan>),
    /// Give up looking.
    StopLooking,
    /// Start a crew; [`Event::Report`]s and its end follow, or [`Event::NoCrew`].
    Muster(Muster),
    /// Stop the crew; its end follows. `Interrupt` may come after `Graceful`.
    Stop(StopHow),
    /// Tell the crew what was changed in the run so far.
    Change(Arc<Control>),
    /// Tell the crew what its part is now; [`Report::Taken`] follows.
    Reassign(Assignment),
    /// Hand the crew indexes of a `shared-iterations` scenario.
    Grant {
        /// Which scenario of the plan.
        scenario: usize,
        /// Which indexes.
        indexes: Range<u64>,
        /// There are no more.
        last: bool,
    },
    /// Drop the crew, without waiting for it; it reports no more.
    DropCrew,
    /// Do setup or teardown; [`Event::PhaseOver`] follows.
    Phase(PhaseJob),
    /// Cut it; its report follows.
    CutPhase,
    /// Drop it; no report follows.
    DropPhase,
    /// Do this on disk; [`Event::Kept`] follows.
    Keep(Keep),
    /// End.
    End(Result<Ended, Error>),
}

/// Which look at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// For which run,
    pub run: String,
    /// and which assignment.
    pub epoch: u32,
}

/// A crew that is to be started.
#[derive(Debug, Clone)]
pub struct Muster {
    /// What part it takes.
    pub part: Part,
    /// What the run means, with the rows that are this agent's.
    pub plan: Arc<Plan>,
    /// Run time zero, in boot-time nanoseconds; negative if this machine has booted since.
    pub t0: i64,
    /// Load may be made while this is open.
    pub fence: Arc<Fence>,
    /// What was changed in the run so far.
    pub control: Arc<Control>,
}

/// How a crew fares; all empty without one.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// Running totals, counted apart from the histograms.
    pub totals: Vec<ScenarioTotals>,
    /// How this generator fares.
    pub health: Option<Health>,
    /// Iterations running now.
    pub vus: u32,
    /// VUs that were given away and still finish an iteration here.
    pub held: Vec<HeldVus>,
}

/// Why there is no stream.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The controller does not want us.
    Refused {
        /// What it said.
        reason: String,
        /// It may want us later.
        retry: bool,
    },
    /// It is closing for good.
    SentHome,
    /// Nobody answered, or not as a controller does.
    Unreachable(String),
}
