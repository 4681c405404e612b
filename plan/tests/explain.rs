//! `throng plan`: its numbers are the curves' and the stripe's own, its shares add up, and people can read it.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use throng_plan::{Bundle, Explanation, Plan, Stripe, compile};

fn plan(scenarios: &str) -> Plan {
    let bundle = Bundle {
        name: "t.yaml".to_owned(),
        source: format!(
            "scenarios:\n{scenarios}\ndata:\n  users: {{ range: [1, 1000] }}\n  names: {{ list: [ann, bob] }}\nflows:\n  default:\n    - let: {{ u: {{ cycle: users }} }}\n    - get: http://h/{{{{ u }}}}\n"
        ),
        seed: 7,
        ..Bundle::default()
    };
    compile(&bundle).unwrap()
}

const MANY: &str = "  ramp: { executor: ramping-vus, startVUs: 2, gracefulRampDown: 3s, gracefulStop: 5s, stages: [{ duration: 5s, target: 17 }, { duration: 0s, target: 9 }, { duration: 3s, target: 1 }] }
  steady: { executor: constant-arrival-rate, rate: 30, duration: 9s, preAllocatedVUs: 4, maxVUs: 10, startAfter: ramp }
  rush: { executor: ramping-arrival-rate, startRate: 5, stages: [{ duration: 4s, target: 90 }], preAllocatedVUs: 2, maxVUs: 2, arrivals: poisson }
  each: { executor: per-vu-iterations, vus: 5, iterations: 3, maxDuration: 20s }
  shared: { executor: shared-iterations, vus: 5, iterations: 300, gracefulStop: 0s }";

/// VUs of a list of changes at a time in nanoseconds.
fn at(list: &Value, t: u64) -> u64 {
    list.as_array()
        .unwrap()
        .iter()
        .take_while(|change| change["t_ms"].as_f64().unwrap() * 1e6 <= t as f64 + 0.5)
        .last()
        .map_or(0, |change| change["vus"].as_u64().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn law_shares_sum_to_the_whole_at_every_instant(weights in prop::collection::vec(0_u32..6, 1..8), t in 0_u64..40_000_000_000) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let plan = plan(MANY);
        let json = Explanation::new(&plan, Stripe::new(weights), 0).json();
        for scenario in &plan.scenarios {
            let name = scenario.name.as_str();
            let whole = &json["whole"]["scenarios"][name];
            for list in ["raw", "graceful"] {
                let sum: u64 = json["agents"].as_array().unwrap().iter().map(|agent| at(&agent["scenarios"][name]["vus"][list], t)).sum();
                prop_assert_eq!(sum, at(&whole["vus"][list], t), "{} {} at {}", name, list, t);
            }
            if let Some(curve) = scenario.executor.vu_curve(scenario.graceful_stop) {
                prop_assert_eq!(at(&whole["vus"]["raw"], t), curve.vus_at(t), "{} at {}", name, t);
                prop_assert_eq!(at(&whole["vus"]["graceful"], t), curve.held_at(t), "{} at {}", name, t);
            }
            let count = |of: &Value| of["arrivals"]["count"].as_u64().unwrap();
            let sum: u64 = json["agents"].as_array().unwrap().iter().map(|agent| count(&agent["scenarios"][name])).sum();
            prop_assert_eq!(sum, count(whole));
        }
    }

    #[test]
    fn law_instants_of_all_agents_are_those_of_the_whole(weights in prop::collection::vec(1_u32..6, 1..8)) {
        let plan = plan(MANY);
        let json = Explanation::new(&plan, Stripe::new(weights), u64::MAX).json();
        for name in ["steady", "rush"] {
            let instants = |of: &Value| -> Vec<(u64, String)> {
                of["scenarios"][name]["arrivals"]["first"].as_array().unwrap().iter()
                    .map(|first| (first["index"].as_u64().unwrap(), first["t_us"].to_string()))
                    .collect()
            };
            let mut gathered: Vec<_> = json["agents"].as_array().unwrap().iter().flat_map(instants).collect();
            gathered.sort();
            let whole = instants(&json["whole"]);
            prop_assert_eq!(whole.len() as u64, json["whole"]["scenarios"][name]["arrivals"]["count"].as_u64().unwrap());
            prop_assert_eq!(gathered.into_iter().collect::<BTreeMap<_, _>>(), whole.into_iter().collect());
        }
    }

    /// On ramps of all kinds.
    #[test]
    fn law_held_steps_tell_held_at(
        start in 0_u64..9, down in 0_u64..7, stop in 0_u64..7,
        stages in prop::collection::vec((0_u64..5, 0_u64..9), 1..6), t in 0_u64..40_000,
    ) {
        prop_assume!(stages.iter().any(|(seconds, _)| *seconds > 0));
        prop_assume!(start > 0 || stages.iter().any(|(_, target)| *target > 0));
        let list: Vec<String> = stages.iter().map(|(seconds, target)| format!("{{ duration: {seconds}s, target: {target} }}")).collect();
        let plan = plan(&format!(
            "  a: {{ executor: ramping-vus, startVUs: {start}, gracefulRampDown: {down}s, gracefulStop: {stop}s, stages: [{}] }}", list.join(", ")
        ));
        let curve = plan.scenarios[0].executor.vu_curve(plan.scenarios[0].graceful_stop).unwrap();
        let t = t * 1_000_000;
        let told = curve.held_steps().take_while(|(at, _)| *at <= t).last().map_or(0, |(_, vus)| vus);
        prop_assert_eq!(told, curve.held_at(t));
        prop_assert!(curve.held_steps().is_sorted_by(|a, b| a.0 < b.0 && a.1 != b.1));
    }
}

#[test]
fn the_shape_for_programs() {
    let plan = plan(
        "  main: { executor: ramping-vus, startVUs: 0, gracefulRampDown: 1s, gracefulStop: 1s, stages: [{ duration: 1s, target: 3 }, { duration: 1s, target: 0 }] }
  open: { executor: constant-arrival-rate, rate: 3, duration: 1s, preAllocatedVUs: 2, maxVUs: 4, gracefulStop: 2s }",
    );
    let json = Explanation::new(&plan, Stripe::equal(2), 2).json();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn what_a_person_reads() {
    let plan = plan(MANY);
    let text = Explanation::new(&plan, Stripe::new(vec![2, 1, 0, 1]), 0).text();
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_plan_of_many_agents_and_vus_stays_short() {
    let plan =
        plan("  main: { executor: ramping-vus, stages: [{ duration: 1h, target: 100000000 }] }");
    let explanation = Explanation::new(&plan, Stripe::equal(1_000), 0);
    assert!(explanation.text().lines().count() < 90);
    assert_eq!(explanation.cut_short(), ["main"]);
}

#[test]
fn rows_of_setup_are_counted_where_they_are_held() {
    let bundle = Bundle {
        name: "t.yaml".to_owned(),
        source: "
data: { s: { setup: true } }
setup: [{ give: { s: 1 } }]
scenarios: { main: { executor: constant-vus, vus: 300000, duration: 1s } }
flows: { default: [{ let: { row: { own: s } } }, { get: 'http://h/{{ row }}' }] }
"
        .to_owned(),
        ..Bundle::default()
    };
    let plan = compile(&bundle).unwrap();
    let text = Explanation::new(&plan, Stripe::new(vec![2, 1]), 0).text();
    for line in [
        "  program 12.0 MiB + VUs x 24 KiB + rows (setup's x 2 KiB)",
        "       0    200000 VUs and 200000 rows of setup's",
        "       1    100000 VUs and 100000 rows of setup's",
        "  s: given by setup, 300000 rows needed; an agent holds only its own",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
