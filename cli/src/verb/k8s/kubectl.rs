//! The user's kubectl: what it is told, and what it said. Knows nothing of manifests or reports.

use crate::error::Error;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Bytes kept of what it complains of.
const COMPLAINT: usize = 4096;

/// A kubectl, and where it is to look.
#[derive(Debug, Clone)]
pub(super) struct Kubectl {
    pub(super) program: String,
    pub(super) namespace: Option<String>,
    pub(super) context: Option<String>,
}

impl Kubectl {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).kill_on_drop(true);
        // Ctrl-C is for this process, which then ends the run in order.
        command.process_group(0);
        if let Some(context) = &self.context {
            command.args(["--context", context]);
        }
        if let Some(namespace) = &self.namespace {
            command.args(["--namespace", namespace]);
        }
        command
    }

    /// Runs one that reads `input` and ends; what it printed.
    ///
    /// # Errors
    /// `Flags` when there is no such program, `Cluster`, with its complaint.
    pub(super) async fn tell(&self, args: &[&str], input: &str) -> Result<String, Error> {
        let failed = |why: String| self.failed(args, why);
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.missing(&error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read to the end says why on stderr.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let done = child.wait_with_output().await;
        let done = done.map_err(|error| failed(error.to_string()))?;
        if !done.status.success() {
            return Err(failed(complaint(done.status, &done.stderr)));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Starts one whose lines are read as they come.
    ///
    /// # Errors
    /// `Flags` when it cannot be started.
    pub(super) fn stream(&self, args: &[&str]) -> Result<Stream, Error> {
        let mut child = self
            .command(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.missing(&error))?;
        let lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        let lines = lines.ok_or_else(|| self.failed(args, "it has no output".to_owned()))?;
        let stderr = child.stderr.take();
        Ok(Stream {
            child,
            lines,
            complaint: tokio::spawn(async move {
                match stderr {
                    Some(stderr) => tail(stderr).await,
                    None => Vec::new(),
                }
            }),
        })
    }

    fn missing(&self, error: &std::io::Error) -> Error {
        Error::flags(
            format!("--kubectl {}: {error}", self.program),
            "install kubectl, or say where it is; --render prints the manifests for somebody else to apply",
        )
    }

    fn failed(&self, args: &[&str], why: String) -> Error {
        Error::Cluster {
            command: format!("{} {}", self.program, args.join(" ")),
            why,
        }
    }
}

/// A kubectl that goes on printing.
pub(super) struct Stream {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    complaint: tokio::task::JoinHandle<Vec<u8>>,
}

impl Stream {
    /// The next line; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Option<String> {
        // What is not text ends it, as an error of reading does: the frame's checksum finds out.
        self.lines.next_line().await.ok().flatten()
    }

    /// Why it ended; `None` if it did so well.
    pub(super) async fn ended(mut self) -> Option<String> {
        let status = self.child.wait().await.ok()?;
        let said = self.complaint.await.unwrap_or_default();
        (!status.success()).then(|| complaint(status, &said))
    }
}

/// The beginning of a stream; the rest is read and dropped, so that the writer does not stand still.
async fn tail(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    use tokio::io::AsyncReadExt as _;
    let mut kept = Vec::new();
    let mut piece = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        let room = COMPLAINT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&piece[..room]);
    }
    kept
}

fn complaint(status: ExitStatus, stderr: &[u8]) -> String {
    let said = String::from_utf8_lossy(stderr);
    match said.trim() {
        "" => format!("it ended with {status}"),
        said => said.to_owned(),
    }
}
