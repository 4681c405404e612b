//! Runs on disk: a thread that writes what the link wants kept, so that a slow disk delays no heartbeat.
//!
//! Each run of each life has a directory of its own with two journals: `head` tells of the run and is kept whole, `seen` holds what
//! was seen, and loses its oldest segments beyond a limit. A disk that fails is given up until the next run, aloud.

use crate::config::Spooling;
use crate::link::core::Keep;
use journal::{Disk, Error, Writer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Transcripts of earlier lives that are kept.
const LEFT: usize = 16;
/// Records that are made safe together; a piece of a bundle has 1 MiB.
const TOGETHER: usize = 16;
/// Into so many segments the limit is cut.
const SEGMENTS: u64 = 8;
/// Characters of a run's id in a directory's name.
const LONGEST: usize = 64;
/// The two journals of a transcript.
const PARTS: [&str; 2] = ["head", "seen"];

/// The thread, as the link sees it.
#[derive(Debug)]
pub(crate) struct Transcripts {
    keeps: Sender<Keep>,
    done: UnboundedReceiver<u64>,
}

impl Transcripts {
    /// Starts the thread, which says in `bytes` how much it has on disk of the run in progress.
    ///
    /// # Errors
    /// No thread can be had.
    pub(crate) fn start(
        spooling: Spooling,
        incarnation: u64,
        bytes: Arc<AtomicU64>,
    ) -> std::io::Result<Self> {
        let (keeps, orders) = channel();
        let (report, done) = unbounded_channel();
        std::thread::Builder::new()
            .name("throng-spool".to_owned())
            .spawn(move || {
                Notes::new(spooling, incarnation).work(&orders, &report, &bytes);
            })?;
        Ok(Self { keeps, done })
    }

    /// Puts something in line.
    pub(crate) fn keep(&self, keep: Keep) {
        // A thread that is gone is noticed by whoever waits for its answer.
        let _ = self.keeps.send(keep);
    }

    /// How many of those in line are done, counted from the first; `None` if the thread is gone.
    pub(crate) async fn done(&mut self) -> Option<u64> {
        self.done.recv().await
    }

    /// Ends once all that is in line is done.
    pub(crate) async fn finish(mut self) {
        drop(self.keeps);
        while self.done.recv().await.is_some() {}
    }
}

/// A transcript that is being written.
#[derive(Debug)]
struct Open {
    dir: PathBuf,
    head: Writer,
    seen: Writer,
    /// Bytes of the segments of `seen` that are full, the oldest first.
    full: Vec<(u64, u64)>,
}

impl Open {
    fn new(disk: &Arc<dyn Disk>, dir: PathBuf) -> Result<Self, Error> {
        let [head, seen] = PARTS.map(|part| Writer::open(Arc::clone(disk), dir.join(part)));
        Ok(Self {
            dir,
            head: head?,
            seen: seen?,
            full: Vec::new(),
        })
    }

    /// What it takes on disk.
    fn bytes(&self) -> u64 {
        let full: u64 = self.full.iter().map(|(_, bytes)| bytes).sum();
        self.head.length() + self.seen.length() + full
    }

    fn commit(&mut self, limit: u64) -> Result<(), Error> {
        self.head.commit()?;
        self.seen.commit()?;
        if self.seen.length() < limit / SEGMENTS {
            return Ok(());
        }
        self.full.push((self.seen.segment(), self.seen.length()));
        self.seen.rotate()?;
        let mut bytes: u64 = self.full.iter().map(|(_, bytes)| bytes).sum();
        while bytes > limit - limit / SEGMENTS && self.full.len() > 1 {
            bytes -= self.full.remove(0).1;
        }
        self.seen.remove_before(self.full[0].0)
    }
}

/// What is written where: the thread's part, without the thread.
#[derive(Debug)]
pub struct Notes {
    spooling: Spooling,
    incarnation: u64,
    open: Option<Open>,
    done: u64,
}

impl Notes {
    /// Of one life. Nothing is written yet.
    #[must_use]
    pub fn new(spooling: Spooling, incarnation: u64) -> Self {
        Self {
            spooling,
            incarnation,
            open: None,
            done: 0,
        }
    }

    fn work(mut self, orders: &Receiver<Keep>, report: &UnboundedSender<u64>, bytes: &AtomicU64) {
        self.begin();
        while let Ok(first) = orders.recv() {
            // What came meanwhile is made safe together, but not so much that the link thinks the disk dead.
            let more = orders.try_iter().take(TOGETHER);
            self.write(std::iter::once(first).chain(more));
            bytes.store(self.open.as_ref().map_or(0, Open::bytes), Relaxed);
            // The link is gone: what it wanted kept is kept all the same.
            let _ = report.send(self.done);
        }
    }

    /// Looks at what earlier lives left.
    pub fn begin(&self) {
        if let Err(error) = self.tidy() {
            warn(&error, "runs are kept in memory only");
        }
    }

    /// Does these, and makes them safe together. False if the transcript was given up for it.
    pub fn write(&mut self, keeps: impl Iterator<Item = Keep>) -> bool {
        let mut result = Ok(());
        for keep in keeps {
            result = result.and(self.take(keep));
        }
        let limit = self.spooling.limit;
        let result = result.and_then(|()| match &mut self.open {
            Some(open) => open.commit(limit),
            None => Ok(()),
        });
        if let Err(error) = &result {
            warn(error, "the rest of this run is kept in memory only");
            self.open = None;
        }
        result.is_ok()
    }

    fn take(&mut self, keep: Keep) -> Result<(), Error> {
        self.done += 1;
        match (keep, &mut self.open) {
            (Keep::Open(run), _) => {
                let dir = self.spooling.dir.join(name(&run, self.incarnation));
                // The old one's lock is free first: it may be the same run.
                self.open = None;
                self.open = Some(Open::new(&self.spooling.disk, dir)?);
                Ok(())
            }
            (Keep::Head(record), Some(open)) => {
                let (kind, bytes) = record.encode();
                open.head.append(kind, &bytes)
            }
            (Keep::Seen(record), Some(open)) => {
                let (kind, bytes) = record.encode();
                open.seen.append(kind, &bytes)
            }
            (Keep::Close { remove }, open) => {
                let Some(mut open) = open.take() else {
                    return Ok(());
                };
                open.commit(self.spooling.limit)?;
                if remove {
                    let dir = open.dir.clone();
                    drop(open);
                    self.remove(&dir);
                } else {
                    tracing::warn!(
                        "{} stays: no controller has all of it; `throng merge` makes a report of it",
                        open.dir.display()
                    );
                }
                Ok(())
            }
            // It was given up.
            (Keep::Head(_) | Keep::Seen(_), None) => Ok(()),
        }
    }

    /// Makes the directory, tells of what earlier lives left in it, and removes the oldest beyond a number.
    fn tidy(&self) -> Result<(), Error> {
        let Spooling { disk, dir, .. } = &self.spooling;
        let at = |what| {
            let path = dir.clone();
            move |source| Error::Disk { what, path, source }
        };
        disk.make_dir(dir).map_err(at("make the directory"))?;
        let names = disk.list(dir).map_err(at("list"))?;
        let left: Vec<PathBuf> = names
            .iter()
            .map(|name| dir.join(name))
            // One that is locked is being written by an agent that is alive.
            .filter(|left| disk.lock(&left.join(PARTS[0]).join("lock")).is_ok())
            .collect();
        if !left.is_empty() {
            tracing::warn!(
                dir = %dir.display(),
                "{} of earlier lives, which no controller has whole; `throng merge` makes reports of them",
                match left.len() {
                    1 => "there is a run".to_owned(),
                    count => format!("there are {count} runs"),
                }
            );
        }
        for old in left.iter().rev().skip(LEFT) {
            self.remove(old);
        }
        Ok(())
    }

    fn remove(&self, dir: &Path) {
        let disk = &self.spooling.disk;
        for part in PARTS {
            let part = dir.join(part);
            for name in disk.list(&part).unwrap_or_default() {
                if let Err(error) = disk.remove(&part.join(&name)) {
                    tracing::warn!("{}: cannot remove {name}: {error}", part.display());
                }
            }
            // What cannot be removed now is tried again by the next life.
            let _ = std::fs::remove_dir(part);
        }
        let _ = std::fs::remove_dir(dir);
    }
}

fn warn(error: &Error, so: &str) {
    tracing::warn!(
        "{error}; {so}. Name a directory that can be written with --spool DIR, or say --spool none"
    );
}

/// A directory's name for a run of a life, whatever a controller calls its runs.
fn name(run: &str, incarnation: u64) -> String {
    let run: String = run
        .chars()
        .take(LONGEST)
        .map(|char| match char {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => char,
            _ => '_',
        })
        .collect();
    format!("{run}-{incarnation:016x}")
}
