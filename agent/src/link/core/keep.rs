//! What the link wants kept on disk: a run's transcript, from which its report can be made when nobody else is left.
//!
//! Nothing that counts is sent before it is kept, or the disk was given up: one that does not answer in time is.

use super::{Action, Core};
use proto::transcript::Record;
use proto::v1::{from_agent, to_agent};

/// How long a disk may take.
const SLOW: u64 = 2_000_000_000;

/// Something to be done on disk, in order.
#[derive(Debug)]
pub enum Keep {
    /// A transcript of this run begins; one that was open ends.
    Open(String),
    /// What tells of the run: kept whole.
    Head(Record),
    /// What was seen: beyond the limit the oldest goes.
    Seen(Record),
    /// The transcript ends.
    Close {
        /// It is of no use any more.
        remove: bool,
    },
}

/// How far the disk is.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// The run whose transcript is open.
    run: Option<String>,
    asked: u64,
    done: u64,
    /// Since when the disk owes an answer.
    since: Option<u64>,
}

impl Core {
    fn keep(&mut self, keep: Keep) -> Option<u64> {
        let now = self.now;
        let keeping = self.keeping.as_mut()?;
        keeping.asked += 1;
        keeping.since.get_or_insert(now);
        let ticket = keeping.asked;
        self.act(Action::Keep(keep));
        Some(ticket)
    }

    /// True while a transcript is open.
    fn keeps(&self, run: &str) -> bool {
        self.keeping
            .as_ref()
            .is_some_and(|keeping| keeping.run.as_deref() == Some(run))
    }

    /// A transcript of this run begins, unless it is open.
    pub(super) fn open_transcript(&mut self, run: &str) -> bool {
        if self.keeps(run) {
            return false;
        }
        if let Some(keeping) = &mut self.keeping {
            keeping.run = Some(run.to_owned());
        }
        self.keep(Keep::Open(run.to_owned()));
        let hello = self.settings.hello.clone();
        self.said(run, from_agent::Message::Hello(hello));
        if let Some(welcome) = self.welcome.clone() {
            self.heard(run, to_agent::Message::Welcome(welcome));
        }
        true
    }

    /// Keeps what was said of a run whose transcript is open.
    pub(super) fn said(&mut self, run: &str, message: from_agent::Message) -> Option<u64> {
        self.keeps(run)
            .then(|| self.keep(Keep::Head(Record::Said(message))))
            .flatten()
    }

    /// Keeps what was heard of it.
    pub(super) fn heard(&mut self, run: &str, message: to_agent::Message) {
        if self.keeps(run) {
            self.keep(Keep::Head(Record::Heard(message)));
        }
    }

    /// Keeps what was seen, the newest first to stay.
    pub(super) fn seen(&mut self, run: &str, message: from_agent::Message) -> Option<u64> {
        self.keeps(run)
            .then(|| self.keep(Keep::Seen(Record::Said(message))))
            .flatten()
    }

    /// The run is forgotten: of no use is what everybody has, or never was load.
    pub(super) fn close_transcript(&mut self, remove: bool) {
        let open = self.keeping.as_mut().and_then(|keeping| keeping.run.take());
        if open.is_some() {
            self.keep(Keep::Close { remove });
        }
    }

    /// The disk is done with so many.
    pub(super) fn kept(&mut self, count: u64) {
        let now = self.now;
        let Some(keeping) = &mut self.keeping else {
            return;
        };
        keeping.done = keeping.done.max(count);
        keeping.since = (keeping.done < keeping.asked).then_some(now);
        let done = keeping.done;
        if let Some(work) = &mut self.work {
            work.kept(done);
        }
    }

    /// When the disk is given up.
    pub(super) fn disk_due(&self) -> Option<u64> {
        let since = self.keeping.as_ref()?.since?;
        Some(since.saturating_add(SLOW))
    }

    /// A disk that does not answer delays no report.
    pub(super) fn hurry_disk(&mut self) {
        if self.disk_due().is_some_and(|due| self.now >= due) {
            tracing::warn!(
                "the disk of the spool does not answer; the rest of this run is kept in memory only"
            );
            // The next run's transcript tries it again.
            if let Some(keeping) = &mut self.keeping {
                *keeping = Keeping {
                    asked: keeping.asked,
                    done: keeping.asked,
                    ..Keeping::default()
                };
            }
            if let Some(work) = &mut self.work {
                work.kept(u64::MAX);
                work.keep(false);
            }
        }
    }
}
