//! `startAfter`: a scenario begins when the one it names is wholly over; whom nobody could ever follow is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;
use throng_plan::{Bundle, Plan, compile};

fn bundle(scenarios: &[&str]) -> Bundle {
    let lines: String = scenarios
        .iter()
        .map(|scenario| format!("  {scenario}\n"))
        .collect();
    Bundle {
        name: "t.yaml".to_owned(),
        source: format!("scenarios:\n{lines}flows: {{ default: [{{ get: http://h/ }}] }}\n"),
        ..Bundle::default()
    }
}

fn begins(plan: &Plan) -> Vec<u64> {
    plan.scenarios
        .iter()
        .map(|scenario| scenario.start_time.as_secs())
        .collect()
}

fn errors(scenarios: &[&str]) -> Vec<String> {
    let diagnostics = compile(&bundle(scenarios)).unwrap_err();
    diagnostics
        .items()
        .iter()
        .map(|item| {
            format!(
                "{:?} {} | {}",
                item.place,
                item.what,
                item.help.clone().unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn it_begins_when_the_other_is_over_and_start_time_adds() {
    let plan = compile(&bundle(&[
        "c: { executor: constant-vus, duration: 4s, startAfter: b, startTime: 5s, gracefulStop: 0s }",
        "a: { executor: constant-vus, duration: 10s, startTime: 1s, gracefulStop: 2s }",
        "b: { executor: per-vu-iterations, maxDuration: 20s, startAfter: a }",
        "d: { executor: constant-vus, duration: 1s, startAfter: a }",
    ]))
    .unwrap();
    // a: 1..11, cut at 13; b: 13..33, cut at 63; c: 68..72.
    assert_eq!(begins(&plan), [68, 1, 13, 13]);
    assert_eq!(plan.load_end(), Duration::from_secs(72));
    // b and d side by side, then c alone.
    assert_eq!(plan.max_vus(), 2);
}

#[test]
fn a_near_miss_is_offered() {
    let found = errors(&[
        "warmup: { executor: constant-vus, duration: 1s }",
        "load: { executor: constant-vus, duration: 1s, startAfter: warm-up }",
    ]);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("the scenario `load` starts after `warm-up`, which is not there | did you mean `warmup`?"), "{found:?}");
    assert!(found[0].contains("line: 3"), "{found:?}");
}

#[test]
fn circles_are_refused_with_each_of_their_places() {
    let found = errors(&[
        "a: { executor: constant-vus, duration: 1s, startAfter: c }",
        "b: { executor: constant-vus, duration: 1s, startAfter: a }",
        "c: { executor: constant-vus, duration: 1s, startAfter: b }",
        "d: { executor: constant-vus, duration: 1s, startAfter: d }",
        "e: { executor: constant-vus, duration: 1s }",
    ]);
    assert_eq!(found.len(), 4, "{found:?}");
    for (line, text) in (2..).zip(&found) {
        assert!(text.contains(&format!("line: {line}")), "{text}");
    }
    assert!(
        found[0].contains("the scenario `a` would never start: `c` waits for it in turn"),
        "{found:?}"
    );
    assert!(
        found[3].contains("the scenario `d` would start after itself"),
        "{found:?}"
    );
}

#[test]
fn what_follows_a_circle_is_told_as_well() {
    let found = errors(&[
        "a: { executor: constant-vus, duration: 1s, startAfter: a }",
        "b: { executor: constant-vus, duration: 1s, startAfter: a }",
    ]);
    assert!(
        found[1].contains("the scenario `b` would never start: `a` never does"),
        "{found:?}"
    );
}

#[test]
fn a_chain_of_centuries_is_refused() {
    let found = errors(&[
        "a: { executor: constant-vus, duration: 3000d }",
        "b: { executor: constant-vus, duration: 3000d, startAfter: a }",
        "c: { executor: constant-vus, duration: 3000d, startAfter: b }",
    ]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("`c` would begin after more than ten years"),
        "{found:?}"
    );
}
