//! Controller time from one life to the next: by the machine's own clock, or, where that began anew, by the wall clock until an agent
//! tells the run's time.
//!
//! An estimate is never before the newest record. So it is behind the truth by less than the controller was away, and whoever is
//! given work because a lease is over begins nothing that was begun. (Where a death is proven nobody waits for the lease; then the wall
//! clock is all there is.)

use super::Director;
use crate::clock;
use crate::run::AgentId;
use proto::v1::{self, record::What};

/// What the report says of a run whose time could only be estimated.
pub(super) const ESTIMATED: &str = "the controller went on after its machine had been started anew, or on another one: how long it was \
    away goes by the wall clock, until an agent tells the run's time";

/// What this machine's clocks read.
#[derive(Debug, Clone, Copy)]
struct Present<'a> {
    /// Empty where boots have no name.
    boot: &'a str,
    boot_ns: u64,
    unix_ms: u64,
}

/// Controller time now, and whether that is known rather than estimated; `newest` is the newest record's.
fn reckoned(reading: &v1::ClockReading, newest: u64, present: Present<'_>) -> (u64, bool) {
    let same = !present.boot.is_empty()
        && present.boot == reading.boot
        && present.boot_ns >= reading.boot_ns;
    let since = if same {
        present.boot_ns - reading.boot_ns
    } else {
        let wall = present.unix_ms.saturating_sub(reading.unix_ms);
        wall.saturating_mul(1_000_000)
    };
    (reading.now_ns.saturating_add(since).max(newest), same)
}

/// Lets this machine's clock go on from an earlier life's reading. False if it could only be estimated.
pub(super) fn go_on(reading: &v1::ClockReading, newest: u64) -> bool {
    let present = Present {
        boot: &clock::boot_id(),
        boot_ns: clock::unshifted(clock::now()),
        unix_ms: clock::unix_ms(),
    };
    let (now, known) = reckoned(reading, newest, present);
    clock::go_on_from(now);
    known
}

impl Director {
    /// The first agent that makes load tells the run's time.
    pub(super) fn recover_clock(&mut self, now: u64, id: AgentId, heartbeat: &v1::Heartbeat) {
        let active = self.active.as_ref();
        let ours = active.filter(|active| active.order.id == heartbeat.run);
        let Some(error) = ours.and_then(|active| active.clock_error(now, id, heartbeat)) else {
            return;
        };
        self.recovering = false;
        clock::correct(error);
        let now = clock::now();
        self.waking.clock_set(now, clock::ns(self.config.lease));
        if let Some(journal) = &mut self.journal {
            journal.stood_still(now);
        }
        let clock = Some(crate::journal::clock_reading(now));
        let by_ns = error;
        self.record(now, What::ClockSet(v1::ClockSet { clock, by_ns }));
        self.clock_set(by_ns);
    }

    /// What that means for the run.
    pub(super) fn clock_set(&mut self, by_ns: i64) {
        if let Some(active) = &mut self.active {
            let way = if by_ns < 0 { "ahead" } else { "behind" };
            active.note(format!(
                "an agent told the run's time: the estimate was {:.3} s {way}",
                by_ns.unsigned_abs() as f64 / 1e9
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn the_same_boot_knows_another_estimates_and_neither_goes_back_before_what_was_written() {
        // Read at 100 s of controller time, 50 s after a boot; the newest record is of 110 s.
        let reading = |boot: &str| v1::ClockReading {
            now_ns: 100 * S,
            boot: boot.to_owned(),
            boot_ns: 50 * S,
            unix_ms: 1_000_000,
        };
        for (name, [before, now], boot_s, unix_s, expected) in [
            ("the same boot", ["b", "b"], 75, 0, (125, true)),
            ("another boot", ["b", "c"], 3, 1_030, (130, false)),
            (
                "another one that is older",
                ["b", "c"],
                900,
                1_030,
                (130, false),
            ),
            ("boots without names", ["", ""], 75, 1_030, (130, false)),
            (
                "a name that was used before",
                ["b", "b"],
                3,
                1_030,
                (130, false),
            ),
            (
                "its wall clock is behind",
                ["b", "c"],
                3,
                1_004,
                (110, false),
            ),
            (
                "its wall clock was set back",
                ["b", "c"],
                3,
                7,
                (110, false),
            ),
        ] {
            let present = Present {
                boot: now,
                boot_ns: boot_s * S,
                unix_ms: unix_s * 1_000,
            };
            let (now, known) = reckoned(&reading(before), 110 * S, present);
            assert_eq!((now / S, known), expected, "{name}");
        }
    }
}
