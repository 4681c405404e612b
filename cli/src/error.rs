//! What can go wrong before, around and after a run, as variants; the one place that words them and maps them to exit codes.
//!
//! A failed request is data and never comes here.

use controller::exit::ExitCode;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An expected failure: says where, what, and (by [`Error::hint`]) what to try.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Flags that contradict each other or lack something.
    #[error("{what}")]
    Flags {
        /// What is wrong.
        what: String,
        /// What to try.
        hint: String,
    },
    /// The scenario file is not there.
    #[error("{path}: no such file")]
    NoSuchFile {
        /// As given.
        path: String,
        /// A file beside it with a similar name.
        near: Option<String>,
    },
    /// A file could not be read.
    #[error("{path}: {why}")]
    Read {
        /// As given.
        path: String,
        /// What the system said.
        why: String,
    },
    /// A data file the scenario names could not be read.
    #[error("{path}: {why} (named under `data` in {scenario})")]
    Data {
        /// Where it was looked for.
        path: String,
        /// The scenario.
        scenario: String,
        /// What the system said.
        why: String,
    },
    /// Data files that are too large together to be sent to every agent.
    #[error(
        "{scenario}: its data files come to {length} as they are sent, and {most} is the most: {what}"
    )]
    TooLarge {
        /// The scenario.
        scenario: String,
        /// The files, the largest first.
        what: String,
        /// How much that is on the wire.
        length: String,
        /// How much may be.
        most: String,
    },
    /// A k6 script.
    #[error("{path}: scripts are not supported yet, only scenario files in YAML")]
    Script {
        /// As given.
        path: String,
    },
    /// A scenario could not be fetched.
    #[error("{url}: {why}")]
    Fetch {
        /// From where.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The bundle does not compile: rendered diagnostics, with their own hints.
    #[error("{0}")]
    Compile(String),
    /// Nothing can listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Which flag said so.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The summary could not be written.
    #[error("cannot write the summary to {}: {why}", path.display())]
    Summary {
        /// Where.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Nothing answers at the controller's address, or not as a controller.
    #[error("no controller at {url}: {why}")]
    Unreachable {
        /// Where.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The controller's door does not open for us.
    #[error("not let in at {url}: {why}")]
    Door {
        /// Where.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// A controller's CA or its book of tokens.
    #[error("{0}")]
    State(String),
    /// The controller was there, and then was not.
    #[error("lost the controller at {url} while watching run {run}: {why}")]
    Lost {
        /// Where.
        url: String,
        /// Which run.
        run: String,
        /// What went wrong.
        why: String,
    },
    /// Ctrl-C while watching a run that others started.
    #[error("stopped watching run {0}; it goes on")]
    StoppedWatching(String),
    /// The controller does not know the run.
    #[error("{0}")]
    NoSuchRun(String),
    /// No report can be made of what agents kept.
    #[error("{0}")]
    Merge(controller::merge::MergeError),
    /// The controller refused what was asked: the bundle or the request is bad.
    #[error("the controller refused: {0}")]
    Refused(String),
    /// The fleet is busy, and queueing was not wanted; or it cannot be had.
    #[error("{0}")]
    Busy(String),
    /// The controller does not want this agent.
    #[error("{0}")]
    AgentRefused(String),
    /// The interruption took longer than its bound.
    #[error("the run did not end within {0} s of the interruption; leaving without its report")]
    InterruptTooSlow(u64),
    /// kubectl would not.
    #[error("`{command}`: {why}")]
    Cluster {
        /// What it was told.
        command: String,
        /// What it said.
        why: String,
    },
    /// A run in the cluster left no report.
    #[error("no report from {job}: {why}")]
    NoReport {
        /// The run's Job.
        job: String,
        /// What is known.
        why: String,
    },
    /// Something that should not happen.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// Flags that contradict each other.
    pub(crate) fn flags(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Flags {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// The process's exit code; the table is docs/exit-codes.md.
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Flags { .. }
            | Self::NoSuchFile { .. }
            | Self::Read { .. }
            | Self::Data { .. }
            | Self::TooLarge { .. }
            | Self::Script { .. }
            | Self::Fetch { .. }
            | Self::Compile(_)
            | Self::Listen { .. }
            | Self::Summary { .. }
            | Self::State(_)
            | Self::NoSuchRun(_)
            | Self::Merge(_)
            | Self::Refused(_)
            | Self::Internal(_) => ExitCode::Invalid,
            Self::InterruptTooSlow(_) | Self::StoppedWatching(_) => ExitCode::Interrupted,
            Self::Busy(_)
            | Self::AgentRefused(_)
            | Self::Cluster { .. }
            | Self::NoReport { .. } => ExitCode::Fleet,
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Door { .. } => {
                ExitCode::Controller
            }
        }
    }

    /// What to try.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Flags { hint, .. } => (!hint.is_empty()).then(|| hint.clone()),
            Self::Merge(_) => Some(
                "name the directories that `throng agent --spool DIR` wrote; a run that its controller took whole is not kept there"
                    .to_owned(),
            ),
            Self::NoSuchFile { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::NoSuchFile { path, near: None } if path.contains("://") => {
                Some("a target's URL begins with http:// or https://".to_owned())
            }
            Self::NoSuchFile { .. } => Some("`throng run --demo` runs the built-in scenario; docs/scenarios.md shows how to write one".to_owned()),
            Self::TooLarge { .. } => Some("send fewer rows or columns (a byte takes up to four on the way), or have `setup` give them".to_owned()),
            Self::Data { .. } => Some("paths under `data` are relative to the scenario file".to_owned()),
            Self::Script { .. } => {
                Some("docs/coming-from-k6.md sets a k6 script beside the same flow in YAML, line by line".to_owned())
            }
            Self::Fetch { .. } => Some("check the URL; a scenario is fetched when the path ends in .yaml or .yml".to_owned()),
            Self::Listen { flag, source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some(format!("another program listens there; stop it, or give {flag} another port (`:0` picks a free one)"))
            }
            Self::Listen { flag, source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable => {
                Some(format!("this host has no such address; {flag} 0.0.0.0:PORT listens on all it has"))
            }
            Self::Listen { flag, .. } => Some(format!("give {flag} another address")),
            Self::Summary { .. } => Some("give --summary a file in a directory that exists and may be written to".to_owned()),
            Self::Unreachable { .. } => {
                Some("start one with `throng controller --listen ADDR`, or leave out --controller to run alone".to_owned())
            }
            Self::Door { .. } => {
                Some("`throng token create --role operator` on the controller's host makes a join token; `throng login --join-file FILE` uses it (docs/security.md)".to_owned())
            }
            Self::State(_) => Some("name the directory of secrets with --state; only you should be able to read it".to_owned()),
            Self::Lost { run, .. } => {
                Some(format!("a run goes on without its watcher; when the controller answers again: `throng wait {run}`"))
            }
            Self::StoppedWatching(run) => Some(format!("`throng stop {run}` ends it, `throng wait {run}` watches again")),
            Self::Busy(_) => Some("wait for the run in progress (`throng runs`), or leave out --no-queue to queue behind it".to_owned()),
            Self::AgentRefused(_) => Some("run the same version of throng on the controller and on every agent, and give each a join token (docs/security.md)".to_owned()),
            Self::Cluster { .. } => {
                Some("`throng k8s run … --render` prints the manifests and the rights that applying them takes".to_owned())
            }
            Self::NoReport { .. } => {
                Some("with --keep, `kubectl describe` and `kubectl logs` show what became of its pods".to_owned())
            }
            Self::Read { .. } | Self::Compile(_) | Self::Refused(_) | Self::InterruptTooSlow(_) | Self::NoSuchRun(_)
            | Self::Internal(_) => None,
        }
    }

    /// What a person reads: `error: …` and, on the next line, what to try. Compiler diagnostics are complete as they are.
    pub(crate) fn render(&self) -> String {
        let mut text = match self {
            Self::Compile(text) => text.trim_end().to_owned(),
            other => format!("error: {other}"),
        };
        if let Some(hint) = self.hint() {
            text.push_str("\n  try: ");
            text.push_str(&hint);
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_says_which_flag_to_change() {
        let error = Error::Listen {
            address: ([127, 0, 0, 1], 80).into(),
            flag: "--listen",
            source: io::ErrorKind::AddrInUse.into(),
        };
        assert_eq!(error.code(), ExitCode::Invalid);
        assert!(
            error.render().contains("give --listen another port"),
            "{}",
            error.render()
        );
    }

    #[test]
    fn a_near_miss_is_offered() {
        let error = Error::NoSuchFile {
            path: "a.yml".into(),
            near: Some("a.yaml".into()),
        };
        assert_eq!(
            error.render(),
            "error: a.yml: no such file\n  try: did you mean `a.yaml`?\n"
        );
    }
}
