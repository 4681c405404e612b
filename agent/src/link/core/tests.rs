//! The link's thinking, played: whoever answers is a few lines here, and time is a number.

#![expect(clippy::unwrap_used, reason = "tests")]

mod drains;
mod laws;
mod leases;
mod lines;
mod phases;

use super::*;
use crate::crew::{Report, StopHow};
use metrics::{Metric, Series, Tags, Value};
use proto::v1::to_agent::Message as Heard;
use proto::v1::{Assign, Go, Grant, Heartbeat, Interval, Pong, ToAgent, Welcome};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
/// How far the controller's clock is ahead of ours: most of a day.
const AHEAD: u64 = 80_000 * S;
/// When it is born.
const BOOT: u64 = 100_000 * S;
const LEASE: u64 = 5 * S;

/// A link, and what it wanted so far.
struct Played {
    core: Core,
    now: u64,
    actions: Vec<Action>,
    said: Vec<Message>,
    /// Heartbeats are answered at once,
    answers: bool,
    /// or wait here.
    beats: Vec<Heartbeat>,
}

impl Played {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            hello: Hello {
                name: "a".to_owned(),
                incarnation: 42,
                ..Hello::default()
            },
            controller: "http://c".to_owned(),
            give_up: Duration::from_secs(30),
            drain: Duration::from_secs(24),
            keeps: false,
            noise: 1,
        };
        change(&mut settings);
        Self {
            core: Core::new(BOOT, settings),
            now: BOOT,
            actions: Vec::new(),
            said: Vec::new(),
            answers: true,
            beats: Vec::new(),
        }
    }

    fn take(&mut self, event: Event) {
        self.actions.extend(self.core.step(self.now, event));
        self.send();
    }

    fn hear(&mut self, message: Heard) {
        let message = Some(message);
        self.take(Event::Message(ToAgent { message }));
    }

    /// Sends all there is room for.
    fn send(&mut self) {
        while self.core.has_outgoing(self.now) {
            let Some(message) = self.core.next(self.now, || None) else {
                break;
            };
            if let Message::Heartbeat(heartbeat) = message {
                if self.answers {
                    let pong = self.pong(&heartbeat, self.now);
                    let message = Some(Heard::Pong(pong));
                    let event = Event::Message(ToAgent { message });
                    self.actions.extend(self.core.step(self.now, event));
                } else {
                    self.beats.push(heartbeat);
                }
            } else {
                self.said.push(message);
            }
        }
    }

    fn pong(&self, heartbeat: &Heartbeat, at: u64) -> Pong {
        Pong {
            echo_ns: heartbeat.sent_ns,
            controller_ns: at + AHEAD,
        }
    }

    /// Lets time go by, waking when something is due.
    fn until(&mut self, end: u64) {
        while let Some(due) = self.core.deadline().filter(|due| *due <= end) {
            assert!(
                due > self.now || self.core.has_outgoing(self.now),
                "a tight loop"
            );
            self.now = self.now.max(due);
            self.take(Event::Time);
        }
        self.now = end;
        self.take(Event::Time);
    }

    fn welcome(&mut self) {
        self.welcome_of(0);
    }

    fn welcome_of(&mut self, generation: u64) {
        self.take(Event::Time);
        assert!(matches!(self.actions.pop(), Some(Action::Dial)));
        self.take(Event::Dialed(Ok((welcome(generation), self.now))));
    }

    /// Into the load of run r on this seat; T0 is 100 ms ahead.
    fn load(&mut self) -> Muster {
        self.hear_part(1, 1);
        self.go()
    }

    fn hear_part(&mut self, epoch: u32, seat: u32) {
        let bundle = plan::Bundle {
            name: "s.yaml".to_owned(),
            source: plan::one_request("http://127.0.0.1/"),
            ..plan::Bundle::default()
        };
        for chunk in proto::bundle::chunks("r", &serde_json::to_vec(&bundle).unwrap()) {
            self.hear(Heard::Bundle(chunk));
        }
        if let Some(Action::Compile(run, chunks)) = self.actions.pop() {
            self.take(Event::Compiled(run, compile(chunks)));
        }
        self.hear(Heard::Assign(Assign {
            run: "r".to_owned(),
            epoch,
            seat,
            weights: vec![1; 2.max(seat as usize + 1)],
            ..Assign::default()
        }));
    }

    fn go(&mut self) -> Muster {
        self.hear(Heard::Go(Go {
            run: "r".to_owned(),
            t0_ns: self.now + AHEAD + 100 * MS,
        }));
        let muster = self.actions.iter().find_map(|action| match action {
            Action::Muster(muster) => Some(muster.clone()),
            _ => None,
        });
        self.actions
            .retain(|action| matches!(action, Action::Keep(_)));
        self.until(self.now + 100 * MS);
        muster.unwrap()
    }

    fn saw(&mut self, second: i64) {
        let second_ns = i64::try_from(S).unwrap();
        self.take(Event::Report(Report::Interval {
            from: second * second_ns,
            to: (second + 1) * second_ns,
            series: vec![Series {
                tags: Tags::default(),
                values: vec![(Metric::HttpReqs, Value::counter(1.0))],
            }],
        }));
    }

    fn stops(&mut self) -> Vec<StopHow> {
        self.actions
            .drain(..)
            .filter_map(|action| match action {
                Action::Stop(how) => Some(how),
                _ => None,
            })
            .collect()
    }

    fn intervals(&mut self) -> Vec<Interval> {
        self.said
            .drain(..)
            .filter_map(|message| match message {
                Message::Interval(interval) => Some(interval),
                _ => None,
            })
            .collect()
    }

    fn is_open(&self) -> bool {
        self.core.open_until().is_some_and(|until| self.now < until)
    }
}

fn welcome(generation: u64) -> Welcome {
    Welcome {
        name: "a".to_owned(),
        lease_ms: 5_000,
        heartbeat_ms: 500,
        version: "test".to_owned(),
        generation,
    }
}
