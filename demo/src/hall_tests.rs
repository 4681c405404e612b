//! The hall's laws: no seat is sold twice, holds run out, ids are nobody else's.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;

use super::{Hall, MOST_HOLDS, Place};
use crate::refusal::Refusal;

const PLACE: Place = Place { index: 2, halls: 5 };
const HOLD: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn finite(seats: u32) -> Hall {
    Hall::new(PLACE, seats, HOLD, false)
}

fn endless(seats: u32) -> Hall {
    Hall::new(PLACE, seats, HOLD, true)
}

fn free(hall: &mut Hall, seconds: u64) -> Vec<u64> {
    let mut ids = Vec::new();
    hall.free(at(seconds), |id| ids.push(id));
    ids
}

#[test]
fn a_seat_is_listed_until_held_and_again_when_the_hold_ran_out() {
    let mut hall = finite(3);
    assert_eq!(free(&mut hall, 0), [7, 8, 9]);
    let id = hall.reserve(1, vec![8], at(0));
    assert_eq!(free(&mut hall, 9), [7, 9]);
    assert_eq!(hall.reserve(2, vec![8], at(9)), Err(Refusal::SeatTaken(8)));
    assert_eq!(free(&mut hall, 10), [7, 8, 9]);
    let id = id.unwrap_or_default();
    assert_eq!(
        hall.pay(1, &[id], &[8], at(10)),
        Err(Refusal::NoLongerHeld(id))
    );
    assert_eq!(hall.sold(), 0);
}

#[test]
fn a_paid_seat_stays_sold_and_is_paid_once() {
    let mut hall = finite(3);
    let id = hall.reserve(1, vec![7, 9], at(0)).unwrap_or_default();
    assert_eq!(hall.pay(1, &[id], &[9, 7], at(1)), Ok(()));
    assert_eq!(hall.sold(), 2);
    assert_eq!(
        hall.pay(1, &[id], &[9, 7], at(2)),
        Err(Refusal::NoLongerHeld(id))
    );
    assert_eq!(free(&mut hall, 1_000), [8]);
    assert_eq!(
        hall.reserve(1, vec![7], at(1_000)),
        Err(Refusal::SeatTaken(7))
    );
}

#[test]
fn a_reservation_is_all_or_nothing() {
    let mut hall = finite(3);
    assert!(hall.reserve(1, vec![8], at(0)).is_ok());
    assert_eq!(
        hall.reserve(2, vec![7, 8], at(0)),
        Err(Refusal::SeatTaken(8))
    );
    assert_eq!(
        hall.reserve(2, vec![7, 10], at(0)),
        Err(Refusal::UnknownSeat(10))
    );
    assert_eq!(free(&mut hall, 0), [7, 9]);
}

#[test]
fn a_payment_names_its_own_reservations_and_exactly_their_seats() {
    let mut hall = finite(3);
    let one = hall.reserve(1, vec![7], at(0)).unwrap_or_default();
    let two = hall.reserve(1, vec![8], at(0)).unwrap_or_default();
    assert_eq!(
        hall.pay(2, &[one], &[7], at(1)),
        Err(Refusal::ReservationOfAnother(one))
    );
    assert_eq!(hall.pay(1, &[one], &[8], at(1)), Err(Refusal::SeatsDiffer));
    assert_eq!(
        hall.pay(1, &[one], &[7, 8], at(1)),
        Err(Refusal::SeatsDiffer)
    );
    assert_eq!(hall.pay(1, &[one], &[], at(1)), Err(Refusal::SeatsDiffer));
    assert_eq!(
        hall.pay(1, &[one], &[99], at(1)),
        Err(Refusal::UnknownSeat(99))
    );
    for stranger in [0, one + 1, two + PLACE.halls, u64::MAX] {
        assert_eq!(
            hall.pay(1, &[stranger], &[7], at(1)),
            Err(Refusal::UnknownReservation(stranger))
        );
    }
    assert_eq!(hall.pay(1, &[one, two], &[7, 8], at(1)), Ok(()));
}

#[test]
fn ids_are_no_other_halls() {
    let mut seen = BTreeSet::new();
    for endless in [false, true] {
        let mut seats = BTreeSet::new();
        for index in 0..3 {
            let mut hall = Hall::new(Place { index, halls: 3 }, 60, HOLD, endless);
            for _ in 0..4 {
                let mut ids = Vec::new();
                hall.free(at(0), |id| ids.push(id));
                ids.truncate(5);
                for id in ids {
                    assert!(seats.insert(id), "seat {id} in two halls");
                    let reservation = hall.reserve(1, vec![id], at(0)).unwrap_or_default();
                    assert!(
                        seen.insert((endless, reservation)),
                        "reservation {reservation} in two halls"
                    );
                }
            }
        }
    }
}

#[test]
fn a_reset_frees_the_seats_and_forgets_the_reservations() {
    let mut hall = finite(2);
    let paid = hall.reserve(1, vec![5], at(0)).unwrap_or_default();
    let open = hall.reserve(1, vec![6], at(0)).unwrap_or_default();
    assert_eq!(hall.pay(1, &[paid], &[5], at(0)), Ok(()));
    hall.reset();
    assert_eq!((hall.sold(), free(&mut hall, 0)), (0, vec![5, 6]));
    assert_eq!(
        hall.pay(1, &[open], &[6], at(0)),
        Err(Refusal::NoLongerHeld(open))
    );
    assert_ne!(hall.reserve(2, vec![6], at(0)), Ok(open));
}

#[test]
fn an_endless_hall_never_runs_dry_and_its_listing_keeps_its_size() {
    let mut hall = endless(70);
    for round in 0..1_000 {
        let listing = free(&mut hall, 0);
        assert_eq!(listing.len(), 50);
        assert!(listing.iter().all(|id| id.to_string().len() == 10));
        let seat = listing[round % 50];
        let id = hall.reserve(1, vec![seat], at(0)).unwrap_or_default();
        assert_eq!(
            hall.reserve(2, vec![seat], at(0)),
            Err(Refusal::SeatTaken(seat))
        );
        assert_eq!(hall.pay(1, &[id], &[seat], at(0)), Ok(()));
        assert_eq!(
            hall.reserve(2, vec![seat], at(99)),
            Err(Refusal::SeatTaken(seat))
        );
    }
    assert_eq!(hall.sold(), 1_000);
    assert!(hall.holds.is_empty());
    assert_eq!(
        hall.reserve(2, vec![999_999_999], at(0)),
        Err(Refusal::UnknownSeat(999_999_999))
    );
}

#[test]
fn an_endless_hall_remembers_a_bounded_number_of_open_reservations() {
    let mut hall = endless(50);
    let mut ids = Vec::new();
    for _ in 0..MOST_HOLDS + 2 {
        let seat = free(&mut hall, 0)[0];
        ids.push((hall.reserve(1, vec![seat], at(0)).unwrap_or_default(), seat));
    }
    assert_eq!(hall.holds.len(), MOST_HOLDS);
    assert_eq!(
        hall.pay(1, &[ids[1].0], &[ids[1].1], at(0)),
        Err(Refusal::NoLongerHeld(ids[1].0))
    );
    assert_eq!(hall.pay(1, &[ids[2].0], &[ids[2].1], at(0)), Ok(()));
}

#[derive(Clone, Debug)]
enum Act {
    Wait(u64),
    Reserve { user: u64, seats: BTreeSet<usize> },
    Pay { user: u64, of: usize },
    Reset,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        2 => (0u64..7).prop_map(Act::Wait),
        6 => (1u64..4, prop::collection::btree_set(0usize..6, 1..3)).prop_map(|(user, seats)| Act::Reserve { user, seats }),
        6 => (1u64..4, 0usize..8).prop_map(|(user, of)| Act::Pay { user, of }),
        1 => Just(Act::Reset),
    ];
    prop::collection::vec(act, 1..80)
}

proptest! {
    /// Beside a model so plain that it cannot be wrong: what was sold, and until when what is held.
    #[test]
    fn no_seat_is_ever_sold_twice(acts in acts(), unending in any::<bool>()) {
        let mut hall = if unending { endless(6) } else { finite(6) };
        let (mut now, mut sold) = (0, BTreeSet::new());
        let mut held: BTreeMap<u64, (u64, u64, Vec<u64>)> = BTreeMap::new();
        let mut given = Vec::new();
        for act in acts {
            match act {
                Act::Wait(seconds) => now += seconds,
                Act::Reset => {
                    hall.reset();
                    held.clear();
                    sold.clear();
                }
                Act::Reserve { user, seats } => {
                    let listing = free(&mut hall, now);
                    let wanted: Vec<u64> = seats.iter().filter_map(|at| listing.get(*at).copied()).collect();
                    if wanted.is_empty() {
                        continue;
                    }
                    let id = hall.reserve(user, wanted.clone(), at(now)).expect("listed seats are free");
                    for (until, _, others) in held.values() {
                        prop_assert!(*until <= now || others.iter().all(|seat| !wanted.contains(seat)));
                    }
                    prop_assert!(wanted.iter().all(|seat| !sold.contains(seat)));
                    prop_assert_eq!(hall.reserve(user, wanted.clone(), at(now)), Err(Refusal::SeatTaken(wanted[0])));
                    held.insert(id, (now + HOLD.as_secs(), user, wanted.clone()));
                    given.push((id, wanted));
                }
                Act::Pay { user, of } => {
                    let Some((id, seats)) = given.get(of).cloned() else { continue };
                    let may = held.get(&id).is_some_and(|(until, holder, _)| *until > now && *holder == user);
                    prop_assert_eq!(hall.pay(user, &[id], &seats, at(now)).is_ok(), may);
                    if may {
                        held.remove(&id);
                        for seat in seats {
                            prop_assert!(sold.insert(seat), "seat {} sold twice", seat);
                        }
                    }
                }
            }
            prop_assert_eq!(hall.sold(), sold.len() as u64);
        }
    }
}
