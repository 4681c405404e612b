//! A run's events, over one connection or several: a controller that is started again goes on with its runs, and so does who watches.

use crate::clock;
use crate::control::{Control, root_cause};
use crate::error::Error;
use proto::v1::RunEvent;
use std::time::{Duration, Instant};
use tonic::Streaming;

/// How long a controller may be away before its watcher gives up; docs/run-directory.md states it.
pub(crate) const AWAY: Duration = Duration::from_secs(60);
/// Between attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// The events of one run.
pub(crate) struct Feed {
    control: Control,
    run: String,
    state: State,
}

/// What is heard of a run.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Something happened.
    Event(Box<RunEvent>),
    /// The controller is not there any more: why. Its run's events may go on.
    Away(String),
    /// The controller is there again.
    Back,
}

enum State {
    Watching(Box<Streaming<RunEvent>>),
    Away {
        until: Instant,
        retry: Instant,
        why: String,
    },
}

impl Feed {
    /// Begins to watch.
    ///
    /// # Errors
    /// `NoSuchRun`, `Unreachable`.
    pub(crate) async fn new(mut control: Control, run: &str) -> Result<Self, Error> {
        let events = control.watch(run).await?;
        Ok(Self {
            control,
            run: run.to_owned(),
            state: State::Watching(Box::new(events)),
        })
    }

    /// What is heard next. Whoever stops waiting for it misses nothing.
    ///
    /// # Errors
    /// `Lost` when the controller was away for too long, or came back without the run.
    pub(crate) async fn next(&mut self) -> Result<Heard, Error> {
        loop {
            let why = match &mut self.state {
                State::Watching(events) => match events.message().await {
                    Ok(Some(event)) => return Ok(Heard::Event(Box::new(event))),
                    Ok(None) => "it closed the connection".to_owned(),
                    Err(status) => root_cause(&status),
                },
                State::Away { until, retry, why } => {
                    if clock::now() >= *until {
                        return Err(self.lost());
                    }
                    clock::until(Some(*retry)).await;
                    *retry = clock::now() + PAUSE;
                    let within = until.saturating_duration_since(clock::now());
                    match clock::within(within, self.control.watch(&self.run)).await {
                        Some(Ok(events)) => {
                            self.state = State::Watching(Box::new(events));
                            return Ok(Heard::Back);
                        }
                        Some(Err(Error::NoSuchRun(text))) => {
                            *why = format!("it came back without it: {text}");
                            return Err(self.lost());
                        }
                        // Not yet.
                        Some(Err(_)) | None => {}
                    }
                    continue;
                }
            };
            let now = clock::now();
            self.state = State::Away {
                until: now + AWAY,
                retry: now + PAUSE,
                why: why.clone(),
            };
            return Ok(Heard::Away(why));
        }
    }

    fn lost(&self) -> Error {
        Error::Lost {
            url: self.control.url().to_owned(),
            run: self.run.clone(),
            why: match &self.state {
                State::Away { why, .. } => why.clone(),
                State::Watching(_) => String::new(),
            },
        }
    }
}
