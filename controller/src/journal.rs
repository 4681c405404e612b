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
use metrics::Store;
use prost::Message as _;
use proto::v1::{self, Record, record::What};
use std::sync::{Arc, mpsc};
use tokio::sync::watch;

/// After so long without an answer of the disk the journal is given up.
const STALL_NS: u64 = 10_000_000_000;
/// Bytes that may wait for the disk; beyond, the journal is given up.
const MOST_WAITING: usize = 256 << 20;
/// Bytes after which a checkpoint is due, however new the last one is: reading so many again takes well under a second.
pub const LARGE: u64 = 16 << 20;

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
    pointed: Pointed,
}

/// The newest checkpoint.
#[derive(Debug, Default)]
struct Pointed {
    /// Controller time.
    at: u64,
    /// Bytes that were told until then.
    told: u64,
    /// Its own ticket.
    ticket: u64,
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
            pointed: Pointed::default(),
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
        self.point(now, checkpoint, Store::default());
    }

    /// What everything so far came to. What was merged is by far the most of it: it is handed over as it is, and whoever writes
    /// encodes it, so that the director goes on.
    pub fn point(&mut self, now: u64, checkpoint: v1::Checkpoint, store: Store) {
        if self.open.is_none() {
            return;
        }
        let record = Record {
            now_ns: now,
            what: Some(What::Checkpoint(checkpoint)),
        };
        self.told += record.encoded_len() as u64;
        self.tell(now, Job::Point(Box::new(record), Box::new(store)));
        self.pointed = Pointed {
            at: now,
            told: self.told,
            ticket: self.gate.newest(),
        };
    }

    /// True if the newest checkpoint is older than that, or so much was told since that reading it again would take long. Never while
    /// that one is not written yet: a slow disk is not helped by another.
    #[must_use]
    pub fn is_due(&self, now: u64, every: u64) -> bool {
        let Pointed { at, told, ticket } = self.pointed;
        let due = now >= at.saturating_add(every) || self.told > told + LARGE;
        due && self.news.borrow().done >= ticket
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

    /// How long what it was told has been waiting for the disk, in nanoseconds.
    #[must_use]
    pub fn owing_for(&self, now: u64) -> u64 {
        self.owing.map_or(0, |(_, since)| now.saturating_sub(since))
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

    /// The controller itself stood still until now: whatever the disk owes, it is owed from now on.
    pub fn stood_still(&mut self, now: u64) {
        if let Some((_, since)) = &mut self.owing {
            *since = now;
        }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use ::journal::fake::FakeDisk;
    use std::path::Path;

    const MINUTE: u64 = 60_000_000_000;

    #[test]
    fn a_checkpoint_is_due_by_time_or_by_bytes_and_never_before_the_last_one_is_written() {
        let disk = Arc::new(FakeDisk::new(1));
        let folder = Folder::open(disk, Path::new("/runs")).unwrap();
        let mut journal = Journal::here(Scribe::new(folder), 1);
        journal.begin(0, "r-1", v1::Checkpoint::default());
        assert!(!journal.is_due(MINUTE, MINUTE), "it is not written");
        journal.write();
        assert!(!journal.is_due(MINUTE - 1, MINUTE) && journal.is_due(MINUTE, MINUTE));
        let large = v1::StopRequest {
            reason: "x".repeat(usize::try_from(LARGE).unwrap()),
            ..v1::StopRequest::default()
        };
        journal.record(1, What::Stop(large));
        assert!(journal.is_due(1, MINUTE));
        journal.point(1, v1::Checkpoint::default(), Store::default());
        journal.write();
        assert!(!journal.is_due(2, MINUTE));
    }
}
