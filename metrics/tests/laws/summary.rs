//! What people and programs read: the summary's JSON and its text, values included.

use crate::store::{second, series};
use std::time::Duration;
use throng_metrics::text::{Paint, render};
use throng_metrics::{
    Detail, Digits, Judged, Metric, Series, Store, Summary, SummaryOptions, Threshold, Trend,
    TrendStat, Value, render_text,
};

const CHECKS: [&str; 5] = [
    "Token fetched",
    "Concert schedules checked",
    "Seats availability checked",
    "Reservation made",
    "Payment completed",
];

/// So many durations around a median, spread like a lognormal, the same on every run.
fn spread(digits: Digits, count: u64, median: f64, spread: f64) -> Value {
    let mut trend = Trend::new(digits);
    for i in 0..count {
        // The logistic quantile function, at even steps: near enough to a normal one.
        let p = (i as f64 + 0.5) / count as f64;
        trend.record((median * (spread * (p / (1.0 - p)).ln()).exp()) as u64);
    }
    Value::trend(trend)
}

/// The durations (in seconds) of the run that throng began with, by rank: 496 of them, with its min, med, p(90), p(95), max
/// and mean.
fn duration(rank: u64) -> u64 {
    const CURVE: [(f64, f64); 7] = [
        (0.0, 0.004_53),
        (0.25, 0.45),
        (0.5, 1.38),
        (0.7, 2.4),
        (0.9, 5.25),
        (0.95, 6.2),
        (1.0, 8.59),
    ];
    let q = rank as f64 / 495.0;
    let part = CURVE.windows(2).find(|part| q <= part[1].0).unwrap();
    let ((from, low), (to, high)) = (part[0], part[1]);
    ((low + (high - low) * (q - from) / (to - from)) * 1e9).round() as u64
}

fn requests(status: &str, ranks: impl Iterator<Item = u64>) -> Series {
    let expected = if status == "200" { "true" } else { "false" };
    let (mut durations, mut waiting) = (Trend::new(Digits::Three), Trend::new(Digits::Two));
    for ns in ranks.map(duration) {
        durations.record(ns);
        waiting.record(ns - 90_000);
    }
    let count = durations.count;
    let failed = if status == "200" { 0 } else { count };
    series(
        &[
            ("name", "/api/concerts/{{ id }}/schedules"),
            ("method", "GET"),
            ("status", status),
            ("expected_response", expected),
            ("scenario", "load_test"),
        ],
        vec![
            (Metric::HttpReqDuration, Value::trend(durations)),
            (Metric::HttpReqFailed, Value::rate(failed, count)),
            (Metric::HttpReqs, Value::counter(count as f64)),
            (Metric::HttpReqBlocked, spread(Digits::Two, count, 9e3, 0.4)),
            (Metric::HttpReqWaiting, Value::trend(waiting)),
        ],
    )
}

fn check(group: &str, name: &str, passes: u64, fails: u64) -> Series {
    let tags = [("check", name), ("group", group)];
    series(
        &tags,
        vec![(Metric::Checks, Value::rate(passes, passes + fails))],
    )
}

/// Like the run that throng began with: 496 requests in 17.8 s, 8 of them failed.
fn rush() -> Store {
    let mut store = Store::new();
    let totals = vec![
        (
            Metric::IterationDuration,
            spread(Digits::Three, 92, 15.2e9, 0.05),
        ),
        (Metric::Iterations, Value::counter(92.0)),
        (Metric::StoppedIterations, Value::counter(8.0)),
        (Metric::ResentRequests, Value::counter(0.0)),
        (Metric::DataReceived, Value::counter(109_612.0)),
        (Metric::DataSent, Value::counter(89_234.0)),
        (Metric::Vus, Value::gauge(100.0)),
        (Metric::VusMax, Value::gauge(100.0)),
    ];
    let mut first = vec![
        series(&[("scenario", "load_test")], totals),
        requests("200", (0..496).filter(|rank| rank % 62 != 31)),
        requests("500", (0..496).filter(|rank| rank % 62 == 31)),
    ];
    let made = [100, 100, 100, 96, 90];
    let failed = [0, 0, 0, 4, 4];
    for (nth, name) in CHECKS.iter().enumerate() {
        first.push(check("", name, made[nth], failed[nth]));
    }
    first.push(check("::payment::card", "Card \x1b[31maccepted", 2, 0));
    store.merge_interval(&second(0, 0, first));
    let end = vec![
        (Metric::Vus, Value::gauge(1.0)),
        (Metric::VusMax, Value::gauge(100.0)),
    ];
    store.merge_interval(&second(0, 1, vec![series(&[], end)]));
    store
}

fn summary(thresholds: &[(&str, &str)]) -> Summary {
    let store = rush();
    let options = SummaryOptions {
        duration: Duration::from_millis(17_827),
        checks: CHECKS
            .iter()
            .map(|&name| (String::new(), name.to_owned()))
            .collect(),
        ..SummaryOptions::default()
    };
    let judge = |&(key, expression): &(&str, &str)| {
        let threshold = Threshold::parse(key, expression).unwrap();
        Judged::new(&threshold, expression, &store, options.duration, false)
    };
    let judged: Vec<_> = thresholds.iter().map(judge).collect();
    Summary::new(&store, &judged, &options)
}

const THRESHOLDS: [(&str, &str); 7] = [
    ("http_req_duration", "p(95)<8000"),
    ("http_req_duration", "p(99.9) < 500"),
    ("http_req_duration{status:200}", "avg<5000"),
    ("http_req_failed", "rate<0.01"),
    ("http_reqs", "rate>10"),
    ("group_duration", "p(95)<500"),
    ("data_sent", "count<1000000"),
];

#[test]
fn text() {
    insta::assert_snapshot!(render_text(&summary(&THRESHOLDS), false));
}

#[test]
fn text_in_full_and_in_colour() {
    let plain = Paint { on: false };
    insta::assert_snapshot!(render(&summary(&[]), plain, Detail::Full));
    let colour = render_text(&summary(&THRESHOLDS), true);
    insta::assert_snapshot!(colour.replace('\x1b', "␛"));
    // Colours change nothing else.
    let mut bare = String::new();
    for (nth, part) in colour.split('\x1b').enumerate() {
        bare.push_str(if nth == 0 {
            part
        } else {
            part.split_once('m').unwrap().1
        });
    }
    assert_eq!(bare, render_text(&summary(&THRESHOLDS), false));
}

#[test]
fn json() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&summary(&THRESHOLDS)).unwrap());
}

#[test]
fn json_comes_back_as_it_went() {
    let summary = summary(&THRESHOLDS);
    let text = serde_json::to_string(&summary).unwrap();
    let back: Summary = serde_json::from_str(&text).unwrap();
    assert_eq!(back, summary);
    assert_eq!(render_text(&back, true), render_text(&summary, true));
}

#[test]
fn a_run_without_a_sample() {
    let summary = Summary::new(&Store::new(), &[], &SummaryOptions::default());
    insta::assert_snapshot!(render_text(&summary, false), @r"

      █ TOTAL RESULTS

        nothing was measured
    ");
}

#[test]
fn trend_stats() {
    for (text, stat) in [
        ("avg", TrendStat::Avg),
        (" count ", TrendStat::Count),
        ("p(99.9)", TrendStat::Percentile(99.9)),
    ] {
        assert_eq!(text.parse::<TrendStat>().unwrap(), stat);
        assert_eq!(stat.to_string(), text.trim());
    }
    for text in ["", "p95", "p(101)", "p(-1)", "p(x)", "mean"] {
        assert!(text.parse::<TrendStat>().is_err(), "{text}");
    }
    assert_eq!(
        "mean".parse::<TrendStat>().unwrap_err().to_string(),
        "`mean` is not a trend statistic: avg, min, med, max, count or p(N) with N from 0 to 100"
    );
}

#[test]
fn deep_groups_do_not_exhaust_the_stack() {
    let mut store = Store::new();
    let path = "::a".repeat(100_000);
    store.merge_interval(&second(0, 0, vec![check(&path, "c", 1, 1)]));
    let summary = Summary::new(&store, &[], &SummaryOptions::default());
    assert!(render_text(&summary, false).contains("✗ c"));
    let text = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
}
