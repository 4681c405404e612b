//! The one place where things are decided, one at a time: who is in the fleet, whose turn it is, what each message leads to.
//!
//! A loop over [`Input`]; nothing in it waits. Streams are read, and heartbeats answered, by tasks of their own.

mod reckoning;
mod recording;
mod resume;
mod reviving;
mod runs;
mod seeing;
mod waking;

use recording::Later;
pub(crate) use runs::state_word;

use crate::active::{Active, Order, Said};
use crate::clock;
use crate::fleet::{Departed, Fleet, Joined};
use crate::journal::{Journal, News};
use crate::lag::Lag;
use crate::link::Link;
use crate::names;
use crate::run::{AgentId, Event, Phase};
use crate::wall::Wall;
use crate::{Config, Refusal};
use proto::v1::record::What;
use proto::v1::to_agent::Message;
use proto::v1::{self, RunEvent, RunInfo, RunOver, StopMode};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Inputs that may wait; whoever sends more waits himself.
pub const INBOX: usize = 4096;
/// How often deadlines and leases are looked at.
pub const TICK: Duration = Duration::from_millis(100);
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
    /// How it stood in the end; not kept on the disk.
    view: Option<Box<v1::View>>,
}

impl Past {
    /// One of an earlier life of the controller.
    fn kept(info: RunInfo, over: RunOver) -> Self {
        let view = None;
        Self { info, over, view }
    }
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
    journal: Option<Journal>,
    /// What is to be said once the journal has what led to it.
    later: Vec<Later>,
    /// The ticket up to which links were let go.
    released: u64,
    /// The run's time is an estimate until an agent tells it.
    recovering: bool,
    /// Whether it stood still.
    waking: waking::Waking,
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
            journal: None,
            later: Vec::new(),
            released: 0,
            recovering: false,
            waking: waking::Waking::default(),
        }
    }

    /// The run in progress.
    #[must_use]
    pub fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }

    /// Acts until told to end and every run has ended.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Input>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut news = self.journal.as_ref().map(Journal::news);
        let (mut lag, mut wall) = (Lag::default(), Wall::default());
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let (now, unix) = (clock::now(), clock::unix_ns());
                    // By the clock that nobody sets: one that was corrected is not late.
                    let boot = clock::unshifted(now);
                    let seen = v1::SawItself {
                        behind_ns: lag.look(boot, inbox.len()).max(self.disk_owes(now)),
                        wall_step_s: wall.look(boot, i128::from(unix)).unwrap_or(0.0),
                    };
                    self.saw_itself(now, seen);
                    self.tick(now);
                }
                () = written(&mut news) => self.told_by_disk(clock::now()),
                input = inbox.recv() => match input {
                    Some(input) => {
                        let now = clock::now();
                        lag.took();
                        self.take(now, input);
                    }
                    None => self.shutdown(clock::now()),
                },
            }
            if self.closing && self.active.is_none() {
                break;
            }
        }
        if let Some(journal) = &mut self.journal {
            journal.written().await;
        }
        self.settle(clock::now());
        for (_, agent) in self.fleet.iter() {
            let reason = "the controller is ending".to_owned();
            agent.link.send(Message::Goodbye(v1::Goodbye { reason }));
            agent.link.close();
        }
    }

    /// Takes one input at this controller time. Never waits, and reads no clock.
    pub fn take(&mut self, now: u64, input: Input) {
        self.wake(now);
        self.do_input(now, input);
        self.settle(now);
    }

    fn do_input(&mut self, now: u64, input: Input) {
        match input {
            Input::Hello(hello, link, connection, reply) => {
                // Whoever asked may have gone meanwhile; its stream's end is reported separately.
                let _ = reply.send(self.hello(now, *hello, link, connection));
            }
            Input::Said(id, connection, run, said) => self.said(now, id, connection, &run, said),
            Input::Leave(id, connection, reason) => {
                if self.fleet.on(id, connection).is_some() {
                    self.leave(now, id, format!("left: {}", names::clean(&reason)));
                }
            }
            Input::Closed(id, connection) => {
                if self.fleet.closed(id, connection) {
                    self.closed(now, id);
                }
            }
            Input::Start(order, queue, reply) => {
                let answer = self.start(now, *order, queue);
                // Whoever asked may have gone meanwhile.
                self.later(move || drop(reply.send(answer)));
            }
            Input::Watch(run, reply) => {
                let answer = self.watch(now, &run);
                // Whoever asked may have gone meanwhile.
                let say = move || drop(reply.send(answer));
                match self.active_or_waiting(&run) {
                    Some(_) => say(),
                    // An end is told once it is kept, to whoever asks as to those who watch.
                    None => self.later(say),
                }
            }
            Input::Stop(request, reply) => {
                let answer = self.stop(now, &request);
                // Whoever asked may have gone meanwhile.
                self.later(move || drop(reply.send(answer)));
            }
            Input::Change(request, reply) => {
                let answer = self.change(now, &request);
                // Whoever asked may have gone meanwhile.
                self.later(move || drop(reply.send(answer)));
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
        for incarnation in hello.ended.iter().take(crate::fleet::ENDS) {
            if let Some(departed) = self.fleet.ended(&hello, *incarnation, now) {
                self.departed(now, departed);
            }
        }
        let (wish, incarnation) = (names::clean(&hello.name), hello.incarnation);
        let said = self.keeps().then(|| hello.clone());
        let joined = self.fleet.join(hello, link.clone(), connection);
        let (Joined::New(id) | Joined::Again(id)) = joined else {
            link.send(Message::Refused(v1::Refused {
                reason: format!("the fleet is full ({} agents)", crate::fleet::MOST),
                retry: true,
            }));
            link.close();
            return None;
        };
        let joining = v1::AgentJoined {
            agent: id,
            hello: said,
        };
        self.record(now, What::Joined(joining));
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
            generation: self.generation(),
        }));
        match joined {
            Joined::Again(_) => {
                tracing::info!(agent = name, "back on a new connection");
                if let Some(active) = &self.active {
                    active.reconnected(&self.fleet, now, id);
                }
            }
            _ => {
                tracing::info!(agent = name, "joined");
                if let Some(until) = self.fleet.quarantined(id, now) {
                    let text = format!(
                        "{name} is quarantined: {} of its lives were lost within {} s; it gets no work for {} s",
                        crate::crashes::MOST,
                        crate::crashes::WITHIN_NS / 1_000_000_000,
                        (until - now).div_ceil(1_000_000_000)
                    );
                    tracing::warn!("{text}");
                    if let Some(active) = &mut self.active {
                        active.note(text);
                    }
                }
                if name != wish {
                    tracing::warn!("another agent is called {wish}; this one is {name}");
                }
                let ours = self
                    .active
                    .as_mut()
                    .is_some_and(|active| active.returned(&mut self.fleet, now, id, incarnation));
                if !ours {
                    self.idle_changed(now);
                }
            }
        }
        Some(id)
    }

    /// An agent leaves on purpose.
    fn leave(&mut self, now: u64, id: AgentId, why: String) {
        if let Some(departed) = self.fleet.leave(id, why, now) {
            self.departed(now, departed);
        }
    }

    /// An agent's newest stream ended.
    fn closed(&mut self, now: u64, agent: AgentId) {
        self.record(now, What::StreamEnded(v1::StreamEnded { agent }));
        let Some(known) = self.fleet.get(agent) else {
            return;
        };
        let name = known.name.clone();
        if known.run.is_none() {
            // Nothing depends on an idle agent; it is new when it comes again.
            tracing::info!(agent = name, "gone");
            self.fleet.leave(agent, String::new(), now);
        } else {
            tracing::warn!(
                agent = name,
                "its stream ended; it has its lease to come back"
            );
        }
    }

    fn said(&mut self, now: u64, id: AgentId, connection: u64, run: &str, mut said: Said) {
        let Some(agent) = self.fleet.on(id, connection) else {
            return;
        };
        let link = agent.link.clone();
        self.record_said(now, id, run, &mut said);
        if let Said::Heartbeat(heartbeat) = &said {
            if self.recovering {
                self.recover_clock(now, id, heartbeat);
            }
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

    /// An agent is not there any more.
    fn departed(&mut self, now: u64, departed: Departed) {
        let gone = v1::AgentGone {
            agent: departed.id,
            why: departed.why.clone(),
            heard_ns: departed.heard,
            sure_ns: departed.sure,
        };
        self.record(now, What::Gone(gone));
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
        if active.gone(&mut self.fleet, now, departed) {
            self.next(now);
        }
    }

    fn idle_changed(&mut self, now: u64) {
        let Some(active) = &mut self.active else {
            return;
        };
        let idle = active.candidates(&self.fleet, now);
        if matches!(active.run.phase, Phase::Enlisting { .. })
            && active.event(&mut self.fleet, now, idle)
        {
            self.next(now);
        }
    }

    /// Looks at deadlines and leases; due every [`TICK`].
    pub fn tick(&mut self, now: u64) {
        self.wake(now);
        if self.waking.may_give_up(now) {
            for departed in self.fleet.expire(now, clock::ns(self.config.lease)) {
                self.departed(now, departed);
            }
        }
        self.record(now, What::Tick(v1::TimeWent {}));
        self.time(now);
        self.check_point(now);
        self.settle(now);
    }

    fn time(&mut self, now: u64) {
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
        let (mode, reason) = (StopMode::StopInterrupt, "the controller is ending");
        let event = || Event::Stop(mode, reason.to_owned());
        for mut active in std::mem::take(&mut self.queue) {
            active.event(&mut self.fleet, now, event());
            self.remember(now, &mut active);
        }
        if let Some(active) = &mut self.active {
            let stop = v1::StopRequest {
                run: active.order.id.clone(),
                mode: mode.into(),
                reason: reason.to_owned(),
            };
            self.record(now, What::Stop(stop));
        }
        if let Some(active) = &mut self.active
            && active.event(&mut self.fleet, now, event())
        {
            self.next(now);
        }
    }
}

/// Completes when the journal has news; never without one.
async fn written(news: &mut Option<watch::Receiver<News>>) {
    let told = match news {
        Some(news) => news.changed().await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending::<()>().await;
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
