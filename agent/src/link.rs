//! The link: one thread per agent that holds the stream to the controller, keeps the lease and passes orders on.
//!
//! One loop waits for whatever comes first, puts it to [`Orders`] and does what they decide. It makes no load itself, and
//! nothing it waits for may take long: compiling and dropping crews happen elsewhere, so that heartbeats are on time.

mod act;
mod bundle;
pub(crate) mod dial;
pub(crate) mod load;
mod logs;
mod phase;
#[cfg(test)]
mod tests;
mod work;

use crate::clock;
use crate::config::{Config, Ended, Error};
use crate::offset::Pings;
use crate::orders::{Compiled, Event, Orders, Part, Problem};
use crate::phase::{GivenRows, PhaseReport};
use bundle::Pieces;
use dial::{Connected, Failure};
use load::Load;
use phase::PhaseWork;
use plan::{Control, Plan};
use proto::v1::from_agent::Message;
use proto::v1::{FromAgent, Hello, ToAgent};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Streaming;
use tonic::transport::Endpoint;
use work::Work;

/// Answers that may wait for room on the stream; a controller that lets more pile up does not read, and the line is cut.
const ANSWERS: usize = 256;
/// After a welcome so many pings follow each other closely, so that the clocks are known before they are needed,
const QUICK: u32 = 4;
/// this far apart.
const QUICK_PAUSE: Duration = Duration::from_millis(20);
/// Farther than any run; moments that far ahead do not overflow.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// A line that held so long was a good one.
const STEADY: Duration = Duration::from_secs(2);
/// How long the controller has to take our leave.
const LEAVE: Duration = Duration::from_secs(2);

/// What the controller asked for with its welcome.
#[derive(Debug, Clone, Copy)]
struct Pace {
    lease: Duration,
    heartbeat: Duration,
}

/// A stream to the controller.
#[derive(Debug)]
struct Line {
    /// Gone once our leave was handed over.
    outgoing: Option<mpsc::Sender<FromAgent>>,
    incoming: Streaming<ToAgent>,
    /// When anything was last heard.
    heard: Instant,
    /// When the next heartbeat is due; one that finds no room waits, and never two.
    heartbeat: Instant,
    /// Close pings left.
    quick: u32,
    since: Instant,
}

/// A line that is down.
#[derive(Debug)]
struct Down {
    since: Instant,
    /// When to dial again; `None` while dialing.
    retry: Option<Instant>,
    attempts: u32,
    last: Option<Failure>,
}

/// What the loop woke up for.
enum Wake {
    /// There is room on the stream.
    Room(Option<mpsc::OwnedPermit<FromAgent>>),
    Message(Result<Option<ToAgent>, tonic::Status>),
    Dialed(Box<Result<Connected, Failure>>),
    Report(Option<crate::crew::Report>),
    Compiled(String, Result<Compiled, Problem>),
    Looked(Event),
    /// Setup or teardown is done; `None` if it broke.
    Phase(Option<PhaseReport>),
    /// Told to end; false if whoever started us is gone.
    ShutDown(bool),
    Time,
}

/// One agent's link.
pub(crate) struct Link<L: Load> {
    load: L,
    config: Config,
    endpoint: Endpoint,
    hello: Hello,
    noise: u64,
    orders: Orders,
    pings: Pings,
    pace: Pace,
    line: Option<Line>,
    down: Down,
    dialing: JoinSet<Result<Connected, Failure>>,
    /// End of the lease: the sending of the newest answered message plus the lease, boot-time nanoseconds.
    leased: u64,
    answers: VecDeque<Message>,
    pieces: Pieces,
    compiling: JoinSet<(String, Result<Compiled, Problem>)>,
    looking: JoinSet<Event>,
    work: Option<Work<L::Crew>>,
    /// What was changed in the run so far.
    desired: Arc<Control>,
    /// Setup or teardown, if it is done here.
    phase: Option<PhaseWork>,
    /// What setup gave, as far as it is ours.
    rows: GivenRows,
    /// A crew to be mustered once the controller's clock is known.
    waiting: Option<(Part, Arc<Plan>, u64)>,
    /// When to end, come what may.
    end_by: Option<Instant>,
    ended: Option<Result<Ended, Error>>,
}

impl<L: Load> Link<L> {
    /// A link that has not dialed yet. `noise` is random: it spreads a fleet's attempts to dial.
    pub(crate) fn new(
        load: L,
        config: Config,
        endpoint: Endpoint,
        hello: Hello,
        noise: u64,
    ) -> Self {
        Self {
            load,
            config,
            endpoint,
            hello,
            noise,
            orders: Orders::default(),
            pings: Pings::default(),
            pace: Pace {
                lease: Duration::from_secs(5),
                heartbeat: Duration::from_millis(500),
            },
            line: None,
            down: Down {
                since: clock::now(),
                retry: Some(clock::now()),
                attempts: 0,
                last: None,
            },
            dialing: JoinSet::new(),
            leased: 0,
            answers: VecDeque::new(),
            pieces: Pieces::default(),
            compiling: JoinSet::new(),
            looking: JoinSet::new(),
            work: None,
            desired: Arc::default(),
            phase: None,
            rows: GivenRows::default(),
            waiting: None,
            end_by: None,
            ended: None,
        }
    }

    /// Works until it is sent home, told to end by a word on `shutdown`, or cannot go on. A sender that is gone without
    /// a word ends it at once.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub(crate) async fn run(mut self, mut shutdown: oneshot::Receiver<()>) -> Result<Ended, Error> {
        let mut listening = true;
        loop {
            let wake = self.wait(listening.then_some(&mut shutdown)).await;
            // Whatever it is, it comes after the end of a lease that is over.
            if self.orders.holds_lease() && clock::boot_ns() >= self.leased {
                self.step(Event::LeaseOver);
            }
            match wake {
                Wake::Room(Some(permit)) => self.send(permit),
                Wake::Room(None) => self.lost("the stream to the controller closed"),
                Wake::Message(Ok(Some(message))) => self.message(message),
                Wake::Message(Ok(None)) => self.lost("the controller closed the stream"),
                Wake::Message(Err(status)) => self.lost(&dial::status_text(&status)),
                Wake::Dialed(result) => self.dialed(*result),
                Wake::Report(report) => self.report(report),
                Wake::Compiled(run, result) => self.step(Event::Compiled(run, result)),
                Wake::Looked(event) => self.step(event),
                Wake::Phase(report) => self.phase_done(report),
                Wake::ShutDown(told) => {
                    listening = false;
                    if told {
                        tracing::info!("told to end");
                        self.step(Event::ShutDown);
                    } else {
                        self.end(Ok(Ended::ShutDown));
                    }
                }
                Wake::Time => {}
            }
            self.time();
            if self.work.as_ref().is_some_and(Work::is_saved) {
                self.step(Event::Saved);
            }
            if let Some(ended) = self.ended.take() {
                if let Some(work) = self.work.take() {
                    work.drop_all();
                }
                return ended;
            }
        }
    }

    async fn wait(&mut self, shutdown: Option<&mut oneshot::Receiver<()>>) -> Wake {
        let now = clock::now();
        let has_outgoing = self.has_outgoing(now);
        let deadline = self.deadline(now);
        let (incoming, outgoing) = match &mut self.line {
            Some(line) => (
                Some(&mut line.incoming),
                line.outgoing.clone().filter(|_| has_outgoing),
            ),
            None => (None, None),
        };
        let phase = self.phase.as_mut().and_then(|phase| phase.doing.as_mut());
        let reports = self.work.as_mut().and_then(|work| work.reports.as_mut());
        tokio::select! {
            permit = given(outgoing.map(mpsc::Sender::reserve_owned)) => Wake::Room(permit.ok()),
            message = given(incoming.map(Streaming::message)) => Wake::Message(message),
            report = given(reports.map(mpsc::UnboundedReceiver::recv)) => Wake::Report(report),
            done = given(phase.map(|(_, done)| done)) => Wake::Phase(done.ok()),
            told = given(shutdown) => Wake::ShutDown(told.is_ok()),
            Some(dialed) = self.dialing.join_next() => Wake::Dialed(Box::new(dialed.unwrap_or_else(|broke| {
                Err(Failure::Unreachable(format!("the attempt broke: {broke}")))
            }))),
            Some(compiled) = self.compiling.join_next() => {
                compiled.map_or(Wake::Time, |(run, result)| Wake::Compiled(run, result))
            }
            // One that was aborted says nothing.
            Some(looked) = self.looking.join_next() => looked.map_or(Wake::Time, Wake::Looked),
            () = given(deadline.map(tokio::time::sleep_until)) => Wake::Time,
        }
    }

    /// The earliest moment at which something is due.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let lease = self.orders.holds_lease().then(|| self.instant(self.leased));
        let line = match &self.line {
            Some(line) => [
                line.outgoing
                    .is_some()
                    .then_some(line.heartbeat)
                    .filter(|due| *due > now),
                Some(line.heard + self.patience()),
            ],
            None => [
                self.down.retry,
                (!self.orders.in_load()).then(|| self.gives_up()),
            ],
        };
        let begins = self.work.as_ref().and_then(|work| work.begins);
        [lease, begins, self.end_by]
            .into_iter()
            .chain(line)
            .flatten()
            .min()
    }

    /// Silence after which a line counts as broken, so that there is time to dial within the lease.
    fn patience(&self) -> Duration {
        (self.pace.lease / 2).max(self.pace.heartbeat * 2)
    }

    fn gives_up(&self) -> Instant {
        self.down.since + self.config.give_up.min(FAR)
    }

    /// The moment at which the boot-time clock reads this.
    fn instant(&self, boot_ns: u64) -> Instant {
        let (now, reads) = (clock::now(), clock::boot_ns());
        let ahead = Duration::from_nanos(boot_ns.saturating_sub(reads)).min(FAR);
        let behind = Duration::from_nanos(reads.saturating_sub(boot_ns));
        now.checked_sub(behind).unwrap_or(now) + ahead
    }

    /// Does what is due by time.
    fn time(&mut self) {
        let now = clock::now();
        if self.end_by.is_some_and(|end| now >= end) {
            self.end(Ok(Ended::ShutDown));
        }
        if let Some(line) = &self.line
            && now >= line.heard + self.patience()
        {
            let silence = self.patience();
            self.lost(&format!(
                "nothing was heard for {:.1} s",
                silence.as_secs_f64()
            ));
        }
        if let Some(work) = self
            .work
            .as_mut()
            .filter(|work| work.begins.is_some_and(|t0| now >= t0))
            && let Some(ping) = self.pings.best().or(work.clock)
        {
            work.began(ping.controller(clock::boot_ns()), ping.rtt.div_ceil(2));
        }
        if self.line.is_none() {
            self.redial(now);
        }
    }

    fn redial(&mut self, now: Instant) {
        if self.orders.is_leaving() && !self.orders.in_load() && !self.orders.is_over() {
            return self.end(Ok(Ended::ShutDown));
        }
        if now >= self.gives_up() && !self.orders.in_load() {
            return self.give_up(now);
        }
        if self.down.retry.is_some_and(|retry| now >= retry) {
            self.down.retry = None;
            self.down.attempts = self.down.attempts.saturating_add(1);
            self.dialing
                .spawn(dial::dial(self.endpoint.clone(), self.hello.clone()));
        }
    }

    fn give_up(&mut self, now: Instant) {
        let tried = now.saturating_duration_since(self.down.since);
        let error = match self.down.last.take() {
            Some(Failure::Refused { reason, .. }) => self.refusal(reason),
            last => Error::Unreachable {
                address: self.config.controller.clone(),
                tried,
                cause: match last {
                    Some(Failure::Unreachable(cause)) => cause,
                    _ => "no answer yet".to_owned(),
                },
            },
        };
        self.end(Err(error));
    }

    fn refusal(&self, reason: String) -> Error {
        Error::Refused {
            address: self.config.controller.clone(),
            reason,
            version: env!("CARGO_PKG_VERSION"),
            protocol: proto::PROTOCOL,
        }
    }

    /// The first end counts.
    fn end(&mut self, how: Result<Ended, Error>) {
        self.ended.get_or_insert(how);
    }

    /// The line broke.
    fn lost(&mut self, why: &str) {
        let Some(line) = self.line.take() else {
            return;
        };
        self.answers.clear();
        let now = clock::now();
        // Whoever welcomes and hangs up at once is not dialed in a tight loop.
        let attempts = if now < line.since + STEADY {
            self.down.attempts
        } else {
            0
        };
        self.down = Down {
            since: now,
            retry: Some(now + dial::pause(attempts, self.next_noise())),
            attempts,
            last: Some(Failure::Unreachable(why.to_owned())),
        };
        if self.orders.is_leaving() && self.orders.run().is_none() {
            tracing::debug!("left");
        } else {
            tracing::warn!(
                controller = self.config.controller,
                run = self.orders.run(),
                "lost the controller: {why}; dialing again"
            );
        }
    }

    fn dialed(&mut self, result: Result<Connected, Failure>) {
        let connected = match result {
            Ok(connected) => connected,
            Err(Failure::Refused {
                reason,
                retry: false,
            }) => {
                let refusal = self.refusal(reason);
                return self.end(Err(refusal));
            }
            Err(Failure::SentHome) => return self.step(Event::Goodbye),
            Err(failure) => {
                tracing::debug!(attempt = self.down.attempts, ?failure, "no controller yet");
                self.down.last = Some(failure);
                let pause = dial::pause(self.down.attempts, self.next_noise());
                self.down.retry = Some(clock::now() + pause);
                return;
            }
        };
        let Connected {
            outgoing,
            incoming,
            welcome,
            sent_ns,
        } = connected;
        let lease = Duration::from_millis(u64::from(welcome.lease_ms.max(1)));
        let heartbeat = Duration::from_millis(u64::from(welcome.heartbeat_ms.max(1)));
        self.pace = Pace {
            lease,
            heartbeat: heartbeat.min(lease / 2),
        };
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
        let now = clock::now();
        tracing::info!(
            controller = self.config.controller,
            name = welcome.name,
            version = welcome.version,
            "joined the fleet"
        );
        self.line = Some(Line {
            outgoing: Some(outgoing),
            incoming,
            heard: now,
            heartbeat: now,
            quick: QUICK,
            since: now,
        });
    }

    fn next_noise(&mut self) -> u64 {
        // Weyl's sequence: spread evenly, from a random start.
        self.noise = self.noise.wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.noise
    }
}

/// Awaits what is given; forever if nothing is.
async fn given<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
