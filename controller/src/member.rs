//! What is known of one agent's part in one run. It outlives the agent: a lost one stays in the books.

use crate::conservation::{Account, Fate};
use crate::fleet::Agent;
use crate::gather::Gather;
use crate::handover::Standing;
use crate::plausible;
use crate::report::AgentFacts;
use crate::run::{AgentId, Part};
use crate::verdict::Witness;
use crate::weights::Able;
use proto::v1::{AgentView, Health, ScenarioTotals};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Without a heartbeat for longer than this, an agent was silent: some of them did not come.
const SILENCE_NS: u64 = 2_000_000_000;
/// Silences of one agent that are kept.
const SILENCES: usize = 5;

/// No clock gets further ahead in a run, in nanoseconds: by 200 millionths it takes four days. Whoever says more is not believed.
const FASTEST_NS: u64 = 60_000_000_000;

/// A time in which an agent was not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Controller time at which it was heard before.
    pub from: u64,
    /// Controller time at which it was heard again.
    pub to: u64,
    /// Intervals that ended in it and came afterwards.
    pub recovered: u64,
}

impl Silence {
    fn length(&self) -> u64 {
        self.to - self.from
    }
}

/// One agent's part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// Its number in the fleet when it was enlisted.
    pub id: AgentId,
    /// Its seat.
    pub seat: u32,
    /// Its name.
    pub name: String,
    /// Its life.
    pub incarnation: u64,
    host: String,
    version: String,
    cores: u32,
    workers: u32,
    rtt: u64,
    offset: i64,
    /// Its newest totals.
    pub totals: Vec<ScenarioTotals>,
    health: Option<Health>,
    /// Version of the newest change it took.
    pub desired: u64,
    /// By open scenario: below which index it may have begun arrivals that the curve had not reached, when it had not heard of a change.
    pub ahead: BTreeMap<u32, u64>,
    /// By how much at most its run time is ahead of ours, in nanoseconds, if it surely is; as of its newest heartbeat.
    pub fast: u64,
    /// VUs at work when it was last heard.
    pub vus: u32,
    vus_max: u32,
    /// When its load began (controller time), and how far off that may be.
    pub started: Option<(u64, u64)>,
    /// Controller time at which its part was over, or it was lost.
    pub ended: Option<u64>,
    /// Run time from which it had a share.
    pub came: u64,
    /// Controller time at which it was heard for the last time, once it was lost.
    pub heard: Option<u64>,
    /// Controller time from which on it surely made no load, once it was lost.
    pub sure: Option<u64>,
    /// When it was not heard, though it was not lost; the longest are kept.
    pub silences: Vec<Silence>,
    last: Option<u64>,
    /// True if it ended its part before that was over, without having been told to.
    pub left: bool,
    /// True once it said something that cannot be; told once.
    pub doubted: bool,
}

impl Member {
    /// An agent that is enlisted now.
    #[must_use]
    pub fn new(id: AgentId, seat: u32, agent: &Agent) -> Self {
        Self {
            id,
            seat,
            name: agent.name.clone(),
            incarnation: agent.hello.incarnation,
            host: agent.hello.host.clone(),
            version: agent.hello.version.clone(),
            cores: agent.hello.cores,
            workers: agent.hello.workers,
            rtt: agent.rtt,
            offset: agent.offset,
            totals: Vec::new(),
            health: None,
            desired: 0,
            ahead: BTreeMap::new(),
            fast: 0,
            vus: 0,
            vus_max: 0,
            started: None,
            ended: None,
            came: 0,
            heard: None,
            sure: None,
            silences: Vec::new(),
            last: None,
            left: false,
            doubted: false,
        }
    }

    /// Controller time at which it was heard last.
    #[must_use]
    pub fn last_heard(&self) -> Option<u64> {
        self.last
    }

    /// What it says of itself, for whoever looks.
    #[must_use]
    pub fn glance(&self) -> AgentView {
        AgentView {
            seat: self.seat,
            name: self.name.clone(),
            vus: u64::from(self.vus),
            requests: self.total(|totals| totals.requests),
            rtt_ns: self.rtt,
            offset_ns: self.offset,
            health: self.health,
            ..AgentView::default()
        }
    }

    /// What it can do.
    #[must_use]
    pub fn able(&self) -> Able<'_> {
        Able {
            name: &self.name,
            workers: self.workers,
            cores: self.cores,
        }
    }

    /// Notes a heartbeat of this run. Totals of scenarios that the plan does not have are not kept.
    pub fn heartbeat(
        &mut self,
        now: u64,
        run: i64,
        heartbeat: proto::v1::Heartbeat,
        known: impl Fn(&str) -> bool,
    ) {
        self.heard_at(now);
        if heartbeat.rtt_ns > 0 {
            self.rtt = heartbeat.rtt_ns.min(plausible::RTT_NS);
            self.offset = heartbeat.offset_ns;
        }
        if let Some(told) = heartbeat.run_ns {
            // It was under way for some time: had it come at once, it would be that much further ahead.
            let ahead = u64::try_from(told.saturating_sub(run)).unwrap_or(0);
            self.fast = match ahead {
                0 => 0,
                _ => ahead.saturating_add(self.rtt).min(FASTEST_NS),
            };
        }
        self.vus = heartbeat.vus;
        self.desired = self.desired.max(heartbeat.desired_version);
        self.vus_max = self.vus_max.max(heartbeat.vus);
        self.report(heartbeat.totals, heartbeat.health, known);
    }

    /// Nobody could have heard it before this controller time: it was not silent.
    pub fn unheard_until(&mut self, now: u64) {
        self.last = self.last.map(|last| last.max(now));
    }

    /// Notes that an interval was merged that ends at this controller time. It came late if a silence was over by then.
    pub fn measured(&mut self, now: u64, until: u64) {
        self.heard_at(now);
        let late = self.silences.iter_mut().find(|silence| until < silence.to);
        if let Some(silence) = late {
            silence.recovered += 1;
        }
    }

    fn heard_at(&mut self, now: u64) {
        let before = self
            .last
            .replace(now)
            .filter(|before| now.saturating_sub(*before) > SILENCE_NS);
        if let Some(before) = before {
            self.silences.push(Silence {
                from: before,
                to: now,
                recovered: 0,
            });
            if self.silences.len() > SILENCES {
                let shortest =
                    (0..self.silences.len()).min_by_key(|index| self.silences[*index].length());
                shortest.map(|index| self.silences.remove(index));
            }
        }
    }

    /// Notes totals and health. Totals only grow: an older message never replaces a newer one.
    pub fn report(
        &mut self,
        totals: Vec<ScenarioTotals>,
        health: Option<Health>,
        known: impl Fn(&str) -> bool,
    ) {
        for new in totals.into_iter().filter(|totals| known(&totals.scenario)) {
            match self
                .totals
                .iter_mut()
                .find(|old| old.scenario == new.scenario)
            {
                Some(old) if new.begun >= old.begun && new.requests >= old.requests => *old = new,
                Some(_) => {}
                None => self.totals.push(new),
            }
        }
        self.health = health.or(self.health);
    }

    /// A sum over its scenarios.
    #[must_use]
    pub fn total(&self, of: impl Fn(&ScenarioTotals) -> u64) -> u64 {
        plausible::sum(self.totals.iter().map(of))
    }

    /// A number of one of its scenarios.
    #[must_use]
    pub fn of(&self, scenario: &str, number: impl Fn(&ScenarioTotals) -> u64) -> u64 {
        let totals = self
            .totals
            .iter()
            .find(|totals| totals.scenario == scenario);
        totals.map_or(0, number)
    }

    /// How its part ended.
    #[must_use]
    pub fn fate(&self, part: Option<&Part>, standing: Option<Standing>) -> Fate {
        match part {
            Some(Part::Done) if standing == Some(Standing::Left) => Fate::Drained,
            Some(Part::Done) if self.left => Fate::Left,
            Some(Part::Done) => Fate::Done,
            Some(Part::Lost) => Fate::Lost,
            Some(Part::Running) => Fate::Late,
            _ => Fate::Unused,
        }
    }

    /// Its books. `t0` and `now` are controller time.
    #[must_use]
    pub fn account(&self, fate: Fate, gather: &Gather, t0: u64, now: u64) -> Account {
        let delivered = gather.from_seat(self.seat);
        let held_ns = match fate {
            // It said how many intervals there are; those that did not come covered about a second each.
            Fate::Done | Fate::Left | Fate::Drained => {
                delivered.merged_ns + u128::from(delivered.missing) * 1_000_000_000
            }
            Fate::Lost | Fate::Late => {
                let came = t0.saturating_add(self.came);
                u128::from(self.ended.unwrap_or(now).saturating_sub(came))
            }
            Fate::Unused => 0,
        };
        Account {
            fate,
            totals: self.totals.clone(),
            requests_merged: delivered.requests,
            intervals: delivered.intervals,
            missing: delivered.missing,
            merged_ns: delivered.merged_ns,
            held_ns,
        }
    }

    /// What it says of itself, for the verdict.
    #[must_use]
    pub fn witness(&self, gather: &Gather, t0: u64, fate: Fate) -> Witness {
        let longest = self.silences.iter().max_by_key(|silence| silence.length());
        let run_ms = |at: u64| at.saturating_sub(t0) as f64 / 1e6;
        Witness {
            silent_ms: longest.map(|silence| [run_ms(silence.from), run_ms(silence.to)]),
            agent: self.name.clone(),
            health: self.health.map(|health| Health {
                // One that stood still beyond its lease is a gap, which is counted: it was cut, so its standing still is in no number.
                lag_max_ns: health
                    .lag_max_ns
                    .filter(|_| !matches!(fate, Fate::Lost | Fate::Left)),
                ..health
            }),
            elapsed_ns: u64::try_from(gather.from_seat(self.seat).until).unwrap_or(0),
            requests: self.total(|totals| totals.requests),
        }
    }

    /// Its line in the report.
    #[must_use]
    pub fn facts(&self, fate: Fate, share: f64, t0: Option<u64>) -> AgentFacts {
        let began = self
            .started
            .zip(t0)
            .map(|((at, _), t0)| (i128::from(at) - i128::from(t0)) as f64 / 1e6);
        let known = self.rtt > 0;
        AgentFacts {
            name: self.name.clone(),
            host: self.host.clone(),
            version: self.version.clone(),
            cores: self.cores,
            workers: self.workers,
            share,
            fate,
            vus_max: u64::from(self.vus_max),
            iterations: self.total(|totals| totals.completed),
            interrupted: self.total(|totals| totals.interrupted),
            requests: self.total(|totals| totals.requests),
            rtt_ms: known.then_some(self.rtt as f64 / 1e6),
            offset_ms: known.then_some(self.offset as f64 / 1e6),
            start_ms: began,
            start_uncertainty_ms: self
                .started
                .map(|(_, uncertainty)| uncertainty as f64 / 1e6),
            health: self.health.map(Into::into),
        }
    }
}
