//! What the controller keeps on disk, so that a later life of it can go on: the director's side.
//!
//! The director tells what happened and goes on; a [`Scribe`] writes it, on a thread of its own, and syncs many records at once. What
//! the director sends meanwhile waits at the [`Gate`]: nothing that an agent is told, no acknowledgement above all, can be forgotten
//! by a crash. A disk that fails, or does not answer, costs the journal and never the run.

mod folder;
mod gate;
mod record;
mod scribe;

pub use folder::{Finished, Folder, Kept, RunFile, read_report};
pub use gate::Gate;
pub use record::{clock_reading, said};
pub use scribe::{Job, Scribe};

use crate::clock;
use prost::Message as _;
use proto::v1::{self, Record, record::What};
use std::sync::{Arc, mpsc};
use tokio::sync::watch;

/// After so long without an answer of the disk the journal is given up.
const STALL_NS: u64 = 10_000_000_000;
/// Bytes that may wait for the disk; beyond, the journal is given up.
const MOST_WAITING: usize = 256 << 20;
/// Bytes after which a checkpoint is due, however new the last one is.
const LARGE: u64 = 64 << 20;

/// What became of what was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Every ticket up to this one is done with.
    pub done: u64,
    /// Bytes of records that were taken so far.
    pub bytes: u64,
    /// The newest failure: which run's journal, and why.
    pub failed: Option<(String, String)>,
}

#[derive(Debug)]
enum Pen {
    /// A thread writes.
    Thread(mpsc::Sender<(u64, Job)>),
    /// Written when whoever drives the director says so.
    Here(Box<Scribe>, Vec<(u64, Job)>),
}

/// The director's side.
#[derive(Debug)]
pub struct Journal {
    gate: Arc<Gate>,
    pen: Pen,
    news: watch::Receiver<News>,
    /// The run whose records are kept now.
    open: Option<String>,
    /// Bytes told so far.
    told: u64,
    /// Controller time since when the disk owes an answer.
    owing: Option<(u64, u64)>,
    generation: u64,
    /// Controller time of the newest checkpoint, and what was told until then.
    pointed: (u64, u64),
}

impl Journal {
    /// One whose thread writes.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub fn threaded(scribe: Scribe, generation: u64) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let news = scribe.news();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || scribe.work(&inbox))?;
        Ok(Self::new(Pen::Thread(jobs), news, generation))
    }

    /// One that writes when [`Journal::write`] is called: for whoever stops time.
    #[must_use]
    pub fn here(scribe: Scribe, generation: u64) -> Self {
        let news = scribe.news();
        Self::new(Pen::Here(Box::new(scribe), Vec::new()), news, generation)
    }

    fn new(pen: Pen, news: watch::Receiver<News>, generation: u64) -> Self {
        Self {
            gate: Arc::default(),
            pen,
            news,
            open: None,
            told: 0,
            owing: None,
            generation,
            pointed: (0, 0),
        }
    }

    /// For links, which wait at it.
    #[must_use]
    pub fn gate(&self) -> Arc<Gate> {
        self.gate.clone()
    }

    /// Which life of a controller this is on its directory, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells whoever waits that something was written.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<News> {
        self.news.clone()
    }

    fn tell(&mut self, now: u64, job: Job) {
        let ticket = self.gate.ticket();
        self.owing.get_or_insert((ticket, now));
        match &mut self.pen {
            // Without a thread there are no news either; it is then given up as a disk that does not answer.
            Pen::Thread(jobs) => drop(jobs.send((ticket, job))),
            Pen::Here(_, jobs) => jobs.push((ticket, job)),
        }
    }

    /// Writes what was told so far, unless a thread does.
    pub fn write(&mut self) {
        if let Pen::Here(scribe, jobs) = &mut self.pen
            && !jobs.is_empty()
        {
            scribe.take(std::mem::take(jobs));
        }
    }

    /// A run was ordered.
    pub fn ordered(&mut self, now: u64, file: &RunFile, bundle: Vec<u8>) {
        self.tell(now, Job::Order(Box::new(file.clone()), bundle));
    }

    /// The turn of a run has come, or it is taken up again: from now on its records are kept.
    pub fn begin(&mut self, now: u64, run: &str, checkpoint: v1::Checkpoint) {
        self.go_on(now, run);
        self.point(now, checkpoint);
    }

    /// What everything so far came to.
    pub fn point(&mut self, now: u64, checkpoint: v1::Checkpoint) {
        self.record(now, What::Checkpoint(checkpoint));
        self.pointed = (now, self.told);
    }

    /// True if the newest checkpoint is older than that, or so much was told since that reading it again would take long.
    #[must_use]
    pub fn is_due(&self, now: u64, every: u64) -> bool {
        now >= self.pointed.0.saturating_add(every) || self.told > self.pointed.1 + LARGE
    }

    /// A run that an earlier life began is taken up again: what happens is told after what it told.
    pub fn go_on(&mut self, now: u64, run: &str) {
        self.gate.shut();
        self.open = Some(run.to_owned());
        self.tell(now, Job::Open(run.to_owned()));
    }

    /// True while a run's records are kept.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.open.is_some()
    }

    /// Something happened in the run whose records are kept.
    pub fn record(&mut self, now: u64, what: What) {
        if self.open.is_none() {
            return;
        }
        let record = Record {
            now_ns: now,
            what: Some(what),
        };
        self.told += record.encoded_len() as u64;
        self.tell(now, Job::Record(Box::new(record)));
    }

    /// The run is over: its report is kept, and its journal ends.
    pub fn finished(&mut self, now: u64, run: &str, finished: Finished, report: Vec<u8>) {
        if self.open.as_deref() == Some(run) {
            self.open = None;
        }
        self.tell(now, Job::Finish(run.to_owned(), finished, report));
    }

    /// Takes what was written meanwhile into account: links may let go what they hold. The failure that ended the open run's journal,
    /// if one did, once.
    pub fn settle(&mut self, now: u64) -> Option<String> {
        let news = self.news.borrow_and_update().clone();
        self.gate.done(news.done);
        if self.owing.is_some_and(|(ticket, _)| ticket <= news.done) {
            // Whatever is owed was told about now, or a moment ago.
            self.owing = self.gate.awaited().map(|ticket| (ticket, now));
        }
        let open = self.open.as_ref()?;
        let failed = match news.failed {
            Some((run, why)) if run == *open => Some(why),
            _ if self.owing.is_some_and(|(_, since)| now > since + STALL_NS) => Some(format!(
                "the disk has not answered for {} s",
                STALL_NS / 1_000_000_000
            )),
            _ if self.told - news.bytes > MOST_WAITING as u64 => Some(format!(
                "more than {} MiB wait for a disk that is too slow",
                MOST_WAITING >> 20
            )),
            _ => None,
        };
        if failed.is_some() {
            self.give_up(now);
        }
        failed
    }

    /// The run goes on in memory. Its journal is marked, so that nobody takes up what has a gap. (A disk that does not even take the
    /// mark, and a controller that ends then, are two faults at once: the intervals acknowledged in between will be missing, and known
    /// to be by their numbers.)
    fn give_up(&mut self, now: u64) {
        if let Some(run) = self.open.take() {
            self.tell(now, Job::GiveUp(run));
        }
        self.gate.open_up();
        self.owing = None;
    }

    /// Waits until everything is written, but not for ever.
    pub async fn written(&mut self) {
        let Some(ticket) = self.gate.awaited() else {
            return;
        };
        let written = self.news.wait_for(|news| news.done >= ticket);
        if tokio::time::timeout(clock::duration(STALL_NS), written)
            .await
            .is_err()
        {
            tracing::warn!("the disk did not take everything before the end");
        }
    }
}
