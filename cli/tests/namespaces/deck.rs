//! What goes wrong in the chaos, and when: dealt out by a seed. Two seeds that follow one another have every kind between them.

use std::ops::Range;

/// The seeds that run unless others are asked for. Together they have every kind of fault, and none that cannot be told in the report.
pub(crate) const SEEDS: Range<u64> = 5..7;
/// As many agents as there are kinds of faults for two seeds, and one that nothing happens to.
pub(crate) const AGENTS: [&str; 4] = ["red", "green", "blue", "grey"];
/// Seconds in which a controller that was killed is not there.
pub(crate) const AWAY: f64 = 1.5;

/// What happens to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is killed.
    Kill,
    /// The process stands still for so many seconds.
    Freeze(u32),
    /// The process is told to end.
    End,
    /// The host is off the network for so many seconds.
    Cut(u32),
}

/// More than the 2 s without a heartbeat that the report tells of, less than the lease of 5 s.
pub(crate) const SHORT: u32 = 3;
/// More than the lease.
pub(crate) const LONG: u32 = 8;

const KINDS: [Fault; 6] = [
    Fault::Kill,
    Fault::Freeze(SHORT),
    Fault::Freeze(LONG),
    Fault::End,
    Fault::Cut(SHORT),
    Fault::Cut(LONG),
];

/// What is to be done, to the agent of that number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Todo {
    Hit(usize, Fault),
    Thaw(usize),
    Mend(usize),
    Another(usize),
    KillController,
    StartController,
    FillDisk,
}

/// Numerical Recipes' generator: for choosing, good enough, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    /// A second at which something may happen.
    fn moment(&mut self) -> f64 {
        3.0 + self.below(1_100) as f64 / 100.0
    }
}

/// Three of four agents are hit, each in its way, and the controller once, or its disk; the last fault is over its worst by second 24.
/// All kinds are shuffled by a pair of seeds; the first has one half of them, the second the other.
pub(crate) fn faults(seed: u64) -> Vec<(f64, Todo)> {
    let mut deck = KINDS;
    let mut chance = Chance(seed.div_ceil(2));
    for last in (1..deck.len()).rev() {
        deck.swap(last, chance.below(last as u64 + 1) as usize);
    }
    let (first, second) = deck.split_at(AGENTS.len() - 1);
    let hand = if fills_disk(seed) { second } else { first };
    let mut chance = Chance(seed);
    let spared = chance.below(AGENTS.len() as u64) as usize;
    let hit = (0..AGENTS.len()).filter(|number| *number != spared);
    let mut due: Vec<(f64, Todo)> = hit
        .zip(hand)
        .map(|(number, kind)| (chance.moment(), Todo::Hit(number, *kind)))
        .collect();
    due.push((
        chance.moment(),
        if fills_disk(seed) {
            Todo::FillDisk
        } else {
            Todo::KillController
        },
    ));
    due
}

/// Both at once, a full disk and a controller that is killed, are more than anybody promises.
pub(crate) fn fills_disk(seed: u64) -> bool {
    seed.is_multiple_of(2)
}

/// True if the report must tell what became of the agent. What passes while nobody is there to hear it may go unseen: a controller that
/// was started again waits for everybody for as long as a lease, and nobody was silent before.
pub(crate) fn told(at: f64, fault: Fault, controller_killed: Option<f64>) -> bool {
    let passes = match fault {
        Fault::Freeze(seconds) | Fault::Cut(seconds) => seconds < LONG,
        Fault::End => true,
        Fault::Kill => false,
    };
    // Until it came back, and everybody to it; or was silent, or drained, before it went.
    let near = |killed: f64| at < killed + AWAY + 5.0 && killed < at + f64::from(SHORT) + 2.0;
    !(passes && controller_killed.is_some_and(near))
}

#[test]
fn the_seeds_that_run_have_every_fault_and_each_of_them_is_told() {
    let mut left = KINDS.to_vec();
    let (mut killed, mut filled) = (false, false);
    for seed in SEEDS {
        let due = faults(seed);
        let controller = due.iter().find(|(_, todo)| *todo == Todo::KillController);
        let controller = controller.map(|(at, _)| *at);
        killed |= controller.is_some();
        filled |= due.iter().any(|(_, todo)| *todo == Todo::FillDisk);
        for (at, todo) in due {
            if let Todo::Hit(_, fault) = todo {
                assert!(told(at, fault, controller), "seed {seed}: {fault:?}");
                left.retain(|kind| *kind != fault);
            }
        }
    }
    assert!(left.is_empty() && killed && filled, "without {left:?}");
}

#[test]
fn any_two_seeds_of_a_pair_have_every_fault() {
    for first in (1..100).step_by(2) {
        let hit = |seed| {
            faults(seed).into_iter().filter_map(|(_, todo)| match todo {
                Todo::Hit(_, fault) => Some(fault),
                _ => None,
            })
        };
        let both: Vec<Fault> = hit(first).chain(hit(first + 1)).collect();
        assert!(KINDS.iter().all(|kind| both.contains(kind)), "{both:?}");
    }
}
