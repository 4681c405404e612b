//! What happened, as a record says it.

use crate::active::Said;
use crate::clock;
use proto::v1::{self, FromAgent, from_agent::Message};

/// What an agent said, as it came. What an interval holds is taken out of it; only the journal needs it.
pub fn said(said: &mut Said) -> FromAgent {
    let message = match said {
        Said::Heartbeat(heartbeat) => Message::Heartbeat(heartbeat.clone()),
        Said::Prepared(prepared) => Message::Prepared(prepared.clone()),
        Said::Started(started) => Message::Started(started.clone()),
        Said::Interval(received) => {
            let came = received.wire.take();
            Message::Interval(came.map_or_else(v1::Interval::default, |came| *came))
        }
        Said::Drain(drain) => Message::Drain(drain.clone()),
        Said::Log(log) => Message::Log(log.clone()),
        Said::Lease(request) => Message::LeaseRequest(request.clone()),
        Said::Done(done) => Message::Done(done.clone()),
        Said::Phase(piece) => Message::Phase((**piece).clone()),
    };
    FromAgent {
        message: Some(message),
    }
}

/// The clock at this controller time.
#[must_use]
pub fn clock_reading(now: u64) -> v1::ClockReading {
    v1::ClockReading {
        now_ns: now,
        boot: clock::boot_id(),
        boot_ns: clock::unshifted(now),
        unix_ms: clock::unix_ms(),
    }
}
