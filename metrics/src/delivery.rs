//! Which intervals came: each is merged once, in order, and what is missing is known by number.
//!
//! Knows sequences and times covered, not what is inside an interval.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What to do with an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Merge it.
    New,
    /// It was merged before: acknowledge it again, merge nothing.
    Duplicate,
    /// One before it never came: do not merge it, ask for `expected`, or give the missing up with [`Delivery::skip_to`].
    Gap {
        /// The sequence that is due.
        expected: u64,
    },
}

/// One life of an agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// The sequence that is due.
    next: u64,
    merged: u64,
    duplicates: u64,
    missing: u64,
    covered: u128,
}

/// The cursors of all agents' lives, and the counts that make up completeness.
///
/// Memory: some 100 bytes per life; who enlists agents bounds their number.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Delivery {
    cursors: BTreeMap<(u32, u64), Cursor>,
}

/// How much of what the fleet saw has been merged.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Completeness {
    /// Agents that delivered.
    pub agents: u64,
    /// Intervals merged.
    pub intervals: u64,
    /// Intervals that came again and were not merged.
    pub duplicates: u64,
    /// Intervals given up.
    pub missing: u64,
    /// Agent-nanoseconds merged.
    pub merged: u128,
    /// Agent-nanoseconds that agents held an assignment.
    pub held: u128,
}

impl Completeness {
    /// Merged of held, 0..=1; 1 if nothing was held.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.held == 0 {
            return 1.0;
        }
        (self.merged as f64 / self.held as f64).min(1.0)
    }
}

impl Delivery {
    /// Nothing came yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges an interval by its numbers, and counts it if it is new. `from` and `to` are run time nanoseconds.
    pub fn accept(
        &mut self,
        agent: u32,
        incarnation: u64,
        sequence: u64,
        from: i64,
        to: i64,
    ) -> Arrival {
        let cursor = self.cursors.entry((agent, incarnation)).or_default();
        if sequence < cursor.next {
            cursor.duplicates += 1;
            return Arrival::Duplicate;
        }
        if sequence > cursor.next {
            return Arrival::Gap {
                expected: cursor.next,
            };
        }
        cursor.next = sequence.saturating_add(1);
        cursor.merged += 1;
        // Time before T0 (setup) is nobody's share of the load.
        let covered = i128::from(to.max(0)) - i128::from(from.max(0));
        cursor.covered += u128::try_from(covered).unwrap_or(0);
        Arrival::New
    }

    /// Gives up what is before `sequence`, and counts it as missing.
    pub fn skip_to(&mut self, agent: u32, incarnation: u64, sequence: u64) {
        let cursor = self.cursors.entry((agent, incarnation)).or_default();
        cursor.missing += sequence.saturating_sub(cursor.next);
        cursor.next = cursor.next.max(sequence);
    }

    /// The sequence that is due from a life of an agent: all before it are merged or given up, and may be acknowledged.
    #[must_use]
    pub fn next(&self, agent: u32, incarnation: u64) -> u64 {
        self.cursors
            .get(&(agent, incarnation))
            .map_or(0, |cursor| cursor.next)
    }

    /// The counts so far, beside the agent-nanoseconds that agents held an assignment after T0.
    #[must_use]
    pub fn completeness(&self, held: u128) -> Completeness {
        let mut sum = Completeness {
            held,
            ..Completeness::default()
        };
        let mut last = None;
        for (&(agent, _), cursor) in &self.cursors {
            sum.agents += u64::from(last != Some(agent) && cursor.merged > 0);
            if cursor.merged > 0 {
                last = Some(agent);
            }
            sum.intervals += cursor.merged;
            sum.duplicates += cursor.duplicates;
            sum.missing += cursor.missing;
            sum.merged += cursor.covered;
        }
        sum
    }
}
