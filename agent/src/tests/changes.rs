//! Changes while a crew works: pauses stop the stages and nothing else, scales take and give VUs and arrivals.

use super::rig::{Event, MS, Outcome, Play, SECOND, Town, books_balance, merged, totals, trend};
use crate::crew::StopHow;
use metrics::Metric;
use plan::{Change, Control, Scale};
use std::collections::BTreeSet;
use std::time::Duration;

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap()
}

fn pause(from: Duration, to: Duration) -> Control {
    let paused = Control::default().pause(ns(from)).unwrap();
    paused.resume(ns(to)).unwrap()
}

fn scale(control: &Control, from: Duration, change: Change) -> Control {
    let scale = Scale {
        scenario: 0,
        from: ns(from),
        change,
    };
    control.scale(scale).unwrap()
}

fn scaled(from: Duration, change: Change) -> Control {
    scale(&Control::default(), from, change)
}

/// A scenario of these options whose iterations ask once and then sleep.
fn closed(options: &str, sleep: &str) -> String {
    format!(
        "
scenarios: {{ main: {{ {options} }} }}
flows: {{ default: [{{ get: 'http://10.0.0.1/{{{{ vu }}}}/{{{{ iteration }}}}' }}, {{ sleep: {sleep} }}] }}
"
    )
}

fn open(executor: &str) -> String {
    format!(
        "
scenarios: {{ main: {{ {executor} }} }}
flows: {{ default: [{{ get: 'http://10.0.0.1/{{{{ scenario_iteration }}}}' }}] }}
"
    )
}

/// VU time under a change, by the plan.
fn planned(play: &Play, control: &Control) -> u64 {
    let plan = play.plan();
    let vus = control.vus(0, &plan.scenarios[0]).unwrap();
    let spans = (0..vus.max()).flat_map(|vu| vus.spans(vu));
    spans.map(|span| span.stop - span.start).sum()
}

fn holds_the_plan(outcomes: &[Outcome], planned: u64, spans: u64) {
    let held = totals(outcomes).vu_ns;
    // Tokio's wheel wakes up to a millisecond late at each beginning.
    assert!(
        held <= planned && planned - held <= spans * 1_000_000,
        "{held} ns held of {planned}"
    );
}

const RAMP: &str = "executor: ramping-vus, startVUs: 1, gracefulRampDown: 5s, stages: [{ duration: 4s, target: 5 }, { duration: 1s, target: 0 }]";

#[test]
fn a_pause_does_not_eat_the_ramp() {
    for (agents, workers) in [(1, 1), (3, 2)] {
        let town = Town::slow(10 * MS);
        let control = pause(2200 * MS, 5200 * MS);
        let play = Play::of(closed(RAMP, "40ms"), &town)
            .fleet(agents, workers)
            .at(SECOND, Event::Change(control.clone()));
        let planned = planned(&play, &Control::default());
        let outcomes = play.run();
        books_balance(&outcomes, &town);
        let hits = town.hits();
        let in_pause = |at: Duration| at >= 2200 * MS && at < 5200 * MS;
        assert!(!hits.iter().any(|hit| in_pause(hit.at)), "nothing begins");
        // VU u (from 2) of the ramp begins at u - 1 s of stage time.
        for (vu, begin) in [(2, 1000), (3, 2000), (4, 6000), (5, 7000)] {
            let prefix = format!("/{vu}/");
            let first = hits.iter().find(|hit| hit.path.starts_with(&prefix));
            let late = first.unwrap().at.checked_sub(begin * MS);
            assert!(late.is_some_and(|late| late <= 2 * MS), "VU {vu}: {late:?}");
        }
        // Five begin, and three of them again after the pause.
        holds_the_plan(&outcomes, planned, 8);
        let (begins, late) = trend(&merged(&outcomes), Metric::IterationLateness);
        assert!(begins == 8 && late <= 2 * MS, "{begins}, {late:?}");
        for outcome in &outcomes {
            assert!(outcome.done > 7900 * MS && outcome.done < 8200 * MS);
        }
    }
}

#[test]
fn what_runs_when_a_pause_begins_finishes_and_the_gauge_shows_it() {
    let town = Town::slow(10 * MS);
    let source = closed("executor: constant-vus, vus: 4, duration: 3s", "800ms");
    let outcomes = Play::of(source, &town)
        .at(100 * MS, Event::Change(pause(SECOND, 4 * SECOND)))
        .run();
    books_balance(&outcomes, &town);
    let sum = totals(&outcomes);
    assert_eq!(sum.interrupted, 0);
    assert!(
        sum.vu_ns.abs_diff(4 * 3_000_000_000) <= 8_000_000,
        "3 s each"
    );
    let vus: Vec<f64> = outcomes[0]
        .intervals
        .iter()
        .filter(|(_, to, _)| to % 1_000_000_000 == 0)
        .flat_map(|(_, _, series)| series.iter())
        .flat_map(|series| series.values.iter())
        .filter_map(|(metric, value)| match value {
            metrics::Value::Gauge { last, .. } if *metric == Metric::Vus => Some(*last),
            _ => None,
        })
        .collect();
    assert_eq!(vus[..5], [4.0, 0.0, 0.0, 4.0, 4.0], "{vus:?}");
}

#[test]
fn a_pause_without_an_end_waits_for_whoever_resumes() {
    for source in [
        closed("executor: constant-vus, vus: 2, duration: 2s", "90ms"),
        open("executor: constant-arrival-rate, rate: 20, duration: 2s, preAllocatedVUs: 4"),
        closed(
            "executor: per-vu-iterations, vus: 2, iterations: 20, maxDuration: 60s",
            "90ms",
        ),
        closed(
            "executor: shared-iterations, vus: 2, iterations: 40, maxDuration: 60s",
            "90ms",
        ),
    ] {
        let town = Town::slow(10 * MS);
        let paused = Control::default().pause(1_000_000_000).unwrap();
        let resumed = paused.resume(100_000_000_000).unwrap();
        let outcomes = Play::of(source.clone(), &town)
            .fleet(2, 1)
            .at(500 * MS, Event::Change(paused.clone()))
            .at(50 * SECOND, Event::Change(resumed))
            // What comes late or twice changes nothing.
            .at(51 * SECOND, Event::Change(paused))
            .run();
        books_balance(&outcomes, &town);
        let begun = totals(&outcomes).begun;
        assert!((39..=41).contains(&begun), "{source}: {begun}");
        let still = |at: Duration| at < 1010 * MS || at >= 100 * SECOND;
        assert!(town.hits().iter().all(|hit| still(hit.at)), "{source}");
        assert!(
            outcomes
                .iter()
                .all(|o| o.done > 100 * SECOND && o.done < 102 * SECOND)
        );
    }
}

#[test]
fn a_stop_ends_a_pause() {
    for how in [StopHow::Graceful, StopHow::Interrupt] {
        for source in [
            closed("executor: constant-vus, vus: 2, duration: 2s", "90ms"),
            open("executor: constant-arrival-rate, rate: 20, duration: 2s, preAllocatedVUs: 4"),
        ] {
            let town = Town::slow(10 * MS);
            let paused = Control::default().pause(1_000_000_000).unwrap();
            let outcomes = Play::of(source, &town)
                .at(500 * MS, Event::Change(paused))
                .at(3 * SECOND, Event::Stop(how))
                .run();
            books_balance(&outcomes, &town);
            assert!(outcomes[0].done <= 3100 * MS, "{:?}", outcomes[0].done);
        }
    }
}

#[test]
fn graceful_periods_are_stage_time() {
    let town = Town::slow(60 * SECOND);
    let source = closed(
        "executor: constant-vus, vus: 3, duration: 1s, gracefulStop: 500ms",
        "1s",
    );
    let outcomes = Play::of(source, &town)
        .at(100 * MS, Event::Change(pause(500 * MS, 10 * SECOND)))
        .run();
    books_balance(&outcomes, &town);
    assert_eq!(totals(&outcomes).interrupted, 3);
    assert!(outcomes[0].done >= 11 * SECOND && outcomes[0].done <= 11_010 * MS);
}

#[test]
fn scaling_up_starts_vus_of_their_own_on_every_agent_also_where_there_were_none() {
    for (agents, workers) in [(1, 1), (1, 3), (2, 2), (7, 2)] {
        let town = Town::slow(10 * MS);
        let control = scaled(SECOND, Change::Factor(3500));
        let source = closed("executor: constant-vus, vus: 2, duration: 2s", "40ms");
        let play = Play::of(source, &town)
            .fleet(agents, workers)
            .at(500 * MS, Event::Change(control.clone()));
        let planned = planned(&play, &control);
        assert_eq!(
            planned, 9_000_000_000,
            "2 VUs, and 7 from the first second on"
        );
        let outcomes = play.run();
        books_balance(&outcomes, &town);
        holds_the_plan(&outcomes, planned, 7);
        let hits = town.hits();
        let vus = |from: Duration, to: Duration| -> BTreeSet<&str> {
            let within = hits.iter().filter(|hit| hit.at >= from && hit.at < to);
            within
                .filter_map(|hit| hit.path.split('/').nth(1))
                .collect()
        };
        assert_eq!(vus(Duration::ZERO, SECOND).len(), 2);
        assert_eq!(vus(SECOND, 2 * SECOND).len(), 7, "numbers are never shared");
        let made: Vec<u64> = outcomes.iter().map(|o| o.totals["main"].begun).collect();
        let idle = made.iter().filter(|begun| **begun == 0).count();
        assert_eq!(idle, 0, "{made:?}");
    }
}

#[test]
fn scaling_down_takes_vus_away_within_their_grace_and_up_again_brings_them_back() {
    let town = Town::slow(Duration::ZERO);
    let down = scaled(SECOND, Change::Vus(2));
    let up = scale(&down, 3 * SECOND, Change::Factor(1000));
    let source = closed(
        "executor: constant-vus, vus: 4, duration: 4s, gracefulStop: 300ms",
        "10s",
    );
    let play = Play::of(source, &town)
        .at(500 * MS, Event::Change(down))
        .at(2 * SECOND, Event::Change(up.clone()));
    let planned = planned(&play, &up);
    let outcomes = play.run();
    books_balance(&outcomes, &town);
    let sum = totals(&outcomes);
    // Two are cut at 1.3 s and come back at 3 s; all four are cut at 4.3 s.
    assert_eq!((sum.begun, sum.interrupted), (6, 6));
    holds_the_plan(&outcomes, planned, 6);
    let paths: BTreeSet<String> = town.hits().into_iter().map(|hit| hit.path).collect();
    let wanted = ["/1/0", "/2/0", "/3/0", "/3/1", "/4/0", "/4/1"];
    assert_eq!(
        paths,
        wanted.map(str::to_owned).into(),
        "iterations go on counting"
    );
}

#[test]
fn a_scaled_ramp_follows_the_scaled_curve() {
    let town = Town::slow(10 * MS);
    let control = scaled(2 * SECOND, Change::Factor(500));
    let control = scale(&control, 3 * SECOND, Change::Factor(2000));
    let play = Play::of(closed(RAMP, "40ms"), &town)
        .fleet(3, 2)
        .at(SECOND, Event::Change(control.clone()));
    let planned = planned(&play, &control);
    let outcomes = play.run();
    books_balance(&outcomes, &town);
    holds_the_plan(&outcomes, planned, 20);
}

/// Every arrival of the changed curve is begun once, when it is due.
fn arrives_as_changed(source: &str, control: &Control, told: Duration) {
    for (agents, workers) in [(1, 1), (1, 3), (3, 2)] {
        let town = Town::slow(30 * MS);
        let play = Play::of(source, &town)
            .fleet(agents, workers)
            .at(told, Event::Change(control.clone()));
        let curve = control
            .arrivals(0, &play.plan().scenarios[0], play.seed)
            .unwrap();
        let outcomes = play.run();
        books_balance(&outcomes, &town);
        let sum = totals(&outcomes);
        assert_eq!((sum.due, sum.begun), (curve.total(), curve.total()));
        let mut hits: Vec<(u64, Duration)> = town
            .hits()
            .into_iter()
            .map(|hit| (hit.path[1..].parse().unwrap(), hit.at))
            .collect();
        hits.sort();
        for ((index, at), n) in hits.iter().zip(0..) {
            assert_eq!(*index, n, "each once");
            let due = control.run_time(curve.due_at(n).unwrap()).unwrap();
            let late = at.checked_sub(Duration::from_nanos(due));
            assert!(late.is_some_and(|late| late <= 2 * MS), "{n}: {late:?}");
        }
    }
}

#[test]
fn arrivals_stand_still_in_a_pause_and_go_on_where_they_stood() {
    let source = open(
        "executor: ramping-arrival-rate, startRate: 10, preAllocatedVUs: 40, stages: [{ duration: 2s, target: 200 }, { duration: 1s, target: 0 }]",
    );
    let control = pause(1230 * MS, 4321 * MS);
    arrives_as_changed(&source, &control, 300 * MS);
}

#[test]
fn arrivals_follow_a_scaled_curve() {
    let source = open(
        "executor: ramping-arrival-rate, startRate: 10, preAllocatedVUs: 60, stages: [{ duration: 2s, target: 200 }, { duration: 1s, target: 0 }]",
    );
    let control = scaled(SECOND, Change::Factor(2500));
    let control = scale(&control, 2 * SECOND, Change::Factor(300));
    arrives_as_changed(&source, &control, 300 * MS);
    let source =
        open("executor: constant-arrival-rate, rate: 70, duration: 3s, preAllocatedVUs: 40");
    let control = scaled(SECOND, Change::Rate(190));
    let control = scale(&control, 2 * SECOND, Change::Factor(500));
    arrives_as_changed(&source, &control, 300 * MS);
}

#[test]
fn a_change_that_is_heard_late_takes_nothing_back_and_begins_nothing_twice() {
    let town = Town::slow(10 * MS);
    let source =
        open("executor: constant-arrival-rate, rate: 100, duration: 3s, preAllocatedVUs: 20");
    let control = pause(SECOND, 2 * SECOND);
    let outcomes = Play::of(source, &town)
        .at(1500 * MS, Event::Change(control))
        .run();
    books_balance(&outcomes, &town);
    let sum = totals(&outcomes);
    assert_eq!((sum.due, sum.begun), (300, 300), "each once");
    assert!(outcomes[0].done >= 4 * SECOND && outcomes[0].done <= 4100 * MS);
}
