//! Each interval in one frame, each second let go when nobody is awaited any more.

use super::*;
use metrics::Series;

const LEASE: u64 = 5_000_000_000;

fn interval(seat: u32, from: f64, to: f64, requests: f64, vus: f64) -> Interval {
    let series = vec![Series {
        tags: Tags::default(),
        values: vec![
            (Metric::HttpReqs, Value::Counter(requests)),
            (Metric::Vus, Value::gauge(vus)),
        ],
    }];
    Interval {
        agent: seat,
        incarnation: 1,
        sequence: 0,
        from: (from * 1e9) as i64,
        to: (to * 1e9) as i64,
        series,
    }
}

/// Second, whether it came later, requests, VUs.
fn shown(frames: &[Frame]) -> Vec<(i64, bool, f64, f64)> {
    let number = |frame: &Frame, metric| match frame.fleet.by_metric().get(&metric) {
        Some(Value::Counter(sum)) => *sum,
        Some(Value::Gauge { last, .. }) => *last,
        _ => -1.0,
    };
    frames
        .iter()
        .map(|frame| {
            let (requests, vus) = (number(frame, Metric::HttpReqs), number(frame, Metric::Vus));
            (frame.second, frame.later > 0, requests, vus)
        })
        .collect()
}

#[test]
fn a_second_waits_for_every_live_agent() {
    let mut frames = Frames::new(LEASE);
    let both = BTreeSet::from([0, 1]);
    assert_eq!(frames.due(0, &both), []);
    frames.add(interval(0, 0.0, 1.0, 5.0, 2.0));
    assert_eq!(frames.due(1_200_000_000, &both), []);
    // Part of a second is not the second.
    frames.add(interval(1, 0.0, 0.4, 1.0, 3.0));
    assert_eq!(frames.due(1_300_000_000, &both), []);
    frames.add(interval(1, 0.4, 1.0, 2.0, 4.0));
    let due = frames.due(1_400_000_000, &both);
    assert_eq!(shown(&due), [(0, false, 8.0, 6.0)]);
    assert_eq!(due[0].seats.len(), 2);
    assert_eq!(frames.due(1_500_000_000, &both), []);
}

#[test]
fn when_the_lease_has_passed_it_waits_no_more_and_what_comes_later_is_a_frame_of_its_own() {
    let mut frames = Frames::new(LEASE);
    let both = BTreeSet::from([0, 1]);
    assert_eq!(frames.due(0, &both), []);
    frames.add(interval(0, 0.0, 1.0, 5.0, 2.0));
    assert_eq!(frames.due(5_999_999_999, &both), []);
    assert_eq!(
        shown(&frames.due(6_000_000_000, &both)),
        [(0, false, 5.0, 2.0)]
    );
    frames.add(interval(1, 0.0, 1.0, 3.0, 4.0));
    // The later counts are only those that came later; the level is the fleet's.
    assert_eq!(
        shown(&frames.due(6_100_000_000, &both)),
        [(0, true, 3.0, 6.0)]
    );
    assert_eq!(frames.due(6_200_000_000, &both), []);
}

#[test]
fn a_lost_agent_is_not_awaited_and_the_end_leaves_nothing() {
    let mut frames = Frames::new(LEASE);
    frames.add(interval(0, 0.0, 1.0, 5.0, 2.0));
    let alone = BTreeSet::from([0]);
    assert_eq!(
        shown(&frames.due(1_000_000_000, &alone)),
        [(0, false, 5.0, 2.0)]
    );
    frames.add(interval(0, 1.0, 1.5, 1.0, 2.0));
    assert_eq!(frames.due(1_600_000_000, &alone), []);
    assert_eq!(shown(&frames.rest()), [(1, false, 1.0, 2.0)]);
    assert_eq!(frames.rest(), []);
}

#[test]
fn one_that_joins_is_not_awaited_for_what_was_before() {
    let mut frames = Frames::new(LEASE);
    let (one, both) = (BTreeSet::from([0]), BTreeSet::from([0, 1]));
    assert_eq!(frames.due(-200_000_000, &one), []);
    frames.add(interval(0, 0.0, 1.0, 1.0, 1.0));
    frames.add(interval(0, 1.0, 2.0, 2.0, 1.0));
    assert_eq!(frames.due(1_500_000_000, &both).len(), 1);
    // The second in which it came is awaited of both.
    assert_eq!(frames.due(2_100_000_000, &both), []);
    frames.add(interval(1, 1.0, 2.0, 4.0, 1.0));
    assert_eq!(
        shown(&frames.due(2_200_000_000, &both)),
        [(1, false, 6.0, 2.0)]
    );
}

#[test]
fn several_seconds_in_one_belong_to_the_last_and_their_level_to_each() {
    let mut frames = Frames::new(LEASE);
    let both = BTreeSet::from([0, 1]);
    assert_eq!(frames.due(0, &both), []);
    frames.add(interval(0, 0.0, 1.0, 1.0, 1.0));
    frames.add(interval(0, 1.0, 2.0, 1.0, 1.0));
    frames.add(interval(1, 0.0, 2.0, 10.0, 5.0));
    let due = frames.due(2_000_000_000, &both);
    assert_eq!(shown(&due), [(0, false, 1.0, 6.0), (1, false, 11.0, 6.0)]);
}

/// Whatever the order, every request is in one frame.
#[test]
fn never_lost_never_double() {
    for seed in 0..200_u64 {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut draw = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut frames = Frames::new(2_000_000_000);
        let live = BTreeSet::from([0, 1, 2]);
        let (mut given, mut got) = (0.0, 0.0);
        let mut next = [0_u32; 3];
        for tick in 0..60 {
            for (seat, next) in (0..3).zip(&mut next) {
                // Each agent stalls now and then, and sends several seconds at once afterwards.
                while *next < tick && draw(4) > 0 {
                    let width = 1 + draw(3) as u32;
                    let requests = draw(100) as f64;
                    let (from, to) = (f64::from(*next), f64::from(*next + width));
                    frames.add(interval(seat, from, to, requests, 1.0));
                    given += requests;
                    *next += width;
                }
            }
            let due = frames.due(i64::from(tick) * SECOND, &live);
            got += shown(&due).iter().map(|frame| frame.2).sum::<f64>();
        }
        got += shown(&frames.rest())
            .iter()
            .map(|frame| frame.2)
            .sum::<f64>();
        assert_eq!(given, got, "seed {seed}");
    }
}
