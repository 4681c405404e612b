//! A run's life while load is made and while it ends: stops, losses, agents that come, and the wait for those who finish.
//!
//! Without anybody left a run whose lost shares are redistributed waits its grace for somebody to come, and as long as somebody who
//! came prepares; then it ends.

use super::{
    Action, AgentId, Ending, Event, Member, Moment, Part, Phase, Run, Why, names, stopped,
};
use metrics::text::duration;
use plan::OnAgentLoss;
use proto::v1::{RunState, StopMode};

impl Run {
    pub(super) fn load(&mut self, at: Moment, until: u64, event: Event) -> Vec<Action> {
        if let Some(by) = self.life.deserted {
            // Nobody is there to be stopped, or to be waited for longer.
            let ending = match &event {
                Event::Tick if at.now >= by => Ending {
                    why: Why::FleetLost,
                    text: "nobody was left to make the rest of the load".to_owned(),
                },
                Event::Stop(mode, reason) => Ending {
                    why: Why::Stopped(*mode),
                    text: stopped(*mode, reason),
                },
                Event::Abort(what) => Ending {
                    why: Why::Aborted,
                    text: format!("aborted: {what}"),
                },
                _ => return self.loading(at, until, event),
            };
            return self.all_over(at, ending);
        }
        self.loading(at, until, event)
    }

    fn loading(&mut self, at: Moment, until: u64, event: Event) -> Vec<Action> {
        let drained = self.limits.drain.saturating_add(self.limits.grace);
        match event {
            Event::Tick if at.now >= until && self.life.deserted.is_none() => {
                let ending = Ending {
                    why: Why::Finished,
                    text: String::new(),
                };
                self.phase = Phase::Drain {
                    until: until.saturating_add(drained),
                    ending,
                    cut: false,
                };
                vec![Action::Announce(
                    RunState::StateDrain,
                    "iterations finish".to_owned(),
                )]
            }
            Event::Until(until) => {
                self.phase = Phase::Load { until };
                Vec::new()
            }
            Event::Stop(mode, reason) => {
                self.stop(at, mode, Why::Stopped(mode), stopped(mode, &reason))
            }
            Event::Abort(what) => self.stop(
                at,
                StopMode::StopInterrupt,
                Why::Aborted,
                format!("aborted: {what}"),
            ),
            Event::Gone(id, why) if self.ends_all(id) => {
                let how = format!("was lost ({why})");
                self.abort_for(at, id, Event::Gone(id, why), &how)
            }
            Event::Left(id) if self.ends_all(id) => {
                self.abort_for(at, id, event, "ended before its part was over")
            }
            Event::Joined(id, name) => {
                self.life.deserted = None;
                let part = Part::Running;
                self.members.insert(id, Member { name, part });
                Vec::new()
            }
            Event::Coming(by) => {
                if let Some(deserted) = &mut self.life.deserted {
                    *deserted = by.min(until).max(*deserted);
                }
                Vec::new()
            }
            Event::Returned(id) => self.returned(id),
            Event::Gone(..) | Event::GoneAgain(_) | Event::Done(_) | Event::Left(_) => {
                self.part_over(at, event, Self::finished())
            }
            _ => Vec::new(),
        }
    }

    /// True if the run is to end when this agent is lost.
    fn ends_all(&self, id: AgentId) -> bool {
        self.needs.on_loss == OnAgentLoss::Abort && self.runs(id)
    }

    /// An agent is lost whose loss ends the run.
    fn abort_for(&mut self, at: Moment, id: AgentId, event: Event, how: &str) -> Vec<Action> {
        let name = &self.members[&id].name;
        let text = format!("aborted: {name} {how}, and a loss is to end the run");
        let ending = Ending {
            why: Why::AgentLost,
            text: text.clone(),
        };
        let mut actions = self.part_over(at, event, ending);
        if let Phase::Load { .. } = self.phase {
            actions.extend(self.stop(at, StopMode::StopInterrupt, Why::AgentLost, text));
        }
        actions
    }

    /// A lost agent is back.
    fn returned(&mut self, id: AgentId) -> Vec<Action> {
        let lost = |member: &Member| member.part == Part::Lost;
        if self.members.get(&id).is_some_and(lost) {
            self.life.telling.insert(id);
        }
        Vec::new()
    }

    fn finished() -> Ending {
        Ending {
            why: Why::Finished,
            text: String::new(),
        }
    }

    fn stop(&mut self, at: Moment, mode: StopMode, why: Why, text: String) -> Vec<Action> {
        let wait = match mode {
            StopMode::StopInterrupt => self.limits.grace,
            StopMode::StopGraceful => self.limits.drain.saturating_add(self.limits.grace),
        };
        self.phase = Phase::Drain {
            until: at.now.saturating_add(wait),
            ending: Ending {
                why,
                text: text.clone(),
            },
            cut: mode == StopMode::StopInterrupt,
        };
        let how = match mode {
            StopMode::StopInterrupt => "stopping: iterations are cut",
            StopMode::StopGraceful => "stopping: iterations finish",
        };
        vec![
            Action::Announce(RunState::StateDrain, how.to_owned()),
            Action::Stop(mode, text),
        ]
    }

    pub(super) fn drain(
        &mut self,
        at: Moment,
        until: u64,
        ending: Ending,
        cut: bool,
        event: Event,
    ) -> Vec<Action> {
        match event {
            Event::Tick if at.now >= until && !cut => {
                let late: Vec<AgentId> = self.with(|part| *part == Part::Running).collect();
                let text = format!(
                    "{} did not finish in time; cutting",
                    names(late.iter().map(|id| &self.members[id].name))
                );
                self.phase = Phase::Drain {
                    until: at.now.saturating_add(self.limits.grace),
                    ending,
                    cut: true,
                };
                vec![
                    Action::Warn(text.clone()),
                    Action::Stop(StopMode::StopInterrupt, text),
                ]
            }
            Event::Tick if at.now >= until => {
                let telling = std::mem::take(&mut self.life.telling);
                let late = self.with(|part| *part == Part::Running);
                let late: Vec<AgentId> = late.chain(telling).collect();
                let text = format!(
                    "{} never reported an end",
                    names(late.iter().map(|id| &self.members[id].name))
                );
                let mut actions = vec![Action::Warn(text)];
                actions.extend(self.end(ending.why, ending.text));
                actions
            }
            Event::Returned(id) => self.returned(id),
            // A second, harder stop; never the other way round.
            Event::Stop(StopMode::StopInterrupt, reason) if !cut => {
                let mode = StopMode::StopInterrupt;
                self.stop(at, mode, Why::Stopped(mode), stopped(mode, &reason))
            }
            Event::Stop(StopMode::StopGraceful, reason) if !cut && ending.why == Why::Finished => {
                // Nothing begins any more anyway: only the reason changes.
                let mode = StopMode::StopGraceful;
                let ending = Ending {
                    why: Why::Stopped(mode),
                    text: stopped(mode, &reason),
                };
                self.phase = Phase::Drain { until, ending, cut };
                vec![Action::Stop(mode, reason)]
            }
            Event::Gone(..) | Event::GoneAgain(_) | Event::Done(_) | Event::Left(_) => {
                self.part_over(at, event, ending)
            }
            _ => Vec::new(),
        }
    }

    /// An agent finished or was lost, during load or drain.
    fn part_over(&mut self, at: Moment, event: Event, ending: Ending) -> Vec<Action> {
        let mut actions = Vec::new();
        // Nobody is given a share any more once the load is over.
        let loading = match self.phase {
            Phase::Load { until } => Some(until),
            _ => None,
        };
        let others = |id: AgentId| {
            self.with(|part| *part == Part::Running)
                .any(|other| other != id)
        };
        let (id, part, early) = match event {
            Event::Gone(id, why) => {
                if self.runs(id) {
                    let share = match (self.needs.on_loss, loading) {
                        (OnAgentLoss::Redistribute, Some(_)) if others(id) => {
                            "its share goes to those that remain"
                        }
                        (OnAgentLoss::Redistribute, Some(_)) => {
                            "nobody is left to take over its share"
                        }
                        _ => "its share is not made by anyone else",
                    };
                    let name = &self.members[&id].name;
                    actions.push(Action::Warn(format!("{name} lost: {why}; {share}")));
                }
                (id, Part::Lost, true)
            }
            Event::GoneAgain(id) => (id, Part::Lost, false),
            Event::Left(id) => (id, Part::Done, true),
            Event::Done(id) => (id, Part::Done, false),
            _ => return actions,
        };
        // Whoever was lost before makes no load that ends now.
        let told = self.life.telling.remove(&id);
        let early = early && !told;
        match self.members.get_mut(&id) {
            // A lost agent that came back and reported its end is no longer a gap in what is known.
            Some(member) if member.part == Part::Running || part == Part::Done => {
                member.part = part
            }
            _ if told => {}
            _ => return actions,
        }
        if self.with(|part| *part == Part::Running).next().is_some() {
            return actions;
        }
        if self.life.deserted.is_some() {
            return actions;
        }
        if let Some(until) = loading
            && early
            && self.needs.on_loss == OnAgentLoss::Redistribute
        {
            let wait = self.limits.grace;
            self.life.deserted = Some(at.now.saturating_add(wait).min(until));
            actions.push(Action::Announce(
                RunState::StateLoad,
                format!(
                    "nobody makes load; waiting {} for another agent",
                    duration(wait as f64)
                ),
            ));
            return actions;
        }
        actions.extend(self.all_over(at, ending));
        actions
    }

    /// Nobody makes load any more, and nobody will. Whoever came back is heard out, for its grace.
    fn all_over(&mut self, at: Moment, ending: Ending) -> Vec<Action> {
        let mut actions = Vec::new();
        if !self.life.telling.is_empty() {
            let telling = self.life.telling.iter().map(|id| &self.members[id].name);
            let text = format!("hearing what {} saw", names(telling));
            self.life.deserted = None;
            // Once: whoever goes and comes again and again does not prolong it.
            let grace = at.now.saturating_add(self.limits.grace);
            let until = match self.phase {
                Phase::Drain {
                    until, cut: true, ..
                } => until.min(grace),
                _ => grace,
            };
            self.phase = Phase::Drain {
                until,
                ending,
                cut: true,
            };
            return vec![Action::Announce(RunState::StateDrain, text)];
        }
        if self.with(|part| *part == Part::Done).next().is_none() {
            let text = format!(
                "every agent was lost: {}",
                names(self.members.values().map(|m| &m.name))
            );
            actions.extend(self.end(Why::FleetLost, text));
        } else {
            if let Phase::Load { .. } = self.phase {
                actions.push(Action::Announce(RunState::StateDrain, String::new()));
            }
            actions.extend(self.end(ending.why, ending.text));
        }
        actions
    }
}
