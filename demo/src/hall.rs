//! One schedule's seats: free, held or sold. Pure: the time is an argument.
//!
//! A seat goes from free to held to sold, or back to free when the hold runs out; nothing else. In an
//! endless hall a reserved seat is at once replaced by a new one with an id of its own, so that the
//! listing never runs dry, and a lost hold brings no seat back.

use std::{collections::VecDeque, time::Duration};

use crate::refusal::Refusal;

/// Seats in one listing of an endless hall: a body of stable size.
const LISTING: usize = 50;
/// Open reservations that an endless hall remembers; beyond, the oldest counts as run out.
const MOST_HOLDS: usize = 65_536;

/// Where a hall stands among all halls, which makes its ids unlike the others'.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) halls: u64,
}

pub(crate) struct Hall {
    place: Place,
    seats: Seats,
    /// In order of their ids, which is the order in which they run out; `None` once paid or run out.
    holds: VecDeque<Option<Hold>>,
    /// The number (before it becomes an id) of the front of `holds`.
    first_hold: u64,
    hold_time: Duration,
    sold: u64,
}

enum Seats {
    /// Every seat's state.
    Finite(Vec<State>),
    /// Every slot's generation: how many of its seats are gone; and where the next listing begins.
    Endless { gone: Vec<u32>, cursor: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Held,
    Sold,
}

struct Hold {
    user: u64,
    until: Duration,
    seats: Vec<u64>,
}

impl Hall {
    pub(crate) fn new(place: Place, seats: u32, hold_time: Duration, endless: bool) -> Self {
        let n = seats as usize;
        let seats = match endless {
            false => Seats::Finite(vec![State::Free; n]),
            true => Seats::Endless {
                gone: vec![0; n],
                cursor: 0,
            },
        };
        Self {
            place,
            seats,
            holds: VecDeque::new(),
            first_hold: 0,
            hold_time,
            sold: 0,
        }
    }

    /// Seats sold since the beginning or the last [`Hall::reset`].
    pub(crate) fn sold(&self) -> u64 {
        self.sold
    }

    /// Hands each free seat's id to `show`; in an endless hall, the next 50.
    pub(crate) fn free(&mut self, now: Duration, mut show: impl FnMut(u64)) {
        self.let_go(now);
        let first = self.first_seat();
        let place = self.place;
        match &mut self.seats {
            Seats::Finite(states) => {
                let free = states
                    .iter()
                    .enumerate()
                    .filter(|(_, state)| **state == State::Free);
                let row = place.index * states.len() as u64;
                free.for_each(|(slot, _)| show(first + row + slot as u64));
            }
            Seats::Endless { gone, cursor } => {
                let n = gone.len();
                for _ in 0..LISTING.min(n) {
                    let row = u64::from(gone[*cursor]) * place.halls + place.index;
                    show(first + row * n as u64 + *cursor as u64);
                    *cursor = (*cursor + 1) % n;
                }
            }
        }
    }

    /// Holds all of `seats` (no seat named twice) for `user`, or none; gives the reservation's id.
    pub(crate) fn reserve(
        &mut self,
        user: u64,
        seats: Vec<u64>,
        now: Duration,
    ) -> Result<u64, Refusal> {
        self.let_go(now);
        for &seat in &seats {
            if !self.is_free(seat)? {
                return Err(Refusal::SeatTaken(seat));
            }
        }
        for &seat in &seats {
            let (slot, _) = self.locate(seat)?;
            match &mut self.seats {
                Seats::Finite(states) => states[slot] = State::Held,
                Seats::Endless { gone, .. } => gone[slot] = gone[slot].wrapping_add(1),
            }
        }
        if matches!(self.seats, Seats::Endless { .. }) && self.holds.len() >= MOST_HOLDS {
            self.holds.pop_front();
            self.first_hold += 1;
        }
        let number = self.holds_end();
        self.holds.push_back(Some(Hold {
            user,
            until: now + self.hold_time,
            seats,
        }));
        Ok(1 + number * self.place.halls + self.place.index)
    }

    /// Sells the seats of `reservations` (none named twice) to `user`, or none. `seats` must be exactly those seats.
    pub(crate) fn pay(
        &mut self,
        user: u64,
        reservations: &[u64],
        seats: &[u64],
        now: Duration,
    ) -> Result<(), Refusal> {
        self.let_go(now);
        let mut held = Vec::with_capacity(seats.len());
        for &id in reservations {
            let hold = self.hold(id)?.filter(|hold| hold.until > now);
            let hold = hold.ok_or(Refusal::NoLongerHeld(id))?;
            if hold.user != user {
                return Err(Refusal::ReservationOfAnother(id));
            }
            held.extend_from_slice(&hold.seats);
        }
        for &seat in seats {
            self.locate(seat)?;
        }
        let mut named = seats.to_vec();
        named.sort_unstable();
        held.sort_unstable();
        if named != held {
            return Err(Refusal::SeatsDiffer);
        }
        for &seat in seats {
            let (slot, _) = self.locate(seat)?;
            if let Seats::Finite(states) = &mut self.seats {
                states[slot] = State::Sold;
            }
        }
        for &id in reservations {
            let at = self.number(id)? - self.first_hold;
            self.holds[at as usize] = None;
        }
        self.sold += seats.len() as u64;
        self.let_go(now);
        Ok(())
    }

    /// Every seat free, nothing held or sold. Ids of reservations go on, so that an old one stays unknown.
    pub(crate) fn reset(&mut self) {
        self.first_hold = self.holds_end();
        self.holds.clear();
        self.sold = 0;
        if let Seats::Finite(states) = &mut self.seats {
            states.fill(State::Free);
        }
    }

    /// Frees the seats of holds that ran out by `now`.
    fn let_go(&mut self, now: Duration) {
        while let Some(front) = self.holds.front() {
            match front {
                Some(hold) if hold.until > now => break,
                Some(hold) => {
                    if let Seats::Finite(states) = &mut self.seats {
                        let first = 1 + self.place.index * states.len() as u64;
                        hold.seats
                            .iter()
                            .for_each(|seat| states[(seat - first) as usize] = State::Free);
                    }
                }
                None => {}
            }
            self.holds.pop_front();
            self.first_hold += 1;
        }
    }

    /// In an endless hall ids begin high, so that their width, and with it the body's size, stays.
    fn first_seat(&self) -> u64 {
        match self.seats {
            Seats::Finite(_) => 1,
            Seats::Endless { .. } => 1_000_000_000,
        }
    }

    /// A seat's slot and generation, if it is one of this hall's. `id = first + (generation * halls + index) * n + slot`.
    fn locate(&self, seat: u64) -> Result<(usize, u64), Refusal> {
        let n = match &self.seats {
            Seats::Finite(states) => states.len(),
            Seats::Endless { gone, .. } => gone.len(),
        } as u64;
        let unknown = Refusal::UnknownSeat(seat);
        let Some(offset) = seat.checked_sub(self.first_seat()) else {
            return Err(unknown);
        };
        let (row, slot) = (offset / n, (offset % n) as usize);
        let generation = row / self.place.halls;
        let newest = match &self.seats {
            Seats::Finite(_) => 0,
            Seats::Endless { gone, .. } => u64::from(gone[slot]),
        };
        match row % self.place.halls == self.place.index && generation <= newest {
            true => Ok((slot, generation)),
            false => Err(unknown),
        }
    }

    fn is_free(&self, seat: u64) -> Result<bool, Refusal> {
        let (slot, generation) = self.locate(seat)?;
        Ok(match &self.seats {
            Seats::Finite(states) => states[slot] == State::Free,
            Seats::Endless { gone, .. } => generation == u64::from(gone[slot]),
        })
    }

    fn holds_end(&self) -> u64 {
        self.first_hold + self.holds.len() as u64
    }

    /// A reservation's number in this hall, if this hall ever gave that id.
    fn number(&self, id: u64) -> Result<u64, Refusal> {
        let unknown = Refusal::UnknownReservation(id);
        let offset = id.checked_sub(1).ok_or(unknown.clone())?;
        let number = offset / self.place.halls;
        match offset % self.place.halls == self.place.index && number < self.holds_end() {
            true => Ok(number),
            false => Err(unknown),
        }
    }

    fn hold(&self, id: u64) -> Result<Option<&Hold>, Refusal> {
        let at = self.number(id)?.checked_sub(self.first_hold);
        Ok(at.and_then(|at| self.holds[at as usize].as_ref()))
    }
}

#[cfg(test)]
#[path = "hall_tests.rs"]
mod tests;
