//! What a run hears from its agents, and what it makes of it.

use super::{Active, Said, handing};
use crate::fleet::{Departed, Fleet};
use crate::gather::{Received, Taken};
use crate::handover::{self, Handover};
use crate::plausible;
use crate::run::{AgentId, Event, Part, Problem};
use proto::v1;
use proto::v1::to_agent::Message;

impl Active {
    /// Takes what an agent says. True once the run is over.
    pub fn heard(&mut self, fleet: &mut Fleet, now: u64, from: AgentId, mut said: Said) -> bool {
        let id = self.returned.get(&from).copied().unwrap_or(from);
        match &said {
            Said::Heartbeat(heartbeat) if self.confirms(id, heartbeat) => {
                self.went_on(now, id, false)
            }
            Said::Done(_) => self.went_on(now, id, true),
            _ => {}
        }
        if let Said::Prepared(prepared) = &said
            && self.handover.is_some()
        {
            self.hand_prepared(fleet, now, id, prepared);
            return false;
        }
        if let Some(what) = plausible::strip(&mut said) {
            self.doubt(id, &what);
        }
        let run = self.run_time(now);
        let outline = &self.outline;
        let known = |scenario: &str| outline.knows(scenario);
        let Some(member) = self.members.get_mut(&id) else {
            return false;
        };
        match said {
            Said::Heartbeat(heartbeat) => {
                let (epoch, held) = (heartbeat.epoch, handing::held(&heartbeat.held));
                let told = heartbeat.run_ns;
                member.heartbeat(now, run, heartbeat, known);
                self.made(now, id, told);
                if from == id {
                    self.hand(fleet, now, handover::Event::Held(id, epoch, held));
                }
            }
            Said::Drain(drain) => self.drain(fleet, now, id, &drain.reason),
            Said::Started(started) => {
                member
                    .started
                    .get_or_insert((started.at_ns, started.uncertainty_ns));
            }
            Said::Prepared(prepared) => {
                let epoch = prepared.epoch;
                let result = self.prepared(&prepared);
                return self.event(fleet, now, Event::Prepared(id, epoch, result));
            }
            Said::Interval(received) => self.interval(fleet, now, from, id, *received),
            Said::Log(log) => {
                let (seat, name) = (member.seat, member.name.clone());
                self.logs.take(seat, &name, log.lines, log.suppressed);
            }
            Said::Phase(piece) => return self.phase_piece(fleet, now, id, *piece),
            Said::Lease(request) => self.lease(fleet, from, id, &request),
            Said::Done(done) => {
                let held_back = done.health.map_or(0, |health| health.held_back);
                member.report(done.totals, done.health, known);
                member.vus = 0;
                member.ended = Some(now);
                self.made(now, id, None);
                let Some(member) = self.members.get(&id) else {
                    return false;
                };
                let (seat, incarnation, name) =
                    (member.seat, member.incarnation, member.name.clone());
                let lost = self
                    .run
                    .members
                    .get(&id)
                    .is_some_and(|member| member.part == Part::Lost);
                let early = self.stopped.is_none() && self.ends_early(seat, now);
                if let Some(member) = self.members.get_mut(&id) {
                    member.left = lost || early;
                }
                self.gather.ended(seat, incarnation, done.intervals);
                if early && !lost {
                    self.note(format!("{name} ended before its part was over"));
                }
                if held_back > 0 {
                    self.note(format!("{name} held back {held_back} requests, which waited for their turn under its own ceiling (--max-rate): raise it, or give it a smaller share (--weights)"));
                }
                if from != id {
                    // It has told all that it had from before it was lost: now it may take part anew.
                    self.returned.remove(&from);
                    self.release(fleet, from);
                }
                let leaving = self.standing(seat) == Some(handover::Standing::Leaving);
                if early && !lost && !leaving && from == id {
                    // Its lease had run out, and no controller was there to notice. It may take part anew, under another number.
                    self.release(fleet, from);
                    fleet.leave(from, String::new(), now);
                }
                let over = self.event(
                    fleet,
                    now,
                    if early {
                        Event::Left(id)
                    } else {
                        Event::Done(id)
                    },
                );
                self.hand(
                    fleet,
                    now,
                    if early {
                        handover::Event::Lost(id)
                    } else {
                        handover::Event::Finished(id)
                    },
                );
                return over;
            }
        }
        false
    }

    /// Notes, once, that an agent says what cannot be.
    fn doubt(&mut self, id: AgentId, what: &str) {
        let member = self.members.get_mut(&id).filter(|member| !member.doubted);
        if let Some(member) = member {
            member.doubted = true;
            let name = member.name.clone();
            self.note(format!(
                "{name}: {what}, which cannot be; such totals are not taken: it is broken, or not of throng"
            ));
        }
    }

    pub(super) fn prepared(&self, prepared: &v1::Prepared) -> Result<(), Problem> {
        if !prepared.problem.is_empty() || prepared.problem_kind() != v1::ProblemKind::ProblemNone {
            return Err(Problem {
                kind: prepared.problem_kind(),
                text: prepared.problem.chars().take(1000).collect(),
            });
        }
        if prepared.digest != self.digest {
            return Err(Problem {
                kind: v1::ProblemKind::ProblemCompile,
                text: "its plan differs from the controller's; are both of the same build?"
                    .to_owned(),
            });
        }
        Ok(())
    }

    fn interval(
        &mut self,
        fleet: &Fleet,
        now: u64,
        from: AgentId,
        id: AgentId,
        mut received: Received,
    ) {
        let run_now = self.run_time(now);
        let Some(member) = self.members.get(&id) else {
            return;
        };
        let (seat, incarnation, name) = (member.seat, member.incarnation, member.name.clone());
        if (received.seat, received.incarnation) != (seat, incarnation) {
            received.content = Err(proto::convert::Rejected {
                at: "interval".to_owned(),
                what: format!("it claims seat {} of another agent or life", received.seat),
            });
            (received.seat, received.incarnation) = (seat, incarnation);
        }
        let until = received.content.as_ref().map_or(0, |content| content.to);
        let sequence = match self.gather.take(received, run_now) {
            Taken::Merged(sequence) => {
                let t0 = self.t0.unwrap_or(now);
                if let Some(member) = self.members.get_mut(&id).filter(|_| from == id) {
                    member.measured(now, t0.saturating_add_signed(until));
                }
                sequence
            }
            Taken::Again(sequence) => sequence,
            Taken::Refused(sequence, what) => {
                self.note(format!("{name}: {what}"));
                sequence
            }
        };
        if let Some(agent) = fleet.get(from) {
            agent.link.send(Message::Ack(v1::Ack {
                run: self.order.id.clone(),
                sequence,
            }));
        }
    }

    fn lease(&mut self, fleet: &Fleet, from: AgentId, id: AgentId, request: &v1::LeaseRequest) {
        let running = self.run.runs(id);
        let (Some(member), Some(pool)) =
            (self.members.get(&id), self.pools.get_mut(&request.scenario))
        else {
            return;
        };
        // Whoever was lost, or belongs to an older assignment, gets nothing more.
        let want = if running && request.epoch >= self.epoch && from == id {
            request.want
        } else {
            0
        };
        let grant = pool.grant(member.seat, want);
        if let Some(agent) = fleet.get(from) {
            agent.link.send(Message::Grant(v1::Grant {
                run: self.order.id.clone(),
                scenario: request.scenario,
                from: grant.from,
                to: grant.to,
                last: grant.last,
            }));
        }
    }

    /// True if a seat has something to do for more than a second yet: nobody told it to stop, so it drains, or was fenced.
    fn ends_early(&self, seat: u32, now: u64) -> bool {
        const SLACK: u64 = 1_000_000_000;
        let run_now = u64::try_from(self.run_time(now)).unwrap_or(0);
        let shares = self.handover.as_ref().and_then(Handover::shares);
        shares.is_some_and(|shares| run_now + SLACK < self.outline.lasts(&shares, seat as usize))
    }

    /// Notes when an agent was lost, before the machine hears of it.
    pub fn gone(&mut self, fleet: &mut Fleet, now: u64, departed: Departed) -> bool {
        let Departed {
            id,
            why,
            heard,
            sure,
            ..
        } = departed;
        if let Some(old) = self.returned.remove(&id) {
            return self.event(fleet, now, Event::GoneAgain(old));
        }
        self.went_on(now, id, true);
        if let Some(member) = self.members.get_mut(&id) {
            member.vus = 0;
            // One that went home while others still worked: what it had not done of a number of iterations is lost.
            member.left |= member.ended.is_some() && self.stopped.is_none();
            member.ended.get_or_insert(now);
            member.heard.get_or_insert(heard);
            member.sure.get_or_insert(sure);
        }
        let over = self.event(fleet, now, Event::Gone(id, why));
        self.hand(fleet, now, handover::Event::Lost(id));
        let waits = |handover: &Handover| handover.waits(id);
        let waits = self.handover.as_ref().is_some_and(waits);
        if let Some(member) = self.members.get(&id).filter(|_| waits) {
            let name = member.name.clone();
            self.note(format!("{name}'s share is handed on once the curve has passed what may have been begun by agents that had not heard of a change"));
        }
        over
    }
}
