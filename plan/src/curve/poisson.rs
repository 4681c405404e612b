//! Poisson arrivals: as many as the regular curve has, at seeded, independent instants, dense where the rate is high.
//!
//! Given its total, a Poisson process is that many independent points, uniform over the area under its rate. They are not
//! drawn one by one: the area is halved again and again, and how many of a part's points fall into its first half is a seeded
//! binomial draw of that part alone. So the n-th instant is found by walking down from the whole, without memory, and it
//! depends on the seed, the scenario and n, not on who asks. Integers only: every machine finds the same instants.

/// A part with at most about so many points is not halved further: its points are drawn and sorted.
const LEAF: u64 = 16;
/// Halving this often tells apart more parts than there can be points.
const DEEPEST: u32 = 60;
/// Up to so many points the draw is exact; beyond, its shape is that of so many, stretched (its spread is exact, its excess
/// kurtosis 1/512 below a binomial's).
const EXACT: u64 = 1024;

/// Points on the unit interval, as fractions of 2^64, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Points {
    seed: u64,
    total: u64,
    depth: u32,
}

/// A part of the interval: the `index`-th of 2^`level` equal ones, with its points and those before it.
#[derive(Clone, Copy)]
struct Part {
    level: u32,
    index: u64,
    before: u64,
    points: u64,
}

impl Points {
    /// `total` points; another for each pair of run seed and scenario.
    pub(super) fn new(seed: u64, scenario: &str, total: u64) -> Self {
        let seed = scenario
            .bytes()
            .fold(mix(seed), |state, byte| mix(state ^ (u64::from(byte) + 1)));
        let depth = (total / LEAF).checked_ilog2().map_or(0, |log| log + 1);
        Self {
            seed,
            total,
            depth: depth.min(DEEPEST),
        }
    }

    /// Other points of the same origin.
    pub(super) fn again(&self, number: u64, total: u64) -> Self {
        let depth = (total / LEAF).checked_ilog2().map_or(0, |log| log + 1);
        Self {
            seed: mix(self.seed ^ mix(number + 1)),
            total,
            depth: depth.min(DEEPEST),
        }
    }

    /// The `n`-th point (from 0), if there is one.
    pub(super) fn nth(&self, n: u64) -> Option<u64> {
        if n >= self.total {
            return None;
        }
        let mut part = self.whole();
        while part.level < self.depth {
            let (first, second) = self.halve(part);
            part = if n < second.before { first } else { second };
        }
        let place = usize::try_from(n - part.before).ok()?;
        self.leaf(part).get(place).copied()
    }

    /// How many points are below the first for which `reached` holds; `reached` must hold for all beyond that one.
    pub(super) fn count_below(&self, reached: impl Fn(u64) -> bool) -> u64 {
        let mut part = self.whole();
        while part.level < self.depth {
            let (first, second) = self.halve(part);
            let middle = second.index << (64 - second.level);
            part = if reached(middle) { first } else { second };
        }
        let leaf = self.leaf(part);
        part.before + leaf.partition_point(|point| !reached(*point)) as u64
    }

    fn whole(&self) -> Part {
        Part {
            level: 0,
            index: 0,
            before: 0,
            points: self.total,
        }
    }

    fn halve(&self, part: Part) -> (Part, Part) {
        let left = half_of(part.points, &mut self.draws(part, 0));
        let first = Part {
            level: part.level + 1,
            index: part.index * 2,
            before: part.before,
            points: left,
        };
        let second = Part {
            index: first.index + 1,
            before: part.before + left,
            points: part.points - left,
            ..first
        };
        (first, second)
    }

    /// A last part's points, sorted.
    fn leaf(&self, part: Part) -> Vec<u64> {
        let start = part.index.checked_shl(64 - part.level).unwrap_or(0);
        let mut draws = self.draws(part, 1);
        let mut points: Vec<u64> = (0..part.points)
            .map(|_| start + (draws.next() >> part.level))
            .collect();
        points.sort_unstable();
        points
    }

    /// The random numbers of one part, for one purpose.
    fn draws(&self, part: Part, purpose: u64) -> Draws {
        let name = (u64::from(part.level) << 1) | purpose;
        Draws(mix(self.seed ^ mix(part.index ^ mix(name + 1))))
    }
}

/// How many of `points` coins show heads.
fn half_of(points: u64, draws: &mut Draws) -> u64 {
    if points <= EXACT {
        return draws.heads(points);
    }
    // Heads of EXACT coins, less their mean, smoothed by a uniform number within one coin; a coin is 2^32.
    let heads = i128::from(draws.heads(EXACT)) - i128::from(EXACT / 2);
    let smooth = (heads << 32) + i128::from(draws.next() >> 32) - (1 << 31);
    // The spread of n coins is sqrt(n)/2, that of EXACT ones 16: stretched by sqrt(n)/32.
    let spread = i128::from((u128::from(points) << 20).isqrt() as u64);
    let offset = (smooth * spread) >> (32 + 10 + 5);
    let half = i128::from(points / 2);
    u64::try_from((half + offset).clamp(0, i128::from(points))).unwrap_or(points / 2)
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
struct Draws(u64);

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// How many of `coins` fair ones show heads: exactly binomial.
    fn heads(&mut self, coins: u64) -> u64 {
        let whole: u64 = (0..coins / 64)
            .map(|_| u64::from(self.next().count_ones()))
            .sum();
        let rest = coins % 64;
        let mask = (1_u64 << rest) - 1;
        whole + u64::from((self.next() & mask).count_ones())
    }
}

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(GAMMA);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
