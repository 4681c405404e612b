//! Whose an index (VU, arrival, row) is while agents go and come: a [`Stripe`] over those that began, and changes on top of it.
//!
//! Laws: at every instant every index has one owner; a seat that goes gives its indexes, and nobody else's, to those that
//! remain; a seat that comes takes its part from all others, and nothing else moves; each share stays within one unit per change of the
//! ideal one. An index belongs, at a run time, to its owner under the changes that hold by then.
//!
//! A seat that went: its k-th index is the survivors' stripe's k-th. A seat that came: of each other seat's indexes, in their order, it
//! takes one whenever its part of them, by weight, passes another whole; seats are staggered, so that it does not take from all at once.
//!
//! Cost, for c changes and s seats there ever were: one index O(c·s), each next one of a walk O(c), the k-th of a seat as many
//! logarithmic steps of O(c·s). Without changes it is the stripe itself.

mod layer;
mod ownership;
mod walk;

pub use ownership::Ownership;
pub use walk::{Tenure, Turns};

use crate::stripe::{Stripe, StripeError};
use layer::{Layer, came, gone};
use std::sync::Arc;
use walk::Walk;

/// What becomes of one seat, from a run time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatChange {
    /// It is gone; its number is never used again.
    Gone(usize),
    /// The next seat came, with this weight.
    Came(u32),
}

/// Ownership over the time of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    base: Stripe,
    /// As given, by seat.
    given: Vec<u32>,
    /// The same, 0 once it is gone.
    weights: Vec<u32>,
    changes: Vec<(u64, SeatChange)>,
    layers: Vec<Layer>,
    /// How many of the layers each change needs, with those before it.
    upto: Vec<usize>,
}

impl Shares {
    /// Those who begin a run, by weight.
    ///
    /// # Errors
    /// If the weights cannot be striped.
    pub fn new(weights: Vec<u32>) -> Result<Self, StripeError> {
        let base = Stripe::try_new(weights.clone())?;
        Ok(Self::of(base, weights))
    }

    fn of(base: Stripe, weights: Vec<u32>) -> Self {
        Self {
            base,
            given: weights.clone(),
            weights,
            changes: Vec::new(),
            layers: Vec::new(),
            upto: Vec::new(),
        }
    }

    /// Agents that are all alike; one if there are none.
    #[must_use]
    pub fn equal(agents: u32) -> Self {
        Stripe::equal(agents).into()
    }

    /// From run time `from` (nanoseconds; not before the change before it) on, something is different. A seat that is gone already, or
    /// that nobody remains to take over from, changes nothing; it counts as a change all the same.
    ///
    /// # Errors
    /// If there is no such seat, or a newcomer's weight beside the others' is too fine to be striped. Then nothing was changed.
    pub fn change(&mut self, from: u64, change: SeatChange) -> Result<(), StripeError> {
        let layer = match change {
            SeatChange::Gone(seat) => {
                let mut weights = self.weights.clone();
                *weights.get_mut(seat).ok_or(StripeError::NoSuchSeat(seat))? = 0;
                let layer = gone(seat, &weights)?;
                self.weights = weights;
                layer
            }
            SeatChange::Came(weight) => {
                let mut weights = self.weights.clone();
                weights.push(weight);
                // Whoever goes later must leave weights that can be striped: those of fewer seats are never finer.
                if let Err(error @ StripeError::TooFine(_)) = Stripe::check(&weights) {
                    return Err(error);
                }
                let layer = came(&self.weights, weight);
                self.given.push(weight);
                self.weights = weights;
                layer
            }
        };
        let earliest = self.changes.last().map_or(0, |(from, _)| *from);
        self.changes.push((from.max(earliest), change));
        self.layers.push(layer);
        self.upto.push(self.layers.len());
        Ok(())
    }

    /// The same for an open executor's arrivals, whose VUs (at most `max_vus`) are divided by this one: a seat that owns no VU takes
    /// no arrival. If a newcomer takes a seat's last VU, that seat's arrivals go to those that have VUs.
    #[must_use]
    pub fn of_arrivals(&self, max_vus: u64) -> Self {
        let mut arrivals = Self {
            base: self.base.of_arrivals(max_vus),
            layers: Vec::new(),
            upto: Vec::new(),
            ..self.clone()
        };
        let seats = self.seats();
        let mut known = self.base.agents();
        let mut before = self.under(0).counts_below(seats, max_vus);
        for (index, (_, change)) in self.changes.iter().enumerate() {
            let after = self.under(index + 1).counts_below(seats, max_vus);
            let weigh = |vus: &[u64], seats: usize| -> Vec<u32> {
                let weight = |seat: usize| match vus[seat] {
                    0 => 0,
                    _ => self.weight_after(index, seat),
                };
                (0..seats).map(weight).collect()
            };
            match *change {
                SeatChange::Gone(seat) => {
                    arrivals.layers.extend(gone(seat, &weigh(&after, known)));
                }
                SeatChange::Came(weight) => {
                    let weight = if after[known] > 0 { weight } else { 0 };
                    arrivals.layers.push(came(&weigh(&before, known), weight));
                    known += 1;
                    let weights = weigh(&after, known);
                    // Who is left without a VU can begin nothing any more.
                    let emptied = (0..known).filter(|seat| before[*seat] > 0 && after[*seat] == 0);
                    arrivals
                        .layers
                        .extend(emptied.filter_map(|seat| gone(seat, &weights).ok()));
                }
            }
            arrivals.upto.push(arrivals.layers.len());
            before = after;
        }
        arrivals
    }

    /// The weight of a seat once the `index`-th change is made.
    fn weight_after(&self, index: usize, seat: usize) -> u32 {
        let gone = self.changes[..=index]
            .iter()
            .any(|(_, change)| *change == SeatChange::Gone(seat));
        if gone { 0 } else { self.given[seat] }
    }

    /// How many seats there ever were.
    #[must_use]
    pub fn seats(&self) -> usize {
        self.weights.len()
    }

    /// Weights by seat; 0 for those that are gone.
    #[must_use]
    pub fn weights(&self) -> &[u32] {
        &self.weights
    }

    /// The changes so far, with the run times from which they hold, in order.
    #[must_use]
    pub fn changes(&self) -> &[(u64, SeatChange)] {
        &self.changes
    }

    /// How many changes hold at a run time.
    #[must_use]
    pub fn changes_by(&self, run_ns: u64) -> usize {
        self.changes.partition_point(|(from, _)| *from <= run_ns)
    }

    /// Whose indexes are at a run time.
    #[must_use]
    pub fn at(&self, run_ns: u64) -> Ownership<'_> {
        self.under(self.changes_by(run_ns))
    }

    /// Whose indexes are under the first so many changes; under all, if there are fewer.
    #[must_use]
    pub fn under(&self, changes: usize) -> Ownership<'_> {
        let layers = match changes.min(self.upto.len()) {
            0 => 0,
            changes => self.upto[changes - 1],
        };
        Ownership {
            base: &self.base,
            layers: &self.layers[..layers],
        }
    }

    /// True if a seat was there and went, whenever that holds from.
    #[must_use]
    pub fn is_gone(&self, seat: usize) -> bool {
        self.gone_from(seat).is_some()
    }

    /// The run time from which a seat is gone.
    #[must_use]
    pub fn gone_from(&self, seat: usize) -> Option<u64> {
        let gone = |(_, change): &&(u64, SeatChange)| *change == SeatChange::Gone(seat);
        self.changes.iter().find(gone).map(|(from, _)| *from)
    }

    /// The changes of this that `other` has not, or has otherwise.
    fn news_to(&self, other: &Self) -> &[(u64, SeatChange)] {
        let pairs = self.changes.iter().zip(&other.changes);
        &self.changes[pairs.take_while(|(a, b)| a == b).count()..]
    }

    /// The run time from which this and `other` are different.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> Option<u64> {
        let firsts = [self.news_to(other).first(), other.news_to(self).first()];
        firsts.into_iter().flatten().map(|(from, _)| *from).min()
    }

    /// The run time from which a seat has less by this than by `before`: it goes, or somebody comes.
    #[must_use]
    pub fn takes_from(&self, seat: usize, before: &Self) -> Option<u64> {
        let takes = |(_, change): &&(u64, SeatChange)| match change {
            SeatChange::Gone(gone) => *gone == seat,
            SeatChange::Came(_) => seat < before.seats() && before.weights[seat] > 0,
        };
        self.news_to(before)
            .iter()
            .find(takes)
            .map(|(from, _)| *from)
    }

    /// When an index is a seat's; `None` if it never is.
    #[must_use]
    pub fn tenure(&self, seat: usize, index: u64) -> Option<Tenure> {
        let mut walk = Walk::new(self.under(usize::MAX), index);
        walk.tenure(self, seat)
    }

    /// All indexes below `below` that ever are a seat's, in order.
    pub fn tenures(&self, seat: usize, below: u64) -> impl Iterator<Item = Tenure> + '_ {
        let mut walk = Walk::new(self.under(usize::MAX), 0);
        (0..below).filter_map(move |_| walk.tenure(self, seat))
    }

    /// A seat's indexes from `from` on under the first so many changes, in order; of its `k`-th ones those with `k mod workers = worker`.
    #[must_use]
    pub fn turns(
        self: &Arc<Self>,
        changes: usize,
        seat: usize,
        from: u64,
        (worker, workers): (usize, usize),
    ) -> Turns {
        Turns::new(Arc::clone(self), changes, seat, from, (worker, workers))
    }
}

impl From<Stripe> for Shares {
    fn from(base: Stripe) -> Self {
        let weights = base.weights().to_vec();
        Self::of(base, weights)
    }
}
