//! The target as it saw the load: who began which index when, and which agent a VU was at work on. What it sees breaks a law at once.

use crate::schedule::Time;
use crate::timetable::Timetable;
use plan::Control;
use std::collections::BTreeMap;

/// One life of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    /// Its host.
    pub host: usize,
    /// Which of its lives.
    pub life: u32,
}

/// A VU that is at work somewhere.
#[derive(Debug, Clone, Copy)]
struct Hold {
    life: Life,
    /// True time at which that life's lease is over, as far as it knows: it sends nothing after that.
    until: Time,
}

/// What one scenario did to the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Iterations begun.
    pub begun: u64,
    /// Requests answered, as whoever sent them saw it.
    pub answered: u64,
}

/// The target's own books.
#[derive(Debug, Default)]
pub struct Target {
    timetable: Option<Timetable>,
    indexes: BTreeMap<(usize, u64), (Life, Time)>,
    holds: BTreeMap<(usize, u64), Hold>,
    seen: BTreeMap<(usize, Life), Seen>,
    broken: Vec<String>,
}

impl Target {
    /// The controller has named T0.
    pub fn named(&mut self, timetable: impl FnOnce() -> Timetable) {
        self.timetable.get_or_insert_with(timetable);
    }

    /// A host states how far off its T0 may be.
    pub fn stated(&mut self, host: usize, uncertainty: u64) {
        if let Some(timetable) = &mut self.timetable {
            timetable.stated(host, uncertainty);
        }
    }

    /// What was changed in the run so far.
    pub fn changed(&mut self, at: Time, control: &Control) {
        if let Some(timetable) = &mut self.timetable {
            timetable.change(at, control);
        }
    }

    /// An arrival, or a leased index, is begun.
    pub fn index(&mut self, at: Time, life: Life, scenario: usize, index: u64) {
        let timetable = self.timetable.as_ref();
        let broken = timetable.and_then(|t| t.arrival(at, life.host, scenario, index));
        self.broken.extend(broken);
        if let Some((first, then)) = self.indexes.insert((scenario, index), (life, at)) {
            self.broken.push(format!(
                "index {index} of scenario {scenario} was begun twice: by {} at {:.3} s, and by {} at {:.3} s",
                name(first),
                then as f64 / 1e9,
                name(life),
                at as f64 / 1e9
            ));
        }
    }

    /// A VU begins an iteration; `until` is when its agent's lease is over.
    pub fn hold(&mut self, at: Time, life: Life, scenario: usize, vu: u64, until: Time) {
        let timetable = self.timetable.as_ref();
        let broken = timetable.and_then(|t| t.vu(at, life.host, scenario, vu));
        self.broken.extend(broken);
        let before = self.holds.insert((scenario, vu), Hold { life, until });
        if let Some(before) = before
            && before.life != life
            && before.until > at
        {
            self.broken.push(format!(
                "VU {vu} of scenario {scenario} is at work on {} and {} at {:.3} s",
                name(before.life),
                name(life),
                at as f64 / 1e9
            ));
        }
    }

    /// The VU's iteration is over.
    pub fn release(&mut self, life: Life, scenario: usize, vu: u64) {
        if self
            .holds
            .get(&(scenario, vu))
            .is_some_and(|hold| hold.life == life)
        {
            self.holds.remove(&(scenario, vu));
        }
    }

    /// The lease of a life is longer than was known.
    pub fn extend(&mut self, life: Life, until: Time) {
        for hold in self.holds.values_mut().filter(|hold| hold.life == life) {
            hold.until = hold.until.max(until);
        }
    }

    /// A life ended without a word: its connections are closed.
    pub fn gone(&mut self, life: Life) {
        self.holds.retain(|_, hold| hold.life != life);
    }

    /// An iteration was begun.
    pub fn begun(&mut self, life: Life, scenario: usize) {
        self.seen.entry((scenario, life)).or_default().begun += 1;
    }

    /// A request was answered.
    pub fn answered(&mut self, life: Life, scenario: usize) {
        self.seen.entry((scenario, life)).or_default().answered += 1;
    }

    /// A law was broken.
    pub fn broken(&mut self, how: String) {
        self.broken.push(how);
    }

    /// The first law that was broken.
    #[must_use]
    pub fn first_broken(&self) -> Option<&str> {
        self.broken.first().map(String::as_str)
    }

    /// Requests of one life that were answered.
    #[must_use]
    pub fn answered_by(&self, life: Life) -> u64 {
        let of = self.seen.iter().filter(|((_, l), _)| *l == life);
        of.map(|(_, seen)| seen.answered).sum()
    }

    /// Who had requests answered, and how many.
    #[must_use]
    pub fn lives(&self) -> BTreeMap<Life, u64> {
        let mut lives = BTreeMap::new();
        for ((_, life), seen) in &self.seen {
            *lives.entry(*life).or_default() += seen.answered;
        }
        lives
    }

    /// What a scenario did in all.
    #[must_use]
    pub fn of(&self, scenario: usize) -> Seen {
        let of = self.seen.iter().filter(|((s, _), _)| *s == scenario);
        of.fold(Seen::default(), |sum, (_, seen)| Seen {
            begun: sum.begun + seen.begun,
            answered: sum.answered + seen.answered,
        })
    }
}

/// `agent-2`, or `agent-2's third life`.
fn name(life: Life) -> String {
    match life.life {
        0 => format!("agent {}", life.host),
        more => format!("agent {} (life {more})", life.host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Life = Life { host: 0, life: 0 };
    const B: Life = Life { host: 1, life: 0 };

    #[test]
    fn an_index_that_is_begun_twice_is_seen() {
        let mut target = Target::default();
        target.index(1, A, 0, 7);
        target.index(2, B, 1, 7);
        assert_eq!(target.first_broken(), None);
        target.index(3, B, 0, 7);
        assert!(target.first_broken().is_some());
    }

    #[test]
    fn a_vu_may_move_once_it_was_released_or_its_agents_lease_is_over() {
        let mut target = Target::default();
        target.hold(1, A, 0, 3, 100);
        target.release(A, 0, 3);
        target.hold(2, B, 0, 3, 50);
        target.hold(50, A, 0, 3, 100);
        assert_eq!(target.first_broken(), None);
        target.hold(99, B, 0, 3, 200);
        assert!(target.first_broken().is_some());
    }
}
