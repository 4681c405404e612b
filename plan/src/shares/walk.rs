//! Going through indexes in order, while it is counted whose they are.

use super::Shares;
use super::layer::Layer;
use super::ownership::Ownership;
use std::sync::Arc;

/// When an index is a seat's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenure {
    /// The index.
    pub index: u64,
    /// After how many changes it is the seat's for the first time.
    pub first: usize,
    /// Run times from which (inclusive) and up to which (exclusive; `u64::MAX` is for good), in order and apart from one another.
    pub windows: Vec<(u64, u64)>,
}

impl Tenure {
    /// True if it is the seat's after all changes so far.
    #[must_use]
    pub fn lasts(&self) -> bool {
        self.windows.last().is_some_and(|(_, to)| *to == u64::MAX)
    }
}

/// A seat's indexes in order, or those of one of its workers; without end unless there are none.
#[derive(Debug)]
pub struct Turns {
    shares: Arc<Shares>,
    changes: usize,
    seat: usize,
    /// Of the next index, among the seat's.
    rank: u64,
    worker: u64,
    workers: u64,
    pace: Pace,
}

#[derive(Debug)]
enum Pace {
    /// The stripe knows.
    Direct,
    Step(Walk),
    Nothing,
}

impl Turns {
    pub(super) fn new(
        shares: Arc<Shares>,
        changes: usize,
        seat: usize,
        from: u64,
        (worker, workers): (usize, usize),
    ) -> Self {
        let own = shares.under(changes);
        let rank = own.count_below(seat, from);
        let pace = if own.is_base() {
            Pace::Direct
        } else {
            match own.nth(seat, rank) {
                u64::MAX => Pace::Nothing,
                first => Pace::Step(Walk::new(own, first)),
            }
        };
        Self {
            shares,
            changes,
            seat,
            rank,
            worker: worker as u64,
            workers: workers.max(1) as u64,
            pace,
        }
    }
}

impl Iterator for Turns {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        match &mut self.pace {
            Pace::Nothing => None,
            Pace::Direct => {
                let ahead = (self.worker + self.workers - self.rank % self.workers) % self.workers;
                let rank = self.rank + ahead;
                self.rank = rank + 1;
                let index = self.shares.base.nth(self.seat, rank);
                (index != u64::MAX).then_some(index)
            }
            Pace::Step(walk) => loop {
                let own = self.shares.under(self.changes);
                let (index, owner) = walk.step(&own);
                if owner == self.seat {
                    self.rank += 1;
                    if (self.rank - 1) % self.workers == self.worker {
                        return Some(index);
                    }
                }
            },
        }
    }
}

/// Goes through all indexes in order, at the cost of one step per layer for each.
#[derive(Debug)]
pub(super) struct Walk {
    next: u64,
    /// Before each layer: how many indexes below `next` each seat has.
    counts: Vec<Vec<u64>>,
}

impl Walk {
    pub(super) fn new(own: Ownership<'_>, from: u64) -> Self {
        let mut counts = Ownership { layers: &[], ..own }.counts_below(own.seats(), from);
        let mut rows = Vec::with_capacity(own.layers.len());
        for layer in own.layers {
            rows.push(counts.clone());
            layer.count(&mut counts);
        }
        Self {
            next: from,
            counts: rows,
        }
    }

    /// The next index and its owner under the same layers as ever.
    pub(super) fn step(&mut self, own: &Ownership<'_>) -> (u64, usize) {
        let index = self.next;
        self.next += 1;
        let mut owner = own.base.owner(index);
        for (layer, counts) in own.layers.iter().zip(&mut self.counts) {
            owner = pass(layer, counts, owner);
        }
        (index, owner)
    }

    /// When the next index is a seat's, if ever.
    pub(super) fn tenure(&mut self, shares: &Shares, seat: usize) -> Option<Tenure> {
        let index = self.next;
        self.next += 1;
        let mut owner = shares.base.owner(index);
        let mut found: Option<Tenure> = None;
        let mut from = 0;
        for changes in 0..=shares.changes.len() {
            if let Some(before) = changes.checked_sub(1) {
                from = shares.changes[before].0;
                let layers =
                    before.checked_sub(1).map_or(0, |i| shares.upto[i])..shares.upto[before];
                for (layer, counts) in shares.layers[layers.clone()]
                    .iter()
                    .zip(&mut self.counts[layers])
                {
                    owner = pass(layer, counts, owner);
                }
            }
            if owner != seat {
                continue;
            }
            let to = shares
                .changes
                .get(changes)
                .map_or(u64::MAX, |(next, _)| *next);
            let tenure = found.get_or_insert_with(|| Tenure {
                index,
                first: changes,
                windows: Vec::new(),
            });
            match tenure.windows.last_mut() {
                _ if from == to => {}
                Some((_, end)) if *end == from => *end = to,
                _ => tenure.windows.push((from, to)),
            }
        }
        found
    }
}

/// The owner after a layer; counts what it had before.
fn pass(layer: &Layer, counts: &mut [u64], owner: usize) -> usize {
    let rank = counts[owner];
    counts[owner] += 1;
    layer.owner(owner, rank)
}
