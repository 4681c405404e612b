//! A disk that does not do what it says, for the sabotage of that name.

use journal::fake::FakeDisk;
use journal::{Append, Disk, Held};
use std::io;
use std::path::Path;

/// A disk that says that it has synced, and has not.
#[derive(Debug)]
pub(super) struct Liar(pub(super) FakeDisk);

#[derive(Debug)]
struct Unsynced(Box<dyn Append>);

impl Append for Unsynced {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for Liar {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.make_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        self.0.read(file)
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn Append>> {
        Ok(Box::new(Unsynced(self.0.create(file)?)))
    }

    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        self.0.replace(file, content)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.0.remove(file)
    }

    fn lock(&self, file: &Path) -> io::Result<Box<dyn Held>> {
        self.0.lock(file)
    }
}
