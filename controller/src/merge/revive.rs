//! The other way to a report: a controller's own directory of the run, and what agents kept that the controller never took.
//!
//! The director is let stand where it was killed, and the transcripts are told to it as their agents would, had they come back.

use super::{Life, MergeError, STEP};
use crate::Config;
use crate::clock;
use crate::director::{Director, Input};
use crate::journal::Folder;
use crate::link::Link;
use crate::run::AgentId;
use crate::service_fleet;
use journal::{Append, Disk, Held, RealDisk};
use proto::transcript::Record;
use proto::v1::from_agent::Message as Said;
use proto::v1::{Done, RunOver};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The streams of those that are told have this number.
const CONNECTION: u64 = 1;

/// One run of a directory, read and never written.
#[derive(Debug)]
struct ReadOnly {
    run: String,
}

#[derive(Debug)]
struct Unheld;

impl Held for Unheld {}

impl Disk for ReadOnly {
    fn make_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = RealDisk.list(dir)?;
        // Other runs of the directory are nobody's business here.
        names.retain(|name| !name.starts_with("r-") || *name == self.run);
        Ok(names)
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(file)
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn Append>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn replace(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, file: &Path) -> io::Result<Box<dyn Held>> {
        match RealDisk.lock(file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(_) => Ok(Box::new(Unheld)),
            held => held,
        }
    }
}

/// A life that came back.
#[derive(Debug)]
struct Back {
    id: AgentId,
    seat: u32,
    link: Arc<Link>,
    done: Option<Done>,
}

/// A run that is taken from its directory.
#[derive(Debug)]
pub struct Revival {
    director: Director,
    now: u64,
    lease: u64,
    t0: u64,
    lives: BTreeMap<u64, Back>,
}

impl Revival {
    /// The run of this directory, and the heads of what its agents kept.
    ///
    /// # Errors
    /// The directory is in use, the run is over, its load had not begun, or its journal cannot be gone on with.
    pub fn new(dir: &Path, heads: Vec<Life>, config: &Config) -> Result<Self, MergeError> {
        let name = dir.file_name().and_then(|name| name.to_str());
        let (Some(parent), Some(run)) = (dir.parent(), name) else {
            return Err(MergeError::Nothing);
        };
        let unusable = |why: String| MergeError::Directory {
            run: run.to_owned(),
            why,
        };
        let disk = Arc::new(ReadOnly {
            run: run.to_owned(),
        });
        let folder = Folder::open(disk, parent).map_err(&unusable)?;
        let Some(director) = Director::reviving(config.clone(), folder) else {
            let why = "it is over (`throng report` prints its report), or its journal had stopped";
            return Err(unusable(why.to_owned()));
        };
        let active = director.active();
        let Some(t0) = active.and_then(|active| active.t0) else {
            return Err(unusable("its load had not begun".to_owned()));
        };
        let mut revival = Self {
            now: t0,
            lease: clock::ns(director.lease()),
            director,
            t0,
            lives: BTreeMap::new(),
        };
        for life in heads.into_iter().filter(|life| life.run == run) {
            revival.back(life);
        }
        Ok(revival)
    }

    /// A life says hello again.
    fn back(&mut self, life: Life) {
        let incarnation = life.hello.incarnation;
        let link = Arc::new(Link::behind(None, self.now, self.director.gate()));
        let (reply, mut answer) = oneshot::channel();
        let hello = Box::new(life.hello.clone());
        self.take_input(Input::Hello(hello, link.clone(), CONNECTION, reply));
        let Ok(Some(id)) = answer.try_recv() else {
            return;
        };
        let active = self.director.active();
        let member = active.and_then(|active| active.members.get(&id));
        // What it saw on an earlier seat was taken before it got a new one.
        let Some(seat) = member.map(|member| member.seat) else {
            return;
        };
        let done = life.parts.get(&seat).and_then(|part| part.done.clone());
        self.lives.insert(
            incarnation,
            Back {
                id,
                seat,
                link,
                done,
            },
        );
    }

    fn take_input(&mut self, input: Input) {
        self.director.take(self.now, input);
    }

    fn say(&mut self, incarnation: u64, run_ns: i64, message: Said) {
        let Some(back) = self.lives.get(&incarnation) else {
            return;
        };
        self.now = self.now.max(self.t0.saturating_add_signed(run_ns.max(0)));
        let input = service_fleet::input(&back.link, CONNECTION, back.id, message, self.now);
        if let Some(input) = input {
            self.take_input(input);
        }
    }

    /// Takes what a life saw.
    pub fn take(&mut self, incarnation: u64, record: Record) {
        let Some(back) = self.lives.get(&incarnation) else {
            return;
        };
        match record {
            Record::Said(Said::Interval(interval)) if interval.agent == back.seat => {
                self.say(incarnation, interval.to_ns, Said::Interval(interval));
            }
            Record::Said(Said::Heartbeat(totals)) => {
                self.say(
                    incarnation,
                    totals.run_ns.unwrap_or(0),
                    Said::Heartbeat(totals),
                );
            }
            // What it logged was said as soon as it was seen; of the rest nobody knows what was heard.
            _ => {}
        }
    }

    /// The report.
    ///
    /// # Errors
    /// The run does not end.
    pub fn end(mut self, note: String) -> Result<RunOver, MergeError> {
        self.director.remark(note);
        let ends: Vec<(u64, Option<Done>)> = self
            .lives
            .iter()
            .map(|(life, back)| (*life, back.done.clone()))
            .collect();
        for (life, done) in ends {
            if let Some(done) = done {
                self.say(life, 0, Said::Done(done));
            }
        }
        // Whoever did not come back is lost when its lease is over; whatever else is waited for has a deadline.
        let lost = self.now + self.lease + self.lease / 50;
        for look in 0..5 {
            if self.director.active().is_some() {
                self.director.tick(lost + look * STEP);
            }
        }
        self.director
            .newest_end()
            .cloned()
            .ok_or_else(|| MergeError::Contradiction("the run does not end".to_owned()))
    }
}
