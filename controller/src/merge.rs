//! A report without a controller: what agents kept of a run is played to the machinery that would have heard it.
//!
//! Whoever reads the transcripts hands over their heads first ([`Merge::new`]), then what was seen ([`Merge::take`]), and gets the
//! report at the end. Merging is idempotent, so copies of one transcript do no harm. What nobody kept is missing, and said to be.

mod life;
mod revive;

use crate::active::{Active, Order, Said as Heard};
use crate::fleet::{Departed, Fleet, Joined};
use crate::gather::Received;
use crate::handover::{Seat, SeatChange, Standing, What};
use crate::link::{Link, Outgoing};
use crate::member::Member;
use crate::run::{AgentId, Event, Limits, Needs, PhaseProblem};
use crate::weights::Weights;
use crate::{Config, clock};
use plan::{OnAgentLoss, PhaseKind};
use proto::transcript::Record;
use proto::v1::from_agent::Message as Said;
use proto::v1::seat_change::Change;
use proto::v1::{self, Hello, PhaseTrouble, Prepared, RunOver};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

pub use life::{Life, Part};
pub use revive::Revival;

/// Controller time at which a played run is enlisted.
const BEGIN: u64 = 1_000_000_000;
/// Messages that a played agent's stream may hold; nobody reads them.
const OUTBOX: usize = 64;
/// Between two looks at a played run that does not end by itself: longer than any deadline but its own.
const STEP: u64 = 3600 * 1_000_000_000;

/// Why no report can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// No transcript tells of load.
    #[error("nothing to merge: none of the agents began its load")]
    Nothing,
    /// Transcripts of several runs.
    #[error("the transcripts are of several runs: {0}; say which with --run")]
    Several(String),
    /// No transcript holds the whole bundle.
    #[error(
        "no transcript holds the whole bundle of run {0}, so that nobody knows what its load was to be"
    )]
    NoBundle(String),
    /// The bundle cannot be used.
    #[error("the bundle of run {run} cannot be used: {why}")]
    Bundle {
        /// The run.
        run: String,
        /// What is wrong with it.
        why: String,
    },
    /// A controller's directory of the run cannot be used.
    #[error("the directory of run {run} cannot be merged: {why}")]
    Directory {
        /// The run.
        run: String,
        /// What is in the way.
        why: String,
    },
    /// The transcripts contradict each other.
    #[error("the transcripts do not fit together: {0}")]
    Contradiction(String),
}

/// A run that is played.
#[derive(Debug)]
pub struct Merge {
    active: Active,
    fleet: Fleet,
    /// The played T0.
    t0: u64,
    lives: BTreeMap<u64, Life>,
    /// Who has a seat: by life and seat.
    seats: BTreeMap<(u64, u32), AgentId>,
    /// Seats of which there is no transcript.
    absent: Vec<AgentId>,
    /// Streams that nobody reads.
    streams: Vec<mpsc::Receiver<Outgoing>>,
}

impl Merge {
    /// From the heads of all transcripts of one run.
    ///
    /// # Errors
    /// They are none, of several runs, or tell too little.
    pub fn new(heads: Vec<Life>, config: &Config) -> Result<Self, MergeError> {
        let mut lives: BTreeMap<u64, Life> = BTreeMap::new();
        for life in heads {
            lives.entry(life.hello.incarnation).or_insert(life);
        }
        let run = one_run(&lives)?;
        let parts: BTreeMap<u32, (u64, &Part)> = lives
            .iter()
            .flat_map(|(life, head)| {
                head.parts
                    .iter()
                    .map(move |(seat, part)| (*seat, (*life, part)))
            })
            .filter(|(_, (_, part))| part.t0.is_some())
            .collect();
        let newest = parts.values().map(|(_, part)| &part.assign);
        let Some(assign) = newest.max_by_key(|assign| assign.epoch).cloned() else {
            return Err(MergeError::Nothing);
        };
        let mut order = order(&run, &lives, &assign.weights)?;
        let digest = order.plan.digest();
        let mut notes = Vec::new();
        if order.plan.setup.is_some() && !lives.values().any(did_setup) {
            // Load was made, so it was done.
            order.plan.setup = None;
            notes.push("no transcript tells of setup: what it measured is missing".to_owned());
        }
        // What agents were told, if they kept it.
        let told = lives.values().map(|life| life.lease).max();
        let lease = told.filter(|lease| *lease > 0);
        let limits = Limits::new(STEP, lease.unwrap_or_else(|| clock::ns(config.lease)));
        let mut merge = Self {
            active: Active::new(order, limits, config.version.clone()),
            fleet: Fleet::default(),
            t0: 0,
            seats: BTreeMap::new(),
            absent: Vec::new(),
            streams: Vec::new(),
            lives: BTreeMap::new(),
        };
        let (changes, came) = changes(&assign);
        let mut idle = Vec::new();
        let mut newcomers = Vec::new();
        let seats = assign.weights.len() + came.len();
        for seat in (0_u32..).take(seats) {
            let life = parts.get(&seat).map(|(life, _)| *life);
            let head = life.and_then(|life| lives.get(&life));
            let id = merge.join(seat, head);
            let name = head.map_or_else(|| format!("seat {seat}"), |head| head.name.clone());
            match life {
                Some(life) => drop(merge.seats.insert((life, seat), id)),
                None => merge.absent.push(id),
            }
            match came.get((seat as usize).wrapping_sub(assign.weights.len())) {
                Some((from, weight)) => newcomers.push((id, name, *from, *weight)),
                None => idle.push((id, name)),
            }
        }
        merge.lives = lives;
        merge.active.digest = digest;
        merge.begin(idle)?;
        merge.settle(changes, newcomers);
        merge.name();
        merge.started();
        merge.grants();
        merge.changed();
        for note in notes {
            merge.active.note(note);
        }
        Ok(merge)
    }

    /// A played agent for a seat. One life may have several, so that each gets a number of its own.
    fn join(&mut self, seat: u32, head: Option<&Life>) -> AgentId {
        let hello = Hello {
            name: format!("seat-{seat}"),
            incarnation: u64::from(seat),
            ..head.map(|life| life.hello.clone()).unwrap_or_default()
        };
        let (outbox, stream) = mpsc::channel(OUTBOX);
        self.streams.push(stream);
        match self
            .fleet
            .join(hello, Arc::new(Link::new(outbox, BEGIN)), 0)
        {
            Joined::New(id) | Joined::Again(id) => id,
            Joined::Full => AgentId::MAX,
        }
    }

    /// As far as T0.
    fn begin(&mut self, idle: Vec<(AgentId, String)>) -> Result<(), MergeError> {
        let ids: Vec<AgentId> = idle.iter().map(|(id, _)| *id).collect();
        self.active.unlooked();
        self.event(BEGIN, Event::Idle(idle));
        self.name();
        for id in ids {
            let prepared = Prepared {
                run: self.active.order.id.clone(),
                epoch: 1,
                digest: self.active.digest.to_vec(),
                ..Prepared::default()
            };
            self.heard(BEGIN, id, Heard::Prepared(prepared));
        }
        self.play_phase(BEGIN, PhaseKind::Setup);
        self.t0 = self.active.t0.ok_or_else(|| {
            let why = self.active.over.as_ref().map(|over| over.text.clone());
            MergeError::Contradiction(why.unwrap_or_else(|| "its load does not begin".to_owned()))
        })?;
        Ok(())
    }

    /// Who went and who came since T0, as the newest assignment tells.
    fn settle(&mut self, changes: Vec<SeatChange>, newcomers: Vec<(AgentId, String, u64, u32)>) {
        for (id, name, from, weight) in newcomers {
            let Some((handover, agent)) = self.active.handover.as_mut().zip(self.fleet.get(id))
            else {
                continue;
            };
            let seat = u32::try_from(handover.seats.len()).unwrap_or(u32::MAX);
            handover.seats.push(Seat {
                agent: id,
                name: name.clone(),
                weight,
                standing: Standing::Present,
            });
            let mut member = Member::new(id, seat, agent);
            member.came = from;
            self.active.members.insert(id, member);
            self.event(self.t0, Event::Joined(id, name));
        }
        let handed_over = |seat: u32| {
            let mut parts = self.lives.values().filter_map(|life| life.parts.get(&seat));
            parts.any(|part| part.done.as_ref().is_some_and(|done| !done.interrupted))
        };
        let Some(handover) = self.active.handover.as_mut() else {
            return;
        };
        for change in &changes {
            if let What::Gone(gone) = change.what
                && let Some(seat) = handover.seats.get_mut(gone as usize)
            {
                seat.standing = if handed_over(gone) {
                    Standing::Left
                } else {
                    Standing::Lost
                };
            }
        }
        handover.changes = changes;
    }

    /// Lives and names are those of the transcripts.
    fn name(&mut self) {
        for ((life, _), id) in &self.seats {
            if let Some(member) = self.active.members.get_mut(id) {
                member.incarnation = *life;
                member.name.clone_from(&self.lives[life].name);
            }
        }
        for id in &self.absent {
            if let Some(member) = self.active.members.get_mut(id) {
                member.name = format!("seat {}", member.seat);
            }
        }
    }

    fn started(&mut self) {
        for ((life, seat), id) in self.seats.clone() {
            let logs = self
                .lives
                .get_mut(&life)
                .map(|life| std::mem::take(&mut life.logs));
            for log in logs.unwrap_or_default() {
                self.heard(self.t0, id, Heard::Log(log));
            }
            let part = &self.lives[&life].parts[&seat];
            if let (Some(mut started), Some(t0)) = (part.started.clone(), part.t0) {
                started.at_ns = started.at_ns.saturating_sub(t0).saturating_add(self.t0);
                self.heard(self.t0, id, Heard::Started(started));
            }
        }
    }

    /// What was changed in the run.
    fn changed(&mut self) {
        let desired = self.lives.values().filter_map(|life| life.desired.as_ref());
        let Some(newest) = desired.max_by_key(|desired| desired.version) else {
            return;
        };
        match proto::control::from_wire(newest) {
            Ok(control) => {
                self.active.changes.control = control.clone();
                self.active.outline.change(&self.active.order.plan, control);
                self.active.note(
                    "the run was changed while it ran; its agents do not know by whom".to_owned(),
                );
            }
            Err(error) => {
                let text = format!("the run was changed, and nobody knows how: {error}");
                self.active.note(text);
            }
        }
    }

    /// Indexes that were granted; who asks for nothing is granted nothing.
    fn grants(&mut self) {
        let grants = self.lives.values().flat_map(|life| &life.grants);
        let mut grants: Vec<_> = grants.filter(|(_, grant)| grant.from < grant.to).collect();
        grants.sort_by_key(|(_, grant)| (grant.scenario, grant.from));
        grants.dedup_by_key(|(_, grant)| (grant.scenario, grant.from));
        for (seat, grant) in grants {
            if let Some(pool) = self.active.pools.get_mut(&grant.scenario) {
                pool.grant(*seat, grant.to - grant.from);
            }
        }
    }

    /// Takes what a life saw.
    pub fn take(&mut self, incarnation: u64, record: Record) {
        let Record::Said(message) = record else {
            return;
        };
        let Some(life) = self.lives.get(&incarnation) else {
            return;
        };
        let seat = match &message {
            Said::Interval(interval) => Some(interval.agent),
            Said::Heartbeat(totals) => life.seat(totals.epoch),
            _ => life.seat(u32::MAX),
        };
        let Some(id) = seat
            .and_then(|seat| self.seats.get(&(incarnation, seat)))
            .copied()
        else {
            return;
        };
        match message {
            Said::Interval(interval) => {
                let now = self.at(interval.to_ns);
                let received = Received::new(interval);
                self.heard(now, id, Heard::Interval(Box::new(received)));
            }
            Said::Heartbeat(totals) => {
                let now = self.at(totals.run_ns.unwrap_or(0));
                self.heard(now, id, Heard::Heartbeat(totals));
            }
            Said::Log(lines) => self.heard(self.t0, id, Heard::Log(lines)),
            _ => {}
        }
    }

    /// The report of all that was taken.
    ///
    /// # Errors
    /// The played run does not end.
    pub fn end(mut self, note: String) -> Result<RunOver, MergeError> {
        self.active.note(note);
        let lives = std::mem::take(&mut self.lives);
        let mut ends: Vec<(u64, AgentId, Option<_>)> = self
            .seats
            .iter()
            .map(|((life, seat), id)| {
                let until = self.active.gather.from_seat(*seat).until;
                (self.at(until), *id, lives[life].parts[seat].done.clone())
            })
            .collect();
        ends.sort_by_key(|(at, id, _)| (*at, *id));
        let last = ends.last().map_or(self.t0, |(at, _, _)| *at);
        if let Some(stop) = lives.values().find_map(|life| life.stop.clone()) {
            self.event(
                last,
                match stop.reason.strip_prefix("aborted: ") {
                    Some(threshold) => Event::Abort(threshold.to_owned()),
                    None => Event::Stop(stop.mode(), stop.reason),
                },
            );
        }
        for (at, id, done) in ends {
            match done {
                Some(done) => self.heard(at, id, Heard::Done(done)),
                None => self.gone(at, id, "its transcript has no end"),
            }
        }
        for id in std::mem::take(&mut self.absent) {
            self.gone(last, id, "there is no transcript of it");
        }
        self.lives = lives;
        self.play_phase(last, PhaseKind::Teardown);
        for look in 1..4 {
            self.active.tick(&mut self.fleet, last + look * STEP);
        }
        self.active
            .over
            .take()
            .ok_or_else(|| MergeError::Contradiction("the run does not end".to_owned()))
    }

    /// What setup or teardown came to, where it was done; else that nobody knows.
    fn play_phase(&mut self, now: u64, kind: PhaseKind) {
        while let Some((id, _)) = self.active.run.awaits().filter(|(_, of)| *of == kind) {
            let pieces = self.lives.values().map(|life| &life.phases);
            let pieces: Vec<_> = pieces
                .flatten()
                .filter(|piece| crate::phases::kind(piece.phase()) == kind)
                .cloned()
                .collect();
            for piece in pieces {
                self.heard(now, id, Heard::Phase(Box::new(piece)));
            }
            if self.active.run.awaits() == Some((id, kind)) {
                let problem = PhaseProblem {
                    trouble: PhaseTrouble::PhaseUnable,
                    text: "no transcript tells of it".to_owned(),
                };
                self.event(now, Event::PhaseOver(id, kind, Err(problem)));
            }
        }
    }

    /// The played controller time of a run time.
    fn at(&self, run_ns: i64) -> u64 {
        self.t0.saturating_add_signed(run_ns.max(0))
    }

    fn event(&mut self, now: u64, event: Event) {
        self.active.event(&mut self.fleet, now, event);
        self.drain();
    }

    fn heard(&mut self, now: u64, id: AgentId, said: Heard) {
        self.active.heard(&mut self.fleet, now, id, said);
        self.drain();
    }

    fn gone(&mut self, now: u64, id: AgentId, why: &str) {
        let departed = Departed {
            id,
            name: String::new(),
            run: None,
            why: why.to_owned(),
            heard: now,
            sure: now,
        };
        self.active.gone(&mut self.fleet, now, departed);
        self.drain();
    }

    /// What is sent to played agents is nobody's business.
    fn drain(&mut self) {
        for stream in &mut self.streams {
            while stream.try_recv().is_ok() {}
        }
    }
}

/// What an assignment tells of who went and came since T0; of the latter, from when and with what weight.
fn changes(assign: &v1::Assign) -> (Vec<SeatChange>, Vec<(u64, u32)>) {
    let mut present = u32::try_from(assign.weights.len()).unwrap_or(u32::MAX);
    let mut came = Vec::new();
    let mut changes = Vec::new();
    for change in &assign.changes {
        let what = match change.change {
            Some(Change::Gone(seat)) => {
                present = present.saturating_sub(1);
                What::Gone(seat)
            }
            Some(Change::Came(weight)) => {
                present += 1;
                came.push((change.from_ns, weight));
                What::Came(weight)
            }
            None => continue,
        };
        changes.push(SeatChange {
            from: change.from_ns,
            what,
            decided: change.from_ns,
            present,
        });
    }
    (changes, came)
}

fn did_setup(life: &Life) -> bool {
    life.phases
        .iter()
        .any(|piece| crate::phases::kind(piece.phase()) == PhaseKind::Setup)
}

fn one_run(lives: &BTreeMap<u64, Life>) -> Result<String, MergeError> {
    let mut runs: Vec<&str> = lives.values().map(|life| life.run.as_str()).collect();
    runs.sort_unstable();
    runs.dedup();
    match runs[..] {
        [] => Err(MergeError::Nothing),
        [run] => Ok(run.to_owned()),
        _ => Err(MergeError::Several(runs.join(", "))),
    }
}

fn order(run: &str, lives: &BTreeMap<u64, Life>, weights: &[u32]) -> Result<Order, MergeError> {
    let bundle = lives.values().map(|life| &life.bundle);
    let bytes = bundle
        .max_by_key(|bytes| bytes.len())
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| MergeError::NoBundle(run.to_owned()))?;
    let unusable = |why: String| MergeError::Bundle {
        run: run.to_owned(),
        why,
    };
    let bundle: plan::Bundle =
        serde_json::from_slice(bytes).map_err(|error| unusable(error.to_string()))?;
    let plan = plan::compile(&bundle).map_err(|error| unusable(error.render(false)))?;
    Ok(Order {
        id: run.to_owned(),
        name: bundle.name,
        seed: bundle.seed,
        unix_ms: crate::names::run_unix_ms(run).unwrap_or(0),
        bundle: Vec::new(),
        plan,
        needs: Needs {
            expect: u32::try_from(weights.len()).unwrap_or(u32::MAX),
            min: 0,
            wait: 0,
            preflight: false,
            // What became of lost shares is told by the newest assignment; nothing is handed over any more.
            on_loss: OnAgentLoss::Continue,
        },
        weights: Weights::Listed(weights.to_vec()),
    })
}
