//! The agents of a run, by seat: how each stands, what share it has and how it fares.

use crate::active::Active;
use crate::fleet::Fleet;
use crate::handover::{Handover, Standing, What};
use crate::member::Member;
use crate::run::Part;
use proto::v1::AgentView;

/// Agents that are told.
const SEATS: usize = 500;

/// Every seat, the lost and the gone included; then those that are to join.
#[must_use]
pub(super) fn of(active: &Active, fleet: &Fleet, now: u64) -> Vec<AgentView> {
    let run_ns = active.run_time(now);
    let shares = shares(active, u64::try_from(run_ns).unwrap_or(0));
    let mut members: Vec<&Member> = active.members.values().collect();
    members.sort_by_key(|member| member.seat);
    let seated = members.iter().take(SEATS).map(|member| {
        let agent = fleet.get(member.id);
        let standing = standing(active, member);
        let makes = matches!(standing, "running" | "leaving");
        let (rate, p95_ns) = active.gather.seconds.of_seat(member.seat, run_ns);
        let heard = agent.map(|agent| agent.link.answered());
        let heard = heard.or(member.heard).or(member.last_heard());
        AgentView {
            standing: standing.to_owned(),
            share: shares.get(member.seat as usize).copied().unwrap_or(0.0),
            rate: if makes { rate } else { 0.0 },
            p95_ns,
            heard_ms_ago: heard.map_or(0, |heard| now.saturating_sub(heard) / 1_000_000),
            ..member.glance()
        }
    });
    let newcomers = active.handover.iter().flat_map(Handover::newcomers);
    let next = active.members.len() as u32;
    let coming = (next..).zip(newcomers).filter_map(|(seat, (id, name))| {
        let agent = fleet.get(id)?;
        Some(AgentView {
            seat,
            name: name.to_owned(),
            standing: "joining".to_owned(),
            rtt_ns: agent.rtt,
            offset_ns: agent.offset,
            heard_ms_ago: now.saturating_sub(agent.link.answered()) / 1_000_000,
            health: agent.health,
            ..AgentView::default()
        })
    });
    let mut all: Vec<AgentView> = seated.collect();
    all.extend(coming.take(SEATS - all.len()));
    all
}

/// True for one that makes load, as far as anybody knows.
pub(super) fn makes_load(active: &Active, member: &Member) -> bool {
    matches!(standing(active, member), "running" | "leaving")
}

fn standing(active: &Active, member: &Member) -> &'static str {
    let part = active
        .run
        .members
        .get(&member.id)
        .map(|member| &member.part);
    match (active.standing(member.seat), part) {
        (Some(Standing::Lost), _) | (_, Some(Part::Lost)) => "lost",
        (Some(Standing::Left), _) => "left",
        (Some(Standing::Finished), _) | (_, Some(Part::Done)) => "done",
        (Some(Standing::Leaving), _) => "leaving",
        (_, Some(Part::Running)) => "running",
        _ => "preparing",
    }
}

/// Each seat's share of the load at a run time, 0..=1.
fn shares(active: &Active, run: u64) -> Vec<f64> {
    let mut weights = active.weights.clone();
    let changes = active
        .handover
        .iter()
        .flat_map(|handover| &handover.changes);
    for change in changes {
        let holds = change.from <= run;
        match change.what {
            What::Gone(seat) if holds => {
                if let Some(weight) = weights.get_mut(seat as usize) {
                    *weight = 0;
                }
            }
            What::Gone(_) => {}
            What::Came(weight) => weights.push(if holds { weight } else { 0 }),
        }
    }
    let all: u64 = weights.iter().copied().map(u64::from).sum();
    let share = |weight: &u32| f64::from(*weight) / all.max(1) as f64;
    weights.iter().map(share).collect()
}
