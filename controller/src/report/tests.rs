//! What people read, in snapshots: look at them as a tired person would.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::change::Annotation;
use crate::conservation::{Account, Basis, Promise, Unit};
use crate::verdict::{Evidence, Witness};
use metrics::{
    Interval, Judged, Metric, Series, Store, SummaryOptions, Tags, Threshold, Trend, Value,
};
use proto::v1::{Health, ScenarioTotals};
use std::time::Duration;

const S: u128 = 1_000_000_000;

/// What one agent measured: responses of 1 to `count` × 40 ms, every 20th failed.
fn interval(agent: u32, count: u64) -> Interval {
    let trend = |metric: Metric, scale: u64| {
        let mut trend = Trend::new(metric.resolution());
        (1..=count).for_each(|i| trend.record(i * scale));
        (metric, Value::trend(trend))
    };
    let failed = count / 20;
    let route = Tags::default()
        .with("scenario", "main")
        .with("name", "/api/concerts/{{ id }}");
    let check = route.clone().with("check", "Token fetched");
    Interval {
        agent,
        incarnation: 1,
        sequence: 0,
        from: 0,
        to: 5_000_000_000,
        series: vec![
            Series {
                tags: route.with("expected_response", "true"),
                values: vec![
                    trend(Metric::HttpReqDuration, 40_000_000),
                    (Metric::HttpReqs, Value::counter(count as f64)),
                    (Metric::HttpReqFailed, Value::rate(failed, count)),
                    (Metric::DataReceived, Value::counter(count as f64 * 180.0)),
                    (Metric::DataSent, Value::counter(count as f64 * 120.0)),
                ],
            },
            Series {
                tags: check,
                values: vec![(Metric::Checks, Value::rate(count - failed, count))],
            },
            Series {
                tags: Tags::default().with("scenario", "main"),
                values: vec![
                    trend(Metric::IterationDuration, 90_000_000),
                    (Metric::Iterations, Value::counter((count / 5) as f64)),
                    (Metric::Vus, Value::gauge(34.0)),
                    (Metric::VusMax, Value::gauge(34.0)),
                ],
            },
        ],
    }
}

fn totals(requests: u64, vu_seconds: f64) -> ScenarioTotals {
    ScenarioTotals {
        scenario: "load_test".to_owned(),
        begun: requests / 5 + 2,
        completed: requests / 5,
        interrupted: 2,
        requests,
        requests_cut: 1,
        vu_ns: (vu_seconds * 1e9) as u64,
        ..ScenarioTotals::default()
    }
}

fn agent(name: &str, fate: Fate, start_ms: f64) -> AgentFacts {
    AgentFacts {
        name: name.to_owned(),
        host: "bench-1".to_owned(),
        version: "0.1.0".to_owned(),
        cores: 2,
        workers: 1,
        share: 1.0 / 3.0,
        fate,
        vus_max: 34,
        iterations: 33,
        interrupted: 2,
        requests: 165,
        rtt_ms: Some(0.184),
        offset_ms: Some(0.02),
        start_ms: Some(start_ms),
        start_uncertainty_ms: Some(0.092),
        health: None,
    }
}

/// A report of three agents; `spoil` says how the second fared.
fn report(lost: bool) -> Report {
    let mut store = Store::new();
    for seat in 0..3 {
        store.merge_interval(&interval(seat, if lost && seat == 1 { 60 } else { 165 }));
    }
    let threshold = |expression: &str| {
        let threshold = Threshold::parse("http_req_duration", expression).unwrap();
        Judged::new(
            &threshold,
            expression,
            &store,
            Duration::from_secs(5),
            false,
        )
    };
    let judged = [threshold("p(95)<8000"), threshold("avg<1000")];
    let judged = if lost { &judged[..] } else { &judged[..1] };
    let options = SummaryOptions {
        duration: Duration::from_secs(5),
        ..SummaryOptions::default()
    };
    let summary = Summary::new(&store, judged, &options);
    let fate = |seat| {
        if lost && seat == 1 {
            Fate::Lost
        } else {
            Fate::Done
        }
    };
    let accounts: Vec<Account> = (0..3)
        .map(|seat| {
            let gone = fate(seat) == Fate::Lost;
            Account {
                fate: fate(seat),
                totals: vec![if gone {
                    totals(64, 60.0)
                } else {
                    totals(165, 133.3)
                }],
                requests_merged: if gone { 60 } else { 165 },
                intervals: if gone { 2 } else { 5 },
                missing: u64::from(lost && seat == 2),
                merged_ns: if gone { 2 * S } else { 5 * S },
                held_ns: 5 * S,
            }
        })
        .collect();
    let promise = Promise {
        sure: Vec::new(),
        ahead: Vec::new(),
        moved: false,
        scenario: "load_test".to_owned(),
        unit: Unit::VuSeconds,
        shares: vec![133_400_000_000, 133_300_000_000, 133_300_000_000],
        ungranted: 0,
        basis: Basis::Whole,
    };
    let merged = if lost { 390 } else { 495 };
    let conservation = Conservation::new(&[promise], &accounts, merged, u64::from(lost));
    let health = |lateness: u64| Health {
        cpu: Some(0.21),
        cpu_available: Some(2.0),
        throttled_ns: Some(0),
        lag_p99_ns: Some(1_200_000),
        lag_max_ns: Some(3_000_000),
        lateness_p99_ns: Some(lateness * 1_000_000),
        lateness_max_ns: Some(lateness * 2_000_000),
        memory_bytes: Some(21 << 20),
        held_back: 0,
    };
    let witness = |name: &str, health: Health| Witness {
        silent_ms: None,
        agent: name.to_owned(),
        health: Some(health),
        elapsed_ns: 5_000_000_000,
        requests: 100,
    };
    let slow = health(if lost { 900 } else { 4 });
    let slow = if lost {
        Health {
            throttled_ns: None,
            cpu: None,
            ..slow
        }
    } else {
        slow
    };
    let verdict = Verdict::new(&Evidence {
        witnesses: vec![
            witness(
                "local-1",
                Health {
                    throttled_ns: slow.throttled_ns,
                    cpu: slow.cpu,
                    ..health(2)
                },
            ),
            witness("local-2", slow),
        ],
        median_ns: Some(2e9),
        conservation: Some(conservation.clone()),
        overflow: 0,
        local_errors: 0,
        clamped: 0,
        unjournaled: false,
    });
    let errors = vec![
        ErrorKind {
            kind: "timeout after 60s".to_owned(),
            count: 1204,
            samples: vec![
                "POST http://127.0.0.1:8080/api/concerts/7/seats/reservation: timeout after 60s"
                    .to_owned(),
            ],
            agents: 3,
        },
        ErrorKind {
            kind: "connection refused".to_owned(),
            count: 3,
            samples: Vec::new(),
            agents: 1,
        },
    ];
    let applying = if lost {
        vec![ExitCode::NumbersInvalid, ExitCode::Thresholds]
    } else {
        Vec::new()
    };
    Report {
        fleet: Vec::new(),
        timeline: Vec::new(),
        marks: Vec::new(),
        metrics: summary.metrics,
        root_group: summary.root_group,
        options: summary.options,
        state: summary.state,
        run: RunFacts {
            id: "r-20261123-0342-k3f9".to_owned(),
            name: "scenarios/reservation.yaml".to_owned(),
            version: "0.1.0".to_owned(),
            started_unix_ms: 1_795_405_320_000,
            began: true,
            load_ms: 5000.0,
            ended: Ended::Finished,
            reason: String::new(),
            seed: 7,
            plan: "00ff".to_owned(),
            compat_k6: false,
            start_skew_ms: Some(0.41),
            start_uncertainty_ms: Some(0.184),
            annotations: if lost {
                [(12_449.0, "paused"), (20_100.0, "resumed")]
                    .map(|(from_ms, what)| Annotation {
                        from_ms,
                        asked_ms: from_ms - 1000.0,
                        asked_unix_ms: 1_800_000_000_000,
                        who: "cli".to_owned(),
                        what: what.to_owned(),
                        note: false,
                    })
                    .to_vec()
            } else {
                Vec::new()
            },
            controller_lag_ms: if lost { 3_100.0 } else { 12.0 },
            stop: lost.then(|| StopFacts {
                cut: true,
                at_ms: 4_900.0,
                confirmed: 2,
                took_ms: Some(38.0),
                slowest: Some("local-3".to_owned()),
                silent: vec!["local-2".to_owned()],
            }),
            away: Vec::new(),
            notes: if lost {
                vec![
                    "local-2 lost: unheard for 5.1 s; its share is not made by anyone else"
                        .to_owned(),
                ]
            } else {
                Vec::new()
            },
        },
        agents: vec![
            agent("local-1", Fate::Done, 0.21),
            agent("local-2", fate(1), -0.2),
            agent("local-3", Fate::Done, 0.18),
        ],
        conservation,
        verdict,
        errors: if lost { errors } else { Vec::new() },
        phases: Vec::new(),
        outputs: Vec::new(),
        exit: Exit::new(&applying),
    }
}

#[test]
fn a_good_run() {
    insta::assert_snapshot!(text(&report(false), false));
}

#[test]
fn a_run_in_which_much_went_wrong() {
    insta::assert_snapshot!(text(&report(true), false));
}

#[test]
fn a_run_that_did_not_begin_is_one_line() {
    let mut report = report(false);
    report.run.began = false;
    report.run.ended = Ended::FleetIncomplete;
    report.exit = Exit::new(&[ExitCode::Fleet]);
    assert_eq!(
        text(&report, false),
        "  run r-20261123-0342-k3f9 did not begin: the fleet is not complete; exit code 122 (the fleet was lost or never complete)\n"
    );
}

#[test]
fn colour_changes_nothing_but_colour() {
    let report = report(true);
    let painted = text(&report, true);
    let mut plain = String::new();
    let mut rest = painted.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, text(&report, false));
    assert_ne!(plain, painted);
}

#[test]
fn json_has_k6s_shape_at_the_top_and_comes_back_the_same() {
    let report = report(true);
    let json = serde_json::to_string_pretty(&report).unwrap();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["metrics"]["http_reqs"]["values"]["count"], 390);
    assert_eq!(
        value["metrics"]["http_req_duration"]["thresholds"]["avg<1000"]["ok"],
        false
    );
    assert_eq!(value["root_group"]["checks"][0]["name"], "Token fetched");
    assert_eq!(value["state"]["testRunDurationMs"], 5000.0);
    assert_eq!(value["exit"]["all"], serde_json::json!([121, 99]));
    assert_eq!(value["verdict"]["grade"], "INVALID");
    let own: Vec<serde_json::Value> =
        ["run", "agents", "conservation", "verdict", "errors", "exit"]
            .into_iter()
            .map(|key| value[key].clone())
            .collect();
    insta::assert_snapshot!(serde_json::to_string_pretty(&own).unwrap());
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}
