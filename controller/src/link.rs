//! One connection to one agent: its outbox, and the two-sided liveness that a lease needs.
//!
//! Shared by the task that reads the stream (which answers heartbeats at once) and the director (which decides about losses).

use proto::v1::{ToAgent, to_agent::Message};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};

/// Messages that may wait for an agent. One that lets more pile up does not read any more: its stream is closed.
pub const OUTBOX: usize = 1024;

/// What the stream to an agent carries.
pub type Outgoing = Result<ToAgent, tonic::Status>;

#[derive(Debug)]
struct Liveness {
    /// Controller time of the newest answer to it.
    answered: u64,
    /// True once it was declared lost: nothing is answered any more, so its lease cannot be prolonged.
    fenced: bool,
    /// Gone when the stream is to end.
    outbox: Option<mpsc::Sender<Outgoing>>,
}

/// One connection to one agent.
#[derive(Debug)]
pub struct Link {
    inner: Mutex<Liveness>,
    closing: Notify,
}

impl Link {
    /// A connection that was made at this controller time.
    #[must_use]
    pub fn new(outbox: mpsc::Sender<Outgoing>, now: u64) -> Self {
        Self {
            inner: Mutex::new(Liveness {
                answered: now,
                fenced: false,
                outbox: Some(outbox),
            }),
            closing: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Liveness> {
        // Nothing that holds the lock can panic halfway through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message on the stream. An agent whose outbox is full is cut off; its stream's end is then noticed as any other.
    pub fn send(&self, message: Message) {
        let mut inner = self.lock();
        let message = ToAgent {
            message: Some(message),
        };
        let full = inner
            .outbox
            .as_ref()
            .is_some_and(|outbox| outbox.try_send(Ok(message)).is_err());
        if full {
            inner.outbox = None;
            self.closing.notify_one();
        }
    }

    /// Answers a heartbeat, unless the agent was declared lost meanwhile: then `false`, and it must not think itself alive.
    #[must_use]
    pub fn answer(&self, echo_ns: u64, now: u64) -> bool {
        let mut inner = self.lock();
        if inner.fenced {
            return false;
        }
        inner.answered = now;
        drop(inner);
        self.send(Message::Pong(proto::v1::Pong {
            echo_ns,
            controller_ns: now,
        }));
        true
    }

    /// Controller time of the newest answer.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.lock().answered
    }

    /// Declares the agent lost if its newest answer is older than this; from then on it gets no answer.
    /// Deciding and fencing are one step, so that an answer cannot slip in between.
    #[must_use]
    pub fn fence_if_older(&self, than: u64) -> bool {
        let mut inner = self.lock();
        if inner.answered < than {
            inner.fenced = true;
        }
        inner.fenced
    }

    /// Ends the stream after what is in the outbox. Says nothing about the agent: it may dial again within its lease.
    pub fn end(&self) {
        self.lock().outbox = None;
        // Kept for a reader that is not waiting yet.
        self.closing.notify_one();
    }

    /// Ends the stream, and answers nothing on it any more: the agent was replaced, struck off or sent home.
    pub fn close(&self) {
        self.lock().fenced = true;
        self.end();
    }

    /// Completes once the stream is to end.
    pub async fn closed(&self) {
        self.closing.notified().await;
    }
}
