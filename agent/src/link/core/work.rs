//! One run as the link holds it: what is on its way to the controller, and what the crew left.
//!
//! Decides what is sent next of it; sends nothing itself.

use super::Vitals;
use super::logs::Logs;
use crate::crew::Report;
use crate::fence::Fence;
use crate::offset::Sample;
use crate::orders::Part;
use crate::spool::Spool;
use plan::Shares;
use proto::v1::from_agent::Message;
use proto::v1::{Done, Grant, Interval, LeaseRequest, Level, LogLine, Started};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What a crew leaves.
#[derive(Debug)]
struct Left {
    last: Vitals,
    interrupted: bool,
}

/// One run.
#[derive(Debug)]
pub(super) struct Work {
    run: String,
    /// `None` while the crew is at work.
    left: Option<Left>,
    /// Open while load may be made.
    pub(super) fence: Arc<Fence>,
    /// Whose what is, as the crew knows.
    pub(super) shares: Arc<Shares>,
    /// By scenario: VUs that were to go to others when the crew began, and so were not begun.
    pub(super) given: Vec<BTreeSet<u64>>,
    spool: Spool,
    /// What the disk was asked to keep, and which interval that is.
    on_disk: VecDeque<(u64, u64)>,
    /// The same for its end.
    done_on_disk: Option<u64>,
    logs: Logs,
    /// Indexes asked for and not granted, by scenario.
    wants: BTreeMap<u32, u64>,
    /// Scenarios whose wish is to be sent on this connection.
    unsent: BTreeSet<u32>,
    /// Run time zero, unless there is none; negative if this machine has booted since.
    t0: Option<i64>,
    /// T0, until it has passed.
    pub(super) begins: Option<u64>,
    /// The ping by which T0 was found, for when the line is down.
    pub(super) clock: Option<Sample>,
    /// That load began, as it was told.
    started: Option<Started>,
    started_unsent: bool,
    done_sent: bool,
}

impl Work {
    /// Work that begins at `t0`.
    pub(super) fn new(part: &Part, incarnation: u64, t0: Option<i64>, fence: Arc<Fence>) -> Self {
        Self {
            run: part.run.clone(),
            left: None,
            fence,
            shares: Arc::clone(&part.shares),
            given: Vec::new(),
            spool: Spool::new(&part.run, part.seat, incarnation),
            on_disk: VecDeque::new(),
            done_on_disk: None,
            logs: Logs::default(),
            wants: BTreeMap::new(),
            unsent: BTreeSet::new(),
            t0,
            begins: t0.map(|t0| u64::try_from(t0).unwrap_or(0)),
            clock: None,
            started: None,
            started_unsent: false,
            done_sent: false,
        }
    }

    /// Takes what the crew saw.
    pub(super) fn report(&mut self, report: Report) {
        if !self.is_at_work() {
            return;
        }
        match report {
            Report::Interval { from, to, series } => self.spool.push(from, to, series),
            Report::Lines { lines, suppressed } => self.logs.push(lines, suppressed),
            Report::WantIterations { scenario, want } => {
                if let Ok(scenario) = u32::try_from(scenario) {
                    self.wants.insert(scenario, want);
                    self.unsent.insert(scenario);
                }
            }
            // Its end is an event of its own, with the last totals; what it gives up is the orders' business.
            Report::Finished { .. } | Report::Taken { .. } | Report::Freed => {}
        }
    }

    /// The crew is done. The first end counts.
    pub(super) fn finish(&mut self, interrupted: bool, last: Vitals) {
        self.begins = None;
        self.wants.clear();
        self.unsent.clear();
        self.left.get_or_insert(Left { last, interrupted });
    }

    /// The crew broke off.
    pub(super) fn broke(&mut self, last: Vitals) {
        self.say("the agent's workers broke off; what they did not report is lost".to_owned());
        self.finish(true, last);
    }

    /// There never was one, which is the same as one that was interrupted at once.
    pub(super) fn no_crew(&mut self, why: String) {
        self.say(why);
        self.t0 = None;
        self.started = None;
        self.started_unsent = false;
        self.finish(true, Vitals::default());
    }

    /// True until the crew is done.
    pub(super) fn is_at_work(&self) -> bool {
        self.left.is_none()
    }

    /// The last totals, once the crew is done.
    pub(super) fn last(&self) -> Option<&Vitals> {
        self.left.as_ref().map(|left| &left.last)
    }

    /// Run time at this moment.
    pub(super) fn run_ns(&self, now: u64) -> Option<i64> {
        i64::try_from(i128::from(now) - i128::from(self.t0?)).ok()
    }

    /// A line of the agent's own, for the report.
    fn say(&mut self, text: String) {
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

    /// Takes note of granted indexes; true if they are for this run's crew.
    pub(super) fn granted(&mut self, grant: &Grant) -> bool {
        if grant.run != self.run || grant.from > grant.to {
            return false;
        }
        self.wants.remove(&grant.scenario);
        self.unsent.remove(&grant.scenario);
        self.is_at_work()
    }

    /// T0 has passed: load began at this controller time, give or take.
    pub(super) fn began(&mut self, at_ns: u64, uncertainty_ns: u64) -> Started {
        self.begins = None;
        self.started_unsent = true;
        let started = Started {
            run: self.run.clone(),
            at_ns,
            uncertainty_ns,
        };
        self.started.insert(started).clone()
    }

    /// The controller did not hear that load began.
    pub(super) fn started_again(&mut self) {
        self.started_unsent = self.started.is_some();
    }

    /// The run.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// Intervals that are not acknowledged.
    pub(super) fn waiting(&self) -> usize {
        self.spool.waiting()
    }

    /// Gives intervals their final form while fewer than this are not acknowledged; those that got it.
    pub(super) fn freeze(&mut self, most: usize) -> Vec<Interval> {
        self.spool.freeze_up_to(most)
    }

    /// Whether what is sent is kept before.
    pub(super) fn keep(&mut self, keeps: bool) {
        self.spool.wait_for_word(keeps);
    }

    /// The interval of this number waits for the disk.
    pub(super) fn keeps(&mut self, ticket: u64, sequence: u64) {
        self.spool.hold(sequence);
        self.on_disk.push_back((ticket, sequence));
    }

    /// So does its end.
    pub(super) fn keeps_done(&mut self, ticket: Option<u64>) {
        self.done_on_disk = ticket;
    }

    /// The disk is done with what it was asked up to this ticket.
    pub(super) fn kept(&mut self, ticket: u64) {
        self.on_disk.retain(|(asked, _)| *asked > ticket);
        self.done_on_disk = self.done_on_disk.filter(|asked| *asked > ticket);
        self.spool.release();
        if let Some((_, sequence)) = self.on_disk.front() {
            self.spool.hold(*sequence);
        }
    }

    /// What says that the part is over, once it is.
    pub(super) fn done(&self) -> Option<Done> {
        let left = self.left.as_ref()?;
        Some(Done {
            run: self.run.clone(),
            totals: left.last.totals.clone(),
            health: left.last.health,
            intervals: self.spool.made(),
            interrupted: left.interrupted,
        })
    }

    /// Up to this number intervals are safe.
    pub(super) fn ack(&mut self, run: &str, sequence: u64) {
        if run == self.run {
            self.spool.ack(sequence);
        }
    }

    /// A new connection: what is not known to have arrived is to be sent again.
    pub(super) fn reconnected(&mut self) {
        self.spool.rewind();
        self.unsent = self.wants.keys().copied().collect();
        self.done_sent = false;
    }

    /// True once everything was said and acknowledged.
    pub(super) fn is_saved(&self) -> bool {
        self.done_sent && self.spool.is_empty()
    }

    /// True if [`Work::next`] has something.
    pub(super) fn has_next(&self) -> bool {
        self.started_unsent
            || !self.unsent.is_empty()
            || self.spool.has_unsent()
            || !self.logs.is_empty()
            || self.done_due()
    }

    fn done_due(&self) -> bool {
        self.left.is_some()
            && !self.done_sent
            && !self.spool.has_fresh()
            && self.on_disk.is_empty()
            && self.done_on_disk.is_none()
    }

    /// What is to be sent next: what the load waits for first, `Done` last. `epoch` is the newest assignment's.
    pub(super) fn next(&mut self, epoch: u32) -> Option<Message> {
        if let Some(started) = self.started.as_ref().filter(|_| self.started_unsent) {
            self.started_unsent = false;
            return Some(Message::Started(started.clone()));
        }
        if let Some(scenario) = self.unsent.pop_first() {
            return Some(Message::LeaseRequest(LeaseRequest {
                run: self.run.clone(),
                scenario,
                want: self.wants.get(&scenario).copied().unwrap_or_default(),
                epoch,
            }));
        }
        if let Some(interval) = self.spool.take() {
            return Some(Message::Interval(interval));
        }
        if !self.logs.is_empty() {
            return Some(Message::Log(self.logs.take(&self.run)));
        }
        // Beyond the spool's bound nothing more is sent before something was acknowledged, and `Done` comes after everything.
        if !self.done_due() {
            return None;
        }
        self.done_sent = true;
        self.done().map(Message::Done)
    }
}
