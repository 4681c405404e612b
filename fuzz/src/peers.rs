//! A broken or hostile peer: whatever a controller says to an agent's link, and whatever an agent says to the director. A message costs at
//! most itself; nobody panics.
//!
//! An input is a row of messages, each behind its length, as prost writes them; what cannot be decoded ends the row, as it ends a stream.

use crate::targets::kind;
use agent::link::core::{self, Action, Core, Event, Settings};
use controller::active::Order;
use controller::director::{Director, Input};
use controller::link::{Link, Outgoing};
use controller::run::Needs;
use controller::service_fleet;
use controller::weights::Weights;
use plan::{Bundle, Plan};
use prost::Message;
use proto::v1::from_agent::Message as From;
use proto::v1::to_agent::Message as To;
use proto::v1::{self, FromAgent, ToAgent};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Most messages of one input.
const MOST: usize = 100;
/// Between two messages, in nanoseconds.
pub(crate) const STEP: u64 = 130_000_000;
/// The run of seeds.
pub(crate) const RUN: &str = "r";
/// All executors that have something to be said about, and rows that setup gives.
const SCENARIO: &str = "
scenarios:
  open: { executor: constant-arrival-rate, rate: 20, duration: 5s, preAllocatedVUs: 4, maxVUs: 8 }
  shut: { executor: ramping-vus, stages: [{ duration: 5s, target: 9 }] }
  many: { executor: shared-iterations, vus: 3, iterations: 50 }
data: { users: { setup: true } }
setup: [{ give: { users: { id: 1 } } }]
flows: { default: [{ let: { u: { own: users } } }, { get: 'http://127.0.0.1:1/' }] }
";

pub(crate) fn bundle() -> Bundle {
    Bundle {
        name: "f.yaml".to_owned(),
        source: SCENARIO.to_owned(),
        ..Bundle::default()
    }
}

fn plan() -> Option<Plan> {
    plan::compile(&bundle()).ok()
}

pub(crate) fn rows<M: Message + Default>(mut bytes: &[u8]) -> impl Iterator<Item = M> + '_ {
    std::iter::from_fn(move || M::decode_length_delimited(&mut bytes).ok()).take(MOST)
}

pub(crate) fn row<M: Message>(messages: &[M]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(Message::encode_length_delimited_to_vec)
        .collect()
}

/// Whatever a controller says, the agent's link goes on or ends in order.
pub fn controller(bytes: &[u8]) -> u64 {
    let mut now = 1_000_000_000_000;
    let settings = Settings {
        hello: v1::Hello::default(),
        controller: "http://c".to_owned(),
        give_up: Duration::from_secs(60),
        drain: Duration::from_secs(25),
        keeps: false,
        noise: 1,
    };
    let mut link = Core::new(now, settings);
    let _ = link.step(now, Event::Time);
    let welcome = v1::Welcome {
        lease_ms: 5_000,
        heartbeat_ms: 500,
        ..v1::Welcome::default()
    };
    let mut events = vec![Event::Dialed(Ok((welcome, now)))];
    let mut messages = rows::<ToAgent>(bytes);
    let mut seen = Vec::new();
    loop {
        while let Some(event) = events.pop() {
            for action in link.step(now, event) {
                seen.push(letters(&action));
                match action {
                    Action::Compile(run, chunks) => {
                        events.push(Event::Compiled(run, core::compile(chunks)));
                    }
                    Action::Look(look, _) => events.push(Event::Looked(look, Ok(()))),
                    Action::End(_) => return kind(&seen),
                    _ => {}
                }
            }
        }
        while link.has_outgoing(now) && link.next(now, || None).is_some() {}
        now += STEP;
        match messages.next() {
            Some(message) => events.push(Event::Message(message)),
            None => return kind(&seen),
        }
    }
}

/// The name of an action.
fn letters(action: &Action) -> String {
    let text = format!("{action:?}");
    text.chars().take_while(char::is_ascii_alphabetic).collect()
}

/// What a good controller says, from the bundle to the end.
pub(crate) fn good_controller() -> Vec<Vec<u8>> {
    let run = || RUN.to_owned();
    let json = serde_json::to_vec(&bundle()).unwrap_or_default();
    let assign = |changes: Vec<v1::SeatChange>| {
        To::Assign(v1::Assign {
            run: run(),
            epoch: 1 + changes.len() as u32,
            seat: 1,
            weights: vec![1, 2],
            changes,
            ..v1::Assign::default()
        })
    };
    let gone = |from_ns| v1::SeatChange {
        from_ns,
        change: Some(v1::seat_change::Change::Gone(0)),
    };
    let came = |from_ns| v1::SeatChange {
        from_ns,
        change: Some(v1::seat_change::Change::Came(3)),
    };
    let mut messages: Vec<To> = proto::bundle::chunks(RUN, &json)
        .into_iter()
        .map(To::Bundle)
        .collect();
    messages.extend([
        assign(vec![]),
        To::Rows(v1::Rows {
            run: run(),
            data: 0,
            count: 20,
            rows: vec![v1::Row {
                index: 1,
                json: b"{\"id\":1}".to_vec(),
            }],
        }),
        To::Pong(v1::Pong {
            echo_ns: 1_000_000_000_000,
            controller_ns: 5,
        }),
        To::Go(v1::Go {
            run: run(),
            t0_ns: 900_000_000,
        }),
        To::Desired(v1::Desired {
            run: run(),
            version: 1,
            pauses: vec![v1::PauseSpan {
                from_ns: 1_000_000_000,
                to_ns: Some(2_000_000_000),
            }],
            scales: vec![v1::ScaleChange {
                scenario: 0,
                from_ns: 3,
                change: Some(v1::scale_change::Change::Factor(1_500)),
            }],
        }),
        assign(vec![gone(3_000_000_000)]),
        assign(vec![gone(3_000_000_000), came(4_000_000_000)]),
        To::Grant(v1::Grant {
            run: run(),
            scenario: 2,
            from: 0,
            to: 9,
            last: false,
        }),
        To::Ack(v1::Ack {
            run: run(),
            sequence: 0,
        }),
        To::Stop(v1::StopRun {
            run: run(),
            ..v1::StopRun::default()
        }),
        To::Phase(v1::RunPhase {
            run: run(),
            phase: 1,
        }),
        To::Closed(v1::RunClosed { run: run() }),
        To::Goodbye(v1::Goodbye::default()),
    ]);
    let messages: Vec<ToAgent> = messages
        .into_iter()
        .map(|message| ToAgent {
            message: Some(message),
        })
        .collect();
    vec![row(&messages), row(&messages[..6]), row(&messages[4..])]
}

/// Two agents of a director, and the run that they were enlisted for.
pub(crate) struct Two {
    fleet: Vec<(u64, u64, Arc<Link>, mpsc::Receiver<Outgoing>)>,
    run: String,
}

impl Two {
    /// They come, and a run is started.
    pub(crate) fn start(director: &mut Director, now: u64) -> Option<Self> {
        let mut fleet = Vec::new();
        for connection in [1, 2] {
            let (outbox, inbox) = mpsc::channel(1_000);
            let link = Link::behind(Some(outbox), now, director.gate());
            let link = Arc::new(link);
            let (reply, mut answer) = oneshot::channel();
            let hello = v1::Hello {
                protocol: proto::PROTOCOL,
                name: format!("a{connection}"),
                incarnation: connection,
                workers: 1,
                cores: 1,
                ..v1::Hello::default()
            };
            let input = Input::Hello(Box::new(hello), Arc::clone(&link), connection, reply);
            director.take(now, input);
            if let Ok(Some(id)) = answer.try_recv() {
                fleet.push((id, connection, link, inbox));
            }
        }
        let plan = plan()?;
        let order = Order {
            id: String::new(),
            name: "f.yaml".to_owned(),
            seed: 1,
            unix_ms: 0,
            bundle: serde_json::to_vec(&bundle()).ok()?,
            needs: Needs {
                expect: 2,
                min: 1,
                wait: 10_000_000_000,
                preflight: false,
                on_loss: plan.options.on_agent_loss,
            },
            plan,
            weights: Weights::Equal,
        };
        let (reply, mut answer) = oneshot::channel();
        director.take(now, Input::Start(Box::new(order), false, reply));
        director.write(now);
        let run = answer.try_recv().ok()?.ok()?.run;
        Some(Self { fleet, run })
    }

    /// One of them says something.
    pub(crate) fn say(&mut self, director: &mut Director, now: u64, index: usize, message: From) {
        let mut message = message;
        address(&mut message, &self.run);
        let two = self.fleet.len().max(1);
        let Some((id, connection, link, inbox)) = self.fleet.get_mut(index % two) else {
            return;
        };
        if let Some(input) = service_fleet::input(link, *connection, *id, message, now) {
            director.take(now, input);
        }
        while inbox.try_recv().is_ok() {}
    }
}

/// Whatever two agents say, in turn, the director goes on.
pub fn agents(bytes: &[u8]) -> u64 {
    let mut now = 1_000_000_000_000;
    let mut director = Director::new(controller::Config::default());
    let mut two = Two::start(&mut director, now).expect("the scenario above is one");
    let mut seen = Vec::new();
    for (index, message) in rows::<FromAgent>(bytes).enumerate() {
        now += STEP;
        director.tick(now);
        if let Some(message) = message.message {
            two.say(&mut director, now, index, message);
        }
        let state = director.active().map(|active| active.run.state() as i32);
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    kind(&(seen, notes(&director)))
}

/// What a director's run noted, without the numbers.
pub(crate) fn notes(director: &Director) -> Vec<String> {
    let notes = director.active().map(|active| active.notes.iter());
    let words = notes.into_iter().flatten();
    words.map(|note| crate::targets::letters(note)).collect()
}

/// A message of the seeds' run is of the run that there is: its id is drawn by chance.
fn address(message: &mut From, id: &str) {
    let run = match message {
        From::Heartbeat(it) => &mut it.run,
        From::Prepared(it) => &mut it.run,
        From::Interval(it) => &mut it.run,
        From::Log(it) => &mut it.run,
        From::LeaseRequest(it) => &mut it.run,
        From::Done(it) => &mut it.run,
        From::Started(it) => &mut it.run,
        From::Drain(it) => &mut it.run,
        From::Phase(it) => &mut it.run,
        From::Hello(_) | From::Leave(_) => return,
    };
    if run == RUN {
        id.clone_into(run);
    }
}

/// What two good agents say in turn, from ready to done.
pub(crate) fn good_agents() -> Vec<Vec<u8>> {
    let run = || RUN.to_owned();
    let digest = plan().map_or(Vec::new(), |plan| plan.digest().to_vec());
    let totals = || {
        vec![v1::ScenarioTotals {
            scenario: "open".to_owned(),
            begun: 10,
            completed: 9,
            in_flight: 1,
            requests: 9,
            due: 10,
            ..v1::ScenarioTotals::default()
        }]
    };
    let prepared = |epoch| {
        From::Prepared(v1::Prepared {
            run: run(),
            epoch,
            digest: digest.clone(),
            ..v1::Prepared::default()
        })
    };
    let heartbeat = || {
        From::Heartbeat(v1::Heartbeat {
            sent_ns: 1,
            run: run(),
            totals: totals(),
            run_ns: Some(500_000_000),
            rtt_ns: 1_000,
            epoch: 1,
            ..v1::Heartbeat::default()
        })
    };
    let setup = |piece| {
        From::Phase(v1::PhasePiece {
            run: run(),
            piece: Some(piece),
            ..v1::PhasePiece::default()
        })
    };
    let given = v1::GivenRows {
        data: 0,
        rows: vec![b"{\"id\":1}".to_vec(); 20],
    };
    let done = || {
        From::Done(v1::Done {
            run: run(),
            totals: totals(),
            intervals: 1,
            ..v1::Done::default()
        })
    };
    let interval = crate::seeds::intervals()
        .first()
        .and_then(|bytes| v1::Interval::decode(bytes.as_slice()).ok())
        .unwrap_or_default();
    let mut last = v1::PhasePiece {
        index: 1,
        run: run(),
        ..v1::PhasePiece::default()
    };
    last.piece = Some(v1::phase_piece::Piece::End(v1::PhaseEnd::default()));
    let story = vec![
        prepared(1),
        prepared(1),
        setup(v1::phase_piece::Piece::Rows(given)),
        heartbeat(),
        From::Phase(last),
        heartbeat(),
        From::Started(v1::Started {
            run: run(),
            ..v1::Started::default()
        }),
        heartbeat(),
        From::LeaseRequest(v1::LeaseRequest {
            run: run(),
            scenario: 2,
            want: 5,
            epoch: 1,
        }),
        From::Interval(v1::Interval {
            run: run(),
            sequence: 0,
            ..interval
        }),
        From::Drain(v1::Drain {
            run: run(),
            reason: String::new(),
        }),
        prepared(2),
        heartbeat(),
        From::Log(v1::LogLines {
            run: run(),
            ..v1::LogLines::default()
        }),
        done(),
        done(),
        From::Leave(v1::Leave::default()),
    ];
    let story: Vec<FromAgent> = story
        .into_iter()
        .map(|message| FromAgent {
            message: Some(message),
        })
        .collect();
    vec![row(&story), row(&story[..8])]
}
