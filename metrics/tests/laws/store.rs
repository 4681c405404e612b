//! Merging: the same whatever the order or the split, bounded whatever comes, and each interval once.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use throng_metrics::{
    Arrival, Delivery, Digits, Histogram, Interval, Limits, Metric, Series, Store, Tags, Trend,
    Value,
};

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().fold(Tags::default(), |tags, (name, value)| {
        tags.with(name, value)
    })
}

pub(crate) fn durations(ns: &[u64]) -> Value {
    let mut trend = Trend::new(Digits::Three);
    for &ns in ns {
        trend.record(ns);
    }
    Value::trend(trend)
}

/// An interval of one run second.
pub(crate) fn second(agent: u32, second: i64, series: Vec<Series>) -> Interval {
    Interval {
        agent,
        incarnation: 1,
        sequence: second.unsigned_abs(),
        from: second * 1_000_000_000,
        to: (second + 1) * 1_000_000_000,
        series,
    }
}

pub(crate) fn series(pairs: &[(&str, &str)], values: Vec<(Metric, Value)>) -> Series {
    Series {
        tags: tags(pairs),
        values,
    }
}

fn request(status: &str, ns: u64) -> Series {
    let failed = u64::from(status != "200");
    series(
        &[("status", status), ("name", "/a")],
        vec![
            (Metric::HttpReqs, Value::counter(1.0)),
            (Metric::HttpReqFailed, Value::rate(failed, 1)),
            (Metric::HttpReqDuration, durations(&[ns])),
        ],
    )
}

proptest! {
    #[test]
    fn order_and_split_change_nothing(
        samples in vec((0..3_usize, 1..10_000_000_000_u64, 0..5_u32), 1..40),
        turn in any::<proptest::sample::Index>(),
    ) {
        let statuses = ["200", "404", "500"];
        let intervals: Vec<_> = samples
            .iter()
            .map(|&(status, ns, agent)| second(agent, 0, vec![request(statuses[status], ns)]))
            .collect();
        let (mut straight, mut turned) = (Store::new(), Store::new());
        intervals.iter().for_each(|interval| straight.merge_interval(interval));
        let mut other = intervals.clone();
        other.rotate_left(turn.index(intervals.len()));
        other.reverse();
        other.iter().for_each(|interval| turned.merge_interval(interval));
        for metric in [Metric::HttpReqs, Metric::HttpReqFailed, Metric::HttpReqDuration] {
            for filter in [tags(&[]), tags(&[("status", "200")]), tags(&[("name", "/a")])] {
                prop_assert_eq!(straight.aggregate(metric, &filter), turned.aggregate(metric, &filter));
            }
        }
        let whole = straight.aggregate(Metric::HttpReqDuration, &Tags::default()).unwrap();
        let ns: Vec<_> = samples.iter().map(|&(_, ns, _)| ns).collect();
        prop_assert_eq!(whole, durations(&ns));
    }
}

#[test]
fn filters_select_series() {
    let mut store = Store::new();
    store.merge_interval(&second(
        0,
        0,
        vec![request("200", 1), request("200", 2), request("500", 3)],
    ));
    let count = |pairs: &[(&str, &str)]| store.aggregate(Metric::HttpReqs, &tags(pairs));
    assert_eq!(count(&[]), Some(Value::Counter(3.0)));
    assert_eq!(count(&[("status", "200")]), Some(Value::Counter(2.0)));
    assert_eq!(
        count(&[("status", "200"), ("name", "/a")]),
        Some(Value::Counter(2.0))
    );
    assert_eq!(count(&[("status", "404")]), None);
    assert_eq!(
        store.distinct(Metric::HttpReqs, "status"),
        BTreeSet::from(["200", "500"])
    );
    assert_eq!(store.iter().count(), 6);
}

#[test]
fn beyond_the_limits_values_overflow_and_totals_stay() {
    let limits = Limits {
        series: 3,
        ..Limits::default()
    };
    let mut store = Store::with_limits(limits);
    for n in 0..10 {
        let name = format!("/{n}");
        let value = vec![(Metric::HttpReqs, Value::counter(1.0))];
        store.merge_interval(&second(0, n, vec![series(&[("name", &name)], value)]));
    }
    assert_eq!(store.series(), 4);
    assert_eq!(store.overflow(), 7);
    assert!(store.overflowed());
    let all = store.aggregate(Metric::HttpReqs, &Tags::default());
    assert_eq!(all, Some(Value::Counter(10.0)));
    let beyond = store.aggregate(Metric::HttpReqs, &Tags::overflow());
    assert_eq!(beyond, Some(Value::Counter(7.0)));
}

#[test]
fn memory_is_bounded_too() {
    let one = size_of::<Trend>() + Histogram::footprint(Digits::Three);
    let mut store = Store::with_limits(Limits {
        series: usize::MAX,
        bytes: 2 * one,
    });
    for n in 0..5 {
        let value = vec![(Metric::HttpReqDuration, durations(&[n]))];
        store.merge_interval(&second(
            0,
            0,
            vec![series(&[("name", &n.to_string())], value)],
        ));
    }
    // The overflow series is the one beyond.
    assert_eq!((store.series(), store.bytes()), (3, 2 * one));
    let all = store.aggregate(Metric::HttpReqDuration, &Tags::default());
    assert_eq!(all, Some(durations(&[0, 1, 2, 3, 4])));
}

#[test]
fn an_agents_overflow_counts_as_ours() {
    let mut store = Store::new();
    let values = vec![(Metric::HttpReqs, Value::counter(1.0))];
    let none = vec![(Metric::OverflowSamples, Value::counter(0.0))];
    store.merge_interval(&second(
        0,
        0,
        vec![series(&[], values.clone()), series(&[], none)],
    ));
    assert!(!store.overflowed());
    store.merge_interval(&second(
        0,
        1,
        vec![Series {
            tags: Tags::overflow(),
            values,
        }],
    ));
    assert!(store.overflowed());
}

#[test]
fn a_wrong_kind_is_refused_and_harms_nothing() {
    let mut store = Store::new();
    let wrong = vec![
        (Metric::HttpReqs, Value::rate(1, 1)),
        (Metric::Vus, Value::counter(1.0)),
        (Metric::HttpReqDuration, Value::gauge(1.0)),
    ];
    let interval = second(0, 0, vec![series(&[], wrong)]);
    assert_eq!(interval.check().unwrap_err().0, Metric::HttpReqs);
    store.merge_interval(&interval);
    assert_eq!(store.refused(), 3);
    assert!(store.metrics().is_empty());
}

#[test]
fn each_interval_is_taken_once_and_in_order() {
    let mut delivery = Delivery::new();
    let second = 1_000_000_000;
    let mut send = |agent, incarnation, sequence: u64| {
        let from = sequence as i64 * second;
        delivery.accept(agent, incarnation, sequence, from, from + second)
    };
    assert_eq!(send(0, 7, 0), Arrival::New);
    assert_eq!(send(0, 7, 1), Arrival::New);
    assert_eq!(send(0, 7, 0), Arrival::Duplicate);
    assert_eq!(send(0, 7, 3), Arrival::Gap { expected: 2 });
    assert_eq!(send(0, 7, 2), Arrival::New);
    assert_eq!(send(0, 7, 3), Arrival::New);
    // Another life, another agent: numbers of their own.
    assert_eq!(send(0, 8, 0), Arrival::New);
    assert_eq!(send(1, 7, 0), Arrival::New);
    assert_eq!(delivery.next(0, 7), 4);
    delivery.skip_to(1, 7, 3);
    assert_eq!(delivery.next(1, 7), 3);

    let complete = delivery.completeness(8 * second as u128);
    assert_eq!((complete.agents, complete.intervals), (2, 6));
    assert_eq!((complete.duplicates, complete.missing), (1, 2));
    assert_eq!(complete.share(), 0.75);
}

#[test]
fn time_before_the_start_is_nobodys_share() {
    let mut delivery = Delivery::new();
    delivery.accept(0, 1, 0, -3_000_000_000, 500);
    assert_eq!(delivery.completeness(500).merged, 500);
}
