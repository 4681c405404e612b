//! How many connections there may be: in all, and from one address, so that one host cannot take them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// In all.
const IN_ALL: usize = 512;
/// From one address. A browser holds up to six.
const FROM_ONE: usize = 128;

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    from: HashMap<IpAddr, usize>,
}

/// The connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<Mutex<Counts>>);

/// The place of one, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    /// A place, if there is one.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = counts.from.get(&address).copied().unwrap_or(0);
        if counts.all >= IN_ALL || from >= FROM_ONE {
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
        let mut counts = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
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

    #[test]
    fn one_address_cannot_take_all_places() {
        let places = Places::default();
        let from = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut taken: Vec<_> = (0..FROM_ONE).map(|_| places.take(from(1))).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(places.take(from(1)).is_none());
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
                .0
                .lock()
                .is_ok_and(|counts| counts.all == 0 && counts.from.is_empty())
        );
    }
}
