//! What an agent does about its orders: `step(event) -> actions`, pure.
//!
//! It knows runs, epochs and plans by reference; clocks, streams and crews are its link's business. A run goes through
//! `preparing` (its bundle compiles, the target is looked at), `ready` (or `unfit`), `load` (with a crew), `over` (its last
//! intervals are on their way). `fenced` is load whose lease ran out. The newest assignment counts: another run's replaces
//! everything; the same run's newer one is taken in its place, which its crew does at a run time that is still to come. Told to end in load, an agent asks to hand over its share (`draining`) and goes
//! on, until there is nothing left for it to do or its patience is over (`leaving`); then it flushes (`going`).
//!
//! The table below is the test data of `orders/table.rs`. `r.2` is run r in epoch 2; `-` is nothing.
#![doc = ""]
#![doc = include_str!("orders/table.md")]

mod kinds;
#[cfg(test)]
mod table;

pub(crate) use kinds::{Action, Event};
pub use kinds::{Compiled, Part, Problem};

use crate::config::Ended;
use crate::crew::StopHow;
use plan::{PhaseKind, Plan, SeatChange, Shares};
use proto::v1::seat_change::Change;
use proto::v1::{Assign, HeldVus, Prepared, ProblemKind};
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Debug, Default)]
enum Bundle {
    #[default]
    None,
    Coming(String),
    Here(String, Result<Compiled, Problem>),
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Preparing {
        part: Part,
        preflight: bool,
    },
    Answered {
        answer: Prepared,
        /// The part and its plan, unless there was a problem.
        fit: Option<(Part, Arc<Plan>)>,
    },
    Load {
        run: String,
        epoch: u32,
        seat: u32,
        fenced: bool,
        /// An assignment that came since, until the crew goes by it.
        asked: Option<u32>,
    },
    Over {
        run: String,
        epoch: u32,
        seat: u32,
    },
    Ended,
}

/// The orders an agent has.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    state: State,
    bundle: Bundle,
    /// A part on another seat of the run whose part is over.
    again: Option<Assign>,
    /// It is to end,
    leaving: bool,
    /// but goes on until its share is handed over.
    draining: bool,
}

impl Orders {
    /// The run it is part of, as heartbeats name it.
    pub(crate) fn run(&self) -> Option<&str> {
        match &self.state {
            State::Idle | State::Ended => None,
            State::Preparing { part, .. } => Some(&part.run),
            State::Answered { answer, .. } => Some(&answer.run),
            State::Load { run, .. } | State::Over { run, .. } => Some(run),
        }
    }

    /// The newest assignment that was taken, as heartbeats name it; 0 without one.
    pub(crate) fn epoch(&self) -> u32 {
        match &self.state {
            State::Idle | State::Ended => 0,
            State::Preparing { part, .. } => part.epoch,
            State::Answered { answer, .. } => answer.epoch,
            State::Load { epoch, .. } | State::Over { epoch, .. } => *epoch,
        }
    }

    /// True while something must end when the lease does.
    pub(crate) fn holds_lease(&self) -> bool {
        matches!(
            self.state,
            State::Preparing { .. } | State::Answered { .. } | State::Load { fenced: false, .. }
        )
    }

    /// True while a crew is at work, so that losing the controller is not the end yet.
    pub(crate) fn in_load(&self) -> bool {
        matches!(self.state, State::Load { .. })
    }

    /// True once the part is over and only its last messages are on their way.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over { .. })
    }

    /// True once this agent is to end.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// True while it goes on only until its share is handed over.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining && self.in_load()
    }

    /// Decides. The table above says what.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Bundle(run) => {
                self.bundle = Bundle::Coming(run);
                Vec::new()
            }
            Event::Compiled(run, result) => self.compiled(run, result),
            Event::Assign(assign) => self.assign(assign),
            Event::Looked { run, epoch, result } => self.looked(&run, epoch, result),
            Event::Go { run, t0_ns } => self.go(&run, t0_ns),
            Event::Phase(run, kind) => self.phase(run, kind),
            Event::Stop(of, how) => match &self.state {
                State::Load { run, .. } if *run == of => vec![Action::Stop(how)],
                _ => Vec::new(),
            },
            Event::Closed(run) => self.closed(&run),
            Event::LeaseOver => self.lease_over(),
            Event::Taken { epoch, held } => self.taken(epoch, held),
            Event::Late(epoch) => self.late(epoch),
            Event::Finished => self.finished(),
            Event::Saved => self.saved(),
            Event::ShutDown => self.shut_down(),
            Event::Welcome => self.ask(),
            Event::PatienceOver if self.is_draining() => {
                self.draining = false;
                vec![Action::Stop(StopHow::Graceful)]
            }
            Event::PatienceOver => Vec::new(),
            Event::Goodbye => {
                self.state = State::Ended;
                vec![Action::Forget, Action::End(Ended::Goodbye)]
            }
        }
    }

    fn compiled(&mut self, run: String, result: Result<Compiled, Problem>) -> Vec<Action> {
        // Of two bundles that follow each other the first one's result comes too late.
        if !matches!(&self.bundle, Bundle::Coming(coming) if *coming == run) {
            return Vec::new();
        }
        self.bundle = Bundle::Here(run, result);
        match std::mem::take(&mut self.state) {
            State::Preparing { part, preflight } => self.prepare(part, preflight),
            other => {
                self.state = other;
                Vec::new()
            }
        }
    }

    /// Where nobody is left to begin anything, everything is given up.
    fn finished(&mut self) -> Vec<Action> {
        let State::Load {
            run,
            epoch,
            seat,
            asked,
            ..
        } = &self.state
        else {
            return Vec::new();
        };
        let (run, epoch, seat, asked) = (run.clone(), *epoch, *seat, *asked);
        let mut actions = match asked {
            Some(epoch) => self.taken(epoch, Vec::new()),
            None => Vec::new(),
        };
        let epoch = asked.unwrap_or(epoch);
        self.state = State::Over { run, epoch, seat };
        actions.push(Action::Done);
        actions
    }

    fn taken(&mut self, taken: u32, held: Vec<HeldVus>) -> Vec<Action> {
        let State::Load {
            run, epoch, asked, ..
        } = &mut self.state
        else {
            return Vec::new();
        };
        if asked.is_some_and(|asked| asked > taken) || taken < *epoch {
            return Vec::new();
        }
        *asked = None;
        *epoch = taken;
        let run = run.clone();
        vec![Action::Answer(self.fit(&run, taken, held))]
    }

    fn late(&mut self, late: u32) -> Vec<Action> {
        let State::Load { run, asked, .. } = &mut self.state else {
            return Vec::new();
        };
        *asked = None;
        let what = "the assignment came after the run time from which it is to hold".to_owned();
        let problem = (ProblemKind::ProblemLate, what);
        vec![Action::Answer(unfit(run, late, problem))]
    }

    /// That a part is taken.
    fn fit(&self, run: &str, epoch: u32, held: Vec<HeldVus>) -> Prepared {
        let digest = match &self.bundle {
            Bundle::Here(here, Ok(compiled)) if here == run => compiled.digest.clone(),
            _ => Vec::new(),
        };
        Prepared {
            run: run.to_owned(),
            epoch,
            digest,
            problem: String::new(),
            problem_kind: ProblemKind::ProblemNone.into(),
            held,
        }
    }

    /// Another part of the run whose load is being made, or was.
    fn reassign(&mut self, assign: &Assign) -> Vec<Action> {
        let part = match part(assign) {
            Ok(part) => part,
            Err(problem) => {
                let answer = unfit(&assign.run, assign.epoch, problem);
                return vec![Action::Answer(answer)];
            }
        };
        match (&mut self.state, &self.bundle) {
            (State::Load { epoch, asked, .. }, Bundle::Here(_, Ok(compiled)))
                if part.epoch >= *epoch && asked.is_none_or(|asked| part.epoch >= asked) =>
            {
                *asked = Some(part.epoch);
                let plan = Arc::clone(&compiled.plan);
                vec![Action::Reassign { part, plan }]
            }
            (State::Over { epoch, .. }, _) if part.epoch >= *epoch => {
                *epoch = part.epoch;
                vec![Action::Answer(self.fit(&part.run, part.epoch, Vec::new()))]
            }
            _ => Vec::new(),
        }
    }

    fn assign(&mut self, assign: Assign) -> Vec<Action> {
        // Whoever leaves hands over first.
        if let State::Load { run, seat, .. } | State::Over { run, seat, .. } = &self.state
            && *run == assign.run
            && *seat == assign.seat
        {
            return self.reassign(&assign);
        }
        if self.leaving || matches!(self.state, State::Ended) {
            return vec![Action::Answer(unfit(
                &assign.run,
                assign.epoch,
                (
                    ProblemKind::ProblemLocal,
                    "this agent is leaving".to_owned(),
                ),
            ))];
        }
        let mut actions = Vec::new();
        match &self.state {
            State::Idle => {}
            // Its part is over, but the run may want it again, on another seat; once all that it saw is safe.
            State::Load {
                run,
                epoch,
                fenced: true,
                ..
            }
            | State::Over { run, epoch, .. }
                if *run == assign.run && assign.epoch > *epoch =>
            {
                self.again = Some(assign);
                return actions;
            }
            State::Load { run, .. } | State::Over { run, .. } if *run == assign.run => {
                return actions;
            }
            State::Preparing { part, .. }
                if part.run == assign.run && assign.epoch <= part.epoch =>
            {
                return actions;
            }
            State::Answered { answer, .. }
                if answer.run == assign.run && assign.epoch <= answer.epoch =>
            {
                // A new connection brings the same assignment again.
                if answer.epoch == assign.epoch {
                    actions.push(Action::Answer(answer.clone()));
                }
                return actions;
            }
            // What is known of the run stays: rows, changes, what setup came to.
            State::Preparing { part, .. } if part.run == assign.run => {}
            State::Answered { answer, .. } if answer.run == assign.run => {}
            _ => actions.push(Action::Forget),
        }
        actions.extend(self.begin(&assign));
        actions
    }

    fn begin(&mut self, assign: &Assign) -> Vec<Action> {
        self.state = State::Idle;
        self.again = None;
        match part(assign) {
            Ok(part) => self.prepare(part, assign.preflight),
            Err(problem) => self.refuse(&assign.run, assign.epoch, problem),
        }
    }

    fn saved(&mut self) -> Vec<Action> {
        if !self.is_over() {
            return Vec::new();
        }
        if self.leaving {
            return self.leave();
        }
        let Some(assign) = self.again.take() else {
            return Vec::new();
        };
        let mut actions = vec![Action::Forget];
        actions.extend(self.begin(&assign));
        actions
    }

    /// Goes as far as the bundle allows.
    fn prepare(&mut self, part: Part, preflight: bool) -> Vec<Action> {
        match &self.bundle {
            Bundle::Coming(run) if *run == part.run => {
                self.state = State::Preparing { part, preflight };
                Vec::new()
            }
            Bundle::Here(run, Ok(compiled)) if *run == part.run => {
                let compiled = compiled.clone();
                if !preflight {
                    return self.ready(part, compiled);
                }
                let look = Action::Look {
                    run: part.run.clone(),
                    epoch: part.epoch,
                    plan: compiled.plan,
                };
                self.state = State::Preparing { part, preflight };
                vec![look]
            }
            Bundle::Here(run, Err(problem)) if *run == part.run => {
                let problem = problem.clone();
                self.refuse(&part.run, part.epoch, problem)
            }
            _ => {
                let text = "the assignment came without the run's bundle".to_owned();
                self.refuse(&part.run, part.epoch, (ProblemKind::ProblemLocal, text))
            }
        }
    }

    fn looked(&mut self, of: &str, epoch: u32, result: Result<(), Problem>) -> Vec<Action> {
        match (std::mem::take(&mut self.state), &self.bundle) {
            (State::Preparing { part, .. }, Bundle::Here(run, Ok(compiled)))
                if part.run == of && *run == of && part.epoch == epoch =>
            {
                let compiled = compiled.clone();
                match result {
                    Ok(()) => self.ready(part, compiled),
                    Err(problem) => self.refuse(of, epoch, problem),
                }
            }
            (other, _) => {
                self.state = other;
                Vec::new()
            }
        }
    }

    fn ready(&mut self, part: Part, compiled: Compiled) -> Vec<Action> {
        let answer = self.fit(&part.run, part.epoch, Vec::new());
        self.state = State::Answered {
            answer: answer.clone(),
            fit: Some((part, compiled.plan)),
        };
        vec![Action::Answer(answer)]
    }

    fn refuse(&mut self, run: &str, epoch: u32, problem: Problem) -> Vec<Action> {
        let answer = unfit(run, epoch, problem);
        self.state = State::Answered {
            answer: answer.clone(),
            fit: None,
        };
        vec![Action::Answer(answer)]
    }

    /// Setup comes between the answer and the load; teardown also after it.
    fn phase(&self, run: String, kind: PhaseKind) -> Vec<Action> {
        let plan = match (&self.state, &self.bundle) {
            (
                State::Answered {
                    fit: Some((part, plan)),
                    ..
                },
                _,
            ) if part.run == run => Some(Arc::clone(plan)),
            (State::Over { run: over, .. }, Bundle::Here(here, Ok(compiled)))
                if *over == run && *here == run && kind == PhaseKind::Teardown =>
            {
                Some(Arc::clone(&compiled.plan))
            }
            _ => None,
        };
        vec![match plan.filter(|_| !self.leaving) {
            Some(plan) => Action::Phase { run, plan, kind },
            None => Action::Unable { run, kind },
        }]
    }

    fn go(&mut self, of: &str, t0_ns: u64) -> Vec<Action> {
        match &self.state {
            State::Answered {
                fit: Some((part, plan)),
                ..
            } if part.run == of => {
                let (part, plan) = (part.clone(), Arc::clone(plan));
                self.state = State::Load {
                    run: part.run.clone(),
                    epoch: part.epoch,
                    seat: part.seat,
                    fenced: false,
                    asked: None,
                };
                vec![Action::Muster { part, plan, t0_ns }]
            }
            State::Load {
                run, fenced: false, ..
            } if run == of => vec![Action::StartedAgain],
            _ => Vec::new(),
        }
    }

    fn closed(&mut self, of: &str) -> Vec<Action> {
        if self.run() != Some(of) {
            return Vec::new();
        }
        if self.leaving {
            return self.leave();
        }
        self.state = State::Idle;
        self.bundle = Bundle::None;
        self.again = None;
        vec![Action::Forget]
    }

    fn lease_over(&mut self) -> Vec<Action> {
        match &mut self.state {
            State::Load { fenced, .. } if !*fenced => {
                *fenced = true;
                self.draining = false;
                vec![Action::Fence, Action::Stop(StopHow::Interrupt)]
            }
            State::Preparing { .. } | State::Answered { .. } => {
                self.state = State::Idle;
                vec![Action::Forget]
            }
            _ => Vec::new(),
        }
    }

    fn shut_down(&mut self) -> Vec<Action> {
        let leaving = std::mem::replace(&mut self.leaving, true);
        match &self.state {
            State::Idle | State::Preparing { .. } | State::Answered { .. } => self.leave(),
            // Again: it is being done.
            State::Load { .. } if leaving => Vec::new(),
            State::Load { fenced, .. } => {
                self.draining = !*fenced;
                self.ask()
            }
            State::Over { .. } | State::Ended => Vec::new(),
        }
    }

    fn ask(&self) -> Vec<Action> {
        match &self.state {
            State::Load { run, .. } if self.draining => vec![Action::Drain(run.clone())],
            _ => Vec::new(),
        }
    }

    fn leave(&mut self) -> Vec<Action> {
        self.state = State::Ended;
        self.bundle = Bundle::None;
        vec![Action::Forget, Action::Leave]
    }
}

/// The part of an assignment, if it can be taken.
fn part(assign: &Assign) -> Result<Part, Problem> {
    let local = |text: String| (ProblemKind::ProblemLocal, text);
    let mut shares =
        Shares::new(assign.weights.clone()).map_err(|error| local(error.to_string()))?;
    for change in &assign.changes {
        let what = match change.change {
            Some(Change::Gone(seat)) => SeatChange::Gone(seat as usize),
            Some(Change::Came(weight)) => SeatChange::Came(weight),
            None => return Err(local("a change that this version does not know".to_owned())),
        };
        let changed = shares.change(change.from_ns, what);
        changed.map_err(|error| local(error.to_string()))?;
    }
    // Whoever is to come has the next seat, and owns nothing yet.
    if assign.seat as usize > shares.seats() {
        return Err(local(format!(
            "there is no seat {} among {}",
            assign.seat,
            shares.seats()
        )));
    }
    Ok(Part {
        run: assign.run.clone(),
        epoch: assign.epoch,
        shares: Arc::new(shares),
        seat: assign.seat,
        waiting: by_scenario(&assign.waiting),
    })
}

/// VUs by scenario; what names a scenario beyond all others is of no use to anybody.
fn by_scenario(held: &[HeldVus]) -> Vec<BTreeSet<u64>> {
    /// More scenarios than a file has.
    const MOST: u32 = 10_000;
    let mut all: Vec<BTreeSet<u64>> = Vec::new();
    for one in held.iter().filter(|one| one.scenario < MOST) {
        let scenario = one.scenario as usize;
        if all.len() <= scenario {
            all.resize_with(scenario + 1, BTreeSet::new);
        }
        all[scenario].extend(&one.vus);
    }
    all
}

fn unfit(run: &str, epoch: u32, (kind, problem): Problem) -> Prepared {
    Prepared {
        run: run.to_owned(),
        epoch,
        digest: Vec::new(),
        problem,
        problem_kind: kind.into(),
        ..Prepared::default()
    }
}
