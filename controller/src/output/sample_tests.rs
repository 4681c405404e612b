//! Samples weigh what they stand for; below the budget they are every value.

use super::*;
use metrics::Digits;
use std::collections::BTreeSet;

fn trend(values: impl IntoIterator<Item = u64>) -> Trend {
    let mut trend = Trend::new(Digits::Three);
    for value in values {
        trend.record(value);
    }
    trend
}

fn tags(name: &str) -> Tags {
    Tags::default().with("name", name)
}

#[test]
fn below_the_budget_every_value_is_there_once() {
    let mut sampler = Sampler::new(300, Fraction::Carried);
    let values: Vec<u64> = (1..=50).map(|n| n * 1_000_000).collect();
    let rows = sampler.trend(
        Metric::HttpReqDuration,
        &tags("a"),
        &trend(values.clone()),
        300,
    );
    assert_eq!(rows.len(), 50);
    for (row, value) in rows.iter().zip(&values) {
        let off = row.value.abs_diff(*value) as f64 / *value as f64;
        assert!(off <= Digits::Three.error(), "{} for {value}", row.value);
        assert_eq!(row.weight, 1);
    }
    assert_eq!((rows[0].value, rows[49].value), (1_000_000, 50_000_000));
    let rows = sampler.rate(Metric::Checks, &tags("a"), (3, 5), 300);
    let truths: Vec<bool> = rows.iter().map(|row| row.value).collect();
    assert_eq!(truths, [true, true, true, false, false]);
}

#[test]
fn above_it_series_keep_their_weight_over_time_however_small() {
    let mut sampler = Sampler::new(100, Fraction::Carried);
    let (large, small) = (
        trend((0..9_990).map(|n| 1_000_000 + n)),
        trend([5_000_000; 10]),
    );
    let (mut of_large, mut of_small) = (0, 0);
    for _ in 0..100 {
        of_large += sampler
            .trend(Metric::HttpReqDuration, &tags("l"), &large, 10_000)
            .len();
        of_small += sampler
            .trend(Metric::HttpReqDuration, &tags("s"), &small, 10_000)
            .len();
    }
    // 10,000 samples in all, a thousandth of them the small series'; its records came first.
    assert_eq!((of_large, of_small), (9_990, 10));
    let mut trues = 0;
    for _ in 0..100 {
        let rows = sampler.rate(Metric::Checks, &tags("s"), (1, 1_000), 10_000);
        trues += rows.iter().filter(|row| row.value).count();
    }
    assert_eq!(trues, 1);
}

#[test]
fn quantiles_of_the_samples_are_those_of_the_distribution() {
    let mut sampler = Sampler::new(300, Fraction::Carried);
    let skewed = trend((1..=20_000_u64).map(|n| n * n * 10));
    let rows = sampler.trend(Metric::HttpReqDuration, &tags("a"), &skewed, skewed.count);
    assert_eq!(rows.len(), 300);
    for (q, allowed) in [(0.5, 0.01), (0.9, 0.01), (0.95, 0.01), (0.99, 0.01)] {
        let read = rows[(q * 300.0) as usize].value as f64;
        let exact = skewed.quantile(q);
        assert!(
            (read / exact - 1.0).abs() < allowed,
            "p{q}: {read} for {exact}"
        );
    }
    // Both ends are there, for they are records.
    assert_eq!((rows[0].value, rows[299].value), (skewed.min, skewed.max));
}

/// Three endpoints as unlike as they come, for half a minute: what a database makes of the samples, against every value.
#[test]
fn quantiles_over_a_whole_run_are_those_of_every_value() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as f64 / (1_u64 << 53) as f64
    };
    // Median in milliseconds, requests a second: a cache, a page, a report.
    let endpoints = [
        ("cache", 2.0, 700),
        ("page", 80.0, 250),
        ("report", 1_500.0, 26),
    ];
    for (budget, allowed) in [(300, [0.005, 0.01, 0.06]), (100, [0.01, 0.02, 0.1])] {
        let mut sampler = Sampler::new(budget, Fraction::Carried);
        let (mut every, mut sampled) = (Vec::new(), Vec::new());
        for _ in 0..30 {
            let seconds = endpoints.map(|(name, median, count)| {
                // Roughly lognormal: the sum of twelve draws is nearly normal.
                let values: Vec<u64> = (0..count)
                    .map(|_| {
                        let normal = (0..12).map(|_| draw()).sum::<f64>() - 6.0;
                        (median * (0.5 * normal).exp() * 1e6) as u64
                    })
                    .collect();
                (name, values)
            });
            let total = seconds.iter().map(|(_, values)| values.len() as u64).sum();
            for (name, values) in seconds {
                let one = trend(values.iter().copied());
                let rows = sampler.trend(Metric::HttpReqDuration, &tags(name), &one, total);
                sampled.extend(rows.iter().map(|row| row.value));
                every.extend(values);
            }
        }
        every.sort_unstable();
        sampled.sort_unstable();
        let at = |values: &[u64], q: f64| values[(q * (values.len() - 1) as f64) as usize] as f64;
        for (q, allowed) in [0.9, 0.95, 0.99].into_iter().zip(allowed) {
            let off = at(&sampled, q) / at(&every, q) - 1.0;
            println!(
                "{budget} points a second: p{} off by {:.2} %",
                q * 100.0,
                off * 100.0
            );
            assert!(off.abs() < allowed, "{budget} points: p{q} off by {off}");
        }
    }
}

#[test]
fn a_record_is_shown_when_it_happens() {
    let mut sampler = Sampler::new(10, Fraction::Carried);
    let usual = trend([10_000_000; 1_000]);
    for _ in 0..5 {
        sampler.trend(Metric::HttpReqDuration, &tags("a"), &usual, 100_000);
    }
    let spike = trend([10_000_000, 10_000_000, 900_000_000]);
    let rows = sampler.trend(Metric::HttpReqDuration, &tags("a"), &spike, 100_000);
    assert_eq!(rows.last().map(|row| row.value), Some(900_000_000));
}

#[test]
fn rows_that_are_weighed_add_up() {
    let mut sampler = Sampler::new(7, Fraction::Weighed);
    let one = trend((1..=1_000).map(|n| n * 1_000));
    let rows = sampler.trend(Metric::HttpReqDuration, &tags("a"), &one, 5_000);
    assert_eq!(rows.iter().map(|row| row.weight).sum::<u64>(), 1_000);
    let few = sampler.trend(Metric::HttpReqDuration, &tags("b"), &trend([5, 6]), 5_000);
    assert_eq!(few.iter().map(|row| row.weight).sum::<u64>(), 2);
    let rate = sampler.rate(Metric::Checks, &tags("a"), (999, 1_000), 5_000);
    let weight = |truth| {
        let rows = rate.iter().filter(|row| row.value == truth);
        rows.map(|row| row.weight).sum::<u64>()
    };
    assert_eq!((weight(true), weight(false)), (999, 1));
}

#[test]
fn moments_differ() {
    for count in [1, 2, 3, 7, 10, 300, 618, 1_000, 4_096] {
        let moments: BTreeSet<i64> = (0..count).map(|index| moment(index, count)).collect();
        assert_eq!(moments.len(), count);
        assert!(moments.iter().all(|ns| (0..1_000_000_000).contains(ns)));
    }
}
