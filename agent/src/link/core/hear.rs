//! Messages of the controller become orders, or change what the link knows.

use super::phase;
use super::{Action, Core};
use crate::crew::StopHow;
use crate::orders::Event as Order;
use proto::v1::to_agent::Message as Said;
use proto::v1::{BundleChunk, Desired, Pong, StopMode, ToAgent};
use std::sync::Arc;

impl Core {
    /// A message of the controller.
    pub(super) fn hear(&mut self, message: ToAgent) {
        // What was still on its way when the line was given up is told again on the next one.
        let Some(line) = &mut self.line else { return };
        line.heard = self.now;
        match message.message {
            Some(Said::Pong(pong)) => self.pong(pong),
            Some(Said::Bundle(chunk)) => self.bundle(chunk),
            Some(Said::Assign(assign)) => {
                self.heard(&assign.run.clone(), Said::Assign(assign.clone()));
                self.order(Order::Assign(assign));
            }
            Some(Said::Go(go)) => self.order(Order::Go {
                run: go.run,
                t0_ns: go.t0_ns,
            }),
            Some(Said::Stop(stop)) => {
                let how = match stop.mode() {
                    StopMode::StopInterrupt => StopHow::Interrupt,
                    StopMode::StopGraceful => StopHow::Graceful,
                };
                self.heard(&stop.run.clone(), Said::Stop(stop.clone()));
                self.cut_phase(&stop.run);
                self.order(Order::Stop(stop.run, how));
            }
            Some(Said::Desired(desired)) => self.desired(&desired),
            Some(Said::Ack(ack)) => {
                if let Some(work) = &mut self.work {
                    work.ack(&ack.run, ack.sequence);
                    self.freeze_kept();
                }
            }
            Some(Said::Grant(grant)) => {
                self.heard(&grant.run.clone(), Said::Grant(grant.clone()));
                if let Some(work) = &mut self.work
                    && work.granted(&grant)
                {
                    self.act(Action::Grant {
                        scenario: grant.scenario as usize,
                        indexes: grant.from..grant.to,
                        last: grant.last,
                    });
                }
            }
            Some(Said::Phase(order)) => {
                let kind = phase::kind(order.phase());
                self.order(Order::Phase(order.run, kind));
            }
            Some(Said::Rows(rows)) => self.take_rows(rows),
            Some(Said::Closed(closed)) => self.order(Order::Closed(closed.run)),
            Some(Said::Goodbye(goodbye)) => {
                tracing::info!(reason = goodbye.reason, "sent home");
                self.order(Order::Goodbye);
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
        self.pings.push(pong.echo_ns, pong.controller_ns, self.now);
        self.answered(pong.echo_ns.min(self.now));
        if let Some(ping) = self.pings.best(self.now)
            && let Some((part, plan, t0_ns)) = self.waiting.take()
        {
            self.muster(part, plan, t0_ns, ping);
        }
    }

    /// Another controller may count on a shorter lease than the last one gave: what that one gave reaches no further than this one's
    /// does from here.
    pub(super) fn lease_at_most(&mut self, sent_ns: u64) {
        let most = sent_ns.saturating_add(super::line::nanos(self.pace.lease));
        self.leased = self.leased.min(most);
        let work = self.work.as_ref().map(|work| &work.fence);
        let phase = self.phase.as_ref().map(|phase| &phase.fence);
        for fence in work.into_iter().chain(phase) {
            fence.limit(most);
        }
    }

    /// What was sent then has been answered: the lease reaches from there.
    pub(super) fn answered(&mut self, sent_ns: u64) {
        let lease = super::line::nanos(self.pace.lease);
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
            self.order(Order::Bundle(run.clone()));
        }
        if let Some(chunks) = self.pieces.push(chunk) {
            // It says the run anew: what is open of another one has ended with it.
            if self.keeping.is_some() && self.open_transcript(&run) {
                for chunk in &chunks {
                    self.heard(&run, Said::Bundle(chunk.clone()));
                }
            }
            self.act(Action::Compile(run, chunks));
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
                self.heard(&desired.run, Said::Desired(desired.clone()));
                if self.work.is_some() {
                    self.act(Action::Change(Arc::clone(&self.desired)));
                }
            }
            Err(error) => tracing::error!(
                run = desired.run,
                "the controller asks for changes that make no sense: {error}; they are not made"
            ),
        }
    }
}
