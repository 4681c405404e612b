//! The law of handing over against agents that are slow, cut off, lost, that come and go, by many seeds: nobody ever makes what
//! another may make, and once all is quiet everything is made.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use std::collections::VecDeque;

const MS: u64 = 1_000_000;
/// How long an agent that is cut off goes on.
const LEASE: u64 = 700 * MS;
/// What an agent counts as too late.
const MARGIN: u64 = 50 * MS;
const INDEXES: u64 = 12;
const SEEDS: u64 = 60;

/// `splitmix64`: one seed, one story.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// What travels to an agent.
enum Order {
    Prepare(Part),
    Assign(Part),
    Begin(Part),
}

/// Who owns what by one part: by how many changes hold, owners by index.
struct View {
    part: Part,
    owners: Vec<Vec<u32>>,
}

impl View {
    fn new(part: Part, base: &Handover) -> Self {
        let shares = base.shares_with(&part.changes).unwrap();
        let owners = (0..=part.changes.len()).map(|changes| {
            let under = shares.under(changes);
            (0..INDEXES)
                .map(|index| under.owner(index) as u32)
                .collect()
        });
        Self {
            owners: owners.collect(),
            part,
        }
    }

    fn mine(&self, at: u64, index: u64) -> bool {
        let changes = self
            .part
            .changes
            .partition_point(|change| change.from <= at);
        self.owners[changes][index as usize] == self.part.seat
    }
}

struct Agent {
    id: AgentId,
    makes: bool,
    /// What it knows.
    view: Option<View>,
    /// What is under way to it, and when it arrives; in order.
    inbox: VecDeque<(u64, Order)>,
    /// Cut off since then.
    cut: Option<u64>,
    gone: bool,
}

struct World {
    random: Random,
    now: u64,
    handover: Handover,
    agents: Vec<Agent>,
    /// What is under way to the controller, in no order between agents.
    answers: Vec<(u64, Event)>,
    slow: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let count = 1 + random.below(4) as usize;
        let weights: Vec<u32> = (0..count).map(|_| 1 + random.below(3) as u32).collect();
        let seats: Vec<Seat> = (1..)
            .zip(&weights)
            .map(|(agent, weight)| Seat {
                agent,
                name: format!("a{agent}"),
                weight: *weight,
                standing: Standing::Present,
            })
            .collect();
        let handover = Handover::new(OnAgentLoss::Redistribute, None, 3_000 * MS, 1, seats);
        let slow = [20, 200, 900][random.below(3) as usize];
        let agents = (1..=count as u64).map(|id| {
            let view = handover
                .told(id)
                .cloned()
                .map(|part| View::new(part, &handover));
            Agent {
                id,
                makes: true,
                view,
                inbox: VecDeque::new(),
                cut: None,
                gone: false,
            }
        });
        Self {
            agents: agents.collect(),
            random,
            now: 0,
            handover,
            answers: Vec::new(),
            slow,
        }
    }

    fn delay(&mut self) -> u64 {
        self.now + (1 + self.random.below(self.slow)) * MS
    }

    fn step(&mut self, event: Event) {
        let at = At {
            run: self.now,
            rtt: 2 * MS,
            ahead: false,
        };
        for action in self.handover.step(at, event) {
            let (id, order) = match action {
                Action::Prepare(id, part) => (id, Order::Prepare(part)),
                Action::Assign(id, part) => (id, Order::Assign(part)),
                Action::Begin(id, part) => (id, Order::Begin(part)),
                Action::Release(id, _) => {
                    if let Some(agent) = self.agents.iter_mut().find(|agent| agent.id == id) {
                        agent.gone = true;
                    }
                    continue;
                }
                // It goes on until it has finished, which is none of this law's business.
                Action::Dismiss(_) | Action::Settled(_) | Action::Warn(_) => continue,
            };
            let arrives = self.delay();
            if let Some(agent) = self.agents.iter_mut().find(|agent| agent.id == id) {
                let after = agent.inbox.back().map_or(0, |(at, _)| *at);
                agent.inbox.push_back((arrives.max(after), order));
            }
        }
    }

    /// One agent takes what has arrived.
    fn take(&mut self, index: usize) {
        let now = self.now;
        loop {
            let agent = &mut self.agents[index];
            if agent.cut.is_some()
                || agent.gone
                || agent.inbox.front().is_none_or(|(at, _)| *at > now)
            {
                return;
            }
            let Some((_, order)) = agent.inbox.pop_front() else {
                return;
            };
            let (part, begins) = match order {
                Order::Prepare(part) | Order::Assign(part) => (part, false),
                Order::Begin(part) => (part, true),
            };
            let view = View::new(part, &self.handover);
            let from = view.part.changes.last().map_or(0, |change| change.from);
            // It gives something up that it thinks its own at an instant that is (all but) over: nothing is given up.
            let takes_away = |had: &View| {
                (0..INDEXES).any(|index| had.mine(from, index) && !view.mine(from, index))
            };
            let late =
                agent.makes && from < now + MARGIN && agent.view.as_ref().is_some_and(takes_away);
            let answer = if late {
                Answer::Late
            } else {
                Answer::Ready(Vus::new())
            };
            let (id, epoch) = (agent.id, view.part.epoch);
            if !late {
                agent.view = Some(view);
                agent.makes |= begins;
            }
            let at = self.delay();
            self.answers.push((at, Event::Answered(id, epoch, answer)));
        }
    }

    /// Who makes an index now.
    fn makers(&self, index: u64) -> Vec<AgentId> {
        let makes = |agent: &&Agent| {
            let alive = agent.cut.is_none_or(|cut| self.now < cut + LEASE);
            let view = agent
                .view
                .as_ref()
                .filter(|_| agent.makes && alive && !agent.gone);
            view.is_some_and(|view| view.mine(self.now, index))
        };
        self.agents
            .iter()
            .filter(makes)
            .map(|agent| agent.id)
            .collect()
    }

    fn something_happens(&mut self) {
        let (dice, whom) = (
            self.random.below(100),
            self.random.below(self.agents.len() as u64) as usize,
        );
        match dice {
            0 if self.agents.len() < 9 => {
                let id = self.agents.len() as u64 + 1;
                self.agents.push(Agent {
                    id,
                    makes: false,
                    view: None,
                    inbox: VecDeque::new(),
                    cut: None,
                    gone: false,
                });
                let weight = 1 + self.random.below(3) as u32;
                self.step(Event::Idle(vec![Candidate {
                    agent: id,
                    name: format!("a{id}"),
                    weight,
                }]));
            }
            1 => {
                let now = self.now;
                let agent = &mut self.agents[whom];
                if agent.cut.is_none() && !agent.gone {
                    agent.cut = Some(now);
                }
            }
            2 => {
                let (at, id) = (self.delay(), self.agents[whom].id);
                self.answers.push((at, Event::Drain(id)));
            }
            _ => {}
        }
    }

    fn tick(&mut self, quiet: bool) {
        self.now += 10 * MS;
        if !quiet {
            self.something_happens();
        }
        for index in 0..self.agents.len() {
            self.take(index);
        }
        let now = self.now;
        let lost: Vec<AgentId> = self
            .agents
            .iter_mut()
            .filter(|agent| {
                !agent.gone && agent.cut.is_some_and(|cut| now > cut + LEASE + LEASE / 100)
            })
            .map(|agent| {
                agent.gone = true;
                agent.id
            })
            .collect();
        for id in lost {
            self.step(Event::Lost(id));
        }
        let (due, later) = std::mem::take(&mut self.answers)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.answers = later;
        let due: Vec<(u64, Event)> = due;
        for (_, event) in due {
            self.step(event);
        }
        self.step(Event::Tick);
    }
}

#[test]
fn nothing_is_ever_made_twice_and_in_the_end_everything_is_made() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for tick in 0..1500 {
            world.tick(tick > 700);
            for index in 0..INDEXES {
                let makers = world.makers(index);
                assert!(
                    makers.len() <= 1,
                    "seed {seed}, {} ms: {index} is made by {makers:?}",
                    world.now / MS
                );
            }
        }
        let alive = world.handover.living();
        for index in 0..INDEXES {
            let makers = world.makers(index).len();
            assert_eq!(
                makers,
                usize::from(alive > 0),
                "seed {seed}: {index} of {alive} in the end"
            );
        }
    }
}
