//! One connection to one agent: its outbox, and the two-sided liveness that a lease needs.
//!
//! Shared by the task that reads the stream (which answers heartbeats at once) and the director (which decides about losses).

use crate::journal::Gate;
use proto::v1::{ToAgent, to_agent::Message};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};
use trust::Identity;

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
    /// What waits until the journal has what led to it, by its ticket.
    held: VecDeque<(u64, Message)>,
}

impl Liveness {
    /// Puts a message on the stream; false if it is full.
    fn put(&mut self, message: Message) -> bool {
        let message = ToAgent {
            message: Some(message),
        };
        let full = self
            .outbox
            .as_ref()
            .is_some_and(|outbox| outbox.try_send(Ok(message)).is_err());
        if full {
            self.outbox = None;
        }
        !full
    }

    /// Puts what was held up to a ticket.
    fn release(&mut self, synced: u64) -> bool {
        let mut fine = true;
        while self
            .held
            .front()
            .is_some_and(|(ticket, _)| *ticket <= synced)
            && let Some((_, message)) = self.held.pop_front()
        {
            fine &= self.put(message);
        }
        fine
    }
}

/// One connection to one agent.
#[derive(Debug)]
pub struct Link {
    inner: Mutex<Liveness>,
    gate: Arc<Gate>,
    closing: Notify,
    who: Option<Arc<Identity>>,
}

impl Link {
    /// A connection that was made at this controller time.
    #[must_use]
    pub fn new(outbox: mpsc::Sender<Outgoing>, now: u64) -> Self {
        Self::behind(Some(outbox), now, Arc::default())
    }

    /// One whose messages wait for a journal; without an outbox it stands for a connection of an earlier life of the controller.
    #[must_use]
    pub fn behind(outbox: Option<mpsc::Sender<Outgoing>>, now: u64, gate: Arc<Gate>) -> Self {
        Self {
            inner: Mutex::new(Liveness {
                answered: now,
                fenced: false,
                outbox,
                held: VecDeque::new(),
            }),
            gate,
            closing: Notify::new(),
            who: None,
        }
    }

    /// The same, of a peer that has shown a certificate.
    #[must_use]
    pub fn of(self, who: Option<Arc<Identity>>) -> Self {
        Self { who, ..self }
    }

    /// Who the peer's certificate says it is; `None` on an open door.
    #[must_use]
    pub fn who(&self) -> Option<&Identity> {
        self.who.as_deref()
    }

    fn lock(&self) -> MutexGuard<'_, Liveness> {
        // Nothing that holds the lock can panic halfway through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message on the stream, once the journal has what led to it. An agent whose outbox is full is cut off; its stream's end
    /// is then noticed as any other.
    pub fn send(&self, message: Message) {
        let mut inner = self.lock();
        if inner.outbox.is_none() {
            return;
        }
        let fine = match self.gate.awaited() {
            // One that holds more than a stream does has not been read for long.
            Some(_) if inner.held.len() >= OUTBOX => {
                inner.outbox = None;
                false
            }
            Some(ticket) => {
                inner.held.push_back((ticket, message));
                true
            }
            None => inner.release(u64::MAX) && inner.put(message),
        };
        if !fine {
            self.closing.notify_one();
        }
    }

    /// Lets go what the journal has meanwhile.
    pub fn release(&self) {
        if !self.lock().release(self.gate.synced()) {
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
        // An answer says that the controller is there, and nothing that a journal need know.
        let fine = inner.put(Message::Pong(proto::v1::Pong {
            echo_ns,
            controller_ns: now,
        }));
        if !fine {
            self.closing.notify_one();
        }
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
        let synced = self.gate.synced();
        let mut inner = self.lock();
        // Whatever an agent does for it must be safe first. It is told the rest when it dials again; a farewell it would never hear.
        let farewell =
            |message: &Message| matches!(message, Message::Goodbye(_) | Message::Refused(_));
        inner
            .held
            .retain(|(ticket, message)| *ticket <= synced || farewell(message));
        inner.release(u64::MAX);
        inner.outbox = None;
        // Kept for a reader that is not waiting yet.
        self.closing.notify_one();
    }

    /// Ends the stream, and answers nothing on it any more: the agent was replaced, struck off or sent home.
    pub fn close(&self) {
        self.lock().fenced = true;
        self.end();
    }

    /// Takes the place of an agent's earlier connection, which is closed. What was answered there was answered: a hello may have waited on
    /// its connection while another one was in use, and then the newest answer is not on the newest connection.
    pub fn replaces(&self, earlier: &Link) {
        // First, so that no answer slips in between.
        earlier.close();
        let answered = earlier.answered();
        let mut inner = self.lock();
        inner.answered = inner.answered.max(answered);
    }

    /// True once nothing more will be put on the stream.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.lock().outbox.is_none()
    }

    /// Completes once the stream is to end.
    pub async fn closed(&self) {
        self.closing.notified().await;
    }
}
