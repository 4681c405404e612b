//! Who may be ahead of the curve: an agent that has not heard of a pause, or of a smaller scale, goes on by what it knows; one whose clock
//! goes fast, by its clock. What it begins meanwhile is due later for everybody else, and must not be begun again by whoever takes its
//! share over.

use super::Active;
use crate::handover;
use crate::outline::Outline;
use crate::run::AgentId;
use proto::v1;

impl Active {
    /// True if this heartbeat is the first that tells of a change.
    pub(super) fn confirms(&self, id: AgentId, heartbeat: &v1::Heartbeat) -> bool {
        let member = self.members.get(&id);
        member.is_some_and(|member| heartbeat.desired_version > member.desired)
    }

    /// Until now an agent that makes load may have gone by what was so before the changes that it had not confirmed. One that `ends` has
    /// also gone by its own clock, be that ahead of ours.
    pub(super) fn went_on(&mut self, now: u64, id: AgentId, ends: bool) {
        let Ok(run) = u64::try_from(self.run_time(now)) else {
            return;
        };
        let makes_load = self.run.runs(id);
        let Some(member) = self.members.get_mut(&id).filter(|_| makes_load) else {
            return;
        };
        let fast = if ends { member.fast } else { 0 };
        let mut went_by: Vec<Outline> = Vec::new();
        for control in self.changes.gone_by(member.desired) {
            let mut then = self.outline.clone();
            then.change(&self.order.plan, control.clone());
            went_by.push(then);
        }
        if fast > 0 {
            went_by.push(self.outline.clone());
        }
        for then in went_by {
            let reached = self.outline.each_due_by(run);
            let begun = then.each_due_by(run.saturating_add(fast));
            for ((scenario, begun), (_, reached)) in begun.zip(reached) {
                if begun > reached {
                    let below = member.ahead.entry(scenario).or_default();
                    *below = begun.max(*below);
                }
            }
        }
    }

    /// True while the curve has not reached all that may have been begun by the time from which a hand-over decided now would hold.
    pub(super) fn is_ahead(&self, now: u64) -> bool {
        let run = u64::try_from(self.run_time(now)).unwrap_or(0);
        let from = run.saturating_add(handover::lead(self.farthest));
        let ahead = self.members.values().map(|member| &member.ahead);
        ahead.filter(|ahead| !ahead.is_empty()).any(|ahead| {
            let mut due = self.outline.each_due_by(from);
            due.any(|(scenario, due)| ahead.get(&scenario).is_some_and(|below| due < *below))
        })
    }
}
