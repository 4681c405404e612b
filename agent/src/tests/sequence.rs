//! The laws of a worker's sequence: whatever is told when, each arrival is one worker's of the agent that owns it when it is due.

use super::fleet::Chance;
use super::rig::{Play, Town};
use crate::drive::sequence::{Due, Next, Sequence, Timetable};
use crate::share::{Assignment, Share};
use plan::{Plan, SeatChange, Shares};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const MS: u64 = 1_000_000;
/// Workers divide by what was told so long before.
const SOON: u64 = 50 * MS;
const MAX_VUS: u64 = 40;

/// Arrivals that are due at these run times.
struct List(Vec<u64>);

impl Timetable for &List {
    fn due(&self, index: u64) -> Due {
        let due = usize::try_from(index).ok().and_then(|i| self.0.get(i));
        due.map_or(Due::Never, |due| Due::At(*due))
    }

    fn total(&self) -> u64 {
        self.0.len() as u64
    }
}

struct Worker {
    sequence: Sequence,
    /// How much later than told it hears, and how many tellings it heard.
    deaf: u64,
    heard: usize,
}

struct Agent {
    /// What was told, and when.
    told: Vec<(u64, Share)>,
    workers: Vec<Worker>,
    dead: bool,
}

impl Agent {
    fn new(chance: &mut Chance, shares: &Shares, seat: usize, plan: &Arc<Plan>, now: u64) -> Self {
        let count = 1 + usize::try_from(chance.below(4)).unwrap();
        let worker = |number| Worker {
            sequence: Sequence::new(seat, (number, count), 0),
            deaf: chance.below(40) * MS,
            heard: 0,
        };
        let shares = Arc::new(shares.clone());
        let share = Share::new(1, seat, shares, Vec::new(), Arc::clone(plan));
        Self {
            told: vec![(now, share)],
            workers: (0..count).map(worker).collect(),
            dead: false,
        }
    }

    fn tell(&mut self, shares: &Shares, now: u64) {
        let (_, last) = self.told.last().unwrap();
        let assignment = Assignment {
            epoch: last.epoch + 1,
            shares: Arc::new(shares.clone()),
            waiting: Vec::new(),
            plan: Arc::clone(&last.plan),
        };
        let share = last.next(assignment, &Arc::default(), || now + SOON);
        self.told.push((now, share));
    }
}

#[test]
fn whatever_is_told_when_each_arrival_is_one_workers_of_the_agent_that_owns_it() {
    let source = format!(
        "
scenarios: {{ main: {{ executor: constant-arrival-rate, rate: 1, duration: 9s, preAllocatedVUs: {MAX_VUS} }} }}
flows: {{ default: [{{ sleep: 1s }}] }}
"
    );
    let play = Play::of(source, &Town::slow(Duration::ZERO));
    let plan = Arc::new(play.plan());
    for seed in 0..150 {
        one(seed, &plan);
    }
}

fn one(seed: u64, plan: &Arc<Plan>) {
    let mut chance = Chance::new(seed);
    let mut due = 0;
    let list = List(
        (0..600)
            .map(|_| {
                due += chance.below(8) * MS + chance.below(MS);
                due
            })
            .collect(),
    );
    let agents = 1 + usize::try_from(chance.below(4)).unwrap();
    let mut shares = Shares::equal(u32::try_from(agents).unwrap());
    let mut fleet: Vec<Agent> = (0..agents)
        .map(|seat| Agent::new(&mut chance, &shares, seat, plan, 0))
        .collect();
    let mut deaths: BTreeMap<usize, u64> = BTreeMap::new();
    let mut taken: BTreeMap<u64, usize> = BTreeMap::new();
    let mut next_change = 100 + chance.below(400);
    for tick in 0..due / MS + 1000 {
        let now = tick * MS;
        if tick == next_change && tick * MS < due {
            next_change = tick + 60 + chance.below(500);
            change(&mut chance, &mut fleet, &mut shares, &mut deaths, plan, now);
        }
        for (seat, agent) in fleet
            .iter_mut()
            .enumerate()
            .filter(|(_, agent)| !agent.dead)
        {
            for worker in &mut agent.workers {
                let heard = agent
                    .told
                    .iter()
                    .filter(|(told, _)| *told + worker.deaf <= now);
                let heard = heard.count().max(1);
                if heard > worker.heard {
                    worker.heard = heard;
                    worker.sequence.hear(&agent.told[heard - 1].1, |_| &list);
                }
                while let Next::At { index, due } = worker.sequence.peek(&&list)
                    && due <= now
                {
                    worker.sequence.advance(index);
                    let before = taken.insert(index, seat);
                    assert_eq!(before, None, "seed {seed}: {index} is taken twice");
                }
            }
        }
    }
    let own = shares.of_arrivals(MAX_VUS);
    for (index, due) in (0..).zip(&list.0) {
        let owner = own.at(*due).owner(index);
        match (taken.get(&index), deaths.get(&owner)) {
            (None, Some(death)) => assert!(death <= &(due + MS), "seed {seed}: {index} is lost"),
            (taken, _) => assert_eq!(taken, Some(&owner), "seed {seed}: {index}, due {due}"),
        }
    }
}

/// Somebody dies, and that is told late, for a time that has passed or is to come; or somebody comes, in good time.
fn change(
    chance: &mut Chance,
    fleet: &mut Vec<Agent>,
    shares: &mut Shares,
    deaths: &mut BTreeMap<usize, u64>,
    plan: &Arc<Plan>,
    now: u64,
) {
    let living: Vec<usize> = (0..fleet.len()).filter(|seat| !fleet[*seat].dead).collect();
    let earliest = shares.changes().last().map_or(0, |(from, _)| *from);
    if chance.below(2) == 0 && living.len() > 1 {
        let which = usize::try_from(chance.below(living.len() as u64)).unwrap();
        let seat = living[which];
        // Those before it hold by then.
        if earliest + 200 * MS > now {
            return;
        }
        fleet[seat].dead = true;
        deaths.insert(seat, now);
        let from = now + chance.below(120) * MS;
        shares.change(from, SeatChange::Gone(seat)).unwrap();
        // Whoever takes over may hear of it long after.
        let told = now + chance.below(40) * MS;
        for agent in fleet.iter_mut().filter(|agent| !agent.dead) {
            agent.tell(shares, told);
        }
    } else {
        let from = (now + (110 + chance.below(300)) * MS).max(earliest);
        let weight = 1 + u32::try_from(chance.below(3)).unwrap();
        shares.change(from, SeatChange::Came(weight)).unwrap();
        for agent in fleet.iter_mut().filter(|agent| !agent.dead) {
            agent.tell(shares, now);
        }
        let seat = fleet.len();
        let newcomer = Agent::new(chance, shares, seat, plan, now);
        fleet.push(newcomer);
    }
}
