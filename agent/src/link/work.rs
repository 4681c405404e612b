//! One run as the link holds it: the crew, and what is on its way to the controller.
//!
//! Decides what is sent next of it; sends nothing itself.

use crate::crew::{Report, StopHow};
use crate::fence::Fence;
use crate::link::load::AtWork;
use crate::link::logs::Logs;
use crate::offset::Sample;
use crate::orders::Part;
use crate::spool::Spool;
use plan::Control;
use proto::v1::from_agent::Message;
use proto::v1::{Done, Grant, Health, LeaseRequest, Level, LogLine, ScenarioTotals, Started};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

/// The crew, or what it left.
#[derive(Debug)]
enum Hands<C> {
    At(C),
    Done {
        totals: Vec<ScenarioTotals>,
        health: Option<Health>,
        interrupted: bool,
    },
}

/// One run.
#[derive(Debug)]
pub(crate) struct Work<C: AtWork> {
    run: String,
    epoch: u32,
    hands: Hands<C>,
    /// What the crew says; `None` once it said its last.
    pub(crate) reports: Option<UnboundedReceiver<Report>>,
    /// Open while load may be made.
    pub(crate) fence: Arc<Fence>,
    spool: Spool,
    logs: Logs,
    /// Indexes asked for and not granted, by scenario.
    wants: BTreeMap<u32, u64>,
    /// Scenarios whose wish is to be sent on this connection.
    unsent: BTreeSet<u32>,
    /// T0, until it has passed.
    pub(crate) begins: Option<Instant>,
    /// The ping by which T0 was found, for when the line is down.
    pub(crate) clock: Option<Sample>,
    /// That load began, as it was told.
    started: Option<Started>,
    started_unsent: bool,
    done_sent: bool,
}

impl<C: AtWork> Work<C> {
    /// Work that begins; without a crew if there is none, which is the same as one that was interrupted at once.
    pub(crate) fn new(
        part: &Part,
        incarnation: u64,
        crew: Option<(C, UnboundedReceiver<Report>, Instant)>,
        fence: Arc<Fence>,
    ) -> Self {
        let (hands, reports, begins) = match crew {
            Some((crew, reports, t0)) => (Hands::At(crew), Some(reports), Some(t0)),
            None => (
                Hands::Done {
                    totals: Vec::new(),
                    health: None,
                    interrupted: true,
                },
                None,
                None,
            ),
        };
        Self {
            run: part.run.clone(),
            epoch: part.epoch,
            hands,
            reports,
            fence,
            spool: Spool::new(&part.run, part.seat, incarnation),
            logs: Logs::default(),
            wants: BTreeMap::new(),
            unsent: BTreeSet::new(),
            begins,
            clock: None,
            started: None,
            started_unsent: false,
            done_sent: false,
        }
    }

    /// Takes what the crew says; `None`: it broke off. True if that was its last word.
    pub(crate) fn heard(&mut self, report: Option<Report>) -> bool {
        match report {
            Some(Report::Interval { from, to, series }) => self.spool.push(from, to, series),
            Some(Report::Lines { lines, suppressed }) => self.logs.push(lines, suppressed),
            Some(Report::WantIterations { scenario, want }) => {
                if let Ok(scenario) = u32::try_from(scenario) {
                    self.wants.insert(scenario, want);
                    self.unsent.insert(scenario);
                }
            }
            Some(Report::Finished { interrupted }) => return self.finish(interrupted),
            None => {
                self.say(
                    "the agent's workers broke off; what they did not report is lost".to_owned(),
                );
                return self.finish(true);
            }
        }
        false
    }

    fn finish(&mut self, interrupted: bool) -> bool {
        self.reports = None;
        self.begins = None;
        self.wants.clear();
        self.unsent.clear();
        let hands = Hands::Done {
            totals: self.totals(),
            health: self.health(),
            interrupted,
        };
        dismiss(std::mem::replace(&mut self.hands, hands));
        true
    }

    /// A line of the agent's own, for the report.
    pub(crate) fn say(&mut self, text: String) {
        tracing::error!(run = self.run, "{text}");
        let line = LogLine {
            level: Level::Error.into(),
            text,
            count: 1,
            sample: String::new(),
            error: false,
        };
        self.logs.push(vec![line], 0);
    }

    /// Passes a stop on.
    pub(crate) fn stop(&self, how: StopHow) {
        if let Hands::At(crew) = &self.hands {
            crew.stop(how);
        }
    }

    /// Passes changes of the run on.
    pub(crate) fn change(&self, control: &Arc<Control>) {
        if let Hands::At(crew) = &self.hands {
            crew.change(Arc::clone(control));
        }
    }

    /// Passes indexes on.
    pub(crate) fn grant(&mut self, grant: &Grant) {
        if grant.run != self.run || grant.from > grant.to {
            return;
        }
        self.wants.remove(&grant.scenario);
        self.unsent.remove(&grant.scenario);
        if let Hands::At(crew) = &self.hands {
            crew.grant(grant.scenario as usize, grant.from..grant.to, grant.last);
        }
    }

    /// T0 has passed: load began at this controller time, give or take.
    pub(crate) fn began(&mut self, at_ns: u64, uncertainty_ns: u64) {
        self.begins = None;
        self.started = Some(Started {
            run: self.run.clone(),
            at_ns,
            uncertainty_ns,
        });
        self.started_unsent = true;
    }

    /// The controller did not hear that load began.
    pub(crate) fn started_again(&mut self) {
        self.started_unsent = self.started.is_some();
    }

    /// Up to this number intervals are safe.
    pub(crate) fn ack(&mut self, run: &str, sequence: u64) {
        if run == self.run {
            self.spool.ack(sequence);
        }
    }

    /// A new connection: what is not known to have arrived is to be sent again.
    pub(crate) fn reconnected(&mut self) {
        self.spool.rewind();
        self.unsent = self.wants.keys().copied().collect();
        self.done_sent = false;
    }

    /// True once everything was said and acknowledged.
    pub(crate) fn is_saved(&self) -> bool {
        self.done_sent && self.spool.is_empty()
    }

    /// True if [`Work::next`] has something.
    pub(crate) fn has_next(&self) -> bool {
        self.started_unsent
            || !self.unsent.is_empty()
            || self.spool.has_unsent()
            || !self.logs.is_empty()
            || self.done_due()
    }

    fn done_due(&self) -> bool {
        matches!(self.hands, Hands::Done { .. }) && !self.done_sent && !self.spool.has_fresh()
    }

    /// What is to be sent next: what the load waits for first, `Done` last.
    pub(crate) fn next(&mut self) -> Option<Message> {
        if let Some(started) = self.started.as_ref().filter(|_| self.started_unsent) {
            self.started_unsent = false;
            return Some(Message::Started(started.clone()));
        }
        if let Some(scenario) = self.unsent.pop_first() {
            return Some(Message::LeaseRequest(LeaseRequest {
                run: self.run.clone(),
                scenario,
                want: self.wants.get(&scenario).copied().unwrap_or_default(),
                epoch: self.epoch,
            }));
        }
        if let Some(interval) = self.spool.take() {
            return Some(Message::Interval(interval));
        }
        if !self.logs.is_empty() {
            return Some(Message::Log(self.logs.take(&self.run)));
        }
        let Hands::Done {
            totals,
            health,
            interrupted,
        } = &self.hands
        else {
            return None;
        };
        // Beyond the spool's bound nothing more is sent before something was acknowledged, and `Done` comes after everything.
        if !self.done_due() {
            return None;
        }
        self.done_sent = true;
        Some(Message::Done(Done {
            run: self.run.clone(),
            totals: totals.clone(),
            health: *health,
            intervals: self.spool.made(),
            interrupted: *interrupted,
        }))
    }

    /// Running totals, the last ones once the crew is done.
    pub(crate) fn totals(&self) -> Vec<ScenarioTotals> {
        match &self.hands {
            Hands::At(crew) => crew.totals(),
            Hands::Done { totals, .. } => totals.clone(),
        }
    }

    /// How this generator fares.
    pub(crate) fn health(&self) -> Option<Health> {
        match &self.hands {
            Hands::At(crew) => Some(crew.health()),
            Hands::Done { health, .. } => *health,
        }
    }

    /// Iterations running now.
    pub(crate) fn vus(&self) -> u32 {
        match &self.hands {
            Hands::At(crew) => crew.vus(),
            Hands::Done { .. } => 0,
        }
    }

    /// Cuts everything.
    pub(crate) fn drop_all(self) {
        dismiss(self.hands);
    }
}

/// Drops a crew where waiting for its threads delays no heartbeat.
fn dismiss<C: AtWork>(hands: Hands<C>) {
    if let Hands::At(crew) = hands {
        tokio::task::spawn_blocking(move || drop(crew));
    }
}
