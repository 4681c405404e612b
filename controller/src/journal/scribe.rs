//! The one that writes: takes jobs, does them in order, and makes many of them safe with one sync.
//!
//! A failure ends one run's journal; the next run's begins anew, for there may be room again.

use super::{Finished, Folder, News, RunFile};
use crate::clock;
use journal::{Error, MOST_PAYLOAD, Writer};
use metrics::Store;
use prost::Message as _;
use proto::v1::{Record, record::What};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use tokio::sync::watch;

/// A record waits at most so long for others to be synced with it.
const GATHER_NS: u64 = 20_000_000;
/// What a record is in a segment: a `throng.v1.Record`.
pub(crate) const RECORD: u8 = 1;

/// Something to write.
#[derive(Debug)]
pub enum Job {
    /// A run was ordered, and what it is made from.
    Order(Box<RunFile>, Vec<u8>),
    /// This run's records follow.
    Open(String),
    /// Something happened.
    Record(Box<Record>),
    /// What everything so far came to, and what of it was merged.
    Point(Box<Record>, Box<Store>),
    /// This run's journal is not whole any more.
    GiveUp(String),
    /// This run is over: how, and its report.
    Finish(String, Finished, Vec<u8>),
}

/// The one that writes.
#[derive(Debug)]
pub struct Scribe {
    folder: Folder,
    news: watch::Sender<News>,
    writer: Option<(String, Writer)>,
}

impl Scribe {
    /// One that writes to a directory of runs.
    #[must_use]
    pub fn new(folder: Folder) -> Self {
        Self {
            folder,
            news: watch::channel(News::default()).0,
            writer: None,
        }
    }

    pub(super) fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// Writes until nobody can tell it anything any more.
    pub(super) fn work(mut self, inbox: &Receiver<(u64, Job)>) {
        while let Ok(first) = inbox.recv() {
            let mut jobs = vec![first];
            let until = clock::now().saturating_add(GATHER_NS);
            loop {
                let left = until.saturating_sub(clock::now());
                match inbox.recv_timeout(clock::duration(left)) {
                    Ok(job) => jobs.push(job),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            self.take(jobs);
        }
    }

    /// Does these jobs and makes them safe; then says so.
    pub fn take(&mut self, jobs: Vec<(u64, Job)>) {
        let (mut done, mut bytes) = (0, 0);
        for (ticket, job) in jobs {
            done = ticket;
            if let Job::Record(record) | Job::Point(record, _) = &job {
                bytes += record.encoded_len() as u64;
            }
            let run = self.writer.as_ref().map(|(run, _)| run.clone());
            if let Err((run, why)) = self.job(job, run) {
                self.failed(run, why);
            }
        }
        self.commit();
        self.news.send_modify(|news| {
            news.done = done;
            news.bytes += bytes;
        });
    }

    fn job(&mut self, job: Job, writing: Option<String>) -> Result<(), (String, String)> {
        match job {
            Job::Order(file, bundle) => {
                let run = file.id.clone();
                self.order(&file, &bundle).map_err(|why| (run, why))
            }
            Job::Open(run) => {
                self.commit();
                let dir = self.folder.path(&run).join("journal");
                match Writer::open(self.folder.disk(), dir) {
                    Ok(writer) => {
                        self.writer = Some((run, writer));
                        Ok(())
                    }
                    Err(error) => {
                        self.writer = None;
                        Err((run, error.to_string()))
                    }
                }
            }
            Job::Record(record) => {
                let Some((run, writer)) = &mut self.writer else {
                    return Ok(());
                };
                let said = |error: Error| (run.clone(), error.to_string());
                writer.append(RECORD, &record.encode_to_vec()).map_err(said)
            }
            Job::Point(record, store) => {
                let Some((run, writer)) = &mut self.writer else {
                    return Ok(());
                };
                match pointed(*record, &store) {
                    Ok(bytes) => {
                        point(writer, &bytes).map_err(|error| (run.clone(), error.to_string()))
                    }
                    // The journal is whole without one, only longer.
                    Err(why) => {
                        tracing::error!(run, "no checkpoint: {why}");
                        Ok(())
                    }
                }
            }
            Job::GiveUp(run) => {
                if writing.as_ref() == Some(&run) {
                    self.writer = None;
                }
                self.mark(&run, "the controller gave its journal up");
                Ok(())
            }
            Job::Finish(run, finished, report) => {
                self.commit();
                if writing.as_ref() == Some(&run) {
                    self.writer = None;
                }
                self.finish(&run, finished, &report)
                    .map_err(|why| (run, why))
            }
        }
    }

    /// Writes what was told so far.
    fn commit(&mut self) {
        if let Some((run, writer)) = &mut self.writer
            && let Err(error) = writer.commit()
        {
            let run = run.clone();
            self.failed(run, error.to_string());
        }
    }

    fn failed(&mut self, run: String, why: String) {
        tracing::error!(run, "the journal failed: {why}");
        if self.writer.as_ref().is_some_and(|(open, _)| *open == run) {
            self.writer = None;
        }
        self.mark(&run, &why);
        self.news.send_modify(|news| news.failed = Some((run, why)));
    }

    /// Makes sure that nobody takes up a journal with a gap: a mark, or, where not even that can be written, no journal.
    fn mark(&self, run: &str, why: &str) {
        let dir = self.folder.path(run).join("journal");
        let disk = self.folder.disk();
        if disk.replace(&dir.join("stopped"), why.as_bytes()).is_ok() {
            return;
        }
        for segment in journal::segments(&*disk, &dir).unwrap_or_default() {
            // What cannot even be removed cannot be helped.
            let _ = disk.remove(&dir.join(format!("{segment:08}.seg")));
        }
    }

    fn order(&self, file: &RunFile, bundle: &[u8]) -> Result<(), String> {
        let (disk, dir) = (self.folder.disk(), self.folder.path(&file.id));
        disk.make_dir(&dir)
            .map_err(|error| format!("{}: {error}", dir.display()))?;
        let at = |error: std::io::Error| format!("{}: {error}", dir.display());
        disk.replace(&dir.join("bundle.json"), bundle).map_err(at)?;
        // Last: without it there is no run.
        let json = serde_json::to_vec_pretty(file).map_err(|error| error.to_string())?;
        disk.replace(&dir.join("run.json"), &json).map_err(at)
    }

    fn finish(&self, run: &str, finished: Finished, report: &[u8]) -> Result<(), String> {
        let (disk, dir) = (self.folder.disk(), self.folder.path(run));
        let at = |error: std::io::Error| format!("{}: {error}", dir.display());
        if !report.is_empty() {
            disk.replace(&dir.join("summary.json"), report)
                .map_err(at)?;
        }
        let file = disk.read(&dir.join("run.json")).map_err(at)?;
        let mut file: RunFile = serde_json::from_slice(&file).map_err(|error| error.to_string())?;
        file.finished = Some(finished);
        let json = serde_json::to_vec_pretty(&file).map_err(|error| error.to_string())?;
        disk.replace(&dir.join("run.json"), &json).map_err(at)
    }
}

/// A checkpoint whole, in bytes; or why there is none.
fn pointed(mut record: Record, store: &Store) -> Result<Vec<u8>, String> {
    if let Some(What::Checkpoint(checkpoint)) = &mut record.what {
        checkpoint.store = postcard::to_allocvec(store).map_err(|error| error.to_string())?;
    }
    let bytes = record.encode_to_vec();
    if bytes.len() > MOST_PAYLOAD {
        return Err(format!(
            "it has {} MiB, more than a frame holds",
            bytes.len() >> 20
        ));
    }
    Ok(bytes)
}

/// What a checkpoint tells stands for everything before it.
fn point(writer: &mut Writer, bytes: &[u8]) -> Result<(), Error> {
    writer.rotate()?;
    writer.append(RECORD, bytes)?;
    writer.commit()?;
    let segment = writer.segment();
    writer.remove_before(segment)
}
