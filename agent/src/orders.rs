//! What an agent does about its orders: `step(event) -> actions`, pure.
//!
//! It knows runs, epochs and plans by reference; clocks, streams and crews are its link's business. A run goes through
//! `preparing` (its bundle compiles, the target is looked at), `ready` (or `unfit`), `load` (with a crew), `over` (its last
//! intervals are on their way). `fenced` is load whose lease ran out. The newest assignment counts: another run's replaces
//! everything, the same run's only until its load began.
//!
//! The table below is the test data of `orders/table.rs`. `r.2` is run r in epoch 2; `-` is nothing.
//!
//! | state     | event                     | actions                          | next      |
//! |-----------|---------------------------|----------------------------------|-----------|
//! | idle      | assign r.1                | answer r.1 local                 | unfit     |
//! | idle      | go r                      | -                                | idle      |
//! | idle      | stop r interrupt          | -                                | idle      |
//! | idle      | closed r                  | -                                | idle      |
//! | idle      | setup r                   | unable setup r                   | idle      |
//! | idle      | finished                  | -                                | idle      |
//! | idle      | lease over                | -                                | idle      |
//! | idle      | goodbye                   | forget, end goodbye              | ended     |
//! | idle      | shut down                 | forget, leave                    | ended     |
//! | coming    | assign r.1                | -                                | preparing |
//! | coming    | assign s.1                | answer s.1 local                 | unfit     |
//! | coming    | compiled r                | -                                | bundled   |
//! | bundled   | assign r.1                | look r.1                         | preparing |
//! | bundled   | assign r.1 blind          | answer r.1 ready                 | ready     |
//! | bundled   | assign r.1 without seat   | answer r.1 local                 | unfit     |
//! | bundled   | assign r.1 later          | answer r.1 local                 | unfit     |
//! | preparing | compiled r                | look r.1                         | preparing |
//! | preparing | compiled r badly          | answer r.1 compile               | unfit     |
//! | preparing | compiled s                | -                                | preparing |
//! | preparing | assign r.1                | -                                | preparing |
//! | looking   | looked r.1                | answer r.1 ready                 | ready     |
//! | looking   | looked r.1 in vain        | answer r.1 target                | unfit     |
//! | looking   | looked r.0                | -                                | preparing |
//! | looking   | assign r.2 blind          | forget, answer r.2 ready         | ready     |
//! | looking   | go r                      | -                                | preparing |
//! | looking   | closed r                  | forget                           | idle      |
//! | looking   | closed s                  | -                                | preparing |
//! | looking   | lease over                | forget                           | idle      |
//! | looking   | shut down                 | forget, leave                    | ended     |
//! | ready     | assign r.1                | answer r.1 ready                 | ready     |
//! | ready     | assign r.0                | -                                | ready     |
//! | ready     | assign r.2 blind          | forget, answer r.2 ready         | ready     |
//! | ready     | looked r.1                | -                                | ready     |
//! | ready     | stop r interrupt          | -                                | ready     |
//! | ready     | go r                      | muster r.1                       | load      |
//! | ready     | go s                      | -                                | ready     |
//! | ready     | setup r                   | setup r                          | ready     |
//! | ready     | setup s                   | unable setup s                   | ready     |
//! | ready     | teardown r                | teardown r                       | ready     |
//! | ready     | closed r                  | forget                           | idle      |
//! | ready     | lease over                | forget                           | idle      |
//! | ready     | shut down                 | forget, leave                    | ended     |
//! | unfit     | assign r.1                | answer r.1 compile               | unfit     |
//! | unfit     | go r                      | -                                | unfit     |
//! | unfit     | setup r                   | unable setup r                   | unfit     |
//! | unfit     | closed r                  | forget                           | idle      |
//! | load      | go r                      | started again                    | load      |
//! | load      | assign r.2 blind          | -                                | load      |
//! | load      | assign s.1                | forget, answer s.1 local         | unfit     |
//! | load      | stop r graceful           | stop graceful                    | load      |
//! | load      | stop r interrupt          | stop interrupt                   | load      |
//! | load      | stop s interrupt          | -                                | load      |
//! | load      | teardown r                | unable teardown r                | load      |
//! | load      | lease over                | fence, stop interrupt            | fenced    |
//! | load      | finished                  | done                             | over      |
//! | load      | saved                     | -                                | load      |
//! | load      | closed r                  | forget                           | idle      |
//! | load      | closed s                  | -                                | load      |
//! | load      | goodbye                   | forget, end goodbye              | ended     |
//! | load      | shut down                 | stop graceful                    | leaving   |
//! | fenced    | lease over                | -                                | fenced    |
//! | fenced    | go r                      | -                                | fenced    |
//! | fenced    | stop r interrupt          | stop interrupt                   | fenced    |
//! | fenced    | stop r graceful           | stop graceful                    | fenced    |
//! | fenced    | finished                  | done                             | over      |
//! | fenced    | assign s.1                | forget, answer s.1 local         | unfit     |
//! | over      | teardown r                | teardown r                       | over      |
//! | over      | setup r                   | unable setup r                   | over      |
//! | over      | saved                     | -                                | over      |
//! | over      | lease over                | -                                | over      |
//! | over      | stop r interrupt          | -                                | over      |
//! | over      | closed r                  | forget                           | idle      |
//! | over      | assign s.1                | forget, answer s.1 local         | unfit     |
//! | over      | shut down                 | -                                | going     |
//! | leaving   | assign s.1                | answer s.1 local                 | leaving   |
//! | leaving   | lease over                | fence, stop interrupt            | leaving   |
//! | leaving   | closed r                  | forget, leave                    | ended     |
//! | leaving   | finished                  | done                             | going     |
//! | going     | teardown r                | unable teardown r                | going     |
//! | going     | saved                     | forget, leave                    | ended     |
//! | going     | closed r                  | forget, leave                    | ended     |
//! | going     | goodbye                   | forget, end goodbye              | ended     |
//! | ended     | assign r.1                | answer r.1 local                 | ended     |
//! | ended     | closed r                  | -                                | ended     |

#[cfg(test)]
mod table;

use crate::config::Ended;
use crate::crew::StopHow;
use plan::{PhaseKind, Plan, Stripe};
use proto::v1::{Assign, Prepared, ProblemKind};
use std::sync::Arc;

/// A bundle that compiled.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    /// What it means.
    pub(crate) plan: Arc<Plan>,
    /// The plan's digest.
    pub(crate) digest: Vec<u8>,
}

/// Why a part cannot be taken.
pub(crate) type Problem = (ProblemKind, String);

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
    /// The crew is done, or could not be mustered.
    Finished,
    /// Every interval was acknowledged after `Done` was sent.
    Saved,
    /// Whoever started this agent wants it to end.
    ShutDown,
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
    /// Say that this agent leaves.
    Leave,
    /// End.
    End(Ended),
}

/// A part that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The run.
    pub(crate) run: String,
    /// The assignment.
    pub(crate) epoch: u32,
    /// Which indexes are whose,
    pub(crate) stripe: Stripe,
    /// and which are ours.
    pub(crate) seat: u32,
}

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
        fenced: bool,
    },
    Over {
        run: String,
    },
    Ended,
}

/// The orders an agent has.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    state: State,
    bundle: Bundle,
    leaving: bool,
}

impl Orders {
    /// The run it is part of, as heartbeats name it.
    pub(crate) fn run(&self) -> Option<&str> {
        match &self.state {
            State::Idle | State::Ended => None,
            State::Preparing { part, .. } => Some(&part.run),
            State::Answered { answer, .. } => Some(&answer.run),
            State::Load { run, .. } | State::Over { run } => Some(run),
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
            Event::Finished => match std::mem::take(&mut self.state) {
                State::Load { run, .. } => {
                    self.state = State::Over { run };
                    vec![Action::Done]
                }
                other => {
                    self.state = other;
                    Vec::new()
                }
            },
            Event::Saved if self.leaving && self.is_over() => self.leave(),
            Event::Saved => Vec::new(),
            Event::ShutDown => self.shut_down(),
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

    fn assign(&mut self, assign: Assign) -> Vec<Action> {
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
            State::Load { run, .. } | State::Over { run } if *run == assign.run => return actions,
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
            _ => actions.push(Action::Forget),
        }
        self.state = State::Idle;
        let Assign {
            run,
            epoch,
            preflight,
            ..
        } = &assign;
        actions.extend(match part(&assign) {
            Ok(part) => self.prepare(part, *preflight),
            Err(problem) => self.refuse(run, *epoch, problem),
        });
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
        let answer = Prepared {
            run: part.run.clone(),
            epoch: part.epoch,
            digest: compiled.digest,
            problem: String::new(),
            problem_kind: ProblemKind::ProblemNone.into(),
        };
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
            (State::Over { run: over }, Bundle::Here(here, Ok(compiled)))
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
        match std::mem::take(&mut self.state) {
            State::Answered {
                fit: Some((part, plan)),
                ..
            } if part.run == of => {
                self.state = State::Load {
                    run: part.run.clone(),
                    fenced: false,
                };
                vec![Action::Muster { part, plan, t0_ns }]
            }
            State::Load { run, fenced: false } if run == of => {
                self.state = State::Load { run, fenced: false };
                vec![Action::StartedAgain]
            }
            other => {
                self.state = other;
                Vec::new()
            }
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
        vec![Action::Forget]
    }

    fn lease_over(&mut self) -> Vec<Action> {
        match &mut self.state {
            State::Load { fenced, .. } if !*fenced => {
                *fenced = true;
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
        self.leaving = true;
        match &self.state {
            State::Idle | State::Preparing { .. } | State::Answered { .. } => self.leave(),
            State::Load { .. } => vec![Action::Stop(StopHow::Graceful)],
            State::Over { .. } | State::Ended => Vec::new(),
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
    let stripe =
        Stripe::try_new(assign.weights.clone()).map_err(|error| local(error.to_string()))?;
    if assign.seat as usize >= stripe.agents() {
        return Err(local(format!(
            "there is no seat {} among {}",
            assign.seat,
            stripe.agents()
        )));
    }
    if assign.from_ns > 0 {
        return Err(local(
            "this version cannot join a run whose load has begun".to_owned(),
        ));
    }
    Ok(Part {
        run: assign.run.clone(),
        epoch: assign.epoch,
        stripe,
        seat: assign.seat,
    })
}

fn unfit(run: &str, epoch: u32, (kind, problem): Problem) -> Prepared {
    Prepared {
        run: run.to_owned(),
        epoch,
        digest: Vec::new(),
        problem,
        problem_kind: kind.into(),
    }
}
