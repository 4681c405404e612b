//! Who was lost, who left and who came while load was made: what the report tells of it, with the gaps it left. Pure.

use crate::active::Active;
use crate::conservation::{Account, Fate, Gap, Promise, gap_of};
use crate::handover::{Handover, Standing, What};
use crate::member::{Member, Silence};
use crate::run::agents;
use metrics::text::{duration, share};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetEvent {
    /// An agent was lost, or ended before its part was over.
    Lost,
    /// An agent handed its share over and left.
    Left,
    /// An agent came and got a share.
    Joined,
    /// An agent was not heard for a while, and came back before its lease was over.
    Silent,
}

/// One agent that went or came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetChange {
    /// What happened.
    pub event: FleetEvent,
    /// To which agent.
    pub agent: String,
    /// Run time: when a lost agent was heard for the last time, when one asked to leave, from when a newcomer has its share. In
    /// milliseconds.
    pub at_ms: f64,
    /// Run time from which on its share is others', or from which on it was heard again; absent if nobody took it over.
    pub until_ms: Option<f64>,
    /// Its share of the load then, 0..=1.
    pub share: f64,
    /// How many agents made load from then on.
    pub agents: u32,
    /// What was left undone.
    pub gap: Gap,
    /// Intervals that came after a silence, and were of it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub recovered: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl fmt::Display for FleetChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |ms: f64| duration(ms * 1e6);
        let (agent, at, part) = (&self.agent, ms(self.at_ms), share(self.share));
        match (self.event, self.until_ms) {
            (FleetEvent::Lost, Some(until)) if self.agents > 0 => write!(
                f,
                "{agent} lost at {at}; its share ({part}) handed to {} after {}{}",
                agents(self.agents as usize),
                ms(until - self.at_ms),
                undone(&self.gap)
            ),
            (FleetEvent::Lost, _) => {
                write!(
                    f,
                    "{agent} lost at {at}; nobody took over its share ({part}){}",
                    undone(&self.gap)
                )
            }
            (FleetEvent::Left, _) => write!(
                f,
                "{agent} left (drain) at {}; its share ({part}) handed to {}{}",
                ms(self.until_ms.unwrap_or(self.at_ms)),
                agents(self.agents as usize),
                undone(&self.gap)
            ),
            (FleetEvent::Joined, _) => write!(f, "{agent} joined at {at} with a share of {part}"),
            (FleetEvent::Silent, until) => write!(
                f,
                "{agent} silent from {at} on for {}; it came back before its lease was over{}",
                ms(until.unwrap_or(self.at_ms) - self.at_ms),
                match self.recovered {
                    0 => String::new(),
                    1 => ", and 1 interval came late".to_owned(),
                    count => format!(", and {count} intervals came late"),
                }
            ),
        }
    }
}

fn undone(gap: &Gap) -> String {
    let mut terms = Vec::new();
    if gap.iterations > 0 {
        terms.push(format!("{} iterations not begun", gap.iterations));
    }
    if gap.silent > 0 {
        terms.push(format!(
            "{} due before its lease was over, begun or not",
            gap.silent
        ));
    }
    if gap.vu_seconds >= 0.05 {
        terms.push(format!("{:.1} VU s not held", gap.vu_seconds));
    }
    if terms.is_empty() {
        ": no gap".to_owned()
    } else {
        format!("; {}", terms.join(", "))
    }
}

/// All of it, in order.
#[must_use]
pub fn told(
    active: &Active,
    promises: &[Promise],
    accounts: &[Account],
    t0: u64,
) -> Vec<FleetChange> {
    let Some(handover) = &active.handover else {
        return Vec::new();
    };
    let run_ms = |controller: u64| controller.saturating_sub(t0) as f64 / 1e6;
    let mut members: Vec<&Member> = active.members.values().collect();
    members.sort_by_key(|member| member.seat);
    let mut all = Vec::new();
    for (member, account) in members.into_iter().zip(accounts) {
        let change = |event, at_ms| FleetChange {
            event,
            agent: member.name.clone(),
            at_ms,
            until_ms: None,
            share: share_of(active, member.seat),
            agents: 0,
            gap: Gap::default(),
            recovered: 0,
        };
        if member.came > 0 {
            all.push(change(FleetEvent::Joined, member.came as f64 / 1e6));
        }
        // The silence in which it was lost has its own line.
        let survived = |silence: &&Silence| member.heard.is_none_or(|heard| silence.to <= heard);
        for silence in member.silences.iter().filter(survived) {
            all.push(FleetChange {
                until_ms: Some(run_ms(silence.to)),
                recovered: silence.recovered,
                ..change(FleetEvent::Silent, run_ms(silence.from))
            });
        }
        let gone = handover
            .changes
            .iter()
            .find(|change| change.what == What::Gone(member.seat));
        let gap = gap_of(promises, member.seat as usize, account);
        let end = FleetChange {
            until_ms: gone.map(|gone| gone.from as f64 / 1e6),
            agents: gone.map_or(0, |gone| gone.present),
            gap,
            ..change(FleetEvent::Left, 0.0)
        };
        match (active.standing(member.seat), account.fate) {
            (Some(Standing::Left), _) => all.push(FleetChange {
                at_ms: gone.map_or(0.0, |gone| gone.decided as f64 / 1e6),
                ..end
            }),
            // While iterations finish no share changes hands: one that is given up then stands as it stood.
            (Some(Standing::Lost), _) | (_, Fate::Lost) => all.push(FleetChange {
                event: FleetEvent::Lost,
                at_ms: member.heard.or(member.ended).map_or(0.0, run_ms),
                ..end
            }),
            _ => {}
        }
    }
    all.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    all
}

/// The share that a seat had when it came, 0..=1: at T0, or when it joined.
#[must_use]
pub fn share_of(active: &Active, seat: u32) -> f64 {
    let weight = |weights: &[u32]| {
        let all: u64 = weights.iter().copied().map(u64::from).sum();
        let own = weights.get(seat as usize).copied().unwrap_or(0);
        f64::from(own) / all.max(1) as f64
    };
    match &active.handover {
        None => weight(&active.weights),
        Some(handover) => weight(&weights_with(handover, active.weights.clone(), seat)),
    }
}

/// Weights once a seat has come; 0 for those that had gone.
fn weights_with(handover: &Handover, mut weights: Vec<u32>, seat: u32) -> Vec<u32> {
    for change in &handover.changes {
        if weights.len() > seat as usize {
            break;
        }
        match change.what {
            What::Gone(gone) => {
                if let Some(weight) = weights.get_mut(gone as usize) {
                    *weight = 0;
                }
            }
            What::Came(weight) => weights.push(weight),
        }
    }
    weights
}
