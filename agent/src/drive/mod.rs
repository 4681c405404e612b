//! Drivers: when a VU runs its iterations. Closed executors hold VUs, open ones let arrivals take them.
//!
//! Curves and shares say what is due; drivers only wait, and begin.

pub(crate) mod closed;
pub(crate) mod course;
pub(crate) mod giving;
pub(crate) mod holds;
pub(crate) mod indexes;
pub(crate) mod open;
pub(crate) mod pool;
pub(crate) mod roster;
pub(crate) mod sequence;

use plan::Plan;

/// How many VU numbers the scenarios before this one take.
pub(crate) fn first_vu(plan: &Plan, scenario: usize) -> u64 {
    plan.scenarios[..scenario]
        .iter()
        .map(|scenario| scenario.executor.max_vus())
        .sum()
}

/// The number in the whole test, from 1, of a scenario's VU `number` (from 0). Scenarios have their planned VUs one after the
/// other; VUs beyond the plan, of scenarios that were scaled up, come after all of those and take turns.
pub(crate) fn vu_id(plan: &Plan, scenario: usize, number: u64) -> u64 {
    let planned = plan.scenarios[scenario].executor.max_vus();
    match number.checked_sub(planned) {
        None => first_vu(plan, scenario) + number + 1,
        Some(beyond) => {
            let scenarios = plan.scenarios.len();
            let place = beyond
                .saturating_mul(scenarios as u64)
                .saturating_add(scenario as u64);
            first_vu(plan, scenarios)
                .saturating_add(place)
                .saturating_add(1)
        }
    }
}
