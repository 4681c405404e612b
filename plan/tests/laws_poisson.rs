//! The laws of Poisson arrivals: seeded alike for everybody, inverse and monotone, as many as planned, as irregular as chance.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use std::time::Duration;
use throng_plan::{ArrivalCurve, Arrivals, Bundle, Executor, Scenario, Stage, Stripe, compile};

const SECOND: u64 = 1_000_000_000;

fn scenario(name: &str, executor: Executor) -> Scenario {
    Scenario {
        name: name.to_owned(),
        executor,
        start_time: Duration::ZERO,
        graceful_stop: Duration::ZERO,
        exec: 0,
        tags: Default::default(),
        arrivals: Arrivals::Poisson,
        catch_up: Duration::from_secs(1),
    }
}

fn constant(rate: u64, seconds: u64) -> Executor {
    Executor::ConstantArrivalRate {
        rate,
        time_unit: Duration::from_secs(1),
        duration: Duration::from_secs(seconds),
        pre_allocated_vus: 1,
        max_vus: 1,
    }
}

fn ramping(start: u64, unit: u64, stages: &[(u64, u64)]) -> Executor {
    Executor::RampingArrivalRate {
        start_rate: start,
        time_unit: Duration::from_nanos(unit),
        stages: stages
            .iter()
            .map(|(nanos, target)| Stage {
                duration: Duration::from_nanos(*nanos),
                target: *target,
            })
            .collect(),
        pre_allocated_vus: 1,
        max_vus: 1,
    }
}

fn curve(executor: Executor, seed: u64) -> ArrivalCurve {
    scenario("main", executor).arrival_curve(seed).unwrap()
}

fn all(curve: &ArrivalCurve) -> Vec<u64> {
    (0..curve.total())
        .map(|n| curve.due_at(n).unwrap())
        .collect()
}

/// In order, within the time, and `due_by` counts exactly those up to each instant.
fn check(curve: &ArrivalCurve) -> Result<(), TestCaseError> {
    let due = all(curve);
    prop_assert_eq!(curve.due_at(curve.total()), None);
    prop_assert!(due.is_sorted());
    prop_assert!(due.last().is_none_or(|last| *last <= curve.duration()));
    prop_assert_eq!(curve.due_by(curve.duration()), curve.total());
    prop_assert_eq!(curve.due_by(u64::MAX), curve.total());
    for t in &due {
        let upto = due.partition_point(|other| other <= t) as u64;
        let below = due.partition_point(|other| other < t) as u64;
        prop_assert_eq!(curve.due_by(*t), upto);
        if let Some(before) = t.checked_sub(1) {
            prop_assert_eq!(curve.due_by(before), below);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn law_due_by_and_due_at_are_inverse_and_monotone_at_constant_rates(rate in 1_u64..300, seconds in 1_u64..9, seed in any::<u64>()) {
        check(&curve(constant(rate, seconds), seed))?;
    }

    #[test]
    fn law_due_by_and_due_at_are_inverse_and_monotone_on_ramps(
        start in 0_u64..300, unit in 1_000_000_u64..5_000_000_000, seed in any::<u64>(),
        stages in prop::collection::vec((prop_oneof![Just(0), 1_u64..4_000_000_000], 0_u64..300), 1..5),
    ) {
        let curve = curve(ramping(start, unit, &stages), seed);
        prop_assume!(curve.total() < 5_000);
        check(&curve)?;
    }

    #[test]
    fn law_how_many_agents_there_are_changes_who_fires_never_when(weights in prop::collection::vec(1_u32..9, 1..8), seed in any::<u64>()) {
        let whole = curve(ramping(0, SECOND, &[(3 * SECOND, 200), (SECOND, 0)]), seed);
        let stripe = Stripe::new(weights);
        let mut gathered = Vec::new();
        for agent in 0..stripe.agents() {
            // Each makes the curve anew, from what it was told.
            let own = curve(ramping(0, SECOND, &[(3 * SECOND, 200), (SECOND, 0)]), seed);
            gathered.extend(stripe.below(agent, own.total()).map(|n| (n, own.due_at(n).unwrap())));
        }
        gathered.sort_unstable();
        let wanted: Vec<(u64, u64)> = (0..).zip(all(&whole)).collect();
        prop_assert_eq!(gathered, wanted);
    }
}

#[test]
fn there_are_as_many_as_regular_ones() {
    for executor in [constant(7, 3), ramping(0, SECOND, &[(9 * SECOND, 31)])] {
        let regular = executor.arrival_curve().unwrap().total();
        assert_eq!(curve(executor, 5).total(), regular);
    }
}

/// Pinned: should these change, agents of two versions would fire at different instants.
#[test]
fn the_instants_of_a_seed_are_these() {
    let ramp = curve(ramping(0, SECOND, &[(10 * SECOND, 100)]), 7);
    let shown: Vec<Option<u64>> = [0, 1, 250, 499].map(|n| ramp.due_at(n)).into();
    insta::assert_debug_snapshot!(shown);
}

#[test]
fn another_seed_or_another_scenario_has_other_instants() {
    let of = |name, seed| all(&scenario(name, constant(50, 2)).arrival_curve(seed).unwrap());
    assert_eq!(of("a", 1), of("a", 1));
    assert_ne!(of("a", 1), of("a", 2));
    assert_ne!(of("a", 1), of("b", 1));
}

/// The chi-square test of dispersion, at a fixed seed: counts of k windows with a known total.
#[test]
fn windows_hold_as_many_as_chance_would_put_there() {
    let windows = 1_000_u64;
    for (rate, seed) in [(20, 1), (100, 2), (1_000, 3), (5_000, 4)] {
        let curve = curve(constant(rate, 100), seed);
        let width = 100 * SECOND / windows;
        let mean = (rate * 100) as f64 / windows as f64;
        let counts = (0..windows).map(|i| {
            curve.due_by((i + 1) * width - 1)
                - if i == 0 {
                    0
                } else {
                    curve.due_by(i * width - 1)
                }
        });
        let chi: f64 = counts.map(|n| (n as f64 - mean).powi(2) / mean).sum();
        // Degrees of freedom 999; five standard deviations of sqrt(2 · 999) either way.
        assert!(
            (chi - 999.0).abs() < 5.0 * (2.0 * 999.0_f64).sqrt(),
            "rate {rate}: {chi}"
        );
    }
}

/// Of a Poisson process, gaps are exponential: their variation is 1, and e^-1 of them exceed the mean.
#[test]
fn gaps_are_exponential() {
    let due = all(&curve(constant(1_000, 50), 11));
    let gaps: Vec<f64> = due
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as f64)
        .collect();
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n;
    assert!((mean / 1e6 - 1.0).abs() < 0.01, "mean {mean}");
    assert!(
        (variance.sqrt() / mean - 1.0).abs() < 0.03,
        "variation {}",
        variance.sqrt() / mean
    );
    let long = gaps.iter().filter(|gap| **gap > mean).count() as f64 / n;
    assert!(
        (long - (-1.0_f64).exp()).abs() < 0.01,
        "beyond the mean {long}"
    );
}

/// On a ramp from 0, half the area is reached at 1/√2 of the time: 50,000 ± 5 standard deviations of 158.
#[test]
fn the_rate_is_followed_on_a_ramp() {
    let ramp = curve(ramping(0, SECOND, &[(100 * SECOND, 2_000)]), 3);
    assert_eq!(ramp.total(), 100_000);
    let half = ramp.due_by(70_710_678_118);
    assert!(half.abs_diff(50_000) < 5 * 158, "{half}");
}

#[test]
fn huge_curves_need_no_memory() {
    let year = 365 * 86_400;
    let curve = curve(constant(1_000_000_000, 10 * year), 1);
    assert_eq!(curve.total(), 10 * year * SECOND);
    for n in [0, 1, curve.total() / 3, curve.total() - 1] {
        let t = curve.due_at(n).unwrap();
        assert!(curve.due_by(t) > n);
        assert!(t == 0 || curve.due_by(t - 1) <= n);
    }
}

#[test]
fn a_file_says_so() {
    let source = "scenarios:\n  a: { executor: constant-arrival-rate, rate: 5, duration: 9s, preAllocatedVUs: 2, arrivals: poisson, catchUp: 250ms }\n  b: { executor: constant-arrival-rate, rate: 5, duration: 9s, preAllocatedVUs: 2 }\nflows: { default: [{ get: http://h/ }] }";
    let plan = compile(&Bundle {
        source: source.to_owned(),
        ..Bundle::default()
    })
    .unwrap();
    let read: Vec<_> = plan
        .scenarios
        .iter()
        .map(|s| (s.arrivals, s.catch_up))
        .collect();
    assert_eq!(
        read,
        [
            (Arrivals::Poisson, Duration::from_millis(250)),
            (Arrivals::Regular, Duration::from_secs(1))
        ]
    );
}
