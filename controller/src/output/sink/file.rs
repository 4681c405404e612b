//! A file that grows by whole batches: what could not be written whole is cut off again, and tried again.

use super::Outcome;
use crate::output::queue::Batch;
use crate::output::spec::FileSpec;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// A file, opened when there is something to write.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Bytes of whole batches.
    length: u64,
}

impl FileSink {
    pub(super) fn new(spec: &FileSpec, run: &str) -> Self {
        let path = match spec.path.to_str() {
            Some(text) => PathBuf::from(text.replace("{run}", run)),
            None => spec.path.clone(),
        };
        Self { path, open: None }
    }

    pub(super) async fn write(&mut self, batch: &Batch) -> Outcome {
        let (open, path, body) = (self.open.take(), self.path.clone(), batch.body.clone());
        // A disk may take its time; this is a thread that may wait.
        let written = tokio::task::spawn_blocking(move || append(open, &path, &body)).await;
        match written {
            Ok((open, Ok(()))) => {
                self.open = open;
                Outcome::Written(0, String::new())
            }
            Ok((open, Err(error))) => {
                self.open = open;
                Outcome::Later(error.to_string())
            }
            Err(error) => Outcome::Refused(format!("a bug: {error}")),
        }
    }
}

/// Appends; on an error the file is as long as before.
fn append(open: Option<Open>, path: &PathBuf, body: &Bytes) -> (Option<Open>, io::Result<()>) {
    let mut open = match open {
        Some(open) => open,
        None => match File::create(path) {
            Ok(file) => Open { file, length: 0 },
            Err(error) => return (None, Err(error)),
        },
    };
    let written = open.file.write_all(body);
    if written.is_ok() {
        open.length += body.len() as u64;
    } else if let Err(error) = open
        .file
        .set_len(open.length)
        .and_then(|()| open.file.seek(SeekFrom::Start(open.length)).map(|_| ()))
    {
        tracing::debug!(%error, "half a batch cannot be cut off");
    }
    (Some(open), written)
}
