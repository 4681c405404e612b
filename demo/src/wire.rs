//! The bodies, as they are written on the wire.

use axum::body::Bytes;
use serde::{Deserialize, Serialize};

/// Any body but a listing of seats.
pub(crate) fn encode(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body)
        .expect("plain structs of numbers and strings always encode")
        .into()
}

/// `{"seats":[{"concertSeatId":7},...]}`, written by hand: with a thousand seats, or fifty at full
/// speed, this is most of what the service does besides reading and writing sockets.
pub(crate) struct Listing {
    text: Vec<u8>,
    /// The newest item, at the buffer's end: `{"concertSeatId":7},`.
    item: [u8; 48],
    /// Where in `item` it begins; 48 before the first.
    begin: usize,
    seat: u64,
}

impl Listing {
    const HEAD: &[u8] = b"{\"concertSeatId\":";
    const TAIL: &[u8] = b"},";
    const UNITS: usize = 48 - Self::TAIL.len() - 1;

    /// An empty list, with room for 50 seats before it must grow.
    pub(crate) fn new() -> Self {
        let mut text = Vec::with_capacity(2_048);
        text.extend_from_slice(b"{\"seats\":[");
        Self {
            text,
            item: [0; 48],
            begin: 48,
            seat: 0,
        }
    }

    pub(crate) fn push(&mut self, seat: u64) {
        // Neighbours mostly differ in their last digit.
        let next = self.begin < 48 && seat.checked_sub(self.seat) == Some(1);
        if next && self.item[Self::UNITS] != b'9' {
            self.item[Self::UNITS] += 1;
        } else {
            self.write(seat);
        }
        self.seat = seat;
        self.text.extend_from_slice(&self.item[self.begin..]);
    }

    fn write(&mut self, seat: u64) {
        let (mut at, mut rest) = (Self::UNITS + 1, seat);
        self.item[at..].copy_from_slice(Self::TAIL);
        loop {
            at -= 1;
            self.item[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.begin = at - Self::HEAD.len();
        self.item[self.begin..at].copy_from_slice(Self::HEAD);
    }

    pub(crate) fn close(mut self) -> Bytes {
        if self.text.last() == Some(&b',') {
            self.text.pop();
        }
        self.text.extend_from_slice(b"]}");
        self.text.into()
    }
}

#[derive(Serialize)]
pub(crate) struct Token<'a> {
    pub(crate) token: &'a str,
}

#[derive(Serialize)]
pub(crate) struct Schedules {
    pub(crate) schedules: Vec<Schedule>,
}

#[derive(Serialize)]
pub(crate) struct Schedule {
    #[serde(rename = "concertScheduleId")]
    pub(crate) id: u64,
    pub(crate) date: String,
}

#[derive(Deserialize)]
pub(crate) struct Reservation {
    #[serde(rename = "concertSeatIds")]
    pub(crate) seats: Vec<u64>,
    #[serde(rename = "userId")]
    pub(crate) user: u64,
}

#[derive(Serialize)]
pub(crate) struct Reserved {
    #[serde(rename = "concertReservationId")]
    pub(crate) id: u64,
}

#[derive(Deserialize)]
pub(crate) struct Payment {
    #[serde(rename = "userId")]
    pub(crate) user: u64,
    #[serde(rename = "concertSeatIds")]
    pub(crate) seats: Vec<u64>,
    #[serde(rename = "concertReservationId")]
    pub(crate) reservations: Vec<u64>,
}

#[derive(Serialize)]
pub(crate) struct Paid<'a> {
    #[serde(rename = "paidSeatIds")]
    pub(crate) seats: &'a [u64],
}

#[cfg(test)]
mod tests {
    use super::Listing;

    #[test]
    fn a_listing_is_the_json_that_serde_would_write() {
        for ids in [
            &[][..],
            &[0],
            &[7, 10, 1_000_000_000],
            &[u64::MAX; 3],
            &[5; 1_000],
        ] {
            let mut listing = Listing::new();
            ids.iter().for_each(|id| listing.push(*id));
            let seats: Vec<_> = ids
                .iter()
                .map(|id| serde_json::json!({ "concertSeatId": id }))
                .collect();
            let want = serde_json::json!({ "seats": seats }).to_string();
            assert_eq!(String::from_utf8_lossy(&listing.close()), want);
        }
    }
}
