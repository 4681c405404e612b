//! A disk in memory that crashes, tears and fills up on request, the same way for the same seed.
//!
//! It promises what [`crate::disk`] says and nothing more: a crash keeps any part of what was not synced, torn anywhere.

use crate::disk::{Append, Disk, Held};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct FakeDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Content>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeMap<PathBuf, u64>,
    /// Bytes that still fit; None is boundless.
    room: Option<u64>,
    /// Syncs fail.
    broken: bool,
    /// Of crashes so far: what was opened before one belongs to a process that is dead.
    life: u64,
    syncs: u64,
    random: u64,
}

#[derive(Debug, Default)]
struct Content {
    synced: Vec<u8>,
    loose: Vec<u8>,
}

impl FakeDisk {
    /// An empty disk; the seed decides what crashes leave.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: seed,
            ..State::default()
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine stops. Of what was not synced a part is kept, its end torn; locks are free again; what was open is dead.
    pub fn crash(&self) {
        let mut state = self.state();
        state.life += 1;
        state.locks.clear();
        let mut random = state.random;
        for content in state.files.values_mut() {
            let mut loose = std::mem::take(&mut content.loose);
            loose.truncate(below(&mut random, loose.len() as u64 + 1));
            if !loose.is_empty() {
                // What reached the disk last may be anything: zeros, or a bit that is wrong.
                let from = below(&mut random, loose.len() as u64);
                match below(&mut random, 3) {
                    0 => loose[from..].fill(0),
                    1 => loose[from] ^= 1 << below(&mut random, 8),
                    _ => {}
                }
            }
            content.synced.append(&mut loose);
        }
        state.random = random;
    }

    /// From now on only so many bytes fit more; None is boundless.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.state().room = bytes;
    }

    /// From now on syncs fail, or work again.
    pub fn set_broken(&self, broken: bool) {
        self.state().broken = broken;
    }

    /// Syncs that worked so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }
}

impl State {
    /// Takes room for these bytes; how many of them fit.
    fn take(&mut self, bytes: usize) -> usize {
        let Some(room) = &mut self.room else {
            return bytes;
        };
        let fit = usize::try_from(*room).map_or(bytes, |room| room.min(bytes));
        *room -= fit as u64;
        fit
    }
}

impl Disk for FakeDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let dirs = dir.ancestors().map(Path::to_owned);
        self.state().dirs.extend(dirs);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names: BTreeSet<String> = state
            .files
            .keys()
            .chain(&state.dirs)
            .filter(|path| path.parent() == Some(dir))
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect();
        Ok(names.into_iter().collect())
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        let content = state.files.get(file).ok_or(io::ErrorKind::NotFound)?;
        Ok([content.synced.as_slice(), &content.loose].concat())
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn Append>> {
        let mut state = self.state();
        if state.files.contains_key(file) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.room == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.files.insert(file.to_owned(), Content::default());
        Ok(Box::new(Open {
            disk: self.clone(),
            path: file.to_owned(),
            life: state.life,
        }))
    }

    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if state.broken {
            return Err(io::Error::other("the disk is broken"));
        }
        if state.take(content.len()) < content.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let synced = content.to_vec();
        state.files.insert(
            file.to_owned(),
            Content {
                synced,
                loose: Vec::new(),
            },
        );
        Ok(())
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        let mut state = self.state();
        let content = state.files.remove(file).ok_or(io::ErrorKind::NotFound)?;
        if let Some(room) = &mut state.room {
            *room += (content.synced.len() + content.loose.len()) as u64;
        }
        Ok(())
    }

    fn lock(&self, file: &Path) -> io::Result<Box<dyn Held>> {
        let mut state = self.state();
        if state.locks.contains_key(file) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let life = state.life;
        state.locks.insert(file.to_owned(), life);
        Ok(Box::new(Lock {
            disk: self.clone(),
            path: file.to_owned(),
            life,
        }))
    }
}

#[derive(Debug)]
struct Open {
    disk: FakeDisk,
    path: PathBuf,
    life: u64,
}

impl Append for Open {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("the machine has crashed since"));
        }
        let fit = state.take(bytes.len());
        let content = state.files.get_mut(&self.path);
        let content = content.ok_or(io::ErrorKind::NotFound)?;
        content.loose.extend_from_slice(&bytes[..fit]);
        if fit < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.broken || state.life != self.life {
            return Err(io::Error::other("the disk is broken"));
        }
        state.syncs += 1;
        let content = state.files.get_mut(&self.path);
        let content = content.ok_or(io::ErrorKind::NotFound)?;
        let mut loose = std::mem::take(&mut content.loose);
        content.synced.append(&mut loose);
        Ok(())
    }
}

#[derive(Debug)]
struct Lock {
    disk: FakeDisk,
    path: PathBuf,
    life: u64,
}

impl Held for Lock {}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.locks.get(&self.path) == Some(&self.life) {
            state.locks.remove(&self.path);
        }
    }
}

/// A number below `end` (above 0), from splitmix64.
fn below(state: &mut u64, end: u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) % end).unwrap_or(0)
}
