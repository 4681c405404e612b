//! Which arrivals are a worker's, in order, while agents go and come.
//!
//! Laws: each arrival that its agent owns when it is due is exactly one worker's, once; what was taken up stays so, whatever is told later;
//! what came to the agent after it was due is handed out too, late, so that it can be begun or counted.
//!
//! Each telling divides the arrivals that are due after it anew, by rank; what came with it and is due before that has a lane of its own.

use crate::share::{Share, Telling};
use plan::{Shares, Turns};
use std::sync::Arc;

/// When an arrival is due, in run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    At(u64),
    /// There is no such arrival.
    Never,
    /// When somebody resumes.
    Unknown,
}

/// What a worker has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// This arrival, at this run time.
    At { index: u64, due: u64 },
    /// Nothing, unless something is told.
    Never,
    /// Something, once somebody resumes.
    Unknown,
}

/// When arrivals are due under the newest changes of the run. Never earlier for a later one.
pub(crate) trait Timetable {
    fn due(&self, index: u64) -> Due;
    /// How many there are in all.
    fn total(&self) -> u64;

    /// The first arrival from `from` on that is due at `run` or later (or who knows when).
    fn first_from(&self, from: u64, run: u64) -> u64 {
        let (mut low, mut high) = (from, self.total().max(from));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.due(middle) {
                Due::At(due) if due < run => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }
}

/// One worker's arrivals of one open scenario.
#[derive(Debug)]
pub(crate) struct Sequence {
    seat: usize,
    /// Which worker of how many.
    turn: (usize, usize),
    scenario: usize,
    lanes: Vec<Lane>,
    /// How many tellings were heard.
    heard: usize,
    /// By whom arrivals are owned under the newest of those.
    newest: Option<Arc<Shares>>,
}

#[derive(Debug)]
struct Lane {
    shares: Arc<Shares>,
    /// The next index to be looked at.
    cursor: u64,
    /// Up to here, exclusive.
    until: u64,
    /// Only what was not the seat's under these.
    without: Option<Arc<Shares>>,
    /// Goes through what is the worker's from the cursor on, while so many changes hold.
    turns: Option<(usize, Turns)>,
    /// Found, and not taken yet.
    head: Option<(u64, u64)>,
}

impl Sequence {
    /// Of worker `turn.0` of `turn.1`; nothing yet.
    pub(crate) fn new(seat: usize, turn: (usize, usize), scenario: usize) -> Self {
        Self {
            seat,
            turn,
            scenario,
            lanes: Vec::new(),
            heard: 0,
            newest: None,
        }
    }

    /// Hears what was told since the last time. `timetable` is asked for each telling's own changes of the run.
    pub(crate) fn hear<T: Timetable>(&mut self, share: &Share, timetable: impl Fn(&Telling) -> T) {
        let tellings = share.tellings();
        for telling in &tellings[self.heard.min(tellings.len())..] {
            let Some(shares) = telling.arrivals(self.scenario).map(Arc::clone) else {
                continue;
            };
            let timetable = timetable(telling);
            let bound = timetable.first_from(0, telling.at);
            let bound = if self.newest.is_some() { bound } else { 0 };
            for lane in &mut self.lanes {
                lane.until = lane.until.min(bound);
            }
            if let Some(before) = self.newest.replace(Arc::clone(&shares))
                && let Some(from) = shares.differs_from(&before)
                && from < telling.at
            {
                let cursor = timetable.first_from(0, from);
                self.lanes
                    .push(Lane::new(&shares, cursor, bound, Some(before)));
            }
            self.lanes.push(Lane::new(&shares, bound, u64::MAX, None));
        }
        self.heard = tellings.len();
        self.again();
    }

    /// Something was changed in the run: arrivals may be due at other times.
    pub(crate) fn again(&mut self) {
        for lane in &mut self.lanes {
            lane.turns = None;
            lane.head = None;
        }
    }

    /// What comes next.
    pub(crate) fn peek(&mut self, timetable: &impl Timetable) -> Next {
        let mut next = Next::Never;
        let (seat, turn) = (self.seat, self.turn);
        self.lanes.retain_mut(|lane| {
            let found = lane.peek(seat, turn, timetable);
            next = match (next, found) {
                (Next::At { index: a, .. }, Next::At { index: b, .. }) if a <= b => next,
                (_, Next::At { .. }) | (Next::Never, Next::Unknown) => found,
                _ => next,
            };
            lane.cursor < lane.until
        });
        next
    }

    /// It was taken up.
    pub(crate) fn advance(&mut self, taken: u64) {
        for lane in &mut self.lanes {
            if lane.head.is_some_and(|(index, _)| index == taken) {
                lane.head = None;
                lane.cursor = taken + 1;
            }
        }
    }
}

impl Lane {
    fn new(shares: &Arc<Shares>, cursor: u64, until: u64, without: Option<Arc<Shares>>) -> Self {
        Self {
            shares: Arc::clone(shares),
            cursor,
            until,
            without,
            turns: None,
            head: None,
        }
    }

    fn peek(&mut self, seat: usize, turn: (usize, usize), timetable: &impl Timetable) -> Next {
        loop {
            if let Some((index, due)) = self.head {
                return Next::At { index, due };
            }
            let until = self.until.min(timetable.total());
            if self.cursor >= until {
                return Next::Never;
            }
            let now = match &self.turns {
                // After the last change there is nothing to look out for.
                Some((last, _)) if *last == self.shares.changes().len() => *last,
                _ => match timetable.due(self.cursor) {
                    Due::At(due) => self.shares.changes_by(due),
                    Due::Unknown => return Next::Unknown,
                    Due::Never => return Next::Never,
                },
            };
            if self
                .turns
                .as_ref()
                .is_none_or(|(changes, _)| *changes != now)
            {
                let turns = self.shares.turns(now, seat, self.cursor, turn);
                self.turns = Some((now, turns));
            }
            let found = self.turns.as_mut().and_then(|(_, turns)| turns.next());
            let found = found.filter(|index| *index < until);
            let last = found.unwrap_or(until - 1);
            let due = match timetable.due(last) {
                Due::At(due) if self.shares.changes_by(due) == now => due,
                // The next change takes hold before it; or somebody has to resume first.
                _ => {
                    self.turns = None;
                    let bound = match self.shares.changes().get(now) {
                        Some((from, _)) => timetable.first_from(self.cursor, *from).min(until),
                        None => until,
                    };
                    if bound > last || timetable.due(bound) == Due::Unknown {
                        return Next::Unknown;
                    }
                    self.cursor = bound;
                    continue;
                }
            };
            match found {
                Some(index) if self.takes(seat, index, due) => self.head = Some((index, due)),
                Some(index) => self.cursor = index + 1,
                None => (self.cursor, self.turns) = (until, None),
            }
        }
    }

    fn takes(&self, seat: usize, index: u64, due: u64) -> bool {
        let before = self.without.as_ref();
        before.is_none_or(|before| before.at(due).owner(index) != seat)
    }
}
