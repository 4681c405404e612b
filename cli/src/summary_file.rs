//! The summary's file: refused before load when it cannot be written, and then written whole or not at all.
//!
//! It is written beside its place and renamed, so that a reader never sees half of it.

use crate::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A place where the summary will be written.
#[derive(Debug)]
pub(crate) struct SummaryFile {
    place: PathBuf,
    beside: PathBuf,
    file: File,
}

impl SummaryFile {
    /// Claims the place: after this, only a full disk can be in the way.
    ///
    /// # Errors
    /// `Summary` when it is a directory, its directory is not there, or it may not be written.
    pub(crate) fn claim(place: &Path) -> Result<Self, Error> {
        let refuse = |why: String| Error::Summary {
            path: place.to_owned(),
            why,
        };
        if place.is_dir() {
            return Err(refuse("it is a directory".to_owned()));
        }
        let Some(name) = place.file_name() else {
            return Err(refuse("it names no file".to_owned()));
        };
        // A file that is there but may not be written is refused too, though a rename could replace it.
        if place.exists() {
            OpenOptions::new()
                .write(true)
                .open(place)
                .map_err(|error| refuse(words(&error)))?;
        }
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let beside = place.with_file_name(hidden);
        let file = File::create(&beside).map_err(|error| refuse(words(&error)))?;
        Ok(Self {
            place: place.to_owned(),
            beside,
            file,
        })
    }

    /// Writes `json` and moves it to its place.
    ///
    /// # Errors
    /// `Summary` when the disk is full or the like.
    pub(crate) fn write(mut self, json: &[u8]) -> Result<(), Error> {
        let written = self
            .file
            .write_all(json)
            .and_then(|()| self.file.write_all(b"\n"))
            .and_then(|()| self.file.sync_all())
            .and_then(|()| fs::rename(&self.beside, &self.place));
        written.map_err(|error| Error::Summary {
            path: self.place.clone(),
            why: words(&error),
        })
    }
}

impl Drop for SummaryFile {
    fn drop(&mut self) {
        // Gone already when it was written; a leftover is only untidy.
        let _ = fs::remove_file(&self.beside);
    }
}

fn words(error: &std::io::Error) -> String {
    crate::control::root_cause(error)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("throng-summary-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn written_whole_and_nothing_left_beside() {
        let folder = folder("whole");
        let place = folder.join("s.json");
        fs::write(&place, "old").unwrap();
        let claimed = SummaryFile::claim(&place).unwrap();
        assert_eq!(
            fs::read_to_string(&place).unwrap(),
            "old",
            "the old one stays until the new one is whole"
        );
        claimed.write(b"{}").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "{}\n");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn given_up_leaves_nothing() {
        let folder = folder("nothing");
        drop(SummaryFile::claim(&folder.join("s.json")).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn bad_places_are_refused() {
        let folder = folder("bad");
        for bad in [
            folder.clone(),
            folder.join("missing/s.json"),
            PathBuf::from("/"),
            PathBuf::from(""),
        ] {
            assert!(
                matches!(SummaryFile::claim(&bad), Err(Error::Summary { .. })),
                "{}",
                bad.display()
            );
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
