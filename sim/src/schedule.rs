//! What happens next: events in the order of their time, and of their making where times are equal.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// True time, in nanoseconds since the world began. No host can read it.
pub type Time = u64;

#[derive(Debug)]
struct Entry<E> {
    at: Time,
    number: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        // A heap gives its greatest first.
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// Events to come.
#[derive(Debug)]
pub struct Schedule<E> {
    now: Time,
    made: u64,
    heap: BinaryHeap<Entry<E>>,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self {
            now: 0,
            made: 0,
            heap: BinaryHeap::new(),
        }
    }
}

impl<E> Schedule<E> {
    /// True time now.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Lets something happen then; now, if then has passed.
    pub fn at(&mut self, at: Time, event: E) {
        let at = at.max(self.now);
        self.made += 1;
        self.heap.push(Entry {
            at,
            number: self.made,
            event,
        });
    }

    /// Lets time pass up to the next event.
    pub fn pop(&mut self) -> Option<E> {
        let entry = self.heap.pop()?;
        self.now = entry.at;
        Some(entry.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_their_time_and_then_of_their_making() {
        let mut schedule = Schedule::default();
        for (at, name) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b')] {
            schedule.at(at, name);
        }
        let mut seen = String::new();
        while let Some(name) = schedule.pop() {
            seen.push(name);
            if name == 'b' {
                schedule.at(0, '!');
                assert_eq!(schedule.now(), 2);
            }
        }
        assert_eq!(seen, "ab!cd");
    }
}
