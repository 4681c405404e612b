//! Stops and fences: how soon nothing is sent any more, and what becomes of what was.

use super::rig::{Event, MS, Play, SECOND, Town, books_balance, totals};
use crate::crew::StopHow;
use std::time::Duration;

/// What the pages promise for an interruption.
const BOUND: Duration = Duration::from_millis(100);

const CLOSED: &str = "
scenarios: { main: { executor: constant-vus, vus: 20, duration: 10s, gracefulStop: 3s } }
flows: { default: [{ get: http://10.0.0.1/ }, { sleep: 150ms }] }
";
const OPEN: &str = "
scenarios: { main: { executor: constant-arrival-rate, rate: 100, duration: 10s, preAllocatedVUs: 80, gracefulStop: 3s } }
flows: { default: [{ get: http://10.0.0.1/ }, { sleep: 150ms }] }
";

fn play(source: &str, answer: Duration, event: Event) -> (Vec<super::rig::Outcome>, Town) {
    let town = Town::slow(answer);
    let outcomes = Play::of(source, &town)
        .fleet(2, 2)
        .at(2 * SECOND, event)
        .run();
    books_balance(&outcomes, &town);
    (outcomes, town)
}

#[test]
fn an_interruption_cuts_everything_within_its_bound() {
    for source in [CLOSED, OPEN] {
        let (outcomes, town) = play(source, 400 * MS, Event::Stop(StopHow::Interrupt));
        let sum = totals(&outcomes);
        assert!(sum.interrupted > 0 && sum.requests_cut > 0);
        for outcome in &outcomes {
            assert!(outcome.interrupted);
            assert!(outcome.done < 2 * SECOND + BOUND, "{:?}", outcome.done);
        }
        assert!(town.hits().iter().all(|hit| hit.at <= 2 * SECOND));
    }
}

#[test]
fn a_shut_fence_cuts_everything_even_if_nobody_says_so() {
    for source in [CLOSED, OPEN] {
        let (outcomes, town) = play(source, 400 * MS, Event::Fence);
        assert!(totals(&outcomes).requests_cut > 0);
        assert!(outcomes.iter().all(|o| o.done < 2 * SECOND + BOUND));
        assert!(
            town.hits().iter().all(|hit| hit.at <= 2 * SECOND),
            "no request begins behind the fence"
        );
    }
}

#[test]
fn a_graceful_stop_lets_iterations_finish_and_begins_none() {
    for source in [CLOSED, OPEN] {
        let (outcomes, town) = play(source, 400 * MS, Event::Stop(StopHow::Graceful));
        let sum = totals(&outcomes);
        assert_eq!((sum.interrupted, sum.requests_cut), (0, 0));
        assert_eq!(sum.due, if source == OPEN { sum.begun } else { 0 });
        assert!(town.hits().iter().all(|hit| hit.at <= 2 * SECOND));
        let last = outcomes.iter().map(|o| o.done).max().unwrap();
        assert!(
            last > 2 * SECOND && last < 2 * SECOND + 560 * MS,
            "{last:?}"
        );
        assert!(outcomes.iter().all(|o| !o.interrupted));
    }
}

#[test]
fn a_graceful_stop_holds_no_vu_beyond_itself() {
    let (outcomes, _) = play(CLOSED, 400 * MS, Event::Stop(StopHow::Graceful));
    let held = totals(&outcomes).vu_ns;
    assert!(held.abs_diff(20 * 2_000_000_000) <= 20_000_000, "{held}");
}

#[test]
fn who_outlasts_the_grace_of_a_graceful_stop_is_cut() {
    for source in [CLOSED, OPEN] {
        let (outcomes, _) = play(source, 30 * SECOND, Event::Stop(StopHow::Graceful));
        let sum = totals(&outcomes);
        assert!(sum.completed == 0 && sum.interrupted == sum.begun && sum.begun > 0);
        for outcome in &outcomes {
            assert!(outcome.done >= 5 * SECOND && outcome.done < 5 * SECOND + BOUND);
        }
    }
}

#[test]
fn an_interruption_overtakes_a_graceful_stop() {
    let town = Town::slow(30 * SECOND);
    let outcomes = Play::of(CLOSED, &town)
        .at(SECOND, Event::Stop(StopHow::Graceful))
        .at(1500 * MS, Event::Stop(StopHow::Interrupt))
        .at(1600 * MS, Event::Stop(StopHow::Graceful))
        .run();
    books_balance(&outcomes, &town);
    assert!(outcomes[0].done < 1500 * MS + BOUND);
}

#[test]
fn a_stop_before_the_load_begins_means_that_nothing_is_sent() {
    for how in [StopHow::Interrupt, StopHow::Graceful] {
        for source in [CLOSED, OPEN] {
            let town = Town::slow(MS);
            // Events before T0 happen at once.
            let outcomes = Play::of(
                source.replace("duration: 10s", "duration: 10s, startTime: 5s"),
                &town,
            )
            .at(Duration::ZERO, Event::Stop(how))
            .run();
            books_balance(&outcomes, &town);
            assert_eq!((totals(&outcomes).begun, totals(&outcomes).due), (0, 0));
            assert!(outcomes[0].done < BOUND);
        }
    }
}
