//! What the link thinks: lease and fence, dialing and backing off, heartbeats, the spool, orders; `step(now, event) -> actions`.
//!
//! Pure: no runtime, clock, socket or thread. The shell around it (the link) feeds it and does what it says; a simulation
//! does the same with clocks, a network and crews of its own. Every moment is a reading of the boot-time clock in nanoseconds;
//! it must never go back.
//!
//! A driver's turn: [`Core::step`] with what happened, then do its actions in order; whenever the stream has room for a message
//! and [`Core::has_outgoing`], send what [`Core::next`] gives; come back at [`Core::deadline`] with [`Event::Time`].

mod act;
mod event;
mod hear;
mod keep;
mod line;
mod logs;
mod phase;
mod send;
#[cfg(test)]
mod tests;
mod work;

pub use super::bundle::compile;
pub use crate::orders::{Compiled, Part, Problem};
pub use crate::phase::{PhaseJob, PhaseReport};
pub use event::{Action, Event, Failure, Look, Muster, Vitals};
pub use keep::Keep;

use super::bundle::Pieces;
use crate::config::{Ended, Error};
use crate::crew::Report;
use crate::offset::Pings;
use crate::orders::{Event as Order, Orders};
use crate::phase::GivenRows;
use keep::Keeping;
use line::{Down, Line, Pace};
use phase::PhaseWork;
use plan::{Control, PhaseKind, Plan};
use proto::v1::from_agent::Message;
use proto::v1::{Hello, Welcome};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use work::Work;

/// What a link is told at its birth.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What it says of itself to the controller.
    pub hello: Hello,
    /// The controller's address, for messages.
    pub controller: String,
    /// How long to look for a controller that is not there (any more).
    pub give_up: Duration,
    /// How long handing over a share and finishing what was begun may take, once it is told to end.
    pub drain: Duration,
    /// Whether runs are kept on disk: whether somebody answers [`Action::Keep`].
    pub keeps: bool,
    /// Random: it spreads a fleet's attempts to dial.
    pub noise: u64,
}

/// A crew to be mustered once the controller's clock is known.
type Waiting = (Part, Arc<Plan>, u64);

/// One agent's link, without its hands.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    /// The moment of this turn.
    now: u64,
    /// What is to be done after this turn.
    actions: Vec<Action>,
    orders: Orders,
    pings: Pings,
    pace: Pace,
    line: Option<Line>,
    /// The newest one,
    welcome: Option<Welcome>,
    /// and the newest controller's number: it counts up with each start on one directory of runs.
    generation: u64,
    /// `None` without a disk.
    keeping: Option<Keeping>,
    down: Down,
    /// End of the lease: the sending of the newest answered message plus the lease.
    leased: u64,
    answers: VecDeque<Message>,
    pieces: Pieces,
    work: Option<Work>,
    /// What was changed in the run so far.
    desired: Arc<Control>,
    /// Setup or teardown, if it is done here.
    phase: Option<PhaseWork>,
    /// Phases that were begun here, of the newest run that had one.
    begun: Vec<(String, PhaseKind)>,
    /// What setup gave, as far as it is ours.
    rows: GivenRows,
    waiting: Option<Waiting>,
    /// Until when others may take over the share of an agent that drains,
    patience_over: Option<u64>,
    /// and when what still runs of it is cut.
    end_load_by: Option<u64>,
    /// When to end, come what may.
    end_by: Option<u64>,
    over: bool,
}

impl Core {
    /// A link that has not dialed yet; its first deadline is now.
    #[must_use]
    pub fn new(now: u64, settings: Settings) -> Self {
        Self {
            now,
            actions: Vec::new(),
            orders: Orders::default(),
            pings: Pings::default(),
            pace: Pace::default(),
            line: None,
            welcome: None,
            generation: 0,
            keeping: settings.keeps.then(Keeping::default),
            down: Down::new(now),
            leased: 0,
            answers: VecDeque::new(),
            pieces: Pieces::default(),
            work: None,
            desired: Arc::default(),
            phase: None,
            begun: Vec::new(),
            rows: GivenRows::default(),
            waiting: None,
            patience_over: None,
            end_load_by: None,
            end_by: None,
            over: false,
            settings,
        }
    }

    /// Takes what happened, and says what is to be done about it, in order. After [`Action::End`] nothing is said any more.
    pub fn step(&mut self, now: u64, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        // Whatever it is, it comes after the end of a lease that is over,
        self.look_at_lease();
        self.take(event);
        if self.work.as_ref().is_some_and(Work::is_saved) {
            self.order(Order::Saved);
        }
        // and nothing that needs one begins without it.
        self.look_at_lease();
        self.time();
        std::mem::take(&mut self.actions)
    }

    fn look_at_lease(&mut self) {
        if self.orders.holds_lease() && self.now >= self.leased {
            self.order(Order::LeaseOver);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Time => {}
            Event::Dialed(Ok((welcome, sent_ns))) => self.connected(&welcome, sent_ns),
            Event::Dialed(Err(failure)) => self.failed(failure),
            Event::Message(message) => self.hear(message),
            Event::Broken(why) => self.lost(&why),
            Event::Report(Report::Taken { epoch, held }) => {
                self.order(Order::Taken { epoch, held });
            }
            Event::Report(Report::Freed) => self.hasten(),
            Event::Report(report) => self.report(report),
            Event::Vitals(vitals) => self.keep_vitals(vitals),
            Event::CrewOver { interrupted, last } => {
                self.crew_over(|work| work.finish(interrupted, last));
            }
            Event::CrewBroke(last) => self.crew_over(|work| work.broke(last)),
            Event::NoCrew(why) => self.crew_over(|work| work.no_crew(why)),
            Event::Kept(count) => self.kept(count),
            Event::Compiled(run, result) => self.order(Order::Compiled(run, result)),
            Event::Looked(Look { run, epoch }, result) => {
                self.order(Order::Looked { run, epoch, result });
            }
            Event::PhaseOver(report) => self.phase_over(report),
            Event::ShutDown => {
                tracing::info!("told to end");
                self.order(Order::ShutDown);
            }
            Event::Abandoned => self.end(Ok(Ended::ShutDown)),
        }
    }

    /// Does what is due by time.
    fn time(&mut self) {
        if self.end_by.is_some_and(|end| self.now >= end) {
            self.end(Ok(Ended::ShutDown));
        }
        self.hurry();
        self.hurry_disk();
        self.listen();
        if let Some(work) = &mut self.work
            && work.begins.is_some_and(|t0| self.now >= t0)
            && let Some(ping) = self.pings.best(self.now).or(work.clock)
        {
            let started = work.began(ping.controller(self.now), ping.uncertainty);
            let run = started.run.clone();
            self.said(&run, Message::Started(started));
        }
        if self.line.is_none() {
            self.redial();
        }
    }

    /// The earliest moment at which something is due; `None`: nothing but what happens by itself.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        if self.over {
            return None;
        }
        let lease = self.orders.holds_lease().then_some(self.leased);
        let begins = self.work.as_ref().and_then(|work| work.begins);
        let cut = self.end_load_by.filter(|_| self.orders.in_load());
        [
            lease,
            begins,
            self.patience_over,
            cut,
            self.disk_due(),
            self.end_by,
        ]
        .into_iter()
        .chain(self.line_deadlines())
        .flatten()
        .min()
    }

    /// Until when load may be made, in boot-time nanoseconds; `None` without a crew. 0 once it was fenced.
    #[must_use]
    pub fn open_until(&self) -> Option<u64> {
        self.work.as_ref().map(|work| work.fence.until())
    }

    /// The run it is part of.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        self.orders.run()
    }

    /// True while it is connected and welcomed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.line.is_some()
    }

    fn act(&mut self, action: Action) {
        if !self.over {
            self.actions.push(action);
        }
    }

    /// The first end counts.
    fn end(&mut self, how: Result<Ended, Error>) {
        self.close_transcript(self.work.as_ref().is_none_or(Work::is_saved));
        self.act(Action::End(how));
        self.over = true;
    }
}
