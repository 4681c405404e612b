//! Who was refused lately, and why: for an operator who looks for an agent that is not there. Bounded, whatever is tried: one line for each
//! reason and host, the newest few of them.

use proto::v1::RefusedPeer;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// Lines that are kept.
const MOST: usize = 20;
/// Characters of a reason.
const LONGEST: usize = 300;

#[derive(Debug)]
struct Refused {
    address: SocketAddr,
    why: String,
    times: u64,
    /// Controller time of the last.
    at: u64,
}

/// The newest refusals, the newest last.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Vec<Refused>>);

impl Refusals {
    /// Notes that somebody was refused at this controller time. What strangers say may stand in the reason.
    pub fn note(&self, now: u64, address: SocketAddr, why: &str) {
        let shown = why.chars().filter(|c| !c.is_control());
        let why: String = shown.take(LONGEST).collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |old: &Refused| old.address.ip() == address.ip() && old.why == why;
        let times = match all.iter().position(same) {
            Some(at) => all.remove(at).times.saturating_add(1),
            None => 1,
        };
        if all.len() >= MOST {
            all.remove(0);
        }
        all.push(Refused {
            address,
            why,
            times,
            at: now,
        });
    }

    /// The newest first.
    #[must_use]
    pub fn list(&self, now: u64) -> Vec<RefusedPeer> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = all.iter().rev().map(|refused| RefusedPeer {
            address: refused.address.to_string(),
            reason: refused.why.clone(),
            times: refused.times,
            ms_ago: now.saturating_sub(refused.at) / 1_000_000,
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_flood_from_one_host_is_one_line_and_nobody_floods_the_list() {
        let refusals = Refusals::default();
        let from = |host: u8, port| SocketAddr::from(([10, 0, 0, host], port));
        refusals.note(S, from(1, 1), "it speaks\u{1b}[31m clear\ntext");
        for port in 0..1_000 {
            refusals.note(2 * S, from(2, port), "no such token");
        }
        let list = refusals.list(5 * S);
        let told = |list: &[RefusedPeer]| -> Vec<(String, String, u64, u64)> {
            let line = |one: &RefusedPeer| {
                (
                    one.address.clone(),
                    one.reason.clone(),
                    one.times,
                    one.ms_ago,
                )
            };
            list.iter().map(line).collect()
        };
        let expected = [
            (
                "10.0.0.2:999".to_owned(),
                "no such token".to_owned(),
                1_000,
                3_000,
            ),
            (
                "10.0.0.1:1".to_owned(),
                "it speaks[31m cleartext".to_owned(),
                1,
                4_000,
            ),
        ];
        assert_eq!(told(&list), expected);
        for host in 3..=255 {
            refusals.note(6 * S, from(host, 1), &"x".repeat(5_000));
        }
        let list = refusals.list(6 * S);
        assert_eq!(list.len(), MOST);
        assert_eq!(list[0].address, "10.0.0.255:1");
        assert!(list.iter().all(|one| one.reason.len() == LONGEST));
    }
}
