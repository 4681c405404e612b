//! What a journal needs of a disk, and no more: [`crate::RealDisk`] has it, and [`crate::fake::FakeDisk`], which crashes on request.

use std::fmt::Debug;
use std::io;
use std::path::Path;

/// Files in directories. What is not said to be durable may be lost, or torn, by a crash.
pub trait Disk: Send + Sync + Debug {
    /// Makes a directory and its parents, durably and for their owner only; fine if it is there.
    ///
    /// # Errors
    /// The disk's.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Names of the files and directories in a directory, in order.
    ///
    /// # Errors
    /// The disk's; `NotFound` if there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// The whole of a file.
    ///
    /// # Errors
    /// The disk's.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;

    /// A new, empty file to append to. That it exists is durable; its content is not until [`Append::sync`].
    ///
    /// # Errors
    /// The disk's; `AlreadyExists` if there is one.
    fn create(&self, file: &Path) -> io::Result<Box<dyn Append>>;

    /// Puts a file in place, durably and whole: after a crash there is the old content or the new one.
    ///
    /// # Errors
    /// The disk's; the old content is still there then.
    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The disk's.
    fn remove(&self, file: &Path) -> io::Result<()>;

    /// Takes the exclusive lock of this name until what is returned is dropped, or the process ends, however it ends.
    ///
    /// # Errors
    /// `WouldBlock` if another holds it; else the disk's.
    fn lock(&self, file: &Path) -> io::Result<Box<dyn Held>>;

    /// What tells this file from every copy of it, and from every other file of this machine that is there now.
    ///
    /// # Errors
    /// The disk's; `Unsupported` where files have no such thing.
    fn identity(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A file that only grows.
pub trait Append: Send + Debug {
    /// Appends all of it, or fails with any part of it appended.
    ///
    /// # Errors
    /// The disk's; `StorageFull` when it is full.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended durable (fdatasync).
    ///
    /// # Errors
    /// The disk's. What was not durable before may be lost then, whatever a later call says.
    fn sync(&mut self) -> io::Result<()>;
}

/// A lock, held until it is dropped.
pub trait Held: Send + Debug {}
