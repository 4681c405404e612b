//! The line to the controller: when to dial, how long to wait between attempts, when silence means that it is broken.

use super::{Action, Core, Failure};
use crate::config::{Ended, Error};
use crate::orders::Event as Order;
use proto::v1::Welcome;
use std::time::Duration;

/// After a welcome so many pings follow each other closely, so that the clocks are known before they are needed.
const QUICK: u32 = 4;
/// A line that held so long was a good one.
const STEADY: u64 = 2_000_000_000;
/// Between attempts: twice as long each time, within these.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What the controller asked for with its welcome.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) lease: Duration,
    pub(super) heartbeat: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(5),
            heartbeat: Duration::from_millis(500),
        }
    }
}

/// A stream to the controller.
#[derive(Debug)]
pub(super) struct Line {
    /// Our leave was handed over: nothing more is sent.
    pub(super) left: bool,
    /// When anything was last heard.
    pub(super) heard: u64,
    /// When the next heartbeat is due; one that finds no room waits, and never two.
    pub(super) heartbeat: u64,
    /// Close pings left.
    pub(super) quick: u32,
    since: u64,
}

/// A line that is down.
#[derive(Debug)]
pub(super) struct Down {
    since: u64,
    /// When to dial again; `None` while dialing.
    retry: Option<u64>,
    attempts: u32,
    last: Option<Failure>,
}

impl Down {
    /// Nothing was tried yet.
    pub(super) fn new(now: u64) -> Self {
        Self {
            since: now,
            retry: Some(now),
            attempts: 0,
            last: None,
        }
    }
}

impl Core {
    /// What is due on the line, or about it.
    pub(super) fn line_deadlines(&self) -> [Option<u64>; 2] {
        match &self.line {
            Some(line) => [
                // One that is due already waits for room, not for time.
                Some(line.heartbeat).filter(|due| !line.left && *due > self.now),
                Some(line.heard.saturating_add(self.patience())),
            ],
            None => [
                self.down.retry,
                (!self.orders.in_load()).then(|| self.gives_up()),
            ],
        }
    }

    /// Silence after which a line counts as broken, so that there is time to dial within the lease.
    fn patience(&self) -> u64 {
        nanos((self.pace.lease / 2).max(self.pace.heartbeat * 2))
    }

    fn gives_up(&self) -> u64 {
        self.down.since.saturating_add(nanos(self.settings.give_up))
    }

    /// A line on which nothing is heard is a broken one.
    pub(super) fn listen(&mut self) {
        let patience = self.patience();
        if self
            .line
            .as_ref()
            .is_some_and(|line| self.now >= line.heard.saturating_add(patience))
        {
            let silence = Duration::from_nanos(patience).as_secs_f64();
            self.lost(&format!("nothing was heard for {silence:.1} s"));
        }
    }

    /// Without a line: dials when it is time to, or gives up.
    pub(super) fn redial(&mut self) {
        if self.orders.is_leaving() && !self.orders.in_load() && !self.orders.is_over() {
            return self.end(Ok(Ended::ShutDown));
        }
        if self.now >= self.gives_up() && !self.orders.in_load() {
            return self.give_up();
        }
        if self.down.retry.is_some_and(|retry| self.now >= retry) {
            self.down.retry = None;
            self.down.attempts = self.down.attempts.saturating_add(1);
            self.act(Action::Dial);
        }
    }

    fn give_up(&mut self) {
        let tried = Duration::from_nanos(self.now.saturating_sub(self.down.since));
        let error = match self.down.last.take() {
            Some(Failure::Refused { reason, .. }) => self.refusal(reason),
            last => Error::Unreachable {
                address: self.settings.controller.clone(),
                tried,
                cause: match last {
                    Some(Failure::Unreachable(cause)) => cause,
                    _ => "no answer yet".to_owned(),
                },
            },
        };
        self.end(Err(error));
    }

    pub(super) fn refusal(&self, reason: String) -> Error {
        Error::Refused {
            address: self.settings.controller.clone(),
            reason,
            version: env!("CARGO_PKG_VERSION"),
            protocol: proto::PROTOCOL,
        }
    }

    /// The line broke.
    pub(super) fn lost(&mut self, why: &str) {
        let Some(line) = self.line.take() else {
            return;
        };
        self.act(Action::HangUp);
        self.answers.clear();
        // Whoever welcomes and hangs up at once is not dialed in a tight loop.
        let attempts = if self.now < line.since.saturating_add(STEADY) {
            self.down.attempts
        } else {
            0
        };
        self.down = Down {
            since: self.now,
            retry: Some(self.now + nanos(pause(attempts, self.next_noise()))),
            attempts,
            last: Some(Failure::Unreachable(why.to_owned())),
        };
        if self.orders.is_leaving() && self.orders.run().is_none() {
            tracing::debug!("left");
        } else {
            tracing::warn!(
                controller = self.settings.controller,
                run = self.orders.run(),
                "lost the controller: {why}; dialing again"
            );
        }
    }

    /// An attempt to dial failed.
    pub(super) fn failed(&mut self, failure: Failure) {
        match failure {
            Failure::Refused {
                reason,
                retry: false,
            } => {
                let refusal = self.refusal(reason);
                self.end(Err(refusal));
            }
            Failure::SentHome => self.order(Order::Goodbye),
            failure => {
                tracing::debug!(attempt = self.down.attempts, ?failure, "no controller yet");
                self.down.last = Some(failure);
                let pause = pause(self.down.attempts, self.next_noise());
                self.down.retry = Some(self.now + nanos(pause));
            }
        }
    }

    /// A controller that a later one has replaced has nothing to say to whoever is in a run of the later one.
    fn is_stale(&mut self, welcome: &Welcome) -> bool {
        let (theirs, newest) = (welcome.generation, self.generation);
        if self.orders.run().is_some() && theirs < newest {
            tracing::warn!(
                controller = self.settings.controller,
                run = self.orders.run(),
                "stale controller refused (generation {theirs} < {newest})"
            );
            return true;
        }
        self.generation = theirs;
        false
    }

    /// The controller said welcome.
    pub(super) fn connected(&mut self, welcome: &Welcome, sent_ns: u64) {
        if self.is_stale(welcome) {
            self.act(Action::HangUp);
            let why = "a controller answers that a later one has replaced".to_owned();
            return self.failed(Failure::Unreachable(why));
        }
        let lease = Duration::from_millis(u64::from(welcome.lease_ms.max(1)));
        let heartbeat = Duration::from_millis(u64::from(welcome.heartbeat_ms.max(1)));
        self.pace = Pace {
            lease,
            heartbeat: heartbeat.min(lease / 2),
        };
        self.lease_at_most(sent_ns);
        if !self.orders.in_load() {
            // A welcome answers the hello. Load waits for the answer to a heartbeat: a controller that had given the agent up
            // says welcome too, and stops it right after.
            self.answered(sent_ns);
        }
        // It may be another controller, with another clock.
        self.pings.clear();
        if let Some(work) = &mut self.work {
            work.reconnected();
        }
        tracing::info!(
            controller = self.settings.controller,
            name = welcome.name,
            version = welcome.version,
            "joined the fleet"
        );
        self.welcome = Some(welcome.clone());
        self.line = Some(Line {
            left: false,
            heard: self.now,
            heartbeat: self.now,
            quick: QUICK,
            since: self.now,
        });
        self.order(Order::Welcome);
    }

    fn next_noise(&mut self) -> u64 {
        // Weyl's sequence: spread evenly, from a random start.
        let noise = &mut self.settings.noise;
        *noise = noise.wrapping_add(0x9E37_79B9_7F4A_7C15);
        *noise
    }
}

/// Nanoseconds of a duration; those beyond 584 years are as good as never.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How long to wait before the attempt of this number, from 0; `noise` spreads a fleet's attempts over the upper half.
fn pause(attempt: u32, noise: u64) -> Duration {
    let whole = PAUSES.0.saturating_mul(1 << attempt.min(16)).min(PAUSES.1);
    let half = whole / 2;
    half + half.mul_f64((noise >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::pause;

    #[test]
    fn pauses_double_within_bounds_and_spread() {
        let ms = |attempt, noise| pause(attempt, noise).as_millis();
        let longest: Vec<u128> = (0..7).map(|attempt| ms(attempt, u64::MAX)).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!([ms(0, 0), ms(4, 0), ms(u32::MAX, 0)], [50, 800, 1000]);
    }
}
