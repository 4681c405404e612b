//! The laws of curves: exact, monotone, inverse; and k6's formulas as a table.

use proptest::prelude::*;
use std::time::Duration;
use throng_plan::{ArrivalCurve, Executor, Span, Stage, Stripe, VuCurve};

const SECOND: u64 = 1_000_000_000;

fn stages(list: &[(u64, u64)]) -> Vec<Stage> {
    list.iter()
        .map(|(nanos, target)| Stage {
            duration: Duration::from_nanos(*nanos),
            target: *target,
        })
        .collect()
}

fn vus(start: u64, list: &[(u64, u64)], ramp_down: u64, stop: u64) -> VuCurve {
    let executor = Executor::RampingVus {
        start_vus: start,
        stages: stages(list),
        graceful_ramp_down: Duration::from_nanos(ramp_down),
    };
    executor
        .vu_curve(Duration::from_nanos(stop))
        .expect("ramping-vus has a VU curve")
}

fn arrivals(start: u64, unit: u64, list: &[(u64, u64)]) -> ArrivalCurve {
    let executor = Executor::RampingArrivalRate {
        start_rate: start,
        time_unit: Duration::from_nanos(unit),
        stages: stages(list),
        pre_allocated_vus: 1,
        max_vus: 1,
    };
    executor
        .arrival_curve()
        .expect("ramping-arrival-rate has an arrival curve")
}

fn constant(rate: u64, unit: u64, duration: u64) -> ArrivalCurve {
    let executor = Executor::ConstantArrivalRate {
        rate,
        time_unit: Duration::from_nanos(unit),
        duration: Duration::from_nanos(duration),
        pre_allocated_vus: 1,
        max_vus: 1,
    };
    executor
        .arrival_curve()
        .expect("constant-arrival-rate has an arrival curve")
}

fn span(start: u64, stop: u64, cut: u64) -> Span {
    Span { start, stop, cut }
}

/// Up: VU u starts at `end - d(b-u)/(b-a)`; down: it stops at `end - d(u-1-b)/(a-b)`; u from 1, divisions truncate.
#[test]
fn ramping_vus_follow_k6s_table() {
    let up_down = vus(0, &[(SECOND, 3), (SECOND, 0)], 30 * SECOND, 30 * SECOND);
    let table = [
        (0, 333_333_334, 2 * SECOND),
        (1, 666_666_667, 1_666_666_667),
        (2, SECOND, 1_333_333_334),
    ];
    for (vu, start, stop) in table {
        assert_eq!(
            up_down.spans(vu),
            [span(start, stop, stop + 30 * SECOND)],
            "{vu}"
        );
    }
    assert_eq!(up_down.spans(3), []);
    assert_eq!(
        up_down.steps().collect::<Vec<_>>(),
        [
            (0, 0),
            (333_333_334, 1),
            (666_666_667, 2),
            (SECOND, 3),
            (1_333_333_334, 2),
            (1_666_666_667, 1),
            (2 * SECOND, 0),
        ]
    );
    // The reservation rush: 0 to 100 in a second, 3 s, to 0 in a second.
    let rush = vus(
        0,
        &[(SECOND, 100), (3 * SECOND, 100), (SECOND, 0)],
        30 * SECOND,
        30 * SECOND,
    );
    for (t, count) in [
        (0, 0),
        (9_999_999, 0),
        (10_000_000, 1),
        (500_000_000, 50),
        (SECOND, 100),
        (4 * SECOND, 100),
        (4 * SECOND + 9_999_999, 100),
        (4 * SECOND + 10_000_000, 99),
        (4_500_000_000, 50),
        (4_999_999_999, 1),
        (5 * SECOND, 0),
    ] {
        assert_eq!(rush.vus_at(t), count, "{t}");
    }
    // 0.5 s of ramp, 3 s, 0.5 s of ramp, less the half step that integers lose going up and win going down.
    assert_eq!(rush.vu_nanos(0..100), 400 * u128::from(SECOND));
    assert_eq!(
        (rush.max(), rush.end(), rush.cut_end()),
        (100, 5 * SECOND, 35 * SECOND)
    );
    assert_eq!(rush.held_at(6 * SECOND), 100);
    assert_eq!(rush.held_at(34 * SECOND + 500_000_000), 50);
    assert_eq!(rush.held_at(35 * SECOND), 0);
}

#[test]
fn jumps_starts_and_graceful_ends() {
    // A start level, a jump up, a jump down.
    let curve = vus(
        2,
        &[(0, 5), (SECOND, 5), (0, 1), (SECOND, 1)],
        SECOND / 2,
        SECOND / 4,
    );
    for (t, count) in [
        (0, 5),
        (SECOND - 1, 5),
        (SECOND, 1),
        (2 * SECOND - 1, 1),
        (2 * SECOND, 0),
    ] {
        assert_eq!(curve.vus_at(t), count, "{t}");
    }
    assert_eq!(
        curve.spans(0),
        [span(0, 2 * SECOND, 2 * SECOND + SECOND / 4)]
    );
    assert_eq!(curve.spans(4), [span(0, SECOND, SECOND + SECOND / 2)]);
    // A ramp-down near the end is cut with everything else.
    let late = vus(2, &[(SECOND, 2), (SECOND / 10, 0)], 10 * SECOND, SECOND);
    assert_eq!(
        late.spans(1),
        [span(0, SECOND + SECOND / 20, 2 * SECOND + SECOND / 10)]
    );
    // Wanted again before its cut: the iteration goes on.
    let again = vus(
        1,
        &[(0, 0), (SECOND, 0), (0, 1), (SECOND, 1), (SECOND, 0)],
        5 * SECOND,
        0,
    );
    assert_eq!(again.spans(0), [span(SECOND, 3 * SECOND, 3 * SECOND)]);
    let again = vus(
        1,
        &[(SECOND, 1), (0, 0), (SECOND, 0), (0, 1), (SECOND, 1)],
        5 * SECOND,
        SECOND,
    );
    assert_eq!(
        again.spans(0),
        [
            span(0, SECOND, 4 * SECOND),
            span(2 * SECOND, 3 * SECOND, 4 * SECOND)
        ]
    );
    assert_eq!(again.spans(u64::MAX), []);
}

#[test]
fn executors_that_count_hold_their_vus() {
    let executor = Executor::SharedIterations {
        vus: 3,
        iterations: 10,
        max_duration: Duration::from_secs(5),
    };
    let curve = executor.vu_curve(Duration::from_secs(2)).expect("closed");
    assert_eq!(curve.spans(2), [span(0, 5 * SECOND, 7 * SECOND)]);
    assert_eq!(
        (curve.vus_at(0), curve.vus_at(5 * SECOND), curve.max()),
        (3, 0, 3)
    );
    assert_eq!(
        (executor.iterations(), executor.vus_initialised()),
        (Some(10), 3)
    );
    assert!(executor.arrival_curve().is_none());
}

/// Index i at `i * floor(timeUnit / rate)`, before the end.
#[test]
fn constant_arrivals_follow_k6s_formula() {
    let ten = constant(10, SECOND, 10 * SECOND);
    assert_eq!(
        (ten.total(), ten.due_at(0), ten.due_at(99)),
        (100, Some(0), Some(9_900_000_000))
    );
    assert_eq!(
        (ten.due_at(100), ten.due_by(0), ten.due_by(99_999_999)),
        (None, 1, 1)
    );
    assert_eq!((ten.due_by(100_000_000), ten.due_by(u64::MAX)), (2, 100));
    // A period is a whole number of nanoseconds: 333,333,333, so the 31st still fits into ten seconds.
    let three = constant(3, SECOND, 10 * SECOND);
    assert_eq!((three.total(), three.due_at(30)), (31, Some(9_999_999_990)));
    let rare = constant(1, 3600 * SECOND, 10 * SECOND);
    assert_eq!((rare.total(), rare.due_at(0)), (1, Some(0)));
}

/// The n-th (from 1) when the area reaches n: `x = (f·d - sqrt(f²d² + 2·n·d·(t-f))) / (f - t)`, or `n/t`.
#[test]
fn ramping_arrivals_follow_k6s_formula() {
    for (from, to, seconds) in [
        (0_u64, 10_u64, 10_u64),
        (10, 0, 10),
        (5, 50, 3),
        (50, 5, 3),
        (7, 7, 9),
        (1, 2, 3600),
    ] {
        let curve = arrivals(from, SECOND, &[(seconds * SECOND, to)]);
        assert_eq!(curve.total(), (from + to) * seconds / 2);
        let (f, t, d) = (from as f64, to as f64, seconds as f64);
        for i in 0..curve.total() {
            let n = (i + 1) as f64;
            let x = if from == to {
                n / t
            } else {
                (f * d - (f * f * d * d + 2.0 * n * d * (t - f)).max(0.0).sqrt()) / (f - t)
            };
            let due = curve.due_at(i).expect("below the total");
            // The float formula itself is off by some nanoseconds, most where the rate comes near zero.
            let slack = if i + 1 == curve.total() { 1e5 } else { 100.0 };
            assert!(
                (due as f64 - x * 1e9).abs() <= slack,
                "{from} {to} {i}: {due} {}",
                x * 1e9
            );
        }
    }
    let table = [
        (0, 1_414_213_563),
        (1, 2 * SECOND),
        (7, 4 * SECOND),
        (49, 10 * SECOND),
    ];
    let ramp = arrivals(0, SECOND, &[(10 * SECOND, 10)]);
    for (n, due) in table {
        assert_eq!(ramp.due_at(n), Some(due), "{n}");
    }
    assert_eq!(ramp.due_at(50), None);
    // The fraction is carried: half an arrival from each stage makes one.
    let halves = arrivals(
        1,
        SECOND,
        &[
            (SECOND / 2, 1),
            (0, 0),
            (5 * SECOND, 0),
            (0, 1),
            (SECOND / 2, 1),
        ],
    );
    assert_eq!((halves.total(), halves.due_at(0)), (1, Some(6 * SECOND)));
}

#[test]
fn the_largest_curves_fit_the_integers() {
    let year = 365 * 86_400 * SECOND;
    let fast = arrivals(SECOND, SECOND, &[(5 * year, 0), (5 * year, SECOND)]);
    assert_eq!(fast.total(), 5 * year);
    assert_eq!(fast.due_by(5 * year), fast.total() / 2);
    for n in [
        0,
        1,
        fast.total() / 2 - 1,
        fast.total() / 2,
        fast.total() - 1,
    ] {
        let due = fast.due_at(n).expect("below the total");
        assert!(fast.due_by(due) > n && fast.due_by(due - 1) <= n, "{n}");
    }
    assert_eq!(constant(SECOND, SECOND, 10 * year).total(), 10 * year);
    let many = vus(0, &[(10 * year, 100_000_000)], 10 * year, 10 * year);
    assert_eq!(many.vus_at(5 * year), 50_000_000);
    assert_eq!(many.spans(49_999_999)[0].start, 5 * year);
}

fn any_stages() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let duration = prop_oneof![
        1 => Just(0_u64),
        2 => 1_u64..2_000,
        4 => 1_u64..20_000_000_000,
    ];
    prop::collection::vec((duration, 0_u64..40), 1..7)
}

/// Instants worth asking about: every step, and a nanosecond to each side.
fn edges(curve: &VuCurve) -> Vec<u64> {
    let mut edges: Vec<u64> = (0..curve.max())
        .flat_map(|vu| curve.spans(vu))
        .flat_map(|span| [span.start, span.stop, span.cut])
        .chain([0, curve.end(), curve.cut_end()])
        .flat_map(|t| [t.saturating_sub(1), t, t + 1])
        .collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn law_spans_of_all_vus_sum_to_vus_at_and_the_lowest_are_at_work(
        start in 0_u64..20, list in any_stages(), ramp_down in 0_u64..5_000_000_000, stop in 0_u64..5_000_000_000,
    ) {
        let curve = vus(start, &list, ramp_down, stop);
        let spans: Vec<_> = (0..curve.max()).map(|vu| curve.spans(vu)).collect();
        for t in edges(&curve) {
            let count = curve.vus_at(t);
            for (vu, spans) in (0..).zip(&spans) {
                let at_work = spans.iter().any(|s| s.start <= t && t < s.stop);
                prop_assert_eq!(at_work, vu < count, "vu {} at {}", vu, t);
            }
            let held = spans.iter().filter(|spans| spans.iter().any(|s| s.start <= t && t < s.cut)).count() as u64;
            // The VU a last rising stage would begin at its very end is held as in k6, though it has no time.
            let last = list.last().map_or(0, |(_, target)| *target);
            let expected = if t >= curve.end() && t < curve.cut_end() { held.max(last) } else { held };
            prop_assert_eq!(curve.held_at(t), expected, "held at {}", t);
        }
    }

    #[test]
    fn law_spans_are_ordered_apart_and_cut_no_earlier_than_they_stop(
        start in 0_u64..20, list in any_stages(), ramp_down in 0_u64..5_000_000_000, stop in 0_u64..5_000_000_000,
    ) {
        let curve = vus(start, &list, ramp_down, stop);
        for vu in 0..curve.max() {
            let spans = curve.spans(vu);
            for span in &spans {
                prop_assert!(span.start < span.stop && span.stop <= span.cut && span.cut <= curve.cut_end());
            }
            for pair in spans.windows(2) {
                prop_assert!(pair[0].stop < pair[1].start);
                prop_assert!(pair[0].cut <= pair[1].start || pair[0].cut == pair[1].cut);
            }
        }
    }

    #[test]
    fn law_vu_time_is_the_area_under_the_steps(start in 0_u64..20, list in any_stages()) {
        let curve = vus(start, &list, 0, 0);
        let steps: Vec<_> = curve.steps().collect();
        let area: u128 = steps.windows(2).map(|w| u128::from(w[1].0 - w[0].0) * u128::from(w[0].1)).sum();
        prop_assert_eq!(curve.vu_nanos(0..curve.max()), area);
        for (t, vus) in &steps {
            prop_assert_eq!(curve.vus_at(*t), *vus);
        }
    }

    #[test]
    fn law_vus_of_all_agents_are_the_plans_at_every_step(
        start in 0_u64..20, list in any_stages(), weights in prop::collection::vec(1_u32..9, 1..8),
    ) {
        let curve = vus(start, &list, 0, 0);
        let stripe = Stripe::new(weights);
        for t in edges(&curve) {
            let whole = curve.vus_at(t);
            let sum: u64 = (0..stripe.agents()).map(|agent| stripe.count_below(agent, whole)).sum();
            prop_assert_eq!(sum, whole);
        }
        let parts: u128 = (0..stripe.agents()).map(|agent| curve.vu_nanos(stripe.below(agent, curve.max()))).sum();
        prop_assert_eq!(parts, curve.vu_nanos(0..curve.max()));
    }

    #[test]
    fn law_due_by_and_due_at_are_inverse_and_monotone(
        start in 0_u64..60, unit in prop_oneof![Just(SECOND), 100_u64..5_000_000_000], list in any_stages(),
    ) {
        let curve = arrivals(start, unit, &list);
        check_arrivals(&curve)?;
    }

    /// Held against the definition itself: `2·timeUnit·area(t)`, all times the stage's length so that nothing is divided.
    #[test]
    fn law_an_arrival_is_due_at_the_first_nanosecond_whose_area_reaches_it(
        start in 0_u64..9, unit in 100_u64..3_000_000_000, list in any_stages(),
    ) {
        let reached = |t: u64, n: u64| {
            let (mut begin, mut from, mut before) = (0, i128::from(start), 0_i128);
            for (length, target) in &list {
                let (length, to) = (i128::from(*length), i128::from(*target));
                let x = i128::from(t) - begin;
                if x < length {
                    let area = before * length + 2 * from * x * length + (to - from) * x * x;
                    return area >= 2 * i128::from(unit) * i128::from(n) * length;
                }
                before += (from + to) * length;
                (begin, from) = (begin + length, to);
            }
            before >= 2 * i128::from(unit) * i128::from(n)
        };
        let curve = arrivals(start, unit, &list);
        let step = usize::try_from(curve.total() / 300).unwrap_or(usize::MAX).max(1);
        for n in (0..curve.total()).step_by(step) {
            let due = curve.due_at(n).ok_or_else(|| TestCaseError::fail("none below the total"))?;
            prop_assert!(reached(due, n + 1), "{} is not due at {}", n, due);
            prop_assert!(due == 0 || !reached(due - 1, n + 1), "{} is due before {}", n, due);
        }
        prop_assert!(!reached(curve.duration(), curve.total() + 1));
    }

    #[test]
    fn law_constant_arrivals_are_inverse_and_monotone(
        rate in 1_u64..2_000, unit in 2_000_u64..5_000_000_000, duration in 1_u64..5_000_000_000,
    ) {
        check_arrivals(&constant(rate, unit, duration))?;
    }

    #[test]
    fn law_how_many_agents_there_are_changes_who_fires_never_when(
        start in 0_u64..60, list in any_stages(), weights in prop::collection::vec(1_u32..9, 1..8),
    ) {
        let curve = arrivals(start, 10 * SECOND, &list);
        let stripe = Stripe::new(weights);
        let mut parts: Vec<_> = (0..stripe.agents())
            .flat_map(|agent| stripe.below(agent, curve.total()).map(|n| (n, curve.due_at(n))))
            .collect();
        parts.sort_unstable();
        let whole: Vec<_> = (0..curve.total()).map(|n| (n, curve.due_at(n))).collect();
        prop_assert_eq!(parts, whole);
    }
}

fn check_arrivals(curve: &ArrivalCurve) -> Result<(), TestCaseError> {
    prop_assert_eq!(curve.due_by(curve.duration()), curve.total());
    prop_assert_eq!(curve.due_at(curve.total()), None);
    let mut last = 0;
    let step = (curve.total() / 500).max(1);
    for n in (0..curve.total()).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let due = curve
            .due_at(n)
            .ok_or_else(|| TestCaseError::fail("none below the total"))?;
        prop_assert!(due >= last && due <= curve.duration());
        prop_assert!(curve.due_by(due) > n, "{} is due at {}", n, due);
        if due > 0 {
            prop_assert!(curve.due_by(due - 1) <= n, "{} is due before {}", n, due);
        }
        last = due;
    }
    Ok(())
}
