//! A hard ceiling on an agent's requests per second, whoever directs it. A request beyond it waits for its turn before it is sent; the
//! wait is the agent's own doing, so it is no part of any duration of the target, and it is counted.
//!
//! The generic cell rate algorithm (ITU-T I.371): each request takes the next of evenly spaced turns, and one that comes a little
//! early (a twentieth of a second's worth) goes at once. So in any span T at most `rate × (T + 0.05 s) + 1` requests are sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// By how much the turns may be run ahead of.
const AHEAD: u64 = 50_000_000;

/// The ceiling of one agent, over all its workers and runs.
#[derive(Debug)]
pub struct Ceiling {
    rate: u32,
    base: Instant,
    /// Between turns, in nanoseconds.
    between: u64,
    /// When the next turn is, in nanoseconds since `base`.
    next: AtomicU64,
    held: AtomicU64,
}

impl Ceiling {
    /// At most `rate` requests a second; at least one.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        let rate = rate.max(1);
        Self {
            rate,
            base: super::clock::now(),
            between: 1_000_000_000_u64.div_ceil(rate.into()),
            next: AtomicU64::new(0),
            held: AtomicU64::new(0),
        }
    }

    /// Requests a second.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Requests that had to wait so far.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes the next turn; how long to wait for it.
    pub(super) fn turn(&self, now: Instant) -> Duration {
        let now = now.saturating_duration_since(self.base).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        // One word, changed in one step: nothing else is ordered by it.
        let taken = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                Some(next.max(now).saturating_add(self.between))
            });
        let turn = taken.unwrap_or_else(|turn| turn).max(now);
        let wait = turn.saturating_sub(now.saturating_add(AHEAD));
        if wait > 0 {
            self.held.fetch_add(1, Ordering::Relaxed);
        }
        Duration::from_nanos(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of `count` requests goes, in nanoseconds, if all come at once after an idle second.
    fn burst(ceiling: &Ceiling, count: usize) -> Vec<u64> {
        let now = ceiling.base + Duration::from_secs(1);
        (0..count)
            .map(|_| u64::try_from(ceiling.turn(now).as_nanos()).unwrap_or(u64::MAX))
            .collect()
    }

    #[test]
    fn no_span_holds_more_than_the_rate() {
        for rate in [1, 3, 100, 7919, 50_000] {
            let ceiling = Ceiling::new(rate);
            let sent = burst(&ceiling, 3 * rate as usize + 10);
            for span in [10_000_000_u64, 500_000_000, 1_000_000_000] {
                let most = u64::from(rate) * (span + AHEAD) / 1_000_000_000 + 1;
                let mut begin = 0;
                for (end, at) in sent.iter().enumerate() {
                    while sent[begin] + span <= *at {
                        begin += 1;
                    }
                    assert!((end - begin) as u64 <= most, "{rate}/s in {span} ns");
                }
            }
            let last = sent.last().copied().unwrap_or(0);
            let wanted = 3_000_000_000_f64;
            assert!(last as f64 > wanted - 1e8, "{rate}/s: {last}");
        }
    }

    #[test]
    fn a_load_below_it_never_waits() {
        let ceiling = Ceiling::new(100);
        for i in 0..1000_u32 {
            // A hundred a second, each up to 20 ms early.
            let jitter = Duration::from_millis(u64::from(i * 7 % 20));
            let now =
                ceiling.base + Duration::from_millis(10) * i + Duration::from_millis(20) - jitter;
            assert_eq!(ceiling.turn(now), Duration::ZERO, "{i}");
        }
        assert_eq!(ceiling.held(), 0);
    }
}
