//! The link: one thread per agent that holds the stream to the controller and does what its [`core`] decides.
//!
//! One loop waits for whatever comes first, puts it to the core and acts. It makes no load itself, and nothing it waits for may
//! take long: compiling and dropping crews happen elsewhere, so that heartbeats are on time.

mod bundle;
pub mod core;
pub(crate) mod dial;
pub mod load;
#[cfg(test)]
mod tests;

use self::core::{Action, Compiled, Core, Event, Failure, Look, Muster, Problem, Settings, Vitals};
use crate::clock;
use crate::config::{Config, Ended, Error};
use crate::crew::{Job, Report};
use crate::glance::Seen;
use crate::phase::{Doing, PhaseJob, PhaseReport};
use crate::transcript::Transcripts;
use dial::{Connected, Way};
use load::{AtWork, Load};
use proto::v1::from_agent::Message;
use proto::v1::{BundleChunk, FromAgent, Hello, ProblemKind, ToAgent};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Streaming;

/// How long the disk has to take the last of what is to be kept.
const LINGER: Duration = Duration::from_secs(2);
/// Farther than any run; moments that far ahead do not overflow.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A stream to the controller.
#[derive(Debug)]
struct Line {
    /// Gone once our leave was handed over.
    outgoing: Option<mpsc::Sender<FromAgent>>,
    incoming: Streaming<ToAgent>,
}

/// A crew at work, or what is left of one.
#[derive(Debug)]
struct Hands<C> {
    crew: C,
    /// What the crew says; `None` once it said its last.
    reports: Option<mpsc::UnboundedReceiver<Report>>,
}

/// What the loop woke up for.
enum Wake {
    /// There is room on the stream.
    Room(Option<mpsc::OwnedPermit<FromAgent>>),
    Message(Result<Option<ToAgent>, tonic::Status>),
    Dialed(Box<Result<Connected, Failure>>),
    Report(Option<Report>),
    Phase(Option<PhaseReport>),
    /// The disk is done with so many; `None` if its thread is gone.
    Kept(Option<u64>),
    /// What the core knows as it is.
    Event(Event),
    Time,
}

/// One agent's link.
pub(crate) struct Link<L: Load> {
    load: L,
    config: Config,
    way: Way,
    hello: Hello,
    core: Core,
    line: Option<Line>,
    dialing: JoinSet<Result<Connected, Failure>>,
    compiling: JoinSet<(String, Result<Compiled, Problem>)>,
    looking: JoinSet<(Look, Result<(), Problem>)>,
    hands: Option<Hands<L::Crew>>,
    phase: Option<(Doing, oneshot::Receiver<PhaseReport>)>,
    transcripts: Option<Transcripts>,
    ended: Option<Result<Ended, Error>>,
}

impl<L: Load> Link<L> {
    /// A link that has not dialed yet. `noise` is random: it spreads a fleet's attempts to dial.
    pub(crate) fn new(load: L, config: Config, way: Way, hello: Hello, noise: u64) -> Self {
        let transcripts = config.spool.clone().and_then(|spooling| {
            let glance = config.glance.clone().unwrap_or_default();
            Transcripts::start(spooling, hello.incarnation, glance.spooled)
                .inspect_err(|error| tracing::warn!("no thread for the spool: {error}"))
                .ok()
        });
        let settings = Settings {
            hello: hello.clone(),
            controller: config.controller.clone(),
            give_up: config.give_up,
            drain: config.drain,
            keeps: transcripts.is_some(),
            noise,
        };
        Self {
            load,
            config,
            way,
            hello,
            core: Core::new(clock::boot_ns(), settings),
            line: None,
            dialing: JoinSet::new(),
            compiling: JoinSet::new(),
            looking: JoinSet::new(),
            hands: None,
            phase: None,
            transcripts,
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
            if let Wake::Event(Event::ShutDown | Event::Abandoned) = &wake {
                listening = false;
            }
            let event = match wake {
                Wake::Room(Some(permit)) => {
                    self.send(permit);
                    Event::Time
                }
                Wake::Room(None) => Event::Broken("the stream to the controller closed".to_owned()),
                Wake::Message(Ok(Some(message))) => Event::Message(message),
                Wake::Message(Ok(None)) => {
                    Event::Broken("the controller closed the stream".to_owned())
                }
                Wake::Message(Err(status)) => Event::Broken(dial::status_text(&status)),
                Wake::Dialed(result) => self.dialed(*result),
                Wake::Report(report) => self.report(report),
                Wake::Phase(report) => {
                    self.phase = None;
                    Event::PhaseOver(report)
                }
                Wake::Kept(count) => Event::Kept(count.unwrap_or_else(|| {
                    self.transcripts = None;
                    u64::MAX
                })),
                Wake::Event(event) => event,
                Wake::Time => Event::Time,
            };
            self.step(event);
            let enlisted = self.line.is_some() && self.ended.is_none();
            let told = &self.config.enlisted;
            told.store(enlisted, std::sync::atomic::Ordering::Relaxed);
            self.tell(enlisted);
            if let Some(ended) = self.ended.take() {
                self.drop_crew();
                if let Some(transcripts) = self.transcripts.take() {
                    // What is not on disk by then stays so.
                    let _ = tokio::time::timeout(LINGER, transcripts.finish()).await;
                }
                return ended;
            }
        }
    }

    async fn wait(&mut self, shutdown: Option<&mut oneshot::Receiver<()>>) -> Wake {
        let has_outgoing = self.core.has_outgoing(clock::boot_ns());
        let deadline = self.core.deadline();
        let deadline = deadline.map(|at| instant(i64::try_from(at).unwrap_or(i64::MAX)));
        let (incoming, outgoing) = match &mut self.line {
            Some(line) => (
                Some(&mut line.incoming),
                line.outgoing.clone().filter(|_| has_outgoing),
            ),
            None => (None, None),
        };
        let reports = self.hands.as_mut().and_then(|hands| hands.reports.as_mut());
        tokio::select! {
            permit = given(outgoing.map(mpsc::Sender::reserve_owned)) => Wake::Room(permit.ok()),
            message = given(incoming.map(Streaming::message)) => Wake::Message(message),
            report = given(reports.map(mpsc::UnboundedReceiver::recv)) => Wake::Report(report),
            kept = given(self.transcripts.as_mut().map(Transcripts::done)) => Wake::Kept(kept),
            done = given(self.phase.as_mut().map(|(_, done)| done)) => Wake::Phase(done.ok()),
            told = given(shutdown) => Wake::Event(match told {
                Ok(()) => Event::ShutDown,
                Err(_) => Event::Abandoned,
            }),
            Some(dialed) = self.dialing.join_next() => Wake::Dialed(Box::new(dialed.unwrap_or_else(|broke| {
                Err(Failure::Unreachable(format!("the attempt broke: {broke}")))
            }))),
            Some(compiled) = self.compiling.join_next() => match compiled {
                Ok((run, result)) => {
                    let may = |compiled: Compiled| self.load.may(&compiled.plan).map(|()| compiled);
                    Wake::Event(Event::Compiled(run, result.and_then(may)))
                }
                Err(_) => Wake::Time,
            },
            // One that was aborted says nothing.
            Some(looked) = self.looking.join_next() => match looked {
                Ok((look, result)) => Wake::Event(Event::Looked(look, result)),
                Err(_) => Wake::Time,
            },
            () = given(deadline.map(tokio::time::sleep_until)) => Wake::Time,
        }
    }

    /// Puts an event to the core and does what it decides, which may be an event in turn.
    fn step(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.core.step(clock::boot_ns(), event) {
                events.extend(self.act(action));
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Dial => {
                self.dialing
                    .spawn(dial::dial(self.way.clone(), self.hello.clone()));
            }
            Action::HangUp => self.line = None,
            Action::Compile(run, chunks) => self.compile(run, chunks),
            Action::Look(look, plan) => {
                let looking = self.load.preflight(plan);
                self.looking
                    .spawn_local(async move { (look, looking.await) });
            }
            Action::StopLooking => self.looking.abort_all(),
            Action::Muster(muster) => return self.muster(muster),
            Action::Stop(how) => self.crew(|crew| crew.stop(how)),
            Action::Change(control) => self.crew(|crew| crew.change(control)),
            Action::Reassign(assignment) => self.crew(|crew| crew.reassign(assignment)),
            Action::Grant {
                scenario,
                indexes,
                last,
            } => self.crew(|crew| crew.grant(scenario, indexes, last)),
            Action::DropCrew => self.drop_crew(),
            Action::Phase(job) => return self.begin_phase(job),
            Action::CutPhase => {
                if let Some((doing, _)) = &self.phase {
                    doing.cut();
                }
            }
            Action::DropPhase => self.phase = None,
            Action::Keep(keep) => match &self.transcripts {
                Some(transcripts) => transcripts.keep(keep),
                None => return Some(Event::Kept(u64::MAX)),
            },
            Action::End(how) => self.ended = Some(how),
        }
        None
    }

    fn crew(&self, tell: impl FnOnce(&L::Crew)) {
        if let Some(hands) = &self.hands {
            tell(&hands.crew);
        }
    }

    fn muster(&mut self, muster: Muster) -> Option<Event> {
        let Muster {
            part,
            plan,
            t0,
            fence,
            control,
        } = muster;
        let (reporter, reports) = mpsc::unbounded_channel();
        let job = Job {
            plan,
            epoch: part.epoch,
            shares: part.shares,
            seat: part.seat as usize,
            waiting: part.waiting,
            t0: instant(t0),
            workers: self.config.workers.max(1),
            fence,
        };
        match self.load.muster(job, reporter) {
            Ok(crew) => {
                // What was changed while the clock was not known yet.
                if control.version() > 0 {
                    crew.change(control);
                }
                self.hands = Some(Hands {
                    crew,
                    reports: Some(reports),
                });
                None
            }
            Err(error) => Some(Event::NoCrew(format!(
                "this agent cannot start its workers: {error}"
            ))),
        }
    }

    fn report(&mut self, report: Option<Report>) -> Event {
        let last = self.vitals().unwrap_or_default();
        let event = match report {
            Some(Report::Finished { interrupted }) => Event::CrewOver { interrupted, last },
            Some(report) => {
                if self.transcripts.is_some() && matches!(report, Report::Interval { .. }) {
                    self.step(Event::Vitals(last));
                }
                return Event::Report(report);
            }
            None => Event::CrewBroke(last),
        };
        self.drop_crew();
        event
    }

    fn vitals(&self) -> Option<Vitals> {
        self.hands.as_ref().map(|hands| hands.crew.vitals())
    }

    /// Tells whoever wants to know how this agent fares.
    fn tell(&self, connected: bool) {
        let now = clock::boot_ns();
        let Some(glance) = self
            .config
            .glance
            .as_ref()
            .filter(|glance| glance.is_due(now))
        else {
            return;
        };
        glance.tell(
            now,
            Seen {
                connected,
                ..self.core.glance(self.vitals())
            },
        );
    }

    /// Where waiting for its threads delays no heartbeat.
    fn drop_crew(&mut self) {
        if let Some(Hands { crew, .. }) = self.hands.take() {
            tokio::task::spawn_blocking(move || drop(crew));
        }
    }

    fn begin_phase(&mut self, job: PhaseJob) -> Option<Event> {
        let (report, done) = oneshot::channel();
        match self.load.phase(job, report) {
            Ok(doing) => {
                self.phase = Some((doing, done));
                None
            }
            Err(error) => Some(Event::PhaseOver(Some(PhaseReport::unable(format!(
                "this agent cannot begin it: {error}"
            ))))),
        }
    }

    fn compile(&mut self, run: String, chunks: Vec<BundleChunk>) {
        #[cfg(feature = "sim")]
        if self.way.sockets.is_some() {
            // A thread of its own would take real time.
            self.compiling
                .spawn(async { (run, bundle::compile(chunks)) });
            return;
        }
        self.compiling.spawn(async move {
            let compiled = tokio::task::spawn_blocking(move || bundle::compile(chunks)).await;
            let result = compiled.unwrap_or_else(|broke| {
                Err((
                    ProblemKind::ProblemLocal,
                    format!("compiling the bundle broke: {broke}"),
                ))
            });
            (run, result)
        });
    }

    fn dialed(&mut self, result: Result<Connected, Failure>) -> Event {
        Event::Dialed(result.map(|connected| {
            let Connected {
                outgoing,
                incoming,
                welcome,
                sent_ns,
            } = connected;
            self.line = Some(Line {
                outgoing: Some(outgoing),
                incoming,
            });
            (welcome, sent_ns)
        }))
    }

    fn send(&mut self, permit: mpsc::OwnedPermit<FromAgent>) {
        let hands = self.hands.as_ref();
        let vitals = || hands.map(|hands| hands.crew.vitals());
        let Some(message) = self.core.next(clock::boot_ns(), vitals) else {
            return;
        };
        let leaves = matches!(message, Message::Leave(_));
        permit.send(FromAgent {
            message: Some(message),
        });
        if leaves && let Some(line) = &mut self.line {
            // With it the stream ends from our side; the controller's end of it follows.
            line.outgoing = None;
        }
    }
}

/// The moment at which the boot-time clock reads this.
fn instant(boot_ns: i64) -> Instant {
    let (now, reads) = (clock::now(), clock::boot_ns());
    let ahead = i128::from(boot_ns) - i128::from(reads);
    let by = Duration::from_nanos(u64::try_from(ahead.unsigned_abs()).unwrap_or(u64::MAX));
    if ahead < 0 {
        now.checked_sub(by).unwrap_or(now)
    } else {
        now + by.min(FAR)
    }
}

/// Awaits what is given; forever if nothing is.
async fn given<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
