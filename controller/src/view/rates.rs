//! How many requests are made and how many iterations begin a second: from two heartbeats of each agent and the run times of which they
//! tell, so that what one tells after a silence, its own or the controller's, is not taken for the work of a moment. Pure.

use std::collections::BTreeMap;

/// Of every scenario, by its index; and of all requests.
#[derive(Debug, Default)]
pub struct Rates {
    seats: BTreeMap<u32, Seen>,
    scenarios: Vec<f64>,
    requests: f64,
}

/// What an agent told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Run time of its newest totals, in nanoseconds; not when anything else of it was heard.
    pub run: u64,
    /// Iterations that it has begun, by scenario.
    pub begun: Vec<u64>,
    /// Requests that it has made.
    pub requests: u64,
}

#[derive(Debug)]
struct Seen {
    told: Told,
    rates: Vec<f64>,
    requests: f64,
}

impl Rates {
    /// Looks at the seats whose agents make load, about once a second.
    pub fn look(&mut self, seats: impl Iterator<Item = (u32, Told)>, scenarios: usize) {
        let mut seen = BTreeMap::new();
        self.scenarios = vec![0.0; scenarios];
        self.requests = 0.0;
        for (seat, told) in seats {
            let now = match self.seats.remove(&seat) {
                Some(before) if told.run <= before.told.run => before,
                Some(before) => {
                    let seconds = (told.run - before.told.run) as f64 / 1e9;
                    let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
                    let grown = told.begun.iter().zip(&before.told.begun);
                    Seen {
                        rates: grown.map(|(now, then)| rate(*now, *then)).collect(),
                        requests: rate(told.requests, before.told.requests),
                        told,
                    }
                }
                None => Seen {
                    rates: vec![0.0; scenarios],
                    requests: 0.0,
                    told,
                },
            };
            self.requests += now.requests;
            for (sum, rate) in self.scenarios.iter_mut().zip(&now.rates) {
                *sum += rate;
            }
            seen.insert(seat, now);
        }
        self.seats = seen;
    }

    /// Requests; 0 until two heartbeats came.
    #[must_use]
    pub fn requests(&self) -> f64 {
        self.requests
    }

    /// A scenario's; 0 until two heartbeats came.
    #[must_use]
    pub fn of(&self, scenario: usize) -> f64 {
        self.scenarios.get(scenario).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_load_is_even_whenever_its_agents_are_heard() {
        const MS: u64 = 1_000_000;
        let mut rates = Rates::default();
        for look in 1..30 {
            let now = look * 1_000;
            // Heartbeats every half second, each agent's at an instant of its own; it was heard since, but told nothing.
            let told = [(0, 170), (1, 490), (2, 333)].map(|(seat, at)| {
                let run = (now - at) / 500 * 500 + at;
                let begun = vec![run * 1_000, run * 30];
                let run = run * MS;
                let requests = begun[1] * 2;
                let told = Told {
                    run,
                    begun,
                    requests,
                };
                (seat, told)
            });
            rates.look(told.into_iter(), 2);
            if look > 2 {
                assert_eq!([rates.of(0), rates.of(1)], [3e6, 9e4], "look {look}");
                assert_eq!(rates.requests(), 18e4, "look {look}");
            }
        }
        rates.look(std::iter::empty(), 2);
        assert_eq!([rates.of(0), rates.of(1), rates.of(2)], [0.0; 3]);
    }
}
