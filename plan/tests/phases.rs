//! Setup, teardown and the rows they hand over: what they mean, what is refused, and whose the rows are.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use throng_plan::{Bundle, Overrides, Plan, Shares, Step, Stripe, compile};

fn bundle(source: &str) -> Bundle {
    Bundle {
        name: "s.yaml".to_owned(),
        source: source.to_owned(),
        ..Bundle::default()
    }
}

fn plan(source: &str) -> Plan {
    match compile(&bundle(source)) {
        Ok(plan) => plan,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

/// The errors, one a line: place, what, help.
fn refusal(source: &str) -> String {
    match compile(&bundle(source)) {
        Ok(_) => "nothing".to_owned(),
        Err(diagnostics) => diagnostics.to_string(),
    }
}

/// A load of so many VUs, and the rest of the file.
fn load(vus: u64, rest: &str) -> String {
    format!("vus: {vus}\nduration: 10s\nbaseURL: http://h\n{rest}")
}

const GOOD: &str = r#"
setupTimeout: 5s
data:
  users: { range: [1, 3] }
  sessions: { setup: true }
setup:
  - get: /health
  - each: users
    as: user
    concurrency: 2
    steps:
      - group: Queue
        steps:
          - get: /token/{{ user }}
            extract: { token: $.token }
      - give: { sessions: { user: "{{ user }}", token: "{{ token }}" } }
teardown:
  - each: sessions
    steps: [{ delete: "/token/{{ row.token }}" }]
flows:
  default:
    - let: { me: { own: sessions } }
    - get: /{{ me.user }}
"#;

#[test]
fn setup_and_teardown_are_flows_in_groups_of_their_own() {
    let plan = plan(&load(3, GOOD));
    let setup = plan.setup.clone().unwrap();
    let teardown = plan.teardown.clone().unwrap();
    assert_eq!(setup.timeout, Duration::from_secs(5));
    assert_eq!(teardown.timeout, Duration::from_secs(60), "k6's default");
    let groups: Vec<&str> = plan
        .requests()
        .iter()
        .map(|request| request.group.as_str())
        .collect();
    assert_eq!(groups, ["::setup", "::setup::Queue", "::teardown", ""]);
    assert!(matches!(
        plan.flows[setup.flow].steps[1],
        Step::Each {
            data: 0,
            concurrency: 2,
            ..
        }
    ));
    assert!(matches!(
        plan.flows[teardown.flow].steps[0],
        Step::Each {
            data: 1,
            concurrency: 1,
            ..
        }
    ));
}

#[test]
fn they_can_be_left_out_but_not_what_the_load_needs_of_them() {
    let source = load(
        3,
        &GOOD.replace("let: { me: { own: sessions } }", "let: { me: { user: 1 } }"),
    );
    let without = |no_setup, no_teardown| Bundle {
        overrides: Overrides {
            no_setup,
            no_teardown,
            ..Overrides::default()
        },
        ..bundle(&source)
    };
    let plan = compile(&without(false, true)).unwrap();
    assert!(plan.setup.is_some() && plan.teardown.is_none());
    let refused = compile(&without(true, false)).unwrap_err().to_string();
    assert!(
        refused.contains("`sessions` gets its rows from setup, which is not to run"),
        "{refused}"
    );
    let in_file = load(
        1,
        "noTeardown: true\nteardown: [{ get: / }]\nflows: { default: [{ get: / }] }",
    );
    assert!(self::plan(&in_file).teardown.is_none());
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_remedy() {
    let flows = "flows: { default: [{ get: / }] }";
    let given = "data: { s: { setup: true } }\nsetup: [{ give: { s: 1 } }]\n";
    let using =
        |how: &str| format!("{given}flows: {{ default: [{{ let: {{ x: {{ {how}: s }} }} }}] }}");
    let table: Vec<(String, &str)> = vec![
        (
            load(1, &using("random")),
            "`{ random: s }` wants all rows, and the rows that setup gives are divided over the agents",
        ),
        (
            load(1, &using("cycle")),
            "`{ own: s }` is the row of this VU",
        ),
        (
            load(1, &using("per_iteration")),
            "does not number its iterations",
        ),
        (
            format!(
                "vus: 2\niterations: 9\nbaseURL: http://h\n{}",
                using("per_iteration")
            ),
            "goes to whoever is free, so the rows of `s` cannot be handed out before",
        ),
        (
            load(
                4,
                "data: { u: { range: [1, 3] } }\nflows: { default: [{ let: { x: { own: u } } }] }",
            ),
            "wants 4 rows of `u`, one for each VU, and there are 3",
        ),
        (
            load(1, &format!("setup: []\n{flows}")),
            "`setup` has no steps",
        ),
        (
            load(1, &format!("teardown: 3\n{flows}")),
            "expected a list of steps",
        ),
        (
            load(1, &format!("data: {{ s: {{ setup: true }} }}\n{flows}")),
            "nothing gives rows to `s`",
        ),
        (
            load(1, &format!("data: {{ s: {{ setup: false }} }}\n{flows}")),
            "`setup: false` is no source",
        ),
        (
            load(
                1,
                &format!(
                    "data: {{ u: {{ range: [1, 2] }} }}\nsetup: [{{ give: {{ u: 1 }} }}]\n{flows}"
                ),
            ),
            "declared as `u: { setup: true }`",
        ),
        (
            load(1, "flows: { default: [{ each: u, steps: [{ get: / }] }] }"),
            "`each` is a step of `setup` and `teardown`",
        ),
        (
            load(1, "flows: { default: [{ give: { u: 1 } }] }"),
            "`give` is a step of `setup`",
        ),
        (
            load(
                1,
                &format!("{given}teardown: [{{ give: {{ s: 1 }} }}]\n{flows}"),
            ),
            "`give` is a step of `setup`",
        ),
        (
            load(
                1,
                &format!(
                    "data: {{ u: {{ range: [1, 2] }} }}\nsetup: [{{ group: g, steps: [{{ each: u, steps: [{{ get: / }}] }}] }}]\n{flows}"
                ),
            ),
            "`each` stands by itself",
        ),
        (
            load(
                1,
                &format!(
                    "data: {{ u: {{ range: [1, 2] }} }}\nsetup: [{{ each: u, concurrency: 0, steps: [{{ get: / }}] }}]\n{flows}"
                ),
            ),
            "0 rows at a time; there may be 1 to 1000",
        ),
        (
            load(
                1,
                &format!(
                    "data: {{ u: {{ range: [1, 2] }} }}\nsetup: [{{ each: u, as: x, steps: [{{ get: / }}] }}, {{ get: \"/{{{{ x }}}}\" }}]\n{flows}"
                ),
            ),
            "nothing sets the variable `x`",
        ),
        (
            load(
                1,
                &format!("setup: [{{ get: \"/{{{{ vu }}}}\" }}]\n{flows}"),
            ),
            "there are no VUs and no iterations outside of the load",
        ),
        (
            load(
                1,
                &format!(
                    "data: {{ u: {{ range: [1, 2] }} }}\nsetup: [{{ let: {{ x: {{ own: u }} }} }}]\n{flows}"
                ),
            ),
            "there are no VUs and no iterations in setup",
        ),
        (
            load(
                1,
                &format!(
                    "data: {{ s: {{ setup: true }} }}\nsetup: [{{ each: s, steps: [{{ give: {{ s: 1 }} }}] }}]\n{flows}"
                ),
            ),
            "setup gives the rows of `s`; it cannot go over them",
        ),
        (
            load(
                1,
                &format!("setupTimeout: 0s\nsetup: [{{ get: / }}]\n{flows}"),
            ),
            "a `setupTimeout` of 0",
        ),
    ];
    for (source, expected) in table {
        let refused = refusal(&source);
        assert!(refused.contains(expected), "{source}\n{refused}");
    }
}

#[test]
fn a_field_that_setup_does_not_give_is_a_typing_error() {
    for (wrong, field) in [("me.user", "me.usr"), ("row.token", "row.tokn")] {
        let refused = refusal(&load(3, &GOOD.replace(wrong, field)));
        let name = wrong.split('.').next().unwrap();
        assert!(
            refused.contains(&format!("no row of `{name}` has"))
                && refused.contains("did you mean"),
            "{refused}"
        );
    }
    // What comes whole out of an answer is not known.
    let whole = GOOD.replace(
        "give: { sessions: { user: \"{{ user }}\", token: \"{{ token }}\" } }",
        "give: { sessions: \"{{ token }}\" }",
    );
    assert!(plan(&load(3, &whole)).setup.is_some());
}

#[test]
fn too_few_rows_say_for_whom_and_recycling_makes_one_enough() {
    let source = load(7, GOOD);
    let once = plan(&source);
    assert_eq!(once.too_few_rows(1, 7), None);
    assert_eq!(
        once.too_few_rows(1, 6).unwrap(),
        "`sessions` has 6 rows, and the scenario `default` has 7 VUs that take one each"
    );
    let again = plan(&source.replace("setup: true }", "setup: true, recycle: true }"));
    assert_eq!(again.too_few_rows(1, 1), None);
    assert!(again.too_few_rows(1, 0).is_some());
}

/// The same set, by VU in one scenario and by arrival in the other.
fn two(vus: u64, rate: u64, recycle: bool) -> Plan {
    plan(&format!(
        r#"
baseURL: http://h
data: {{ s: {{ setup: true, recycle: {recycle} }} }}
setup: [{{ give: {{ s: 1 }} }}]
scenarios:
  closed: {{ executor: constant-vus, vus: {vus}, duration: 1s, exec: a }}
  open: {{ executor: constant-arrival-rate, rate: {rate}, duration: 2s, preAllocatedVUs: 3, exec: b }}
flows:
  a: [{{ let: {{ x: {{ own: s }} }} }}]
  b: [{{ let: {{ x: {{ per_iteration: s }} }} }}]
"#
    ))
}

proptest! {
    /// What each agent's VUs and arrivals take is what the agent gets, neither more nor less.
    #[test]
    fn an_agent_gets_the_rows_of_its_vus_and_arrivals(
        weights in prop::collection::vec(0u32..5, 1..8),
        vus in 1u64..60,
        rate in 1u64..60,
        count in 1u64..200,
        recycle: bool,
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let plan = two(vus, rate, recycle);
        prop_assume!(plan.too_few_rows(0, count).is_none());
        let agents = weights.len();
        let shares = Shares::new(weights.clone()).unwrap();
        let stripe = Stripe::new(weights);
        let arrivals = stripe.of_arrivals(3);
        let due = plan.scenarios[1].executor.arrival_curve().unwrap().total();
        let mut all = BTreeMap::new();
        for seat in 0..agents {
            let rows = plan.rows_of(0, &shares, seat, count);
            let taken = stripe.below(seat, vus).chain(arrivals.below(seat, due));
            prop_assert_eq!(&rows, &taken.map(|i| i % count).collect());
            for row in rows {
                *all.entry(row).or_insert(0) += 1;
            }
        }
        let needed = vus.max(due).min(count);
        prop_assert_eq!(all.len() as u64, needed, "complete");
    }

    /// One row for each VU: no row is on two agents, and together they are all that are needed.
    #[test]
    fn rows_are_disjoint_and_complete(agents in 1u32..9, vus in 1u64..500, more in 0u64..50) {
        let plan = plan(&load(vus, GOOD));
        let shares = Shares::equal(agents);
        let mut all: Vec<u64> = (0..agents as usize)
            .flat_map(|seat| plan.rows_of(1, &shares, seat, vus + more))
            .collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..vus).collect::<Vec<_>>());
    }
}
