//! Handing shares over, acted out: who may come is asked, parts are sent with the rows they need, and what happened is told.

use super::Active;
use crate::fleet::Fleet;
use crate::handover::{
    Action, Answer, At, Candidate, Event, Handover, Part, Seat, SeatChange, Standing, Vus, What,
};
use crate::member::Member;
use crate::run::{self, AgentId, Phase};
use crate::weights::Able;
use plan::Shares;
use proto::v1::to_agent::Message;
use proto::v1::{self, Level, LogLine, StopMode, run_event};

/// Nobody joins when less than this is left of the load, in nanoseconds: a share takes about as long to hand over.
const LEAST_LEFT_NS: u64 = 3_000_000_000;

impl Active {
    /// Those who begin.
    pub(super) fn first_shares(&self) -> Handover {
        let mut members: Vec<&Member> = self.members.values().collect();
        members.sort_by_key(|member| member.seat);
        let seats = members
            .iter()
            .zip(&self.weights)
            .map(|(member, weight)| Seat {
                agent: member.id,
                name: member.name.clone(),
                weight: *weight,
                standing: Standing::Present,
            });
        let needs = &self.order.needs;
        Handover::new(
            needs.on_loss,
            (needs.expect > 0).then_some(needs.expect),
            self.run.limits.prepare,
            self.epoch,
            seats.collect(),
        )
    }

    /// How a seat stands.
    pub(crate) fn standing(&self, seat: u32) -> Option<Standing> {
        let seats = &self.handover.as_ref()?.seats;
        seats.get(seat as usize).map(|seat| seat.standing)
    }

    /// Puts an event to the machine that hands shares over, and does what it decides.
    pub(super) fn hand(&mut self, fleet: &mut Fleet, now: u64, event: Event) {
        let at = At {
            run: u64::try_from(self.run_time(now)).unwrap_or(0),
            rtt: self.farthest,
            ahead: self.is_ahead(now),
        };
        let Some(handover) = &mut self.handover else {
            return;
        };
        let settled = handover.changes.len();
        let actions = handover.step(at, event);
        // Only what changes brings rows: VUs that come free were told before whose they are.
        let changes = |action: &Action| match action {
            Action::Assign(_, part) => part.changes.len() > settled,
            _ => false,
        };
        let before = match &self.handover {
            Some(handover) if actions.iter().any(changes) => handover.shares_after(settled),
            _ => None,
        };
        for action in actions {
            match action {
                Action::Prepare(id, part) => {
                    fleet.assign(id, Some(self.order.id.clone()));
                    self.send_bundle(fleet, id);
                    self.send_assign(fleet, id, &part, self.order.needs.preflight);
                    self.someone_comes(fleet, now);
                }
                Action::Assign(id, part) => {
                    if let Some(before) = &before {
                        let since = before.changes().len();
                        self.send_rows(fleet, id, &part, (since, Some(before)));
                    }
                    self.send_assign(fleet, id, &part, false);
                }
                Action::Begin(id, part) => self.begin_newcomer(fleet, now, id, &part),
                Action::Release(id, why) => {
                    self.release(fleet, id);
                    if !why.is_empty() {
                        self.unfit.insert(id);
                        let name = fleet.get(id).map(|agent| agent.name.clone());
                        let name = name.unwrap_or_default();
                        self.note(format!("{name} cannot take part: {why}"));
                    }
                }
                Action::Dismiss(id) => {
                    if let Some(agent) = fleet.get(id) {
                        agent.link.send(Message::Stop(v1::StopRun {
                            run: self.order.id.clone(),
                            mode: StopMode::StopGraceful.into(),
                            reason: "nobody is left to take over its share".to_owned(),
                            only_you: true,
                        }));
                    }
                }
                Action::Settled(changes) => self.settled(changes),
                Action::Warn(text) => self.note(text),
            }
        }
    }

    /// Asks who may come, and lets deadlines pass.
    pub(super) fn tick_shares(&mut self, fleet: &mut Fleet, now: u64) {
        if !matches!(self.run.phase, Phase::Load { .. }) || self.handover.is_none() {
            return;
        }
        let run = self.run_time(now);
        let left = self
            .outline
            .end_at(run)
            .saturating_sub(u64::try_from(run).unwrap_or(0));
        if left >= LEAST_LEFT_NS {
            let candidates = self.newcomers(fleet, now);
            if !candidates.is_empty() {
                self.hand(fleet, now, Event::Idle(candidates));
            }
        }
        self.hand(fleet, now, Event::Tick);
    }

    fn newcomers(&self, fleet: &Fleet, now: u64) -> Vec<Candidate> {
        let gone = self.gone_weights();
        let idle = fleet.idle(now).into_iter();
        idle.filter(|(id, name)| self.order.weights.wants(name) && !self.unfit.contains(id))
            .filter_map(|(agent, name)| {
                let hello = &fleet.get(agent)?.hello;
                let able = Able {
                    name: &name,
                    workers: hello.workers,
                    cores: hello.cores,
                };
                let weight = self.order.weights.of_newcomer(&able, &gone);
                Some(Candidate {
                    agent,
                    name,
                    weight,
                })
            })
            .collect()
    }

    /// Weights of seats that are gone, the newest last.
    fn gone_weights(&self) -> Vec<u32> {
        let Some(handover) = &self.handover else {
            return Vec::new();
        };
        let gone = handover
            .changes
            .iter()
            .filter_map(|change| match change.what {
                What::Gone(seat) => Some(handover.seats.get(seat as usize)?.weight),
                What::Came(_) => None,
            });
        gone.collect()
    }

    /// While nobody makes load, whoever prepares is waited for.
    fn someone_comes(&mut self, fleet: &mut Fleet, now: u64) {
        let until = self.handover.as_ref().and_then(Handover::coming_until);
        if let (Some(until), Some(t0)) = (until, self.t0) {
            // Prolonging a wait ends nothing.
            self.event(fleet, now, run::Event::Coming(t0.saturating_add(until)));
        }
    }

    /// An agent answered an assignment that was made after the order to begin.
    pub(super) fn hand_prepared(
        &mut self,
        fleet: &mut Fleet,
        now: u64,
        id: AgentId,
        prepared: &v1::Prepared,
    ) {
        // What was told before the assignment it has heard of now; until now it may not have.
        self.went_on(now, id, false);
        let answer = match self.prepared(prepared) {
            Ok(()) => Answer::Ready(held(&prepared.held)),
            Err(problem) if problem.kind == v1::ProblemKind::ProblemLate => Answer::Late,
            Err(problem) => Answer::Unfit(problem.text),
        };
        self.hand(fleet, now, Event::Answered(id, prepared.epoch, answer));
    }

    /// An agent asks to go.
    pub(super) fn drain(&mut self, fleet: &mut Fleet, now: u64, id: AgentId, reason: &str) {
        let reason = crate::names::printable(reason);
        if let Some(member) = self.members.get(&id) {
            let name = member.name.clone();
            let why = if reason.is_empty() {
                String::new()
            } else {
                format!(" ({reason})")
            };
            self.say(format!("{name} is to go{why} and hands its share over"));
        }
        self.hand(fleet, now, Event::Drain(id));
    }

    /// A newcomer's share is its own from now on: part, rows, then the order to begin.
    fn begin_newcomer(&mut self, fleet: &mut Fleet, now: u64, id: AgentId, part: &Part) {
        let Some(agent) = fleet.get(id) else {
            return;
        };
        let came = part.changes.last().map_or(0, |change| change.from);
        let mut member = Member::new(id, part.seat, agent);
        member.came = came;
        // It is told before the order to begin: it never goes by what was so before.
        member.desired = self.changes.control.version();
        let name = member.name.clone();
        self.members.insert(id, member);
        self.send_assign(fleet, id, part, false);
        self.send_rows(fleet, id, part, (part.changes.len(), None));
        if let (Some(agent), Some(t0)) = (fleet.get(id), self.t0) {
            if self.changes.control.version() > 0 {
                agent.link.send(self.desired());
            }
            agent.link.send(self.go(t0));
        }
        // Somebody more ends nothing.
        self.event(fleet, now, run::Event::Joined(id, name));
    }

    fn send_bundle(&self, fleet: &Fleet, id: AgentId) {
        if let Some(agent) = fleet.get(id) {
            for chunk in proto::bundle::chunks(&self.order.id, &self.order.bundle) {
                agent.link.send(Message::Bundle(chunk));
            }
        }
    }

    fn send_assign(&self, fleet: &Fleet, id: AgentId, part: &Part, preflight: bool) {
        let Some(agent) = fleet.get(id) else {
            return;
        };
        agent.link.send(Message::Assign(v1::Assign {
            run: self.order.id.clone(),
            epoch: part.epoch,
            seat: part.seat,
            weights: self.weights.clone(),
            preflight,
            changes: part.changes.iter().map(wire).collect(),
            waiting: part
                .waiting
                .iter()
                .map(|(scenario, vus)| v1::HeldVus {
                    scenario: *scenario,
                    vus: vus.iter().copied().collect(),
                })
                .collect(),
        }));
    }

    /// The rows that a part needs from so many of its changes on, without those that the seat had by what was settled `before`. They go
    /// before the assignment that gives what takes them.
    fn send_rows(&self, fleet: &Fleet, id: AgentId, part: &Part, before: (usize, Option<&Shares>)) {
        if !self.order.plan.data.iter().any(|set| set.is_given()) {
            return;
        }
        let (Some(agent), Some(shares)) = (fleet.get(id), self.shares_of(part)) else {
            return;
        };
        let (run, plan, seat) = (&self.order.id, &self.order.plan, part.seat as usize);
        for rows in self.phases.of_seat(run, plan, &shares, before, seat) {
            agent.link.send(Message::Rows(rows));
        }
    }

    fn shares_of(&self, part: &Part) -> Option<Shares> {
        let mut shares = Shares::new(self.weights.clone()).ok()?;
        for change in &part.changes {
            shares.change(change.from, change.what.into()).ok()?;
        }
        Some(shares)
    }

    /// Sends an agent on a new connection what it was told last.
    pub(super) fn tell_again(&self, fleet: &Fleet, now: u64, id: AgentId) {
        let Some(handover) = &self.handover else {
            return;
        };
        let Some(part) = handover.told(id) else {
            return;
        };
        if handover.newcomers().any(|(newcomer, _)| newcomer == id) {
            self.send_bundle(fleet, id);
            self.send_assign(fleet, id, part, self.order.needs.preflight);
            return;
        }
        let newer = part.epoch > self.epoch;
        let began = |member: &Member| member.started.is_some();
        if newer || !self.members.get(&id).is_some_and(began) {
            // A change that is to come may take away what is its own until then.
            let run = u64::try_from(self.run_time(now)).unwrap_or(0);
            let hold = part.changes.partition_point(|change| change.from <= run);
            self.send_rows(fleet, id, part, (hold, None));
        }
        if newer {
            self.send_assign(fleet, id, part, false);
        }
    }

    /// Tells what is settled. Losses are in the notes, for they leave a gap.
    fn settled(&mut self, numbers: std::ops::Range<usize>) {
        let Some(handover) = &self.handover else {
            return;
        };
        let told: Vec<(bool, String)> = numbers
            .filter_map(|number| settled(handover, number))
            .collect();
        for (loss, text) in told {
            if loss {
                self.note(text)
            } else {
                self.say(text)
            }
        }
    }

    /// Tells whoever watches; the report has it elsewhere.
    pub(super) fn say(&mut self, text: String) {
        tracing::info!(run = self.order.id, "{text}");
        self.tell(run_event::Event::Log(LogLine {
            level: Level::Info.into(),
            text,
            count: 1,
            sample: String::new(),
            error: false,
        }));
    }
}

/// A settled change in words; true if it is a loss.
fn settled(handover: &Handover, number: usize) -> Option<(bool, String)> {
    let change = handover.changes.get(number)?;
    let at = crate::change::run_clock(change.from);
    let seat = |seat: usize| handover.seats.get(seat);
    let takers = run::agents(change.present as usize);
    match change.what {
        What::Gone(gone) => {
            let seat = seat(gone as usize)?;
            let name = &seat.name;
            match seat.standing {
                Standing::Lost if change.present > 0 => Some((
                    true,
                    format!("{name}'s share is handed to {takers} from {at} on"),
                )),
                Standing::Left => {
                    Some((false, format!("{name} hands its share to {takers} at {at}")))
                }
                _ => None,
            }
        }
        What::Came(_) => {
            let came = |change: &&SeatChange| matches!(change.what, What::Came(_));
            let before = handover.changes[..number].iter().filter(came).count();
            let name = &seat(handover.base + before)?.name;
            Some((false, format!("{name} joins at {at}: {takers} make load")))
        }
    }
}

/// VUs as the wire tells them.
pub(super) fn held(list: &[v1::HeldVus]) -> Vus {
    let mut vus = Vus::new();
    for of in list {
        vus.entry(of.scenario).or_default().extend(&of.vus);
    }
    vus
}

fn wire(change: &SeatChange) -> v1::SeatChange {
    v1::SeatChange {
        from_ns: change.from,
        change: Some(match change.what {
            What::Gone(seat) => v1::seat_change::Change::Gone(seat),
            What::Came(weight) => v1::seat_change::Change::Came(weight),
        }),
    }
}
