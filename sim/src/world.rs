//! One world: hosts, network, controller and target, and the one loop that lets things happen in them.

mod agents;
mod controller;
mod faults;
mod inside;
mod liar;
mod phases;
mod say;
mod spools;
mod watching;

use crate::clock::Clock;
use crate::crew::Crew;
use crate::judge::{self, Came};
use crate::log::Log;
use crate::net::{LineId, Net, Packet, Way};
use crate::random::Random;
use crate::sabotage::Sabotage;
use crate::schedule::{Schedule, Time};
use crate::setting::{Fault, Setting};
use crate::target::{Life, Target};
use agent::Fence;
use agent::link::core::{self, Core, Look};
use journal::fake::FakeDisk;
use plan::{PhaseKind, Plan};
use proto::v1::{BundleChunk, Hello, Interval, RunOver};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use inside::{Absence, Killed, Seat};
pub use spools::Spooled;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

/// What can happen next.
#[derive(Debug)]
enum Happening {
    /// Something is said to have arrived on a line.
    Arrival(LineId, Way),
    /// An agent's process has something due.
    Wake(Life),
    /// An attempt to dial is answered by nobody.
    Unanswered(Life, LineId),
    /// A bundle was compiled.
    Compiled(Life, String, Vec<BundleChunk>),
    /// The target was looked at.
    Looked(Life, Look),
    /// Its crew goes by an assignment.
    Obeyed(Life, u32),
    /// Its disk is done with so much.
    Kept(Life, u64),
    /// Setup or teardown is over there; true if it was cut.
    Phased(Life, PhaseKind, bool),
    /// An agent's process begins.
    Birth(usize),
    /// The controller takes the next of its inbox.
    Inbox,
    /// The controller looks at its deadlines.
    Tick,
    /// The controller's disk has taken what it was told.
    Written,
    /// The controller's process is started again.
    Revive,
    /// Somebody starts the run.
    Start,
    /// Something goes wrong.
    Fault(Fault),
    /// A cut is mended.
    Mend(usize, Vec<Way>),
    /// A host goes on; `None`: the controller's.
    Thaw(Option<usize>),
    /// A slow way is a fast one again.
    Quick(usize),
    /// Somebody lets the run go on.
    Resume,
}

/// An agent's process.
struct Process {
    life: Life,
    hello: Hello,
    /// As the controller calls it.
    name: String,
    core: Core,
    crew: Option<(Crew, Arc<Fence>)>,
    line: Option<LineId>,
    /// While it dials: on which line, and when its hello was sent (its clock).
    dialing: Option<(LineId, u64)>,
    /// Reading of its clock at which its crew is to begin, until it has.
    begins: Option<u64>,
    looking: Option<Look>,
    /// What it gave its disk to do, and when that will be done with it.
    keeps: u64,
    disk: Time,
    writing: spools::Writing,
    /// Setup or teardown.
    doing: Option<phases::Doing>,
    /// The wake that is on its way: what for (its clock), and when.
    wake: Option<(u64, Time)>,
    told: bool,
}

/// A host that may hold an agent.
struct Host {
    clock: Clock,
    late: u64,
    weight: u32,
    lives: u32,
    process: Option<Process>,
    frozen: bool,
    /// What waits for it to go on.
    waiting: Vec<Happening>,
    /// Where its agents keep their runs.
    disk: FakeDisk,
    /// A new life begins only when none is there.
    random: Random,
}

/// What became of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// Of the whole log.
    pub hash: u64,
    /// Events in it.
    pub events: u64,
    /// The law that was broken, if one was.
    pub broken: Option<String>,
    /// The end of the log, if it was kept.
    pub tail: Vec<String>,
    /// What the run came to, for statistics.
    pub verdict: Option<Came>,
}

/// What was delivered of a life's intervals: requests, by number.
type Book = BTreeMap<u64, u64>;

/// One world.
pub struct World {
    setting: Setting,
    sabotage: Option<Sabotage>,
    plan: Plan,
    schedule: Schedule<Happening>,
    random: Random,
    net: Net,
    hosts: Vec<Host>,
    controller: controller::Controller,
    target: Target,
    log: Log,
    /// What came to the controller, by life of an agent (its incarnation) and seat.
    books: BTreeMap<(u64, u32), Book>,
    /// Every interval that came, as it came first; by life, seat and number.
    intervals: BTreeMap<(u64, u32, u64), Interval>,
    /// The newest acknowledgement on its way to a life, by seat.
    acknowledged: BTreeMap<(u64, u32), u64>,
    /// The seat of the newest interval of each life.
    seats: BTreeMap<u64, u32>,
    /// Without deduplication: how many intervals of each life were taken for new.
    renumbered: BTreeMap<(u64, u32), u64>,
    /// Whose life is which.
    lives: BTreeMap<u64, Life>,
    /// What the controller knows by itself.
    inside: inside::Inside,
    /// T0 by the controller's clock, once it is known.
    t0: Option<u64>,
    /// When load really began, true time, by the agent's name.
    begins: BTreeMap<String, Vec<Time>>,
    over: Option<RunOver>,
    /// The controller is gone for good; by then its agents are through with everything.
    orphaned: Option<Time>,
    /// What is on the agents' disks, by life.
    spooled: BTreeMap<u64, Spooled>,
    /// Who was to make load.
    mustered: BTreeSet<Life>,
    /// How often setup and teardown were begun.
    phases: BTreeMap<&'static str, u32>,
    /// True if somebody ended the run early, or changed it.
    stopped: bool,
    /// True if an agent was told to end before load was to begin, in a run that all are to make.
    short: bool,
}

impl World {
    /// The world of a seed. `keep` its log's end for people.
    #[must_use]
    pub fn new(setting: Setting, sabotage: Option<Sabotage>, keep: bool) -> Self {
        let bundle = bundle(&setting);
        let plan = match plan::compile(&bundle) {
            Ok(plan) => plan,
            Err(wrong) => panic!("a scenario of the simulation does not compile:\n{wrong}"),
        };
        let weather = setting.hosts.iter().map(|host| host.weather).collect();
        let hosts = setting
            .hosts
            .iter()
            .zip(0..)
            .map(|(host, number)| Host {
                clock: host.clock,
                late: host.late,
                weight: host.weight,
                lives: 0,
                process: None,
                frozen: false,
                waiting: Vec::new(),
                disk: FakeDisk::new(setting.seed ^ number),
                random: Random::new(setting.seed, 100 + number),
            })
            .collect();
        let mut world = Self {
            plan,
            schedule: Schedule::default(),
            random: Random::new(setting.seed, 2),
            net: Net::new(weather, Random::new(setting.seed, 3)),
            hosts,
            controller: controller::Controller::new(&setting, sabotage),
            target: Target::default(),
            log: Log::new(keep),
            books: BTreeMap::new(),
            intervals: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            seats: BTreeMap::new(),
            renumbered: BTreeMap::new(),
            lives: BTreeMap::new(),
            inside: inside::Inside::default(),
            t0: None,
            begins: BTreeMap::new(),
            over: None,
            orphaned: None,
            spooled: BTreeMap::new(),
            mustered: BTreeSet::new(),
            phases: BTreeMap::new(),
            stopped: false,
            short: false,
            sabotage,
            setting,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for (number, host) in self.setting.hosts.iter().enumerate() {
            if host.present {
                let at = self.random.between(0, 500 * MS);
                self.schedule.at(at, Happening::Birth(number));
            }
        }
        self.schedule.at(0, Happening::Tick);
        self.schedule.at(self.setting.start, Happening::Start);
        for (at, fault) in self.setting.faults.clone() {
            let at = self.setting.start + at;
            self.schedule.at(at, Happening::Fault(fault));
        }
    }

    /// An agent that says nothing for so long, true time, is lost, whatever its controller went through.
    fn patience(&self) -> Time {
        let lease = u64::try_from(self.setting.lease.as_nanos()).unwrap_or(0);
        let faults = self.setting.faults.iter().map(|(_, fault)| match fault {
            // Nobody is given up before one more lease is over.
            Fault::Down { time, .. } | Fault::Stall { time } | Fault::Busy { time, .. } => {
                time + lease
            }
            _ => 0,
        });
        2 * lease + faults.sum::<u64>()
    }

    /// No run takes longer than this, true time.
    fn latest(&self) -> Time {
        let faults = self.setting.faults.iter().map(|(at, fault)| match fault {
            Fault::Pause { time }
            | Fault::Stall { time }
            | Fault::Busy { time, .. }
            | Fault::Down { time, .. } => at + time,
            _ => 0,
        });
        let leases = self.setting.faults.iter().map(|(_, fault)| match fault {
            Fault::Down { lease, .. } => *lease,
            _ => None,
        });
        let lease = leases
            .flatten()
            .fold(self.setting.lease, std::time::Duration::max);
        let lease = u64::try_from(lease.as_nanos()).unwrap_or(0);
        let load = u64::try_from(self.plan.load_end().as_nanos()).unwrap_or(0);
        let phases = [&self.plan.setup, &self.plan.teardown];
        let phases = phases.into_iter().flatten();
        let phases = phases.map(|phase| u64::try_from(phase.timeout.as_nanos()).unwrap_or(0));
        // Enlisting and preparing have a minute each.
        self.setting.start
            + 120 * S
            + 2 * phases.sum::<u64>()
            + 2 * load
            + 4 * lease
            + faults.sum::<u64>()
    }

    /// Lets everything happen until the run is over, and a little longer, or a law is broken.
    #[must_use]
    pub fn run(mut self) -> Outcome {
        let latest = self.latest();
        let mut until = None;
        while let Some(happening) = self.schedule.pop() {
            let now = self.schedule.now();
            if until.is_some_and(|until| now > until) {
                break;
            }
            self.happen(happening);
            if self.target.first_broken().is_some() {
                break;
            }
            if self.over.is_some() && until.is_none() {
                until = Some(now + 2 * S);
            }
            if self.orphaned.is_some_and(|until| now > until) && self.over.is_none() {
                break;
            }
            if now > latest && self.over.is_none() && self.orphaned.is_none() {
                let state = self.controller.state();
                self.target.broken(format!(
                    "the run did not end within {:.0} s: {state}",
                    latest as f64 / 1e9
                ));
                break;
            }
        }
        let mut verdict = None;
        if self.target.first_broken().is_none() && self.over.is_none() {
            match self.judge_merged() {
                Ok(came) => verdict = Some(came),
                Err(broken) => self.target.broken(broken),
            }
        } else if self.target.first_broken().is_none()
            && let Some(over) = &self.over
        {
            let judged = judge::judge(&judge::Case {
                over,
                plan: &self.plan,
                target: &self.target,
                books: &self.books,
                acknowledged: &self.acknowledged,
                changed: self.stopped,
                orderly: self.setting.is_orderly(),
                seats: self.inside.seats.as_ref(),
                lives: &self.lives,
                killed: &self.inside.killed,
                absences: &self.inside.absences,
                over_at: self.inside.over.unwrap_or(0),
                patience: self.patience(),
                starts: self.starts(),
            });
            let harmless = self.setting.is_harmless();
            let excused = |came: &Came| self.short && came.incomplete;
            match judged.and_then(|came| match harmless && !excused(&came) {
                true => came.unharmed(),
                false => Ok(came),
            }) {
                Ok(came) => verdict = Some(came),
                Err(broken) => self.target.broken(broken),
            }
        }
        Outcome {
            hash: self.log.hash(),
            events: self.log.len(),
            broken: self.target.first_broken().map(str::to_owned),
            tail: self.log.tail().map(str::to_owned).collect(),
            verdict,
        }
    }

    /// When each agent's load really began, after T0 by the controller's clock, in milliseconds.
    fn starts(&self) -> BTreeMap<&str, Vec<f64>> {
        let Some(t0) = self.t0 else {
            return BTreeMap::new();
        };
        let after = |at: Time| {
            let reads = i128::from(self.controller.clock.reads(at));
            (reads - i128::from(t0)) as f64 / 1e6
        };
        let begins = self.begins.iter();
        let all = |at: &Vec<Time>| at.iter().map(|at| after(*at)).collect();
        begins.map(|(name, at)| (name.as_str(), all(at))).collect()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival(line, way) => self.arrival(line, way),
            Happening::Wake(life) => self.wake(life),
            Happening::Unanswered(life, line) => self.unanswered(life, line),
            Happening::Compiled(life, run, chunks) => {
                let here = self.is_here(life);
                if self.frozen(
                    life.host,
                    Happening::Compiled(life, run.clone(), chunks.clone()),
                ) || !here
                {
                    return;
                }
                let result = core::compile(chunks);
                self.step(life.host, core::Event::Compiled(run, result));
            }
            Happening::Looked(life, look) => {
                if self.frozen(life.host, Happening::Looked(life, look.clone()))
                    || !self.is_here(life)
                {
                    return;
                }
                self.looked(life.host, look);
            }
            Happening::Obeyed(life, epoch) => {
                if !self.frozen(life.host, Happening::Obeyed(life, epoch)) && self.is_here(life) {
                    self.obeyed(life.host, epoch);
                }
            }
            Happening::Kept(life, count) => {
                if !self.frozen(life.host, Happening::Kept(life, count)) && self.is_here(life) {
                    self.kept(life.host, count);
                }
            }
            Happening::Phased(life, kind, cut) => self.phased(life, kind, cut),
            Happening::Birth(host) => self.birth(host),
            Happening::Inbox => self.inbox(),
            Happening::Tick => self.tick(),
            Happening::Written => self.written(),
            Happening::Revive => self.revive(),
            Happening::Start => self.start(),
            Happening::Fault(fault) => self.fault(fault),
            Happening::Mend(host, ways) => self.mend(host, &ways),
            Happening::Thaw(host) => self.thaw(host),
            Happening::Quick(host) => self.net.weather[host].rate = 0,
            Happening::Resume => self.resume(),
        }
    }

    fn arrival(&mut self, line: LineId, way: Way) {
        let Some(host) = self.net.agent(line) else {
            return;
        };
        match way {
            Way::Up => self.arrived_up(line),
            Way::Down => {
                if self.frozen(host, Happening::Arrival(line, way)) {
                    return;
                }
                self.arrived_down(host, line);
            }
        }
    }

    /// Puts a packet on its way.
    fn send(&mut self, line: LineId, way: Way, packet: Packet) {
        let now = self.schedule.now();
        if let Some(at) = self.net.send(now, line, way, packet) {
            self.schedule.at(at, Happening::Arrival(line, way));
        }
    }

    /// True, and the happening is kept for later, if the host stands still.
    fn frozen(&mut self, host: usize, happening: Happening) -> bool {
        let host = &mut self.hosts[host];
        if host.frozen {
            host.waiting.push(happening);
        }
        host.frozen
    }

    fn is_here(&self, life: Life) -> bool {
        let process = self.hosts[life.host].process.as_ref();
        process.is_some_and(|process| process.life == life)
    }

    fn note(&mut self, text: std::fmt::Arguments<'_>) {
        self.log.line(self.schedule.now(), text);
    }
}

fn bundle(setting: &Setting) -> plan::Bundle {
    plan::Bundle {
        name: "sim.yaml".to_owned(),
        source: setting.source.clone(),
        seed: setting.seed,
        ..plan::Bundle::default()
    }
}
