//! Points for charts: a second each, and however long a run is, no more than [`MOST`]: then two neighbours become one, by adding up what
//! they measured. Quantiles come from the merged histograms, of two significant digits (within 0.4 %), never from other quantiles. Pure.

use super::figures::Figures;
use super::load::Load;
use crate::timeline::Point;
use metrics::Digits;
use proto::v1::Second;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most points.
pub const MOST: usize = 600;
const SECOND: i64 = 1_000_000_000;

/// What is known of some time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What was measured.
    pub figures: Figures,
    /// What load was made.
    pub load: Load,
    /// Run time up to which something is known, in nanoseconds.
    pub until: i64,
}

impl Cell {
    /// Nothing yet.
    #[must_use]
    pub fn new(digits: Digits) -> Self {
        Self {
            figures: Figures::new(digits),
            load: Load::default(),
            until: 0,
        }
    }

    /// Adds what came after it, or late.
    pub fn merge(&mut self, later: &Cell) {
        self.figures.merge(&later.figures);
        self.load.merge(&later.load);
        self.until = self.until.max(later.until);
    }
}

/// The points of a run so far.
///
/// Memory: [`MOST`] two-digit histograms, as a rule 2 to 8 KiB each and at most 35, and some 200 bytes beside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Points {
    /// Seconds per point; a power of two.
    width: i64,
    /// By second divided by width.
    cells: BTreeMap<i64, Cell>,
    /// Those that changed since they were told.
    changed: BTreeSet<i64>,
    /// True if all of them did.
    redrawn: bool,
    /// As they were told, those that did not change since.
    #[serde(skip)]
    told: BTreeMap<i64, Second>,
}

impl Default for Points {
    fn default() -> Self {
        Self {
            width: 1,
            cells: BTreeMap::new(),
            changed: BTreeSet::new(),
            redrawn: false,
            told: BTreeMap::new(),
        }
    }
}

impl Points {
    /// Adds what is known of a second.
    pub fn add(&mut self, second: i64, cell: &Cell) {
        let key = second.div_euclid(self.width);
        let place = self.cells.entry(key);
        place.or_insert_with(|| Cell::new(Digits::Two)).merge(cell);
        self.changed.insert(key);
        self.told.remove(&key);
        while self.cells.len() > MOST {
            self.thin();
        }
    }

    /// Makes one of each two.
    fn thin(&mut self) {
        self.width *= 2;
        for (key, cell) in std::mem::take(&mut self.cells) {
            let place = self.cells.entry(key.div_euclid(2));
            place.or_insert_with(|| Cell::new(Digits::Two)).merge(&cell);
        }
        self.changed.clear();
        self.told.clear();
        self.redrawn = true;
    }

    /// What is to be told since the last time: true if it is all there is.
    pub fn news(&mut self) -> (bool, Vec<Second>) {
        let changed = std::mem::take(&mut self.changed);
        if std::mem::take(&mut self.redrawn) {
            return (true, self.seconds());
        }
        let told = changed.into_iter().filter_map(|key| self.tell(key));
        (false, told.collect())
    }

    /// All of them, as they are told.
    #[must_use]
    pub fn seconds(&mut self) -> Vec<Second> {
        let keys: Vec<i64> = self.cells.keys().copied().collect();
        keys.into_iter().filter_map(|key| self.tell(key)).collect()
    }

    /// One of them; its quantiles are looked up once.
    fn tell(&mut self, key: i64) -> Option<Second> {
        if let Some(told) = self.told.get(&key) {
            return Some(*told);
        }
        let second = self.second(key, self.cells.get(&key)?);
        self.told.insert(key, second);
        Some(second)
    }

    /// All of them, for the report.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        let cells = self.cells.iter();
        let point = |(key, cell): (&i64, &Cell)| Point::new(&self.second(*key, cell), &cell.load);
        cells.map(point).collect()
    }

    fn second(&self, key: i64, cell: &Cell) -> Second {
        let load = &cell.load;
        let from = key * self.width * SECOND;
        Second {
            span: Some(cell.figures.span(from, cell.until.max(from))),
            vus_planned: load.mean(load.vus_planned),
            vus: load.mean(load.vus + load.vus_open),
            vus_open: load.mean(load.vus_open),
            due: load.mean(load.due),
            begun: load.mean(load.begun),
            agents: load.agents,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::Trend;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn thinning_keeps_sums_and_the_merged_quantiles(
            durations in proptest::collection::vec(1_000u64..60_000_000_000, 1..3_000),
        ) {
            let mut points = Points::default();
            let mut all = Trend::compact(Digits::Two);
            for (second, ns) in (0..).zip(&durations) {
                let mut cell = Cell::new(Digits::Three);
                cell.figures.requests = 1;
                cell.figures.durations.record(*ns);
                // Told to three digits, kept to two.
                all.merge(&cell.figures.durations);
                points.add(second, &cell);
            }
            prop_assert!(points.cells.len() <= MOST);
            let mut sum = Figures::new(Digits::Two);
            for cell in points.cells.values() {
                sum.merge(&cell.figures);
            }
            prop_assert_eq!(sum.requests, durations.len() as u64);
            prop_assert_eq!(&sum.durations, &all);
            let span = sum.span(0, SECOND);
            let mut sorted = durations.clone();
            sorted.sort_unstable();
            prop_assert_eq!(span.max_ns, sorted[sorted.len() - 1]);
            let middle = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) as f64 / 2.0;
            prop_assert!((span.p50_ns as f64 - middle).abs() <= middle * 0.006, "{} {middle}", span.p50_ns);
        }
    }
}
