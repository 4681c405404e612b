//! Counted executors: every iteration once, and what the time did not suffice for is dropped, aloud.

use super::rig::{Event, MS, Outcome, Play, SECOND, Town, books_balance, count, merged, totals};
use crate::crew::StopHow;
use metrics::Metric;

fn indexes(town: &Town) -> Vec<u64> {
    let hits = town.hits().into_iter();
    let mut seen: Vec<u64> = hits.map(|hit| hit.path[1..].parse().unwrap()).collect();
    seen.sort_unstable();
    seen
}

fn shared(vus: u64, iterations: u64, more: &str) -> String {
    format!(
        "
scenarios: {{ main: {{ executor: shared-iterations, vus: {vus}, iterations: {iterations}{more} }} }}
flows: {{ default: [{{ get: 'http://10.0.0.1/{{{{ scenario_iteration }}}}' }}] }}
"
    )
}

/// planned = begun + dropped + expired, of what each agent had.
fn counted(outcomes: &[Outcome]) {
    let sum = totals(outcomes);
    let granted: u64 = outcomes.iter().map(|outcome| outcome.granted).sum();
    assert_eq!(sum.begun + sum.dropped, granted, "granted is accounted for");
    assert_eq!(sum.due, granted, "all of it was due");
}

#[test]
fn every_index_runs_once_whatever_the_number_of_agents() {
    for (agents, workers) in [(1, 1), (1, 4), (3, 2), (7, 1)] {
        let town = Town::slow(30 * MS);
        let play = Play::of(shared(20, 1000, ""), &town).fleet(agents, workers);
        let outcomes = play.run();
        books_balance(&outcomes, &town);
        counted(&outcomes);
        assert_eq!(indexes(&town), (0..1000).collect::<Vec<_>>());
        // 50 rounds of 30 ms; whoever leased the last block may have up to a second and a half of work in hand.
        let done = outcomes.iter().map(|outcome| outcome.done).max().unwrap();
        assert!(done < 3 * SECOND, "{agents} agents took {done:?}");
    }
}

#[test]
fn indexes_that_the_time_did_not_suffice_for_are_dropped_by_whoever_has_them() {
    let town = Town::slow(400 * MS);
    let source = shared(4, 1000, ", maxDuration: 1s, gracefulStop: 5s");
    let outcomes = Play::of(source, &town).fleet(2, 2).run();
    books_balance(&outcomes, &town);
    counted(&outcomes);
    let sum = totals(&outcomes);
    assert_eq!((sum.begun, sum.interrupted), (12, 0), "at 0, 0.4 and 0.8 s");
    assert!(sum.dropped > 0);
}

#[test]
fn an_agent_without_a_vu_takes_nothing_and_is_done_with_the_others() {
    let town = Town::slow(100 * MS);
    let outcomes = Play::of(shared(2, 40, ""), &town).fleet(3, 2).run();
    books_balance(&outcomes, &town);
    assert_eq!(outcomes[2].granted, 0);
    assert_eq!(totals(&outcomes).begun, 40);
    // It stays for as long as VUs that come to it would find anything to do: until all indexes are granted.
    let idle = outcomes[2].done;
    assert!(idle > 50 * MS && idle < outcomes[0].done, "{idle:?}");
}

#[test]
fn each_vu_runs_its_own_number_of_iterations() {
    let source = "
scenarios: { main: { executor: per-vu-iterations, vus: 10, iterations: 3 } }
flows: { default: [{ get: 'http://10.0.0.1/{{ vu }}/{{ iteration }}' }] }
";
    for (agents, workers) in [(1, 1), (3, 2)] {
        let town = Town::slow(10 * MS);
        let outcomes = Play::of(source, &town).fleet(agents, workers).run();
        books_balance(&outcomes, &town);
        let sum = totals(&outcomes);
        assert_eq!(
            (sum.begun, sum.completed, sum.dropped, sum.due),
            (30, 30, 0, 30)
        );
        let mut seen: Vec<_> = town.hits().into_iter().map(|hit| hit.path).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 30);
    }
}

#[test]
fn what_a_vu_did_not_come_to_is_dropped() {
    let source = "
scenarios: { main: { executor: per-vu-iterations, vus: 3, iterations: 10, maxDuration: 1s } }
flows: { default: [{ get: http://10.0.0.1/ }] }
";
    let town = Town::slow(300 * MS);
    let outcomes = Play::of(source, &town).run();
    books_balance(&outcomes, &town);
    let sum = totals(&outcomes);
    assert_eq!((sum.begun, sum.dropped, sum.due), (12, 18, 30));
    let reason = [("reason", "time up")];
    assert_eq!(
        count(&merged(&outcomes), Metric::DroppedIterations, &reason),
        18
    );
}

#[test]
fn a_stop_makes_nothing_due_that_was_not_begun() {
    for source in [
        shared(4, 1000, ""),
        "
scenarios: { main: { executor: per-vu-iterations, vus: 4, iterations: 100 } }
flows: { default: [{ get: http://10.0.0.1/ }] }
"
        .to_owned(),
    ] {
        let town = Town::slow(300 * MS);
        let play = Play::of(source, &town).at(SECOND, Event::Stop(StopHow::Interrupt));
        let outcomes = play.run();
        books_balance(&outcomes, &town);
        let sum = totals(&outcomes);
        assert_eq!((sum.begun, sum.interrupted), (16, 4));
        assert_eq!((sum.due, sum.dropped), (16, 0));
    }
}
