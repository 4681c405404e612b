//! Agents whose lives end again and again: who crashes too often is kept away from runs for a while. Pure.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// So many lives lost within [`WITHIN_NS`] are too many.
pub const MOST: usize = 4;
/// The time in which lost lives are counted, in nanoseconds; and how long a quarantine lasts after the last of them.
pub const WITHIN_NS: u64 = 120_000_000_000;
/// Names that are remembered; beyond, the one whose last loss is longest ago is forgotten.
const NAMES: usize = 10_000;

/// When lives were lost, by the name they had asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Crashes {
    lost: BTreeMap<String, VecDeque<u64>>,
}

impl Crashes {
    /// A life of this name was lost while it had work.
    pub fn note(&mut self, name: &str, now: u64) {
        if !self.lost.contains_key(name) && self.lost.len() >= NAMES {
            let oldest = self.lost.iter().min_by_key(|(_, times)| times.back());
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.lost.remove(&oldest);
            }
        }
        let times = self.lost.entry(name.to_owned()).or_default();
        times.push_back(now);
        if times.len() > MOST {
            times.pop_front();
        }
    }

    /// Until when an agent of this name gets no work, if it crashed too often.
    #[must_use]
    pub fn quarantined(&self, name: &str, now: u64) -> Option<u64> {
        let times = self.lost.get(name).filter(|times| times.len() >= MOST)?;
        let (first, last) = (*times.front()?, *times.back()?);
        let until = last.saturating_add(WITHIN_NS);
        (last - first <= WITHIN_NS && now < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn four_lives_in_two_minutes_are_too_many_and_it_passes() {
        let mut crashes = Crashes::default();
        for second in [10, 30, 50] {
            crashes.note("a", second * S);
            assert_eq!(crashes.quarantined("a", second * S), None);
        }
        crashes.note("a", 70 * S);
        assert_eq!(crashes.quarantined("a", 71 * S), Some(190 * S));
        assert_eq!(crashes.quarantined("b", 71 * S), None);
        assert_eq!(crashes.quarantined("a", 190 * S), None, "it may try again");
        crashes.note("a", 191 * S);
        assert_eq!(
            crashes.quarantined("a", 191 * S),
            None,
            "the old ones are long ago"
        );
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut crashes = Crashes::default();
        for index in 0..NAMES + 10 {
            crashes.note(&format!("a{index}"), index as u64);
        }
        assert_eq!(crashes.lost.len(), NAMES);
        assert!(!crashes.lost.contains_key("a0"), "the oldest went");
    }
}
