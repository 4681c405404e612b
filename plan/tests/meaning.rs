//! What a scenario file means: defaults, shortcuts and their precedence, variables, flows, the digest.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;
use throng_plan::*;

mod common;
use common::{bundle, compiled, plan, request};

const FLOWS: &str = "\nflows: { default: [{ get: http://h/ }] }\n";

fn executor(options: &str, overrides: Overrides) -> Executor {
    let mut bundle = bundle(&format!("{options}{FLOWS}"));
    bundle.overrides = overrides;
    let plan = compiled(&bundle);
    assert_eq!(plan.scenarios.len(), 1);
    plan.scenarios[0].executor.clone()
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn defaults_are_k6s() {
    let plan = plan(FLOWS);
    let options = &plan.options;
    assert_eq!(
        options.user_agent,
        concat!("throng/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(
        (options.max_redirects, options.timeout, options.dns_ttl),
        (10, seconds(60), seconds(300))
    );
    assert_eq!(options.summary_trend_stats, TrendStat::defaults());
    let scenario = &plan.scenarios[0];
    assert_eq!(
        (
            scenario.name.as_str(),
            scenario.graceful_stop,
            scenario.start_time
        ),
        ("default", seconds(30), Duration::ZERO)
    );
    let once = Executor::PerVuIterations {
        vus: 1,
        iterations: 1,
        max_duration: seconds(600),
    };
    assert_eq!(scenario.executor, once);
    assert_eq!((plan.load_end(), plan.max_vus()), (seconds(630), 1));
}

#[test]
fn every_executor_has_k6s_defaults() {
    let of = |yaml: &str| {
        executor(
            &format!("scenarios: {{ s: {{ {yaml} }} }}"),
            Overrides::default(),
        )
    };
    let table = [
        (
            "executor: shared-iterations",
            Executor::SharedIterations {
                vus: 1,
                iterations: 1,
                max_duration: seconds(600),
            },
        ),
        (
            "executor: per-vu-iterations",
            Executor::PerVuIterations {
                vus: 1,
                iterations: 1,
                max_duration: seconds(600),
            },
        ),
        (
            "executor: constant-vus, duration: 5s",
            Executor::ConstantVus {
                vus: 1,
                duration: seconds(5),
            },
        ),
        (
            "executor: ramping-vus, stages: [{ duration: 5s, target: 3 }]",
            Executor::RampingVus {
                start_vus: 1,
                stages: vec![Stage {
                    duration: seconds(5),
                    target: 3,
                }],
                graceful_ramp_down: seconds(30),
            },
        ),
        (
            "executor: constant-arrival-rate, rate: 7, duration: 5s, preAllocatedVUs: 2",
            Executor::ConstantArrivalRate {
                rate: 7,
                time_unit: seconds(1),
                duration: seconds(5),
                pre_allocated_vus: 2,
                max_vus: 2,
            },
        ),
        (
            "executor: ramping-arrival-rate, preAllocatedVUs: 2, maxVUs: 9, timeUnit: 1m, stages: [{ duration: 5s, target: 3 }]",
            Executor::RampingArrivalRate {
                start_rate: 0,
                time_unit: seconds(60),
                stages: vec![Stage {
                    duration: seconds(5),
                    target: 3,
                }],
                pre_allocated_vus: 2,
                max_vus: 9,
            },
        ),
    ];
    for (yaml, expected) in table {
        let found = of(yaml);
        assert!(yaml.contains(found.name()));
        assert_eq!(found.is_open(), found.name().ends_with("rate"));
        assert_eq!(found, expected, "{yaml}");
    }
}

#[test]
fn shortcuts_stand_for_scenarios_and_the_command_line_wins() {
    let line = |vus: Option<u64>,
                duration: Option<&str>,
                iterations: Option<u64>,
                stages: &[&str]| Overrides {
        vus,
        duration: duration.map(str::to_owned),
        iterations,
        stages: stages.iter().map(|s| (*s).to_owned()).collect(),
        ..Overrides::default()
    };
    let none = || line(None, None, None, &[]);
    let shared = |vus, iterations, s| Executor::SharedIterations {
        vus,
        iterations,
        max_duration: seconds(s),
    };
    let constant = |vus, s| Executor::ConstantVus {
        vus,
        duration: seconds(s),
    };
    let ramping = |start_vus, list: &[(u64, u64)]| Executor::RampingVus {
        start_vus,
        stages: list
            .iter()
            .map(|(s, target)| Stage {
                duration: seconds(*s),
                target: *target,
            })
            .collect(),
        graceful_ramp_down: seconds(30),
    };
    let file = "scenarios: { s: { executor: constant-vus, duration: 9s, vus: 9 } }";
    let table = [
        ("iterations: 5", none(), shared(1, 5, 600)),
        (
            "iterations: 5\nvus: 2\nduration: 7s",
            none(),
            shared(2, 5, 7),
        ),
        ("duration: 7s\nvus: 2", none(), constant(2, 7)),
        (
            "stages: [{ duration: 3s, target: 4 }]\nvus: 2",
            none(),
            ramping(2, &[(3, 4)]),
        ),
        (
            "stages: [{ duration: 3s, target: 4 }]",
            none(),
            ramping(1, &[(3, 4)]),
        ),
        // A higher tier wipes the lower; `vus` joins it.
        (
            "duration: 7s\nvus: 2",
            line(None, None, Some(6), &[]),
            shared(2, 6, 600),
        ),
        (
            "duration: 7s\nvus: 2",
            line(Some(3), None, None, &[]),
            constant(3, 7),
        ),
        (
            "iterations: 5",
            line(None, Some("4s"), None, &[]),
            constant(1, 4),
        ),
        (
            "iterations: 5",
            line(None, None, None, &["3s:4", "1m:0"]),
            ramping(1, &[(3, 4), (60, 0)]),
        ),
        (file, none(), constant(9, 9)),
        (file, line(Some(3), Some("4s"), None, &[]), constant(3, 4)),
        (
            file,
            line(Some(3), Some("4s"), Some(8), &[]),
            shared(3, 8, 4),
        ),
    ];
    for (yaml, overrides, expected) in table {
        assert_eq!(
            executor(yaml, overrides.clone()),
            expected,
            "{yaml} {overrides:?}"
        );
    }
}

#[test]
fn options_are_read() {
    let mut bundle = bundle(
        "baseURL: http://h:1/base/
tags: { team: a, run: file }
userAgent: me
maxRedirects: 0
timeout: 1500
insecureSkipTLSVerify: true
noConnectionReuse: true
noVUConnectionReuse: true
noCookiesReset: true
discardResponseBodies: true
dns: { ttl: inf }
onAgentLoss: abort
summaryTrendStats: [avg, p(99.9), count]
flows: { default: [{ get: /x }] }
",
    );
    bundle.overrides.tags = BTreeMap::from([("run".to_owned(), "line".to_owned())]);
    bundle.overrides.compat_k6 = true;
    bundle.seed = 5;
    let plan = compiled(&bundle);
    let o = &plan.options;
    assert_eq!(o.base_url.as_deref(), Some("http://h:1/base"));
    assert_eq!(o.on_agent_loss, OnAgentLoss::Abort);
    let mut other = bundle.clone();
    other.overrides.on_agent_loss = Some(OnAgentLoss::Continue);
    let other = compiled(&other);
    assert_eq!(other.options.on_agent_loss, OnAgentLoss::Continue);
    assert_ne!(other.digest(), plan.digest(), "it is part of what is meant");
    assert_eq!(
        o.tags,
        BTreeMap::from([
            ("team".to_owned(), "a".to_owned()),
            ("run".to_owned(), "line".to_owned())
        ])
    );
    assert_eq!(
        (o.user_agent.as_str(), o.max_redirects, o.timeout),
        ("me", 0, Duration::from_millis(1500))
    );
    assert!(
        o.insecure_skip_tls_verify
            && o.no_connection_reuse
            && o.no_vu_connection_reuse
            && o.no_cookies_reset
            && o.discard_response_bodies
            && o.compat_k6
    );
    assert_eq!(
        o.summary_trend_stats,
        [
            TrendStat::Avg,
            TrendStat::Percentile(99.9),
            TrendStat::Count
        ]
    );
    assert_eq!(plan.seed, 5);
    assert_eq!(
        request(&plan, 0).url,
        Template::literal("http://h:1/base/x")
    );
    assert_eq!(request(&plan, 0).name, "/x");
    bundle.overrides.base_url = Some("https://other".to_owned());
    assert_eq!(
        request(&compiled(&bundle), 0).url,
        Template::literal("https://other/x")
    );
}

#[test]
fn the_digest_tells_plans_apart_and_nothing_else() {
    let base = bundle(
        "duration: 1s\nthresholds: { http_reqs: ['count>1'] }\nflows: { default: [{ get: http://h/ }] }\n",
    );
    let same = bundle(
        "# a remark\nduration: 1000ms\nthresholds:\n  http_reqs: 'count>1'\nflows: { default: [{ get: \"http://h/\" }] }\n",
    );
    assert_eq!(compiled(&base).digest(), compiled(&base).digest());
    assert_eq!(compiled(&base).digest(), compiled(&same).digest());
    let changed = |change: &dyn Fn(&mut Bundle)| {
        let mut bundle = base.clone();
        change(&mut bundle);
        compiled(&bundle).digest()
    };
    let others = [
        changed(&|b| b.source = b.source.replace("count>1", "count>2")),
        changed(&|b| b.source = b.source.replace("http://h/ ", "http://h/x ")),
        changed(&|b| b.seed = 1),
        changed(&|b| b.overrides.no_thresholds = true),
        changed(&|b| b.overrides.compat_k6 = true),
        changed(&|b| b.overrides.vus = Some(2)),
    ];
    for (i, other) in others.iter().enumerate() {
        assert_ne!(*other, compiled(&base).digest(), "{i}");
        assert!(!others[..i].contains(other), "{i}");
    }
}

#[test]
fn what_the_source_wants_is_told() {
    let mut bundle = bundle(
        "baseURL: ${BASE:-http://h}
data: { a: { csv: \"${DIR}/a.csv\" }, b: { json: b.json }, c: { csv: b.json }, d: { range: [1, 2] } }
# ${NOT_IN_A_COMMENT}
flows: { default: [{ get: 'http://{{ env.HOST }}/$${NOT_THIS}' }] }
",
    );
    assert_eq!(wanted_env(&bundle.source), ["BASE", "DIR", "HOST"]);
    assert!(bundle.wanted_files().is_err());
    bundle.env = BTreeMap::from([("DIR".to_owned(), "rows".to_owned())]);
    assert_eq!(bundle.wanted_files().unwrap(), ["b.json", "rows/a.csv"]);
    bundle.source = "a: [".to_owned();
    assert!(wanted_env(&bundle.source).is_empty());
    assert!(bundle.wanted_files().is_err());
}

#[test]
fn one_url_is_a_scenario() {
    for url in [
        "http://h/",
        "https://h:1/a?b=c#d",
        "http://h/${X}/{{ y }}/\"'\\",
    ] {
        let mut bundle = bundle(&one_request(url));
        bundle.overrides = Overrides {
            vus: Some(50),
            duration: Some("10s".to_owned()),
            ..Overrides::default()
        };
        let plan = compiled(&bundle);
        assert_eq!(request(&plan, 0).url, Template::literal(url));
        assert_eq!(
            plan.scenarios[0].executor,
            Executor::ConstantVus {
                vus: 50,
                duration: seconds(10)
            }
        );
    }
    assert!(compile(&bundle(&one_request("h"))).is_err());
}

#[test]
fn thresholds_can_be_left_out_by_flag() {
    let mut bundle = bundle(
        "thresholds: { http_req_duration: ['p(95)<5', { threshold: 'avg<3', abortOnFail: true, delayAbortEval: 10s }] }\nflows: { default: [{ get: http://h/ }] }\n",
    );
    let plan = compiled(&bundle);
    let told: Vec<_> = plan
        .thresholds
        .iter()
        .map(|t| {
            (
                t.key.as_str(),
                t.expression.as_str(),
                t.abort_on_fail,
                t.delay_abort_eval,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("http_req_duration", "p(95)<5", false, Duration::ZERO),
            ("http_req_duration", "avg<3", true, seconds(10))
        ]
    );
    bundle.overrides.no_thresholds = true;
    assert!(compiled(&bundle).thresholds.is_empty());
}
