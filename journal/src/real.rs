//! The machine's own files.

use crate::disk::{Append, Disk, Held};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

/// Files as the operating system has them.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        if let Some(parent) = parent(dir) {
            self.make_dir(parent)?;
        }
        match private().create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => sync_parent(dir),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            // A name that is no text is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        fs::read(file)
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn Append>> {
        let made = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(file)?;
        sync_parent(file)?;
        Ok(Box::new(Appended(made)))
    }

    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let mut name = file.as_os_str().to_owned();
        name.push(".new");
        let new = Path::new(&name);
        let written = (|| {
            let mut made = File::create(new)?;
            made.write_all(content)?;
            made.sync_all()?;
            fs::rename(new, file)
        })();
        if written.is_err() {
            // Whatever part of it was written is of no use, and the disk may be full.
            let _ = fs::remove_file(new);
        }
        written?;
        sync_parent(file)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn lock(&self, file: &Path) -> io::Result<Box<dyn Held>> {
        let made = OpenOptions::new().append(true).create(true).open(file)?;
        match made.try_lock() {
            Ok(()) => Ok(Box::new(Locked { _file: made })),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    #[cfg(unix)]
    fn identity(&self, file: &Path) -> io::Result<String> {
        use std::os::unix::fs::MetadataExt as _;
        let about = fs::metadata(file)?;
        Ok(format!("{}:{}", about.dev(), about.ino()))
    }
}

/// For its owner only: what was measured, and what it was measured with, is nobody else's.
fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[derive(Debug)]
struct Appended(File);

impl Append for Appended {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Closing the file gives the lock back.
#[derive(Debug)]
struct Locked {
    _file: File,
}

impl Held for Locked {}

/// Without this a file may be durable and its name not.
fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path).unwrap_or(Path::new(".")))?.sync_all()
}

fn parent(path: &Path) -> Option<&Path> {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
}
