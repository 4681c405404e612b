//! How a run stands, for people to look at: made about once a second while somebody watches, and once for whoever comes.
//!
//! [`seconds`] and [`marks`] are kept as the run goes on, watched or not; the rest is read from the run when it is asked for.

pub mod figures;
pub mod load;
pub mod marks;
pub mod points;
pub mod rates;
mod seats;
pub mod seconds;
mod steps;

use crate::active::Active;
use crate::fleet::Fleet;
use crate::plausible;
use plan::{Executor, Plan, Scenario};
use proto::v1::{Problem, ScenarioView, View};

/// Kinds of errors that are told.
const PROBLEMS: usize = 20;

/// How a run stands now.
#[must_use]
pub fn of(active: &Active, fleet: &Fleet, now: u64) -> View {
    let run_ns = active.run_time(now);
    let plan = &active.order.plan;
    let scenarios = plan.scenarios.iter().enumerate();
    let errors = active.logs.errors().into_iter().take(PROBLEMS);
    View {
        run_ns,
        length_ns: active.outline.end_at(run_ns),
        paused: active.outline.is_paused(run_ns),
        whole: Some(active.gather.seconds.whole()),
        now: Some(active.gather.seconds.now()),
        scenarios: scenarios
            .map(|(index, scenario)| scenario_view(active, index, scenario, run_ns))
            .collect(),
        agents: seats::of(active, fleet, now),
        steps: steps::of(active.gather.store()),
        problems: errors
            .map(|mut error| Problem {
                sample: error.samples.drain(..).next().unwrap_or_default(),
                kind: error.kind,
                count: error.count,
            })
            .collect(),
        marks: active.marks.newest(),
    }
}

fn scenario_view(active: &Active, index: usize, scenario: &Scenario, run_ns: i64) -> ScenarioView {
    let sum = |number: fn(&proto::v1::ScenarioTotals) -> u64| -> u64 {
        let members = active.members.values();
        plausible::sum(members.map(|member| member.of(&scenario.name, number)))
    };
    // What a lost agent last said of its VUs is no longer so.
    let there = active.members.values();
    let there = there.filter(|member| seats::makes_load(active, member));
    let busy =
        plausible::sum(there.map(|member| member.of(&scenario.name, |totals| totals.in_flight)));
    let outline = &active.outline;
    let run = u64::try_from(run_ns).unwrap_or(0);
    let stage = (active.t0.is_some() && run_ns >= 0).then(|| outline.stage_time(run));
    let stages = stages(&scenario.executor);
    let begins = crate::clock::ns(scenario.start_time);
    ScenarioView {
        name: scenario.name.clone(),
        executor: scenario.executor.name().to_owned(),
        exec: flow(&active.order.plan, scenario).to_owned(),
        stage: stage.map_or(0, |stage| stage_at(&stages, begins, stage)),
        stages: stages.len() as u32,
        begins_ns: outline.run_time(begins, run),
        ends_ns: outline.run_time(crate::clock::ns(scenario.end()), run),
        vus: busy,
        vus_planned: outline.vus_of(index, run_ns),
        rate_planned: outline.rate_of(index, run_ns),
        rate: active.rates.of(index),
        begun: sum(|totals| totals.begun),
        completed: sum(|totals| totals.completed),
        interrupted: sum(|totals| totals.interrupted),
        dropped: sum(|totals| totals.dropped),
        expired: sum(|totals| totals.expired),
        of: match &scenario.executor {
            Executor::SharedIterations { iterations, .. } => *iterations,
            Executor::PerVuIterations {
                vus, iterations, ..
            } => vus.saturating_mul(*iterations),
            Executor::ConstantVus { .. }
            | Executor::RampingVus { .. }
            | Executor::ConstantArrivalRate { .. }
            | Executor::RampingArrivalRate { .. } => 0,
        },
    }
}

fn flow<'p>(plan: &'p Plan, scenario: &Scenario) -> &'p str {
    plan.flows
        .get(scenario.exec)
        .map_or("", |flow| flow.name.as_str())
}

/// How long each stage takes; what has none is one.
fn stages(executor: &Executor) -> Vec<u64> {
    match executor {
        Executor::RampingVus { stages, .. } | Executor::RampingArrivalRate { stages, .. } => {
            let durations = stages.iter().map(|stage| stage.duration);
            durations.map(crate::clock::ns).collect()
        }
        executor => vec![crate::clock::ns(executor.duration())],
    }
}

/// The stage at a stage time, from 1; 0 before the first, and one more than there are after the last.
fn stage_at(stages: &[u64], begins: u64, stage_time: u64) -> u32 {
    let Some(mut within) = stage_time.checked_sub(begins) else {
        return 0;
    };
    let mut number = 1;
    for length in stages {
        if within < *length {
            break;
        }
        within -= length;
        number += 1;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_counted_from_one_and_jumps_are_passed() {
        let stages = [2, 0, 3];
        let at = |time| stage_at(&stages, 10, time);
        assert_eq!([9, 10, 11, 12, 14, 15, 99].map(at), [0, 1, 1, 3, 3, 4, 4]);
    }
}
