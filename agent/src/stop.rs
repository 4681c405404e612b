//! What every VU must know at once: whether to go on (set by the link, or by a worker that finds the fence shut), what was
//! changed in the run, and what is this agent's share of it (set by the link).

use crate::crew::StopHow;
use crate::share::Share;
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
    share: Arc<Share>,
}

/// The sender's side, shared by whoever may stop a crew.
#[derive(Debug, Clone)]
pub(crate) struct Stopper(watch::Sender<Word>);

impl Stopper {
    /// A signal that says "go on, as planned", with this share.
    pub(crate) fn new(share: Share) -> Self {
        Self(watch::Sender::new(Word {
            going: Going::On,
            control: Arc::default(),
            share: Arc::new(share),
        }))
    }

    /// Says what the share is now, which follows from what it was and from what was changed in the run. Only one may say so.
    pub(crate) fn share(&self, next: impl FnOnce(&Share, &Arc<Control>) -> Share) {
        // Worked out beside the word, so that nobody who only reads it waits.
        let (control, share) = self.watch().word();
        let share = Arc::new(next(&share, &control));
        self.0.send_modify(|word| word.share = share);
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

    /// What this agent's share is.
    pub(crate) fn share(&self) -> Arc<Share> {
        Arc::clone(&self.0.borrow().share)
    }

    /// What was changed so far, and what the share is.
    pub(crate) fn word(&self) -> (Arc<Control>, Arc<Share>) {
        let word = self.0.borrow();
        (Arc::clone(&word.control), Arc::clone(&word.share))
    }

    /// The same; the next word is one that is said after this.
    pub(crate) fn take(&mut self) -> (Arc<Control>, Arc<Share>) {
        let word = self.0.borrow_and_update();
        (Arc::clone(&word.control), Arc::clone(&word.share))
    }

    /// True if there is a word that was not waited for.
    pub(crate) fn has_news(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// Waits for the next word, of a stop, a change or a share. Never returns once everything is cut and said so.
    pub(crate) async fn changed(&mut self) -> Going {
        if self.0.changed().await.is_err() {
            // The crew is gone: that is a cut.
            return Going::Cut;
        }
        self.0.borrow_and_update().going
    }
}
