//! What is sent when there is room on the stream, the most important first.

use super::line::nanos;
use super::phase::PhaseWork;
use super::work::Work;
use super::{Core, Vitals};
use crate::glance::Seen;
use proto::v1::Heartbeat;
use proto::v1::from_agent::Message;

/// How far the close pings after a welcome are apart.
const QUICK_PAUSE: u64 = 20_000_000;

impl Core {
    /// True if [`Core::next`] would give something.
    #[must_use]
    pub fn has_outgoing(&self, now: u64) -> bool {
        let Some(line) = self.line.as_ref().filter(|line| !line.left) else {
            return false;
        };
        line.heartbeat <= now
            || !self.answers.is_empty()
            || self.phase.as_ref().is_some_and(PhaseWork::has_next)
            || self.work.as_ref().is_some_and(Work::has_next)
    }

    /// What matters most: the lease hangs on heartbeats, the run on answers, the report on the rest. `vitals` are the crew's,
    /// asked for when a heartbeat is due. After a `Leave` nothing is sent any more: the stream ends from our side.
    pub fn next(&mut self, now: u64, vitals: impl FnOnce() -> Option<Vitals>) -> Option<Message> {
        self.now = self.now.max(now);
        let line = self.line.as_mut().filter(|line| !line.left)?;
        if line.heartbeat <= self.now {
            let pause = if line.quick > 0 {
                QUICK_PAUSE
            } else {
                nanos(self.pace.heartbeat)
            };
            line.quick = line.quick.saturating_sub(1);
            // Kept to the beat, unless that has passed as well: heartbeats that found no room are not made up for.
            line.heartbeat = (line.heartbeat + pause).max(self.now + pause / 2);
            return Some(Message::Heartbeat(self.heartbeat(vitals())));
        }
        let answer = self.answers.pop_front();
        line.left = matches!(answer, Some(Message::Leave(_)));
        answer
            .or_else(|| self.phase.as_mut()?.next())
            .or_else(|| self.work.as_mut()?.next(self.orders.epoch()))
    }

    /// Somebody waits for what the next heartbeat tells.
    pub(super) fn hasten(&mut self) {
        if let Some(line) = &mut self.line {
            line.heartbeat = line.heartbeat.min(self.now.saturating_add(QUICK_PAUSE));
        }
    }

    /// What this agent knows of itself.
    pub(crate) fn glance(&self, vitals: Option<Vitals>) -> Seen {
        let name = self.welcome.as_ref().map(|welcome| welcome.name.clone());
        Seen {
            heartbeat: self.heartbeat(vitals),
            name: name.unwrap_or_default(),
            leased: self.orders.holds_lease().then_some(self.leased),
            waiting: self.work.as_ref().map_or(0, Work::waiting),
            connected: self.line.is_some(),
        }
    }

    pub(super) fn heartbeat(&self, vitals: Option<Vitals>) -> Heartbeat {
        let ping = self.pings.best(self.now);
        let work = self.work.as_ref();
        let Vitals {
            totals,
            health,
            vus,
            held,
        } = work
            .and_then(Work::last)
            .cloned()
            .or(vitals)
            .unwrap_or_default();
        Heartbeat {
            sent_ns: self.now,
            run: self.orders.run().unwrap_or_default().to_owned(),
            totals,
            health,
            offset_ns: ping.map_or(0, |ping| ping.offset),
            rtt_ns: ping.map_or(0, |ping| ping.rtt.max(1)),
            vus,
            desired_version: self.desired.version(),
            epoch: self.orders.epoch(),
            run_ns: work.and_then(|work| work.run_ns(self.now)),
            held,
        }
    }
}
