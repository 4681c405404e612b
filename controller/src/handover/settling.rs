//! Opening a change, putting it off, settling it: who is told what, and when.

use super::{Action, At, Goal, Handover, LEAD_NS, MOST_TRIES, Open, Part, Seat, SeatChange};
use super::{Standing, Vus, What};
use crate::run::AgentId;
use std::collections::{BTreeMap, BTreeSet};

/// How long before a change holds it is decided: all have heard of it by then.
pub(crate) fn lead(rtt: u64) -> u64 {
    LEAD_NS.max(rtt.saturating_mul(4))
}

impl Handover {
    /// Begins what waits, if anything does and no change is open. Empty if there is nothing to do now.
    pub(super) fn next(&mut self, at: At) -> Vec<Action> {
        if !self.losses.is_empty() && !at.ahead {
            return self.hand_on(at);
        }
        if let Some(seat) = self.drains.first().copied() {
            let others = self.present().any(|(other, _)| other != seat);
            if others && at.ahead {
                return Vec::new();
            }
            if others {
                self.drains.remove(0);
                return self.open(at, Goal::Drain(seat), 0);
            }
            // Whoever comes takes over from it first.
            if self.newcomers.is_empty() {
                self.drains.remove(0);
                return vec![Action::Dismiss(self.seats[seat as usize].agent)];
            }
        }
        let ready: Vec<AgentId> = self
            .newcomers
            .iter()
            .filter(|(_, newcomer)| newcomer.ready)
            .map(|(agent, _)| *agent)
            .collect();
        if ready.is_empty() || at.ahead {
            return Vec::new();
        }
        // A weight too fine to be striped beside the others' is refused before anybody is told.
        let mut shares = self.shares();
        for agent in &ready {
            let weight = self.newcomers[agent].weight;
            let came = plan::SeatChange::Came(weight);
            let fits = shares.as_mut().map(|shares| shares.change(at.run, came));
            if !matches!(fits, Some(Ok(()))) {
                let why =
                    format!("its weight {weight} cannot be striped beside those of the others");
                return self.dismiss(at, *agent, why);
            }
        }
        self.open(at, Goal::Join(ready), 0)
    }

    /// What lost seats had goes to those that remain: nobody has to agree.
    fn hand_on(&mut self, at: At) -> Vec<Action> {
        let mut gone = self.finished_seats();
        gone.append(&mut self.losses);
        self.settle(
            at,
            at.run.saturating_add(lead(at.rtt)),
            gone.into_iter().map(What::Gone).collect(),
        )
    }

    /// Seats whose part was over by itself: they are to get nothing of what others had.
    fn finished_seats(&self) -> Vec<u32> {
        let gone = |seat: u32| {
            self.changes
                .iter()
                .any(|change| change.what == What::Gone(seat))
        };
        (0..)
            .zip(&self.seats)
            .filter(|(number, seat)| seat.standing == Standing::Finished && !gone(*number))
            .map(|(number, _)| number)
            .collect()
    }

    /// Tells those who give.
    fn open(&mut self, at: At, goal: Goal, tries: u32) -> Vec<Action> {
        let ahead = lead(at.rtt).saturating_mul(2) << tries.min(16);
        let earliest = self.changes.last().map_or(0, |change| change.from);
        let from = at.run.saturating_add(ahead).max(earliest);
        let givers: BTreeSet<AgentId> = match goal {
            Goal::Drain(seat) => [self.seats[seat as usize].agent].into(),
            Goal::Join(_) => self.present().map(|(_, seat)| seat.agent).collect(),
        };
        self.epoch += 1;
        let changes = self.proposed(&goal, from, at.run);
        self.open = Some(Open {
            epoch: self.epoch,
            from,
            changes: changes.clone(),
            awaited: givers.clone(),
            tries,
            goal: goal.clone(),
        });
        if givers.is_empty() {
            return self.settle_open();
        }
        let mut waiting = self.waiting();
        givers
            .into_iter()
            .map(|agent| self.tell(agent, changes.clone(), &mut waiting))
            .collect()
    }

    /// What is settled, and what an open change adds.
    fn proposed(&self, goal: &Goal, from: u64, decided: u64) -> Vec<SeatChange> {
        let mut changes = self.changes.clone();
        let finished = self.finished_seats().into_iter().map(What::Gone);
        let (what, living): (Vec<What>, u32) = match goal {
            Goal::Drain(seat) => (vec![What::Gone(*seat)], self.living().saturating_sub(1)),
            Goal::Join(who) => (
                who.iter()
                    .map(|agent| What::Came(self.newcomers[agent].weight))
                    .collect(),
                self.living() + u32::try_from(who.len()).unwrap_or(u32::MAX),
            ),
        };
        changes.extend(finished.chain(what).map(|what| SeatChange {
            from,
            what,
            decided,
            present: living,
        }));
        changes
    }

    /// The same change once more, later; after too many tries it is given up, and those who heard of it hear that it is not so.
    pub(super) fn put_off(&mut self, at: At) -> Vec<Action> {
        let Some(open) = self.open.take() else {
            return Vec::new();
        };
        if !self.losses.is_empty() {
            // What waits for nobody goes first; it tells everybody who gives that this is not so yet.
            if let Goal::Drain(seat) = open.goal {
                self.drains.insert(0, seat);
            }
            return self.hand_on(at);
        }
        let silent: Vec<&str> = open.awaited.iter().map(|agent| self.name(*agent)).collect();
        let silent = silent.join(", ");
        let given_up = open.tries + 1 >= MOST_TRIES;
        if !given_up && open.goal != Goal::Join(Vec::new()) {
            return self.open(at, open.goal, open.tries + 1);
        }
        let mut actions = Vec::new();
        if given_up {
            actions.push(Action::Warn(match &open.goal {
                Goal::Drain(seat) => format!(
                    "{} asked to go and did not give up its share in {MOST_TRIES} tries; it keeps it",
                    self.seats[*seat as usize].name
                ),
                Goal::Join(_) => format!(
                    "nobody could join: {silent} did not give up a part of its share in {MOST_TRIES} tries"
                ),
            }));
        }
        if let Goal::Join(who) = open.goal {
            for agent in who {
                self.newcomers.remove(&agent);
                self.told.remove(&agent);
                actions.push(Action::Release(agent, String::new()));
            }
        }
        self.epoch += 1;
        actions.extend(self.tell_present());
        actions
    }

    /// What is open is not so for now; it is begun anew when its time has come.
    pub(super) fn withdraw(&mut self) -> Vec<Action> {
        let Some(open) = self.open.take() else {
            return Vec::new();
        };
        if let Goal::Drain(seat) = open.goal {
            self.drains.insert(0, seat);
        }
        self.epoch += 1;
        self.tell_present()
    }

    /// All who give have answered.
    pub(super) fn settle_open(&mut self) -> Vec<Action> {
        let Some(open) = self.open.take() else {
            return Vec::new();
        };
        let first = self.changes.len();
        self.changes = open.changes;
        let mut actions = Vec::new();
        match open.goal {
            Goal::Drain(seat) => {
                self.seats[seat as usize].standing = Standing::Left;
                self.epoch = self.epoch.max(open.epoch);
                actions.extend(self.tell_present());
            }
            Goal::Join(who) => {
                for agent in &who {
                    if let Some(newcomer) = self.newcomers.remove(agent) {
                        self.seats.push(Seat {
                            agent: *agent,
                            name: newcomer.name,
                            weight: newcomer.weight,
                            standing: Standing::Present,
                        });
                    }
                }
                let mut waiting = self.waiting();
                for agent in who {
                    let part = self.part(agent, self.changes.clone(), &mut waiting);
                    actions.push(Action::Begin(agent, part));
                }
                actions.extend(self.waiting_again());
            }
        }
        actions.push(Action::Settled(first..self.changes.len()));
        actions
    }

    /// A change that nobody has to agree to.
    fn settle(&mut self, at: At, from: u64, what: Vec<What>) -> Vec<Action> {
        let first = self.changes.len();
        let from = from.max(self.changes.last().map_or(0, |change| change.from));
        let present = self.living();
        self.changes.extend(what.into_iter().map(|what| SeatChange {
            from,
            what,
            decided: at.run,
            present,
        }));
        self.epoch += 1;
        let mut actions = self.tell_present();
        actions.push(Action::Settled(first..self.changes.len()));
        actions
    }

    /// Everybody who makes load gets what is settled, under the newest epoch.
    fn tell_present(&mut self) -> Vec<Action> {
        let agents: Vec<AgentId> = self.present().map(|(_, seat)| seat.agent).collect();
        let mut waiting = self.waiting();
        agents
            .into_iter()
            .map(|agent| self.tell(agent, self.changes.clone(), &mut waiting))
            .collect()
    }

    fn tell(
        &mut self,
        agent: AgentId,
        changes: Vec<SeatChange>,
        waiting: &mut BTreeMap<u32, Vus>,
    ) -> Action {
        Action::Assign(agent, self.part(agent, changes, waiting))
    }

    /// An agent's part; what its seat waits for is taken out of what all wait for, which is reckoned once for everybody who is told.
    fn part(
        &mut self,
        agent: AgentId,
        changes: Vec<SeatChange>,
        waiting: &mut BTreeMap<u32, Vus>,
    ) -> Part {
        let seat = self.seat_of(agent).unwrap_or(u32::MAX);
        let part = Part {
            epoch: self.epoch,
            seat,
            changes,
            waiting: waiting.remove(&seat).unwrap_or_default(),
        };
        self.told.insert(agent, part.clone());
        part
    }
}
