//! Leases of `shared-iterations`: indexes in blocks, each handed out at most once.
//!
//! Pure. What a lost agent had leased and not begun is counted lost, never handed out again.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest block of one grant; an agent that wants more asks again.
pub const LARGEST: u64 = 1 << 20;

/// A block of indexes, `from..to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The first.
    pub from: u64,
    /// One beyond the last; equal to `from` when nothing is left.
    pub to: u64,
    /// True when no index is left after this block.
    pub last: bool,
}

/// The indexes of one scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pool {
    total: u64,
    next: u64,
    granted: BTreeMap<u32, u64>,
}

impl Pool {
    /// A pool of `total` indexes, none granted.
    #[must_use]
    pub fn new(total: u64) -> Self {
        Self {
            total,
            next: 0,
            granted: BTreeMap::new(),
        }
    }

    /// The next block for a seat.
    pub fn grant(&mut self, seat: u32, want: u64) -> Grant {
        let from = self.next;
        let to = from + want.min(LARGEST).min(self.total - from);
        self.next = to;
        *self.granted.entry(seat).or_default() += to - from;
        Grant {
            from,
            to,
            last: to == self.total,
        }
    }

    /// How many indexes a seat was granted.
    #[must_use]
    pub fn granted_to(&self, seat: u32) -> u64 {
        self.granted.get(&seat).copied().unwrap_or(0)
    }

    /// How many were granted to anybody.
    #[must_use]
    pub fn granted(&self) -> u64 {
        self.next
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_granted_at_most_once_and_the_last_is_said() {
        let mut pool = Pool::new(10);
        let mut seen = Vec::new();
        for (seat, want) in [(0, 4), (1, 3), (0, 0), (1, 9), (0, 5)] {
            let grant = pool.grant(seat, want);
            seen.extend(grant.from..grant.to);
            assert_eq!(grant.last, grant.to == 10);
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!((pool.granted_to(0), pool.granted_to(1)), (4, 6));
    }

    #[test]
    fn a_greedy_wish_is_cut() {
        let mut pool = Pool::new(u64::MAX);
        assert_eq!(pool.grant(0, u64::MAX).to, LARGEST);
    }
}
