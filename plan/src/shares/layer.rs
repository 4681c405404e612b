//! One change of ownership: whose what was somebody's is after it.

use crate::stripe::{Stripe, StripeError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layer {
    Gone {
        seat: usize,
        /// Over all seats; those that take nothing weigh nothing.
        survivors: Stripe,
    },
    Came {
        seat: usize,
        part: Part,
        /// Where in `part` each other seat begins.
        stagger: Vec<u64>,
    },
}

/// What a newcomer takes of so many indexes: `weight / whole` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    weight: u64,
    whole: u64,
}

impl Part {
    fn of(self, indexes: u64) -> u64 {
        if self.weight == 0 {
            return 0;
        }
        let (weight, whole) = (u128::from(self.weight), u128::from(self.whole));
        let taken = (u128::from(indexes) * weight + whole / 2) / whole;
        // Not more than there are.
        u64::try_from(taken).unwrap_or(u64::MAX)
    }

    /// True if the `rank`-th index (from 0) is taken.
    fn takes(self, rank: u64) -> bool {
        self.of(rank + 1) > self.of(rank)
    }
}

pub(super) fn gone(seat: usize, weights: &[u32]) -> Result<Layer, StripeError> {
    let survivors = match Stripe::try_new(weights.to_vec()) {
        Err(StripeError::Nobody) => only(seat, weights.len()),
        other => other?,
    };
    Ok(Layer::Gone { seat, survivors })
}

/// A stripe that gives everything to one seat.
fn only(seat: usize, seats: usize) -> Stripe {
    Stripe::new(
        (0..seats.max(seat + 1))
            .map(|other| u32::from(other == seat))
            .collect(),
    )
}

pub(super) fn came(weights: &[u32], weight: u32) -> Layer {
    let mut others = 0;
    let stagger = weights
        .iter()
        .map(|weight| {
            let begin = others;
            others += u64::from(*weight);
            begin
        })
        .collect();
    let weight = u64::from(weight);
    Layer::Came {
        seat: weights.len(),
        part: Part {
            weight,
            whole: others + weight,
        },
        stagger,
    }
}

impl Layer {
    /// The owner after this layer of what was `owner`'s `rank`-th index before it.
    pub(super) fn owner(&self, owner: usize, rank: u64) -> usize {
        match self {
            Layer::Gone { seat, survivors } if owner == *seat => survivors.owner(rank),
            Layer::Came {
                seat,
                part,
                stagger,
            } if part.takes(rank + stagger[owner]) => *seat,
            Layer::Gone { .. } | Layer::Came { .. } => owner,
        }
    }

    /// How many indexes each seat has after this layer, of those it had before.
    pub(super) fn count(&self, counts: &mut [u64]) {
        match self {
            Layer::Gone { seat, survivors } => {
                let given = std::mem::take(&mut counts[*seat]);
                for (other, count) in counts.iter_mut().enumerate() {
                    *count += survivors.count_below(other, given);
                }
            }
            Layer::Came {
                seat,
                part,
                stagger,
            } => {
                let mut taken = 0;
                for (count, begin) in counts.iter_mut().zip(stagger) {
                    let part = part.of(begin + *count) - part.of(*begin);
                    *count -= part;
                    taken += part;
                }
                counts[*seat] += taken;
            }
        }
    }
}
