//! Closed executors: who runs when, and for how long.

use super::rig::{MS, Play, SECOND, Town, books_balance, count, merged, totals, trend};
use metrics::Metric;
use std::time::Duration;

/// `plays` a closed scenario of these options whose iterations ask once and then sleep.
fn scenario(options: &str, sleep: &str) -> String {
    format!(
        "
scenarios:
  main: {{ {options} }}
flows:
  default:
    - get: http://10.0.0.1/{{{{ vu }}}}/{{{{ iteration }}}}
    - sleep: {sleep}
"
    )
}

/// The time the curve holds VUs for.
fn planned(play: &Play) -> u128 {
    let scenario = &play.plan().scenarios[0];
    let curve = scenario.executor.vu_curve(scenario.graceful_stop).unwrap();
    curve.vu_nanos(0..curve.max())
}

#[test]
fn any_number_of_agents_and_workers_holds_the_time_of_the_curve() {
    let source = scenario(
        "executor: ramping-vus, startVUs: 2, gracefulRampDown: 30s, stages: [{ duration: 1s, target: 10 }, \
         { duration: 2s, target: 10 }, { duration: 1s, target: 3 }, { duration: 0s, target: 6 }, { duration: 1s, target: 0 }]",
        "40ms",
    );
    for (agents, workers) in [(1, 1), (1, 3), (3, 1), (7, 2)] {
        let town = Town::slow(20 * MS);
        let play = Play::of(source.clone(), &town).fleet(agents, workers);
        let planned = planned(&play);
        let outcomes = play.run();
        books_balance(&outcomes, &town);
        let sum = totals(&outcomes);
        // Tokio's wheel wakes up to a millisecond late: 12 spans.
        let short = planned - u128::from(sum.vu_ns);
        assert!(short <= 12_000_000, "{agents} agents: {short} ns short");
        assert_eq!(sum.interrupted, 0, "30 s are enough to finish");
        let (begins, late) = trend(&merged(&outcomes), Metric::IterationLateness);
        assert_eq!(
            begins, 12,
            "ten VUs, and two that come back; the third was never away"
        );
        assert!(late <= MS, "{late:?}");
    }
}

#[test]
fn nothing_begins_outside_of_a_span_and_each_vu_asks_in_turn() {
    let town = Town::slow(Duration::ZERO);
    let source = scenario(
        "executor: constant-vus, vus: 3, duration: 2s, gracefulStop: 10s",
        "700ms",
    );
    let outcomes = Play::of(source, &town).run();
    books_balance(&outcomes, &town);
    for vu in 1..=3 {
        let prefix = format!("/{vu}/");
        let hits = town.hits().into_iter();
        let seen: Vec<_> = hits.filter(|hit| hit.path.starts_with(&prefix)).collect();
        let paths: Vec<_> = seen.iter().map(|hit| hit.path.as_str()).collect();
        assert_eq!(paths, [0, 1, 2].map(|i| format!("{prefix}{i}")));
        assert!(seen.iter().all(|hit| hit.at < 2 * SECOND));
        assert!(seen.iter().all(|hit| hit.connection == seen[0].connection));
    }
    // The third begins at 1.4 s and may end behind the duration.
    assert!(outcomes[0].done > 2 * SECOND && outcomes[0].done < 2200 * MS);
}

#[test]
fn an_iteration_that_outlasts_its_grace_is_cut_and_its_request_counted_as_cut() {
    let town = Town::slow(60 * SECOND);
    let source = scenario(
        "executor: constant-vus, vus: 4, duration: 1s, gracefulStop: 500ms",
        "1s",
    );
    let outcomes = Play::of(source, &town).fleet(2, 1).run();
    books_balance(&outcomes, &town);
    let sum = totals(&outcomes);
    assert_eq!((sum.begun, sum.interrupted, sum.requests_cut), (4, 4, 4));
    assert_eq!((sum.requests, sum.vu_ns), (0, 4_000_000_000));
    assert!(
        outcomes
            .iter()
            .all(|o| o.done >= 1500 * MS && o.done <= 1510 * MS)
    );
    assert_eq!(count(&merged(&outcomes), Metric::HttpReqs, &[]), 0);
}

#[test]
fn a_ramp_takes_vus_away_within_their_grace() {
    let town = Town::slow(Duration::ZERO);
    let source = scenario(
        "executor: ramping-vus, startVUs: 5, gracefulRampDown: 300ms, gracefulStop: 0s, stages: [{ duration: 1s, target: 5 }, \
         { duration: 0s, target: 1 }, { duration: 3s, target: 1 }]",
        "1600ms",
    );
    let outcomes = Play::of(source, &town).run();
    books_balance(&outcomes, &town);
    let sum = totals(&outcomes);
    // Four are cut at 1.3 s; the fifth completes at 1.6 s and 3.2 s, and is cut at 4 s.
    assert_eq!((sum.begun, sum.completed, sum.interrupted), (7, 2, 5));
    assert!(sum.vu_ns.abs_diff(4 * 1_000_000_000 + 4_000_000_000) <= 5_000_000);
}

#[test]
fn a_vu_that_is_wanted_back_while_it_finishes_carries_on_and_is_not_late() {
    let town = Town::slow(Duration::ZERO);
    let source = scenario(
        "executor: ramping-vus, startVUs: 1, gracefulRampDown: 30s, stages: [{ duration: 1s, target: 1 }, { duration: 0s, target: 0 }, \
         { duration: 1s, target: 0 }, { duration: 0s, target: 1 }, { duration: 3s, target: 1 }]",
        "4s",
    );
    let outcomes = Play::of(source, &town).run();
    books_balance(&outcomes, &town);
    let sum = totals(&outcomes);
    assert_eq!((sum.begun, sum.completed), (2, 2), "0 to 4 s, 4 to 8 s");
    assert!(
        sum.vu_ns.abs_diff(4_000_000_000) <= 1_000_000,
        "[0, 1) and [2, 5)"
    );
    let (begins, late) = trend(&merged(&outcomes), Metric::IterationLateness);
    assert!(begins == 1 && late <= MS, "late by {late:?}");
}

#[test]
fn held_time_is_told_in_the_middle_of_a_long_iteration() {
    let town = Town::slow(Duration::ZERO);
    let source = scenario("executor: constant-vus, vus: 2, duration: 20s", "15s");
    let play = Play::of(source.clone(), &town);
    let seen = super::rig::watch(play, 10 * SECOND);
    assert!(
        seen.vu_ns.abs_diff(20_000_000_000) <= 600_000_000,
        "{seen:?}"
    );
    // Whenever it is asked, to the moment, and never more than there can be.
    for moment in [10_030, 10_110, 10_249, 10_301, 10_499].map(Duration::from_millis) {
        let seen = super::rig::watch(Play::of(source.clone(), &town), moment);
        let (counted, now) = (seen.vu_ns, Duration::from_nanos(seen.vu_ns_now));
        assert!(counted <= seen.vu_ns_now, "{moment:?}: {seen:?}");
        assert!(
            (2 * moment - 30 * MS..=2 * moment).contains(&now),
            "{moment:?}: {seen:?}"
        );
    }
}

#[test]
fn a_scenario_starts_at_its_time_and_two_share_no_vu_numbers() {
    let town = Town::slow(Duration::ZERO);
    let source = "
scenarios:
  first: { executor: constant-vus, vus: 2, duration: 1s, exec: ask }
  second: { executor: constant-vus, vus: 2, duration: 1s, startTime: 3s, exec: ask }
flows:
  ask:
    - get: http://10.0.0.1/{{ vu }}
    - sleep: 400ms
";
    let outcomes = Play::of(source, &town).run();
    let mut second: Vec<_> = town.hits();
    second.retain(|hit| hit.at >= 2 * SECOND);
    assert!(
        second
            .iter()
            .all(|hit| hit.at >= 3 * SECOND && hit.at < 4 * SECOND)
    );
    assert!(
        second
            .iter()
            .all(|hit| ["/3", "/4"].contains(&hit.path.as_str()))
    );
    assert_eq!(outcomes[0].totals["second"].begun, 6);
    let store = merged(&outcomes);
    assert_eq!(
        count(&store, Metric::Iterations, &[("scenario", "second")]),
        6
    );
}

#[test]
fn ten_thousand_vus_start_without_anyone_being_late() {
    let town = Town::slow(Duration::ZERO);
    let source = "
scenarios: { main: { executor: ramping-vus, startVUs: 0, stages: [{ duration: 2s, target: 10000 }, { duration: 1s, target: 10000 }] } }
flows: { default: [{ sleep: 5s }] }
";
    let outcomes = Play::of(source, &town).fleet(1, 2).run();
    books_balance(&outcomes, &town);
    assert_eq!(totals(&outcomes).begun, 10_000);
    let (begins, late) = trend(&merged(&outcomes), Metric::IterationLateness);
    assert!(begins == 10_000 && late <= MS);
}
