//! What every VU must know at once: whether to go on (set by the link, or by a worker that finds the fence shut), and what was
//! changed in the run (set by the link).

use crate::crew::StopHow;
use plan::Control;
use std::sync::Arc;
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

#[derive(Debug)]
struct Word {
    going: Going,
    control: Arc<Control>,
}

/// The sender's side, shared by whoever may stop a crew.
#[derive(Debug, Clone)]
pub(crate) struct Stopper(watch::Sender<Word>);

impl Stopper {
    /// A signal that says "go on, as planned".
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Word {
            going: Going::On,
            control: Arc::default(),
        }))
    }

    /// Says what was changed; an older version than the newest is ignored.
    pub(crate) fn change(&self, control: Arc<Control>) {
        self.0.send_if_modified(|word| {
            let newer = control.version() > word.control.version();
            if newer {
                word.control = control;
            }
            newer
        });
    }

    /// Says stop. A cut is final; a graceful end keeps its first moment.
    pub(crate) fn stop(&self, how: StopHow, now: Instant) {
        self.0.send_if_modified(|word| {
            let next = match (word.going, how) {
                (Going::Cut, _) | (_, StopHow::Interrupt) => Going::Cut,
                (Going::Ending(since), StopHow::Graceful) => Going::Ending(since),
                (Going::On, StopHow::Graceful) => Going::Ending(now),
            };
            let changed = next != word.going;
            word.going = next;
            changed
        });
    }

    /// A receiver's side.
    pub(crate) fn watch(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// What was said last.
    pub(crate) fn going(&self) -> Going {
        self.0.borrow().going
    }
}

/// A VU's side of the signal.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Word>);

impl Stop {
    /// What was said last.
    pub(crate) fn going(&self) -> Going {
        self.0.borrow().going
    }

    /// What was changed so far.
    pub(crate) fn control(&self) -> Arc<Control> {
        Arc::clone(&self.0.borrow().control)
    }

    /// What was changed so far; the next word is one that is said after this.
    pub(crate) fn take_control(&mut self) -> Arc<Control> {
        Arc::clone(&self.0.borrow_and_update().control)
    }

    /// True if there is a word that was not waited for.
    pub(crate) fn has_news(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// Waits for the next word, of a stop or of a change. Never returns once everything is cut and said so.
    pub(crate) async fn changed(&mut self) -> Going {
        if self.0.changed().await.is_err() {
            // The crew is gone: that is a cut.
            return Going::Cut;
        }
        self.0.borrow_and_update().going
    }
}
