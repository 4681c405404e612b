//! The gate at which outgoing messages wait until the journal has what led to them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts what was told to the journal, and what of it is safe. Without a journal nothing is told, and nobody waits.
#[derive(Debug, Default)]
pub struct Gate {
    told: AtomicU64,
    done: AtomicU64,
    /// The journal was given up: nobody waits for what was told before.
    open: AtomicBool,
}

impl Gate {
    /// The number of something that is told now.
    pub(super) fn ticket(&self) -> u64 {
        self.told.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The number of what was told last.
    pub(super) fn newest(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// Everything up to this ticket is done with.
    pub(super) fn done(&self, ticket: u64) {
        self.done.fetch_max(ticket, Ordering::AcqRel);
    }

    /// Nobody is to wait for what was told so far.
    pub(super) fn open_up(&self) {
        self.done(self.told.load(Ordering::Acquire));
        self.open.store(true, Ordering::Release);
    }

    /// Messages wait again: a run whose records are kept begins.
    pub(super) fn shut(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// What a message that is sent now must wait for.
    #[must_use]
    pub fn awaited(&self) -> Option<u64> {
        let told = self.told.load(Ordering::Acquire);
        let waits = told > self.done.load(Ordering::Acquire) && !self.open.load(Ordering::Acquire);
        waits.then_some(told)
    }

    /// What is held for a ticket up to this one may go.
    #[must_use]
    pub fn synced(&self) -> u64 {
        if self.open.load(Ordering::Acquire) {
            return u64::MAX;
        }
        self.done.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::link::Link;
    use proto::v1::{Ack, Goodbye, to_agent::Message};
    use std::sync::Arc;

    fn ack(sequence: u64) -> Message {
        let run = "r".to_owned();
        Message::Ack(Ack { run, sequence })
    }

    #[test]
    fn a_connection_that_ends_takes_no_word_along_of_what_is_not_safe() {
        let gate = Arc::new(Gate::default());
        let (outbox, mut said) = tokio::sync::mpsc::channel(9);
        let link = Link::behind(Some(outbox), 0, gate.clone());
        let safe = gate.ticket();
        link.send(ack(1));
        gate.ticket();
        link.send(ack(2));
        link.send(Message::Goodbye(Goodbye::default()));
        gate.done(safe);
        link.end();
        let mut left = Vec::new();
        while let Ok(message) = said.try_recv() {
            left.push(message.unwrap().message.unwrap());
        }
        assert_eq!(left, [ack(1), Message::Goodbye(Goodbye::default())]);
    }
}
