//! Setup and teardown in a run's life: who does them, once; what follows from how they end.
//!
//! Laws: setup is ordered once; teardown is ordered once to an agent that can do it, however the run ends once setup or load was
//! begun; a phase whose agent was lost is never done again, for nobody knows how far it came.

use super::{Action, AgentId, Ending, Event, Moment, Part, Phase, PhaseProblem, Run, Why};
use super::{agents, stopped};
use plan::PhaseKind;
use proto::v1::{PhaseTrouble, RunState, StopMode};

impl Run {
    /// Whose word on which phase is awaited.
    #[must_use]
    pub fn awaits(&self) -> Option<(AgentId, PhaseKind)> {
        match &self.phase {
            Phase::Setup { agent, .. } => Some((*agent, PhaseKind::Setup)),
            Phase::Teardown { agent, .. } => Some((*agent, PhaseKind::Teardown)),
            _ => None,
        }
    }

    pub(super) fn begin_setup(&mut self, at: Moment, epoch: u32, time: u64) -> Vec<Action> {
        let Some(agent) = self.first(|part| *part == Part::Ready) else {
            return self.end(Why::NeverComplete, "no agent is left".to_owned());
        };
        self.life.setup_by = Some(agent);
        self.life.owed = true;
        self.phase = Phase::Setup {
            epoch,
            agent,
            until: self.by(at, time),
            ending: None,
        };
        vec![
            Action::Announce(
                RunState::StateReady,
                format!("{} ready", agents(self.members.len())),
            ),
            Action::Announce(
                RunState::StateSetup,
                format!("setup on {}", self.name(agent)),
            ),
            Action::RunPhase(agent, PhaseKind::Setup),
        ]
    }

    pub(super) fn setup(&mut self, at: Moment, event: Event) -> Vec<Action> {
        let Phase::Setup {
            epoch,
            agent,
            until,
            ending,
        } = self.phase.clone()
        else {
            return Vec::new();
        };
        match event {
            Event::PhaseOver(id, PhaseKind::Setup, result) if id == agent => {
                if let Some(ending) = ending {
                    return self.end(ending.why, ending.text);
                }
                match result {
                    Ok(()) => self.after_setup(at, epoch),
                    Err(problem) => self.setup_failed(agent, problem),
                }
            }
            Event::Gone(id, why) if id == agent => {
                self.part(id, Part::Lost);
                let text = format!(
                    "{} was lost while it did setup: {why}. It is not done again, for nobody knows how far it came; no load was made",
                    self.name(id)
                );
                self.end(Why::SetupLost, text)
            }
            Event::Gone(id, why) => {
                let text = format!("{} lost during setup: {why}", self.name(id));
                match self.part(id, Part::Lost) {
                    true => vec![Action::Warn(text)],
                    false => Vec::new(),
                }
            }
            Event::Stop(mode, reason) if ending.is_none() || mode == StopMode::StopInterrupt => {
                let cut = mode == StopMode::StopInterrupt;
                let text = stopped(mode, &reason);
                self.phase = Phase::Setup {
                    epoch,
                    agent,
                    until: if cut {
                        until.min(at.now.saturating_add(self.limits.grace))
                    } else {
                        until
                    },
                    ending: Some(Ending {
                        why: Why::Stopped(mode),
                        text,
                    }),
                };
                if cut {
                    vec![Action::CutPhase(agent)]
                } else {
                    Vec::new()
                }
            }
            Event::Tick if at.now >= until => match ending {
                Some(ending) => self.end(ending.why, ending.text),
                None => {
                    let text = format!("{} never reported the end of setup", self.name(agent));
                    let trouble = PhaseTrouble::PhaseTimedOut;
                    self.setup_failed(agent, PhaseProblem { trouble, text })
                }
            },
            _ => Vec::new(),
        }
    }

    fn setup_failed(&mut self, agent: AgentId, problem: PhaseProblem) -> Vec<Action> {
        let text = format!(
            "setup on {} failed: {}. No load was made",
            self.name(agent),
            problem.text
        );
        let why = match problem.trouble {
            PhaseTrouble::PhaseTimedOut => Why::SetupTimeout,
            PhaseTrouble::PhaseFailed | PhaseTrouble::PhaseFine => Why::SetupFailed,
            PhaseTrouble::PhaseCut => Why::SetupLost,
            PhaseTrouble::PhaseUnable => {
                // It sent nothing, so there is nothing to clear up.
                self.life.owed = false;
                Why::NeverComplete
            }
        };
        self.end(why, text)
    }

    /// The load may begin, if all are still there; else those that are take the places afresh.
    fn after_setup(&mut self, at: Moment, epoch: u32) -> Vec<Action> {
        let all = self.members.len();
        self.members.retain(|_, member| member.part != Part::Lost);
        let left = self.members.len();
        if left == all {
            return self.go(at);
        }
        if left < self.needs.least() {
            let text = format!(
                "{left} of {} are left after setup, {} needed. No load was made",
                agents(all),
                self.needs.least()
            );
            return self.end(Why::NeverComplete, text);
        }
        let mut seats: Vec<(AgentId, String)> = Vec::new();
        for (id, member) in &mut self.members {
            member.part = Part::Asked;
            seats.push((*id, member.name.clone()));
        }
        seats.sort_by_key(|(_, name)| crate::names::order(name));
        self.assign(at, epoch + 1, seats.into_iter().map(|(id, _)| id).collect())
    }

    /// Every end comes through here once something was begun.
    pub(super) fn begin_teardown(&mut self, time: u64, ending: Ending) -> Vec<Action> {
        let able = |run: &Self, id: AgentId| !run.life.unable.contains(&id);
        let idle = |part: &Part| matches!(part, Part::Ready | Part::Done | Part::Asked);
        let before = self.life.setup_by.filter(|id| {
            able(self, *id)
                && self
                    .members
                    .get(id)
                    .is_some_and(|member| idle(&member.part))
        });
        let mut others: Vec<AgentId> = self.with(idle).filter(|id| able(self, *id)).collect();
        others.sort_by_key(|id| crate::names::order(&self.name(*id)));
        let Some(agent) = before.or_else(|| others.first().copied()) else {
            let text = "teardown was not done: no agent is left to do it".to_owned();
            return self.close(ending, Some(text));
        };
        let at = Moment {
            now: self.life.now,
            rtt: 0,
        };
        self.phase = Phase::Teardown {
            agent,
            until: self.by(at, time),
            ending,
        };
        vec![
            Action::Announce(
                RunState::StateTeardown,
                format!("teardown on {}", self.name(agent)),
            ),
            Action::RunPhase(agent, PhaseKind::Teardown),
        ]
    }

    pub(super) fn teardown(&mut self, at: Moment, event: Event) -> Vec<Action> {
        let Phase::Teardown {
            agent,
            until,
            ending,
        } = self.phase.clone()
        else {
            return Vec::new();
        };
        let name = self.name(agent);
        match event {
            Event::PhaseOver(id, PhaseKind::Teardown, result) if id == agent => match result {
                Ok(()) => self.close(ending, None),
                Err(problem) => match problem.trouble {
                    PhaseTrouble::PhaseUnable => {
                        // Nothing was sent: another may.
                        self.life.unable.push(id);
                        let text = format!("{name} cannot do teardown: {}", problem.text);
                        let mut actions = vec![Action::Warn(text)];
                        actions
                            .extend(self.begin_teardown(self.limits.teardown.unwrap_or(0), ending));
                        actions
                    }
                    _ => {
                        let text = format!("teardown on {name} failed: {}", problem.text);
                        self.close(ending, Some(text))
                    }
                },
            },
            Event::Gone(id, why) if id == agent => {
                let text = format!(
                    "{name} was lost while it did teardown: {why}; it is not done again, for nobody knows how far it came"
                );
                self.close(ending, Some(text))
            }
            Event::Gone(id, _) => {
                self.part(id, Part::Lost);
                Vec::new()
            }
            // One that was late with its part.
            Event::Done(id) => {
                self.part(id, Part::Done);
                Vec::new()
            }
            Event::Stop(mode, reason) => {
                let again = ending.why == Why::Stopped(StopMode::StopInterrupt);
                if again && mode == StopMode::StopInterrupt {
                    self.phase = Phase::Teardown {
                        agent,
                        until: until.min(at.now.saturating_add(self.limits.grace)),
                        ending,
                    };
                    return vec![Action::CutPhase(agent)];
                }
                // Whoever stops a run wants it cleared up.
                if ending.why == Why::Finished {
                    self.phase = Phase::Teardown {
                        agent,
                        until,
                        ending: Ending {
                            why: Why::Stopped(mode),
                            text: stopped(mode, &reason),
                        },
                    };
                }
                Vec::new()
            }
            Event::Tick if at.now >= until => {
                let text = format!("{name} never reported the end of teardown");
                self.close(ending, Some(text))
            }
            _ => Vec::new(),
        }
    }

    /// The end after teardown; with why nobody can rely on it, if so.
    fn close(&mut self, ending: Ending, problem: Option<String>) -> Vec<Action> {
        self.phase = Phase::Over;
        let mut actions = Vec::new();
        if let Some(text) = problem {
            self.life.teardown_late = true;
            actions.push(Action::Warn(text));
        }
        actions.push(Action::End(ending));
        actions
    }

    fn by(&self, at: Moment, time: u64) -> u64 {
        at.now
            .saturating_add(time)
            .saturating_add(self.limits.grace)
    }

    /// The first seat whose part is so.
    fn first(&self, is: impl Fn(&Part) -> bool) -> Option<AgentId> {
        self.with(is)
            .min_by_key(|id| crate::names::order(&self.name(*id)))
    }

    fn name(&self, id: AgentId) -> String {
        let name = self.members.get(&id).map(|member| member.name.clone());
        name.unwrap_or_default()
    }

    /// True if it had another part that was not over.
    fn part(&mut self, id: AgentId, part: Part) -> bool {
        match self.members.get_mut(&id) {
            Some(member) if !matches!(member.part, Part::Done | Part::Lost) => {
                member.part = part;
                true
            }
            _ => false,
        }
    }
}
