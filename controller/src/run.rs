//! The life of one run as a pure machine: `step(run, moment, event) -> actions`. Its table is `run/table.rs`.
//!
//! checked → enlisting → preflight → ready → setup → load → drain → teardown → over. A plan without setup or teardown passes
//! them, announced all the same. Every wait has a deadline. Knows agents by number only; sends, reads and measures nothing.

mod load;
mod model;
mod phases;
mod resume;
#[cfg(test)]
#[path = "run/table.rs"]
mod table;

pub use model::*;

use metrics::text::duration;
use proto::v1::{ProblemKind, RunState, StopMode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// What was asked for.
    pub needs: Needs,
    /// How long things may take.
    pub limits: Limits,
    /// Where it is.
    pub phase: Phase,
    /// Its agents.
    pub members: BTreeMap<AgentId, Member>,
    /// How far setup and teardown are.
    pub life: Life,
}

impl Run {
    /// A run that was compiled and checked.
    #[must_use]
    pub fn new(needs: Needs, limits: Limits) -> Self {
        Self {
            needs,
            limits,
            phase: Phase::Checked,
            members: BTreeMap::new(),
            life: Life::default(),
        }
    }

    /// Its state on the wire.
    #[must_use]
    pub fn state(&self) -> RunState {
        match self.phase {
            Phase::Checked => RunState::StateChecked,
            Phase::Enlisting { .. } => RunState::StateEnlisting,
            Phase::Preflight { .. } => RunState::StatePreflight,
            Phase::Setup { .. } => RunState::StateSetup,
            Phase::Load { .. } => RunState::StateLoad,
            Phase::Drain { .. } => RunState::StateDrain,
            Phase::Teardown { .. } => RunState::StateTeardown,
            Phase::Over => RunState::StateOver,
        }
    }

    /// What an event leads to.
    #[must_use]
    pub fn step(&mut self, at: Moment, event: Event) -> Vec<Action> {
        self.life.now = at.now;
        match (self.phase.clone(), event) {
            (Phase::Over, _) => Vec::new(),
            (Phase::Checked, Event::Idle(idle)) => {
                let until = at.now.saturating_add(self.needs.wait);
                self.phase = Phase::Enlisting { until };
                let mut actions = vec![Action::Announce(
                    RunState::StateEnlisting,
                    match self.needs.expect {
                        0 => "enlisting all agents that are there".to_owned(),
                        count => format!("waiting for {}", agents(count as usize)),
                    },
                )];
                actions.extend(self.enlist(at, until, &idle));
                actions
            }
            (Phase::Enlisting { until }, Event::Idle(idle)) => self.enlist(at, until, &idle),
            (Phase::Preflight { epoch, until }, event) => self.preflight(at, epoch, until, event),
            (Phase::Setup { .. }, event) => self.setup(at, event),
            (Phase::Teardown { .. }, event) => self.teardown(at, event),
            (Phase::Load { until }, event) => self.load(at, until, event),
            (Phase::Drain { until, ending, cut }, event) => {
                self.drain(at, until, ending, cut, event)
            }
            (_, Event::Stop(mode, reason)) => self.end(Why::Stopped(mode), stopped(mode, &reason)),
            (Phase::Checked | Phase::Enlisting { .. }, _) => Vec::new(),
        }
    }

    fn enlist(&mut self, at: Moment, until: u64, idle: &[(AgentId, String)]) -> Vec<Action> {
        let wanted = self.needs.expect as usize;
        let enough = idle.len() >= wanted.max(if wanted == 0 { self.needs.least() } else { 1 });
        let late = at.now >= until;
        if !enough && !late {
            return Vec::new();
        }
        if idle.len() < self.needs.least() {
            let text = format!(
                "{} of {} came within {}: {}. Start the missing ones (`throng agent --controller URL`), look at \
                 `throng agents`, wait longer with --wait, or go with fewer with --min-agents.",
                idle.len(),
                agents(wanted.max(1)),
                duration(self.needs.wait as f64),
                if idle.is_empty() {
                    "none".to_owned()
                } else {
                    names(idle.iter().map(|(_, name)| name))
                },
            );
            return self.end(Why::NeverComplete, text);
        }
        let take = if wanted == 0 { idle.len() } else { wanted };
        self.members = idle
            .iter()
            .take(take)
            .map(|(id, name)| {
                (
                    *id,
                    Member {
                        name: name.clone(),
                        part: Part::Asked,
                    },
                )
            })
            .collect();
        let seats: Vec<AgentId> = idle.iter().take(take).map(|(id, _)| *id).collect();
        let mut actions = Vec::new();
        if !enough {
            actions.push(Action::Warn(format!(
                "only {} of {wanted} came in time; going on with them, as --min-agents allows",
                agents(seats.len())
            )));
        }
        actions.extend(self.assign(at, 1, seats));
        actions
    }

    fn assign(&mut self, at: Moment, epoch: u32, seats: Vec<AgentId>) -> Vec<Action> {
        self.phase = Phase::Preflight {
            epoch,
            until: at.now.saturating_add(self.limits.prepare),
        };
        // The target was looked at in the first epoch.
        let preflight = self.needs.preflight && epoch == 1;
        let text = if preflight {
            format!(
                "asking {} to prepare and to look at the target",
                agents(seats.len())
            )
        } else {
            format!("asking {} to prepare", agents(seats.len()))
        };
        vec![
            Action::Announce(RunState::StatePreflight, text),
            Action::Assign {
                epoch,
                seats,
                preflight,
            },
        ]
    }

    fn preflight(&mut self, at: Moment, epoch: u32, until: u64, event: Event) -> Vec<Action> {
        match event {
            Event::Prepared(id, of, result) if of == epoch => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.part = match result {
                        Ok(()) => Part::Ready,
                        Err(problem) => Part::Unfit(problem),
                    };
                }
            }
            Event::Misfit(text) => return self.end(Why::NeverComplete, text),
            Event::Gone(id, why) => self.unfit(id, &why),
            Event::Tick if at.now >= until => {
                let silent: Vec<AgentId> = self.with(|part| *part == Part::Asked).collect();
                for id in silent {
                    self.unfit(
                        id,
                        &format!(
                            "did not get ready within {}",
                            duration(self.limits.prepare as f64)
                        ),
                    );
                }
            }
            Event::Stop(mode, reason) => {
                return self.end(Why::Stopped(mode), stopped(mode, &reason));
            }
            _ => return Vec::new(),
        }
        if self.with(|part| *part == Part::Asked).next().is_some() {
            return Vec::new();
        }
        self.all_answered(at, epoch)
    }

    fn unfit(&mut self, id: AgentId, why: &str) {
        if let Some(member) = self.members.get_mut(&id) {
            member.part = Part::Unfit(Problem {
                kind: ProblemKind::ProblemLocal,
                text: why.to_owned(),
            });
        }
    }

    fn all_answered(&mut self, at: Moment, epoch: u32) -> Vec<Action> {
        let unfit: Vec<(AgentId, String, Problem)> = self
            .members
            .iter()
            .filter_map(|(id, member)| match &member.part {
                Part::Unfit(problem) => Some((*id, member.name.clone(), problem.clone())),
                _ => None,
            })
            .collect();
        if unfit.is_empty() {
            return match self.limits.setup {
                Some(time) if self.life.setup_by.is_none() => self.begin_setup(at, epoch, time),
                _ => self.go(at),
            };
        }
        let left = self.members.len() - unfit.len();
        let target = unfit
            .iter()
            .all(|(_, _, p)| p.kind == ProblemKind::ProblemTarget);
        if left == 0 && target {
            let text = format!(
                "{} (checked from {}). Nothing was sent. Is it running? Aim elsewhere with --base-url, or skip this look with \
                 --no-preflight.",
                unfit[0].2.text,
                names(unfit.iter().map(|(_, name, _)| name)),
            );
            return self.end(Why::Target, text);
        }
        let reasons: Vec<String> = unfit
            .iter()
            .map(|(_, name, p)| format!("{name}: {}", p.text))
            .collect();
        if left < self.needs.least() {
            let text = format!(
                "{left} of {} can take part, {} needed. Nothing was sent. {}",
                agents(self.members.len()),
                self.needs.least(),
                reasons.join("; "),
            );
            return self.end(Why::NeverComplete, text);
        }
        let mut actions: Vec<Action> = reasons
            .into_iter()
            .map(|reason| Action::Warn(format!("goes on without {reason}")))
            .collect();
        for (id, _, _) in unfit {
            self.members.remove(&id);
            actions.push(Action::Release(id));
        }
        let mut seats: Vec<(AgentId, String)> = Vec::new();
        for (id, member) in &mut self.members {
            member.part = Part::Asked;
            seats.push((*id, member.name.clone()));
        }
        seats.sort_by_key(|(_, name)| crate::names::order(name));
        actions.extend(self.assign(at, epoch + 1, seats.into_iter().map(|(id, _)| id).collect()));
        actions
    }

    fn go(&mut self, at: Moment) -> Vec<Action> {
        // Four round trips: the order and its repetition after a loss reach everybody before T0.
        let t0 = at
            .now
            .saturating_add(self.limits.lead.max(at.rtt.saturating_mul(4)));
        for member in self.members.values_mut() {
            member.part = Part::Running;
        }
        self.phase = Phase::Load {
            until: t0.saturating_add(self.limits.load),
        };
        self.life.owed = true;
        let mut actions = Vec::new();
        if self.life.setup_by.is_none() {
            actions.push(Action::Announce(
                RunState::StateReady,
                format!("{} ready", agents(self.members.len())),
            ));
            actions.push(Action::Announce(RunState::StateSetup, String::new()));
        }
        actions.extend([
            Action::Go(t0),
            Action::Announce(
                RunState::StateLoad,
                format!("load begins in {} ms", (t0 - at.now) / 1_000_000),
            ),
        ]);
        actions
    }

    pub(super) fn end(&mut self, why: Why, text: String) -> Vec<Action> {
        let began = matches!(self.phase, Phase::Load { .. } | Phase::Drain { .. });
        if let Some(time) = self.limits.teardown.filter(|_| self.life.owed) {
            return self.begin_teardown(time, Ending { why, text });
        }
        self.phase = Phase::Over;
        let mut actions = Vec::new();
        if began {
            actions.push(Action::Announce(RunState::StateTeardown, String::new()));
        }
        actions.push(Action::End(Ending { why, text }));
        actions
    }

    /// True for an agent whose part has begun and is not over.
    #[must_use]
    pub fn runs(&self, id: AgentId) -> bool {
        let member = self.members.get(&id);
        member.is_some_and(|member| member.part == Part::Running)
    }

    /// How many those are.
    #[must_use]
    pub fn running(&self) -> u32 {
        let running = self.with(|part| *part == Part::Running);
        u32::try_from(running.count()).unwrap_or(u32::MAX)
    }

    fn with(&self, is: impl Fn(&Part) -> bool) -> impl Iterator<Item = AgentId> {
        self.members
            .iter()
            .filter_map(move |(id, member)| is(&member.part).then_some(*id))
    }
}

fn stopped(mode: StopMode, reason: &str) -> String {
    let how = match mode {
        StopMode::StopInterrupt => "interrupted",
        StopMode::StopGraceful => "stopped gracefully",
    };
    if reason.is_empty() {
        how.to_owned()
    } else if reason.starts_with(how) {
        reason.to_owned()
    } else {
        format!("{how}: {reason}")
    }
}

/// `1 agent`, `2 agents`.
#[must_use]
pub fn agents(count: usize) -> String {
    if count == 1 {
        "1 agent".to_owned()
    } else {
        format!("{count} agents")
    }
}

/// Names for people: at most five, and how many more.
fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut all: Vec<&str> = names.map(String::as_str).collect();
    all.sort_by_key(|name| crate::names::order(name));
    if all.len() > 5 {
        format!("{} and {} more", all[..5].join(", "), all.len() - 5)
    } else {
        all.join(", ")
    }
}
