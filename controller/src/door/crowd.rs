//! How many strangers may stand in the doorway: connections that have not shown a certificate yet, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// From one address. A fleet behind one NAT comes through the handshake in a moment.
const FROM_ONE: usize = 256;
/// In all.
const IN_ALL: usize = 4096;

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The strangers.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowd(Arc<Mutex<Counts>>);

/// A stranger's place, until dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Crowd,
    address: IpAddr,
}

impl Crowd {
    /// A place for a stranger, if there is one.
    pub(super) fn place(&self, address: IpAddr) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from_one = counts.by_address.get(&address).copied().unwrap_or(0);
        if counts.all >= IN_ALL || from_one >= FROM_ONE {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, from_one + 1);
        Some(Place {
            crowd: self.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_fill_the_doorway() {
        let crowd = Crowd::default();
        let from = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut places: Vec<_> = (0..FROM_ONE).map(|_| crowd.place(from(1))).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(crowd.place(from(1)).is_none());
        assert!(crowd.place(from(2)).is_some());
        places.pop();
        assert!(crowd.place(from(1)).is_some());
        places.clear();
        assert!(
            crowd
                .0
                .lock()
                .is_ok_and(|counts| counts.all == 0 && counts.by_address.is_empty())
        );
    }
}
