//! What truly happened: every request counted when it arrives, and again by route and outcome.
//!
//! One shard per serving thread, merged when somebody asks, so that serving threads do not wait for
//! each other. A request that got no answer because its client went away (or the service was stopped)
//! is counted under the status `499`, so that `requests` = the sum over `routes` + those being served.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// The status of a request whose client went away before its answer, as nginx writes it.
const CLIENT_GONE: u16 = 499;

/// Latencies are kept from 1 µs to an hour (longer ones count as an hour), to 3 significant digits.
const LONGEST_US: u64 = 3_600_000_000;

/// The routes that are counted. A closed list, so that unknown paths cannot grow the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Home,
    Token,
    Schedules,
    Seats,
    Reservation,
    Payment,
    Unmatched,
}

impl Route {
    const ALL: [Self; 7] = [
        Self::Home,
        Self::Token,
        Self::Schedules,
        Self::Seats,
        Self::Reservation,
        Self::Payment,
        Self::Unmatched,
    ];

    /// The key in the report.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Home => "GET /",
            Self::Token => "GET /api/waiting-queue/position",
            Self::Schedules => "GET /api/concerts/{id}/schedules",
            Self::Seats => "GET /api/concerts/{id}/schedules/{sid}/seats",
            Self::Reservation => "POST /api/concerts/{id}/schedules/{sid}/seats/reservation",
            Self::Payment => "POST /api/concerts/{id}/schedules/{sid}/seats/reservation/payment",
            Self::Unmatched => "unmatched",
        }
    }
}

/// `GET /ledger`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Requests that arrived, those still being served included.
    pub requests: u64,
    /// `"METHOD /route/{template}"` → status → finished requests. Only routes that were asked.
    pub routes: BTreeMap<String, BTreeMap<String, u64>>,
    /// Of the requests that were answered.
    pub latency_ms: Latency,
    /// Seats paid for.
    pub seats_sold: u64,
}

/// Milliseconds from the moment a request's head was read to the moment its answer was ready, over all
/// routes. p(q) is the smallest recorded value that at least a share q of the requests do not exceed
/// (nearest rank), within the histogram's 0.1 %; `max` is exact. All 0 before the first answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// Nine tenths took at most this.
    pub p90: f64,
    /// Nineteen twentieths took at most this.
    pub p95: f64,
    /// Ninety-nine hundredths took at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

pub(crate) struct Ledger {
    shards: Box<[Mutex<Shard>]>,
    clock: Clock,
}

struct Shard {
    /// How often the shard was cleared: a request that arrived before counts nowhere after.
    epoch: u64,
    requests: u64,
    statuses: [BTreeMap<u16, u64>; Route::ALL.len()],
    latencies: Histogram<u64>,
    longest: Duration,
}

impl Shard {
    fn new(epoch: u64) -> Self {
        let latencies = Histogram::new_with_bounds(1, LONGEST_US, 3)
            .expect("these bounds are the crate's own example");
        Self {
            epoch,
            requests: 0,
            statuses: Default::default(),
            latencies,
            longest: Duration::ZERO,
        }
    }
}

impl Ledger {
    pub(crate) fn new(shards: usize, clock: Clock) -> Self {
        Self {
            shards: (0..shards).map(|_| Mutex::new(Shard::new(0))).collect(),
            clock,
        }
    }

    /// Counts a request that arrived; what comes of it is counted through the [`Visit`].
    pub(crate) fn arrive(&self, shard: usize, route: Route) -> Visit<'_> {
        let shard = &self.shards[shard];
        let epoch = {
            let mut shard = lock(shard);
            shard.requests += 1;
            shard.epoch
        };
        Visit {
            shard,
            epoch,
            route,
            clock: self.clock,
            arrived: self.clock.now(),
            open: true,
        }
    }

    /// One consistent picture of all shards: nobody writes while it is taken.
    pub(crate) fn report(&self, seats_sold: u64) -> Report {
        let shards: Vec<_> = self.shards.iter().map(lock).collect();
        let mut all = Shard::new(0);
        for shard in &shards {
            all.requests += shard.requests;
            all.longest = all.longest.max(shard.longest);
            all.latencies
                .add(&shard.latencies)
                .expect("all shards have the same bounds");
            for (sum, part) in all.statuses.iter_mut().zip(&shard.statuses) {
                for (status, n) in part {
                    *sum.entry(*status).or_default() += n;
                }
            }
        }
        drop(shards);
        let routes = Route::ALL
            .iter()
            .zip(all.statuses)
            .filter(|(_, statuses)| !statuses.is_empty());
        Report {
            requests: all.requests,
            routes: routes
                .map(|(route, statuses)| {
                    (
                        route.key().to_owned(),
                        statuses
                            .into_iter()
                            .map(|(status, n)| (status.to_string(), n))
                            .collect(),
                    )
                })
                .collect(),
            latency_ms: latency(&all.latencies, all.longest),
            seats_sold,
        }
    }

    /// Forgets everything, requests being served included.
    pub(crate) fn clear(&self) {
        let mut shards: Vec<_> = self.shards.iter().map(lock).collect();
        for shard in &mut shards {
            **shard = Shard::new(shard.epoch + 1);
        }
    }
}

fn latency(latencies: &Histogram<u64>, longest: Duration) -> Latency {
    let max = longest.as_nanos() as f64 / 1e6;
    // The bucket's upper edge may lie above the longest request.
    let p = |q| (latencies.value_at_quantile(q) as f64 / 1e3).min(max);
    Latency {
        p50: p(0.50),
        p90: p(0.90),
        p95: p(0.95),
        p99: p(0.99),
        max,
    }
}

/// Poison is ignored: a shard is numbers only, each of them whole after any panic.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request being served. Dropped without [`Visit::answered`], it counts as `499`.
pub(crate) struct Visit<'a> {
    shard: &'a Mutex<Shard>,
    epoch: u64,
    route: Route,
    clock: Clock,
    arrived: Duration,
    open: bool,
}

impl Visit<'_> {
    /// Counts the answer and its latency.
    pub(crate) fn answered(mut self, status: u16) {
        self.open = false;
        self.count(status, Some(self.clock.now().saturating_sub(self.arrived)));
    }

    fn count(&self, status: u16, latency: Option<Duration>) {
        let mut shard = lock(self.shard);
        if shard.epoch != self.epoch {
            return;
        }
        *shard.statuses[self.route as usize]
            .entry(status)
            .or_default() += 1;
        if let Some(latency) = latency {
            shard
                .latencies
                .saturating_record((latency.as_nanos() / 1_000).max(1) as u64);
            shard.longest = shard.longest.max(latency);
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if self.open {
            self.count(CLIENT_GONE, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ledger, Report, Route};
    use crate::clock::Clock;

    fn finished(report: &Report) -> u64 {
        report
            .routes
            .values()
            .flat_map(|statuses| statuses.values())
            .sum()
    }

    #[tokio::test(start_paused = true)]
    async fn shards_merge_into_one_report() {
        let ledger = Ledger::new(2, Clock::start());
        for n in 1..=100u64 {
            let visit = ledger.arrive(n as usize % 2, Route::Seats);
            tokio::time::advance(Duration::from_millis(n)).await;
            visit.answered(if n == 7 { 409 } else { 200 });
        }
        let report = ledger.report(3);
        assert_eq!(
            serde_json::to_string(&report).unwrap_or_default(),
            "{\"requests\":100,\"routes\":{\"GET /api/concerts/{id}/schedules/{sid}/seats\":{\"200\":99,\"409\":1}},\
             \"latency_ms\":{\"p50\":50.015,\"p90\":90.047,\"p95\":95.039,\"p99\":99.007,\"max\":100.0},\"seats_sold\":3}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_went_away_is_a_499_without_a_latency() {
        let ledger = Ledger::new(1, Clock::start());
        let visit = ledger.arrive(0, Route::Payment);
        assert_eq!(
            (ledger.report(0).requests, finished(&ledger.report(0))),
            (1, 0)
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(visit);
        let report = ledger.report(0);
        assert_eq!(report.routes[Route::Payment.key()]["499"], 1);
        assert_eq!((report.requests, report.latency_ms.max), (1, 0.0));
    }

    #[test]
    fn what_arrived_before_a_clear_counts_nowhere() {
        let ledger = Ledger::new(1, Clock::start());
        let answered = ledger.arrive(0, Route::Token);
        let gone = ledger.arrive(0, Route::Token);
        ledger.clear();
        answered.answered(200);
        drop(gone);
        assert_eq!(ledger.report(0), Report::default());
    }

    #[test]
    fn every_route_is_found_at_its_own_index() {
        for (index, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, index);
        }
    }
}
