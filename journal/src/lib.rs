//! Records that survive a crash: append-only segments of checksummed frames in one directory.
//!
//! Knows bytes and a [`Disk`], nothing of runs or intervals; no runtime, no clock, no log. A frame is safe once [`Writer::commit`]
//! returned. Reading never trusts what it reads: what a crash left torn is cut, and counted.
//!
//! ```text
//! DIR/lock            held by the one that writes
//! DIR/00000001.seg    "throngJ\n" · version u32 · crc32 u32 · frame, frame, …
//! DIR/00000002.seg    frame: length u32 · kind u8 · crc32 u32 · payload   (integers little-endian; length of the payload;
//!                     the checksum is over length, kind and payload)
//! ```

pub mod disk;
pub mod fake;
pub mod frame;
mod read;
mod real;
mod write;

pub use disk::{Append, Disk, Held};
pub use frame::{Frame, Frames, MOST_PAYLOAD};
pub use read::{Segment, Tail, read, segments};
pub use real::RealDisk;
pub use write::Writer;

use std::io;
use std::path::PathBuf;

/// Why a journal cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused; the text says what was tried.
    #[error("{}: cannot {what}: {source}", path.display())]
    Disk {
        /// What was tried, as in "cannot …".
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// Another process writes here.
    #[error("{}: in use by another process; end that one first, or name another directory", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Written by a version of throng that this one does not understand.
    #[error("{}: written in version {found} of the format; this throng reads version {}", path.display(), frame::VERSION)]
    Version {
        /// The segment.
        path: PathBuf,
        /// The version that it names.
        found: u32,
    },
    /// A frame's payload is larger than [`MOST_PAYLOAD`].
    #[error("a record of {0} bytes is larger than the {MOST_PAYLOAD} that a frame holds")]
    TooLarge(usize),
}

impl Error {
    /// For `map_err`: what was tried, and where.
    pub(crate) fn at(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { what, path, source }
    }
}
