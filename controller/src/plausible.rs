//! What an agent may say of itself: numbers that no sound agent comes to are left out where they come in, with a line.
//!
//! So a broken or hostile agent spoils its own books and nobody else's, and sums over a fleet stay far from what an integer holds. Pure.

use crate::active::Said;
use proto::v1::ScenarioTotals;

/// No count is larger: a million a second for nine years.
pub const MOST: u64 = 1 << 48;
/// No sum of VU time is longer, in nanoseconds: 100,000 VUs for half a day.
pub const LONGEST_NS: u64 = 1 << 62;
/// No life of an agent makes more intervals: one a second for 136 years.
pub const INTERVALS: u64 = 1 << 32;
/// No round trip counts as longer, in nanoseconds: orders are given some round trips ahead, and nobody is to put them off for ever.
pub const RTT_NS: u64 = 10_000_000_000;

/// Takes what cannot be out of a message. What that was, if there was something.
pub fn strip(said: &mut Said) -> Option<String> {
    let (totals, intervals) = match said {
        Said::Heartbeat(heartbeat) => (&mut heartbeat.totals, None),
        Said::Done(done) => (&mut done.totals, Some(&mut done.intervals)),
        _ => return None,
    };
    let mut found = None;
    if let Some((what, count)) = totals.iter().find_map(beyond) {
        totals.clear();
        found = Some(format!("it counts {count} {what}"));
    }
    if let Some(intervals) = intervals.filter(|intervals| **intervals > INTERVALS) {
        found = Some(format!("it says that it made {intervals} intervals"));
        *intervals = 0;
    }
    found
}

/// The first number that is too large, and what it counts.
fn beyond(totals: &ScenarioTotals) -> Option<(&'static str, u64)> {
    let counts = [
        ("iterations begun", totals.begun),
        ("iterations completed", totals.completed),
        ("iterations interrupted", totals.interrupted),
        ("iterations in flight", totals.in_flight),
        ("iterations dropped", totals.dropped),
        ("iterations expired", totals.expired),
        ("iterations due", totals.due),
        ("requests", totals.requests),
        ("requests cut", totals.requests_cut),
    ];
    let large = counts.into_iter().find(|(_, count)| *count > MOST);
    let vu_ns = totals.vu_ns.max(totals.vu_ns_now);
    large.or((vu_ns > LONGEST_NS).then_some(("ns of VU time", vu_ns)))
}

/// Adds counts; what would not fit stays at the largest there is.
pub fn sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::{Done, Heartbeat};

    fn totals(set: fn(&mut ScenarioTotals, u64), count: u64) -> Vec<ScenarioTotals> {
        let mut totals = ScenarioTotals::default();
        set(&mut totals, count);
        vec![ScenarioTotals::default(), totals]
    }

    #[test]
    fn every_count_has_a_limit_that_still_counts() {
        type Set = fn(&mut ScenarioTotals, u64);
        let sets: [(Set, u64, &str); 11] = [
            (|t, n| t.begun = n, MOST, "begun"),
            (|t, n| t.completed = n, MOST, "completed"),
            (|t, n| t.interrupted = n, MOST, "interrupted"),
            (|t, n| t.in_flight = n, MOST, "in flight"),
            (|t, n| t.dropped = n, MOST, "dropped"),
            (|t, n| t.expired = n, MOST, "expired"),
            (|t, n| t.due = n, MOST, "due"),
            (|t, n| t.requests = n, MOST, "requests"),
            (|t, n| t.requests_cut = n, MOST, "requests cut"),
            (|t, n| t.vu_ns = n, LONGEST_NS, "VU time"),
            (|t, n| t.vu_ns_now = n, LONGEST_NS, "VU time"),
        ];
        for (set, most, word) in sets {
            for (count, kept) in [(most, true), (most + 1, false), (u64::MAX, false)] {
                let totals = totals(set, count);
                let mut heartbeat = Said::Heartbeat(Heartbeat {
                    totals: totals.clone(),
                    ..Heartbeat::default()
                });
                let mut done = Said::Done(Done {
                    totals: totals.clone(),
                    intervals: INTERVALS,
                    ..Done::default()
                });
                for said in [&mut heartbeat, &mut done] {
                    let found = strip(said);
                    assert_eq!(found.is_none(), kept, "{word}: {count}");
                    assert!(found.is_none_or(|what| what.contains(word)));
                }
                let left = if kept { totals } else { Vec::new() };
                assert!(matches!(&heartbeat, Said::Heartbeat(h) if h.totals == left));
                assert!(
                    matches!(&done, Said::Done(d) if d.totals == left && d.intervals == INTERVALS)
                );
            }
        }
    }

    #[test]
    fn a_life_that_says_it_made_too_many_intervals_is_not_waited_for() {
        let mut done = Said::Done(Done {
            intervals: INTERVALS + 1,
            ..Done::default()
        });
        assert!(strip(&mut done).is_some_and(|what| what.contains("4294967297 intervals")));
        assert!(matches!(&done, Said::Done(done) if done.intervals == 0));
        assert_eq!(sum([u64::MAX, 3]), u64::MAX);
    }
}
