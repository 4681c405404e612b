//! Conservation: what was planned is accounted for, from counts that know nothing of the histograms.
//!
//! open and counted: planned = begun + dropped + expired + lost + unaccounted; closed: planned = held + short + lost + unaccounted, in
//! VU-seconds; each seat's share is what was its own while it was its own; begun = completed + interrupted + in flight; requests counted by agents = requests merged. Pure.

use crate::plausible;
use proto::v1::ScenarioTotals;
use serde::{Deserialize, Serialize};

/// What a scenario's plan counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Iterations: open executors and those with a number of iterations.
    #[serde(rename = "iterations")]
    Iterations,
    /// Time that VUs run, in seconds: executors with a number of VUs over time.
    #[serde(rename = "VU s")]
    VuSeconds,
}

/// What a scenario was to do, whole and seat by seat; iterations, or VU nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The scenario's name.
    pub scenario: String,
    /// What is counted.
    pub unit: Unit,
    /// By seat, while it was the seat's own. Where indexes are leased: what the seat was granted.
    pub shares: Vec<u128>,
    /// By seat: of its share, what was due before it surely made no load any more. All of it, unless it was lost; of one that is late
    /// what was due before the run was cut short.
    pub sure: Vec<u128>,
    /// By seat: of the arrivals that were ever its own, those that it may have begun before it heard that a change puts them off, or takes
    /// them away. What it did of them was planned when it did it.
    pub ahead: Vec<u128>,
    /// True if shares changed hands: what finished on one agent then came late to another.
    pub moved: bool,
    /// Of nobody: indexes that were never leased.
    pub ungranted: u128,
    /// What the agents that reported an end were to make of their shares.
    pub basis: Basis,
}

/// What an agent that reported its end was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// All of its share.
    Whole,
    /// The run was cut short: what was due by its own count until it stopped.
    DueUntilStopped,
    /// The run was cut short, and nothing tells when the rest would have been due: what it did.
    DoneUntilStopped,
    /// Its share is what it leased; what it did not begin was dropped.
    Leased,
    /// All of its share, which nobody can take over: what it had not begun when it left in order is lost.
    Unmoved,
}

/// How an agent's part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It reported its end.
    Done,
    /// It was lost.
    Lost,
    /// It ended before its part was over, without handing it over; or came back after it was lost, and told all it had done.
    Left,
    /// It handed its share over, and then left in order.
    Drained,
    /// It was still there, and never reported an end.
    Late,
    /// It never made load.
    Unused,
}

impl Fate {
    /// True if it said that it had sent everything.
    #[must_use]
    pub fn delivered(self) -> bool {
        matches!(self, Fate::Done | Fate::Left | Fate::Drained)
    }
}

/// What one seat counted.
#[derive(Debug, Clone)]
pub struct Account {
    /// How its part ended.
    pub fate: Fate,
    /// Its newest totals.
    pub totals: Vec<ScenarioTotals>,
    /// Requests in its merged intervals.
    pub requests_merged: u64,
    /// Intervals of it that were merged.
    pub intervals: u64,
    /// Intervals of it that are known to be missing: rejected, skipped, or said to exist at its end and never come.
    pub missing: u64,
    /// Run time it covered with merged intervals, in nanoseconds.
    pub merged_ns: u128,
    /// Run time it held a share, in nanoseconds.
    pub held_ns: u128,
}

/// One scenario's line. Numbers are in `unit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The scenario.
    pub scenario: String,
    /// What is counted.
    pub unit: Unit,
    /// What was to be.
    pub planned: f64,
    /// Iterations begun, or VU time held.
    pub made: f64,
    /// Due, and no VU was free (or never begun before the time was over).
    pub dropped: f64,
    /// Due, and found too late to begin.
    pub expired: f64,
    /// Of agents that were lost, after their last totals.
    pub lost: f64,
    /// VU time that agents which reported their end did not hold: late starts.
    pub short: f64,
    /// Nobody knows. Negative if more was made than planned.
    pub unaccounted: f64,
    /// Of that: due on agents that were lost, after their last totals and before their leases ended, or due after the run was cut short
    /// on agents that never reported their ends. Sent or not, nobody knows.
    #[serde(default)]
    pub silent: f64,
}

/// What one seat left undone of its share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Iterations that were due and surely not begun.
    pub iterations: u64,
    /// Iterations that may have been begun: due before its lease ended.
    pub silent: u64,
    /// VU time, in seconds.
    pub vu_seconds: f64,
}

/// The sums over all scenarios and agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conservation {
    /// One per scenario.
    pub scenarios: Vec<Line>,
    /// What became of iterations.
    pub iterations: Iterations,
    /// What became of requests.
    pub requests: Requests,
    /// What became of intervals.
    pub completeness: Completeness,
}

/// begun = completed + interrupted + in flight + unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iterations {
    /// Begun.
    pub begun: u64,
    /// Ended by themselves.
    pub completed: u64,
    /// Cut.
    pub interrupted: u64,
    /// Running when their agent was heard for the last time.
    pub in_flight: u64,
    /// The rest; 0 if the agents count right.
    pub unknown: i64,
}

/// counted = merged + lost + unaccounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// By the agents' running totals.
    pub counted: u64,
    /// In `http_reqs`.
    pub merged: u64,
    /// Counted by an agent that was lost before it delivered them.
    pub lost: u64,
    /// The rest. Negative if more was merged than counted.
    pub unaccounted: i64,
    /// In flight when their iteration was interrupted: in neither of the above.
    pub cut: u64,
}

/// How much of what the agents saw was merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Completeness {
    /// Agent-seconds merged ÷ agent-seconds held, and at most requests merged ÷ requests counted by the agents' running totals, which
    /// know nothing of intervals. 0..=1.
    pub share: f64,
    /// Intervals that are known to exist.
    pub intervals: u64,
    /// Of them, merged.
    pub merged: u64,
    /// Of them, refused because they were corrupt.
    pub rejected: u64,
    /// Agents that delivered.
    pub agents: u64,
}

impl Conservation {
    /// The books of a run. `accounts` are by seat; `http_reqs` is the merged counter; `rejected` counts corrupt intervals.
    #[must_use]
    pub fn new(promises: &[Promise], accounts: &[Account], http_reqs: u64, rejected: u64) -> Self {
        let requests = requests(accounts, http_reqs);
        Self {
            scenarios: promises
                .iter()
                .map(|promise| line(promise, accounts))
                .collect(),
            iterations: iterations(accounts),
            completeness: completeness(accounts, rejected, &requests),
            requests,
        }
    }

    /// Lost + expired + unaccounted, as a share of what was planned; the worst scenario's. `None` if nothing was planned.
    #[must_use]
    pub fn gap(&self) -> Option<f64> {
        self.worst(|line| line.lost + line.expired + line.unaccounted.abs())
    }

    /// What was found too late or is unknown though nobody was lost: a generator that stood still. As [`Self::gap`].
    #[must_use]
    pub fn stalled(&self) -> Option<f64> {
        self.worst(|line| line.expired + (line.unaccounted - line.silent).abs())
    }

    /// VU time missing although its agent was there. As [`Self::gap`].
    #[must_use]
    pub fn short(&self) -> Option<f64> {
        self.worst(|line| line.short)
    }

    fn worst(&self, of: impl Fn(&Line) -> f64) -> Option<f64> {
        self.scenarios
            .iter()
            .filter(|line| line.planned > 0.0)
            .map(|line| of(line) / line.planned)
            .reduce(f64::max)
    }
}

fn line(promise: &Promise, accounts: &[Account]) -> Line {
    let mut sum = Sums::default();
    for (seat, account) in accounts.iter().enumerate() {
        sum.seat(promise, seat, account);
    }
    sum.pool(promise.moved);
    let unit = match promise.unit {
        Unit::Iterations => 1.0,
        Unit::VuSeconds => 1e9,
    };
    // Indexes nobody ever leased were dropped if somebody was there to lease them, else lost.
    let ungranted = promise.ungranted as i128;
    if accounts.iter().any(|account| account.fate == Fate::Done) {
        sum.dropped += ungranted;
    } else {
        sum.lost += ungranted;
    }
    sum.planned += ungranted;
    Line {
        scenario: promise.scenario.clone(),
        unit: promise.unit,
        planned: sum.planned as f64 / unit,
        made: sum.made as f64 / unit,
        dropped: sum.dropped as f64 / unit,
        expired: sum.expired as f64 / unit,
        lost: sum.lost as f64 / unit,
        short: sum.short as f64 / unit,
        unaccounted: sum.unaccounted as f64 / unit,
        silent: sum.silent as f64 / unit,
    }
}

#[derive(Debug, Default)]
struct Sums {
    planned: i128,
    made: i128,
    dropped: i128,
    expired: i128,
    lost: i128,
    short: i128,
    unaccounted: i128,
    silent: i128,
    /// VU time that those who delivered held beyond their shares.
    beyond: i128,
}

impl Sums {
    fn seat(&mut self, promise: &Promise, seat: usize, account: &Account) {
        let of = |shares: &[u128]| shares.get(seat).copied().unwrap_or(0) as i128;
        let (share, sure, ahead) = (of(&promise.shares), of(&promise.sure), of(&promise.ahead));
        let totals = account
            .totals
            .iter()
            .find(|totals| totals.scenario == promise.scenario);
        let totals = totals.cloned().unwrap_or_default();
        match promise.unit {
            Unit::Iterations => {
                self.iterations(promise, account.fate, (share, sure, ahead), &totals)
            }
            Unit::VuSeconds => self.vu_time(account.fate, (share, sure), &totals),
        }
    }

    /// Where shares changed hands, VU time that one held longer and another therefore shorter is not missing.
    fn pool(&mut self, moved: bool) {
        if moved {
            let evened = self.beyond.min(self.short);
            self.short -= evened;
            self.planned -= evened;
        }
    }

    fn iterations(
        &mut self,
        promise: &Promise,
        fate: Fate,
        (share, sure, ahead): (i128, i128, i128),
        totals: &ScenarioTotals,
    ) {
        let due = i128::from(totals.due);
        let (begun, dropped, expired) = (
            i128::from(totals.begun),
            i128::from(totals.dropped),
            i128::from(totals.expired),
        );
        let accounted = begun + dropped + expired;
        let planned = match (fate, promise.basis) {
            (Fate::Done | Fate::Drained, Basis::DueUntilStopped) => due,
            (Fate::Done | Fate::Drained, Basis::DoneUntilStopped) => accounted,
            (Fate::Done | Fate::Drained | Fate::Late | Fate::Unused, _) => {
                share.max(accounted.min(ahead))
            }
            // It may have gone on for a moment longer than the controller reckons.
            (Fate::Lost | Fate::Left, _) => share.max(accounted),
        };
        self.planned += planned;
        self.made += begun;
        self.dropped += dropped;
        self.expired += expired;
        match (fate, promise.basis) {
            (Fate::Lost | Fate::Left, _) => {
                // What was due by its last totals and is in none of them is unaccounted. What came due later, while it may have lived, is
                // unaccounted, too, and told apart; what came due after that is lost. One that told its end knows all.
                let known = due.clamp(accounted, planned);
                let alive = match fate {
                    Fate::Lost => sure.clamp(known, planned),
                    _ => known,
                };
                self.unaccounted += alive - accounted;
                self.silent += alive - known;
                self.lost += planned - alive;
            }
            (Fate::Done | Fate::Drained, Basis::Leased) => {
                self.dropped += (planned - accounted).max(0);
                self.unaccounted += (planned - accounted).min(0);
            }
            (Fate::Drained, Basis::Unmoved) => {
                self.lost += (planned - accounted).max(0);
                self.unaccounted += (planned - accounted).min(0);
            }
            (fate, _) => {
                self.unaccounted += planned - accounted;
                if fate == Fate::Late {
                    // What came due while the stop may not have reached it, and it may have gone on.
                    self.silent += (planned - sure.max(accounted)).max(0);
                }
            }
        }
    }

    fn vu_time(&mut self, fate: Fate, (share, sure): (i128, i128), totals: &ScenarioTotals) {
        let held = i128::from(totals.vu_ns);
        let missing = (share - held).max(0);
        // What a stop's message took to arrive was held beyond the plan; it is not missing elsewhere.
        self.planned += share.max(held);
        self.made += held;
        match fate {
            Fate::Done | Fate::Drained => {
                self.short += missing;
                self.beyond += (held - share).max(0);
            }
            Fate::Lost => {
                let lost = missing.min(share - sure);
                self.lost += lost;
                self.unaccounted += missing - lost;
                self.silent += missing - lost;
            }
            Fate::Left => self.lost += missing,
            Fate::Late => {
                self.unaccounted += missing;
                self.silent += missing.min(share - sure);
            }
            Fate::Unused => self.unaccounted += missing,
        }
    }
}

/// What a seat left undone, over all scenarios.
#[must_use]
pub fn gap_of(promises: &[Promise], seat: usize, account: &Account) -> Gap {
    let mut gap = Gap::default();
    for promise in promises {
        let mut sum = Sums::default();
        sum.seat(promise, seat, account);
        let count = |number: i128| u64::try_from(number).unwrap_or(0);
        match promise.unit {
            Unit::Iterations => {
                gap.iterations = gap.iterations.saturating_add(count(sum.lost));
                gap.silent = gap.silent.saturating_add(count(sum.unaccounted));
            }
            Unit::VuSeconds => gap.vu_seconds += (sum.lost + sum.unaccounted) as f64 / 1e9,
        }
    }
    gap
}

fn iterations(accounts: &[Account]) -> Iterations {
    let mut sum = Iterations::default();
    for totals in accounts.iter().flat_map(|account| &account.totals) {
        for (sum, count) in [
            (&mut sum.begun, totals.begun),
            (&mut sum.completed, totals.completed),
            (&mut sum.interrupted, totals.interrupted),
            (&mut sum.in_flight, totals.in_flight),
        ] {
            *sum = sum.saturating_add(count);
        }
    }
    let known = [sum.completed, sum.interrupted, sum.in_flight];
    let known: i128 = known.into_iter().map(i128::from).sum();
    sum.unknown = signed(i128::from(sum.begun) - known);
    sum
}

fn requests(accounts: &[Account], http_reqs: u64) -> Requests {
    let mut sum = Requests {
        merged: http_reqs,
        ..Requests::default()
    };
    for account in accounts {
        let totals = &account.totals;
        let counted = plausible::sum(totals.iter().map(|totals| totals.requests));
        // A lost agent's intervals may be newer than its last totals.
        let counted = if account.fate.delivered() {
            counted
        } else {
            counted.max(account.requests_merged)
        };
        sum.counted = sum.counted.saturating_add(counted);
        let cut = plausible::sum(totals.iter().map(|totals| totals.requests_cut));
        sum.cut = sum.cut.saturating_add(cut);
        if !account.fate.delivered() {
            let lost = counted.saturating_sub(account.requests_merged);
            sum.lost = sum.lost.saturating_add(lost);
        }
    }
    let rest = i128::from(sum.counted) - i128::from(sum.merged) - i128::from(sum.lost);
    sum.unaccounted = signed(rest);
    sum
}

/// As it is, or the nearest there is.
fn signed(number: i128) -> i64 {
    number.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

fn completeness(accounts: &[Account], rejected: u64, requests: &Requests) -> Completeness {
    let merged = plausible::sum(accounts.iter().map(|account| account.intervals));
    let missing = plausible::sum(accounts.iter().map(|account| account.missing));
    let merged_ns: u128 = accounts
        .iter()
        .map(|account| account.merged_ns.min(account.held_ns))
        .sum();
    let held_ns: u128 = accounts.iter().map(|account| account.held_ns).sum();
    let of_time = match held_ns {
        0 => 0.0,
        held => merged_ns as f64 / held as f64,
    };
    // How long the missing intervals were is not known where an agent added some up; how many requests are in them is.
    let of_requests = match requests.counted {
        0 => 1.0,
        counted => requests.merged as f64 / counted as f64,
    };
    Completeness {
        share: of_time.min(of_requests),
        intervals: merged.saturating_add(missing),
        merged,
        rejected,
        agents: accounts
            .iter()
            .filter(|account| account.intervals > 0)
            .count() as u64,
    }
}

#[cfg(test)]
#[path = "conservation/tests.rs"]
mod tests;
