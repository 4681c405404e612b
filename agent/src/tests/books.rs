//! Intervals of several workers: whole seconds, in order, nothing lost, whoever is done first.

use super::rig::{MS, Play, SECOND, Town, books_balance, merged, totals};
use metrics::{Metric, Tags, Value};

#[test]
fn every_second_is_told_once_while_anybody_works() {
    let town = Town::slow(50 * MS);
    let source = "
scenarios: { main: { executor: constant-vus, vus: 4, duration: 3500ms } }
flows: { default: [{ get: http://10.0.0.1/ }] }
";
    let outcomes = Play::of(source, &town).fleet(1, 3).run();
    books_balance(&outcomes, &town);
    let ends: Vec<i64> = outcomes[0].intervals.iter().map(|(_, to, _)| *to).collect();
    assert_eq!(ends[..3], [1_000_000_000, 2_000_000_000, 3_000_000_000]);
    assert_eq!(ends.len(), 4);
    for (from, to, series) in &outcomes[0].intervals[..3] {
        let requests: f64 = series
            .iter()
            .flat_map(|series| &series.values)
            .filter_map(|(metric, value)| match value {
                Value::Counter(sum) if *metric == Metric::HttpReqs => Some(*sum),
                _ => None,
            })
            .sum();
        // Four VUs, 20 requests a second each, those at the edges on either side of it.
        assert!(
            (76.0..=84.0).contains(&requests),
            "{from}..{to}: {requests}"
        );
    }
}

#[test]
fn what_a_worker_saw_that_is_done_early_is_told_in_its_second() {
    // VU 1 (worker 0) is done at 1.2 s, VU 2 (worker 1) goes on for long.
    let town = Town::new(|hit| {
        super::rig::Answer::after(if hit.path == "/1" {
            400 * MS
        } else {
            3 * SECOND
        })
    });
    let source = "
scenarios: { main: { executor: per-vu-iterations, vus: 2, iterations: 3 } }
flows: { default: [{ get: 'http://10.0.0.1/{{ vu }}' }] }
";
    let outcomes = Play::of(source, &town).fleet(1, 2).run();
    books_balance(&outcomes, &town);
    let at: Vec<i64> = outcomes[0]
        .intervals
        .iter()
        .filter(|(_, _, series)| {
            let mut values = series.iter().flat_map(|series| &series.values);
            values.any(|(metric, _)| *metric == Metric::HttpReqs)
        })
        .map(|(_, to, _)| to / 1_000_000_000)
        .collect();
    assert_eq!(at, [1, 2, 4, 7, 9], "0.4 and 0.8, 1.2, 3, 6, 9 s");
    let made = outcomes[0].intervals.iter().map(|(_, _, series)| {
        let mut values = series.iter().flat_map(|series| &series.values);
        values.find_map(|(metric, value)| match value {
            Value::Gauge { last, .. } if *metric == Metric::VusMax => Some(*last),
            _ => None,
        })
    });
    assert!(
        made.into_iter().all(|made| made == Some(2.0)),
        "nobody is unmade"
    );
}

#[test]
fn tags_of_run_scenario_and_request_meet_and_are_told_once() {
    let town = Town::slow(MS);
    let source = "
tags: { region: eu }
scenarios: { main: { executor: per-vu-iterations, vus: 2, iterations: 1, tags: { kind: buyer } } }
flows: { default: [{ get: http://10.0.0.1/, tags: { page: home } }] }
";
    let outcomes = Play::of(source, &town).fleet(2, 1).run();
    // `merged` refuses, as a controller does, an interval with the same tags twice.
    let store = merged(&outcomes);
    let all = Tags::default()
        .with("region", "eu")
        .with("kind", "buyer")
        .with("page", "home");
    assert_eq!(
        store.aggregate(Metric::HttpReqs, &all),
        Some(Value::counter(2.0))
    );
    let run = Tags::default().with("region", "eu");
    assert!(store.aggregate(Metric::Vus, &run).is_some());
    assert_eq!(totals(&outcomes).completed, 2);
}

#[test]
fn a_target_with_endless_kinds_of_answers_costs_a_bounded_number_of_series() {
    // 700 statuses of one request, on two workers that see them all.
    let town = Town::new(|hit| {
        let n: u16 = hit.path.rsplit('/').next().unwrap().parse().unwrap();
        super::rig::Answer {
            status: 200 + n,
            ..super::rig::Answer::after(MS)
        }
    });
    let source = "
scenarios: { main: { executor: per-vu-iterations, vus: 2, iterations: 700 } }
flows: { default: [{ get: 'http://10.0.0.1/{{ iteration }}', name: n }] }
";
    let outcomes = Play::of(source, &town).fleet(1, 2).run();
    books_balance(&outcomes, &town);
    let store = merged(&outcomes);
    assert_eq!(store.distinct(Metric::HttpReqs, "status").len(), 100);
    let Some(Value::Counter(beyond)) = store.aggregate(Metric::OverflowSamples, &Tags::overflow())
    else {
        panic!("no overflow");
    };
    let known = 1400.0 - beyond;
    assert!(
        (190.0..=210.0).contains(&known),
        "about a hundred kinds twice: {known}"
    );
    assert_eq!(
        store.aggregate(Metric::HttpReqFailed, &Tags::default()),
        Some(Value::rate(1000, 1400)),
        "all are judged in the whole: 200 to 399 are expected"
    );
}
