//! A run second by second, as intervals and looks come in: seconds that are complete become points, and what comes later is added to
//! them. Bounded, and kept by checkpoints. Pure: it is told the time.

use super::figures::Figures;
use super::load::{self, Held, Load, Look};
use super::points::{Cell, Points};
use crate::timeline::Point;
use metrics::{Digits, Interval, Trend};
use proto::v1::{self, Span};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

const SECOND: i64 = 1_000_000_000;
/// Seconds that wait to be complete; beyond, the oldest is taken as it is.
const OPEN: usize = 120;
/// Complete seconds that are "now".
const NOW: usize = 5;
/// Seats whose durations are kept apart.
const SEATS: usize = 500;
/// Seconds that one interval's counts are spread over at most.
const SPREAD: i64 = 3_600;

/// What came from one seat.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seat {
    durations: Trend,
    /// Where the stretch begins whose requests are being counted, and how many they are.
    from: i64,
    requests: u64,
    /// Where its newest interval ends.
    until: i64,
    /// Requests a second in the last whole stretch.
    rate: f64,
}

/// A run so far.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seconds {
    open: BTreeMap<i64, Cell>,
    /// Every second before this one was let go.
    closed: i64,
    /// The newest that were, in order; to three digits.
    newest: VecDeque<(i64, Cell)>,
    points: Points,
    whole: Figures,
    /// Where the newest interval ends.
    until: i64,
    seats: BTreeMap<u32, Seat>,
    last: Look,
    /// What each seat told last.
    held: BTreeMap<u32, Held>,
}

impl Default for Seconds {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            closed: 0,
            newest: VecDeque::new(),
            points: Points::default(),
            whole: Figures::new(Digits::Three),
            until: 0,
            seats: BTreeMap::new(),
            last: Look::default(),
            held: BTreeMap::new(),
        }
    }
}

impl Seconds {
    /// Takes an interval (once: see [`metrics::Delivery`]). The counts of one that covers several seconds are spread evenly over them;
    /// its durations, which cannot be told apart, belong to its last one.
    pub fn observe(&mut self, interval: &Interval) {
        let Some((first, last)) = interval.seconds() else {
            return;
        };
        let figures = Figures::of(interval);
        self.whole.merge(&figures);
        self.until = self.until.max(interval.to);
        self.seat(interval, &figures);
        let last = last.max(0);
        let first = first.clamp((last - SPREAD + 1).max(0), last);
        if first == last {
            return self.measured(last, figures, interval.to);
        }
        let parts = last.abs_diff(first) + 1;
        for (nth, second) in (0..parts).zip(first..=last) {
            self.measured(second, figures.part(nth, parts), interval.to);
        }
    }

    fn measured(&mut self, second: i64, figures: Figures, until: i64) {
        let cell = Cell {
            figures,
            load: Load::default(),
            until: until.min(second.saturating_add(1).saturating_mul(SECOND)),
        };
        self.put(second, cell);
    }

    fn seat(&mut self, interval: &Interval, figures: &Figures) {
        if self.seats.len() >= SEATS && !self.seats.contains_key(&interval.agent) {
            return;
        }
        let seat = self.seats.entry(interval.agent).or_insert_with(|| Seat {
            durations: Trend::compact(Digits::Two),
            from: interval.from,
            requests: 0,
            until: interval.to,
            rate: 0.0,
        });
        seat.durations.merge(&figures.durations);
        seat.requests = seat.requests.saturating_add(figures.requests);
        seat.until = seat.until.max(interval.to);
        // Intervals are cut at stage edges: some are short.
        let length = seat.until.saturating_sub(seat.from);
        if length >= SECOND / 2 {
            seat.rate = seat.requests as f64 / (length as f64 / 1e9);
            (seat.from, seat.requests) = (seat.until, 0);
        }
    }

    /// What was seen at the last look.
    #[must_use]
    pub fn looked(&self) -> Look {
        self.last
    }

    /// Takes a look at what was to be, as a rule at a second's edge.
    pub fn look(&mut self, look: Look) {
        if look.run <= self.last.run {
            return;
        }
        let last = std::mem::replace(&mut self.last, look);
        for piece in load::planned(last, look) {
            self.loaded(piece);
        }
    }

    /// Takes what a seat's agent made by an instant of its own. `came` is the run time from which it had a share.
    pub fn held(&mut self, seat: u32, came: u64, mut held: Held, asks: load::Asks<'_>) {
        let last = self.held.entry(seat).or_insert(Held {
            run: came,
            ..Held::default()
        });
        if held.run <= last.run {
            return;
        }
        // What is reckoned may have been reckoned a little too high before.
        held.vu_ns = held.vu_ns.max(last.vu_ns);
        let last = std::mem::replace(last, held);
        for piece in load::made(last, held, asks) {
            self.loaded(piece);
        }
    }

    /// Run time up to which it is known what a seat's agent made.
    #[must_use]
    pub fn held_until(&self, seat: u32) -> u64 {
        self.held.get(&seat).map_or(0, |held| held.run)
    }

    /// Run time up to which something is known of what any agent made.
    #[must_use]
    pub fn made_until(&self) -> u64 {
        let until = self.held.values().map(|held| held.run);
        until.max().unwrap_or(0)
    }

    fn loaded(&mut self, (from, to, load): (u64, u64, Load)) {
        let ns = |run: u64| i64::try_from(run).unwrap_or(i64::MAX);
        let cell = Cell {
            load,
            until: ns(to),
            ..Cell::new(Digits::Three)
        };
        self.put(ns(from) / SECOND, cell);
    }

    fn put(&mut self, second: i64, cell: Cell) {
        if second < self.closed {
            self.points.add(second, &cell);
            let known = self.newest.iter_mut().find(|(at, _)| *at == second);
            if let Some((_, known)) = known {
                known.merge(&cell);
            }
            return;
        }
        let open = self.open.entry(second);
        open.and_modify(|open| open.merge(&cell)).or_insert(cell);
        while self.open.len() > OPEN
            && let Some((second, _)) = self.open.first_key_value()
        {
            self.let_go(second + 1);
        }
    }

    /// Every second before this one is complete, or is waited for no longer.
    pub fn let_go(&mut self, second: i64) {
        self.closed = self.closed.max(second);
        while let Some(entry) = self.open.first_entry() {
            if *entry.key() >= self.closed {
                break;
            }
            let (second, cell) = entry.remove_entry();
            self.points.add(second, &cell);
            self.newest.push_back((second, cell));
            if self.newest.len() > NOW {
                self.newest.pop_front();
            }
        }
    }

    /// Nothing more is awaited.
    pub fn end(&mut self) {
        let last = self.open.last_key_value().map(|(second, _)| *second);
        self.let_go(last.map_or(0, |last| last + 1));
    }

    /// Points to be told since the last time; nothing if there are none.
    pub fn news(&mut self) -> Option<v1::Seconds> {
        let (all, points) = self.points.news();
        (!points.is_empty()).then_some(v1::Seconds { all, points })
    }

    /// All points, for whoever comes now.
    #[must_use]
    pub fn all(&mut self) -> v1::Seconds {
        v1::Seconds {
            all: true,
            points: self.points.seconds(),
        }
    }

    /// All points, for the report; to be asked for after [`Seconds::end`].
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        self.points.points()
    }

    /// Everything since T0.
    #[must_use]
    pub fn whole(&self) -> Span {
        self.whole.span(0, self.until)
    }

    /// A quantile of `http_req_duration` since T0, in nanoseconds; 0 without a request.
    #[must_use]
    pub fn quantile(&self, q: f64) -> u64 {
        self.whole.durations.quantile(q) as u64
    }

    /// The newest seconds that are complete.
    #[must_use]
    pub fn now(&self) -> Span {
        let mut sum = Figures::new(Digits::Three);
        for (_, cell) in &self.newest {
            sum.merge(&cell.figures);
        }
        let from = self.newest.front().map_or(0, |(second, _)| second * SECOND);
        let to = self.newest.back().map_or(0, |(_, cell)| cell.until);
        sum.span(from, to)
    }

    /// A seat's requests a second, unless nothing came from it for the last few seconds; and its p(95) over the run in nanoseconds, 0
    /// without a request or beyond the first 500 seats.
    #[must_use]
    pub fn of_seat(&self, seat: u32, run_now: i64) -> (f64, u64) {
        let Some(seat) = self.seats.get(&seat) else {
            return (0.0, 0);
        };
        let old = run_now.saturating_sub(seat.until) > NOW as i64 * SECOND;
        let rate = if old { 0.0 } else { seat.rate };
        (rate, seat.durations.quantile(0.95) as u64)
    }
}

#[cfg(test)]
#[path = "seconds_tests.rs"]
mod tests;
