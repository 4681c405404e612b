//! Writing: frames are gathered in memory and made safe together.

use crate::disk::{Append, Disk, Held};
use crate::frame;
use crate::read::{name, segments};
use crate::{Error, MOST_PAYLOAD};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The one that writes a journal. Dropping it loses what was not committed.
///
/// After a failure everything since the last commit is kept, and the next commit writes it once more, to a new segment: a frame may
/// then be read twice, and never out of order.
#[derive(Debug)]
pub struct Writer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    _lock: Box<dyn Held>,
    /// Of the newest segment.
    number: u64,
    /// None before the first commit, after a rotation, and after a failure.
    file: Option<Box<dyn Append>>,
    /// Bytes in the newest segment that are safe.
    length: u64,
    waiting: Vec<u8>,
}

impl Writer {
    /// Makes the directory if it is not there, and locks it. What is there already stays, and is never appended to: a new segment
    /// follows it.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process writes here; the disk's.
    pub fn open(disk: Arc<dyn Disk>, dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        disk.make_dir(&dir)
            .map_err(Error::at("make the directory", &dir))?;
        let lock = disk.lock(&dir.join("lock")).map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                Error::Locked { path: dir.clone() }
            } else {
                Error::at("lock", &dir)(error)
            }
        })?;
        let number = segments(&*disk, &dir)?.last().copied().unwrap_or(0);
        Ok(Self {
            disk,
            dir,
            _lock: lock,
            number,
            file: None,
            length: 0,
            waiting: Vec::new(),
        })
    }

    /// Puts a frame in line for the next commit.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn append(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        if frame::encode(&mut self.waiting, kind, payload) {
            Ok(())
        } else {
            debug_assert!(payload.len() > MOST_PAYLOAD);
            Err(Error::TooLarge(payload.len()))
        }
    }

    /// Writes what is in line and makes it durable: when this returns, it will be read after any crash.
    ///
    /// # Errors
    /// The disk's; everything is still in line then.
    pub fn commit(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let done = self.write();
        if done.is_ok() {
            let header = if self.length == 0 { frame::HEADER } else { 0 };
            self.length += (header + self.waiting.len()) as u64;
            self.waiting.clear();
            // A checkpoint is large and rare; what comes every moment is small.
            self.waiting.shrink_to(1 << 20);
        } else {
            // The segment's end is in doubt: nothing more is appended to it. One that holds nothing safe is only in the way.
            if self.file.take().is_some() && self.length == 0 {
                let _ = self.disk.remove(&self.dir.join(name(self.number)));
            }
        }
        done
    }

    fn write(&mut self) -> Result<(), Error> {
        if self.file.is_none() {
            let path = self.dir.join(name(self.number + 1));
            let file = self.disk.create(&path);
            self.file = Some(file.map_err(Error::at("make a segment", &path))?);
            self.number += 1;
            self.length = 0;
        }
        let path = self.dir.join(name(self.number));
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        if self.length == 0 {
            let header = file.append(&frame::header());
            header.map_err(Error::at("write", &path))?;
        }
        file.append(&self.waiting)
            .map_err(Error::at("write", &path))?;
        file.sync().map_err(Error::at("sync", path))
    }

    /// Ends the segment: what is appended from now on goes to the next one, once what is in line was committed.
    ///
    /// # Errors
    /// As [`Writer::commit`]; the segment is not ended then.
    pub fn rotate(&mut self) -> Result<(), Error> {
        self.commit()?;
        self.file = None;
        Ok(())
    }

    /// Removes all segments before this one. One that is to be kept is never removed for another's sake.
    ///
    /// # Errors
    /// The disk's; some may be gone then.
    pub fn remove_before(&mut self, number: u64) -> Result<(), Error> {
        for old in segments(&*self.disk, &self.dir)? {
            if old < number.min(self.number) {
                let path = self.dir.join(name(old));
                let removed = self.disk.remove(&path);
                removed.map_err(Error::at("remove", path))?;
            }
        }
        Ok(())
    }

    /// Forgets what is in line, as when the disk is given up.
    pub fn forget(&mut self) {
        self.waiting = Vec::new();
    }

    /// The newest segment; 0 if there is none yet.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.number
    }

    /// Bytes in the newest segment that are safe.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes in line for the next commit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
