//! Load as pure functions of stage time, in integer nanoseconds since the scenario's start.
//!
//! Nobody here knows how many agents there are: a curve is the whole, a [`Stripe`](crate::Stripe) says whose each index is.
//! VUs and arrivals are numbered from 0; k6's formulas count VUs from 1.

mod arrivals;
mod poisson;
mod scaled;
mod vus;

pub use arrivals::{ArrivalCurve, ScaledArrivals};
pub use scaled::ScaledVus;
pub use vus::VuCurve;

/// A time during which a VU of a closed executor is to run iterations; nanoseconds since the scenario's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// It begins iterations from here,
    pub start: u64,
    /// up to here (exclusive);
    pub stop: u64,
    /// an iteration still running is cut here: stop + gracefulRampDown, or the end + gracefulStop, whichever applies, or the
    /// cut of the next span if that begins before.
    pub cut: u64,
}

/// A stage with its place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ramp {
    /// Begin and end, nanoseconds since the scenario's start; equal for a jump.
    start: u64,
    end: u64,
    /// Level at the begin and at the end.
    from: u64,
    to: u64,
}

/// Lays stages end to end.
fn ramps(start_level: u64, stages: &[crate::Stage]) -> Vec<Ramp> {
    let (mut start, mut from) = (0, start_level);
    stages
        .iter()
        .map(|stage| {
            let end = start + crate::duration::as_nanos(stage.duration);
            let ramp = Ramp {
                start,
                end,
                from,
                to: stage.target,
            };
            (start, from) = (end, stage.target);
            ramp
        })
        .collect()
}
