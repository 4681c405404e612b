//! VUs of a closed scenario whose curve was changed while it ran.
//!
//! From a change's instant on the number of VUs is the plan's times a factor, rounded down, or a constant. As on any curve
//! the VUs at work are those with the lowest numbers, so that every stripe's shares sum to the whole.

use super::{Span, VuCurve};
use crate::control::{Change, FACTOR_ONE};

/// VUs over a scenario's own time, as changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaledVus {
    base: VuCurve,
    /// How long an iteration may go on when a change takes its VU away.
    grace: u64,
    /// From when, and what; in order.
    changes: Vec<(u64, Change)>,
}

impl ScaledVus {
    pub(crate) fn new(base: VuCurve, grace: u64, changes: Vec<(u64, Change)>) -> Self {
        Self {
            base,
            grace,
            changes,
        }
    }

    /// VUs that begin iterations at `t`.
    #[must_use]
    pub fn vus_at(&self, t: u64) -> u64 {
        let planned = self.base.vus_at(t);
        match self.changes.iter().rev().find(|(at, _)| *at <= t) {
            None | Some((_, Change::Rate(_))) => planned,
            Some((_, Change::Factor(factor))) => scaled(planned, *factor),
            Some((_, Change::Vus(vus))) if t < self.base.end() => *vus,
            Some((_, Change::Vus(_))) => 0,
        }
    }

    /// No VU has this number or a higher one.
    #[must_use]
    pub fn max(&self) -> u64 {
        let planned = self.base.max();
        let most = self.changes.iter().map(|(_, change)| match change {
            Change::Factor(factor) => scaled(planned, *factor),
            Change::Vus(vus) => *vus,
            Change::Rate(_) => 0,
        });
        most.fold(planned, u64::max)
    }

    /// When VU `vu` (from 0) is to run iterations, in order, apart from one another.
    #[must_use]
    pub fn spans(&self, vu: u64) -> Vec<Span> {
        if self.changes.is_empty() {
            return self.base.spans(vu);
        }
        let first = self.changes.first().map_or(u64::MAX, |(at, _)| *at);
        let mut spans: Vec<Span> = Vec::new();
        self.add(&mut spans, vu, 0, first, Change::Factor(FACTOR_ONE));
        for (i, (at, change)) in self.changes.iter().enumerate() {
            let until = self.changes.get(i + 1).map_or(u64::MAX, |(next, _)| *next);
            self.add(&mut spans, vu, *at, until, *change);
        }
        let (end, cut_end) = (self.base.end(), self.base.cut_end());
        for span in spans.iter_mut().filter(|span| span.stop < end) {
            span.cut = span.stop.saturating_add(self.grace).min(cut_end);
        }
        // As on the plan's curve: an iteration that still runs when the VU is wanted again goes on.
        for i in (1..spans.len()).rev() {
            if spans[i].start < spans[i - 1].cut {
                spans[i - 1].cut = spans[i].cut;
            }
        }
        spans
    }

    /// The same, as far as the VU is somebody's: within these windows of the scenario's own time. Who has to give it away in the middle of
    /// a span may finish an iteration as when a change takes the VU away.
    #[must_use]
    pub fn spans_within(&self, vu: u64, windows: &[(u64, u64)]) -> Vec<Span> {
        let spans = self.spans(vu);
        let mut own = Vec::with_capacity(spans.len());
        for span in spans {
            for (from, to) in windows {
                let (start, stop) = (span.start.max(*from), span.stop.min(*to));
                if start >= stop {
                    continue;
                }
                let cut = if stop < span.stop {
                    span.cut.min(stop.saturating_add(self.grace))
                } else {
                    span.cut
                };
                own.push(Span { start, stop, cut });
            }
        }
        own
    }

    /// Adds the times from `from` to `until` in which a change holds and has VU `vu` at work.
    fn add(&self, spans: &mut Vec<Span>, vu: u64, from: u64, until: u64, change: Change) {
        let whole = match change {
            Change::Factor(0) | Change::Rate(_) => Vec::new(),
            Change::Factor(factor) => {
                // It is at work while the scaled number of VUs exceeds its own: `planned · factor >= (vu + 1) · 1000`.
                let goal = (u128::from(vu) + 1) * u128::from(FACTOR_ONE);
                let planned = goal.div_ceil(u128::from(factor)) - 1;
                u64::try_from(planned).map_or_else(|_| Vec::new(), |vu| self.base.spans(vu))
            }
            Change::Vus(vus) if vu < vus => vec![Span {
                start: 0,
                stop: self.base.end(),
                cut: self.base.cut_end(),
            }],
            Change::Vus(_) => Vec::new(),
        };
        for span in whole {
            let (start, stop) = (span.start.max(from), span.stop.min(until));
            match spans.last_mut() {
                _ if start >= stop => {}
                Some(last) if last.stop == start => (last.stop, last.cut) = (stop, span.cut),
                _ => spans.push(Span {
                    start,
                    stop,
                    ..span
                }),
            }
        }
    }

    /// When an iteration that began at `t` is cut at the latest, by the spans of its VU.
    #[must_use]
    pub fn cut_at(&self, spans: &[Span], t: u64) -> u64 {
        let begun = spans.iter().rev().find(|span| span.start <= t);
        // Begun where it should not have: before it was known that the VU would be taken away.
        begun.map_or_else(
            || t.saturating_add(self.grace).min(self.base.cut_end()),
            |span| span.cut,
        )
    }

    /// When the last stage ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.base.end()
    }
}

/// `planned · factor`, rounded down.
fn scaled(planned: u64, factor: u64) -> u64 {
    let scaled = u128::from(planned) * u128::from(factor) / u128::from(FACTOR_ONE);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
