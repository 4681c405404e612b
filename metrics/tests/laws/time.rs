//! What is kept by run second: the fleet's levels, and the timeline.

use crate::store::{durations, second, series, tags};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use throng_metrics::{GaugeBook, Interval, Metric, Store, Tags, Timeline, Value};

fn level(agent: u32, at: i64, vus: f64) -> Interval {
    second(
        agent,
        at,
        vec![series(&[], vec![(Metric::Vus, Value::gauge(vus))])],
    )
}

#[test]
fn extremes_are_those_of_the_sum() {
    let mut store = Store::new();
    // One ramps up while the other ramps down: the fleet stays at 10.
    for at in 0..=10 {
        store.merge_interval(&level(0, at, at as f64));
        store.merge_interval(&level(1, at, 10.0 - at as f64));
    }
    let expected = Value::Gauge {
        last: 10.0,
        min: 10.0,
        max: 10.0,
    };
    assert_eq!(
        store.aggregate(Metric::Vus, &Tags::default()),
        Some(expected)
    );
}

#[test]
fn series_of_one_agent_add_up_and_can_be_selected() {
    let mut store = Store::new();
    for at in 0..3 {
        let of = |scenario| {
            let vus = Value::gauge(if scenario == "a" { 2.0 } else { 5.0 });
            series(&[("scenario", scenario)], vec![(Metric::Vus, vus)])
        };
        store.merge_interval(&second(0, at, vec![of("a"), of("b")]));
    }
    let last = |filter| match store.aggregate(Metric::Vus, &filter) {
        Some(Value::Gauge { last, .. }) => Some(last),
        _ => None,
    };
    assert_eq!(last(Tags::default()), Some(7.0));
    assert_eq!(last(tags(&[("scenario", "b")])), Some(5.0));
    assert_eq!(last(tags(&[("scenario", "c")])), None);
}

#[test]
fn a_second_report_for_a_second_replaces_the_first() {
    let mut book = GaugeBook::new();
    book.record(0, 4, 3.0);
    book.record(1, 4, 10.0);
    book.record(0, 4, 5.0);
    assert_eq!(book.at(4), Some(15.0));
}

#[test]
fn old_seconds_fold_and_nonsense_is_ignored() {
    let mut book = GaugeBook::new();
    book.record(0, 0, 100.0);
    for at in 1..20_000 {
        book.record(0, at, 7.0);
    }
    assert!(book.seconds().count() <= GaugeBook::WINDOW);
    let value = Value::Gauge {
        last: 7.0,
        min: 7.0,
        max: 100.0,
    };
    assert_eq!(book.value(), Some(value.clone()));
    for (at, level) in [
        (0, 1e9),
        (-1, 1e9),
        (i64::MAX, 1e9),
        (i64::MIN, 1e9),
        (19_999, f64::NAN),
    ] {
        book.record(0, at, level);
    }
    assert_eq!((book.value(), book.ignored()), (Some(value), 5));
    book.record(0, GaugeBook::LAST, 8.0);
    assert_eq!(book.at(GaugeBook::LAST), Some(8.0));
}

proptest! {
    #[test]
    fn the_book_is_a_plain_sum_whatever_the_order(reports in vec((0..4_u64, 0..50_i64, 0..100_u32), 1..80)) {
        // One report per source and second, each source's in order, sources interleaved at random.
        let mut expected: BTreeMap<(u64, i64), f64> = BTreeMap::new();
        let mut clock = [-1_i64; 4];
        let mut book = GaugeBook::new();
        for (source, step, level) in reports {
            let at = clock[source as usize] + 1 + step % 3;
            clock[source as usize] = at;
            book.record(source, at, f64::from(level));
            expected.insert((source, at), f64::from(level));
        }
        let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
        for ((_, at), level) in expected {
            *sums.entry(at).or_default() += level;
        }
        prop_assert_eq!(book.seconds().collect::<Vec<_>>(), sums.into_iter().collect::<Vec<_>>());
    }
}

fn busy(agent: u32, at: i64, requests: u64, ns: u64) -> Interval {
    let ns = vec![ns; requests as usize];
    second(
        agent,
        at,
        vec![series(
            &[],
            vec![
                (Metric::HttpReqs, Value::counter(requests as f64)),
                (Metric::HttpReqFailed, Value::rate(1, requests)),
                (Metric::Iterations, Value::counter(2.0)),
                (Metric::HttpReqDuration, durations(&ns)),
                (Metric::Vus, Value::gauge(3.0)),
            ],
        )],
    )
}

#[test]
fn agents_meet_in_a_point() {
    let mut timeline = Timeline::new();
    timeline.observe(&busy(0, 7, 30, 1_000_000));
    timeline.observe(&busy(1, 7, 10, 9_000_000));
    let point = timeline.points().next().unwrap();
    assert_eq!((point.second, point.seconds), (7, 1));
    assert_eq!((point.requests, point.failures), (40.0, 2));
    assert_eq!((point.iterations, point.vus), (4.0, Some(6.0)));
    let near = |read: Option<f64>, ns: f64| (read.unwrap() - ns).abs() <= ns * 0.005;
    assert!(near(point.p50, 1e6) && near(point.p95, 9e6));
    assert_eq!(timeline.point_at(9), Some(point));
    assert_eq!(timeline.point_at(6), None);
}

#[test]
fn a_long_run_coarsens_and_loses_no_count() {
    let mut timeline = Timeline::new();
    let seconds = 3 * Timeline::POINTS as i64;
    for at in 0..seconds {
        timeline.observe(&busy(0, at, 2, 1_000_000 * (1 + at as u64 % 100)));
        // The other agent is a minute late.
        if at >= 60 {
            timeline.observe(&busy(1, at - 60, 1, 500_000_000));
        }
    }
    assert_eq!(timeline.width(), 4);
    assert!(timeline.points().count() <= Timeline::POINTS);
    let requests: f64 = timeline.points().map(|point| point.requests).sum();
    assert_eq!(requests, (2 * seconds + seconds - 60) as f64);
    let first = timeline.points().next().unwrap();
    // 1, 1, 2, 2, 3, 3, 4, 4 ms and four times 500 ms: p(50) between 3 and 4... as k6 has it.
    let p50 = first.p50.unwrap();
    assert!((p50 - 3.5e6).abs() < 3.5e6 * 0.01, "{p50}");
    assert_eq!(first.vus, Some(6.0));
}

#[test]
fn an_interval_of_several_seconds_spreads_its_counts_and_invents_no_durations() {
    let mut timeline = Timeline::new();
    let mut interval = busy(0, 0, 10, 1_000_000);
    interval.to = 4_000_000_000;
    timeline.observe(&interval);
    let points: Vec<_> = timeline.points().collect();
    let requests: Vec<_> = points.iter().map(|point| point.requests).collect();
    assert_eq!(requests, [2.0, 3.0, 2.0, 3.0]);
    assert_eq!(points.iter().map(|point| point.failures).sum::<u64>(), 1);
    assert!(points[..3].iter().all(|point| point.p95.is_none()));
    assert!(points[3].p95.is_some());
    assert!(points.iter().all(|point| point.vus == Some(3.0)));
}

#[test]
fn nonsense_times_cost_nothing() {
    let mut timeline = Timeline::new();
    let mut store = Store::new();
    for (from, to) in [
        (i64::MIN, i64::MAX),
        (i64::MAX, i64::MIN),
        (0, i64::MAX),
        (-5, 0),
        (i64::MAX - 1, i64::MAX),
    ] {
        let mut interval = busy(0, 0, 1, 1);
        (interval.from, interval.to) = (from, to);
        timeline.observe(&interval);
        store.merge_interval(&interval);
    }
    assert!(timeline.points().count() <= Timeline::POINTS);
    assert_eq!(
        store.aggregate(Metric::HttpReqs, &Tags::default()),
        Some(Value::Counter(5.0))
    );
}
