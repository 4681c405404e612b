//! What a user does: one bare GET, or the whole reservation flow without its sleeps. Requests and answers as bytes, for the
//! floor; the other clients have means of their own.

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Work {
    /// One GET.
    Get,
    /// Token, schedules, seats, reservation, payment.
    Reservation,
}

impl Work {
    /// Requests of one iteration.
    pub(crate) fn steps(self) -> u32 {
        match self {
            Self::Get => 1,
            Self::Reservation => 5,
        }
    }
}

/// One user's way through the flow.
#[derive(Debug, Default)]
pub(crate) struct Visit {
    step: u32,
    user: u64,
    token: String,
    schedule: String,
    seat: String,
    reservation: String,
    random: u64,
}

impl Visit {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            ..Self::default()
        }
    }

    /// xorshift64: good enough to choose a user and a seat.
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below.max(1)
    }

    /// Writes the next request into `out`.
    pub(crate) fn request(&mut self, work: Work, path: &str, out: &mut Vec<u8>) {
        let Self {
            token,
            schedule,
            seat,
            reservation,
            ..
        } = self;
        let (head, body) = match (work, self.step) {
            (Work::Get, _) => {
                let user = 1 + self.random(1000);
                (
                    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-id: {user}\r\n"),
                    String::new(),
                )
            }
            (Work::Reservation, 0) => {
                self.user = 1 + self.random(1000);
                (
                    format!(
                        "GET /api/waiting-queue/position HTTP/1.1\r\nhost: localhost\r\nuser-id: {}\r\n",
                        self.user
                    ),
                    String::new(),
                )
            }
            (_, 1) => (
                format!(
                    "GET /api/concerts/1/schedules HTTP/1.1\r\nhost: localhost\r\ntoken: {token}\r\n"
                ),
                String::new(),
            ),
            (_, 2) => (
                format!(
                    "GET /api/concerts/1/schedules/{schedule}/seats HTTP/1.1\r\nhost: localhost\r\ntoken: {token}\r\n"
                ),
                String::new(),
            ),
            (_, 3) => (
                format!(
                    "POST /api/concerts/1/schedules/{schedule}/seats/reservation HTTP/1.1\r\nhost: localhost\r\ntoken: {token}\r\n"
                ),
                format!(r#"{{"concertSeatIds":[{seat}],"userId":{}}}"#, self.user),
            ),
            _ => (
                format!(
                    "POST /api/concerts/1/schedules/{schedule}/seats/reservation/payment HTTP/1.1\r\nhost: localhost\r\ntoken: {token}\r\n"
                ),
                format!(
                    r#"{{"userId":{},"concertSeatIds":[{seat}],"concertReservationId":[{reservation}]}}"#,
                    self.user
                ),
            ),
        };
        out.clear();
        out.extend_from_slice(head.as_bytes());
        if !body.is_empty() {
            out.extend_from_slice(
                format!(
                    "content-type: application/json\r\ncontent-length: {}\r\n",
                    body.len()
                )
                .as_bytes(),
            );
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body.as_bytes());
    }

    /// Takes what the next request needs from an answer; anything but a 200 with it begins anew.
    pub(crate) fn answer(&mut self, work: Work, ok: bool, body: &str) -> bool {
        if work == Work::Get {
            return ok;
        }
        let found = ok
            && match self.step {
                0 => take(&mut self.token, after(body, "\"token\"").next()),
                1 => take(
                    &mut self.schedule,
                    after(body, "\"concertScheduleId\"").next(),
                ),
                2 => {
                    let seats = after(body, "\"concertSeatId\"").count() as u64;
                    let chosen = usize::try_from(self.random(seats)).unwrap_or(0);
                    take(&mut self.seat, after(body, "\"concertSeatId\"").nth(chosen))
                }
                3 => take(
                    &mut self.reservation,
                    after(body, "\"concertReservationId\"").next(),
                ),
                _ => true,
            };
        self.step = if found {
            (self.step + 1) % work.steps()
        } else {
            0
        };
        found
    }
}

fn take(place: &mut String, found: Option<&str>) -> bool {
    place.clear();
    place.push_str(found.unwrap_or_default());
    found.is_some()
}

/// The values after each `key`, without quotes.
fn after<'a>(body: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    body.match_indices(key).map(move |(at, _)| {
        let rest = body[at + key.len()..].trim_start_matches([':', ' ', '"']);
        &rest[..rest.find(['"', ',', '}', ']']).unwrap_or(rest.len())]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_goes_through_the_flow_and_begins_anew_when_it_fails() {
        let mut visit = Visit::new(1);
        let mut out = Vec::new();
        let answers = [
            r#"{"token":"abc"}"#,
            r#"{"schedules":[{"concertScheduleId":7,"date":"x"},{"concertScheduleId":8,"date":"x"}]}"#,
            r#"{"seats":[{"concertSeatId":31}]}"#,
            r#"{"concertReservationId": 5}"#,
            "{}",
        ];
        for answer in answers {
            visit.request(Work::Reservation, "/", &mut out);
            assert!(visit.answer(Work::Reservation, true, answer), "{answer}");
        }
        let last = String::from_utf8_lossy(&out).into_owned();
        assert!(
            last.starts_with(
                "POST /api/concerts/1/schedules/7/seats/reservation/payment HTTP/1.1\r\n"
            ),
            "{last}"
        );
        assert!(
            last.contains("token: abc\r\n")
                && last.contains(r#""concertSeatIds":[31],"concertReservationId":[5]}"#),
            "{last}"
        );
        assert_eq!(visit.step, 0);
        assert!(visit.answer(Work::Reservation, true, answers[0]));
        assert!(!visit.answer(Work::Reservation, false, answers[1]));
        assert_eq!(visit.step, 0);
    }
}
