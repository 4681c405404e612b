//! A thousand agents on one director, in virtual time: it reads no clock, so how fast this machine is does not matter.

use crate::fake::{SECOND, bundle};
use metrics::{Interval, Metric, Series, Tags, Trend, Value};
use proto::v1::from_agent::Message as From;
use proto::v1::run_event::Event;
use proto::v1::to_agent::Message as To;
use proto::v1::{self, ScenarioTotals};
use std::sync::Arc;
use throng_controller::active::Order;
use throng_controller::director::{Director, Input};
use throng_controller::link::{Link, OUTBOX, Outgoing};
use throng_controller::report::FleetEvent;
use throng_controller::run::{AgentId, Needs};
use throng_controller::service_fleet;
use throng_controller::weights::Weights;
use throng_controller::{Config, Report};
use tokio::sync::{mpsc, oneshot};

const AGENTS: u64 = 1_000;
/// Of load.
const SECONDS: u64 = 12;
/// One VU each.
const CROWD: &str = "
scenarios:
  main: { executor: constant-vus, vus: 1000, duration: 12s, gracefulStop: 1s }
flows:
  default: [{ get: 'http://127.0.0.1:9/' }]
";
const STEP: u64 = SECOND / 10;

struct Agent {
    id: AgentId,
    connection: u64,
    link: Arc<Link>,
    inbox: mpsc::Receiver<Outgoing>,
    seat: u32,
    t0: Option<u64>,
    sent: u64,
    acknowledged: Option<u64>,
    dead: bool,
    over: bool,
}

struct Crowd {
    director: Director,
    agents: Vec<Agent>,
    run: String,
    digest: Vec<u8>,
    now: u64,
}

impl Crowd {
    fn say(&mut self, number: usize, message: From) {
        let agent = &self.agents[number];
        let input =
            service_fleet::input(&agent.link, agent.connection, agent.id, message, self.now);
        if let Some(input) = input {
            self.director.take(self.now, input);
        }
    }

    /// What an agent does about what it was told.
    fn hear(&mut self, number: usize) {
        while let Ok(message) = self.agents[number].inbox.try_recv() {
            let agent = &mut self.agents[number];
            match message.unwrap().message.unwrap() {
                To::Assign(assign) => {
                    agent.seat = assign.seat;
                    let prepared = v1::Prepared {
                        run: self.run.clone(),
                        epoch: assign.epoch,
                        digest: self.digest.clone(),
                        ..v1::Prepared::default()
                    };
                    self.say(number, From::Prepared(prepared));
                }
                To::Go(go) => agent.t0 = Some(go.t0_ns),
                To::Ack(ack) => agent.acknowledged = Some(ack.sequence),
                To::Closed(_) => agent.over = true,
                _ => {}
            }
        }
    }

    fn totals(&self, number: usize) -> Vec<ScenarioTotals> {
        let agent = &self.agents[number];
        vec![ScenarioTotals {
            scenario: "main".to_owned(),
            begun: 10 * agent.sent,
            completed: 10 * agent.sent,
            requests: 10 * agent.sent,
            vu_ns: agent.sent * SECOND,
            ..ScenarioTotals::default()
        }]
    }

    fn interval(&self, number: usize) -> v1::Interval {
        let agent = &self.agents[number];
        let mut durations = Trend::new(Metric::HttpReqDuration.resolution());
        (1..=10).for_each(|ms| durations.record(ms * 1_000_000));
        let from = i64::try_from(agent.sent * SECOND).unwrap();
        let interval = Interval {
            agent: agent.seat,
            incarnation: number as u64 + 1,
            sequence: agent.sent,
            from,
            to: from + SECOND as i64,
            series: vec![Series {
                tags: Tags::default().with("scenario", "main"),
                values: vec![
                    (Metric::HttpReqs, Value::counter(10.0)),
                    (Metric::HttpReqDuration, Value::trend(durations)),
                ],
            }],
        };
        proto::convert::to_wire(&self.run, &interval)
    }

    /// A tenth of a second of everybody.
    fn step(&mut self) {
        self.now += STEP;
        self.director.tick(self.now);
        for number in 0..self.agents.len() {
            if self.agents[number].dead {
                continue;
            }
            self.hear(number);
            let agent = &self.agents[number];
            let run_ns = agent.t0.and_then(|t0| self.now.checked_sub(t0));
            // Not all at once.
            if (self.now / STEP + number as u64).is_multiple_of(5) && !agent.over {
                let heartbeat = v1::Heartbeat {
                    sent_ns: self.now,
                    run: self.run.clone(),
                    totals: self.totals(number),
                    epoch: u32::MAX,
                    vus: 1,
                    ..v1::Heartbeat::default()
                };
                self.say(number, From::Heartbeat(heartbeat));
            }
            let Some(run_ns) = run_ns else { continue };
            while self.agents[number].sent < SECONDS.min(run_ns / SECOND) {
                let interval = self.interval(number);
                self.agents[number].sent += 1;
                self.say(number, From::Interval(interval));
                if self.agents[number].sent == SECONDS {
                    let done = v1::Done {
                        run: self.run.clone(),
                        totals: self.totals(number),
                        intervals: SECONDS,
                        ..v1::Done::default()
                    };
                    self.say(number, From::Done(done));
                }
            }
        }
    }
}

fn crowd() -> (Crowd, tokio::sync::broadcast::Receiver<v1::RunEvent>) {
    let now = 1_000 * SECOND;
    let mut director = Director::new(Config::default());
    let mut agents = Vec::new();
    for connection in 1..=AGENTS {
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        let link = Arc::new(Link::new(outbox, now));
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
        agents.push(Agent {
            id: answer.try_recv().unwrap().unwrap(),
            connection,
            link,
            inbox,
            seat: 0,
            t0: None,
            sent: 0,
            acknowledged: None,
            dead: false,
            over: false,
        });
    }
    let plan = plan::compile(&bundle(CROWD)).unwrap();
    let digest = plan.digest().to_vec();
    let order = Order {
        id: String::new(),
        name: "f.yaml".to_owned(),
        seed: 1,
        unix_ms: 0,
        bundle: b"{}".to_vec(),
        needs: Needs {
            expect: AGENTS as u32,
            min: 1,
            wait: 10 * SECOND,
            preflight: false,
            on_loss: plan.options.on_agent_loss,
        },
        plan,
        weights: Weights::Equal,
    };
    let (reply, mut answer) = oneshot::channel();
    director.take(now, Input::Start(Box::new(order), false, reply));
    let run = answer.try_recv().unwrap().unwrap().run;
    let (reply, mut answer) = oneshot::channel();
    director.take(now, Input::Watch(run.clone(), reply));
    let events = answer.try_recv().unwrap().unwrap().1.unwrap();
    let crowd = Crowd {
        director,
        agents,
        run,
        digest,
        now,
    };
    (crowd, events)
}

#[test]
fn a_thousand_agents_of_which_ten_die_are_directed_and_add_up() {
    let (mut crowd, mut events) = crowd();
    let mut over = None;
    for step in 0..400 {
        crowd.step();
        if step == 40 {
            for agent in crowd.agents.iter_mut().step_by(100) {
                assert!(agent.t0.is_some(), "load has begun");
                agent.dead = true;
            }
        }
        while let Ok(event) = events.try_recv() {
            if let Some(Event::Over(end)) = event.event {
                over = Some(end);
            }
        }
        if over.is_some() {
            break;
        }
    }
    // The last acknowledgements.
    crowd.step();
    let report: Report = serde_json::from_slice(&over.expect("it ends").report).unwrap();
    assert_eq!(report.agents.len() as u64, AGENTS);
    let lost: Vec<&str> = report
        .fleet
        .iter()
        .filter(|change| change.event == FleetEvent::Lost)
        .map(|change| change.agent.as_str())
        .collect();
    let dead: Vec<String> = (0..10).map(|n| format!("a{}", 100 * n + 1)).collect();
    assert_eq!(lost, dead);
    let left = report.fleet.iter().map(|change| change.agents).min();
    assert_eq!(left, Some(AGENTS as u32 - 10));
    // Whatever came was merged and acknowledged, once, of the living and of the dead.
    let sent: u64 = crowd.agents.iter().map(|agent| agent.sent).sum();
    let living = crowd.agents.iter().filter(|agent| !agent.dead);
    for agent in living {
        assert_eq!(agent.acknowledged, Some(SECONDS - 1));
    }
    assert_eq!(report.conservation.completeness.merged, sent);
    assert_eq!(
        report.metrics["http_reqs"].values["count"],
        10.0 * sent as f64
    );
    assert_eq!(report.conservation.requests.unaccounted, 0);
}
