//! Following the run's pod by its log alone: what it says on the way, and the report at the end. A broken connection is made again.

use super::kubectl::Kubectl;
use crate::clock;
use crate::error::Error;
use crate::frame::{Line, Reader};
use crate::signals::Signals;
use crate::terminal::Terminal;
use proto::v1::RunOver;
use std::time::Duration;

/// Between attempts to read a log that is not there yet, or no more.
const AGAIN: Duration = Duration::from_secs(1);
/// How long after the Job's own deadline its end may become known.
const LATE: Duration = Duration::from_secs(60);

/// One run that is followed.
pub(super) struct Following<'a> {
    pub(super) kubectl: &'a Kubectl,
    /// The run's Job, as kubectl calls it.
    pub(super) job: String,
    /// How long the Job may take.
    pub(super) longest: Duration,
    /// How long it has for its report when it is interrupted.
    pub(super) grace: Duration,
    pub(super) quiet: bool,
    pub(super) terminal: &'a Terminal,
}

/// What has been seen of the log, which is read again from its start when the connection breaks.
#[derive(Default)]
struct Seen {
    /// Lines shown already.
    shown: usize,
    complaint: String,
}

impl Following<'_> {
    /// Follows until the report is there.
    ///
    /// # Errors
    /// `NoReport` when the pod is over, or the time, and there is none.
    pub(super) async fn until_over(&self, mut signals: Signals) -> Result<RunOver, Error> {
        let mut seen = Seen::default();
        let mut deadline = clock::now() + self.longest + LATE;
        let mut interrupted = false;
        loop {
            let read = tokio::select! {
                read = self.read(&mut seen) => Some(read),
                () = signals.interrupted(), if !interrupted => None,
                () = clock::until(Some(deadline)) => {
                    return Err(self.none(&seen, "the time for it is over"));
                }
            };
            match read {
                Some(Ok(over)) => return Ok(over),
                Some(Err(_)) if self.is_over(&mut seen).await => {
                    // Whole now, if it ever will be.
                    return match self.read_once(&mut seen, false).await {
                        Ok(over) => Ok(over),
                        Err(why) => Err(self.none(&seen, &why)),
                    };
                }
                // Load whose report nobody may read is not worth making.
                Some(Err(why)) if why.contains("(Forbidden)") => {
                    return Err(Error::Cluster {
                        command: format!("{} logs {}", self.kubectl.program, self.job),
                        why,
                    });
                }
                Some(Err(why)) => {
                    if why != seen.complaint && !self.quiet {
                        self.terminal.line(&format!("waiting: {why}"));
                    }
                    seen.complaint = why;
                }
                None => {
                    interrupted = true;
                    deadline = clock::now() + self.grace + LATE;
                    self.terminal.line("interrupting the run; its report comes when its pod ends, a second Ctrl-C leaves at once, and leaves what was made");
                    // Its pod gets SIGTERM; the log goes on until it ends.
                    let stop = ["delete", &self.job, "--cascade=foreground", "--wait=false"];
                    self.kubectl.tell(&stop, "").await?;
                }
            }
        }
    }

    /// Reads the log as it grows, and pauses a moment if that gave no report.
    async fn read(&self, seen: &mut Seen) -> Result<RunOver, String> {
        let read = self.read_once(seen, true).await;
        if read.is_err() {
            clock::until(Some(clock::now() + AGAIN)).await;
        }
        read
    }

    async fn read_once(&self, seen: &mut Seen, follow: bool) -> Result<RunOver, String> {
        let args: &[&str] = if follow {
            &["logs", "--follow", &self.job]
        } else {
            &["logs", &self.job]
        };
        let mut stream = self
            .kubectl
            .stream(args)
            .map_err(|error| error.to_string())?;
        let mut reader = Reader::default();
        let mut others = 0;
        let mut why = "the log ended before the report".to_owned();
        while let Some(line) = stream.next().await {
            match reader.line(&line) {
                Line::Other => {
                    others += 1;
                    if others > seen.shown {
                        seen.shown = others;
                        if !self.quiet {
                            self.terminal.line(&line);
                        }
                    }
                }
                Line::Part => {}
                Line::Whole(over) => return Ok(*over),
                Line::Broken(what) => why = format!("the report came damaged: {what}"),
            }
        }
        Err(stream.ended().await.unwrap_or(why))
    }

    /// Whether the Job has ended, or is gone. If that cannot be learned, it has not.
    async fn is_over(&self, seen: &mut Seen) -> bool {
        let ask = ["get", &self.job, "-o", "json", "--ignore-not-found"];
        match self.kubectl.tell(&ask, "").await {
            Ok(text) if text.trim().is_empty() => true,
            Ok(text) => {
                let job: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                let conditions = job["status"]["conditions"].as_array();
                conditions.is_some_and(|conditions| {
                    conditions.iter().any(|condition| {
                        condition["status"] == "True"
                            && (condition["type"] == "Complete" || condition["type"] == "Failed")
                    })
                })
            }
            Err(error) => {
                seen.complaint = error.to_string();
                false
            }
        }
    }

    fn none(&self, seen: &Seen, why: &str) -> Error {
        let mut why = why.to_owned();
        if !seen.complaint.is_empty() && seen.complaint != why {
            why = format!("{why}; before that: {}", seen.complaint);
        }
        Error::NoReport {
            job: self.job.clone(),
            why,
        }
    }
}
