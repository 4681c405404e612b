//! The stop signal: one value, set by the link or by a worker that finds the fence shut, seen by every VU.

use crate::crew::StopHow;
use tokio::sync::watch;
use tokio::time::Instant;

/// Whether VUs may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Going {
    /// They may.
    On,
    /// No iteration begins; those that run may finish within their graceful period from here.
    Ending(Instant),
    /// Everything is cut.
    Cut,
}

/// The sender's side, shared by whoever may stop a crew.
#[derive(Debug, Clone)]
pub(crate) struct Stopper(watch::Sender<Going>);

impl Stopper {
    /// A signal that says "go on".
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Going::On))
    }

    /// Says stop. A cut is final; a graceful end keeps its first moment.
    pub(crate) fn stop(&self, how: StopHow, now: Instant) {
        self.0.send_if_modified(|going| {
            let next = match (*going, how) {
                (Going::Cut, _) | (_, StopHow::Interrupt) => Going::Cut,
                (Going::Ending(since), StopHow::Graceful) => Going::Ending(since),
                (Going::On, StopHow::Graceful) => Going::Ending(now),
            };
            let changed = next != *going;
            *going = next;
            changed
        });
    }

    /// A receiver's side.
    pub(crate) fn watch(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// What was said last.
    pub(crate) fn going(&self) -> Going {
        *self.0.borrow()
    }
}

/// A VU's side of the signal.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Going>);

impl Stop {
    /// What was said last.
    pub(crate) fn going(&self) -> Going {
        *self.0.borrow()
    }

    /// Waits for the next word. Never returns once everything is cut and said so.
    pub(crate) async fn changed(&mut self) -> Going {
        if self.0.changed().await.is_err() {
            // The crew is gone: that is a cut.
            return Going::Cut;
        }
        *self.0.borrow_and_update()
    }

    /// Waits until no more iterations may begin.
    pub(crate) async fn ending(&mut self) {
        while self.going() == Going::On {
            if self.changed().await != Going::On {
                return;
            }
        }
    }
}
