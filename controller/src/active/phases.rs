//! Setup and teardown acted out: ordered, heard of, and the rows handed to those whose they are.

use super::Active;
use crate::fleet::{Agent, Fleet};
use crate::phases::{kind, wire};
use crate::run::{AgentId, Event, PhaseProblem};
use plan::{PhaseKind, Shares};
use proto::v1::to_agent::Message;
use proto::v1::{self, Level, LogLine, PhaseTrouble, StopMode, run_event};

impl Active {
    /// The connection of an agent of the run, be it in a later life of its link.
    fn reach<'f>(&self, fleet: &'f Fleet, id: AgentId) -> Option<&'f Agent> {
        fleet.get(id).or_else(|| {
            let back = self.returned.iter().find(|(_, old)| **old == id);
            fleet.get(*back?.0)
        })
    }

    /// Orders a phase; false if the agent is gone.
    pub(super) fn run_phase(&self, fleet: &Fleet, id: AgentId, phase: PhaseKind) -> bool {
        let Some(agent) = self.reach(fleet, id) else {
            return false;
        };
        if phase == PhaseKind::Teardown {
            let rows = self.phases.for_teardown(&self.order.id, &self.order.plan);
            for rows in rows {
                agent.link.send(Message::Rows(rows));
            }
        }
        agent.link.send(Message::Phase(v1::RunPhase {
            run: self.order.id.clone(),
            phase: wire(phase).into(),
        }));
        true
    }

    pub(super) fn cut_phase(&self, fleet: &Fleet, id: AgentId) {
        if let Some(agent) = self.reach(fleet, id) {
            agent.link.send(Message::Stop(v1::StopRun {
                run: self.order.id.clone(),
                mode: StopMode::StopInterrupt.into(),
                reason: "the run is being stopped".to_owned(),
                only_you: false,
            }));
        }
    }

    /// Gives every agent its rows; the order to begin comes after them on the same stream.
    pub(super) fn hand_out(&self, fleet: &Fleet) {
        // The same weights as in the assignment.
        let Ok(shares) = Shares::new(self.weights.clone()) else {
            return;
        };
        let (run, plan) = (&self.order.id, &self.order.plan);
        for (id, member) in &self.members {
            let Some(agent) = fleet.get(*id) else {
                continue;
            };
            for rows in self
                .phases
                .of_seat(run, plan, &shares, (0, None), member.seat as usize)
            {
                agent.link.send(Message::Rows(rows));
            }
        }
    }

    /// A piece of what a phase came to. True once the run is over.
    pub(super) fn phase_piece(
        &mut self,
        fleet: &mut Fleet,
        now: u64,
        id: AgentId,
        piece: v1::PhasePiece,
    ) -> bool {
        let phase = kind(piece.phase());
        // Only from whom it is awaited: what was given up, or told before, counts no more.
        if self.run.awaits() != Some((id, phase)) {
            return false;
        }
        let told = match self.phases.take(id, piece) {
            Ok(Some(told)) => told,
            Ok(None) => return false,
            Err(text) => {
                let trouble = PhaseTrouble::PhaseFailed;
                let problem = PhaseProblem { trouble, text };
                return self.event(fleet, now, Event::PhaseOver(id, phase, Err(problem)));
            }
        };
        let merged = self.gather.phase(&told.intervals);
        let name = self
            .members
            .get(&id)
            .map(|member| member.name.clone())
            .unwrap_or_default();
        let result = self.phases.book(told, &name, &self.order.plan, merged);
        if let (Ok(()), Some(facts)) = (&result, self.phases.facts.last()) {
            let rows: Vec<String> = facts
                .rows
                .iter()
                .map(|(set, count)| format!(", {count} rows of {set}"))
                .collect();
            let text = format!(
                "{} took {:.1} s: {} requests{}",
                facts.phase,
                facts.took_ms / 1e3,
                facts.requests,
                rows.concat()
            );
            self.tell(run_event::Event::Log(LogLine {
                level: Level::Info.into(),
                text,
                count: 1,
                sample: String::new(),
                error: false,
            }));
        }
        self.event(fleet, now, Event::PhaseOver(id, phase, result))
    }
}
