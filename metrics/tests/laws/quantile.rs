//! Merged percentiles equal k6's formula on the pooled raw samples, within the histogram's stated error.

use proptest::collection::vec;
use proptest::prelude::*;
use throng_metrics::{DecodeError, Digits, Trend, TrendParts};

/// k6's percentile: linear at q·(n−1) in the sorted samples.
fn k6(sorted: &[u64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let low = sorted[place.floor() as usize] as f64;
    let high = sorted[place.ceil() as usize] as f64;
    low + (high - low) * (place - place.floor())
}

const QUANTILES: [f64; 10] = [0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0];

/// Sends a trend as an agent does, and adds it as the controller does.
fn send(from: &Trend, to: &mut Trend) -> Result<(), DecodeError> {
    let mut bytes = Vec::new();
    from.histogram.to_v2(&mut bytes);
    to.merge_parts(&TrendParts {
        count: from.count,
        sum: from.sum,
        min: from.min,
        max: from.max,
        clamped: from.clamped,
        histogram: &bytes,
    })
}

fn check(digits: Digits, samples: &[(u64, usize)], agents: usize) {
    let mut trends = vec![Trend::new(digits); agents];
    for &(ns, agent) in samples {
        trends[agent % agents].record(ns);
    }
    let mut merged = Trend::new(digits);
    for trend in &trends {
        send(trend, &mut merged).unwrap();
    }
    let mut sorted: Vec<u64> = samples.iter().map(|&(ns, _)| ns).collect();
    sorted.sort_unstable();
    assert_eq!(merged.count, sorted.len() as u64);
    assert_eq!(merged.sum, sorted.iter().map(|&ns| u128::from(ns)).sum());
    assert_eq!(merged.quantile(0.0), sorted[0] as f64);
    assert_eq!(merged.quantile(1.0), sorted[sorted.len() - 1] as f64);
    for q in QUANTILES {
        let (exact, ours) = (k6(&sorted, q), merged.quantile(q));
        // Beside the stated error only what a sum of two f64 loses.
        let bound = exact * (digits.error() + 1e-12);
        assert!(
            (ours - exact).abs() <= bound,
            "n={} q={q}: {ours} is not {exact}",
            sorted.len()
        );
    }
}

proptest! {
    #[test]
    fn equals_k6_on_the_pooled_samples(
        samples in vec((0..63_u32, any::<u64>(), any::<usize>()), 1..200),
        agents in 1..8_usize,
    ) {
        let samples: Vec<(u64, usize)> = samples
            .into_iter()
            .map(|(shift, bits, agent)| ((bits >> shift) % 3_600_000_000_000, agent))
            .collect();
        for digits in [Digits::Two, Digits::Three] {
            check(digits, &samples, agents);
        }
    }

    #[test]
    fn equals_k6_where_samples_are_alike(
        base in 1_000_000..5_000_000_000_u64,
        spread in vec((0..400_000_u64, any::<usize>()), 1..300),
    ) {
        let samples: Vec<_> = spread.into_iter().map(|(more, agent)| (base + more, agent)).collect();
        check(Digits::Three, &samples, 3);
    }
}

#[test]
fn equals_k6_for_each_small_n() {
    for n in 1..=500_u64 {
        // Lognormal-like: spread over four decades, in no order.
        let samples: Vec<(u64, usize)> = (0..n)
            .map(|i| {
                let turn = (i * 7_919 % 10_007) as f64 / 10_007.0;
                ((4e6 * 10_f64.powf(4.0 * turn)) as u64, i as usize)
            })
            .collect();
        check(Digits::Three, &samples, 7);
    }
}

#[test]
fn an_average_of_percentiles_would_be_wrong_and_the_merge_is_not() {
    // 100 agents, 10 of them five times slower.
    let mut merged = Trend::new(Digits::Three);
    let mut sorted = Vec::new();
    let mut averaged = 0.0;
    for agent in 0..100_u64 {
        let mut trend = Trend::new(Digits::Three);
        for i in 0..1_000_u64 {
            let ns = (20_000_000 + (i * 7_919 + agent * 31) % 1_000 * 40_000)
                * if agent < 10 { 5 } else { 1 };
            trend.record(ns);
            sorted.push(ns);
        }
        averaged += trend.quantile(0.95) / 100.0;
        send(&trend, &mut merged).unwrap();
    }
    sorted.sort_unstable();
    let exact = k6(&sorted, 0.95);
    assert!((merged.quantile(0.95) - exact).abs() / exact < 0.0005);
    assert!((averaged - exact).abs() / exact > 0.25);
}

#[test]
fn clamped_samples_keep_exact_ends() {
    let mut trend = Trend::new(Digits::Three);
    for hours in [1, 2, 30] {
        trend.record(hours * 3_600_000_000_000);
    }
    assert_eq!(trend.clamped, 2);
    assert_eq!(trend.quantile(1.0), 30.0 * 3.6e12);
    assert_eq!(trend.quantile(0.0), 3.6e12);
    // In between, a clamped sample reads as the range's end.
    assert!((trend.quantile(0.5) - 3.6e12).abs() < 0.0005 * 3.6e12);
}

#[test]
fn figures_that_contradict_each_other_are_refused_and_add_nothing() {
    let mut trend = Trend::new(Digits::Three);
    trend.record(1_000);
    trend.record(3_000);
    let mut bytes = Vec::new();
    trend.histogram.to_v2(&mut bytes);
    let right = TrendParts {
        count: 2,
        sum: 4_000,
        min: 1_000,
        max: 3_000,
        clamped: 0,
        histogram: &bytes,
    };
    let mut sum = Trend::new(Digits::Three);
    for (wrong, what) in [
        (TrendParts { count: 3, ..right }, "count"),
        (
            TrendParts {
                clamped: 3,
                ..right
            },
            "clamped",
        ),
        (
            TrendParts {
                min: 4_000,
                ..right
            },
            "min",
        ),
        (
            TrendParts {
                sum: 1_999,
                ..right
            },
            "sum",
        ),
        (
            TrendParts {
                sum: 6_001,
                ..right
            },
            "sum",
        ),
    ] {
        assert_eq!(
            sum.merge_parts(&wrong),
            Err(DecodeError::Contradiction(what))
        );
    }
    assert!(sum.is_empty() && sum.histogram.is_empty());
    sum.merge_parts(&right).unwrap();
    assert_eq!(sum, trend);
}

#[test]
fn nothing_is_zero() {
    let trend = Trend::new(Digits::Three);
    assert_eq!((trend.quantile(0.95), trend.mean()), (0.0, 0.0));
    let mut sum = Trend::new(Digits::Three);
    send(&trend, &mut sum).unwrap();
    assert!(sum.is_empty());
}
