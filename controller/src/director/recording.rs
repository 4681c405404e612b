//! What the director tells its journal, if it has one: every input that a run's course depends on, before it is acted on.

use super::Director;
use crate::active::{Active, Order, Said};
use crate::journal::{self, Finished, Gate, Journal, RunFile};
use crate::run::AgentId;
use proto::v1::record::What;
use proto::v1::{self, RunInfo, RunOver};
use std::sync::Arc;

/// Between two checkpoints.
const CHECKPOINT_NS: u64 = 30_000_000_000;

impl Director {
    /// One that keeps its runs.
    #[must_use]
    pub fn keeping(config: crate::Config, journal: Journal) -> Self {
        Self {
            journal: Some(journal),
            ..Self::new(config)
        }
    }

    /// Which life of a controller this is on its directory; 0 without one.
    pub(super) fn generation(&self) -> u64 {
        self.journal.as_ref().map_or(0, Journal::generation)
    }

    /// Where messages to agents wait for the journal.
    #[must_use]
    pub fn gate(&self) -> Arc<Gate> {
        self.journal
            .as_ref()
            .map_or_else(Arc::default, Journal::gate)
    }

    /// True while records are kept.
    pub(super) fn keeps(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::keeps)
    }

    pub(super) fn record(&mut self, now: u64, what: What) {
        if let Some(journal) = &mut self.journal {
            journal.record(now, what);
        }
    }

    /// What an agent says, if it may matter: heartbeats tell round trips, whatever run they are of.
    pub(super) fn record_said(&mut self, now: u64, agent: AgentId, run: &str, said: &mut Said) {
        let ours = self
            .active
            .as_ref()
            .is_some_and(|active| active.order.id == run);
        if self.keeps() && (ours || matches!(said, Said::Heartbeat(_))) {
            let message = Some(journal::said(said));
            self.record(now, What::Said(v1::AgentSaid { agent, message }));
        }
    }

    pub(super) fn ordered(&mut self, now: u64, order: &Order) {
        if let Some(journal) = &mut self.journal {
            let file = RunFile {
                id: order.id.clone(),
                name: order.name.clone(),
                started_unix_ms: order.unix_ms,
                version: self.config.version.clone(),
                needs: order.needs,
                weights: order.weights.clone(),
                finished: None,
            };
            journal.ordered(now, &file, order.bundle.clone());
        }
    }

    /// The turn of a run has come.
    pub(super) fn begun(&mut self, now: u64, active: &Active) {
        if self.journal.is_none() {
            return;
        }
        let checkpoint = self.checkpoint(now, Vec::new());
        if let Some(journal) = &mut self.journal {
            journal.begin(now, &active.order.id, checkpoint);
        }
    }

    /// Every so often what was told so far is told as what it came to, so that going on takes no longer however long a run is.
    pub(super) fn check_point(&mut self, now: u64) {
        let due = |journal: &Journal| journal.keeps() && journal.is_due(now, CHECKPOINT_NS);
        let Some(active) = &self.active else { return };
        if !self.journal.as_ref().is_some_and(due) {
            return;
        }
        match active.checkpoint() {
            Ok(state) => {
                let store = active.gather.store().clone();
                let checkpoint = self.checkpoint(now, state);
                if let Some(journal) = &mut self.journal {
                    journal.point(now, checkpoint, store);
                }
            }
            // The journal is whole without one, only longer.
            Err(error) => tracing::error!(%error, "no checkpoint"),
        }
    }

    fn checkpoint(&mut self, now: u64, state: Vec<u8>) -> v1::Checkpoint {
        v1::Checkpoint {
            version: self.config.version.clone(),
            clock: Some(journal::clock_reading(now)),
            next_agent: self.fleet.next_number(),
            agents: self.fleet.kept(),
            state,
            // A map of names and times can always be written.
            crashes: postcard::to_allocvec(self.fleet.crashes()).unwrap_or_default(),
            // Encoded by whoever writes.
            store: Vec::new(),
            lease_ms: super::milliseconds(self.config.lease),
        }
    }

    /// A run is over. Who watches it hears so once it is kept.
    pub(super) fn over(&mut self, now: u64, active: &Active, info: &RunInfo, over: &RunOver) {
        self.finished(now, info, over);
        let event = v1::RunEvent {
            event: Some(v1::run_event::Event::Over(over.clone())),
        };
        let watchers = active.watchers();
        // Without watchers there is nobody to tell.
        self.later(move || drop(watchers.send(event)));
    }

    /// Says something once the journal has everything that was told so far; at once, where nothing is awaited.
    pub(super) fn later(&mut self, say: impl FnOnce() + Send + 'static) {
        match self.journal.as_ref().and_then(|j| j.gate().awaited()) {
            Some(ticket) => self.later.push(Later {
                ticket,
                say: Box::new(say),
            }),
            None => say(),
        }
    }

    pub(super) fn finished(&mut self, now: u64, info: &RunInfo, over: &RunOver) {
        if let Some(journal) = &mut self.journal {
            let finished = Finished {
                exit_code: over.exit_code,
                text: over.text.clone(),
                duration_ms: info.duration_ms,
                agents: info.agents,
            };
            journal.finished(now, &info.run, finished, over.report.clone());
        }
    }

    /// Lets the disk take what it was told so far, where no thread does.
    pub fn write(&mut self, now: u64) {
        if let Some(journal) = &mut self.journal {
            journal.write();
        }
        self.told_by_disk(now);
    }

    /// The disk took something, or failed.
    pub(super) fn told_by_disk(&mut self, now: u64) {
        self.wake(now);
        self.settle(now);
    }

    /// Takes into account what was written meanwhile.
    pub(super) fn settle(&mut self, now: u64) {
        let mut synced = u64::MAX;
        if let Some(journal) = &mut self.journal {
            let failed = journal.settle(now);
            synced = journal.gate().synced();
            if std::mem::replace(&mut self.released, synced) != synced {
                for (_, agent) in self.fleet.iter() {
                    agent.link.release();
                }
            }
            if let (Some(why), Some(active)) = (failed, &mut self.active) {
                active.unjournaled(&why);
            }
        }
        if self
            .later
            .first()
            .is_some_and(|later| later.ticket <= synced)
        {
            let ready = |later: &mut Later| later.ticket <= synced;
            let ready: Vec<Later> = self.later.extract_if(.., ready).collect();
            for later in ready {
                (later.say)();
            }
        }
    }
}

/// Something that is said when the journal has its ticket.
pub(super) struct Later {
    ticket: u64,
    say: Box<dyn FnOnce() + Send>,
}

impl std::fmt::Debug for Later {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Later").field(&self.ticket).finish()
    }
}
