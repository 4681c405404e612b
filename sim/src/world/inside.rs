//! What the controller knows of its run by itself, noted for the judge while it is there: the report has it in sums only.

use super::World;
use crate::schedule::Time;
use crate::target::Life;
use std::collections::BTreeMap;

/// One seat of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// The life that has it.
    pub incarnation: u64,
    /// Requests in what was merged of it.
    pub merged: u64,
}

/// An agent's process that was killed while its crew was at work.
#[derive(Debug, Clone, Copy)]
pub struct Killed {
    /// Whose.
    pub life: Life,
    /// When.
    pub at: Time,
}

/// A time without a controller: its process was killed while a run was under way, and the next one took the run up again.
#[derive(Debug, Clone, Copy)]
pub struct Absence {
    /// From when, after T0 by the controller's clock, in milliseconds.
    pub from_ms: f64,
    /// To when.
    pub to_ms: f64,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// By seat; `None` if the life of the controller that closed the run was not seen at work.
    pub(super) seats: Option<BTreeMap<u32, Seat>>,
    /// Agents that were killed at work.
    pub(super) killed: Vec<Killed>,
    /// When the controller was killed, while it is down.
    pub(super) down: Option<Time>,
    /// When it was away.
    pub(super) absences: Vec<Absence>,
    /// When the report was made.
    pub(super) over: Option<Time>,
}

impl World {
    /// Another life of the controller begins, on what the one before it left.
    pub(super) fn look_again(&mut self) {
        self.inside.seats = None;
        self.look_inside();
        let to = self.schedule.now();
        let from = self.inside.down.take();
        if self.inside.seats.is_some()
            && let Some((from, t0)) = from.zip(self.t0)
        {
            let after = |at| {
                let reads = i128::from(self.controller.clock.reads(at));
                (reads - i128::from(t0)) as f64 / 1e6
            };
            let (from_ms, to_ms) = (after(from), after(to));
            self.inside.absences.push(Absence { from_ms, to_ms });
        }
    }

    /// Looks at the run after whatever the director did. What ends a run merges nothing, so the last look before it holds.
    pub(super) fn look_inside(&mut self) {
        let director = self.controller.director.as_ref();
        let Some(active) = director.and_then(controller::director::Director::active) else {
            return;
        };
        let now = self.schedule.now();
        self.target.changed(now, &active.changes.control);
        let seats = active.members.values().map(|member| {
            let seat = Seat {
                incarnation: member.incarnation,
                merged: active.gather.from_seat(member.seat).requests,
            };
            (member.seat, seat)
        });
        self.inside.seats = Some(seats.collect());
    }
}
