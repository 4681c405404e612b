//! The explanation for programs: `{"agents": [{"agent": 0, "scenarios": {…}}], "whole": {"scenarios": {…}}}`.

use super::{Change, Explanation, Load, MOST_STEPS, Of};
use serde_json::{Map, Number, Value, json};

impl Explanation<'_> {
    /// For another program to check. Times count from the scenario's begin: `t_ms` in milliseconds, `t_us` in microseconds, with
    /// a fraction where they are not whole. `vus.raw` are VUs that begin iterations, `vus.graceful` those that may still be at
    /// work; of an open scenario, those made before the start. `arrivals.first` have their indexes in the whole.
    #[must_use]
    pub fn json(&self) -> Value {
        let agents: Vec<Value> = self
            .agents()
            .map(|agent| json!({ "agent": agent, "scenarios": self.scenarios(Of::Agent(agent)) }))
            .collect();
        json!({ "agents": agents, "whole": { "scenarios": self.scenarios(Of::Whole) } })
    }

    fn scenarios(&self, of: Of) -> Map<String, Value> {
        self.scenarios
            .iter()
            .map(|load| (load.scenario.name.clone(), self.scenario(load, of)))
            .collect()
    }

    fn scenario(&self, load: &Load<'_>, of: Of) -> Value {
        let first: Vec<Value> = load
            .first(of, self.arrivals)
            .into_iter()
            .map(|(index, t)| json!({ "index": index, "t_us": in_units(t, 1_000) }))
            .collect();
        json!({
            "vus": {
                "raw": list(&load.raw(&self.stripe, of)),
                "graceful": list(&load.graceful(&self.stripe, of)),
            },
            "arrivals": { "count": load.arrivals(of), "first": first },
        })
    }

    /// Names of the scenarios whose VUs change more often than is listed ([`MOST_STEPS`]).
    #[must_use]
    pub fn cut_short(&self) -> Vec<&str> {
        self.scenarios
            .iter()
            .filter(|load| match &load.curve {
                super::Curve::Closed { raw, graceful, .. } => {
                    raw.len().max(graceful.len()) >= MOST_STEPS
                }
                super::Curve::Open { .. } => false,
            })
            .map(|load| load.scenario.name.as_str())
            .collect()
    }
}

fn list(changes: &[Change]) -> Vec<Value> {
    changes
        .iter()
        .map(|change| json!({ "t_ms": in_units(change.t, 1_000_000), "vus": change.vus }))
        .collect()
}

/// Nanoseconds in a larger unit; whole numbers stay whole.
fn in_units(ns: u64, unit: u64) -> Number {
    if ns.is_multiple_of(unit) {
        return Number::from(ns / unit);
    }
    // Finite, being a quotient of finite numbers by one that is not 0.
    Number::from_f64(ns as f64 / unit as f64).unwrap_or_else(|| Number::from(ns / unit))
}
