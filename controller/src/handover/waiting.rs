//! VUs that were given up while they were in an iteration: whoever owns them now waits for them, one by one.

use super::{Action, Handover, Held, Standing, Vus};
use crate::run::AgentId;
use std::collections::BTreeMap;

impl Handover {
    /// An agent says which given-up VUs are at work on it.
    pub(super) fn holds(&mut self, agent: AgentId, epoch: u32, vus: Vus) -> Vec<Action> {
        let seat = self.seats.iter().find(|seat| seat.agent == agent);
        if seat.is_none_or(|seat| matches!(seat.standing, Standing::Lost | Standing::Finished)) {
            return Vec::new();
        }
        let held = self.held.entry(agent).or_default();
        // Said before it knew what the newest answer was about: those VUs were its own then.
        if epoch < held.epoch || (held.epoch, &held.vus) == (epoch, &vus) {
            return Vec::new();
        }
        let same = held.vus == vus;
        *held = Held { epoch, vus };
        if same {
            Vec::new()
        } else {
            self.waiting_again()
        }
    }

    /// Tells again those for whom others' VUs came free, under the same epoch.
    pub(super) fn waiting_again(&mut self) -> Vec<Action> {
        let takers: Vec<(u32, AgentId)> = self
            .present()
            .map(|(number, seat)| (number, seat.agent))
            .collect();
        let mut all = self.waiting();
        let mut actions = Vec::new();
        for (number, agent) in takers {
            let waiting = all.remove(&number).unwrap_or_default();
            if let Some(told) = self.told.get_mut(&agent)
                && told.waiting != waiting
            {
                told.waiting = waiting;
                actions.push(Action::Assign(agent, told.clone()));
            }
        }
        actions
    }

    /// By seat: what it owns by what is settled, be it only for the moment until the next change holds, and others still have at work.
    pub(super) fn waiting(&self) -> BTreeMap<u32, Vus> {
        let mut waiting: BTreeMap<u32, Vus> = BTreeMap::new();
        // Hardly anybody has any: what this costs is theirs, not the fleet's.
        let mut busy = self.held.iter().filter(|(_, held)| !held.vus.is_empty());
        let Some(first) = busy.next() else {
            return waiting;
        };
        let Some(shares) = self.shares() else {
            return waiting;
        };
        for (agent, held) in std::iter::once(first).chain(busy) {
            let holder = self.seat_of(*agent);
            for changes in 0..=self.changes.len() {
                let shares = shares.under(changes);
                for (scenario, vus) in &held.vus {
                    for vu in vus {
                        let owner = u32::try_from(shares.owner(*vu)).ok();
                        if let Some(owner) = owner.filter(|_| owner != holder) {
                            let own = waiting.entry(owner).or_default();
                            own.entry(*scenario).or_default().insert(*vu);
                        }
                    }
                }
            }
        }
        waiting
    }
}
