//! A load over time in plain characters, at most 80 columns wide.

use super::{Curve, Load};
use crate::duration;
use crate::{Executor, Stage};
use std::time::Duration;

/// Columns and rows of the picture itself.
const WIDTH: usize = 68;
const HEIGHT: usize = 8;

/// Draws the whole load of one scenario: VUs, or arrivals per second.
pub(super) fn draw(load: &Load<'_>) -> String {
    let length = duration::as_nanos(load.scenario.executor.duration());
    let levels: Vec<f64> = (0..WIDTH)
        .map(|column| {
            // Its middle; 68 columns of 59 bits do not fit 64.
            let at = u128::from(length) * (2 * column as u128 + 1) / (2 * WIDTH as u128);
            level(load, u64::try_from(at).unwrap_or(length))
        })
        .collect();
    picture(&levels, top(load), load.scenario.executor.duration())
}

fn level(load: &Load<'_>, at: u64) -> f64 {
    match &load.curve {
        Curve::Closed { vus, .. } => vus.vus_at(at) as f64,
        Curve::Open { .. } => rate_at(&load.scenario.executor, at),
    }
}

/// The highest level, also where no column has its middle.
fn top(load: &Load<'_>) -> f64 {
    match &load.scenario.executor {
        Executor::ConstantArrivalRate { .. } => rate_at(&load.scenario.executor, 0),
        Executor::RampingArrivalRate {
            start_rate,
            time_unit,
            stages,
            ..
        } => {
            let most = stages
                .iter()
                .map(|stage| stage.target)
                .fold(*start_rate, u64::max);
            most as f64 / time_unit.as_secs_f64()
        }
        executor => executor.max_vus() as f64,
    }
}

/// Arrivals per second at a time: for the eye, so in floats; due times are the curve's.
fn rate_at(executor: &Executor, at: u64) -> f64 {
    match executor {
        Executor::ConstantArrivalRate {
            rate, time_unit, ..
        } => *rate as f64 / time_unit.as_secs_f64(),
        Executor::RampingArrivalRate {
            start_rate,
            time_unit,
            stages,
            ..
        } => ramp_at(*start_rate, stages, at as f64 / 1e9) / time_unit.as_secs_f64(),
        _ => 0.0,
    }
}

fn ramp_at(start: u64, stages: &[Stage], at: f64) -> f64 {
    let (mut begin, mut from) = (0.0, start as f64);
    for stage in stages {
        let length = stage.duration.as_secs_f64();
        let to = stage.target as f64;
        if at < begin + length {
            return from + (to - from) * (at - begin) / length;
        }
        (begin, from) = (begin + length, to);
    }
    0.0
}

/// Rows from the top; a mark in each whose lower half the level fills.
fn picture(levels: &[f64], top: f64, length: Duration) -> String {
    let mut out = String::new();
    for row in (1..=HEIGHT).rev() {
        let label = if row == HEIGHT || row == HEIGHT / 2 {
            number(top * row as f64 / HEIGHT as f64)
        } else {
            String::new()
        };
        let line: String = levels
            .iter()
            .map(|level| {
                let filled = level / top * HEIGHT as f64 > row as f64 - 0.5;
                if *level > 0.0 && (filled || row == 1) {
                    '#'
                } else {
                    ' '
                }
            })
            .collect();
        out.push_str(format!("{label:>8} |{line}").trim_end());
        out.push('\n');
    }
    let end = duration::format(length);
    let gap = WIDTH.saturating_sub(2 + end.len());
    out.push_str(&format!("{:>8} +{}\n", "0", "-".repeat(WIDTH)));
    out.push_str(&format!("{:>8}  0s{:gap$}{end}\n", "", ""));
    out
}

/// A level as short as it can be read.
pub(super) fn number(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
