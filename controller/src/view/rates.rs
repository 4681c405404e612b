//! How many iterations begin a second, by scenario: from two heartbeats of each agent and the time between them. Pure.

use crate::member::Member;
use std::collections::BTreeMap;

/// Of every scenario, by its index.
#[derive(Debug, Default)]
pub struct Rates {
    seats: BTreeMap<u32, Seen>,
    scenarios: Vec<f64>,
}

#[derive(Debug)]
struct Seen {
    heard: u64,
    begun: Vec<u64>,
    rates: Vec<f64>,
}

impl Rates {
    /// Looks at the members that make load, about once a second. `names` are the scenarios'.
    pub fn look<'m>(&mut self, members: impl Iterator<Item = &'m Member>, names: &[&str]) {
        let mut seats = BTreeMap::new();
        self.scenarios = vec![0.0; names.len()];
        for member in members {
            let Some(heard) = member.last_heard() else {
                continue;
            };
            let begun = names.iter().map(|name| member.of(name, |of| of.begun));
            let begun: Vec<u64> = begun.collect();
            let seen = match self.seats.remove(&member.seat) {
                Some(before) if heard <= before.heard => before,
                Some(before) => {
                    let seconds = (heard - before.heard) as f64 / 1e9;
                    let grown = begun.iter().zip(&before.begun);
                    let rates = grown.map(|(now, then)| now.saturating_sub(*then) as f64 / seconds);
                    Seen {
                        heard,
                        rates: rates.collect(),
                        begun,
                    }
                }
                None => Seen {
                    heard,
                    rates: vec![0.0; names.len()],
                    begun,
                },
            };
            for (sum, rate) in self.scenarios.iter_mut().zip(&seen.rates) {
                *sum += rate;
            }
            seats.insert(member.seat, seen);
        }
        self.seats = seats;
    }

    /// A scenario's; 0 until two heartbeats came.
    #[must_use]
    pub fn of(&self, scenario: usize) -> f64 {
        self.scenarios.get(scenario).copied().unwrap_or(0.0)
    }
}
