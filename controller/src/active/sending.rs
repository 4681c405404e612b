//! What a run sends its agents: their parts, the start, the stop; and again after a reconnect.

use super::Active;
use crate::fleet::Fleet;
use crate::member::Member;
use crate::run::{AgentId, Event, Part, Phase};
use crate::weights::Able;
use plan::PhaseKind;
use proto::v1::to_agent::Message;
use proto::v1::{self, StopMode};

impl Active {
    pub(super) fn release(&self, fleet: &mut Fleet, id: AgentId) {
        if let Some(agent) = fleet.get(id) {
            agent.link.send(Message::Closed(v1::RunClosed {
                run: self.order.id.clone(),
            }));
            fleet.assign(id, None);
        }
    }

    /// Gives these agents their parts.
    ///
    /// # Errors
    /// Why the weights that were asked for do not fit them; nobody was told anything.
    pub(super) fn assign(
        &mut self,
        fleet: &mut Fleet,
        epoch: u32,
        seats: &[AgentId],
        preflight: bool,
    ) -> Result<(), String> {
        self.epoch = epoch;
        self.members = (0..)
            .zip(seats)
            .filter_map(|(seat, id)| Some((*id, Member::new(*id, seat, fleet.get(*id)?))))
            .collect();
        let mut able: Vec<&Member> = self.members.values().collect();
        able.sort_by_key(|member| member.seat);
        let able: Vec<Able<'_>> = able.into_iter().map(Member::able).collect();
        self.weights = self.order.weights.of(&able)?;
        for id in seats {
            fleet.assign(*id, Some(self.order.id.clone()));
            self.send_part(fleet, *id, epoch == 1, preflight);
        }
        Ok(())
    }

    fn send_part(&self, fleet: &Fleet, id: AgentId, bundle: bool, preflight: bool) {
        let (Some(agent), Some(member)) = (fleet.get(id), self.members.get(&id)) else {
            return;
        };
        if bundle {
            for chunk in proto::bundle::chunks(&self.order.id, &self.order.bundle) {
                agent.link.send(Message::Bundle(chunk));
            }
        }
        agent.link.send(Message::Assign(v1::Assign {
            run: self.order.id.clone(),
            epoch: self.epoch,
            seat: member.seat,
            weights: self.weights.clone(),
            preflight,
            ..v1::Assign::default()
        }));
    }

    pub(super) fn go(&self, t0_ns: u64) -> Message {
        Message::Go(v1::Go {
            run: self.order.id.clone(),
            t0_ns,
        })
    }

    pub(super) fn stop(&self) -> Message {
        let (mode, reason) = self
            .stopped
            .as_ref()
            .map_or((StopMode::StopInterrupt, ""), |(mode, reason, _)| {
                (*mode, reason)
            });
        Message::Stop(v1::StopRun {
            run: self.order.id.clone(),
            mode: mode.into(),
            reason: reason.to_owned(),
            only_you: false,
        })
    }

    pub(super) fn send_all(&self, fleet: &Fleet, message: &Message) {
        for agent in self.members.keys().filter_map(|id| fleet.get(*id)) {
            agent.link.send(message.clone());
        }
    }

    /// The same life on a new connection: what it may have missed is sent again; agents take repetitions as such.
    pub fn reconnected(&self, fleet: &Fleet, now: u64, id: AgentId) {
        if matches!(self.run.phase, Phase::Load { .. }) {
            self.tell_again(fleet, now, id);
        }
        let (Some(agent), Some(member)) = (fleet.get(id), self.members.get(&id)) else {
            return;
        };
        let part = self.run.members.get(&id).map(|member| &member.part);
        match (&self.run.phase, part) {
            (Phase::Preflight { .. }, Some(Part::Asked)) => {
                self.send_part(
                    fleet,
                    id,
                    true,
                    self.order.needs.preflight && self.epoch == 1,
                );
            }
            (
                Phase::Setup {
                    agent: at, ending, ..
                },
                _,
            ) if *at == id => {
                self.run_phase(fleet, id, PhaseKind::Setup);
                if ending.is_some() {
                    self.cut_phase(fleet, id);
                }
            }
            (Phase::Load { .. } | Phase::Drain { .. } | Phase::Teardown { .. }, _) => {
                self.acknowledge(fleet, id, member.seat, member.incarnation);
                if let Phase::Teardown { agent: at, .. } = &self.run.phase {
                    if *at == id {
                        self.run_phase(fleet, id, PhaseKind::Teardown);
                    }
                    return;
                }
                if let Some(t0) = self.t0.filter(|_| member.started.is_none()) {
                    agent.link.send(self.go(t0));
                }
                if self.changes.control.version() > 0 {
                    agent.link.send(self.desired());
                }
                if self.stopped.is_some() {
                    agent.link.send(self.stop());
                }
            }
            _ => {}
        }
    }

    /// Says once more up to where a life's intervals are safe.
    fn acknowledge(&self, fleet: &Fleet, id: AgentId, seat: u32, incarnation: u64) {
        let sequence = self.gather.acknowledged(seat, incarnation);
        if let (Some(agent), Some(sequence)) = (fleet.get(id), sequence) {
            agent.link.send(Message::Ack(v1::Ack {
                run: self.order.id.clone(),
                sequence,
            }));
        }
    }

    /// A life that was lost dials again: its share is gone, but what it measured still counts. True if it was one of ours.
    pub fn returned(&mut self, fleet: &mut Fleet, now: u64, id: AgentId, incarnation: u64) -> bool {
        if self.t0.is_none() {
            return false;
        }
        let lives = self.members.values();
        let lives = lives.filter(|member| member.incarnation == incarnation);
        let Some(member) = lives.max_by_key(|member| member.seat) else {
            return false;
        };
        let (old, seat, name) = (member.id, member.seat, member.name.clone());
        let part = self.run.members.get(&old).map(|member| &member.part);
        if part == Some(&Part::Done) {
            // One that has told all is a newcomer. It may not have heard so, and takes no other part before it has.
            self.acknowledge(fleet, id, seat, incarnation);
            return false;
        }
        self.returned.insert(id, old);
        // Somebody more to hear ends nothing.
        self.event(fleet, now, Event::Returned(old));
        fleet.assign(id, Some(self.order.id.clone()));
        self.acknowledge(fleet, id, seat, incarnation);
        if let Some(agent) = fleet.get(id) {
            agent.link.send(Message::Stop(v1::StopRun {
                run: self.order.id.clone(),
                mode: StopMode::StopInterrupt.into(),
                reason: "its lease had run out".to_owned(),
                only_you: true,
            }));
        }
        self.note(format!(
            "{name} came back after its lease had run out; what it measured meanwhile is taken"
        ));
        true
    }
}
