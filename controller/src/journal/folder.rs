//! The directory of runs: what is where, and what an earlier life left there.
//!
//! ```text
//! DIR/lock            held by the one controller that uses it
//! DIR/generation      how many controllers used it so far
//! DIR/RUN/run.json    what was ordered; once it is over, how it ended
//! DIR/RUN/bundle.json what it is made from
//! DIR/RUN/journal/    what happened in it
//! DIR/RUN/summary.json  its report
//! ```

use crate::run::Needs;
use crate::weights::Weights;
use journal::{Disk, Held, RealDisk};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What `run.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// The run's id, and its directory's name.
    pub id: String,
    /// The bundle's name.
    pub name: String,
    /// The wall time at which it was accepted.
    pub started_unix_ms: u64,
    /// throng's version at the controller.
    pub version: String,
    /// What was asked for.
    pub needs: Needs,
    /// How the load is divided.
    pub weights: Weights,
    /// Absent until it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Finished>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Its exit code.
    pub exit_code: u32,
    /// Why, when it did not end by itself.
    pub text: String,
    /// How long its load went on.
    pub duration_ms: u64,
    /// How many agents it had.
    pub agents: u32,
}

/// A run that is in the directory.
#[derive(Debug)]
pub struct Kept {
    /// What its file says.
    pub file: RunFile,
    /// What it is made from, if it is not over.
    pub bundle: Vec<u8>,
    /// Its report, if it is over and has one.
    pub report: Vec<u8>,
}

/// The directory, locked.
#[derive(Debug)]
pub struct Folder {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    generation: u64,
    resumes: bool,
    // Given back with the directory.
    _lock: Box<dyn Held>,
}

impl Folder {
    /// Makes the directory if it is not there, locks it, and counts this controller.
    ///
    /// # Errors
    /// What is in the way, for a person.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, String> {
        let at =
            |what: &str, error: &io::Error| format!("{}: cannot {what}: {error}", dir.display());
        disk.make_dir(dir)
            .map_err(|e| at("make the directory", &e))?;
        let lock = disk.lock(&dir.join("lock")).map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                format!(
                    "{}: another controller keeps its runs there; end that one first, or name another directory",
                    dir.display()
                )
            } else {
                at("lock it", &error)
            }
        })?;
        let counted = match disk.read(&dir.join("generation")) {
            Ok(bytes) => number(&bytes).ok_or_else(|| {
                format!(
                    "{}: it should hold a number; restore it, or remove it if no run is to be resumed",
                    dir.join("generation").display()
                )
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(at("read its generation", &error)),
        };
        let generation = counted + 1;
        let text = format!("{generation}\n");
        disk.replace(&dir.join("generation"), text.as_bytes())
            .map_err(|e| at("write to it", &e))?;
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            generation,
            resumes: true,
            _lock: lock,
        })
    }

    /// The same, on this machine's disk.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn on_disk(dir: &Path) -> Result<Self, String> {
        Self::open(Arc::new(RealDisk), dir)
    }

    /// Leaves runs alone that are not over: for a controller that is there for one run only.
    #[must_use]
    pub fn only_new(self) -> Self {
        Self {
            resumes: false,
            ..self
        }
    }

    /// Which life of a controller this is, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The disk it is on.
    #[must_use]
    pub fn disk(&self) -> Arc<dyn Disk> {
        self.disk.clone()
    }

    /// Of a run.
    #[must_use]
    pub fn path(&self, run: &str) -> PathBuf {
        self.dir.join(run)
    }

    /// The newest runs, the newest first: all that are not over, and so many that are. What cannot be read is told, and left alone.
    #[must_use]
    pub fn runs(&self, most: usize) -> (Vec<Kept>, Vec<String>) {
        let mut found = Vec::new();
        let mut troubles = Vec::new();
        let names = self.disk.list(&self.dir).unwrap_or_default();
        let mut over = 0;
        // Ids begin with the time.
        for name in names.iter().rev().filter(|name| name.starts_with("r-")) {
            match self.read(name) {
                Ok(Some(kept)) if kept.file.finished.is_none() && !self.resumes => {}
                Ok(Some(kept)) => {
                    over += usize::from(kept.file.finished.is_some());
                    if kept.file.finished.is_none() || over <= most {
                        found.push(kept);
                    }
                }
                // Ordered in the moment of a crash; nobody was told that it was taken.
                Ok(None) => {}
                Err(trouble) => troubles.push(trouble),
            }
        }
        (found, troubles)
    }

    fn read(&self, run: &str) -> Result<Option<Kept>, String> {
        let dir = self.path(run);
        let Some(bytes) = there(&*self.disk, &dir.join("run.json"))? else {
            return Ok(None);
        };
        let file: RunFile = serde_json::from_slice(&bytes)
            .map_err(|error| format!("{}: {error}", dir.join("run.json").display()))?;
        let (mut bundle, mut report) = (Vec::new(), Vec::new());
        if file.finished.is_some() {
            report = there(&*self.disk, &dir.join("summary.json"))?.unwrap_or_default();
        } else {
            bundle = there(&*self.disk, &dir.join("bundle.json"))?.unwrap_or_default();
        }
        Ok(Some(Kept {
            file,
            bundle,
            report,
        }))
    }
}

/// The report of a run in a directory of runs; nobody need hold its lock.
///
/// # Errors
/// What is in the way, for a person.
pub fn read_report(dir: &Path, run: &str) -> Result<Vec<u8>, String> {
    let disk = &RealDisk;
    // A name, not a way out of the directory.
    let path = dir.join(Path::new(run).file_name().unwrap_or_default());
    if let Some(report) = there(disk, &path.join("summary.json"))? {
        return Ok(report);
    }
    Err(match there(disk, &path.join("run.json"))? {
        Some(_) => format!(
            "{}: run {run} has no report yet; `throng controller --runs {}` takes it up again if nobody else has it",
            path.display(),
            dir.display()
        ),
        None => format!("{}: there is no run of this name", path.display()),
    })
}

fn there(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, String> {
    match disk.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: cannot read it: {error}", path.display())),
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}
