//! What is kept by run second: the levels of a whole fleet.

use crate::store::{durations, second, series, tags};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use throng_metrics::{GaugeBook, Interval, Metric, Store, Tags, Value};

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
fn nonsense_times_cost_nothing() {
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
        store.merge_interval(&interval);
    }
    assert_eq!(
        store.aggregate(Metric::HttpReqs, &Tags::default()),
        Some(Value::Counter(5.0))
    );
}
