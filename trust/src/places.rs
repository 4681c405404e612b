//! How many connections there may be at a time: in all, and from one address, so that one host cannot take them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    from: HashMap<IpAddr, usize>,
}

/// The connections.
#[derive(Debug, Clone)]
pub struct Places {
    counts: Arc<Mutex<Counts>>,
    in_all: usize,
    from_one: usize,
}

/// The place of one, until dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    /// So many in all, and so many from one address.
    #[must_use]
    pub fn new(in_all: usize, from_one: usize) -> Self {
        Self {
            counts: Arc::default(),
            in_all,
            from_one,
        }
    }

    /// A place, if there is one.
    #[must_use]
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let from = counts.from.get(&address).copied().unwrap_or(0);
        if counts.all >= self.in_all || from >= self.from_one {
            return None;
        }
        counts.all += 1;
        counts.from.insert(address, from + 1);
        Some(Place {
            places: self.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self
            .places
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(count) = counts.from.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.from.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_ALL: usize = 512;
    const FROM_ONE: usize = 128;

    #[test]
    fn one_address_cannot_take_all_places() {
        let places = Places::new(IN_ALL, FROM_ONE);
        let from = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut taken: Vec<_> = (0..FROM_ONE).map(|_| places.take(from(1))).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(places.take(from(1)).is_none());
        assert!(places.take(from(2)).is_some(), "others are let in");
        taken.pop();
        assert!(places.take(from(1)).is_some(), "one place is free again");
        taken.push(places.take(from(1)));
        taken.extend((0..IN_ALL - FROM_ONE).map(|n| {
            let place = places.take(from(u8::try_from(2 + n / FROM_ONE).unwrap_or(0)));
            assert!(place.is_some());
            place
        }));
        assert!(places.take(from(99)).is_none(), "all are taken");
        taken.clear();
        assert!(places.take(from(1)).is_some());
        assert!(
            places
                .counts
                .lock()
                .is_ok_and(|counts| counts.all == 0 && counts.from.is_empty())
        );
    }
}
