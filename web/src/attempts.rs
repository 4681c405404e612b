//! How often one may try to sign in. A token cannot be guessed (256 bits): this bounds what trying costs the disk that the book of
//! tokens is on.

use crate::clock::{self, Instant};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// For so long
const WINDOW: Duration = Duration::from_secs(60);
/// one address may try so often,
const FROM_ONE: u32 = 10;
/// and all together so often.
const IN_ALL: u32 = 120;

/// Attempts of the last minute or less.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    since: Option<Instant>,
    all: u32,
    from: HashMap<IpAddr, u32>,
}

impl Attempts {
    /// One more, unless there were too many: then how long to wait.
    pub(crate) fn another(&self, from: IpAddr) -> Result<(), Duration> {
        let now = clock::now();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = &mut *counts;
        let since = counts.since.get_or_insert(now);
        if now.saturating_duration_since(*since) >= WINDOW {
            *since = now;
            counts.all = 0;
            counts.from.clear();
        }
        let left = WINDOW.saturating_sub(now.saturating_duration_since(*since));
        // At most `IN_ALL` addresses are remembered: an attempt that is refused enters none.
        if counts.all >= IN_ALL {
            return Err(left);
        }
        let own = counts.from.entry(network(from)).or_default();
        if *own >= FROM_ONE {
            return Err(left);
        }
        *own += 1;
        counts.all += 1;
        Ok(())
    }
}

/// One host has as many addresses of IPv6 as it likes, but one network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trying_is_bounded_for_one_and_for_all() {
        let attempts = Attempts::default();
        let one = IpAddr::from([10, 0, 0, 1]);
        for _ in 0..FROM_ONE {
            assert_eq!(attempts.another(one), Ok(()));
        }
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(attempts.another(one), Err(Duration::from_secs(40)));
        let mut let_in = 0;
        for n in 0..200_u16 {
            // All in networks of their own.
            let from = IpAddr::from([0x2001, n, 0, 0, 0, 0, 0, 1]);
            let_in += u32::from(attempts.another(from).is_ok());
        }
        assert_eq!(let_in, IN_ALL - FROM_ONE);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(attempts.another(one), Ok(()));
        for n in 1..FROM_ONE {
            let near = IpAddr::from([0x2001, 0, 0, 0, 0, 0, 0, n as u16]);
            assert_eq!(attempts.another(near), Ok(()));
        }
        let far = IpAddr::from([0x2001, 0, 0, 0, 7, 7, 7, 7]);
        assert_eq!(attempts.another(far), Ok(()));
        assert!(attempts.another(far).is_err(), "of the same network");
    }
}
