//! The run second by second, for live progress and charts: a few totals and the percentiles of each second.
//!
//! When a run outgrows [`Timeline::POINTS`] seconds, neighbours are merged and each point stands for two, then four: counts are
//! added and histograms merged, so that percentiles stay percentiles. Knows neither tags nor thresholds.

use crate::{Digits, GaugeBook, Interval, Metric, Trend, TrendParts, Value};
use std::collections::{BTreeMap, VecDeque};

/// Some run seconds in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The first run second.
    pub second: i64,
    /// How many seconds.
    pub seconds: i64,
    /// Requests done.
    pub requests: f64,
    /// Requests failed.
    pub failures: u64,
    /// Iterations completed.
    pub iterations: f64,
    /// Iterations dropped.
    pub dropped: f64,
    /// The fleet's VUs (of several seconds, the largest), if somebody reported them.
    pub vus: Option<f64>,
    /// Median of `http_req_duration` in nanoseconds, within [`Digits::Two`]; `None` if no duration is known for these seconds.
    pub p50: Option<f64>,
    /// Its p(95), likewise.
    pub p95: Option<f64>,
}

/// Totals per second, bounded.
///
/// Memory: [`Timeline::POINTS`] points of some 200 bytes, each with the V2 bytes of a two-digit histogram (as a rule 0.2 to 1 KiB, at
/// most 41 KiB), and four open histograms of at most 35 KiB.
#[derive(Debug)]
pub struct Timeline {
    /// Seconds per cell.
    width: i64,
    /// By second divided by width.
    cells: BTreeMap<i64, Cell>,
    /// Cells whose histogram is open, the longest untouched first.
    open: VecDeque<i64>,
    vus: GaugeBook,
}

#[derive(Debug, Default)]
struct Cell {
    requests: f64,
    failures: u64,
    iterations: f64,
    dropped: f64,
    vus: Option<f64>,
    latency: Latency,
}

/// Durations of a cell: open while they come in, packed afterwards.
#[derive(Debug, Default)]
enum Latency {
    #[default]
    Empty,
    Open(Box<Trend>),
    Packed {
        /// Without its histogram's counts.
        figures: (u64, u128, u64, u64, u64),
        histogram: Vec<u8>,
    },
}

impl Latency {
    /// As a trend of its own.
    fn unpack(&self) -> Option<Trend> {
        match self {
            Latency::Empty => None,
            Latency::Open(trend) => Some((**trend).clone()),
            Latency::Packed { figures, histogram } => {
                let &(count, sum, min, max, clamped) = figures;
                let parts = TrendParts {
                    count,
                    sum,
                    min,
                    max,
                    clamped,
                    histogram,
                };
                // Our own bytes: they decode, or counts saturated and this point has no percentiles.
                Trend::from_parts(Digits::Two, &parts).ok()
            }
        }
    }

    fn pack(&mut self) {
        if let Latency::Open(trend) = self {
            let mut histogram = Vec::new();
            trend.histogram.to_v2(&mut histogram);
            histogram.shrink_to_fit();
            let figures = (trend.count, trend.sum, trend.min, trend.max, trend.clamped);
            *self = Latency::Packed { figures, histogram };
        }
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            width: 1,
            cells: BTreeMap::new(),
            open: VecDeque::new(),
            vus: GaugeBook::new(),
        }
    }
}

impl Timeline {
    /// Most points; beyond, they are merged two by two.
    pub const POINTS: usize = 3_600;
    /// Histograms kept unpacked: agents report about the same second.
    const OPEN: usize = 4;

    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an interval (once: see [`crate::Delivery`]). Time before T0 is left out. The counts of one that covers several seconds are
    /// spread evenly over them; its durations, which cannot be told apart, belong to its last second.
    pub fn observe(&mut self, interval: &Interval) {
        let Some((first, last)) = interval.seconds() else {
            return;
        };
        let last = last.min(GaugeBook::LAST);
        let first = first.max(0).max(last - Self::POINTS as i64);
        if last < 0 {
            return;
        }
        let mut sums = Sums::default();
        for (metric, value) in interval.series.iter().flat_map(|series| &series.values) {
            sums.add(*metric, value);
            if let (Metric::HttpReqDuration, Value::Trend(trend)) = (metric, value) {
                self.add_durations(last, trend);
            }
        }
        let seconds = last - first + 1;
        for (nth, second) in (first..=last).enumerate() {
            if let Some(level) = sums.vus {
                self.vus.record(u64::from(interval.agent), second, level);
            }
            let vus = self.vus_of(second.div_euclid(self.width));
            let cell = self.cells.entry(second.div_euclid(self.width)).or_default();
            let share = |total: f64| part(total, nth as f64, seconds as f64);
            cell.requests += share(sums.requests);
            cell.failures += share(sums.failures as f64) as u64;
            cell.iterations += share(sums.iterations);
            cell.dropped += share(sums.dropped);
            cell.vus = vus.or(cell.vus);
        }
        while self.cells.len() > Self::POINTS {
            self.coarsen();
        }
    }

    fn add_durations(&mut self, second: i64, trend: &Trend) {
        if trend.is_empty() {
            return;
        }
        let key = second.div_euclid(self.width);
        let latency = &mut self.cells.entry(key).or_default().latency;
        if let Latency::Open(open) = latency {
            open.merge(trend);
            return;
        }
        let mut open = latency
            .unpack()
            .unwrap_or_else(|| Trend::compact(Digits::Two));
        open.merge(trend);
        *latency = Latency::Open(Box::new(open));
        self.open.push_back(key);
        if self.open.len() > Self::OPEN
            && let Some(oldest) = self.open.pop_front()
            && let Some(cell) = self.cells.get_mut(&oldest)
        {
            cell.latency.pack();
        }
    }

    /// The largest of the fleet's levels in a cell's seconds, as far as they are known.
    fn vus_of(&self, key: i64) -> Option<f64> {
        (key * self.width..(key + 1) * self.width)
            .filter_map(|second| self.vus.at(second))
            .reduce(f64::max)
    }

    /// Makes one cell of each two.
    fn coarsen(&mut self) {
        self.open.clear();
        self.width *= 2;
        let mut merged: BTreeMap<i64, Cell> = BTreeMap::new();
        for (key, mut cell) in std::mem::take(&mut self.cells) {
            cell.latency.pack();
            match merged.entry(key.div_euclid(2)) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(cell);
                }
                std::collections::btree_map::Entry::Occupied(mut place) => {
                    place.get_mut().merge(cell);
                }
            }
        }
        self.cells = merged;
    }

    /// Seconds per point now.
    #[must_use]
    pub fn width(&self) -> i64 {
        self.width
    }

    /// The points in order of time; seconds that nobody reported are left out.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.cells.iter().map(|(&key, cell)| self.point(key, cell))
    }

    /// The newest point that holds this second, or is before it.
    #[must_use]
    pub fn point_at(&self, second: i64) -> Option<Point> {
        let key = second.div_euclid(self.width);
        let (&key, cell) = self.cells.range(..=key).next_back()?;
        Some(self.point(key, cell))
    }

    fn point(&self, key: i64, cell: &Cell) -> Point {
        let unpacked;
        let trend = match &cell.latency {
            Latency::Open(trend) => Some(&**trend),
            other => {
                unpacked = other.unpack();
                unpacked.as_ref()
            }
        };
        Point {
            second: key * self.width,
            seconds: self.width,
            requests: cell.requests,
            failures: cell.failures,
            iterations: cell.iterations,
            dropped: cell.dropped,
            vus: cell.vus,
            p50: trend.map(|trend| trend.quantile(0.5)),
            p95: trend.map(|trend| trend.quantile(0.95)),
        }
    }
}

impl Cell {
    fn merge(&mut self, other: Cell) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.iterations += other.iterations;
        self.dropped += other.dropped;
        self.vus = [self.vus, other.vus].into_iter().flatten().reduce(f64::max);
        self.latency = match (self.latency.unpack(), other.latency.unpack()) {
            (Some(mut mine), Some(theirs)) => {
                mine.merge(&theirs);
                Latency::Open(Box::new(mine))
            }
            (Some(one), None) | (None, Some(one)) => Latency::Open(Box::new(one)),
            (None, None) => Latency::Empty,
        };
        self.latency.pack();
    }
}

/// An interval's totals over its series.
#[derive(Default)]
struct Sums {
    requests: f64,
    failures: u64,
    iterations: f64,
    dropped: f64,
    vus: Option<f64>,
}

impl Sums {
    fn add(&mut self, metric: Metric, value: &Value) {
        match (metric, value) {
            (Metric::HttpReqs, Value::Counter(sum)) => self.requests += sum,
            (Metric::HttpReqFailed, Value::Rate { passes, .. }) => self.failures += passes,
            (Metric::Iterations, Value::Counter(sum)) => self.iterations += sum,
            (Metric::DroppedIterations, Value::Counter(sum)) => self.dropped += sum,
            (Metric::Vus, Value::Gauge { last, .. }) => {
                self.vus = Some(self.vus.unwrap_or(0.0) + last);
            }
            _ => {}
        }
    }
}

/// The nth of so many parts of a total, in whole units; the parts add up to the total.
fn part(total: f64, nth: f64, parts: f64) -> f64 {
    let until = |n: f64| {
        if n == parts {
            total
        } else {
            (total * n / parts).floor()
        }
    };
    until(nth + 1.0) - until(nth)
}
