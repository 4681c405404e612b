//! Who has which share while agents go and come, as a pure machine: `step(at, event) -> actions`. Its table is `handover/table.rs`.
//!
//! One change at a time, losses before drains before joins. Law: whoever takes is told only when all who give have said that
//! they give it up by the run time from which it holds, or cannot make load any more. What a lost agent had needs nobody's consent.
//! An answer that does not come in time, or says that the order came too late, puts the same change off, to twice the lead each
//! time; after [`MOST_TRIES`] it is given up. So every hand-over ends. Knows agents by number and [`Shares`]; sends nothing.
//!
//! An index is its owner's at the run time at which it is due. So nothing changes hands while somebody may have begun what a pause or
//! a scale has put off ([`At::ahead`]): whoever took over would begin it once more. A lost share's gap lasts that much longer.

#[cfg(test)]
#[path = "handover/laws.rs"]
mod laws;
mod model;
mod settling;
#[cfg(test)]
#[path = "handover/table.rs"]
mod table;
mod waiting;

pub use model::*;
pub(crate) use settling::lead;

use crate::run::AgentId;
use plan::{OnAgentLoss, Shares};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Shortest time between deciding a loss's change and its taking effect, in nanoseconds. Where somebody gives, twice that.
pub const LEAD_NS: u64 = 250_000_000;
/// How often a change is tried.
pub const MOST_TRIES: u32 = 5;
/// Answers that come so long after a change was to hold still count: what became due meanwhile is begun late, not expired.
const SLACK_NS: u64 = 250_000_000;

/// An agent that prepares to take part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Newcomer {
    name: String,
    weight: u32,
    /// The assignment that it prepares under.
    epoch: u32,
    /// Deadline, in run time.
    until: u64,
    ready: bool,
}

/// A change that waits for answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    goal: Goal,
    /// The assignment by which it was told.
    epoch: u32,
    from: u64,
    /// What was told, which is what is settled if all agree, whatever happens meanwhile.
    changes: Vec<SeatChange>,
    /// Whose answers are missing.
    awaited: BTreeSet<AgentId>,
    tries: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Goal {
    /// This seat hands its share over.
    Drain(u32),
    /// These prepared newcomers get their shares.
    Join(Vec<AgentId>),
}

/// VUs that an agent gave up and that still finish an iteration on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    epoch: u32,
    vus: Vus,
}

/// Who has which share. All that a restarted controller needs to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// What becomes of a lost agent's share.
    pub on_loss: OnAgentLoss,
    /// The run is filled up to so many; `None`: everybody may come.
    pub most: Option<u32>,
    /// How long a newcomer may take to prepare, in nanoseconds.
    pub prepare: u64,
    /// The newest assignment.
    pub epoch: u32,
    /// By seat. The first [`Self::base`] were there at T0.
    pub seats: Vec<Seat>,
    /// How many there were at T0.
    pub base: usize,
    /// What is settled, in order.
    pub changes: Vec<SeatChange>,
    open: Option<Open>,
    /// Seats that were lost and whose shares wait to be handed on.
    losses: Vec<u32>,
    /// Seats that want to go, in order.
    drains: Vec<u32>,
    newcomers: BTreeMap<AgentId, Newcomer>,
    held: BTreeMap<AgentId, Held>,
    /// What each was told last.
    told: BTreeMap<AgentId, Part>,
    closed: bool,
}

impl Handover {
    /// Those who begin a run, by seat, under the assignment of this epoch.
    #[must_use]
    pub fn new(
        on_loss: OnAgentLoss,
        most: Option<u32>,
        prepare: u64,
        epoch: u32,
        seats: Vec<Seat>,
    ) -> Self {
        let told = (0..).zip(&seats).map(|(seat, of)| {
            let part = Part {
                epoch,
                seat,
                changes: Vec::new(),
                waiting: Vus::new(),
            };
            (of.agent, part)
        });
        Self {
            on_loss,
            most,
            prepare,
            epoch,
            base: seats.len(),
            told: told.collect(),
            seats,
            changes: Vec::new(),
            open: None,
            losses: Vec::new(),
            drains: Vec::new(),
            newcomers: BTreeMap::new(),
            held: BTreeMap::new(),
            closed: false,
        }
    }

    /// What an event leads to.
    #[must_use]
    pub fn step(&mut self, at: At, event: Event) -> Vec<Action> {
        if self.closed {
            return Vec::new();
        }
        let mut actions = if at.ahead {
            self.withdraw()
        } else {
            Vec::new()
        };
        actions.extend(match event {
            Event::Idle(candidates) => self.idle(at, candidates),
            Event::Answered(agent, epoch, answer) => self.answered(at, agent, epoch, answer),
            Event::Held(agent, epoch, vus) => self.holds(agent, epoch, vus),
            Event::Lost(agent) => self.lost(at, agent),
            Event::Drain(agent) => self.drain(at, agent),
            Event::Finished(agent) => self.finished(at, agent),
            Event::Tick => self.tick(at),
            Event::Close => return self.close(),
        });
        while self.open.is_none() {
            let more = self.next(at);
            if more.is_empty() {
                break;
            }
            actions.extend(more);
        }
        actions
    }

    /// What an agent was told last; it is told again on a new connection.
    #[must_use]
    pub fn told(&self, agent: AgentId) -> Option<&Part> {
        self.told.get(&agent)
    }

    /// True if this agent prepares to take part, and has to be asked again on a new connection.
    #[must_use]
    pub fn prepares(&self, agent: AgentId) -> bool {
        self.newcomers
            .get(&agent)
            .is_some_and(|newcomer| !newcomer.ready)
    }

    /// Everybody who prepares to take part, or waits for a share.
    pub fn newcomers(&self) -> impl Iterator<Item = (AgentId, &str)> {
        self.newcomers
            .iter()
            .map(|(agent, newcomer)| (*agent, newcomer.name.as_str()))
    }

    /// Run time until which somebody who may take over can be waited for.
    #[must_use]
    pub fn coming_until(&self) -> Option<u64> {
        self.newcomers.values().map(|newcomer| newcomer.until).max()
    }

    /// The seat of an agent that takes or took part.
    #[must_use]
    pub fn seat_of(&self, agent: AgentId) -> Option<u32> {
        let place = self.seats.iter().position(|seat| seat.agent == agent)?;
        u32::try_from(place).ok()
    }

    /// Ownership over the run's time, as settled.
    #[must_use]
    pub fn shares(&self) -> Option<Shares> {
        self.shares_with(&self.changes)
    }

    /// Run time from which the newest change holds, settled or told to those who give; 0 if there is none.
    #[must_use]
    pub fn holds_from(&self) -> u64 {
        let open = self.open.as_ref().map(|open| open.from);
        let settled = self.changes.last().map(|change| change.from);
        open.max(settled).unwrap_or(0)
    }

    /// True if an agent's lost share waits until it can be handed on.
    #[must_use]
    pub fn waits(&self, agent: AgentId) -> bool {
        self.seat_of(agent)
            .is_some_and(|seat| self.losses.contains(&seat))
    }

    /// The same after the first so many changes.
    #[must_use]
    pub fn shares_after(&self, changes: usize) -> Option<Shares> {
        self.shares_with(self.changes.get(..changes)?)
    }

    fn shares_with(&self, changes: &[SeatChange]) -> Option<Shares> {
        let weights = self
            .seats
            .iter()
            .take(self.base)
            .map(|seat| seat.weight)
            .collect();
        let mut shares = Shares::new(weights).ok()?;
        for change in changes {
            shares.change(change.from, change.what.into()).ok()?;
        }
        Some(shares)
    }

    /// Those who make load.
    fn present(&self) -> impl Iterator<Item = (u32, &Seat)> {
        (0..)
            .zip(&self.seats)
            .filter(|(_, seat)| matches!(seat.standing, Standing::Present | Standing::Leaving))
    }

    /// How many make load.
    #[must_use]
    pub fn living(&self) -> u32 {
        u32::try_from(self.present().count()).unwrap_or(u32::MAX)
    }

    fn name(&self, agent: AgentId) -> &str {
        let seat = self.seats.iter().find(|seat| seat.agent == agent);
        seat.map_or("", |seat| seat.name.as_str())
    }

    fn idle(&mut self, at: At, candidates: Vec<Candidate>) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.on_loss != OnAgentLoss::Redistribute {
            return actions;
        }
        for Candidate {
            agent,
            name,
            weight,
        } in candidates
        {
            let known = self.newcomers.contains_key(&agent) || self.told.contains_key(&agent);
            // Whoever leaves is replaced before it has gone.
            let staying = self
                .present()
                .filter(|(_, seat)| seat.standing == Standing::Present);
            let taken = staying.count() + self.newcomers.len();
            if known || self.most.is_some_and(|most| taken >= most as usize) {
                continue;
            }
            self.epoch += 1;
            let newcomer = Newcomer {
                name,
                weight,
                epoch: self.epoch,
                until: at.run.saturating_add(self.prepare),
                ready: false,
            };
            self.newcomers.insert(agent, newcomer);
            let part = Part {
                epoch: self.epoch,
                seat: u32::try_from(self.seats.len()).unwrap_or(u32::MAX),
                changes: self.changes.clone(),
                waiting: Vus::new(),
            };
            self.told.insert(agent, part.clone());
            actions.push(Action::Prepare(agent, part));
        }
        actions
    }

    fn answered(&mut self, at: At, agent: AgentId, epoch: u32, answer: Answer) -> Vec<Action> {
        if let Some(newcomer) = self.newcomers.get_mut(&agent) {
            match answer {
                _ if newcomer.epoch != epoch => {}
                Answer::Ready(_) => newcomer.ready = true,
                Answer::Late => return self.dismiss(at, agent, "it was told too late".to_owned()),
                Answer::Unfit(why) => return self.dismiss(at, agent, why),
            }
            return Vec::new();
        }
        let awaited = self
            .open
            .as_ref()
            .is_some_and(|open| open.epoch == epoch && open.awaited.contains(&agent));
        match answer {
            Answer::Ready(vus) => {
                let mut actions = self.holds(agent, epoch, vus);
                if awaited {
                    actions.extend(self.heard_from(at, agent));
                }
                actions
            }
            Answer::Late if awaited => self.put_off(at),
            Answer::Late | Answer::Unfit(_) if !awaited => Vec::new(),
            // It makes load, so it can; whatever it means, what it was to give up is not given up.
            Answer::Late | Answer::Unfit(_) => self.put_off(at),
        }
    }

    /// One answer fewer is missing.
    fn heard_from(&mut self, at: At, agent: AgentId) -> Vec<Action> {
        let Some(open) = &mut self.open else {
            return Vec::new();
        };
        if !open.awaited.remove(&agent) || !open.awaited.is_empty() {
            return Vec::new();
        }
        if at.run > open.from.saturating_add(SLACK_NS) {
            // Too long ago to take over without a gap: those who gave it up make it until then.
            return self.put_off(at);
        }
        self.settle_open()
    }

    fn lost(&mut self, at: At, agent: AgentId) -> Vec<Action> {
        self.held.remove(&agent);
        if self.newcomers.contains_key(&agent) {
            return self.dismiss(at, agent, String::new());
        }
        let Some(number) = self.seat_of(agent) else {
            return Vec::new();
        };
        let mut actions = self.waiting_again();
        let seat = &mut self.seats[number as usize];
        if !matches!(seat.standing, Standing::Present | Standing::Leaving) {
            return actions;
        }
        seat.standing = Standing::Lost;
        self.drains.retain(|leaver| *leaver != number);
        if self.on_loss == OnAgentLoss::Redistribute {
            self.losses.push(number);
        }
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.goal == Goal::Drain(number))
        {
            // Nobody else was told of it yet: it goes on as a loss.
            self.open = None;
            return actions;
        }
        actions.extend(self.heard_from(at, agent));
        actions
    }

    fn drain(&mut self, at: At, agent: AgentId) -> Vec<Action> {
        if let Some(number) = self.seat_of(agent) {
            let seat = &mut self.seats[number as usize];
            if seat.standing == Standing::Present {
                seat.standing = Standing::Leaving;
                self.drains.push(number);
            }
            Vec::new()
        } else if self.newcomers.contains_key(&agent) {
            self.dismiss(at, agent, String::new())
        } else {
            Vec::new()
        }
    }

    fn finished(&mut self, at: At, agent: AgentId) -> Vec<Action> {
        self.held.remove(&agent);
        let mut actions = self.waiting_again();
        let Some(number) = self.seat_of(agent) else {
            return actions;
        };
        let seat = &mut self.seats[number as usize];
        if !matches!(seat.standing, Standing::Present | Standing::Leaving) {
            return actions;
        }
        seat.standing = Standing::Finished;
        self.drains.retain(|leaver| *leaver != number);
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.goal == Goal::Drain(number))
        {
            self.open = None;
            return actions;
        }
        actions.extend(self.heard_from(at, agent));
        actions
    }

    fn tick(&mut self, at: At) -> Vec<Action> {
        let late: Vec<AgentId> = self
            .newcomers
            .iter()
            .filter(|(_, newcomer)| !newcomer.ready && at.run >= newcomer.until)
            .map(|(agent, _)| *agent)
            .collect();
        let mut actions = Vec::new();
        for agent in late {
            let within = metrics::text::duration(self.prepare as f64);
            actions.extend(self.dismiss(at, agent, format!("did not get ready within {within}")));
        }
        if self
            .open
            .as_ref()
            .is_some_and(|open| at.run > open.from.saturating_add(SLACK_NS))
        {
            actions.extend(self.put_off(at));
        }
        actions
    }

    fn close(&mut self) -> Vec<Action> {
        self.closed = true;
        let newcomers = std::mem::take(&mut self.newcomers);
        newcomers
            .into_keys()
            .map(|agent| Action::Release(agent, String::new()))
            .collect()
    }

    /// A newcomer does not take part after all.
    fn dismiss(&mut self, at: At, agent: AgentId, why: String) -> Vec<Action> {
        self.told.remove(&agent);
        self.newcomers.remove(&agent);
        let mut actions = vec![Action::Release(agent, why)];
        if let Some(Open {
            goal: Goal::Join(who),
            ..
        }) = &mut self.open
            && who.contains(&agent)
        {
            who.retain(|other| *other != agent);
            // Those who answered think that its share is gone.
            actions.extend(self.put_off(at));
        }
        actions
    }
}

impl From<What> for plan::SeatChange {
    fn from(what: What) -> Self {
        match what {
            What::Gone(seat) => Self::Gone(seat as usize),
            What::Came(weight) => Self::Came(weight),
        }
    }
}
