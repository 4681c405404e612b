//! What the orders decide becomes what the link does.

use super::line::nanos;
use super::work::Work;
use super::{Action, Core, Look, Muster, Vitals};
use crate::crew::{Report, StopHow};
use crate::fence::Fence;
use crate::offset::Sample;
use crate::orders::{Action as Decision, Event as Order, Part};
use crate::share::{Assignment, to_be_given};
use plan::Plan;
use proto::v1::from_agent::Message;
use proto::v1::to_agent::Message as Said;
use proto::v1::{Drain, Go, Leave, LogLines};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Answers that may wait for room on the stream; a controller that lets more pile up does not read, and the line is cut.
const ANSWERS: usize = 256;
/// What is to be given up is told so long before, or nothing is.
const NOTICE: u64 = 50_000_000;
/// Of the intervals that are not acknowledged so many get their final form at once, so that they can be kept; more may coalesce.
const KEPT: usize = 60;
/// How long the controller has to take our leave.
const LEAVE: u64 = 2_000_000_000;

impl Core {
    /// Puts an event to the orders and does what they decide.
    pub(super) fn order(&mut self, event: Order) {
        for decision in self.orders.step(event) {
            self.decided(decision);
        }
        if !self.orders.is_draining() {
            self.patience_over = None;
        }
        if self.orders.is_leaving() && self.orders.is_over() && self.end_by.is_none() {
            // What is unsaved by then stays so.
            self.end_by = Some(self.now.saturating_add(nanos(self.pace.lease)));
        }
    }

    fn decided(&mut self, decision: Decision) {
        match decision {
            Decision::Look { run, epoch, plan } => {
                self.act(Action::Look(Look { run, epoch }, plan));
            }
            Decision::Answer(answer) => self.answer(Message::Prepared(answer)),
            Decision::Muster { part, plan, t0_ns } => match self.pings.best(self.now) {
                Some(ping) => self.muster(part, plan, t0_ns, ping),
                None => self.waiting = Some((part, plan, t0_ns)),
            },
            Decision::Reassign { part, plan } => self.reassign(part, plan),
            Decision::Phase { run, plan, kind } => self.do_phase(run, plan, kind),
            Decision::Unable { run, kind } => self.no_phase(&run, kind),
            Decision::StartedAgain => {
                if let Some(work) = &mut self.work {
                    work.started_again();
                }
            }
            Decision::Stop(how) => self.stop(how),
            Decision::Fence => {
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
            Decision::Done => {}
            Decision::Forget => self.forget(),
            Decision::Drain(run) => self.drain(run),
            Decision::Leave => {
                self.end_by = Some(self.now.saturating_add(LEAVE));
                let reason = "told to end".to_owned();
                self.answer(Message::Leave(Leave { reason }));
            }
            Decision::End(how) => self.end(Ok(how)),
        }
    }

    /// Others take the share over within a third of the time there is, or nobody does; what still runs at its end is cut.
    fn drain(&mut self, run: String) {
        if self.end_load_by.is_none() {
            let whole = nanos(self.settings.drain);
            self.end_load_by = Some(self.now.saturating_add(whole));
            self.patience_over = Some(self.now.saturating_add(whole / 3));
            tracing::info!(run, "handing the share over");
        }
        let reason = "told to end".to_owned();
        self.answer(Message::Drain(Drain { run, reason }));
    }

    /// What is due of a drain.
    pub(super) fn hurry(&mut self) {
        if self.patience_over.is_some_and(|at| self.now >= at) {
            tracing::warn!(
                run = self.orders.run(),
                "nobody took the share over; beginning no more"
            );
            self.order(Order::PatienceOver);
        }
        if self.orders.in_load() && self.end_load_by.is_some_and(|at| self.now >= at) {
            self.end_load_by = None;
            tracing::warn!(run = self.orders.run(), "cutting what still runs");
            self.act(Action::Stop(StopHow::Interrupt));
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

    pub(super) fn muster(&mut self, mut part: Part, plan: Arc<Plan>, t0_ns: u64, ping: Sample) {
        let t0 = ping.local(t0_ns);
        let fence = Arc::new(Fence::new(self.leased));
        // What it came to was heard: the load begins after it.
        self.drop_phase();
        tracing::info!(run = part.run, seat = part.seat, "load begins");
        self.heard(
            &part.run,
            Said::Go(Go {
                run: part.run.clone(),
                t0_ns,
            }),
        );
        let mut work = Work::new(
            &part,
            self.settings.hello.incarnation,
            Some(t0),
            Arc::clone(&fence),
        );
        work.clock = Some(ping);
        work.keep(self.keeping.is_some());
        self.work = Some(work);
        let plan = self.rows.complete(&part.run, plan);
        // What goes to others in a moment was promised to be free then: it is not begun for so short a time.
        let run = i128::from(self.now) - i128::from(t0);
        let run = u64::try_from(run.max(0)).unwrap_or(u64::MAX);
        let control = &self.desired;
        let given = to_be_given(&plan, control, &part.shares, part.seat as usize, run);
        part.waiting.resize_with(given.len(), BTreeSet::new);
        for (waiting, given) in part.waiting.iter_mut().zip(&given) {
            waiting.extend(given.iter().copied());
        }
        if let Some(work) = &mut self.work {
            work.given = given;
        }
        self.act(Action::Muster(Muster {
            plan,
            part,
            t0,
            fence,
            control: Arc::clone(&self.desired),
        }));
    }

    /// Another part for the crew that is at work, or is to be.
    fn reassign(&mut self, mut part: Part, plan: Arc<Plan>) {
        let epoch = part.epoch;
        if let Some((to_come, ..)) = &mut self.waiting {
            *to_come = part;
            let held = Vec::new();
            return self.order(Order::Taken { epoch, held });
        }
        let Some(work) = self.work.as_mut().filter(|work| work.is_at_work()) else {
            return;
        };
        let run = u64::try_from(work.run_ns(self.now).unwrap_or(0)).unwrap_or(0);
        let given = part.shares.takes_from(part.seat as usize, &work.shares);
        if given.is_some_and(|from| run.saturating_add(NOTICE) > from) {
            tracing::warn!(
                run = part.run,
                epoch,
                "a change came too late to give anything up"
            );
            return self.order(Order::Late(epoch));
        }
        tracing::info!(run = part.run, epoch, "the fleet changes");
        work.shares = Arc::clone(&part.shares);
        // What was promised to be free stays so until it goes.
        let seat = part.seat as usize;
        let going = to_be_given(&plan, &self.desired, &part.shares, seat, run);
        part.waiting.resize_with(going.len(), BTreeSet::new);
        for ((waiting, given), going) in part.waiting.iter_mut().zip(&work.given).zip(&going) {
            waiting.extend(given.intersection(going).copied());
        }
        let plan = self.rows.complete(&part.run, plan);
        self.act(Action::Reassign(Assignment {
            epoch,
            plan,
            shares: part.shares,
            waiting: part.waiting,
        }));
    }

    /// The part is over, or never began.
    pub(super) fn crew_over(&mut self, end: impl FnOnce(&mut Work)) {
        let Some(work) = &mut self.work else { return };
        end(work);
        self.freeze(usize::MAX);
        if let Some(done) = self.work.as_ref().and_then(Work::done) {
            let run = done.run.clone();
            let ticket = self.said(&run, Message::Done(done));
            if let Some(work) = &mut self.work {
                work.keeps_done(ticket);
            }
        }
        self.order(Order::Finished);
    }

    /// What the crew saw.
    pub(super) fn report(&mut self, report: Report) {
        let is_interval = matches!(report, Report::Interval { .. });
        if let (Report::Lines { lines, suppressed }, Some(_)) = (&report, &self.keeping)
            && let Some(run) = self.orders.run().map(str::to_owned)
        {
            let log = LogLines {
                run: run.clone(),
                lines: lines.clone(),
                suppressed: *suppressed,
            };
            self.seen(&run, Message::Log(log));
        }
        if let Some(work) = &mut self.work {
            work.report(report);
            if is_interval {
                self.freeze_kept();
            }
        }
    }

    /// There may be room for more that waits for its acknowledgement.
    pub(super) fn freeze_kept(&mut self) {
        if self.keeping.is_some() {
            self.freeze(KEPT);
        }
    }

    /// How the crew fares: the independent count of what was seen.
    pub(super) fn keep_vitals(&mut self, vitals: Vitals) {
        if let Some(run) = self.orders.run().map(str::to_owned) {
            let heartbeat = Message::Heartbeat(self.heartbeat(Some(vitals)));
            self.seen(&run, heartbeat);
        }
    }

    /// Gives intervals their final form, as long as fewer than this wait for their acknowledgement, and keeps them.
    fn freeze(&mut self, most: usize) {
        let Some(work) = &mut self.work else { return };
        let run = work.run().to_owned();
        for interval in work.freeze(most) {
            let sequence = interval.sequence;
            if let Some(ticket) = self.seen(&run, Message::Interval(interval))
                && let Some(work) = &mut self.work
            {
                work.keeps(ticket, sequence);
            }
        }
    }

    fn stop(&mut self, how: StopHow) {
        if let Some((part, ..)) = self.waiting.take() {
            let (incarnation, fence) = (self.settings.hello.incarnation, Arc::new(Fence::new(0)));
            self.work = Some(Work::new(&part, incarnation, None, fence));
            self.crew_over(|work| work.no_crew("stopped before load began".to_owned()));
        } else if self.work.as_ref().is_some_and(Work::is_at_work) {
            tracing::info!(run = self.orders.run(), ?how, "stopping");
            self.act(Action::Stop(how));
        }
    }

    fn forget(&mut self) {
        self.desired = Arc::default();
        self.drop_phase();
        self.rows.clear();
        self.act(Action::StopLooking);
        self.waiting = None;
        self.close_transcript(self.work.as_ref().is_none_or(Work::is_saved));
        if let Some(work) = self.work.take() {
            work.fence.shut();
            self.act(Action::DropCrew);
        }
    }
}
