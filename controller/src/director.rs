//! The one place where things are decided, one at a time: who is in the fleet, whose turn it is, what each message leads to.
//!
//! A loop over [`Input`]; nothing in it waits. Streams are read, and heartbeats answered, by tasks of their own.

mod runs;

pub(crate) use runs::state_word;

use crate::active::{Active, Order, Said};
use crate::clock;
use crate::fleet::{Departed, Fleet, Joined};
use crate::link::Link;
use crate::names;
use crate::run::{AgentId, Event, Phase};
use crate::{Config, Refusal};
use proto::v1::to_agent::Message;
use proto::v1::{self, RunEvent, RunInfo, RunOver, StopMode};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};

/// Inputs that may wait; whoever sends more waits himself.
pub const INBOX: usize = 4096;
/// How often deadlines and leases are looked at.
const TICK: Duration = Duration::from_millis(100);
/// What a watcher gets: what is so, and what follows (nothing after a run's end).
pub type Watched = (Vec<RunEvent>, Option<broadcast::Receiver<RunEvent>>);

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// An agent said hello on a connection. Answered with its number, if it was taken.
    Hello(
        Box<v1::Hello>,
        Arc<Link>,
        u64,
        oneshot::Sender<Option<AgentId>>,
    ),
    /// An agent said something about a run.
    Said(AgentId, u64, String, Said),
    /// An agent leaves on purpose.
    Leave(AgentId, u64, String),
    /// An agent's stream ended.
    Closed(AgentId, u64),
    /// A bundle was received and compiled; true if it may wait for its turn.
    Start(
        Box<Order>,
        bool,
        oneshot::Sender<Result<v1::StartReply, Refusal>>,
    ),
    /// Somebody wants to see a run.
    Watch(String, oneshot::Sender<Result<Watched, Refusal>>),
    /// Somebody wants a run to end.
    Stop(
        v1::StopRequest,
        oneshot::Sender<Result<v1::StopReply, Refusal>>,
    ),
    /// Somebody wants to change a run.
    Change(
        v1::ChangeRequest,
        oneshot::Sender<Result<v1::ChangeReply, Refusal>>,
    ),
    /// Somebody asks who is there.
    Agents(oneshot::Sender<Vec<v1::AgentInfo>>),
    /// Somebody asks what runs there are.
    Runs(oneshot::Sender<Vec<RunInfo>>),
    /// The controller is to end.
    Shutdown,
}

#[derive(Debug)]
struct Past {
    info: RunInfo,
    over: RunOver,
}

/// Everything the controller knows.
#[derive(Debug)]
pub struct Director {
    config: Config,
    fleet: Fleet,
    active: Option<Active>,
    queue: VecDeque<Active>,
    past: VecDeque<Past>,
    closing: bool,
}

impl Director {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            fleet: Fleet::default(),
            active: None,
            queue: VecDeque::new(),
            past: VecDeque::new(),
            closing: false,
        }
    }

    /// Acts until told to end and every run has ended.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Input>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.tick(clock::now()),
                input = inbox.recv() => match input {
                    Some(input) => self.take(clock::now(), input),
                    None => self.shutdown(clock::now()),
                },
            }
            if self.closing && self.active.is_none() {
                break;
            }
        }
        for (_, agent) in self.fleet.iter() {
            let reason = "the controller is ending".to_owned();
            agent.link.send(Message::Goodbye(v1::Goodbye { reason }));
            agent.link.close();
        }
    }

    fn take(&mut self, now: u64, input: Input) {
        match input {
            Input::Hello(hello, link, connection, reply) => {
                // Whoever asked may have gone meanwhile; its stream's end is reported separately.
                let _ = reply.send(self.hello(now, *hello, link, connection));
            }
            Input::Said(id, connection, run, said) => self.said(now, id, connection, &run, said),
            Input::Leave(id, connection, reason) => {
                if self.fleet.on(id, connection).is_some()
                    && let Some(departed) = self
                        .fleet
                        .leave(id, format!("left: {}", names::clean(&reason)))
                {
                    self.departed(now, departed);
                }
            }
            Input::Closed(id, connection) => {
                if self.fleet.closed(id, connection)
                    && let Some(agent) = self.fleet.get(id)
                {
                    if agent.run.is_none() {
                        // Nothing depends on an idle agent; it is new when it comes again.
                        let name = agent.name.clone();
                        tracing::info!(agent = name, "gone");
                        self.fleet.leave(id, String::new());
                    } else {
                        tracing::warn!(
                            agent = agent.name,
                            "its stream ended; it has its lease to come back"
                        );
                    }
                }
            }
            Input::Start(order, queue, reply) => {
                let answer = self.start(now, *order, queue);
                let _ = reply.send(answer);
            }
            Input::Watch(run, reply) => {
                let _ = reply.send(self.watch(&run));
            }
            Input::Stop(request, reply) => {
                let answer = self.stop(now, &request);
                let _ = reply.send(answer);
            }
            Input::Change(request, reply) => {
                let answer = self.change(now, &request);
                let _ = reply.send(answer);
            }
            Input::Agents(reply) => {
                let _ = reply.send(self.fleet.list(now));
            }
            Input::Runs(reply) => {
                let _ = reply.send(self.runs(now));
            }
            Input::Shutdown => self.shutdown(now),
        }
    }

    fn hello(
        &mut self,
        now: u64,
        hello: v1::Hello,
        link: Arc<Link>,
        connection: u64,
    ) -> Option<AgentId> {
        if self.closing {
            link.send(Message::Goodbye(v1::Goodbye {
                reason: "the controller is ending".to_owned(),
            }));
            link.close();
            return None;
        }
        let (wish, incarnation) = (names::clean(&hello.name), hello.incarnation);
        let joined = self.fleet.join(hello, link.clone(), connection);
        let (Joined::New(id) | Joined::Again(id)) = joined else {
            link.send(Message::Refused(v1::Refused {
                reason: format!("the fleet is full ({} agents)", crate::fleet::MOST),
                retry: true,
            }));
            link.close();
            return None;
        };
        let name = self
            .fleet
            .get(id)
            .map(|agent| agent.name.clone())
            .unwrap_or_default();
        link.send(Message::Welcome(v1::Welcome {
            name: name.clone(),
            lease_ms: milliseconds(self.config.lease),
            heartbeat_ms: milliseconds(self.config.heartbeat),
            version: self.config.version.clone(),
        }));
        match joined {
            Joined::Again(_) => {
                tracing::info!(agent = name, "back on a new connection");
                if let Some(active) = &self.active {
                    active.reconnected(&self.fleet, id);
                }
            }
            _ => {
                tracing::info!(agent = name, "joined");
                if name != wish {
                    tracing::warn!("another agent is called {wish}; this one is {name}");
                }
                let ours = self
                    .active
                    .as_mut()
                    .is_some_and(|active| active.returned(&mut self.fleet, id, incarnation));
                if !ours {
                    self.idle_changed(now);
                }
            }
        }
        Some(id)
    }

    fn said(&mut self, now: u64, id: AgentId, connection: u64, run: &str, said: Said) {
        let Some(agent) = self.fleet.on(id, connection) else {
            return;
        };
        let link = agent.link.clone();
        if let Said::Heartbeat(heartbeat) = &said {
            self.fleet.heard(id, heartbeat);
            if heartbeat.run.is_empty() {
                return;
            }
        }
        match &mut self.active {
            Some(active) if active.order.id == run => {
                if active.heard(&mut self.fleet, now, id, said) {
                    self.next(now);
                }
            }
            // A run that is over, or that another controller began.
            _ => link.send(Message::Closed(v1::RunClosed {
                run: run.to_owned(),
            })),
        }
    }

    fn departed(&mut self, now: u64, departed: Departed) {
        if departed.run.is_none() {
            tracing::info!(agent = departed.name, "{}", departed.why);
        }
        let Some(active) = self
            .active
            .as_mut()
            .filter(|active| Some(&active.order.id) == departed.run.as_ref())
        else {
            return;
        };
        if active.gone(&mut self.fleet, now, departed.id, departed.why) {
            self.next(now);
        }
    }

    fn idle_changed(&mut self, now: u64) {
        let Some(active) = &mut self.active else {
            return;
        };
        let idle = active.candidates(&self.fleet);
        if matches!(active.run.phase, Phase::Enlisting { .. })
            && active.event(&mut self.fleet, now, idle)
        {
            self.next(now);
        }
    }

    fn tick(&mut self, now: u64) {
        for departed in self.fleet.expire(now, clock::ns(self.config.lease)) {
            self.departed(now, departed);
        }
        if let Some(active) = &mut self.active
            && active.tick(&mut self.fleet, now)
        {
            self.next(now);
        }
    }

    fn shutdown(&mut self, now: u64) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        let event = || {
            Event::Stop(
                StopMode::StopInterrupt,
                "the controller is ending".to_owned(),
            )
        };
        for mut active in std::mem::take(&mut self.queue) {
            active.event(&mut self.fleet, now, event());
            self.remember(now, &mut active);
        }
        if let Some(active) = &mut self.active
            && active.event(&mut self.fleet, now, event())
        {
            self.next(now);
        }
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
