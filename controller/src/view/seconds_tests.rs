//! What is measured is in the points once, whenever and however it comes.

use super::*;
use crate::view::points::MOST;
use metrics::{Metric, Series, Tags, Value};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

/// An interval of a seat with so many requests of so many milliseconds each.
fn interval(seat: u32, from: i64, to: i64, requests: u64, ms: u64) -> Interval {
    let mut durations = Trend::compact(Digits::Three);
    for _ in 0..requests {
        durations.record(ms * MS);
    }
    let values = vec![
        (Metric::HttpReqs, Value::counter(requests as f64)),
        (Metric::HttpReqFailed, Value::rate(requests / 3, requests)),
        (Metric::HttpReqDuration, Value::trend(durations)),
        (Metric::DataSent, Value::counter(requests as f64 * 100.0)),
    ];
    Interval {
        agent: seat,
        incarnation: 1,
        sequence: 0,
        from,
        to,
        series: vec![Series {
            tags: Tags::default(),
            values,
        }],
    }
}

fn second(seat: u32, second: i64, requests: u64, ms: u64) -> Interval {
    interval(seat, second * SECOND, (second + 1) * SECOND, requests, ms)
}

fn requests(points: &[v1::Second]) -> Vec<u64> {
    let spans = points.iter().filter_map(|point| point.span);
    spans.map(|span| span.requests).collect()
}

#[test]
fn a_second_is_told_when_it_is_complete_and_again_when_more_comes() {
    let mut seconds = Seconds::default();
    seconds.observe(&second(0, 0, 10, 5));
    seconds.observe(&second(0, 1, 20, 5));
    assert_eq!(seconds.news(), None);
    assert_eq!(seconds.whole().requests, 30, "the whole is all that came");
    seconds.let_go(1);
    let news = seconds.news().unwrap_or_default();
    assert_eq!((news.all, requests(&news.points)), (false, vec![10]));
    assert_eq!(seconds.news(), None);
    seconds.observe(&second(1, 0, 5, 50));
    let news = seconds.news().unwrap_or_default();
    assert_eq!((news.all, requests(&news.points)), (false, vec![15]));
    assert_eq!(seconds.now().requests, 15, "the newest complete second");
    seconds.let_go(2);
    assert_eq!(requests(&seconds.all().points), [15, 20]);
    assert_eq!(seconds.now().requests, 35);
    let now = seconds.now();
    assert_eq!((now.from_ns, now.to_ns, now.rate), (0, 2 * SECOND, 17.5));
}

#[test]
fn now_is_the_newest_five_seconds_and_its_quantiles_are_merged() {
    let mut seconds = Seconds::default();
    for at in 0..10 {
        // One agent of two answers slowly.
        seconds.observe(&second(0, at, 90, 10));
        seconds.observe(&second(1, at, 10, 1_000));
    }
    seconds.let_go(10);
    let now = seconds.now();
    assert_eq!(
        (now.from_ns, now.requests, now.rate),
        (5 * SECOND, 500, 100.0)
    );
    let within = |ns: u64, ms: u64| ns.abs_diff(ms * MS) <= ms * MS / 1_000;
    assert!(
        within(now.p50_ns, 10) && within(now.p95_ns, 1_000),
        "{now:?}"
    );
    assert_eq!(now.max_ns, 1_000 * MS);
    assert_eq!(now.avg_ns, 109 * MS);
    let (rate, p95) = seconds.of_seat(0, 10 * SECOND);
    assert_eq!(rate, 90.0);
    assert!(p95.abs_diff(10 * MS) <= MS / 20, "{p95}");
    assert_eq!(
        seconds.of_seat(0, 20 * SECOND).0,
        0.0,
        "nothing came for long"
    );
    assert_eq!(seconds.of_seat(7, 0), (0.0, 0));
}

#[test]
fn a_point_of_several_seconds_grows_and_begins_where_it_did() {
    let mut seconds = Seconds::default();
    for at in 0..=MOST as i64 {
        seconds.observe(&second(0, at, 1, 5));
        seconds.let_go(at + 1);
        let news = seconds.news().unwrap_or_default();
        assert_eq!(
            news.all,
            at == MOST as i64,
            "all again once they are thinned"
        );
    }
    let last = |seconds: &mut Seconds| seconds.all().points.last().and_then(|point| point.span);
    let span = last(&mut seconds).unwrap_or_default();
    assert_eq!((span.from_ns, span.to_ns), (600 * SECOND, 601 * SECOND));
    seconds.observe(&second(0, 601, 3, 5));
    seconds.let_go(602);
    let news = seconds.news().unwrap_or_default();
    assert_eq!((news.all, requests(&news.points)), (false, vec![4]));
    let span = last(&mut seconds).unwrap_or_default();
    assert_eq!(
        (span.from_ns, span.to_ns, span.rate),
        (600 * SECOND, 602 * SECOND, 2.0)
    );
}

#[test]
fn seconds_that_nobody_completes_do_not_pile_up() {
    let mut seconds = Seconds::default();
    for at in 0..1_000 {
        seconds.observe(&second(0, at, 1, 5));
    }
    assert!(seconds.open.len() <= OPEN);
    seconds.end();
    let sum: u64 = requests(&seconds.all().points).iter().sum();
    assert_eq!(sum, 1_000);
}

/// 90 arrivals a second and 30 VUs for 10 s, of which 3 s in the middle are made with three times as many.
fn asks(from: u64, to: u64) -> (u64, u64) {
    let until =
        |run: u64| run.min(10_000 * MS) + 2 * (run.clamp(4_000 * MS, 7_000 * MS) - 4_000 * MS);
    let due = |run: u64| until(run) * 90 / 1_000 / MS;
    (due(to) - due(from), (until(to) - until(from)) * 30)
}

#[test]
fn points_are_as_even_as_the_load_whenever_its_agents_tell_of_it() {
    let mut seconds = Seconds::default();
    // Heartbeats every half second, each agent's at an instant of its own, and the last after its end.
    for (seat, at) in [(0, 170), (1, 490), (2, 333)] {
        for beat in 0..21 {
            let run = (at + beat * 500) * MS;
            let (due, vu_ns) = asks(0, run);
            let held = Held {
                run,
                begun: due / 3,
                vu_ns: vu_ns / 3,
                busy: 2,
            };
            seconds.held(seat, 0, held, &asks);
        }
    }
    for run in load::looks(0, seconds.made_until()) {
        let (due, vu_ns) = asks(0, run);
        seconds.look(Look {
            run,
            due,
            vu_ns,
            agents: 3,
        });
    }
    seconds.end();
    let points = seconds.points();
    for (second, point) in points.iter().enumerate() {
        let factor = match second {
            0..4 | 7..10 => 1.0,
            4..7 => 3.0,
            _ => 0.0,
        };
        assert!(point.vus <= point.vus_planned + 1e-6);
        assert!(
            (point.vus - 30.0 * factor).abs() < 1e-6,
            "{second}: {point:?}"
        );
        assert!(
            (point.due - 90.0 * factor).abs() < 1e-6,
            "{second}: {point:?}"
        );
        // Whole iterations, so by less than one of each agent at each edge.
        assert!(
            (point.begun - 90.0 * factor).abs() <= 3.0,
            "{second}: {point:?}"
        );
        if second < 10 && second > 0 {
            assert!((point.vus_open - 6.0).abs() < 1e-6, "{second}: {point:?}");
        }
    }
    assert_eq!(points.len(), 11, "the last one is short: {points:?}");
    let begun: f64 = points.iter().map(|point| point.begun).sum();
    assert!((begun - 1439.0).abs() < 9.0, "{begun}");
}

#[test]
fn what_was_reckoned_too_high_is_not_counted_twice() {
    let mut seconds = Seconds::default();
    let evenly = |from, to| (0, to - from);
    for (run, vu_ns) in [(500, 500), (1_000, 1_040), (1_500, 1_020), (2_000, 2_000)] {
        let held = Held {
            run: run * MS,
            vu_ns: vu_ns * MS,
            ..Held::default()
        };
        seconds.held(0, 0, held, &evenly);
    }
    seconds.look(Look {
        run: 2_000 * MS,
        ..Look::default()
    });
    seconds.end();
    let held: f64 = seconds.points().iter().map(|point| point.vus).sum();
    assert!((held - 2.0).abs() < 1e-9, "{held}");
}

proptest! {
    #[test]
    fn the_points_add_up_to_what_was_merged(
        intervals in proptest::collection::vec((0u32..4, -3i64..2_000, 1i64..9_000, 0u64..50), 1..80),
        lets_go in any::<bool>(),
    ) {
        let mut seconds = Seconds::default();
        let (mut all, mut failed, mut sent) = (0, 0, 0);
        for (seat, from, length_ms, count) in intervals {
            let from = from * SECOND + 300_000_000;
            let interval = interval(seat, from, from + length_ms * 1_000_000, count, 7);
            seconds.observe(&interval);
            (all, failed, sent) = (all + count, failed + count / 3, sent + count * 100);
            if lets_go {
                seconds.let_go(from / SECOND);
            }
        }
        seconds.end();
        let whole = seconds.whole();
        prop_assert_eq!((whole.requests, whole.failed, whole.sent_bytes), (all, failed, sent));
        let points = seconds.points();
        prop_assert!(points.len() <= MOST);
        let sum = |of: fn(&Point) -> u64| points.iter().map(of).sum::<u64>();
        prop_assert_eq!(sum(|point| point.requests), all);
        prop_assert_eq!(sum(|point| point.failed), failed);
        prop_assert_eq!(sum(|point| point.sent_bytes), sent);
        prop_assert!(points.is_sorted_by(|a, b| a.to_ms <= b.from_ms));
    }

    #[test]
    fn a_checkpoint_keeps_everything(
        intervals in proptest::collection::vec((0u32..4, 0i64..700, 0u64..20), 1..60),
    ) {
        let mut seconds = Seconds::default();
        for (seat, at, count) in intervals {
            seconds.observe(&second(seat, at, count, 3));
            seconds.look(Look { run: at as u64 * 1_000_000_000, due: at as u64 * 7, ..Look::default() });
            seconds.let_go(at - 2);
        }
        let bytes = postcard::to_allocvec(&seconds).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut later: Seconds =
            postcard::from_bytes(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(later.all(), seconds.all());
        prop_assert_eq!(later.now(), seconds.now());
        seconds.end();
        later.end();
        prop_assert_eq!(later.points(), seconds.points());
        prop_assert_eq!(later.whole(), seconds.whole());
    }
}
