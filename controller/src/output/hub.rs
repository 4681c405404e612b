//! The task between the run and its outputs: puts seconds together, has them worded for each output, and queues them.

use super::encoder::{Encoder, Second};
use super::facts::Counts;
use super::feed::{Labels, Message};
use super::frame::{Frame, Frames};
use super::queue::{Inlet, queue};
use super::rows::Rows;
use super::sink;
use super::spec::Spec;
use super::totals::{Sums, Totals};
use metrics::Interval;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const SECOND: i64 = 1_000_000_000;

/// One output: its words and its queue.
#[derive(Debug)]
struct Output {
    name: String,
    encoder: Encoder,
    queue: Inlet,
}

/// All outputs of a run.
#[derive(Debug)]
pub(super) struct Hub {
    labels: Labels,
    frames: Frames,
    totals: Totals,
    /// Wall time of T0.
    unix_t0: Option<i64>,
    /// Wall time of the newest second that was let go.
    newest: i64,
    live: BTreeSet<u32>,
    run_ns: i64,
    outputs: Vec<Output>,
    writers: JoinSet<()>,
    ending: watch::Sender<bool>,
}

impl Hub {
    pub(super) fn new(specs: &[Spec], counts: &[Arc<Counts>], labels: Labels, lease: u64) -> Self {
        let (ending, told) = watch::channel(false);
        let mut writers = JoinSet::new();
        let outputs = specs
            .iter()
            .zip(counts)
            .map(|(spec, counts)| {
                let (inlet, outlet) = queue(counts.clone());
                let run = labels.run.clone();
                writers.spawn(sink::write_all(
                    spec.clone(),
                    run,
                    outlet,
                    counts.clone(),
                    told.clone(),
                ));
                Output {
                    name: spec.shown.clone(),
                    encoder: Encoder::new(spec),
                    queue: inlet,
                }
            })
            .collect();
        Self {
            labels,
            frames: Frames::new(lease),
            totals: Totals::new(specs.iter().any(|spec| spec.wants_series())),
            unix_t0: None,
            newest: 0,
            live: BTreeSet::new(),
            run_ns: 0,
            outputs,
            writers,
            ending,
        }
    }

    /// Works until told that nothing more comes (or nobody can say so), and everything is written or given up.
    pub(super) async fn run(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        finished: watch::Sender<bool>,
    ) {
        while let Some(message) = messages.recv().await {
            match message {
                Message::End => break,
                message => self.take(message),
            }
        }
        self.end();
        while self.writers.join_next().await.is_some() {}
        finished.send_replace(true);
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Seat(seat, name) => {
                self.labels.agents.insert(seat, name);
            }
            Message::Began(unix_ns) => {
                self.unix_t0 = Some(unix_ns);
                self.totals.begun = Some(unix_ns);
            }
            Message::SoFar(rows) => self.totals.go_on(*rows),
            Message::Interval(interval) => self.frames.add(interval),
            Message::Phase(intervals, unix_ns) => {
                for interval in intervals {
                    let frame = alone(interval);
                    self.emit(&frame, unix_ns);
                }
            }
            Message::Now(run_ns, live) => {
                (self.run_ns, self.live) = (run_ns, live);
                for frame in self.frames.due(self.run_ns, &self.live) {
                    self.emit_second(&frame);
                }
            }
            Message::Event(unix_ns, kind, text) => {
                for output in &mut self.outputs {
                    for batch in output.encoder.event(&self.labels, unix_ns, kind, &text) {
                        output.queue.put(&output.name, batch);
                    }
                }
            }
            Message::End => {}
        }
    }

    fn emit_second(&mut self, frame: &Frame) {
        // Seconds are run seconds, and those begin at T0.
        if let Some(t0) = self.unix_t0 {
            self.emit(
                frame,
                t0.saturating_add(frame.second.saturating_mul(SECOND)),
            );
        }
    }

    fn emit(&mut self, frame: &Frame, unix_ns: i64) {
        let sums = self.totals.take(frame);
        self.newest = self.newest.max(unix_ns);
        let second = Second {
            frame,
            unix_ns,
            sums: &sums,
            totals: &self.totals,
            labels: &self.labels,
        };
        for output in &mut self.outputs {
            for batch in output.encoder.second(&second) {
                output.queue.put(&output.name, batch);
            }
        }
    }

    fn end(&mut self) {
        for frame in self.frames.rest() {
            self.emit_second(&frame);
        }
        let frame = Frame {
            second: self.newest,
            later: 0,
            seats: BTreeMap::new(),
            fleet: Rows::default(),
        };
        let second = Second {
            frame: &frame,
            unix_ns: self.newest,
            sums: &Sums::default(),
            totals: &self.totals,
            labels: &self.labels,
        };
        for mut output in std::mem::take(&mut self.outputs) {
            for batch in output.encoder.end(&second) {
                output.queue.put(&output.name, batch);
            }
            // Its queue is closed with this, so its writer ends when it has written all.
        }
        self.ending.send_replace(true);
    }
}

/// An interval that belongs to no second of the load.
fn alone(interval: Interval) -> Frame {
    let mut rows = Rows::default();
    for series in interval.series {
        for (metric, value) in series.values {
            rows.take(&series.tags, metric, value);
        }
    }
    let mut fleet = Rows::default();
    rows.pour_into(&mut fleet);
    Frame {
        second: 0,
        later: 0,
        seats: BTreeMap::from([(interval.agent, rows)]),
        fleet,
    }
}
