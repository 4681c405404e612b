//! What one life of an agent kept of a run: its transcript, read into the parts it took. Pure.

use proto::bundle::Joiner;
use proto::transcript::Record;
use proto::v1::from_agent::Message as Said;
use proto::v1::to_agent::Message as Heard;
use proto::v1::{Assign, Desired, Done, Grant, Hello, LogLines, PhasePiece, Started, StopRun};
use std::collections::BTreeMap;

/// One seat of the run, as long as this life had it.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// The newest assignment of the seat,
    pub assign: Assign,
    /// and its first one.
    pub from_epoch: u32,
    /// T0 in controller time, once it was ordered.
    pub t0: Option<u64>,
    /// When its load began.
    pub started: Option<Started>,
    /// Its end.
    pub done: Option<Done>,
}

/// One life in one run.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// The run.
    pub run: String,
    /// What the agent said of itself.
    pub hello: Hello,
    /// What the controller called it.
    pub name: String,
    /// The longest lease that it was told, in nanoseconds; 0 if it was told none.
    pub lease: u64,
    /// The run's bundle; empty if it is not whole.
    pub bundle: Vec<u8>,
    /// Its parts by seat.
    pub parts: BTreeMap<u32, Part>,
    /// Setup and teardown, if they were done there.
    pub phases: Vec<PhasePiece>,
    /// What was logged there meanwhile.
    pub logs: Vec<LogLines>,
    /// The newest change of the run.
    pub desired: Option<Desired>,
    /// That it was stopped.
    pub stop: Option<StopRun>,
    /// Indexes granted.
    pub grants: Vec<(u32, Grant)>,
}

impl Life {
    /// Reads the head of a transcript; `None` if it tells of no run.
    #[must_use]
    pub fn read(records: impl IntoIterator<Item = Record>) -> Option<Self> {
        let mut life = Self::default();
        let mut chunks = Joiner::default();
        let mut seat = None;
        for record in records {
            match record {
                Record::Said(message) => life.said(seat, message),
                Record::Heard(Heard::Bundle(chunk)) => {
                    if let Ok(Some((run, bytes))) = chunks.push(chunk) {
                        (life.run, life.bundle) = (run, bytes);
                    }
                }
                Record::Heard(Heard::Assign(assign)) => {
                    seat = Some(assign.seat);
                    life.run.clone_from(&assign.run);
                    let part = life.parts.entry(assign.seat).or_insert_with(|| Part {
                        from_epoch: assign.epoch,
                        ..Part::default()
                    });
                    part.assign = assign;
                }
                Record::Heard(message) => life.heard(seat, message),
            }
        }
        (!life.run.is_empty()).then_some(life)
    }

    fn said(&mut self, seat: Option<u32>, message: Said) {
        let part = seat.map(|seat| self.parts.entry(seat).or_default());
        match (message, part) {
            (Said::Hello(hello), _) => self.hello = hello,
            (Said::Phase(piece), _) => self.phases.push(piece),
            (Said::Log(log), _) => self.logs.push(log),
            (Said::Started(started), Some(part)) => part.started = Some(started),
            (Said::Done(done), Some(part)) => part.done = Some(done),
            _ => {}
        }
    }

    fn heard(&mut self, seat: Option<u32>, message: Heard) {
        let part = seat.map(|seat| self.parts.entry(seat).or_default());
        match (message, part) {
            (Heard::Welcome(welcome), _) => {
                self.name = welcome.name;
                let lease = u64::from(welcome.lease_ms) * 1_000_000;
                self.lease = self.lease.max(lease);
            }
            (Heard::Go(go), Some(part)) => part.t0 = Some(go.t0_ns),
            (Heard::Desired(desired), _) => self.desired = Some(desired),
            // One that came back too late, or with whom nobody shares, is sent home while the run goes on.
            (Heard::Stop(stop), _) if !stop.only_you => self.stop = Some(stop),
            (Heard::Grant(grant), _) => self.grants.extend(seat.map(|seat| (seat, grant))),
            _ => {}
        }
    }

    /// The seat it had under an assignment; the newest one for those to come.
    #[must_use]
    pub fn seat(&self, epoch: u32) -> Option<u32> {
        let parts = self.parts.iter();
        let until = parts.filter(|(_, part)| part.from_epoch <= epoch);
        until
            .max_by_key(|(_, part)| part.from_epoch)
            .map(|(seat, _)| *seat)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_run_was_stopped_only_if_all_were_to_stop() {
        let stop = |reason: &str, only_you| {
            Record::Heard(Heard::Stop(StopRun {
                run: "r".to_owned(),
                reason: reason.to_owned(),
                only_you,
                ..StopRun::default()
            }))
        };
        for (name, stops, stopped) in [
            ("nobody was", vec![], None),
            ("lost, and back", vec![stop("late", true)], None),
            ("the run", vec![stop("asked", false)], Some("asked")),
            (
                "lost, back, and then the run",
                vec![stop("late", true), stop("asked", false)],
                Some("asked"),
            ),
            (
                "the run, and then lost and back",
                vec![stop("asked", false), stop("late", true)],
                Some("asked"),
            ),
        ] {
            let part = Record::Heard(Heard::Assign(Assign {
                run: "r".to_owned(),
                ..Assign::default()
            }));
            let life = Life::read(std::iter::once(part).chain(stops)).unwrap();
            let reason = life.stop.map(|stop| stop.reason);
            assert_eq!(reason.as_deref(), stopped, "{name}");
        }
    }
}
