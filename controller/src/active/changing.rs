//! Changes to a run whose load is made: agents are told, deadlines move, and a pause does not last for ever.

use super::Active;
use crate::Refusal;
use crate::change::{Asked, run_clock};
use crate::fleet::Fleet;
use crate::handover::Handover;
use crate::names;
use crate::run::{Event, Phase};
use proto::v1::to_agent::Message;
use proto::v1::{self, StopMode, change_request};

impl Active {
    /// Makes a change, and tells every agent.
    ///
    /// # Errors
    /// `Wrong`, with a remedy: the load is not being made, or the change makes no sense.
    pub fn change(
        &mut self,
        fleet: &mut Fleet,
        now: u64,
        request: &v1::ChangeRequest,
    ) -> Result<v1::ChangeReply, Refusal> {
        let id = &self.order.id;
        if let Some(change_request::Change::Annotate(_)) = &request.change {
            return self.annotate(now, request);
        }
        let (Phase::Load { .. }, Some(t0)) = (&self.run.phase, self.t0) else {
            return Err(Refusal::Wrong(match self.run.phase {
                Phase::Drain { .. } => {
                    format!("the load of run {id} is over; only its last iterations finish")
                }
                _ => format!(
                    "the load of run {id} has not begun; change it when it has, or end it with `throng stop {id}`"
                ),
            }));
        };
        let run = self.run_time(now);
        let asked = Asked {
            run,
            unix_ms: request.asked_unix_ms,
            rtt: self.farthest,
            handed: self.handover.as_ref().map_or(0, Handover::holds_from),
            length: self.outline.length,
        };
        let who = who(request);
        let answer = self
            .changes
            .make(&self.order.plan, request, &who, asked)
            .map_err(|error| Refusal::Wrong(error.0))?;
        let agents = self.run.running();
        if answer.new {
            self.outline
                .change(&self.order.plan, self.changes.control.clone());
            let until = t0.saturating_add(self.changes.latest_end(self.outline.length));
            // Moving a deadline ends nothing.
            self.event(fleet, now, Event::Until(until));
            self.send_all(fleet, &self.desired());
            self.say(format!(
                "{} by {who}, from {} on",
                answer.text,
                run_clock(answer.from)
            ));
        }
        Ok(v1::ChangeReply {
            version: self.changes.control.version(),
            from_ns: answer.from,
            run_ns: run,
            text: answer.text,
            agents,
        })
    }

    /// Notes something that somebody says, now. Agents need not know.
    fn annotate(
        &mut self,
        now: u64,
        request: &v1::ChangeRequest,
    ) -> Result<v1::ChangeReply, Refusal> {
        let run = self.run_time(now);
        if self.t0.is_none() || run < 0 {
            return Err(Refusal::Wrong(format!(
                "the load of run {} has not begun: there is no time line yet to note anything on; say it again when it has",
                self.order.id
            )));
        }
        let asked = Asked {
            run,
            unix_ms: request.asked_unix_ms,
            rtt: 0,
            handed: 0,
            length: self.outline.length,
        };
        let who = who(request);
        let answer = self
            .changes
            .make(&self.order.plan, request, &who, asked)
            .map_err(|error| Refusal::Wrong(error.0))?;
        self.say(format!("{} (by {who})", answer.text));
        Ok(v1::ChangeReply {
            version: self.changes.control.version(),
            from_ns: answer.from,
            run_ns: run,
            text: answer.text,
            agents: 0,
        })
    }

    /// What was changed so far, for an agent.
    pub(super) fn desired(&self) -> Message {
        Message::Desired(proto::control::to_wire(
            &self.order.id,
            &self.changes.control,
        ))
    }

    /// Does what changes ask for as time goes by. True once the run is over.
    pub(super) fn tick_changes(&mut self, fleet: &mut Fleet, now: u64) -> bool {
        if !matches!(self.run.phase, Phase::Load { .. }) {
            return false;
        }
        let run = self.run_time(now);
        let running = self
            .members
            .values()
            .filter(|member| self.run.runs(member.id));
        if let Some(version) = running.map(|member| member.desired).min() {
            self.changes.confirmed(version);
        }
        if let Some(from) = self.changes.to_confirm(run) {
            let version = self.changes.control.version();
            let late: Vec<String> = self
                .members
                .values()
                .filter(|member| member.desired < version)
                .filter(|member| self.run.runs(member.id))
                .map(|member| member.name.clone())
                .collect();
            if !late.is_empty() {
                self.note(format!(
                    "{} had not confirmed the change of {} when it was to hold; its load changes when it hears of it",
                    late.join(", "),
                    run_clock(from)
                ));
            }
        }
        if let Some(why) = self.changes.overdue(run) {
            self.note(format!("the run ends: {why}"));
            return self.event(fleet, now, Event::Stop(StopMode::StopGraceful, why));
        }
        false
    }
}

fn who(request: &v1::ChangeRequest) -> String {
    match names::printable(&request.who) {
        who if who.is_empty() => "somebody".to_owned(),
        who => who,
    }
}
