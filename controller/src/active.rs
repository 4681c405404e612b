//! One run being acted out: what its machine decides is sent, what agents say is noted, what is due by time is done.

mod ahead;
mod changing;
mod handing;
mod hearing;
mod outputs;
mod phases;
mod resuming;
mod sending;
mod viewing;

use crate::change::Changes;
use crate::clock;
use crate::fleet::Fleet;
use crate::gather::{Gather, Received};
use crate::handover::{self, Handover};
use crate::lease::Pool;
use crate::logs::Logs;
use crate::member::Member;
use crate::outline::Outline;
use crate::phases::Phases;
use crate::report::Away;
use crate::run::{Action, AgentId, Ending, Event, Limits, Moment, Needs, Phase, PhaseProblem, Run};
use crate::view::marks::Marks;
use crate::view::rates::Rates;
use crate::weights::Weights;
use metrics::Outcome;
use plan::{PhaseKind, Plan};
use proto::v1::{
    self, Level, LogLine, PhaseTrouble, RunEvent, RunOver, RunState, StateChanged, StopMode, View,
    run_event,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::broadcast;

/// Events that a slow watcher may fall behind before it misses some.
const EVENTS: usize = 512;
/// Notes kept for the report.
const NOTES: usize = 100;
/// How often progress is told.
const PROGRESS_NS: u64 = 1_000_000_000;
/// How often thresholds with `abortOnFail` are looked at; k6's.
const THRESHOLDS_NS: u64 = 2_000_000_000;

/// A bundle that was received and compiled.
#[derive(Debug)]
pub struct Order {
    /// The run's id.
    pub id: String,
    /// The bundle's name.
    pub name: String,
    /// The bundle's seed.
    pub seed: u64,
    /// Wall time, for labels.
    pub unix_ms: u64,
    /// Its bytes, as agents get them.
    pub bundle: Vec<u8>,
    /// What it means.
    pub plan: Plan,
    /// What was asked for.
    pub needs: Needs,
    /// How the load is to be divided.
    pub weights: Weights,
}

/// What an agent says that concerns its run.
#[derive(Debug)]
pub enum Said {
    /// Alive, with totals.
    Heartbeat(v1::Heartbeat),
    /// Ready, or not.
    Prepared(v1::Prepared),
    /// Its load began.
    Started(v1::Started),
    /// What it measured.
    Interval(Box<Received>),
    /// What it logs.
    Log(v1::LogLines),
    /// It wants indexes.
    Lease(v1::LeaseRequest),
    /// Its part is over.
    Done(v1::Done),
    /// What setup or teardown came to, piece by piece.
    Phase(Box<v1::PhasePiece>),
    /// It is to go away and wants to hand its share over first.
    Drain(v1::Drain),
}

/// One run. Fields are open to [`crate::closing`], which makes its report.
#[derive(Debug)]
pub struct Active {
    /// What was ordered.
    pub order: Order,
    /// The plan's digest.
    pub digest: [u8; 32],
    /// What directing needs of the plan.
    pub outline: Outline,
    /// Its state.
    pub run: Run,
    /// Its agents as enlisted, by seat of the newest assignment.
    pub members: BTreeMap<AgentId, Member>,
    /// What part of the load each took at T0, by seat.
    pub weights: Vec<u32>,
    /// The assignment under which the load began.
    epoch: u32,
    /// The longest round trip of its agents, in nanoseconds.
    farthest: u64,
    /// Who has which share, from the order to begin on.
    pub handover: Option<Handover>,
    /// Idle agents that could not take part, and why is known.
    unfit: BTreeSet<AgentId>,
    /// Lives that came back under a new number after they were lost.
    returned: BTreeMap<AgentId, AgentId>,
    /// Controller time at which load begins.
    pub t0: Option<u64>,
    /// How it is being stopped, and since which run time.
    pub stopped: Option<(StopMode, String, u64)>,
    /// Controller time of the last order to stop.
    pub stop_ordered: Option<u64>,
    /// How far its controller was behind at worst, in nanoseconds.
    pub behind: u64,
    /// Everything merged.
    pub gather: Gather,
    /// What was said.
    pub logs: Logs,
    /// Setup and teardown.
    pub phases: Phases,
    /// Controller time at which the load was over, if teardown came after it.
    pub load_over: Option<u64>,
    /// Leased indexes.
    pub pools: BTreeMap<u32, Pool>,
    /// What was changed while it ran.
    pub changes: Changes,
    /// What went wrong on the way.
    pub notes: Vec<String>,
    /// When the controller was away.
    pub away: Vec<Away>,
    /// Why its journal ended before it, if so.
    pub unjournaled: Option<String>,
    /// How it ended and when, while its outputs write the rest.
    ending: Option<(Ending, u64)>,
    /// Once it has ended.
    pub over: Option<RunOver>,
    version: String,
    /// What charts mark.
    pub marks: Marks,
    /// Iterations that begin a second; known while somebody watches.
    pub rates: Rates,
    /// How it stood when somebody looked in this second.
    seen: Option<View>,
    state: StateChanged,
    /// T0 has passed.
    begun: bool,
    events: broadcast::Sender<RunEvent>,
    next_progress: u64,
    next_view: u64,
    next_thresholds: u64,
}

impl Active {
    /// A run whose turn has not come.
    #[must_use]
    pub fn new(order: Order, limits: Limits, version: String) -> Self {
        let outline = Outline::new(&order.plan);
        let limits = Limits {
            load: outline.length,
            drain: outline.drain,
            setup: order
                .plan
                .setup
                .as_ref()
                .map(|phase| clock::ns(phase.timeout)),
            teardown: order
                .plan
                .teardown
                .as_ref()
                .map(|phase| clock::ns(phase.timeout)),
            ..limits
        };
        Self {
            digest: order.plan.digest(),
            run: Run::new(order.needs, limits),
            members: BTreeMap::new(),
            weights: Vec::new(),
            epoch: 0,
            farthest: 0,
            handover: None,
            unfit: BTreeSet::new(),
            returned: BTreeMap::new(),
            t0: None,
            stopped: None,
            stop_ordered: None,
            behind: 0,
            gather: Gather::default(),
            logs: Logs::default(),
            phases: Phases::default(),
            load_over: None,
            pools: outline.pools(),
            changes: Changes::default(),
            notes: Vec::new(),
            away: Vec::new(),
            unjournaled: None,
            ending: None,
            over: None,
            version,
            begun: false,
            marks: Marks::new(&order.plan),
            rates: Rates::default(),
            seen: None,
            state: StateChanged {
                state: RunState::StateChecked.into(),
                text: String::new(),
                within_ns: 0,
            },
            events: broadcast::channel(EVENTS).0,
            next_progress: 0,
            next_view: 0,
            next_thresholds: 0,
            outline,
            order,
        }
    }

    /// throng's version here.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its state on the wire; one that waits for its turn is queued.
    #[must_use]
    pub fn state(&self) -> RunState {
        self.state.state()
    }

    /// Run time at a controller time; 0 before T0 is known.
    #[must_use]
    pub fn run_time(&self, now: u64) -> i64 {
        let since = self.t0.map_or(0, |t0| i128::from(now) - i128::from(t0));
        i64::try_from(since).unwrap_or(i64::MAX)
    }

    /// What a new watcher is told first, and what follows.
    #[must_use]
    pub fn watch(
        &mut self,
        fleet: &Fleet,
        now: u64,
    ) -> (Vec<RunEvent>, broadcast::Receiver<RunEvent>) {
        let first = [
            run_event::Event::State(self.state.clone()),
            run_event::Event::Seconds(self.gather.seconds.all()),
            run_event::Event::View(self.view(fleet, now)),
        ];
        (first.map(event).into(), self.events.subscribe())
    }

    /// Where watchers are told; for what is told once it is kept.
    #[must_use]
    pub fn watchers(&self) -> broadcast::Sender<RunEvent> {
        self.events.clone()
    }

    /// Tells watchers.
    pub fn tell(&mut self, what: run_event::Event) {
        // Without watchers there is nobody to tell.
        let _ = self.events.send(event(what));
    }

    /// Announces a state.
    pub fn announce(&mut self, state: RunState, text: String) {
        let word = crate::director::state_word(state);
        if text.is_empty() {
            tracing::debug!(run = self.order.id, "{word}");
        } else {
            tracing::info!(run = self.order.id, "{word}: {text}");
        }
        // With a text it is being done, not passed.
        let limit = match state {
            RunState::StateSetup if !text.is_empty() => self.run.limits.setup,
            RunState::StateTeardown if !text.is_empty() => self.run.limits.teardown,
            _ => None,
        };
        self.state = StateChanged {
            state: state.into(),
            text,
            within_ns: limit.map_or(0, |limit| limit.saturating_add(self.run.limits.grace)),
        };
        self.tell(run_event::Event::State(self.state.clone()));
    }

    /// Notes something that the report and every watcher should have.
    pub fn note(&mut self, text: String) {
        tracing::warn!(run = self.order.id, "{text}");
        if self.notes.len() < NOTES {
            self.notes.push(text.clone());
        }
        self.tell(run_event::Event::Log(LogLine {
            level: Level::Warn.into(),
            text,
            count: 1,
            sample: String::new(),
            error: false,
        }));
    }

    /// Puts an event to the machine and does what it decides. True once the run is over.
    pub fn event(&mut self, fleet: &mut Fleet, now: u64, event: Event) -> bool {
        if self.ending.is_some() {
            return false;
        }
        let at = Moment {
            now,
            rtt: self.farthest,
        };
        let mut ended = None;
        let mut unreachable = None;
        let mut actions = VecDeque::from(self.run.step(at, event));
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Announce(state, text) => self.announce(state, text),
                Action::Warn(text) => self.note(text),
                Action::Assign {
                    epoch,
                    seats,
                    preflight,
                } => {
                    if let Err(misfit) = self.assign(fleet, epoch, &seats, preflight) {
                        actions.extend(self.run.step(at, Event::Misfit(misfit)));
                    }
                }
                Action::Release(id) => {
                    self.members.remove(&id);
                    self.release(fleet, id);
                }
                Action::Go(t0) => {
                    self.t0 = Some(t0);
                    self.next_progress = t0;
                    self.next_thresholds = t0.saturating_add(THRESHOLDS_NS);
                    self.outputs_begin(now, t0);
                    self.hand_out(fleet);
                    self.send_all(fleet, &self.go(t0));
                    self.handover = Some(self.first_shares());
                }
                Action::Stop(mode, reason) => {
                    let at = u64::try_from(self.run_time(now)).unwrap_or(0);
                    // A run that is only late was not cut short: all of it was due.
                    let at = self.stopped.as_ref().map_or(at, |(_, _, first)| *first);
                    self.stopped = Some((mode, reason, at));
                    self.stop_ordered = Some(now);
                    self.send_all(fleet, &self.stop());
                }
                Action::RunPhase(id, kind) => {
                    if kind == PhaseKind::Teardown && self.t0.is_some() {
                        self.load_over.get_or_insert(now);
                    }
                    if !self.run_phase(fleet, id, kind) {
                        unreachable = Some((id, kind));
                    }
                }
                Action::CutPhase(id) => self.cut_phase(fleet, id),
                Action::End(ending) => ended = Some(ending),
            }
        }
        if let Some((id, kind)) = unreachable {
            let problem = PhaseProblem {
                trouble: PhaseTrouble::PhaseUnable,
                text: "it is gone".to_owned(),
            };
            return self.event(fleet, now, Event::PhaseOver(id, kind, Err(problem)));
        }
        if !matches!(self.run.phase, Phase::Load { .. }) {
            self.hand(fleet, now, handover::Event::Close);
        }
        match ended {
            Some(ending) => self.wind_up(fleet, now, ending),
            None => false,
        }
    }

    /// Looks for the longest round trip of its agents: at each tick, and not for each message of a thousand agents.
    fn look_far(&mut self, fleet: &Fleet) {
        let agents = self.members.keys().filter_map(|id| fleet.get(*id));
        self.farthest = agents.map(|agent| agent.rtt).max().unwrap_or(0);
    }

    fn end(&mut self, fleet: &mut Fleet, now: u64, ending: &Ending) {
        for line in self.logs.flush() {
            self.tell(run_event::Event::Log(line));
        }
        self.late_until(fleet);
        self.last_view(fleet, now);
        let over = crate::closing::close(self, ending, now);
        self.announce(RunState::StateOver, String::new());
        self.over = Some(over);
        let everybody: Vec<AgentId> = self
            .members
            .keys()
            .chain(self.returned.keys())
            .copied()
            .collect();
        for id in everybody {
            self.release(fleet, id);
        }
    }

    /// Notes of those who never reported an end from when on they surely make no load: nobody knows what they did of a stop.
    fn late_until(&mut self, fleet: &Fleet) {
        let lease = self.run.limits.lease;
        for (id, member) in &mut self.members {
            if self.run.runs(*id)
                && let Some(agent) = fleet.get(*id)
            {
                let until = agent.link.answered().saturating_add(lease);
                member.sure.get_or_insert(until);
            }
        }
    }

    /// The idle agents that may take part: weights by name also say whom they are for.
    #[must_use]
    pub fn candidates(&self, fleet: &Fleet, now: u64) -> Event {
        let mut idle = fleet.idle(now);
        idle.retain(|(_, name)| self.order.weights.wants(name));
        Event::Idle(idle)
    }

    /// Does what is due. True once the run is over.
    pub fn tick(&mut self, fleet: &mut Fleet, now: u64) -> bool {
        self.outputs_tick(now);
        self.look_far(fleet);
        if self.ending.is_some() {
            return self.wound_up(fleet);
        }
        self.tick_view(fleet, now);
        let event = match self.run.phase {
            Phase::Enlisting { .. } => self.candidates(fleet, now),
            _ => Event::Tick,
        };
        if self.event(fleet, now, event) || self.tick_changes(fleet, now) {
            return true;
        }
        self.tick_shares(fleet, now);
        let Some(t0) = self.t0 else { return false };
        if now >= t0 && !std::mem::replace(&mut self.begun, true) {
            // That load is to begin is told to nobody who comes from here on.
            self.state.text.clear();
        }
        if now >= self.next_progress {
            self.next_progress = now.saturating_add(PROGRESS_NS);
            for line in self.logs.flush() {
                self.tell(run_event::Event::Log(line));
            }
            self.tell_progress(now);
        }
        if now >= self.next_thresholds && matches!(self.run.phase, Phase::Load { .. }) {
            self.next_thresholds = now.saturating_add(THRESHOLDS_NS);
            if let Some(failed) = self.aborting(Duration::from_nanos(now - t0)) {
                return self.event(fleet, now, Event::Abort(failed));
            }
        }
        false
    }

    /// The first threshold with `abortOnFail` that fails on what is merged. Those without samples wait for the end.
    fn aborting(&self, elapsed: Duration) -> Option<String> {
        let watched =
            self.order.plan.thresholds.iter().filter(|threshold| {
                threshold.abort_on_fail && elapsed >= threshold.delay_abort_eval
            });
        for threshold in watched {
            if let Outcome::Failed { actual } =
                threshold.parsed.evaluate(self.gather.store(), elapsed)
            {
                return Some(format!(
                    "{}: {} (is {actual:.2})",
                    threshold.key, threshold.expression
                ));
            }
        }
        None
    }
}

fn event(event: run_event::Event) -> RunEvent {
    RunEvent { event: Some(event) }
}
