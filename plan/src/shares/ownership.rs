//! Whose indexes are at one time.

use super::layer::Layer;
use super::walk::Walk;
use crate::stripe::Stripe;

/// Whose indexes are under the first so many changes of a [`super::Shares`].
#[derive(Debug, Clone, Copy)]
pub struct Ownership<'a> {
    pub(super) base: &'a Stripe,
    pub(super) layers: &'a [Layer],
}

impl<'a> Ownership<'a> {
    /// The seat that owns index `i`.
    #[must_use]
    pub fn owner(&self, i: u64) -> usize {
        if self.layers.is_empty() {
            return self.base.owner(i);
        }
        Walk::new(*self, i).step(self).1
    }

    /// How many of the indexes below `v` are a seat's.
    #[must_use]
    pub fn count_below(&self, seat: usize, v: u64) -> u64 {
        if self.layers.is_empty() {
            return self.base.count_below(seat, v);
        }
        let counts = self.counts_below(self.seats(), v);
        counts.get(seat).copied().unwrap_or(0)
    }

    /// The `k`-th index (from 0) of a seat; `u64::MAX`, which no curve reaches, if there are fewer.
    #[must_use]
    pub fn nth(&self, seat: usize, k: u64) -> u64 {
        /// Farther than any curve; sums with it do not overflow.
        const FAR: u64 = 1 << 62;
        if self.layers.is_empty() {
            return self.base.nth(seat, k);
        }
        let mut low = k;
        let mut high = k.saturating_add(1);
        while self.count_below(seat, high) <= k {
            if high >= FAR {
                return u64::MAX;
            }
            low = high;
            high = high.saturating_mul(2).min(FAR);
        }
        // Invariant: at most k are below `low`, more than k below `high`.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.count_below(seat, middle) <= k {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The indexes of a seat from `from` (inclusive) on, in order; without end unless it owns nothing.
    pub fn indexes(&self, seat: usize, from: u64) -> impl Iterator<Item = u64> + 'a {
        let first = self.nth(seat, self.count_below(seat, from));
        let own = *self;
        let mut walk = (first != u64::MAX).then(|| Walk::new(own, first));
        std::iter::from_fn(move || {
            let walk = walk.as_mut()?;
            loop {
                let (index, owner) = walk.step(&own);
                if owner == seat {
                    return Some(index);
                }
            }
        })
    }

    /// The indexes of a seat below `v`, in order.
    pub fn below(&self, seat: usize, v: u64) -> impl Iterator<Item = u64> + 'a {
        self.indexes(seat, 0).take_while(move |index| *index < v)
    }

    /// True if nothing has changed.
    #[must_use]
    pub fn is_base(&self) -> bool {
        self.layers.is_empty()
    }

    /// Seats there are under these changes.
    #[must_use]
    pub fn seats(&self) -> usize {
        let came = self
            .layers
            .iter()
            .filter(|layer| matches!(layer, Layer::Came { .. }));
        self.base.agents() + came.count()
    }

    /// By seat, for so many seats: how many of the indexes below `v` are its own.
    pub(super) fn counts_below(&self, seats: usize, v: u64) -> Vec<u64> {
        let mut counts: Vec<u64> = (0..seats.max(self.seats()))
            .map(|seat| self.base.count_below(seat, v))
            .collect();
        for layer in self.layers {
            layer.count(&mut counts);
        }
        counts
    }
}
