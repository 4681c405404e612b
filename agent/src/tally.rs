//! Running totals of each scenario, counted apart from the histograms, so that what was merged can be held against them.
//!
//! Each worker counts in its own cells; readers add them up. Nobody waits for anybody.

use proto::v1::ScenarioTotals;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

macro_rules! cells {
    ($($name:ident $doc:literal),* $(,)?) => {
        /// One worker's counts of one scenario.
        #[derive(Debug, Default)]
        #[repr(align(128))] // a cache line pair of its own: workers do not share one
        pub(crate) struct Cells {
            $(#[doc = $doc] pub(crate) $name: Cell,)*
            /// VU time held, as it goes on.
            held: Mutex<Held>,
        }

        impl Cells {
            fn add_to(&self, totals: &mut ScenarioTotals) { $(totals.$name += self.$name.get();)* }
        }
    };
}

cells! {
    begun "Iterations begun.",
    completed "Iterations that came to their end, early stops included.",
    interrupted "Iterations that were cut.",
    in_flight "Iterations running now.",
    dropped "Arrivals that were due while no VU was free.",
    expired "Arrivals that were found later than catchUp after they were due.",
    requests "Requests recorded in http_reqs.",
    requests_cut "Requests that were on the wire when their iteration was cut.",
    due "Arrivals of this agent's share that were due so far.",
}

/// VU time held by one worker's VUs of one scenario. It is counted a few times a second, and at a rate that is known it grows on.
#[derive(Debug, Default)]
struct Held {
    counted: Duration,
    going: Option<Onward>,
}

/// How held VU time grows after it was counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Onward {
    /// When it was counted.
    pub(crate) since: Instant,
    /// VUs that were within their spans then.
    pub(crate) vus: u32,
    /// When a pause begins, or the last of them has come to the end of its span.
    pub(crate) until: Instant,
}

impl Onward {
    fn by(&self, now: Instant) -> Duration {
        now.min(self.until).saturating_duration_since(self.since) * self.vus
    }
}

impl Cells {
    /// VU time was counted, and grows so.
    pub(crate) fn held(&self, time: Duration, going: Option<Onward>) {
        let mut held = self.lock();
        held.counted += time;
        held.going = going;
    }

    /// One VU's was counted, which is held no longer; of those that grew, if it was one of them.
    pub(crate) fn held_by_one(&self, time: Duration, grew: bool) {
        let mut held = self.lock();
        held.counted += time;
        if let Some(going) = held.going.as_mut().filter(|_| grew) {
            going.vus = going.vus.saturating_sub(1);
        }
    }

    // The two that meet here look in a few times a second, for a few instructions.
    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    /// Adds.
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Takes away.
    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Relaxed);
    }

    /// The count.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One worker's counts, by scenario.
pub(crate) type Tally = Arc<[Cells]>;

/// A worker's empty counts.
pub(crate) fn tally(scenarios: usize) -> Tally {
    (0..scenarios).map(|_| Cells::default()).collect()
}

/// The counts of all workers, by scenario.
pub(crate) fn totals(names: &[String], tallies: &[Tally], now: Instant) -> Vec<ScenarioTotals> {
    names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let mut totals = ScenarioTotals {
                scenario: name.clone(),
                ..Default::default()
            };
            for tally in tallies {
                let cells = &tally[i];
                cells.add_to(&mut totals);
                let held = cells.lock();
                let grown = held.going.map_or(Duration::ZERO, |going| going.by(now));
                totals.vu_ns += nanos(held.counted);
                totals.vu_ns_now += nanos(held.counted + grown);
            }
            totals
        })
        .collect()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
