//! What load was to be made and what was made in some time: the one from looks at the plan, the other from each agent's running totals.
//! Pure.

use serde::{Deserialize, Serialize};

const SECOND: u64 = 1_000_000_000;
/// Pieces that one stretch between two looks is cut into at most.
const PIECES: u64 = 3_600;
/// A stretch longer than this is spread evenly: an agent that was not heard did not keep to the plan.
const CLOSE: u64 = 10 * SECOND;

/// What was to be at an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Run time, in nanoseconds.
    pub run: u64,
    /// Arrivals of open scenarios that were due since T0.
    pub due: u64,
    /// VU time that closed scenarios were to hold since T0, in nanoseconds.
    pub vu_ns: u64,
    /// Agents that make load now.
    pub agents: u32,
}

/// What an agent said at an instant of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Run time, in nanoseconds.
    pub run: u64,
    /// Arrivals of open scenarios that it has begun.
    pub begun: u64,
    /// VU time that it held for closed scenarios, in nanoseconds.
    pub vu_ns: u64,
    /// VUs of open scenarios that are busy on it.
    pub busy: u64,
}

/// Sums over a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Seconds that were looked at.
    pub seconds: f64,
    /// Arrivals that were due.
    pub due: f64,
    /// Of them, begun.
    pub begun: f64,
    /// VU seconds that closed scenarios were to hold.
    pub vus_planned: f64,
    /// VU seconds that they held.
    pub vus: f64,
    /// VU seconds of open scenarios.
    pub vus_open: f64,
    /// Agents that made load at its end.
    pub agents: u32,
}

impl Load {
    /// Adds what came after it.
    pub fn merge(&mut self, later: &Load) {
        self.seconds += later.seconds;
        self.due += later.due;
        self.begun += later.begun;
        self.vus_planned += later.vus_planned;
        self.vus += later.vus;
        self.vus_open += later.vus_open;
        if later.seconds > 0.0 {
            self.agents = later.agents;
        }
    }

    /// A sum per second of what was looked at.
    #[must_use]
    pub fn mean(&self, sum: f64) -> f64 {
        if self.seconds > 0.0 {
            sum / self.seconds
        } else {
            0.0
        }
    }
}

/// What a stretch of run time asks for: arrivals that are due in it, and VU time.
pub type Asks<'a> = &'a dyn Fn(u64, u64) -> (u64, u64);

/// Run times up to which to look at what was to be, from the last one on: seconds' edges, and the end.
pub fn looks(from: u64, to: u64) -> impl Iterator<Item = u64> {
    pieces(from, to).map(|(_, end, _)| end)
}

/// What was to be between two looks, cut at run seconds: where each piece begins and ends, and its part. What grew between is taken to
/// have grown evenly.
pub fn planned(last: Look, look: Look) -> impl Iterator<Item = (u64, u64, Load)> {
    let due = look.due.saturating_sub(last.due) as f64;
    let vu_seconds = look.vu_ns.saturating_sub(last.vu_ns) as f64 / 1e9;
    pieces(last.run, look.run).map(move |(from, to, share)| {
        let load = Load {
            seconds: (to - from) as f64 / 1e9,
            due: due * share,
            vus_planned: vu_seconds * share,
            agents: look.agents,
            ..Load::default()
        };
        (from, to, load)
    })
}

/// What an agent made between two moments of which it told, likewise. What grew is taken to have grown as the plan asks for it: evenly
/// under steady load, and at an edge of the plan not before it.
pub fn made(last: Held, held: Held, asks: Asks<'_>) -> impl Iterator<Item = (u64, u64, Load)> {
    let begun = held.begun.saturating_sub(last.begun) as f64;
    let vu_seconds = held.vu_ns.saturating_sub(last.vu_ns) as f64 / 1e9;
    let busy = (last.busy + held.busy) as f64 / 2.0;
    let length = held.run.saturating_sub(last.run);
    let parted = last.run / SECOND != held.run.saturating_sub(1) / SECOND && length <= CLOSE;
    let asked = move |from, to| if parted { asks(from, to) } else { (0, 0) };
    let (due, vu_ns) = asked(last.run, held.run);
    let part = |of: u64, whole: u64, share: f64| match whole {
        0 => share,
        whole => of as f64 / whole as f64,
    };
    pieces(last.run, held.run).map(move |(from, to, share)| {
        let here = asked(from, to);
        let load = Load {
            begun: begun * part(here.0, due, share),
            vus: vu_seconds * part(here.1, vu_ns, share),
            vus_open: busy * (to - from) as f64 / 1e9,
            ..Load::default()
        };
        (from, to, load)
    })
}

/// A stretch of run time cut at its seconds: where each piece begins and ends, and its share of the whole.
fn pieces(from: u64, to: u64) -> impl Iterator<Item = (u64, u64, f64)> {
    let whole = to.saturating_sub(from);
    // A controller that was away for long: coarser, for only the sums are known.
    let step = whole.div_ceil(PIECES).next_multiple_of(SECOND);
    let mut from = from;
    std::iter::from_fn(move || {
        if from >= to {
            return None;
        }
        let end = ((from / step + 1) * step).min(to);
        let piece = (from, end, (end - from) as f64 / whole as f64);
        from = end;
        Some(piece)
    })
}
