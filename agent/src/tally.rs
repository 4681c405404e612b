//! Running totals of each scenario, counted apart from the histograms, so that what was merged can be held against them.
//!
//! Each worker counts in its own cells; readers add them up. Nobody waits for anybody.

use proto::v1::ScenarioTotals;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! cells {
    ($($name:ident $doc:literal),* $(,)?) => {
        /// One worker's counts of one scenario.
        #[derive(Debug, Default)]
        #[repr(align(128))] // a cache line pair of its own: workers do not share one
        pub(crate) struct Cells { $(#[doc = $doc] pub(crate) $name: Cell,)* }

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
    vu_ns "VU time held, nanoseconds.",
    due "Arrivals of this agent's share that were due so far.",
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
pub(crate) fn totals(names: &[String], tallies: &[Tally]) -> Vec<ScenarioTotals> {
    names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let mut totals = ScenarioTotals {
                scenario: name.clone(),
                ..Default::default()
            };
            for tally in tallies {
                tally[i].add_to(&mut totals);
            }
            totals
        })
        .collect()
}
