//! Reading: segments in order, each up to what a crash left torn.

use crate::disk::Disk;
use crate::frame::Frames;
use crate::{Error, Frame};
use std::io;
use std::path::Path;

/// A segment's bytes in memory.
#[derive(Debug)]
pub struct Segment {
    /// Its number, from 1.
    pub number: u64,
    bytes: Vec<u8>,
}

/// What was cut from the end of a segment, because it was not written whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The segment's number.
    pub segment: u64,
    /// Bytes.
    pub bytes: usize,
}

impl Segment {
    /// Reads one segment into memory.
    ///
    /// # Errors
    /// The disk's; [`Error::Version`].
    pub fn load(disk: &dyn Disk, dir: &Path, number: u64) -> Result<Self, Error> {
        let path = dir.join(name(number));
        let bytes = disk.read(&path).map_err(Error::at("read", &path))?;
        match Frames::of(&bytes) {
            Ok(_) => Ok(Self { number, bytes }),
            Err(found) => Err(Error::Version { path, found }),
        }
    }

    /// Its frames, up to the first torn one; [`Frames::left`] says afterwards how many bytes are cut.
    #[must_use]
    pub fn frames(&self) -> Frames<'_> {
        // Another version was refused on loading.
        Frames::of(&self.bytes).unwrap_or_else(|_| Frames::nothing())
    }
}

/// Reads a whole journal, a segment in memory at a time, and tells what was cut.
///
/// # Errors
/// The disk's; [`Error::Version`]; whatever `each` says, which ends the reading.
pub fn read<E: From<Error>>(
    disk: &dyn Disk,
    dir: &Path,
    mut each: impl FnMut(u64, Frame<'_>) -> Result<(), E>,
) -> Result<Vec<Tail>, E> {
    let mut cut = Vec::new();
    for number in segments(disk, dir)? {
        let segment = Segment::load(disk, dir, number)?;
        let mut frames = segment.frames();
        for frame in frames.by_ref() {
            each(number, frame)?;
        }
        if frames.left() > 0 {
            cut.push(Tail {
                segment: number,
                bytes: frames.left(),
            });
        }
    }
    Ok(cut)
}

/// Numbers of the segments in a directory, ascending; none if there is no directory.
///
/// # Errors
/// The disk's.
pub fn segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, Error> {
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::at("list", dir)(error)),
    };
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_suffix(".seg")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

pub(crate) fn name(number: u64) -> String {
    format!("{number:08}.seg")
}
