//! What each kind of output is sent for one second of two agents: pinned, for other programs read it.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::output::frame::Frames;
use crate::output::rows::Rows;
use metrics::{Digits, Interval, Series, Tags, Trend, Value};
use std::collections::BTreeSet;

const SECOND: i64 = 1_000_000_000;
/// 2026-11-23T08:00:00Z.
const T0: i64 = 1_795_420_800 * SECOND;

fn labels() -> Labels {
    Labels {
        run: "r-1".to_owned(),
        test: "shop.yaml".to_owned(),
        tags: [("testid".to_owned(), "a b".to_owned())].into(),
        agents: [(0, "eu-1".to_owned()), (1, "us-1".to_owned())].into(),
    }
}

fn interval(seat: u32, values: &[u64]) -> Interval {
    let run = Tags::default()
        .with("testid", "a b")
        .with("scenario", "main");
    let mut trend = Trend::new(Digits::Three);
    for value in values {
        trend.record(*value);
    }
    let request = run
        .clone()
        .with("name", "/cart?a=1,2")
        .with("method", "GET")
        .with("status", "200")
        .with("expected_response", "true");
    let count = values.len() as f64;
    let series = vec![
        Series {
            tags: request,
            values: vec![
                (Metric::HttpReqs, Value::counter(count)),
                (Metric::HttpReqFailed, Value::rate(0, values.len() as u64)),
                (Metric::HttpReqDuration, Value::trend(trend)),
            ],
        },
        Series {
            tags: run.clone().with("check", "it's \"fine\""),
            values: vec![(Metric::Checks, Value::rate(1, 2))],
        },
        Series {
            tags: run,
            values: vec![(Metric::Vus, Value::gauge(2.0))],
        },
    ];
    Interval {
        agent: seat,
        incarnation: 1,
        sequence: 0,
        from: 0,
        to: SECOND,
        series,
    }
}

/// Everything an output is sent for that second, an event and the end.
pub(super) fn said(out: &str) -> Vec<Batch> {
    let spec = Spec::parse(out, &|_| None).unwrap();
    let mut encoder = Encoder::new(&spec);
    let labels = labels();
    let mut frames = Frames::new(5 * SECOND as u64);
    frames.add(interval(0, &[1_000, 2_000_000]));
    frames.add(interval(1, &[40_000_000]));
    let frame = frames.due(SECOND, &BTreeSet::from([0, 1])).remove(0);
    let mut totals = Totals::new(spec.wants_series());
    let sums = totals.take(&frame);
    let mut batches = encoder.event(&labels, T0, "stage", "main: stage 1, to \"5\"");
    let second = Second {
        frame: &frame,
        unix_ns: T0,
        sums: &sums,
        totals: &totals,
        labels: &labels,
    };
    batches.extend(encoder.second(&second));
    batches.extend(encoder.end(&second));
    batches
}

fn text(batches: &[Batch]) -> String {
    let texts = batches
        .iter()
        .map(|batch| String::from_utf8(batch.body.to_vec()).unwrap());
    texts.collect()
}

#[test]
fn points_are_counted_as_they_are_written() {
    for out in [
        "influxdb=http://h/k6",
        "influxdb=http://h/k6,layout=k6",
        "csv=x",
        "statsd=h",
        "statsd=h,tags=true",
    ] {
        let batches = said(out);
        let lines = text(&batches).lines().count() as u64;
        let head = u64::from(out.starts_with("csv"));
        let points: u64 = batches.iter().map(|batch| batch.points).sum();
        assert_eq!(points, lines - head, "{out}");
    }
}

#[test]
fn influxdb() {
    insta::assert_snapshot!("influxdb_k6", text(&said("influxdb=http://h/k6,layout=k6")));
    insta::assert_snapshot!(
        "influxdb_throng",
        text(&said("influxdb=http://h/k6,layout=throng"))
    );
}

#[test]
fn json_lines() {
    insta::assert_snapshot!(text(&said("json=x.json")));
}

#[test]
fn csv_rows() {
    insta::assert_snapshot!(text(&said("csv=x.csv")));
}

#[test]
fn samples_beyond_the_budget_say_what_they_stand_for() {
    insta::assert_snapshot!(text(&said("csv=x.csv,samples=1")));
}

#[test]
fn statsd_lines() {
    insta::assert_snapshot!("statsd", text(&said("statsd=h")));
    insta::assert_snapshot!(
        "statsd_tags",
        text(&said("statsd=h,tags=true,namespace=load.,samples=2"))
    );
}

#[test]
fn prometheus_series() {
    let batches = said("prometheus-rw=http://h/api/v1/write");
    let shown: Vec<String> = batches
        .iter()
        .map(|batch| prometheus::shown(&batch.body))
        .collect();
    insta::assert_snapshot!(shown.join("\n--\n"));
    let lines: usize = shown.iter().map(|batch| batch.matches(" @ ").count()).sum();
    assert_eq!(
        lines as u64,
        batches.iter().map(|batch| batch.points).sum::<u64>()
    );
}

/// A later life of the controller goes on with the run's sums: the last of them are the report's, and no counter seems to begin anew.
#[test]
fn a_run_that_is_gone_on_with_keeps_its_sums() {
    let mut so_far = Rows::default();
    for series in interval(0, &[1_000, 2_000_000]).series {
        for (metric, value) in &series.values {
            so_far.add(&series.tags, *metric, value);
        }
    }
    let mut frames = Frames::new(5 * SECOND as u64);
    frames.add(interval(1, &[40_000_000]));
    let frame = frames.rest().remove(0);
    let labels = labels();
    let said = |out: &str, so_far: Rows| {
        let spec = Spec::parse(out, &|_| None).unwrap();
        let mut totals = Totals::new(spec.wants_series());
        totals.go_on(so_far);
        let sums = totals.take(&frame);
        Encoder::new(&spec).second(&Second {
            frame: &frame,
            unix_ns: T0,
            sums: &sums,
            totals: &totals,
            labels: &labels,
        })
    };
    let lines = text(&said("influxdb=http://h/k6,layout=throng", so_far.clone()));
    let of_run = |line: &&str| {
        line.starts_with("throng_http_req_duration,")
            && line.contains("scope=total")
            && line.contains("window=run")
    };
    let line = lines.lines().find(of_run).unwrap();
    assert!(
        line.contains("count=3i") && line.contains("p95=36.2000384"),
        "{line}"
    );
    let remote = said("prometheus-rw=http://h/w", so_far);
    let shown = prometheus::shown(&remote[0].body);
    let requests: Vec<&str> = shown
        .lines()
        .filter(|line| line.contains("\"k6_http_reqs_total\""))
        .collect();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].contains(" 3 @ "), "{requests:?}");
}
