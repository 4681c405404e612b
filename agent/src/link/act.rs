//! What the link does: messages of the controller become events, decisions become deeds, and what is due is sent.

use super::load::Load;
use super::work::Work;
use super::{ANSWERS, Link, QUICK_PAUSE, bundle, phase};
use crate::clock;
use crate::crew::{Job, Report, StopHow};
use crate::fence::Fence;
use crate::offset::Sample;
use crate::orders::{Action, Event, Part};
use plan::Plan;
use proto::v1::from_agent::Message;
use proto::v1::to_agent::Message as Said;
use proto::v1::{
    BundleChunk, Desired, FromAgent, Heartbeat, Leave, Pong, ProblemKind, StopMode, ToAgent,
};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

impl<L: Load> Link<L> {
    /// Puts an event to the orders and does what they decide.
    pub(super) fn step(&mut self, event: Event) {
        for action in self.orders.step(event) {
            self.act(action);
        }
        if self.orders.is_leaving() && self.orders.is_over() && self.end_by.is_none() {
            // What is unsaved by then stays so.
            self.end_by = Some(clock::now() + self.pace.lease);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Look { run, epoch, plan } => {
                let look = self.load.preflight(plan);
                self.looking.spawn_local(async move {
                    let result = look.await;
                    Event::Looked { run, epoch, result }
                });
            }
            Action::Answer(answer) => self.answer(Message::Prepared(answer)),
            Action::Muster { part, plan, t0_ns } => match self.pings.best() {
                Some(ping) => self.muster(part, plan, t0_ns, ping),
                None => self.waiting = Some((part, plan, t0_ns)),
            },
            Action::Phase { run, plan, kind } => self.do_phase(run, plan, kind),
            Action::Unable { run, kind } => self.no_phase(&run, kind),
            Action::StartedAgain => {
                if let Some(work) = &mut self.work {
                    work.started_again();
                }
            }
            Action::Stop(how) => self.stop(how),
            Action::Fence => {
                tracing::warn!(
                    run = self.orders.run(),
                    "the lease ran out: the controller answered no heartbeat for {:.1} s; load is cut",
                    self.pace.lease.as_secs_f64()
                );
                if let Some(work) = &self.work {
                    work.fence.shut();
                }
            }
            // The work says it by itself, after what was seen.
            Action::Done => {}
            Action::Forget => self.forget(),
            Action::Leave => {
                self.end_by = Some(clock::now() + super::LEAVE);
                let reason = "told to end".to_owned();
                self.answer(Message::Leave(Leave { reason }));
            }
            Action::End(how) => self.end(Ok(how)),
        }
    }

    /// For the stream, in order. Without a line there is nobody to answer: whoever dials again is asked again.
    pub(super) fn answer(&mut self, message: Message) {
        if self.line.is_none() {
            return;
        }
        self.answers.push_back(message);
        if self.answers.len() > ANSWERS {
            self.lost("the controller does not read");
        }
    }

    fn muster(&mut self, part: Part, plan: Arc<Plan>, t0_ns: u64, ping: Sample) {
        let t0 = self.instant(ping.local(t0_ns));
        let fence = Arc::new(Fence::new(self.leased));
        let (reporter, reports) = mpsc::unbounded_channel();
        // What it came to was heard: the load begins after it.
        self.phase = None;
        let job = Job {
            plan: self.rows.complete(&part.run, plan),
            stripe: part.stripe.clone(),
            seat: part.seat as usize,
            t0,
            workers: self.config.workers.max(1),
            fence: Arc::clone(&fence),
        };
        match self.load.muster(job, reporter) {
            Ok(crew) => {
                tracing::info!(run = part.run, seat = part.seat, "load begins");
                let mut work = Work::new(
                    &part,
                    self.hello.incarnation,
                    Some((crew, reports, t0)),
                    fence,
                );
                work.clock = Some(ping);
                // What was changed while the clock was not known yet.
                if self.desired.version() > 0 {
                    work.change(&self.desired);
                }
                self.work = Some(work);
            }
            Err(error) => self.no_crew(
                &part,
                fence,
                format!("this agent cannot start its workers: {error}"),
            ),
        }
    }

    /// The part is over before it began.
    fn no_crew(&mut self, part: &Part, fence: Arc<Fence>, why: String) {
        let mut work = Work::new(part, self.hello.incarnation, None, fence);
        work.say(why);
        self.work = Some(work);
        self.step(Event::Finished);
    }

    fn stop(&mut self, how: StopHow) {
        if let Some((part, ..)) = self.waiting.take() {
            self.no_crew(
                &part,
                Arc::new(Fence::new(0)),
                "stopped before load began".to_owned(),
            );
        } else if let Some(work) = &self.work {
            tracing::info!(run = self.orders.run(), ?how, "stopping");
            work.stop(how);
        }
    }

    /// What was changed in the run so far. The newest version counts, however often and in whatever order they come.
    fn desired(&mut self, desired: &Desired) {
        if self.orders.run() != Some(desired.run.as_str())
            || desired.version <= self.desired.version()
        {
            return;
        }
        match proto::control::from_wire(desired) {
            Ok(control) => {
                tracing::info!(
                    run = desired.run,
                    version = desired.version,
                    "the run is changed"
                );
                self.desired = Arc::new(control);
                if let Some(work) = &self.work {
                    work.change(&self.desired);
                }
            }
            Err(error) => tracing::error!(
                run = desired.run,
                "the controller asks for changes that make no sense: {error}; they are not made"
            ),
        }
    }

    fn forget(&mut self) {
        self.desired = Arc::default();
        self.phase = None;
        self.rows.clear();
        self.looking.abort_all();
        self.waiting = None;
        if let Some(work) = self.work.take() {
            work.fence.shut();
            work.drop_all();
        }
    }

    pub(super) fn report(&mut self, report: Option<Report>) {
        if self.work.as_mut().is_some_and(|work| work.heard(report)) {
            self.step(Event::Finished);
        }
    }

    /// A message of the controller.
    pub(super) fn message(&mut self, message: ToAgent) {
        if let Some(line) = &mut self.line {
            line.heard = clock::now();
        }
        match message.message {
            Some(Said::Pong(pong)) => self.pong(pong),
            Some(Said::Bundle(chunk)) => self.bundle(chunk),
            Some(Said::Assign(assign)) => self.step(Event::Assign(assign)),
            Some(Said::Go(go)) => self.step(Event::Go {
                run: go.run,
                t0_ns: go.t0_ns,
            }),
            Some(Said::Stop(stop)) => {
                let how = match stop.mode() {
                    StopMode::StopInterrupt => StopHow::Interrupt,
                    StopMode::StopGraceful => StopHow::Graceful,
                };
                self.cut_phase(&stop.run);
                self.step(Event::Stop(stop.run, how));
            }
            Some(Said::Desired(desired)) => self.desired(&desired),
            Some(Said::Ack(ack)) => {
                if let Some(work) = &mut self.work {
                    work.ack(&ack.run, ack.sequence);
                }
            }
            Some(Said::Grant(grant)) => {
                if let Some(work) = &mut self.work {
                    work.grant(&grant);
                }
            }
            Some(Said::Phase(order)) => {
                let kind = phase::kind(order.phase());
                self.step(Event::Phase(order.run, kind));
            }
            Some(Said::Rows(rows)) => self.take_rows(rows),
            Some(Said::Closed(closed)) => self.step(Event::Closed(closed.run)),
            Some(Said::Goodbye(goodbye)) => {
                tracing::info!(reason = goodbye.reason, "sent home");
                self.step(Event::Goodbye);
            }
            Some(Said::Refused(refused)) => {
                if refused.retry {
                    self.lost(&refused.reason);
                } else {
                    let refusal = self.refusal(refused.reason);
                    self.end(Err(refusal));
                }
            }
            // A second welcome, or a message of a later version that ours can do without.
            Some(Said::Welcome(_)) | None => {}
        }
    }

    fn pong(&mut self, pong: Pong) {
        let received = clock::boot_ns();
        self.pings.push(pong.echo_ns, pong.controller_ns, received);
        self.answered(pong.echo_ns.min(received));
        if let Some(ping) = self.pings.best()
            && let Some((part, plan, t0_ns)) = self.waiting.take()
        {
            self.muster(part, plan, t0_ns, ping);
        }
    }

    /// What was sent then has been answered: the lease reaches from there.
    pub(super) fn answered(&mut self, sent_ns: u64) {
        let lease = u64::try_from(self.pace.lease.as_nanos()).unwrap_or(u64::MAX);
        self.leased = self.leased.max(sent_ns.saturating_add(lease));
        // A fence that was shut stays shut.
        if self.orders.holds_lease()
            && let Some(work) = &self.work
        {
            work.fence.extend(self.leased);
        }
        if let Some(phase) = &self.phase {
            phase.fence.extend(self.leased);
        }
    }

    fn bundle(&mut self, chunk: BundleChunk) {
        let run = chunk.run.clone();
        if chunk.index == 0 {
            self.step(Event::Bundle(run.clone()));
        }
        let Some(chunks) = self.pieces.push(chunk) else {
            return;
        };
        self.compiling.spawn(async move {
            let compiled = tokio::task::spawn_blocking(move || bundle::compile(chunks)).await;
            let result = compiled.unwrap_or_else(|broke| {
                Err((
                    ProblemKind::ProblemLocal,
                    format!("compiling the bundle broke: {broke}"),
                ))
            });
            (run, result)
        });
    }

    /// True if there is something to send now.
    pub(super) fn has_outgoing(&self, now: Instant) -> bool {
        self.line.as_ref().is_some_and(|line| line.heartbeat <= now)
            || !self.answers.is_empty()
            || self.phase.as_ref().is_some_and(phase::PhaseWork::has_next)
            || self.work.as_ref().is_some_and(Work::has_next)
    }

    /// Sends what matters most: the lease hangs on heartbeats, the run on answers, the report on the rest.
    pub(super) fn send(&mut self, permit: mpsc::OwnedPermit<FromAgent>) {
        let now = clock::now();
        let mut leaves = false;
        let message = match &mut self.line {
            Some(line) if line.heartbeat <= now => {
                let pause = if line.quick > 0 {
                    QUICK_PAUSE
                } else {
                    self.pace.heartbeat
                };
                line.quick = line.quick.saturating_sub(1);
                // Kept to the beat, unless that has passed as well: heartbeats that found no room are not made up for.
                line.heartbeat = (line.heartbeat + pause).max(now + pause / 2);
                Some(Message::Heartbeat(self.heartbeat()))
            }
            _ => {
                let answer = self.answers.pop_front();
                leaves = matches!(answer, Some(Message::Leave(_)));
                answer
                    .or_else(|| self.phase.as_mut()?.next())
                    .or_else(|| self.work.as_mut()?.next())
            }
        };
        if let Some(message) = message {
            permit.send(FromAgent {
                message: Some(message),
            });
        }
        if leaves && let Some(line) = &mut self.line {
            // With it the stream ends from our side; the controller's end of it follows.
            line.outgoing = None;
        }
    }

    fn heartbeat(&self) -> Heartbeat {
        let ping = self.pings.best();
        let work = self.work.as_ref();
        Heartbeat {
            sent_ns: clock::boot_ns(),
            run: self.orders.run().unwrap_or_default().to_owned(),
            totals: work.map(Work::totals).unwrap_or_default(),
            health: work.and_then(Work::health),
            offset_ns: ping.map_or(0, |ping| ping.offset),
            rtt_ns: ping.map_or(0, |ping| ping.rtt.max(1)),
            vus: work.map_or(0, Work::vus),
            desired_version: self.desired.version(),
        }
    }
}
