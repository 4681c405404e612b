//! The run's end of its outputs: hands over what was merged and never waits.

use super::facts::{Counts, OutputFacts};
use super::hub::Hub;
use super::rows::Rows;
use super::spec::{Kind, Spec};
use metrics::{Interval, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Messages that may wait for the thread that puts seconds together. It only reckons, so a full queue says that the host is too busy.
const WAITING: usize = 2_048;

/// What points say about where they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// The run's id.
    pub run: String,
    /// The scenario file's name.
    pub test: String,
    /// The run's own tags, which every sample has.
    pub tags: BTreeMap<String, String>,
    /// The agents' names by seat.
    pub agents: BTreeMap<u32, String>,
}

impl Labels {
    /// An agent's name; of a seat that was never named, its number.
    #[must_use]
    pub fn agent(&self, seat: u32) -> String {
        let known = self.agents.get(&seat).cloned();
        known.unwrap_or_else(|| format!("seat-{seat}"))
    }
}

/// What is handed over.
#[derive(Debug)]
pub(super) enum Message {
    /// An agent has this seat.
    Seat(u32, String),
    /// Load begins at this wall time, in nanoseconds since 1970.
    Began(i64),
    /// What the run had come to before.
    SoFar(Box<Rows>),
    /// Merged just now.
    Interval(Interval),
    /// What setup or teardown measured, told at this wall time.
    Phase(Vec<Interval>, i64),
    /// Run time, and the seats that still deliver.
    Now(i64, BTreeSet<u32>),
    /// Something happened at this wall time.
    Event(i64, &'static str, String),
    /// Nothing more comes.
    End,
}

/// A run's outputs.
#[derive(Debug)]
pub struct Feed {
    hub: mpsc::Sender<Message>,
    /// Those of the report; a page is none of them.
    outputs: Vec<(String, Arc<Counts>)>,
    done: watch::Receiver<bool>,
    seats: BTreeSet<u32>,
    /// Wall time of T0, in nanoseconds since 1970.
    unix_t0: Option<i64>,
    /// Intervals that found the queue full, or came after the end.
    missed: u64,
}

impl Feed {
    /// Starts the outputs of a run; `None` if there are none. Needs a Tokio runtime.
    #[must_use]
    pub fn start(specs: &[Spec], labels: Labels, lease: u64) -> Option<Self> {
        if specs.is_empty() {
            return None;
        }
        let (hub, messages) = mpsc::channel(WAITING);
        let (finished, done) = watch::channel(false);
        let counts: Vec<Arc<Counts>> = specs.iter().map(|_| Arc::default()).collect();
        let outputs = specs
            .iter()
            .zip(&counts)
            .filter(|(spec, _)| !matches!(spec.kind, Kind::Page(_)))
            .map(|(spec, counts)| (spec.shown.clone(), counts.clone()))
            .collect();
        let hub_of_run = Hub::new(specs, &counts, labels, lease).run(messages, finished);
        // A thread of its own: to word a second of a thousand series takes a while, in which the runtime has better things to do.
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new().name("throng-outputs".to_owned());
        if let Err(error) = thread.spawn(move || runtime.block_on(hub_of_run)) {
            tracing::error!(%error, "no thread for the outputs: they get nothing");
        }
        Some(Self {
            hub,
            outputs,
            done,
            seats: BTreeSet::new(),
            unix_t0: None,
            missed: 0,
        })
    }

    /// Names a seat, once.
    pub fn seat(&mut self, seat: u32, name: &str) {
        if self.seats.insert(seat) {
            self.send(Message::Seat(seat, name.to_owned()));
        }
    }

    /// Load begins at this wall time.
    pub fn began(&mut self, unix_ns: i64) {
        self.unix_t0 = Some(unix_ns);
        self.send(Message::Began(unix_ns));
    }

    /// The run is gone on with, and had come to this, which was told by an earlier life of the controller.
    pub fn so_far(&mut self, store: &Store) {
        let mut rows = Rows::default();
        for (metric, tags, value) in store.iter() {
            rows.add(tags, metric, &value);
        }
        self.send(Message::SoFar(Box::new(rows)));
    }

    /// An interval that was merged.
    pub fn interval(&mut self, interval: Interval) {
        if !self.send(Message::Interval(interval)) {
            self.missed += 1;
        }
    }

    /// What setup or teardown measured.
    pub fn phase(&mut self, intervals: Vec<Interval>, unix_ns: i64) {
        let count = intervals.len() as u64;
        if !self.send(Message::Phase(intervals, unix_ns)) {
            self.missed += count;
        }
    }

    /// What time it is, and who still delivers.
    pub fn now(&mut self, run_ns: i64, live: BTreeSet<u32>) {
        self.send(Message::Now(run_ns, live));
    }

    /// Something that charts should show, at a run time: its kind (`stage`, `change`, `lost`, …) and a text.
    pub fn event(&mut self, run_ns: i64, kind: &'static str, text: String) {
        if let Some(t0) = self.unix_t0 {
            self.send(Message::Event(t0.saturating_add(run_ns), kind, text));
        }
    }

    /// Nothing more comes: what is left is to be written, in bounded time.
    pub fn end(&mut self) {
        // A full queue has room again shortly; the task must hear this one.
        if let Err(mpsc::error::TrySendError::Full(end)) = self.hub.try_send(Message::End) {
            let hub = self.hub.clone();
            tokio::spawn(async move { hub.send(end).await });
        }
    }

    /// True once everything is written or given up.
    #[must_use]
    pub fn is_done(&self) -> bool {
        // Without its task there is nothing to wait for.
        *self.done.borrow() || self.done.has_changed().is_err()
    }

    /// What became of every output's points so far.
    #[must_use]
    pub fn facts(&self) -> Vec<OutputFacts> {
        let outputs = self.outputs.iter();
        outputs
            .map(|(name, counts)| counts.facts(name, self.missed))
            .collect()
    }

    /// What a person should know, since the last time.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let outputs = self.outputs.iter();
        outputs.flat_map(|(_, counts)| counts.notes()).collect()
    }

    fn send(&self, message: Message) -> bool {
        self.hub.try_send(message).is_ok()
    }
}
