//! The second ring: the real stream (tonic), the real link with its dialing, the real crew with its HTTP, in one thread under turmoil.
//!
//! Nearer to the truth than [`crate::world`], slower, and with fewer faults: ways are held for a while or agents are lost, but no process
//! stands still and all clocks agree. An open stream does not recover from turmoil's `partition` and `repair`, so ways are held.

mod hosts;
mod seen;

use crate::judge::Came;
use crate::random::Random;
use crate::world::Outcome;
use controller::Report;
use controller::conservation::Fate;
use controller::verdict::Grade;
use hosts::{CONTROLLER, Order, TARGET};
use proto::v1::RunOver;
use seen::Seen;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The way between an agent and the controller is held.
    Hold(usize),
    /// It lets go of everything.
    Release(usize),
    /// An agent is lost.
    Crash(usize),
    /// It begins anew.
    Bounce(usize),
    /// It is told to end, and hands its share over first.
    Drain(usize),
}

/// What a seed stands for here.
#[derive(Debug)]
struct Setting {
    agents: usize,
    lease: Duration,
    source: String,
    faults: Vec<(Duration, Fault)>,
}

impl Setting {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 21);
        let agents = random.between(1, 4) as usize;
        let lease = Duration::from_millis(random.between(2_000, 4_000));
        let ms = random.between(5_000, 10_000);
        let rate = random.between(5, 40);
        let executor = match random.between(0, 2) {
            0 => format!(
                "constant-arrival-rate, rate: {rate}, duration: {ms}ms, preAllocatedVUs: 40"
            ),
            1 => format!(
                "ramping-arrival-rate, startRate: 1, preAllocatedVUs: 40, stages: [{{ duration: {ms}ms, target: {rate} }}]"
            ),
            _ => format!(
                "shared-iterations, vus: {}, iterations: {}, maxDuration: {ms}ms",
                rate.div_ceil(2),
                rate * 10
            ),
        };
        let mut faults = Vec::new();
        for _ in 0..random.between(0, 3) {
            let agent = random.between(0, agents as u64 - 1) as usize;
            // The load begins some two seconds after the world.
            let at = Duration::from_millis(random.between(1_000, ms + 2_000));
            let lease = lease.as_millis() as u64;
            let long = match random.between(0, 2) {
                0 => random.between(100, lease / 2),
                _ => random.between(lease / 2, 2 * lease),
            };
            let until = at + Duration::from_millis(long);
            if random.chance(600) {
                faults.extend([(at, Fault::Hold(agent)), (until, Fault::Release(agent))]);
            } else {
                faults.push((at, Fault::Crash(agent)));
                if random.chance(500) {
                    faults.push((until, Fault::Bounce(agent)));
                }
            }
        }
        // Draws of their own, so that seeds without it stay what they were.
        let mut leaves = Random::new(seed, 23);
        if leaves.chance(200) {
            let agent = leaves.between(0, agents as u64 - 1) as usize;
            let at = Duration::from_millis(leaves.between(1_000, ms + 2_000));
            faults.push((at, Fault::Drain(agent)));
        }
        faults.sort_by_key(|(at, _)| *at);
        Self {
            agents,
            lease,
            source: format!(
                "baseURL: http://TARGET\nscenarios:\n  load: {{ executor: {executor}, gracefulStop: 2s }}\nflows:\n  default:\n    \
                 - get: \"/{{{{ scenario_iteration }}}}\"\n"
            ),
            faults,
        }
    }
}

impl Setting {
    /// True if nothing happens that may do the load or the data any harm: the ways are held for moments only, or one agent that is not
    /// alone leaves in order.
    fn is_harmless(&self) -> bool {
        // A stream needs a moment to go on, and a heartbeat may just have been sent.
        let moment = Duration::from_secs(1);
        let (mut held, mut released, mut drains) = (moment, Duration::ZERO, 0);
        for (at, fault) in &self.faults {
            match fault {
                Fault::Hold(_) => released += *at,
                Fault::Release(_) => held += *at + moment,
                Fault::Drain(_) => drains += 1,
                Fault::Crash(_) | Fault::Bounce(_) => return false,
            }
        }
        held.saturating_sub(released) < self.lease
            && (drains == 0 || self.agents > 1 && drains == self.faults.len())
    }
}

/// The world of a seed, to its end.
#[must_use]
pub fn run(seed: u64) -> Outcome {
    let setting = Setting::new(seed);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (verdict, broken, ticks) = match play(seed, &setting, &seen) {
        Ok((over, ticks)) => match judge(&setting, &over, &lock(&seen)) {
            Ok(verdict) => (Some(verdict), None, ticks),
            Err(broken) => (None, Some(broken), ticks),
        },
        Err(broken) => (None, Some(broken), 0),
    };
    Outcome {
        hash: 0,
        events: ticks,
        tail: broken.iter().map(|_| format!("{setting:#?}")).collect(),
        broken,
        verdict,
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn play(seed: u64, setting: &Setting, seen: &Arc<Mutex<Seen>>) -> Result<(RunOver, u64), String> {
    /// Longer than any run here may take.
    const LONGEST: Duration = Duration::from_secs(120);
    hosts::simulate_clocks();
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .simulation_duration(LONGEST)
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(5))
        .tcp_capacity(4096)
        .build();
    let lease = setting.lease;
    sim.host(CONTROLLER, move || hosts::controller(lease));
    let (books, service) = (Arc::clone(seen), Random::new(seed, 22));
    sim.host(TARGET, move || {
        hosts::target(Arc::clone(&books), service.clone())
    });
    let mut drains = Vec::new();
    for agent in 0..setting.agents {
        let lives = Arc::new(Mutex::new(Random::new(seed, 30 + agent as u64)));
        let told = hosts::Told::default();
        drains.push(told.clone());
        sim.host(name(agent), move || {
            let number = lives
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .number();
            hosts::agent(agent, number, told.clone())
        });
    }
    let target = sim.lookup(TARGET);
    let over = Arc::new(Mutex::new(None));
    let order = Order {
        source: setting
            .source
            .replace("TARGET", &format!("{target}:{}", hosts::TARGET_PORT)),
        seed,
        agents: setting.agents,
        over: Arc::clone(&over),
    };
    sim.client("tester", hosts::tester(order));
    let mut faults = setting.faults.iter().peekable();
    let mut held = vec![false; setting.agents];
    let mut ticks = 0;
    loop {
        while let Some((_, fault)) = faults.next_if(|(at, _)| *at <= sim.elapsed()) {
            match *fault {
                Fault::Hold(agent) if !held[agent] => {
                    held[agent] = true;
                    sim.hold(name(agent), CONTROLLER);
                }
                Fault::Release(agent) if held[agent] => {
                    held[agent] = false;
                    sim.release(name(agent), CONTROLLER);
                }
                Fault::Crash(agent) if sim.is_host_running(name(agent)) => {
                    sim.crash(name(agent));
                }
                Fault::Bounce(agent) if !sim.is_host_running(name(agent)) => {
                    sim.bounce(name(agent));
                }
                Fault::Drain(agent) => drains[agent].tell(),
                _ => {}
            }
        }
        ticks += 1;
        if sim
            .step()
            .map_err(|error| format!("the run did not end: {error}"))?
        {
            break;
        }
    }
    let over = over.lock().unwrap_or_else(PoisonError::into_inner).take();
    over.map(|over| (over, ticks))
        .ok_or("the run ended without a report".to_owned())
}

fn name(agent: usize) -> String {
    format!("a{agent}")
}

/// What must be true of a run that is over; what it came to.
fn judge(setting: &Setting, over: &RunOver, seen: &Seen) -> Result<Came, String> {
    let report: Report = serde_json::from_slice(&over.report)
        .map_err(|error| format!("the report cannot be read: {error}"))?;
    if let Some(path) = seen.twice() {
        return Err(format!("{path} was asked for twice"));
    }
    if !report.run.began {
        return match seen.asked() {
            0 => Ok(format!("not begun: {:?}", report.run.ended).into()),
            some => Err(format!("{some} requests in a run that never began")),
        };
    }
    let line = report.conservation.scenarios.first();
    let line = line.ok_or("the report has no line of its scenario".to_owned())?;
    let requests = &report.conservation.requests;
    let asked = seen.asked() as f64;
    let known = line.made + line.lost + line.unaccounted.max(0.0);
    if asked > known || line.unaccounted < 0.0 {
        return Err(format!(
            "the target was asked {asked} times; the report says {line:?}"
        ));
    }
    if requests.merged as f64 > asked {
        return Err(format!(
            "the target was asked {asked} times, and {} are merged",
            requests.merged
        ));
    }
    let whole = report.agents.iter().all(|agent| agent.fate == Fate::Done);
    let counted = (requests.merged + requests.cut) as f64;
    if whole && (line.made - asked).abs() + (counted - asked).abs() > 0.0 {
        return Err(format!(
            "nobody was lost; the target was asked {asked} times; {} iterations and {requests:?} are reported",
            line.made
        ));
    }
    let gap = report.conservation.gap().unwrap_or(0.0);
    if gap > controller::verdict::GAP && report.verdict.grade < Grade::Degraded {
        return Err(format!(
            "{:.2} % of the plan is missing, and the data are {}",
            gap * 100.0,
            report.verdict.grade.word()
        ));
    }
    let came = Came::of(&report, &format!("{:?}", report.run.ended));
    if setting.is_harmless() {
        came.unharmed()
    } else {
        Ok(came)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_over_its_real_streams_keeps_its_books() {
        for seed in 0..3 {
            assert_eq!(run(seed).broken, None, "seed {seed}");
        }
    }
}
