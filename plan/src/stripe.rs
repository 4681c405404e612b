//! Which indexes (VUs, arrivals, rows) belong to which agent.
//!
//! Laws: every index has one owner; shares of any whole sum to it; a share never shrinks as the whole grows; each share is
//! less than one unit from the ideal one.

use thiserror::Error;

/// The longest pattern: the sum of the weights after division by their greatest common divisor.
pub const LONGEST_PATTERN: u64 = 10_000;

/// A division of all indexes 0, 1, 2, … over agents by weight. N equal agents: `owner(i) = i mod N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stripe {
    /// One per agent, divided by their greatest common divisor. An agent of weight zero owns nothing.
    weights: Vec<u32>,
    pattern: Pattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `i mod N`.
    Equal,
    /// The owners of one period, and for each agent its indexes in it.
    Weighted {
        owners: Vec<u32>,
        owned: Vec<Vec<u32>>,
    },
}

/// Why weights cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StripeError {
    /// No agent, or all weights are zero.
    #[error("at least one agent must have a weight above zero")]
    Nobody,
    /// The pattern would be too long.
    #[error(
        "the weights add up to {0} after division by their greatest common divisor; at most {LONGEST_PATTERN} can be striped: use rounder weights"
    )]
    TooFine(u64),
    /// A change names a seat that never was.
    #[error("there is no seat {0}")]
    NoSuchSeat(usize),
}

impl Stripe {
    /// A stripe over `weights.len()` agents whose weights were checked before.
    ///
    /// # Panics
    /// If [`Stripe::try_new`] refuses the weights.
    #[must_use]
    pub fn new(weights: Vec<u32>) -> Self {
        match Self::try_new(weights) {
            Ok(stripe) => stripe,
            Err(error) => panic!("{error}"),
        }
    }

    /// A stripe over `agents` equal agents; one if it is zero.
    #[must_use]
    pub fn equal(agents: u32) -> Self {
        Self {
            weights: vec![1; agents.max(1) as usize],
            pattern: Pattern::Equal,
        }
    }

    /// A stripe over `weights.len()` agents.
    ///
    /// # Errors
    /// If nobody has a weight, or the weights are too fine to be striped.
    pub fn try_new(weights: Vec<u32>) -> Result<Self, StripeError> {
        let (divisor, period) = Self::check(&weights)?;
        let weights: Vec<u32> = weights.iter().map(|w| w / divisor).collect();
        if weights.iter().all(|w| *w == 1) {
            return Ok(Self {
                weights,
                pattern: Pattern::Equal,
            });
        }
        let owners = chairman(&weights, period);
        let mut owned = vec![Vec::new(); weights.len()];
        for (i, owner) in (0..).zip(&owners) {
            owned[*owner as usize].push(i);
        }
        Ok(Self {
            weights,
            pattern: Pattern::Weighted { owners, owned },
        })
    }

    /// The weights' greatest common divisor, and the length of their pattern.
    pub(crate) fn check(weights: &[u32]) -> Result<(u32, u64), StripeError> {
        let divisor = weights.iter().copied().fold(0, greatest_common_divisor);
        if divisor == 0 {
            return Err(StripeError::Nobody);
        }
        let period = weights.iter().map(|w| u64::from(w / divisor)).sum();
        if period > LONGEST_PATTERN && weights.iter().any(|w| *w != divisor) {
            return Err(StripeError::TooFine(period));
        }
        Ok((divisor, period))
    }

    /// The stripe of an open executor's arrivals, whose VUs (at most `max_vus`) are divided by this one: an agent that owns no
    /// VU owns no arrival either.
    #[must_use]
    pub fn of_arrivals(&self, max_vus: u64) -> Self {
        let weights = self
            .weights
            .iter()
            .enumerate()
            .map(|(agent, weight)| match self.count_below(agent, max_vus) {
                0 => 0,
                _ => *weight,
            })
            .collect();
        // Fewer weights than ours, so their pattern is no longer; with no VU at all nobody can begin anything.
        Self::try_new(weights).unwrap_or_else(|_| self.clone())
    }

    /// One per agent, divided by their greatest common divisor.
    pub(crate) fn weights(&self) -> &[u32] {
        &self.weights
    }

    /// How many agents there are, those of weight zero included.
    #[must_use]
    pub fn agents(&self) -> usize {
        self.weights.len()
    }

    /// The agent that owns index `i`.
    #[must_use]
    pub fn owner(&self, i: u64) -> usize {
        match &self.pattern {
            Pattern::Equal => usize_of(i % self.weights.len() as u64),
            Pattern::Weighted { owners, .. } => owners[usize_of(i % owners.len() as u64)] as usize,
        }
    }

    /// How many of the indexes below `v` are `agent`'s: its share of a whole of `v`.
    #[must_use]
    pub fn count_below(&self, agent: usize, v: u64) -> u64 {
        match &self.pattern {
            Pattern::Equal => {
                let (n, agent) = (self.weights.len() as u64, agent as u64);
                if agent >= n {
                    return 0;
                }
                v / n + u64::from(v % n > agent)
            }
            Pattern::Weighted { owners, owned } => {
                let Some(mine) = owned.get(agent) else {
                    return 0;
                };
                let period = owners.len() as u64;
                let rest = v % period;
                let partial = mine.partition_point(|i| u64::from(*i) < rest);
                v / period * mine.len() as u64 + partial as u64
            }
        }
    }

    /// The `k`-th index (from 0) of `agent`. `u64::MAX`, which no curve reaches, if it owns nothing or so many never come.
    #[must_use]
    pub fn nth(&self, agent: usize, k: u64) -> u64 {
        let (count, period, place) = match &self.pattern {
            Pattern::Equal if agent < self.weights.len() => {
                (1, self.weights.len() as u64, agent as u64)
            }
            Pattern::Weighted { owners, owned } if !self.owns_nothing(agent) => {
                let mine = &owned[agent];
                let count = mine.len() as u64;
                (
                    count,
                    owners.len() as u64,
                    u64::from(mine[usize_of(k % count)]),
                )
            }
            Pattern::Equal | Pattern::Weighted { .. } => return u64::MAX,
        };
        (k / count).saturating_mul(period).saturating_add(place)
    }

    fn owns_nothing(&self, agent: usize) -> bool {
        self.weights.get(agent).is_none_or(|weight| *weight == 0)
    }

    /// The indexes of `agent` from `from` (inclusive) on, in order, without end.
    pub fn indexes(&self, agent: usize, from: u64) -> impl Iterator<Item = u64> + '_ {
        let first = self.count_below(agent, from);
        (first..)
            .map(move |k| self.nth(agent, k))
            .take_while(|i| *i != u64::MAX)
    }

    /// The indexes of `agent` below `v`, in order.
    pub fn below(&self, agent: usize, v: u64) -> impl Iterator<Item = u64> + '_ {
        (0..self.count_below(agent, v)).map(move |k| self.nth(agent, k))
    }
}

/// An index within a pattern, which is no longer than memory.
fn usize_of(i: u64) -> usize {
    usize::try_from(i).expect("a position within a pattern that is in memory")
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// One period of R. Tijdeman's solution of the chairman assignment problem (Discrete Mathematics 32, 1980): after every
/// prefix each of n agents is within 1 - 1/(2n-2) of its ideal share.
///
/// Step k (from 1) goes, among the agents for which `k·λ - taken >= 1/(2n-2)`, to the one with the smallest
/// `(1 - 1/(2n-2) - (k·λ - taken)) / λ`: the one that would be late first. All of it times `(2n-2)·period`.
fn chairman(weights: &[u32], period: u64) -> Vec<u32> {
    let active: Vec<(u32, i128)> = (0..)
        .zip(weights)
        .filter(|(_, weight)| **weight > 0)
        .map(|(agent, weight)| (agent, i128::from(*weight)))
        .collect();
    if active.iter().all(|(_, weight)| *weight == 1) {
        // What it comes to: all are equally behind, so each has its turn. A thousand agents of which one is gone need no million steps.
        return active.iter().map(|(agent, _)| *agent).collect();
    }
    let scale = 2 * active.len() as i128 - 2;
    let period = i128::from(period);
    let mut taken = vec![0_i128; active.len()];
    (1..=period)
        .map(|k| {
            let next = (0..active.len())
                .filter_map(|j| {
                    let weight = active[j].1;
                    let behind = scale * (k * weight - taken[j] * period);
                    (behind >= period).then(|| (j, period * (scale - 1) - behind, weight))
                })
                // a/b < c/d as a·d < c·b: weights are positive. The first of equals wins.
                .min_by(|(_, a, b), (_, c, d)| (a * d).cmp(&(c * b)))
                .map_or(0, |(j, _, _)| j);
            taken[next] += 1;
            active[next].0
        })
        .collect()
}
