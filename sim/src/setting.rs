//! What a seed stands for: how many agents in which weather, what load, and what goes wrong when.

use crate::clock::Clock;
use crate::net::{Way, Weather};
use crate::random::Random;
use crate::schedule::Time;
use std::time::Duration;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
/// A stream of random numbers of its own, so that seeds which have nothing of it stay what they were.
const THEMES: u64 = 5;
/// With which leases the controller is started again.
const LEASES: u64 = 6;
/// The same, for what becomes of a share that is lost.
const LOSSES: u64 = 8;
/// A setup that gives rows, who takes them, and a teardown.
const PHASES: &str = "\
setupTimeout: 8s
teardownTimeout: 8s
data: { rows: { setup: true } }
setup:
  - give: { rows: { n: 1 } }
teardown:
  - get: /
flows:
  by_vu:
    - let: { row: { own: rows } }
    - get: /
  by_iteration:
    - let: { row: { per_iteration: rows } }
    - get: /
";

/// Something that goes wrong, or is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An agent's process ends without a word. It comes back as another life after so long, if it does.
    Crash {
        /// Which host.
        host: usize,
        /// True if its kernel closes its connections; a machine that lost power does not.
        closes: bool,
        /// When it is started again.
        back: Option<u64>,
    },
    /// An agent's process stands still for so long.
    Freeze {
        /// Which host.
        host: usize,
        /// For how long.
        time: u64,
    },
    /// Nothing comes through for so long.
    Cut {
        /// Whose way.
        host: usize,
        /// Which ways.
        ways: Vec<Way>,
        /// For how long.
        time: u64,
        /// True if somebody in between says that the connections are gone.
        resets: bool,
    },
    /// The way becomes slow for so long.
    Slow {
        /// Whose.
        host: usize,
        /// Messages per second.
        rate: u64,
        /// For how long.
        time: u64,
    },
    /// An agent is told to end.
    Drain {
        /// Which host.
        host: usize,
    },
    /// Another agent comes.
    Join,
    /// The controller takes so long for each message, for so long.
    Busy {
        /// For each.
        each: u64,
        /// For how long.
        time: u64,
    },
    /// The controller stands still for so long.
    Stall {
        /// For how long.
        time: u64,
    },
    /// The controller's process is killed, or its machine loses power, and is started again on its directory after so long.
    Down {
        /// What was not synced is lost, and nobody closes its connections.
        machine: bool,
        /// After how long.
        time: u64,
        /// With another lease.
        lease: Option<Duration>,
    },
    /// The controller's disk has room for so many bytes more.
    Full {
        /// Bytes.
        room: u64,
    },
    /// The controller's machine is gone for good.
    Gone,
    /// An agent's disk has room for so many bytes more.
    Spool {
        /// Which host.
        host: usize,
        /// Bytes.
        room: u64,
    },
    /// Somebody pauses the run, for so long.
    Pause {
        /// For how long.
        time: u64,
    },
    /// Somebody scales the load, by so many thousandths.
    Scale {
        /// Of the plan's.
        factor: u64,
    },
    /// Somebody ends the run early.
    Stop {
        /// Iterations are cut.
        interrupt: bool,
    },
}

/// A host that may hold an agent.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its clock.
    pub clock: Clock,
    /// Its way to the controller.
    pub weather: Weather,
    /// Its weight.
    pub weight: u32,
    /// How late it wakes up at most, nanoseconds.
    pub late: u64,
    /// True if it is there from the beginning.
    pub present: bool,
}

/// Everything a seed decides before the world begins.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The scenario file.
    pub source: String,
    /// Run seed.
    pub seed: u64,
    /// Hosts.
    pub hosts: Vec<Host>,
    /// The controller's clock.
    pub clock: Clock,
    /// The lease.
    pub lease: Duration,
    /// Agents that the run is to have at least; 0: all.
    pub min: u32,
    /// Every agent keeps its runs on its disk; else about every second one does.
    pub keeps: bool,
    /// When the run is started.
    pub start: Time,
    /// What happens, after the run's start.
    pub faults: Vec<(Time, Fault)>,
}

impl Setting {
    /// What a seed stands for.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 1);
        let agents = random.between(1, 6) as usize;
        let spare = random.between(0, 2) as usize;
        let weighted = random.chance(300);
        let hosts: Vec<Host> = (0..agents + spare)
            .map(|host| Host {
                weight: if weighted {
                    random.between(1, 4) as u32
                } else {
                    1
                },
                present: host < agents,
                ..self::host(&mut random)
            })
            .collect();
        let load = random.between(6, 20) * S;
        let mut themes = Random::new(seed, THEMES);
        let phases = themes.chance(250);
        let source = source(&mut random, load, phases) + on_loss(seed);
        let lease = Duration::from_millis(random.between(2_000, 5_000));
        let mut faults = Vec::new();
        for _ in 0..*random.pick(&[0, 1, 1, 2, 2, 3, 4, 6]) {
            // Some before T0, most while load is made, some in the drain.
            let at = random.between(0, load + 4 * S);
            let fault = fault(&mut random, hosts.len(), lease.as_nanos() as u64);
            faults.push((at, fault));
        }
        let keeps = more(&mut themes, &mut faults, load, lease, hosts.len());
        faults.sort_by_key(|(at, _)| *at);
        let mut leases = Random::new(seed, LEASES);
        for (_, fault) in &mut faults {
            if let Fault::Down { lease, .. } = fault
                && leases.chance(400)
            {
                *lease = Some(Duration::from_millis(leases.between(1_000, 6_000)));
            }
        }
        Self {
            source,
            keeps,
            seed: random.number(),
            hosts,
            clock: clock(&mut random),
            lease,
            min: if random.chance(500) { 0 } else { 1 },
            start: S,
            faults,
        }
    }
}

impl Setting {
    /// True if nothing happens that may do the load or the data any harm: it is [orderly](Self::is_orderly), and what moves is not
    /// missed. Phases of a simulation fail now and then.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        let any = |wanted: fn(&Fault) -> bool| self.faults.iter().any(|(_, fault)| wanted(fault));
        let drains = any(|fault| matches!(fault, Fault::Drain { .. }));
        let joins = any(|fault| matches!(fault, Fault::Join));
        // A VU that moves waits for its iteration elsewhere; of few VUs that is more than is let pass.
        let moves = (drains || joins) && self.source.contains("-vus,");
        // One that counts its own iterations does not move: what it has not begun when its agent must go nobody begins.
        let stays = drains && self.source.contains("per-vu-iterations");
        self.is_orderly() && !moves && !stays && !self.source.contains("setup")
    }

    /// True if everybody is there or says that it goes: the ways are cut for moments only, agents come, or one that is not alone leaves in
    /// order.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        let lease = self.lease.as_nanos() as u64;
        let (mut away, mut drains) = (0, 0);
        for (_, fault) in &self.faults {
            match fault {
                // A stream tries again ever more rarely, and a heartbeat may just have been sent.
                Fault::Cut {
                    time,
                    resets: false,
                    ..
                } => away += time + 1_500 * MS,
                Fault::Drain { .. } => drains += 1,
                Fault::Join => {}
                _ => return false,
            }
        }
        let present = self.hosts.iter().filter(|host| host.present).count();
        away + S < lease && (drains == 0 || drains < present && away == 0)
    }
}

/// In every tenth seed the others go on without whoever was lost, in every tenth a loss ends the run.
fn on_loss(seed: u64) -> &'static str {
    match Random::new(seed, LOSSES).between(0, 9) {
        0 => "onAgentLoss: continue\n",
        1 => "onAgentLoss: abort\n",
        _ => "",
    }
}

fn clock(random: &mut Random) -> Clock {
    Clock {
        // Booted up to some ten days ago.
        began: random.between(0, 1 << 50),
        fast: random.between(0, 200) as i64 - 100,
    }
}

fn host(random: &mut Random) -> Host {
    let far = random.chance(200);
    let delay = if far {
        random.between(20 * MS, 150 * MS)
    } else {
        random.between(MS / 20, 5 * MS)
    };
    let loss = if random.chance(200) {
        random.between(1, 50)
    } else {
        0
    };
    Host {
        clock: clock(random),
        weather: Weather::new(delay, random.between(0, delay), loss),
        weight: 1,
        late: random.between(MS / 10, 3 * MS),
        present: true,
    }
}

/// What only some seeds have, each of it in about every tenth: a controller that is gone for good, one that is killed again and again,
/// one that stands still for longer than the lease, disks of agents that fill up. True if all agents keep their runs.
fn more(
    random: &mut Random,
    faults: &mut Vec<(Time, Fault)>,
    load: u64,
    lease: Duration,
    hosts: usize,
) -> bool {
    let lease = lease.as_nanos() as u64;
    let when = |random: &mut Random| random.between(S, load + 3 * S);
    let gone = random.chance(120);
    if gone {
        faults.push((when(random), Fault::Gone));
    }
    if random.chance(100) {
        for _ in 0..random.between(2, 5) {
            let machine = random.chance(500);
            let time = random.between(100 * MS, lease);
            let lease = None;
            let fault = Fault::Down {
                machine,
                time,
                lease,
            };
            faults.push((when(random), fault));
        }
    }
    if random.chance(80) {
        for _ in 0..random.between(1, 2) {
            let time = random.between(lease + lease / 10, 4 * lease);
            faults.push((when(random), Fault::Stall { time }));
        }
    }
    let full = random.chance(100);
    if full {
        for _ in 0..random.between(1, 3) {
            let host = random.between(0, hosts as u64 - 1) as usize;
            let room = random.between(0, 20_000);
            faults.push((when(random), Fault::Spool { host, room }));
        }
    }
    gone || full
}

fn source(random: &mut Random, load: u64, phases: bool) -> String {
    let ms = load / MS;
    let mut scenarios = String::new();
    for number in 0..random.between(1, 2) {
        let rate = random.between(2, 40);
        let vus = random.between(1, 24);
        let half = ms / 2;
        let executor = match random.between(0, 5) {
            0 => format!(
                "constant-arrival-rate, rate: {rate}, duration: {ms}ms, preAllocatedVUs: 20, maxVUs: 60"
            ),
            1 => format!(
                "ramping-arrival-rate, startRate: 1, preAllocatedVUs: 20, maxVUs: 60, \
                 stages: [{{ duration: {half}ms, target: {rate} }}, {{ duration: {half}ms, target: 0 }}]"
            ),
            2 => format!("constant-vus, vus: {vus}, duration: {ms}ms, gracefulStop: 2s"),
            3 => format!(
                "shared-iterations, vus: {vus}, iterations: {}, maxDuration: {ms}ms, gracefulStop: 2s",
                vus + rate * 10
            ),
            4 => format!(
                "per-vu-iterations, vus: {vus}, iterations: {}, maxDuration: {ms}ms, gracefulStop: 2s",
                rate.div_ceil(2)
            ),
            _ => format!(
                "ramping-vus, startVUs: 0, gracefulRampDown: 2s, gracefulStop: 2s, \
                 stages: [{{ duration: {half}ms, target: {vus} }}, {{ duration: {half}ms, target: 0 }}]"
            ),
        };
        // Setup gives a row to each VU, or to each iteration where those are numbered.
        let exec = match (phases, executor.contains("-rate")) {
            (false, _) => "default",
            (true, false) => "by_vu",
            (true, true) => "by_iteration",
        };
        scenarios.push_str(&format!(
            "  s{number}: {{ executor: {executor}, exec: {exec} }}\n"
        ));
    }
    let rest = match phases {
        false => "flows:\n  default:\n    - get: /\n",
        true => PHASES,
    };
    format!("baseURL: http://target\nscenarios:\n{scenarios}{rest}")
}

fn fault(random: &mut Random, hosts: usize, lease: u64) -> Fault {
    let host = random.between(0, hosts as u64 - 1) as usize;
    // Shorter than the lease, about as long, longer.
    let time = match random.between(0, 2) {
        0 => random.between(50 * MS, lease / 2),
        1 => random.between(lease / 2, lease + lease / 4),
        _ => random.between(lease, 3 * lease),
    };
    match random.between(0, 15) {
        0 | 1 => Fault::Crash {
            host,
            closes: random.chance(700),
            back: random
                .chance(500)
                .then(|| random.between(100 * MS, 2 * lease)),
        },
        2 | 3 => Fault::Freeze { host, time },
        4..=6 => Fault::Cut {
            host,
            ways: match random.between(0, 3) {
                0 => vec![Way::Up],
                1 => vec![Way::Down],
                _ => vec![Way::Up, Way::Down],
            },
            time,
            resets: random.chance(300),
        },
        7 => Fault::Slow {
            host,
            rate: random.between(1, 20),
            time: time * 2,
        },
        8 => Fault::Drain { host },
        9 => Fault::Join,
        10 => {
            if random.chance(500) {
                Fault::Busy {
                    each: random.between(MS, 60 * MS),
                    time,
                }
            } else {
                Fault::Stall { time }
            }
        }
        11 => {
            if random.chance(500) {
                Fault::Pause { time }
            } else {
                Fault::Scale {
                    factor: random.between(0, 2_000),
                }
            }
        }
        12 | 13 => Fault::Down {
            machine: random.chance(500),
            time,
            lease: None,
        },
        14 => Fault::Full {
            room: random.between(0, 20_000),
        },
        _ => Fault::Stop {
            interrupt: random.chance(500),
        },
    }
}
