//! VUs that were given up while they were in an iteration: whoever owns them now waits for them, one by one.

use super::{Action, Handover, Held, Standing, Vus};
use crate::run::AgentId;

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
        let mut actions = Vec::new();
        for (number, agent) in takers {
            let waiting = self.waiting_of(number);
            if let Some(told) = self.told.get_mut(&agent)
                && told.waiting != waiting
            {
                told.waiting = waiting;
                actions.push(Action::Assign(agent, told.clone()));
            }
        }
        actions
    }

    /// What a seat owns by what is settled, be it only for the moment until the next change holds, and others still have at work.
    pub(super) fn waiting_of(&self, seat: u32) -> Vus {
        let mut waiting = Vus::new();
        let Some(shares) = self.shares().filter(|_| !self.held.is_empty()) else {
            return waiting;
        };
        let owns = |vu| {
            let settled = 0..=self.changes.len();
            settled
                .into_iter()
                .any(|changes| shares.under(changes).owner(vu) == seat as usize)
        };
        for (agent, held) in &self.held {
            if self.seat_of(*agent) == Some(seat) {
                continue;
            }
            for (scenario, vus) in &held.vus {
                let own = vus.iter().filter(|vu| owns(**vu));
                let own: std::collections::BTreeSet<u64> = own.copied().collect();
                if !own.is_empty() {
                    waiting.entry(*scenario).or_default().extend(own);
                }
            }
        }
        waiting
    }
}
