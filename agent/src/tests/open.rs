//! Open executors: arrivals begin when they are due, whoever fires them; what does not begin is counted with its reason.

use super::rig::{
    Answer, Event, MS, Play, SECOND, Town, books_balance, count, merged, totals, trend,
};
use metrics::Metric;
use std::time::Duration;

fn constant(options: &str) -> String {
    format!(
        "
scenarios: {{ main: {{ executor: constant-arrival-rate, {options} }} }}
flows: {{ default: [{{ get: 'http://10.0.0.1/{{{{ scenario_iteration }}}}' }}] }}
"
    )
}

/// due = begun + dropped + expired, and all of the plan was due.
fn conserved(outcomes: &[super::rig::Outcome], planned: u64) {
    let sum = totals(outcomes);
    assert_eq!(sum.due, planned);
    assert_eq!(sum.begun + sum.dropped + sum.expired, planned);
}

#[test]
fn how_many_agents_there_are_changes_who_fires_but_not_when() {
    for arrivals in ["regular", "poisson"] {
        same_for_every_fleet(arrivals);
    }
}

fn same_for_every_fleet(arrivals: &str) {
    let source = format!(
        "
scenarios:
  main:
    executor: ramping-arrival-rate
    arrivals: {arrivals}
    startRate: 10
    preAllocatedVUs: 40
    stages: [{{ duration: 2s, target: 200 }}, {{ duration: 1s, target: 200 }}, {{ duration: 1s, target: 0 }}]
flows: {{ default: [{{ get: 'http://10.0.0.1/{{{{ scenario_iteration }}}}' }}] }}
"
    );
    let mut all = Vec::new();
    for (agents, workers) in [(1, 1), (1, 3), (3, 1), (7, 2)] {
        let town = Town::slow(30 * MS);
        let play = Play::of(source.clone(), &town).fleet(agents, workers);
        let plan = play.plan();
        let curve = plan.scenarios[0].arrival_curve(plan.seed).unwrap();
        let outcomes = play.run();
        books_balance(&outcomes, &town);
        conserved(&outcomes, curve.total());
        assert_eq!(totals(&outcomes).begun, curve.total(), "40 VUs are enough");
        let mut hits: Vec<(u64, Duration)> = town
            .hits()
            .into_iter()
            .map(|hit| (hit.path[1..].parse().unwrap(), hit.at))
            .collect();
        hits.sort();
        for ((index, at), n) in hits.iter().zip(0..) {
            assert_eq!(*index, n, "each once");
            let due = Duration::from_nanos(curve.due_at(n).unwrap());
            assert!(
                *at >= due && *at <= due + MS,
                "{n}: due {due:?}, begun {at:?}"
            );
        }
        all.push(hits);
    }
    assert!(all.windows(2).all(|two| two[0] == two[1]));
}

#[test]
fn corrected_times_begin_when_the_arrival_was_due() {
    let town = Town::slow(30 * MS);
    let outcomes = Play::of(
        constant("rate: 50, duration: 2s, preAllocatedVUs: 5"),
        &town,
    )
    .run();
    let store = merged(&outcomes);
    for metric in [Metric::HttpReqCorrected, Metric::IterationCorrected] {
        let (n, max) = trend(&store, metric);
        assert!(
            n == 100 && max >= 30 * MS && max <= 32 * MS,
            "{metric}: {n}, {max:?}"
        );
    }
    assert_eq!(trend(&store, Metric::IterationLateness).0, 100);
}

#[test]
fn an_arrival_without_a_free_vu_is_dropped_and_one_more_is_made_up_to_the_limit() {
    let town = Town::slow(10 * SECOND);
    let outcomes = Play::of(
        constant("rate: 10, duration: 2s, preAllocatedVUs: 2, maxVUs: 5, gracefulStop: 0s"),
        &town,
    )
    .run();
    books_balance(&outcomes, &town);
    conserved(&outcomes, 20);
    // k6: two begin, then drop and begin by turns until there are five VUs.
    let sum = totals(&outcomes);
    assert_eq!((sum.begun, sum.dropped), (5, 15));
    let begun: Vec<_> = town.hits().into_iter().map(|hit| hit.path).collect();
    assert_eq!(begun, ["/0", "/1", "/3", "/5", "/7"]);
    let reason = [("reason", "no free VU")];
    assert_eq!(
        count(&merged(&outcomes), Metric::DroppedIterations, &reason),
        15
    );
    assert!(
        outcomes[0]
            .lines
            .iter()
            .any(|line| line.text.contains("maxVUs 5"))
    );
}

#[test]
fn one_pool_serves_all_workers_of_an_agent() {
    // Every fourth arrival keeps its VU for long: of four separate pools the first would drop most of its own.
    let town = Town::new(|hit| {
        let index: u64 = hit.path[1..].parse().unwrap();
        Answer::after(if index.is_multiple_of(4) {
            1100 * MS
        } else {
            20 * MS
        })
    });
    let source = constant("rate: 10, duration: 8s, preAllocatedVUs: 4");
    let outcomes = Play::of(source, &town).fleet(1, 4).run();
    books_balance(&outcomes, &town);
    conserved(&outcomes, 80);
    assert_eq!(totals(&outcomes).dropped, 0);
}

#[test]
fn catch_up_says_how_old_an_arrival_may_be() {
    let town = Town::slow(MS);
    let source = constant("rate: 100, duration: 10s, preAllocatedVUs: 400, catchUp: 3s");
    let outcomes = Play::of(source, &town)
        .at(3 * SECOND, Event::Stall(4 * SECOND))
        .run();
    books_balance(&outcomes, &town);
    conserved(&outcomes, 1000);
    let expired = totals(&outcomes).expired;
    assert!(expired.abs_diff(100) <= 2, "1 of the 4 s: {expired}");
}

#[test]
fn after_a_stall_what_is_younger_than_a_second_begins_at_once_and_the_rest_is_expired() {
    let town = Town::slow(MS);
    let source = constant("rate: 100, duration: 10s, preAllocatedVUs: 200");
    let outcomes = Play::of(source, &town)
        .fleet(1, 2)
        .at(3 * SECOND, Event::Stall(4 * SECOND))
        .run();
    books_balance(&outcomes, &town);
    conserved(&outcomes, 1000);
    let sum = totals(&outcomes);
    assert!(
        sum.expired.abs_diff(300) <= 2,
        "3 of the 4 s: {}",
        sum.expired
    );
    assert_eq!(sum.dropped, 0);
    let late = trend(&merged(&outcomes), Metric::IterationLateness).1;
    assert!(late > 900 * MS && late <= 1002 * MS, "{late:?}");
}

#[test]
fn a_crew_that_comes_late_expires_what_it_missed() {
    let town = Town::slow(MS);
    let source = constant("rate: 10, duration: 5s, preAllocatedVUs: 20");
    let mut play = Play::of(source, &town);
    play.late = 3 * SECOND;
    let outcomes = play.run();
    books_balance(&outcomes, &town);
    conserved(&outcomes, 50);
    assert_eq!(
        totals(&outcomes).expired,
        20,
        "those due before the last second"
    );
}

#[test]
fn agents_without_a_vu_get_no_arrivals() {
    let town = Town::slow(MS);
    let source = constant("rate: 10, duration: 2s, preAllocatedVUs: 2");
    let outcomes = Play::of(source, &town).fleet(4, 1).run();
    books_balance(&outcomes, &town);
    conserved(&outcomes, 20);
    let begun: Vec<u64> = outcomes.iter().map(|o| o.totals["main"].begun).collect();
    assert_eq!(begun, [10, 10, 0, 0]);
}

#[test]
fn vus_count_those_at_work_and_those_made() {
    let town = Town::slow(1500 * MS);
    let outcomes = Play::of(constant("rate: 2, duration: 4s, preAllocatedVUs: 6"), &town).run();
    let store = merged(&outcomes);
    let level = |metric| match store.aggregate(metric, &metrics::Tags::default()) {
        Some(metrics::Value::Gauge { max, .. }) => max,
        other => panic!("{other:?}"),
    };
    assert_eq!((level(Metric::Vus), level(Metric::VusMax)), (3.0, 6.0));
}
