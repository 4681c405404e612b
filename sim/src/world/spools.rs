//! What agents keep on their disks, and the report that is made of it when no controller is left.

use super::{Happening, MS, World};
use crate::judge;
use crate::target::Life;
use agent::Spooling;
use agent::link::core::{Event, Keep};
use agent::sim::Notes;
use controller::merge::{self, Merge, MergeError};
use journal::Disk;
use journal::fake::FakeDisk;
use proto::transcript::Record;
use proto::v1::{RunOver, from_agent::Message as Said, to_agent::Message as Heard};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

/// Where every agent keeps its runs.
const DIR: &str = "/sim/spool";

/// What one process writes.
pub(super) struct Writing {
    notes: Notes,
    /// Asked for, and not done.
    queue: VecDeque<Keep>,
    done: u64,
}

impl Writing {
    pub(super) fn new(disk: FakeDisk, incarnation: u64) -> Self {
        let spooling = Spooling {
            disk: Arc::new(disk),
            dir: DIR.into(),
            limit: 64 << 20,
        };
        let notes = Notes::new(spooling, incarnation);
        notes.begin();
        Self {
            notes,
            queue: VecDeque::new(),
            done: 0,
        }
    }
}

/// What is on disk of a life, as whoever wrote it knows.
#[derive(Debug, Clone)]
pub struct Spooled {
    /// Whose.
    pub life: Life,
    /// Requests, by seat and number.
    pub intervals: BTreeMap<(u32, u64), u64>,
    /// That its load was to begin.
    pub began: bool,
    /// Its end, with all before it.
    pub ended: bool,
    /// The disk failed on the way.
    pub failed: bool,
    /// Taken off the disk again, for a controller has all of it.
    pub removed: bool,
    /// That is so of an earlier part that it took in the run.
    pub partly: bool,
}

impl Spooled {
    fn new(life: Life) -> Self {
        Self {
            life,
            intervals: BTreeMap::new(),
            began: false,
            ended: false,
            failed: false,
            removed: false,
            partly: false,
        }
    }
}

impl World {
    /// Puts something in line for a process's disk.
    pub(super) fn keep(&mut self, number: usize, keep: Keep) {
        let now = self.schedule.now();
        let takes = self.random.between(MS / 10, 30 * MS);
        let Some(process) = &mut self.hosts[number].process else {
            return;
        };
        process.writing.queue.push_back(keep);
        process.keeps += 1;
        // A disk does one thing after the other.
        process.disk = process.disk.max(now) + takes;
        let happening = Happening::Kept(process.life, process.keeps);
        self.schedule.at(process.disk, happening);
    }

    /// A process's disk is done with so many.
    pub(super) fn kept(&mut self, number: usize, count: u64) {
        self.write(number, count);
        self.step(number, Event::Kept(count));
    }

    /// Writes what is in line, up to so many in all.
    pub(super) fn write(&mut self, number: usize, count: u64) {
        let Some(process) = &mut self.hosts[number].process else {
            return;
        };
        let writing = &mut process.writing;
        let due = count.min(process.keeps).saturating_sub(writing.done);
        writing.done += due;
        let due: Vec<Keep> = writing.queue.drain(..due as usize).collect();
        let incarnation = process.hello.incarnation;
        let told: Vec<Told> = due.iter().filter_map(told).collect();
        let safe = writing.notes.write(due.into_iter());
        if !safe {
            let life = process.life;
            self.log.line(
                self.schedule.now(),
                format_args!("a{}'s disk fails", life.host),
            );
        }
        let life = process.life;
        let spooled = self.spooled.entry(incarnation);
        let spooled = spooled.or_insert_with(|| Spooled::new(life));
        spooled.failed |= !safe;
        if spooled.failed {
            return;
        }
        for told in told {
            match told {
                // Another part in the same run: its transcript goes on, or begins anew.
                Told::Open if spooled.removed => {
                    *spooled = Spooled {
                        partly: true,
                        ..Spooled::new(life)
                    };
                }
                Told::Open => spooled.ended = false,
                Told::Interval(of, requests) => drop(spooled.intervals.insert(of, requests)),
                Told::Go => spooled.began = true,
                Told::Done => spooled.ended = true,
                Told::Removed => spooled.removed = true,
            }
        }
    }

    /// The report that is made of what is on the disks; `None` if nothing is.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn merged(&self) -> Result<Option<RunOver>, String> {
        let mut lives = Vec::new();
        for host in &self.hosts {
            let disk: Arc<dyn Disk> = Arc::new(host.disk.clone());
            for name in disk.list(Path::new(DIR)).unwrap_or_default() {
                let dir = Path::new(DIR).join(name);
                let mut head = Vec::new();
                read(&disk, &dir.join("head"), |record| head.push(record))?;
                if let Some(life) = merge::Life::read(head) {
                    lives.push((Arc::clone(&disk), dir, life));
                }
            }
        }
        let heads = lives.iter().map(|(_, _, life)| life.clone()).collect();
        let mut merge = match Merge::new(heads, &self.controller.config) {
            Ok(merge) => merge,
            Err(MergeError::Nothing) => return Ok(None),
            Err(error) => return Err(format!("what agents kept cannot be merged: {error}")),
        };
        for (disk, dir, life) in &lives {
            read(disk, &dir.join("seen"), |record| {
                merge.take(life.hello.incarnation, record);
            })?;
        }
        let over = merge.end("merged".to_owned());
        over.map(Some)
            .map_err(|error| format!("what agents kept cannot be merged: {error}"))
    }

    /// What is kept, against what is made of it.
    pub(super) fn judge_merged(&self) -> Result<judge::Came, String> {
        let spools = judge::Spools {
            plan: &self.plan,
            target: &self.target,
            spooled: &self.spooled,
            mustered: &self.mustered,
            changed: self.stopped || self.plan.options.on_agent_loss == plan::OnAgentLoss::Abort,
        };
        judge::merged(&spools, self.merged()?.as_ref())
    }
}

/// What matters here of a record.
enum Told {
    Open,
    Interval((u32, u64), u64),
    Go,
    Done,
    Removed,
}

fn told(keep: &Keep) -> Option<Told> {
    match keep {
        Keep::Seen(Record::Said(Said::Interval(interval))) => {
            let of = (interval.agent, interval.sequence);
            Some(Told::Interval(of, super::controller::requests(interval)))
        }
        Keep::Head(Record::Heard(Heard::Go(_))) => Some(Told::Go),
        Keep::Head(Record::Said(Said::Done(_))) => Some(Told::Done),
        Keep::Open(_) => Some(Told::Open),
        Keep::Close { remove: true } => Some(Told::Removed),
        _ => None,
    }
}

/// Reads one journal, as `throng merge` does: what a crash tore is left out.
fn read(disk: &Arc<dyn Disk>, dir: &Path, mut each: impl FnMut(Record)) -> Result<(), String> {
    let all = journal::read(disk.as_ref(), dir, |_, frame| {
        if let Some(record) = Record::decode(frame.kind, frame.payload) {
            each(record);
        }
        Ok::<_, journal::Error>(())
    });
    all.map(drop)
        .map_err(|error| format!("{} cannot be read: {error}", dir.display()))
}
