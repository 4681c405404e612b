//! The link against a controller on the loopback and a crew that does nothing: whole stories.

#![expect(clippy::unwrap_used, reason = "tests")]

mod changes;
mod fakes;
mod handover;
mod lines;
mod phases;
mod runs;
mod spool;

use super::Link;
use super::dial::Way;
use crate::config::{Access, Config, Ended, Error, Spooling};
use crate::crew::{Report, StopHow};
use crate::glance::Glance;
use crate::http::Bounds;
use crate::run::hello;
use fakes::{AHEAD, Connection, Controller, FakeLoad, Mustered, Told, soon};
use metrics::{Metric, Series, Tags, Value};
use proto::v1::from_agent::Message as From;
use proto::v1::to_agent::Message as To;
use proto::v1::{
    Ack, Assign, Go, Goodbye, Grant, Interval, LogLine, Prepared, ProblemKind, Refused, RunClosed,
    StopMode, StopRun,
};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

const SECOND: i64 = 1_000_000_000;
/// A lease that does not run out in a test.
const LONG: u32 = 60_000;
/// Others have a third of it to take over.
const DRAIN: Duration = Duration::from_millis(900);

struct Agent {
    load: FakeLoad,
    crews: mpsc::UnboundedReceiver<Mustered>,
    shutdown: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<Result<Ended, Error>>,
    glance: Glance,
}

impl Agent {
    fn start(url: &str, give_up: Duration) -> Self {
        Self::spooling(url, give_up, None)
    }

    fn spooling(url: &str, give_up: Duration, spool: Option<Spooling>) -> Self {
        let glance = Glance::default();
        let config = Config {
            controller: url.to_owned(),
            name: "a".to_owned(),
            labels: [("zone".to_owned(), "eu".to_owned())].into(),
            workers: 2,
            give_up,
            drain: DRAIN,
            access: Access::default(),
            bounds: Bounds::default(),
            enlisted: std::sync::Arc::default(),
            glance: Some(glance.clone()),
            spool,
        };
        let (load, crews) = FakeLoad::new();
        let way = Way::new(url, &config.access).unwrap();
        let hello = hello(&config, 42);
        let link = Link::new(load.clone(), config, way, hello, 1);
        let (shutdown, told) = oneshot::channel();
        let ended = tokio::task::spawn_local(link.run(told));
        Self {
            load,
            crews,
            shutdown,
            ended,
            glance,
        }
    }

    async fn crew(&mut self) -> Mustered {
        soon("a crew", self.crews.recv()).await.unwrap()
    }

    /// Waits until its page has this line.
    async fn shows(&self, line: &str) {
        let shown = async {
            while !self.glance.text().lines().any(|shown| shown == line) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(line, shown).await;
    }

    async fn ended(self) -> Result<Ended, Error> {
        soon("the agent's end", self.ended).await.unwrap()
    }
}

/// Runs a story on one thread.
fn story(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, story);
}

fn bundle(source: &str) -> Vec<u8> {
    let bundle = plan::Bundle {
        name: "s.yaml".to_owned(),
        source: source.to_owned(),
        ..plan::Bundle::default()
    };
    serde_json::to_vec(&bundle).unwrap()
}

fn sound() -> String {
    plan::one_request("http://127.0.0.1/")
}

/// Hands a part over, seat 1 of 3, and gives the answer.
async fn assign(line: &mut Connection, run: &str, epoch: u32, source: &str) -> Prepared {
    for chunk in proto::bundle::chunks(run, &bundle(source)) {
        line.send(To::Bundle(chunk)).await;
    }
    line.send(To::Assign(Assign {
        run: run.to_owned(),
        epoch,
        seat: 1,
        weights: vec![1, 1, 1],
        preflight: true,
        ..Assign::default()
    }))
    .await;
    match line.next().await {
        From::Prepared(prepared) => prepared,
        other => panic!("{other:?} is no answer"),
    }
}

/// Leads an agent into the load of run r; takes `Started` off the line.
async fn load(agent: &mut Agent, line: &mut Connection) -> Mustered {
    let answer = assign(line, "r", 1, &sound()).await;
    assert_eq!(answer.problem, "");
    let t0_ns = crate::clock::boot_ns() + AHEAD;
    line.send(To::Go(Go {
        run: "r".to_owned(),
        t0_ns,
    }))
    .await;
    let crew = agent.crew().await;
    let From::Started(started) = line.next().await else {
        panic!("no word of the beginning")
    };
    // Their clocks differ by AHEAD, give or take half a round trip.
    let late = i128::from(started.at_ns) - i128::from(t0_ns);
    assert!(
        late >= -i128::from(started.uncertainty_ns),
        "began {late} ns after T0"
    );
    crew
}

fn seen(second: i64, requests: f64) -> Report {
    Report::Interval {
        from: second * SECOND,
        to: (second + 1) * SECOND,
        series: vec![Series {
            tags: Tags::default(),
            values: vec![(Metric::HttpReqs, Value::counter(requests))],
        }],
    }
}

async fn interval(line: &mut Connection) -> Interval {
    match line.next().await {
        From::Interval(interval) => interval,
        other => panic!("{other:?} is no interval"),
    }
}

fn ack(sequence: u64) -> To {
    To::Ack(Ack {
        run: "r".to_owned(),
        sequence,
    })
}

fn closed() -> To {
    To::Closed(RunClosed {
        run: "r".to_owned(),
    })
}

async fn go_home(agent: Agent, line: &Connection) {
    line.send(To::Goodbye(Goodbye::default())).await;
    assert_eq!(agent.ended().await.unwrap(), Ended::Goodbye);
}

#[test]
fn a_moment_before_this_machines_boot_is_as_good_as_any() {
    const BEFORE: i64 = 1_000_000_000_000_000;
    let reads = crate::clock::boot_ns();
    let then = super::instant(-BEFORE);
    let passed = crate::clock::now() - then;
    assert!(passed.as_nanos() >= u128::from(reads + BEFORE.unsigned_abs()));
}
