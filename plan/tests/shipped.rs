//! Every scenario the repository ships compiles, with and without its variables; so does every example of its reference.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use throng_plan::{Bundle, Plan, Step, compile, wanted_env};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn scenario(name: &str, env: &[(&str, &str)]) -> Plan {
    let source = std::fs::read_to_string(root().join("scenarios").join(name)).unwrap();
    compiled(name, &source, env)
}

fn compiled(name: &str, source: &str, env: &[(&str, &str)]) -> Plan {
    let bundle = Bundle {
        name: name.to_owned(),
        source: source.to_owned(),
        env: env
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        files: BTreeMap::from([
            (
                "users.csv".to_owned(),
                b"name,password\nada,secret\n".to_vec(),
            ),
            ("users.json".to_owned(), br#"[{"name":"ada"}]"#.to_vec()),
        ]),
        ..Bundle::default()
    };
    match compile(&bundle) {
        Ok(plan) => plan,
        Err(diagnostics) => panic!("{name}\n{diagnostics}"),
    }
}

#[test]
fn every_shipped_scenario_compiles_and_says_when_to_use_it() {
    let mut names: Vec<String> = std::fs::read_dir(root().join("scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "breakpoint.yaml",
            "load.yaml",
            "reservation-setup.yaml",
            "reservation.yaml",
            "smoke.yaml",
            "soak.yaml",
            "spike.yaml",
            "stress.yaml"
        ]
    );
    for name in names {
        let source = std::fs::read_to_string(root().join("scenarios").join(&name)).unwrap();
        assert!(
            source.starts_with("# ") && source.contains("\n# When to use it: "),
            "{name}"
        );
        assert!(
            wanted_env(&source).contains(&"BASE_URL".to_owned()),
            "{name}"
        );
        let plan = compiled(&name, &source, &[]);
        assert_eq!(
            plan.options.base_url.as_deref(),
            Some("http://localhost:8080")
        );
        let load: Duration = plan.scenarios.iter().map(|s| s.end()).max().unwrap();
        assert!(
            load <= Duration::from_secs(60),
            "{name} is short unless a variable says otherwise: {load:?}"
        );
        assert!(!plan.thresholds.is_empty(), "{name}");
        if plan.setup.is_some() {
            // Its flow begins where setup ends.
            continue;
        }
        // All others share the reservation flow.
        assert_eq!(
            format!("{:?}", plan.flows),
            format!("{:?}", scenario("reservation.yaml", &[]).flows),
            "{name}"
        );
    }
}

#[test]
fn variables_lengthen_the_shipped_scenarios() {
    let soak = scenario(
        "soak.yaml",
        &[
            ("DURATION", "8h"),
            ("VUS", "300"),
            ("BASE_URL", "https://h"),
        ],
    );
    assert_eq!(
        (soak.scenarios[0].end(), soak.max_vus()),
        (Duration::from_secs(8 * 3600), 300)
    );
    assert_eq!(soak.options.base_url.as_deref(), Some("https://h"));
    let spike = scenario("spike.yaml", &[("PEAK", "2000")]);
    assert_eq!(spike.max_vus(), 2000);
}

#[test]
fn the_reservation_is_the_one_the_project_began_with() {
    let plan = scenario("reservation.yaml", &[]);
    let curve = plan.scenarios[0]
        .executor
        .vu_curve(plan.scenarios[0].graceful_stop)
        .unwrap();
    let second = 1_000_000_000;
    assert_eq!(
        [0, second, 4 * second, 5 * second].map(|t| curve.vus_at(t)),
        [0, 100, 100, 0]
    );
    let mut told = Vec::new();
    for step in &plan.flows[0].steps {
        told.push(match step {
            Step::Let(values) => format!("let {}", values.len()),
            Step::Request(r) => format!("{} {} {}", r.method, r.name, r.checks[0].name),
            Step::Sleep { min, max } if min == max => format!("sleep {}", min.as_secs()),
            Step::Stop { reason, .. } => format!("stop {reason}"),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        told,
        [
            "let 1",
            "GET /api/waiting-queue/position Token fetched",
            "stop no token",
            "sleep 1",
            "GET /api/concerts/1/schedules Concert schedules checked",
            "stop no schedule",
            "sleep 1",
            "GET /api/concerts/1/schedules/{{ schedule }}/seats Seats availability checked",
            "stop no seat",
            "sleep 2",
            "POST /api/concerts/1/schedules/{{ schedule }}/seats/reservation Reservation made",
            "stop no reservation",
            "sleep 1",
            "POST /api/concerts/1/schedules/{{ schedule }}/seats/reservation/payment Payment completed",
        ]
    );
}

#[test]
fn every_example_of_the_reference_compiles() {
    let text = std::fs::read_to_string(root().join("docs/scenarios.md")).unwrap();
    let mut examples = 0;
    for (i, block) in text.split("```yaml\n").skip(1).enumerate() {
        let example = block.split("```").next().unwrap();
        examples += 1;
        // A fragment without flows, or without what flows need, is an example all the same.
        let mut whole = example.to_owned();
        if !whole.lines().any(|line| line.starts_with("flows:")) {
            whole.push_str("\nflows: { default: [{ get: http://h/ }], browse: [{ get: http://h/ }], buy: [{ get: http://h/ }] }\n");
        }
        let _ = compiled(
            &format!("docs/scenarios.md, example {}", i + 1),
            &whole,
            &[("TOKEN", "t"), ("HOST", "h")],
        );
    }
    assert!(examples >= 10, "{examples}");
}
