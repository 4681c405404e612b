//! Thresholds: what is read, what is refused and why, and what passes.

use crate::store::{durations, second, series, tags};
use std::time::Duration;
use throng_metrics::{
    Aggregation, Judged, Kind, Metric, Operator, Outcome, Store, Tags, Threshold, ThresholdError,
    Value, summary::Unjudged,
};

fn parse(key: &str, expression: &str) -> Threshold {
    Threshold::parse(key, expression).unwrap()
}

fn message(key: &str, expression: &str) -> String {
    Threshold::parse(key, expression).unwrap_err().to_string()
}

#[test]
fn expressions() {
    for (key, expression, aggregation, operator, value) in [
        (
            "http_req_duration",
            "p(95)<500",
            Aggregation::Percentile(95.0),
            Operator::Less,
            500.0,
        ),
        (
            "http_req_duration",
            "p(99.9) <= 1.5e3",
            Aggregation::Percentile(99.9),
            Operator::LessOrEqual,
            1500.0,
        ),
        (
            "http_req_duration",
            " avg\t>=  .5 ",
            Aggregation::Avg,
            Operator::GreaterOrEqual,
            0.5,
        ),
        (
            "http_req_duration",
            "med!=-1",
            Aggregation::Med,
            Operator::NotEqual,
            -1.0,
        ),
        (
            "iteration_duration",
            "min>1",
            Aggregation::Min,
            Operator::Greater,
            1.0,
        ),
        (
            "iteration_duration",
            "max<1",
            Aggregation::Max,
            Operator::Less,
            1.0,
        ),
        (
            "http_reqs",
            "count==5",
            Aggregation::Count,
            Operator::Equal,
            5.0,
        ),
        (
            "http_reqs",
            "rate===5",
            Aggregation::Rate,
            Operator::Equal,
            5.0,
        ),
        (
            "checks",
            "rate>0.99",
            Aggregation::Rate,
            Operator::Greater,
            0.99,
        ),
        ("vus", "value>5", Aggregation::Value, Operator::Greater, 5.0),
    ] {
        let threshold = parse(key, expression);
        assert_eq!(
            (threshold.aggregation, threshold.operator, threshold.value),
            (aggregation, operator, value),
            "{expression}"
        );
    }
}

#[test]
fn every_aggregation_belongs_to_its_kinds_only() {
    let all = [
        "count", "rate", "value", "avg", "min", "max", "med", "p(90)",
    ];
    for &metric in Metric::ALL {
        let allowed: &[&str] = match metric.kind() {
            Kind::Counter => &["count", "rate"],
            Kind::Gauge => &["value"],
            Kind::Rate => &["rate"],
            Kind::Trend => &["avg", "min", "max", "med", "p(90)"],
        };
        for aggregation in all {
            let read = Threshold::parse(metric.name(), &format!("{aggregation}<1"));
            if allowed.contains(&aggregation) {
                assert!(read.is_ok());
            } else {
                assert!(matches!(read, Err(ThresholdError::Aggregation { .. })));
            }
        }
    }
}

#[test]
fn keys() {
    for (key, pairs) in [
        ("http_reqs", &[][..]),
        (" http_reqs {status:500}", &[("status", "500")]),
        (
            "http_reqs{ status: 500 , method : GET }",
            &[("status", "500"), ("method", "GET")],
        ),
        (
            "http_reqs{group:::login::pay}",
            &[("group", "::login::pay")],
        ),
        (
            "http_reqs{name:/a/{{ id }}/b}",
            &[("name", "/a/{{ id }}/b")],
        ),
        (
            "http_reqs{name:\"/a,b:c\",status:'200'}",
            &[("name", "/a,b:c"), ("status", "200")],
        ),
    ] {
        let threshold = parse(key, "count>0");
        assert_eq!(threshold.filter, tags(pairs), "{key}");
        assert_eq!(threshold.is_submetric(), !pairs.is_empty());
    }
    // An empty value selects series without the tag.
    let without = parse("http_reqs{error:}", "count>0").filter;
    assert!(Tags::default().matches(&without));
    assert!(!tags(&[("error", "x")]).matches(&without));
    let shown = parse("http_reqs{b:2, a:1}", "rate>=0.50");
    assert_eq!(shown.submetric(), "http_reqs{a:1,b:2}");
    assert_eq!(shown.to_string(), "http_reqs{a:1,b:2}: rate>=0.5");
}

#[test]
fn errors_say_what_is_allowed() {
    insta::assert_snapshot!(
        [
            message("http_req_duraton", "p(95)<500"),
            message("latency", "p(95)<500"),
            message("http_reqs{status:500", "count<1"),
            message("http_reqs{status}", "count<1"),
            message("http_reqs{}", "count<1"),
            message("http_reqs{a:1,a:2}", "count<1"),
            message("http_reqs{vu:1}", "count<1"),
            message("http_reqs", "p(95)<500"),
            message("checks", "count>1"),
            message("http_req_duration", "p(95)"),
            message("http_req_duration", "p(101)<500"),
            message("http_req_duration", "p95<500"),
            message("http_req_duration", "p(95)=<500"),
            message("http_req_duration", "p(95)<500ms"),
            message("http_req_duration", "p(95)<"),
            message("http_req_failed", "rate<1%"),
            message("http_reqs", "count<inf"),
        ]
        .join("\n")
    );
}

fn store() -> Store {
    let mut store = Store::new();
    let ms = |n: u64| n * 1_000_000;
    store.merge_interval(&second(
        0,
        0,
        vec![
            series(
                &[("status", "200"), ("expected_response", "true")],
                vec![
                    (Metric::HttpReqs, Value::counter(90.0)),
                    (Metric::HttpReqFailed, Value::rate(0, 90)),
                    (Metric::HttpReqDuration, durations(&[ms(100), ms(300)])),
                    (Metric::Vus, Value::gauge(4.0)),
                ],
            ),
            series(
                &[("status", "500"), ("expected_response", "false")],
                vec![
                    (Metric::HttpReqs, Value::counter(10.0)),
                    (Metric::HttpReqFailed, Value::rate(10, 10)),
                    (Metric::HttpReqDuration, durations(&[ms(500)])),
                ],
            ),
        ],
    ));
    store
}

const ELAPSED: Duration = Duration::from_secs(20);

#[test]
fn evaluation() {
    let store = store();
    for (key, expression, actual, passes) in [
        ("http_reqs", "count>99", 100.0, true),
        ("http_reqs", "rate<5", 5.0, false),
        ("http_reqs{status:500}", "count<10", 10.0, false),
        ("http_req_failed", "rate<=0.1", 0.1, true),
        ("http_req_duration", "avg==300", 300.0, true),
        ("http_req_duration", "max<500", 500.0, false),
        ("http_req_duration", "min===100", 100.0, true),
        (
            "http_req_duration{expected_response:true}",
            "p(100)<301",
            300.0,
            true,
        ),
        ("vus", "value!=4", 4.0, false),
        // Zeros that are known: nothing was dropped, and no such status came.
        ("dropped_iterations", "count<1", 0.0, true),
        ("dropped_iterations", "rate<1", 0.0, true),
        ("http_reqs{status:404}", "count<1", 0.0, true),
        ("http_reqs{status:404}", "count>=1", 0.0, false),
    ] {
        let outcome = parse(key, expression).evaluate(&store, ELAPSED);
        assert_eq!(outcome.actual(), Some(actual), "{key} {expression}");
        assert_eq!(outcome.passes(false), passes, "{key} {expression}");
    }
    // Half of the two middle samples' distance, and within the histogram's error.
    let Outcome::Passed { actual } =
        parse("http_req_duration", "p(75)<401").evaluate(&store, ELAPSED)
    else {
        panic!("400 is less than 401")
    };
    assert!((actual - 400.0).abs() < 0.2);
}

#[test]
fn without_samples_a_threshold_fails_unless_k6_would_pass_it() {
    let store = store();
    for (key, expression, in_k6) in [
        ("checks", "rate>0.9", true),
        ("http_req_failed{status:404}", "rate>0.9", true),
        ("iteration_duration", "p(95)<500", true),
        ("iteration_duration", "p(95)>500", false),
        ("iterations", "count>0", false),
        ("iterations", "count<5", true),
        ("vus_max", "value<5", true),
        // No series has such a tag: not a known zero.
        ("http_reqs{statis:404}", "count<1", true),
        ("dropped_iterations{scenaro:x}", "count<1", true),
    ] {
        let outcome = parse(key, expression).evaluate(&store, ELAPSED);
        assert_eq!(
            outcome,
            Outcome::NoSamples {
                passes_in_k6: in_k6
            },
            "{key} {expression}"
        );
        assert!(!outcome.passes(false));
        assert_eq!(outcome.passes(true), in_k6);
    }
    // Before anything is merged, nothing is known.
    let outcome = parse("dropped_iterations", "count<1").evaluate(&Store::new(), ELAPSED);
    assert_eq!(outcome, Outcome::NoSamples { passes_in_k6: true });
}

#[test]
fn a_submetric_is_not_judged_when_series_overflowed() {
    let mut store = store();
    let judge = |store: &Store, key| {
        Judged::new(
            &parse(key, "count<1000"),
            "count<1000",
            store,
            ELAPSED,
            true,
        )
        .result
    };
    assert!(judge(&store, "http_reqs{status:500}").ok);
    let values = vec![(Metric::HttpReqs, Value::counter(1.0))];
    store.merge_interval(&second(
        0,
        1,
        vec![throng_metrics::Series {
            tags: Tags::overflow(),
            values,
        }],
    ));
    let result = judge(&store, "http_reqs{status:500}");
    assert_eq!(
        (result.ok, result.reason),
        (false, Some(Unjudged::Overflow))
    );
    // The whole metric is exact all the same.
    let result = judge(&store, "http_reqs");
    assert_eq!((result.ok, result.actual), (true, Some(101.0)));
}
