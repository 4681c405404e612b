//! Seconds put together from what agents deliver: a second is complete when every live agent has delivered it, or its lease has passed.
//! What comes later makes a frame of its own, so that nothing is lost and nothing comes twice. Pure: it is told the time.

use super::rows::Rows;
use metrics::{GaugeBook, Interval, Kind, Metric, Tags, Value};
use std::collections::{BTreeMap, BTreeSet};

const SECOND: i64 = 1_000_000_000;
/// Series of gauges of which levels are kept.
const GAUGES: usize = 1_000;

/// What is known of one second at the time it is let go.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The run second.
    pub second: i64,
    /// 0 for the first frame of a second; another number for what came later.
    pub later: u32,
    /// What each agent delivered, by seat.
    pub seats: BTreeMap<u32, Rows>,
    /// The whole fleet's: values merged, levels added up.
    pub fleet: Rows,
}

/// Frames being put together.
#[derive(Debug)]
pub struct Frames {
    lease: i64,
    open: BTreeMap<i64, BTreeMap<u32, Rows>>,
    late: BTreeMap<i64, BTreeMap<u32, Rows>>,
    /// Every second before this one was let go.
    closed: i64,
    /// Where each seat's newest interval ends.
    until: BTreeMap<u32, i64>,
    levels: BTreeMap<(Tags, Metric), GaugeBook>,
    laters: u32,
}

impl Frames {
    /// None yet. `lease` in nanoseconds.
    #[must_use]
    pub fn new(lease: u64) -> Self {
        Self {
            lease: i64::try_from(lease).unwrap_or(i64::MAX),
            open: BTreeMap::new(),
            late: BTreeMap::new(),
            closed: 0,
            until: BTreeMap::new(),
            levels: BTreeMap::new(),
            laters: 0,
        }
    }

    /// Takes an interval (once: see [`metrics::Delivery`]). One that covers several seconds belongs to its last one, for its values
    /// cannot be told apart; its levels hold for each.
    pub fn add(&mut self, interval: Interval) {
        let Some((first, last)) = interval.seconds() else {
            return;
        };
        // Seconds before T0 have no load; run seconds beyond ten years are nonsense.
        let last = last.clamp(0, GaugeBook::LAST);
        let first = first.clamp((last - GaugeBook::WINDOW as i64).max(0), last);
        let until = self.until.entry(interval.agent).or_default();
        *until = interval.to.max(*until);
        let place = if last < self.closed {
            &mut self.late
        } else {
            &mut self.open
        };
        let rows = place
            .entry(last)
            .or_default()
            .entry(interval.agent)
            .or_default();
        for series in interval.series {
            for (metric, value) in series.values {
                if let Value::Gauge { last: level, .. } = value {
                    rows.set(&series.tags, metric, level);
                    let key = (series.tags.clone(), metric);
                    if self.levels.len() < GAUGES || self.levels.contains_key(&key) {
                        let book = self.levels.entry(key).or_default();
                        for second in first..=last {
                            book.record(u64::from(interval.agent), second, level);
                        }
                    }
                } else {
                    rows.take(&series.tags, metric, value);
                }
            }
        }
    }

    /// The frames that are due: of seconds that are complete, and of what came after its second was let go. `live` are the seats
    /// that still deliver.
    pub fn due(&mut self, run_now: i64, live: &BTreeSet<u32>) -> Vec<Frame> {
        let delivered = live
            .iter()
            // One that came just now has nothing to deliver of before.
            .map(|seat| *self.until.entry(*seat).or_insert(run_now))
            .min();
        // Nobody is awaited: all that is here is all there will be.
        let delivered = delivered.map_or(i64::MAX, |until| until.div_euclid(SECOND));
        let overdue = run_now.saturating_sub(self.lease).div_euclid(SECOND);
        // A second that lasts yet is not over, whoever is awaited.
        let over = run_now.div_euclid(SECOND).max(overdue);
        self.let_go(delivered.min(over).max(overdue))
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> Vec<Frame> {
        self.let_go(i64::MAX)
    }

    fn let_go(&mut self, until: i64) -> Vec<Frame> {
        self.closed = self.closed.max(until);
        let mut frames = Vec::new();
        for (second, seats) in std::mem::take(&mut self.late) {
            self.laters = self.laters % 999 + 1;
            frames.push(self.frame(second, self.laters, seats));
        }
        while let Some(entry) = self.open.first_entry() {
            if *entry.key() >= self.closed {
                break;
            }
            let (second, seats) = entry.remove_entry();
            frames.push(self.frame(second, 0, seats));
        }
        frames
    }

    fn frame(&self, second: i64, later: u32, seats: BTreeMap<u32, Rows>) -> Frame {
        let mut fleet = Rows::default();
        for rows in seats.values() {
            rows.pour_into(&mut fleet);
        }
        // The sum over all agents as far as it is known now: a later frame puts it right.
        let touched: BTreeSet<(&Tags, Metric)> = seats
            .values()
            .flat_map(Rows::iter)
            .filter(|(metric, _, _)| metric.kind() == Kind::Gauge)
            .map(|(metric, tags, _)| (tags, metric))
            .collect();
        for (tags, metric) in touched {
            let book = self.levels.get(&(tags.clone(), metric));
            if let Some(level) = book.and_then(|book| book.at(second)) {
                fleet.set(tags, metric, level);
            }
        }
        Frame {
            second,
            later,
            seats,
            fleet,
        }
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
