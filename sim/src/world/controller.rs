//! The controller's process: the real director, its links, and readers that do what the service's readers do.

use super::liar::Liar;
use super::say::{Down, Up};
use super::{Happening, MS, World};
use crate::clock::Clock;
use crate::net::{LineId, Packet, Way};
use crate::random::Random;
use crate::sabotage::Sabotage;
use crate::schedule::Time;
use crate::setting::Setting;
use crate::timetable::Timetable;
use controller::Config;
use controller::Refusal;
use controller::active::{Order, Said};
use controller::director::{Director, INBOX, Input, TICK, Watched};
use controller::journal::Folder;
use controller::link::{Link, OUTBOX, Outgoing};
use controller::run::{AgentId, Needs};
use controller::service_fleet;
use controller::weights::Weights;
use journal::Disk;
use journal::fake::FakeDisk;
use proto::v1::{Prepared, StartReply, from_agent, to_agent};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};

/// How long a message takes the director, usually.
const QUICK: (u64, u64) = (20_000, 300_000);

/// How far a reader is with its stream.
enum Reading {
    /// Nothing was said yet.
    Hello,
    /// The director was asked.
    Asked(oneshot::Receiver<Option<AgentId>>),
    /// Whose it is.
    Known(AgentId),
    /// It reads no more.
    Over,
}

/// One connection.
struct Reader {
    link: Arc<Link>,
    outbox: mpsc::Receiver<Outgoing>,
    reading: Reading,
    /// What came before the director had answered.
    early: VecDeque<Packet>,
    /// Which life of an agent it said it is.
    incarnation: u64,
    /// Nothing more is sent.
    ended: bool,
}

/// The controller's process.
pub(super) struct Controller {
    pub(super) clock: Clock,
    /// `None` while its process is down.
    pub(super) director: Option<Director>,
    disk: FakeDisk,
    pub(super) config: Config,
    lies: bool,
    /// True while its disk has something to do.
    writing: bool,
    /// It writes no journal any more: a crash would lose what was told.
    pub(super) full: bool,
    readers: BTreeMap<LineId, Reader>,
    inbox: VecDeque<Input>,
    /// True while the next of the inbox is on its way.
    taking: bool,
    pub(super) frozen: bool,
    pub(super) waiting: Vec<Happening>,
    /// What each message takes it.
    pub(super) each: (u64, u64),
    pub(super) run: String,
    pub(super) started: Option<oneshot::Receiver<Result<StartReply, Refusal>>>,
    pub(super) watched: Option<oneshot::Receiver<Result<Watched, Refusal>>>,
    pub(super) events: Option<broadcast::Receiver<proto::v1::RunEvent>>,
    random: Random,
    lease: Duration,
}

impl Controller {
    pub(super) fn new(setting: &Setting, sabotage: Option<Sabotage>) -> Self {
        let lease = match sabotage {
            Some(Sabotage::EarlyReassign) => setting.lease / 4,
            _ => setting.lease,
        };
        let config = Config {
            lease,
            version: "sim".to_owned(),
            ..Config::default()
        };
        let mut controller = Self {
            clock: setting.clock,
            director: None,
            disk: FakeDisk::new(setting.seed),
            config,
            lies: sabotage == Some(Sabotage::AckBeforeSync),
            writing: false,
            full: false,
            readers: BTreeMap::new(),
            inbox: VecDeque::new(),
            taking: false,
            frozen: false,
            waiting: Vec::new(),
            each: QUICK,
            run: String::new(),
            started: None,
            watched: None,
            events: None,
            random: Random::new(setting.seed, 4),
            lease: setting.lease,
        };
        // What cannot be opened now is told when the run cannot be started.
        controller.open(0).ok();
        controller
    }

    /// A life of the controller, on what an earlier one left on its disk.
    pub(super) fn open(&mut self, at: Time) -> Result<(), String> {
        let disk: Arc<dyn Disk> = if self.lies {
            Arc::new(Liar(self.disk.clone()))
        } else {
            Arc::new(self.disk.clone())
        };
        let folder = Folder::open(disk, Path::new("runs"))?;
        let now = self.clock.reads(at);
        self.director = Some(Director::resuming(self.config.clone(), folder, Some(now)));
        Ok(())
    }

    /// Its process ends without a word; with its machine what was not synced is lost.
    pub(super) fn crash(&mut self, machine: bool) -> Vec<LineId> {
        self.director = None;
        if machine {
            self.disk.crash();
        }
        self.inbox.clear();
        self.each = QUICK;
        (self.started, self.watched, self.events) = (None, None, None);
        std::mem::take(&mut self.readers).into_keys().collect()
    }

    /// Its disk has room for so many bytes more.
    pub(super) fn fill(&mut self, room: u64) {
        self.disk.set_room(Some(room));
        self.full = true;
    }

    pub(super) fn quick(&mut self) {
        self.each = QUICK;
    }

    /// Where the run is, for people.
    pub(super) fn state(&self) -> String {
        let active = self.director.as_ref().and_then(Director::active);
        active.map_or_else(
            || "no run is active".to_owned(),
            |active| format!("it is {:?}", active.state()),
        )
    }
}

impl World {
    /// True, and the happening is kept for later, if the controller stands still.
    fn stalled(&mut self, happening: Happening) -> bool {
        if self.controller.frozen {
            self.controller.waiting.push(happening);
        }
        self.controller.frozen
    }

    fn controller_now(&self) -> u64 {
        self.controller.clock.reads(self.schedule.now())
    }

    pub(super) fn tick(&mut self) {
        if self.stalled(Happening::Tick) {
            return;
        }
        let now = self.controller_now();
        if let Some(director) = &mut self.controller.director {
            director.tick(now);
        }
        let late = self.controller.random.between(0, 2 * MS);
        let tick = u64::try_from(TICK.as_nanos()).unwrap_or(0);
        let at = self.schedule.now() + tick + late;
        self.schedule.at(at, Happening::Tick);
        self.directed();
    }

    pub(super) fn start(&mut self) {
        if self.stalled(Happening::Start) {
            return;
        }
        let bundle = serde_json::to_vec(&super::bundle(&self.setting)).unwrap_or_default();
        let present = self
            .setting
            .hosts
            .iter()
            .filter(|host| host.present)
            .count();
        let weighted = self.setting.hosts.iter().any(|host| host.weight > 1);
        let order = Order {
            id: String::new(),
            name: "sim.yaml".to_owned(),
            seed: self.setting.seed,
            unix_ms: 0,
            bundle,
            plan: self.plan.clone(),
            needs: Needs {
                expect: present as u32,
                min: self.setting.min,
                wait: 10_000 * MS,
                preflight: true,
                on_loss: self.plan.options.on_agent_loss,
            },
            weights: if weighted {
                Weights::Auto
            } else {
                Weights::Equal
            },
        };
        let (reply, answer) = oneshot::channel();
        self.controller.started = Some(answer);
        self.post(Input::Start(Box::new(order), false, reply));
    }

    /// Puts something into the director's inbox.
    pub(super) fn post(&mut self, input: Input) {
        if self.controller.director.is_none() {
            return;
        }
        self.controller.inbox.push_back(input);
        self.take_next();
    }

    fn take_next(&mut self) {
        let controller = &mut self.controller;
        if !controller.taking && !controller.inbox.is_empty() {
            controller.taking = true;
            let takes = controller
                .random
                .between(controller.each.0, controller.each.1);
            let at = self.schedule.now() + takes;
            self.schedule.at(at, Happening::Inbox);
        }
    }

    pub(super) fn inbox(&mut self) {
        if self.stalled(Happening::Inbox) {
            return;
        }
        let now = self.controller_now();
        self.controller.taking = false;
        if let Some(input) = self.controller.inbox.pop_front()
            && let Some(director) = &mut self.controller.director
        {
            director.take(now, input);
        }
        self.take_next();
        self.directed();
    }

    /// Something has come to the controller's end of a line.
    pub(super) fn arrived_up(&mut self, line: LineId) {
        if self.stalled(Happening::Arrival(line, Way::Up)) {
            return;
        }
        let now = self.schedule.now();
        let Some(director) = &self.controller.director else {
            // Nobody is there to take it.
            while self.net.receive(now, line, Way::Up).is_some() {}
            self.send(line, Way::Down, Packet::End);
            return;
        };
        let gate = director.gate();
        // Whoever reads a stream waits for room in the inbox.
        if self.controller.inbox.len() >= INBOX {
            self.schedule
                .at(now + MS, Happening::Arrival(line, Way::Up));
            return;
        }
        let reads = self.controller_now();
        self.controller.readers.entry(line).or_insert_with(|| {
            let (sender, outbox) = mpsc::channel(OUTBOX);
            Reader {
                link: Arc::new(Link::behind(Some(sender), reads, gate)),
                outbox,
                reading: Reading::Hello,
                early: VecDeque::new(),
                incarnation: 0,
                ended: false,
            }
        });
        while let Some(packet) = self.net.receive(now, line, Way::Up) {
            self.read(line, packet);
        }
        self.directed();
    }

    fn read(&mut self, line: LineId, packet: Packet) {
        let now = self.controller_now();
        let Some(reader) = self.controller.readers.get_mut(&line) else {
            return;
        };
        match (&reader.reading, packet) {
            (Reading::Hello, Packet::Up(from_agent::Message::Hello(hello))) => {
                let (reply, answer) = oneshot::channel();
                reader.reading = Reading::Asked(answer);
                reader.incarnation = hello.incarnation;
                let input = Input::Hello(Box::new(hello), Arc::clone(&reader.link), line, reply);
                self.post(input);
            }
            (Reading::Asked(_), packet) => reader.early.push_back(packet),
            (Reading::Known(id), Packet::Up(message)) => {
                let id = *id;
                let text = format!("{}", Up(&message));
                let message = self.received(line, message);
                let Some(reader) = self.controller.readers.get_mut(&line) else {
                    return;
                };
                self.log.line(
                    self.schedule.now(),
                    format_args!("line {line} brings {text}"),
                );
                match service_fleet::input(&reader.link, line, id, message, now) {
                    Some(input) => self.post(input),
                    None => self.read_no_more(line),
                }
            }
            (Reading::Known(_) | Reading::Hello, _) => self.read_no_more(line),
            (Reading::Over, _) => {}
        }
    }

    /// Keeps the books of what was delivered; the unfaithful copy, if that is what is tried.
    fn received(&mut self, line: LineId, message: from_agent::Message) -> from_agent::Message {
        let Some(reader) = self.controller.readers.get(&line) else {
            return message;
        };
        let from_agent::Message::Interval(mut interval) = message else {
            return message;
        };
        // What comes after the run is over is told to be forgotten.
        if self.over.is_some() || reader.link.is_ended() {
            return from_agent::Message::Interval(interval);
        }
        let requests = requests(&interval);
        self.seats.insert(reader.incarnation, interval.agent);
        let book = self
            .books
            .entry((reader.incarnation, interval.agent))
            .or_default();
        if let Some(before) = book.insert(interval.sequence, requests)
            && before != requests
        {
            self.target.broken(format!(
                "interval {} was sent again with other numbers: {before} requests, then {requests}",
                interval.sequence
            ));
        }
        let of = (reader.incarnation, interval.agent, interval.sequence);
        let first = self.intervals.entry(of).or_insert_with(|| interval.clone());
        if *first != interval {
            self.target.broken(format!(
                "interval {} was sent again, and is another",
                interval.sequence
            ));
        }
        if self.sabotage == Some(Sabotage::NoDedupe) {
            let taken = self
                .renumbered
                .entry((interval.incarnation, interval.agent))
                .or_default();
            interval.sequence = *taken;
            *taken += 1;
        }
        if self.sabotage == Some(Sabotage::EmptyMerge) {
            interval.series.clear();
        }
        from_agent::Message::Interval(interval)
    }

    fn read_no_more(&mut self, line: LineId) {
        let Some(reader) = self.controller.readers.get_mut(&line) else {
            return;
        };
        let before = std::mem::replace(&mut reader.reading, Reading::Over);
        reader.link.end();
        self.log.line(
            self.schedule.now(),
            format_args!("line {line} is read no more"),
        );
        if let Reading::Known(id) = before {
            self.post(Input::Closed(id, line));
        }
    }

    /// After whatever the director did: its answers, what it sends, what it tells whoever watches.
    fn directed(&mut self) {
        self.look_inside();
        if !self.controller.writing && self.controller.director.is_some() {
            self.controller.writing = true;
            let takes = self.controller.random.between(MS / 5, 20 * MS);
            let at = self.schedule.now() + takes;
            self.schedule.at(at, Happening::Written);
        }
        self.sent();
    }

    fn sent(&mut self) {
        let lines: Vec<LineId> = self.controller.readers.keys().copied().collect();
        for line in lines {
            self.answered(line);
            self.flush(line);
        }
        self.watch();
    }

    /// The disk has taken what it was told.
    pub(super) fn written(&mut self) {
        if self.stalled(Happening::Written) {
            return;
        }
        self.controller.writing = false;
        let now = self.controller_now();
        if let Some(director) = &mut self.controller.director {
            director.write(now);
            self.sent();
        }
    }

    /// The controller's process is started again on its directory.
    pub(super) fn revive(&mut self) {
        let at = self.schedule.now();
        if self.orphaned.is_some() {
            return;
        }
        if let Err(wrong) = self.controller.open(at) {
            self.target
                .broken(format!("the controller cannot go on: {wrong}"));
            return;
        }
        self.note(format_args!("the controller goes on"));
        self.look_again();
        if self.controller.run.is_empty() {
            self.start();
            return;
        }
        let (reply, answer) = oneshot::channel();
        self.controller.watched = Some(answer);
        let run = self.controller.run.clone();
        self.post(Input::Watch(run, reply));
    }

    fn answered(&mut self, line: LineId) {
        let Some(reader) = self.controller.readers.get_mut(&line) else {
            return;
        };
        if let Reading::Asked(answer) = &mut reader.reading {
            match answer.try_recv() {
                Ok(Some(id)) => {
                    reader.reading = Reading::Known(id);
                    for packet in std::mem::take(&mut reader.early) {
                        self.read(line, packet);
                    }
                }
                Ok(None) | Err(oneshot::error::TryRecvError::Closed) => self.read_no_more(line),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
        } else if matches!(reader.reading, Reading::Known(_)) && reader.link.is_ended() {
            // Lost, replaced or sent home: what it says on this stream counts no more.
            self.read_no_more(line);
        }
    }

    fn flush(&mut self, line: LineId) {
        while self.net.has_room(line, Way::Down) {
            let Some(reader) = self.controller.readers.get_mut(&line).filter(|r| !r.ended) else {
                return;
            };
            match reader.outbox.try_recv() {
                Ok(Ok(message)) => {
                    if let Some(message) = message.message {
                        self.tell(line, message);
                    }
                }
                Ok(Err(_)) | Err(mpsc::error::TryRecvError::Disconnected) => {
                    reader.ended = true;
                    self.send(line, Way::Down, Packet::End);
                }
                Err(mpsc::error::TryRecvError::Empty) => return,
            }
        }
    }

    fn tell(&mut self, line: LineId, mut message: to_agent::Message) {
        let incarnation = self
            .controller
            .readers
            .get(&line)
            .map_or(0, |r| r.incarnation);
        match &mut message {
            to_agent::Message::Ack(ack) => {
                let seat = self.seats.get(&incarnation).copied().unwrap_or(0);
                let book = self.books.get(&(incarnation, seat));
                let all = book.is_some_and(|book| {
                    (0..=ack.sequence).all(|sequence| book.contains_key(&sequence))
                });
                if !all && self.sabotage.is_none() {
                    self.target.broken(format!(
                        "interval {} was acknowledged, and not everything up to it had come",
                        ack.sequence
                    ));
                }
                let newest = self.acknowledged.entry((incarnation, seat)).or_default();
                *newest = ack.sequence.max(*newest);
            }
            to_agent::Message::Assign(assign)
                if self.sabotage == Some(Sabotage::NoHandshake) && !assign.changes.is_empty() =>
            {
                assign.waiting.clear();
                let prepared = Prepared {
                    run: assign.run.clone(),
                    epoch: assign.epoch,
                    digest: self.plan.digest().to_vec(),
                    ..Prepared::default()
                };
                self.agreed(line, prepared);
            }
            to_agent::Message::Assign(assign) if self.sabotage == Some(Sabotage::ShareTwice) => {
                assign.seat = assign.seat.saturating_sub(1);
            }
            to_agent::Message::Go(go) => {
                let way = |weather: &crate::net::Weather| {
                    2 * (weather.delay + weather.jitter) + weather.loss * 40 * MS
                };
                let ways: Vec<u64> = self.net.weather.iter().map(way).collect();
                let clock = self.controller.clock;
                let lease = u64::try_from(self.controller.lease.as_nanos()).unwrap_or(0);
                let plan = &self.plan;
                self.target
                    .named(|| Timetable::new(clock, go.t0_ns, plan, &ways, lease));
                self.t0 = Some(go.t0_ns);
            }
            to_agent::Message::Welcome(welcome)
                if self.sabotage == Some(Sabotage::EarlyReassign) =>
            {
                welcome.lease_ms =
                    u32::try_from(self.controller.lease.as_millis()).unwrap_or(u32::MAX);
            }
            _ => {}
        }
        self.log.line(
            self.schedule.now(),
            format_args!("line {line} takes {}", Down(&message)),
        );
        self.send(line, Way::Down, Packet::Down(message));
    }

    /// Whoever is at the end of a line is said to have agreed.
    fn agreed(&mut self, line: LineId, prepared: Prepared) {
        let reader = self.controller.readers.get(&line);
        if let Some(Reading::Known(id)) = reader.map(|reader| &reader.reading) {
            let run = prepared.run.clone();
            self.post(Input::Said(*id, line, run, Said::Prepared(prepared)));
        }
    }
}

/// Requests in an interval, by its counters.
pub(super) fn requests(interval: &proto::v1::Interval) -> u64 {
    let samples = interval.series.iter().flat_map(|series| &series.values);
    let counters = samples.filter(|sample| sample.metric == "http_reqs");
    counters
        .map(|sample| match sample.value {
            Some(proto::v1::sample::Value::Counter(sum)) => sum as u64,
            _ => 0,
        })
        .sum()
}
