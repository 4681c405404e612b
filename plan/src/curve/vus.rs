//! The curve of a closed executor: how many VUs run iterations at each instant, and when each one does.
//!
//! The VUs at work are always those with the lowest indexes: `spans(vu)` holds `t` exactly if `vu < vus_at(t)`.

use super::{Ramp, Span, ramps};
use crate::Stage;
use crate::duration::as_nanos;
use std::time::Duration;

/// VUs over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VuCurve {
    start_vus: u64,
    ramps: Vec<Ramp>,
    end: u64,
    cut_end: u64,
    graceful_ramp_down: u64,
}

impl VuCurve {
    /// `vus` for `duration`.
    pub(crate) fn constant(vus: u64, duration: Duration, graceful_stop: Duration) -> Self {
        let stage = Stage {
            duration,
            target: vus,
        };
        Self::ramping(vus, &[stage], Duration::ZERO, graceful_stop)
    }

    /// A ramp through stages.
    pub(crate) fn ramping(
        start_vus: u64,
        stages: &[Stage],
        graceful_ramp_down: Duration,
        graceful_stop: Duration,
    ) -> Self {
        let ramps = ramps(start_vus, stages);
        let end = ramps.last().map_or(0, |ramp| ramp.end);
        Self {
            start_vus,
            ramps,
            end,
            cut_end: end + as_nanos(graceful_stop),
            graceful_ramp_down: as_nanos(graceful_ramp_down),
        }
    }

    /// VUs that begin iterations at `t`: k6's raw steps, with its integer divisions.
    ///
    /// Going up from a to b until `end` over d, the u-th VU (from 1) starts at `end - d(b-u)/(b-a)`; going down from a to b it
    /// stops at `end - d(u-1-b)/(a-b)`; divisions truncate. Solved for u, both give
    /// `b ∓ ceil((end - t)·|b-a| / d)`.
    #[must_use]
    pub fn vus_at(&self, t: u64) -> u64 {
        let Some(ramp) = self.ramps.iter().find(|ramp| t < ramp.end) else {
            return 0;
        };
        let left = u128::from(ramp.end - t);
        let length = u128::from(ramp.end - ramp.start);
        let missing = (left * u128::from(ramp.to.abs_diff(ramp.from))).div_ceil(length);
        // At most |b-a|, which is 64 bits.
        let missing = u64::try_from(missing).unwrap_or(u64::MAX);
        if ramp.to >= ramp.from {
            ramp.to - missing
        } else {
            ramp.to + missing
        }
    }

    /// VUs that may still be at work at `t`, graceful periods included: those whose span's `cut` has not come.
    #[must_use]
    pub fn held_at(&self, t: u64) -> u64 {
        if t >= self.cut_end {
            return 0;
        }
        // Those taken away within the last gracefulRampDown: the highest level since. On straight ramps that is found at the
        // ends of the window and at the ends of the ramps inside it.
        let since = t.saturating_sub(self.graceful_ramp_down);
        let peak = self
            .ramps
            .iter()
            .filter(|ramp| ramp.start < ramp.end)
            .flat_map(|ramp| [ramp.start, ramp.end - 1])
            .filter(|at| (since..=t).contains(at))
            .chain([since, t])
            .map(|at| self.vus_at(at))
            .max()
            .unwrap_or(0);
        if t >= self.end {
            peak.max(self.last_level())
        } else {
            peak
        }
    }

    fn last_level(&self) -> u64 {
        self.ramps.last().map_or(self.start_vus, |ramp| ramp.to)
    }

    /// How many VUs are needed: the highest level of any stage, as in k6. VUs in their graceful ramp-down have indexes below
    /// this, so they need no extra.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.ramps
            .iter()
            .map(|ramp| ramp.to)
            .fold(self.start_vus, u64::max)
    }

    /// When VU `vu` (from 0) is to run iterations, in order, apart from one another.
    #[must_use]
    pub fn spans(&self, vu: u64) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let Some(number) = vu.checked_add(1) else {
            return spans;
        };
        let mut begun = (number <= self.start_vus).then_some(0);
        for ramp in &self.ramps {
            if ramp.from < number && number <= ramp.to {
                begun = Some(ramp.end - part(ramp, ramp.to - number));
            } else if ramp.to < number && number <= ramp.from {
                let stop = ramp.end - part(ramp, number - 1 - ramp.to);
                let cut = stop.saturating_add(self.graceful_ramp_down);
                push(&mut spans, begun.take(), stop, cut.min(self.cut_end));
            }
        }
        push(&mut spans, begun, self.end, self.cut_end);
        // An iteration that still runs when the VU is wanted again goes on.
        for i in (1..spans.len()).rev() {
            if spans[i].start < spans[i - 1].cut {
                spans[i - 1].cut = spans[i].cut;
            }
        }
        spans
    }

    /// VU time the curve holds for these VUs (from 0), graceful periods not included; nanoseconds.
    #[must_use]
    pub fn vu_nanos(&self, vus: impl IntoIterator<Item = u64>) -> u128 {
        vus.into_iter()
            .flat_map(|vu| self.spans(vu))
            .map(|span| u128::from(span.stop - span.start))
            .sum()
    }

    /// The instants at which the number of VUs changes, with the number from there on, from 0 to [`end`](Self::end); their
    /// number grows with the VUs, not with time.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut shown = None;
        let changes = self.ramps.iter().flat_map(|ramp| {
            // The i-th VU that comes or goes leaves the rest of the steps undone.
            (1..=ramp.to.abs_diff(ramp.from))
                .rev()
                .map(move |rest| ramp.end - part(ramp, rest - 1))
        });
        std::iter::once(0)
            .chain(changes)
            .chain([self.end])
            .filter_map(move |t| {
                let step = (t, self.vus_at(t));
                let new = shown.is_none_or(|(_, vus)| vus != step.1);
                if new {
                    shown = Some(step);
                }
                new.then_some(step)
            })
    }

    /// The instants at which the number of VUs that may still be at work changes, with the number from there on, from 0 to
    /// [`cut_end`](Self::cut_end).
    pub fn held_steps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        // It rises where VUs begin, and falls gracefulRampDown after they stop, or with the end.
        let mut now = self.steps().map(|(t, _)| t).peekable();
        let mut later = self
            .steps()
            .map(|(t, _)| t.saturating_add(self.graceful_ramp_down))
            .peekable();
        let mut last = std::iter::once(self.cut_end).peekable();
        let mut shown = None;
        std::iter::from_fn(move || {
            loop {
                let nexts = [now.peek(), later.peek(), last.peek()];
                let t = *nexts.into_iter().flatten().min()?;
                // Each source is in order, so none holds anything before t.
                while now.next_if_eq(&t).is_some() {}
                while later.next_if_eq(&t).is_some() {}
                while last.next_if_eq(&t).is_some() {}
                let step = (t, self.held_at(t));
                if shown.is_none_or(|vus| vus != step.1) {
                    shown = Some(step.1);
                    return Some(step);
                }
            }
        })
    }

    /// When the last stage ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// When everything is cut: the end + gracefulStop.
    #[must_use]
    pub fn cut_end(&self) -> u64 {
        self.cut_end
    }
}

/// `length · steps / all steps` of a ramp, truncated.
fn part(ramp: &Ramp, steps: u64) -> u64 {
    let length = u128::from(ramp.end - ramp.start);
    let all = u128::from(ramp.to.abs_diff(ramp.from));
    // Less than the length, which is 64 bits.
    u64::try_from(length * u128::from(steps) / all).unwrap_or(u64::MAX)
}

/// Adds a span; one that begins where the last stopped prolongs it, an empty one is none.
fn push(spans: &mut Vec<Span>, start: Option<u64>, stop: u64, cut: u64) {
    let Some(start) = start else { return };
    match spans.last_mut() {
        Some(last) if last.stop == start => (last.stop, last.cut) = (stop, cut),
        _ if start == stop => {}
        _ => spans.push(Span { start, stop, cut }),
    }
}
