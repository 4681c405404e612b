//! Messages as the log has them: what matters of each, and no random ids.

use proto::v1::{from_agent::Message as From, to_agent::Message as To};
use std::fmt;

/// A message to the controller.
pub(super) struct Up<'a>(pub(super) &'a From);

impl fmt::Display for Up<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            From::Hello(hello) => write!(f, "hello {} {:x}", hello.name, hello.incarnation),
            From::Heartbeat(beat) => {
                let begun: u64 = beat.totals.iter().map(|totals| totals.begun).sum();
                write!(
                    f,
                    "heartbeat epoch {} run {:?} begun {begun} vus {} held {:?}",
                    beat.epoch,
                    beat.run_ns.map(|ns| ns / 1_000_000),
                    beat.vus,
                    beat.held
                )
            }
            From::Prepared(p) => write!(
                f,
                "prepared epoch {} {:?} {:?} held {:?}",
                p.epoch,
                p.problem_kind(),
                p.problem,
                p.held
            ),
            From::Interval(i) => write!(
                f,
                "interval seat {} sequence {} {}..{} ms",
                i.agent,
                i.sequence,
                i.from_ns / 1_000_000,
                i.to_ns / 1_000_000
            ),
            From::Log(log) => write!(f, "log of {} lines", log.lines.len()),
            From::LeaseRequest(l) => write!(f, "wants {} of scenario {}", l.want, l.scenario),
            From::Done(done) => write!(
                f,
                "done, {} intervals, interrupted {}",
                done.intervals, done.interrupted
            ),
            From::Leave(leave) => write!(f, "leave: {}", leave.reason),
            From::Started(s) => write!(
                f,
                "started at {} give or take {}",
                s.at_ns, s.uncertainty_ns
            ),
            From::Drain(drain) => write!(f, "drain: {}", drain.reason),
            From::Phase(piece) => write!(f, "phase piece {}", piece.index),
        }
    }
}

/// A message to an agent.
pub(super) struct Down<'a>(pub(super) &'a To);

impl fmt::Display for Down<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            To::Welcome(w) => write!(f, "welcome {} lease {} ms", w.name, w.lease_ms),
            To::Refused(refused) => write!(f, "refused: {}", refused.reason),
            To::Pong(pong) => write!(f, "pong {} {}", pong.echo_ns, pong.controller_ns),
            To::Bundle(chunk) => write!(f, "bundle {}/{}", chunk.index, chunk.chunks),
            To::Assign(a) => write!(
                f,
                "assign epoch {} seat {} of {:?} changes {:?} waiting {:?}",
                a.epoch, a.seat, a.weights, a.changes, a.waiting
            ),
            To::Go(go) => write!(f, "go {}", go.t0_ns),
            To::Stop(stop) => write!(f, "stop {:?}: {}", stop.mode(), stop.reason),
            To::Ack(ack) => write!(f, "ack {}", ack.sequence),
            To::Grant(g) => write!(f, "grant {}..{} of scenario {}", g.from, g.to, g.scenario),
            To::Closed(_) => write!(f, "closed"),
            To::Goodbye(goodbye) => write!(f, "goodbye: {}", goodbye.reason),
            To::Desired(desired) => write!(f, "desired version {}", desired.version),
            To::Phase(phase) => write!(f, "phase {:?}", phase.phase()),
            To::Rows(rows) => write!(f, "rows {}", rows.rows.len()),
        }
    }
}
