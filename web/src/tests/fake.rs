//! A controller that is none: it writes down what it is asked, and tells watchers what the test says.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::page::{Backing, Scenario, Tokens, Wanted};
use proto::bundle::StartJoiner;
use proto::v1::control_server::Control;
use proto::v1::{self, RunEvent, RunInfo, RunOver, RunState, StartChunk, run_event};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use trust::Token;
use trust::token::hex;

/// A run that goes on,
pub(crate) const ON: &str = "r-on";
/// and one that is over.
pub(crate) const OVER: &str = "r-over";

/// What it was asked, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Start(v1::StartHead, Vec<u8>),
    Stop(v1::StopRequest),
    Change(v1::ChangeRequest),
}

/// The controller.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    asked: Mutex<Vec<Asked>>,
    watchers: Mutex<Vec<mpsc::Sender<Result<RunEvent, Status>>>>,
}

impl Fake {
    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn write_down(&self, asked: Asked) {
        self.asked.lock().unwrap().push(asked);
    }

    /// Tells every watcher of the run that goes on; waits for slow ones.
    pub(crate) async fn tell(&self, event: run_event::Event) {
        let watchers = self.watchers.lock().unwrap().clone();
        for watcher in watchers {
            let event = Some(event.clone());
            // One that has gone is told nothing.
            let _ = watcher.send(Ok(RunEvent { event })).await;
        }
    }

    /// Ends, as far as watchers can tell.
    pub(crate) fn end(&self) {
        self.watchers.lock().unwrap().clear();
    }

    /// How many watch.
    pub(crate) fn watched(&self) -> usize {
        let watchers = self.watchers.lock().unwrap();
        watchers
            .iter()
            .filter(|watcher| !watcher.is_closed())
            .count()
    }
}

/// The end of a run.
pub(crate) fn over() -> run_event::Event {
    run_event::Event::Over(RunOver {
        report: br#"{"exit":{"code":0}}"#.to_vec(),
        exit_code: 0,
        text: String::new(),
    })
}

fn known(run: &str) -> Result<(), Status> {
    match run {
        ON | OVER => Ok(()),
        _ => Err(Status::not_found(format!("no run is called {run}"))),
    }
}

#[tonic::async_trait]
impl Control for Fake {
    type WatchStream = ReceiverStream<Result<RunEvent, Status>>;

    async fn start(
        &self,
        request: Request<Streaming<StartChunk>>,
    ) -> Result<Response<v1::StartReply>, Status> {
        let mut stream = request.into_inner();
        let mut joiner = StartJoiner::default();
        while let Some(chunk) = stream.message().await? {
            joiner.push(chunk).unwrap();
        }
        let (head, bundle) = joiner.finish().unwrap();
        self.write_down(Asked::Start(head, bundle));
        Ok(Response::new(v1::StartReply {
            run: "r-new".into(),
            queued_behind: 2,
        }))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let run = request.into_inner().run;
        known(&run)?;
        let (send, receive) = mpsc::channel(1);
        if run == OVER {
            let event = Some(over());
            send.send(Ok(RunEvent { event })).await.unwrap();
        } else {
            self.watchers.lock().unwrap().push(send);
        }
        Ok(Response::new(ReceiverStream::new(receive)))
    }

    async fn stop(
        &self,
        request: Request<v1::StopRequest>,
    ) -> Result<Response<v1::StopReply>, Status> {
        let request = request.into_inner();
        known(&request.run)?;
        let was_running = request.run == ON;
        self.write_down(Asked::Stop(request));
        Ok(Response::new(v1::StopReply { was_running }))
    }

    async fn change(
        &self,
        request: Request<v1::ChangeRequest>,
    ) -> Result<Response<v1::ChangeReply>, Status> {
        let request = request.into_inner();
        known(&request.run)?;
        if request.run == OVER {
            return Err(Status::invalid_argument("run r-over is over"));
        }
        self.write_down(Asked::Change(request));
        Ok(Response::new(v1::ChangeReply {
            version: 1,
            from_ns: 2_500_000_000,
            run_ns: 1_000_000_000,
            text: "changed".into(),
            agents: 1,
        }))
    }

    async fn agents(
        &self,
        _: Request<v1::AgentsRequest>,
    ) -> Result<Response<v1::AgentsReply>, Status> {
        let agent = v1::AgentInfo {
            name: "paris-1".into(),
            labels: HashMap::from([("zone".into(), "eu".into())]),
            rtt_ns: 1_250_000,
            ..v1::AgentInfo::default()
        };
        Ok(Response::new(v1::AgentsReply {
            agents: vec![agent],
            refused: Vec::new(),
        }))
    }

    async fn runs(&self, _: Request<v1::RunsRequest>) -> Result<Response<v1::RunsReply>, Status> {
        let run = |run: &str, state: RunState, started_unix_ms, exit_code| RunInfo {
            run: run.into(),
            name: "x.yaml".into(),
            state: state.into(),
            started_unix_ms,
            duration_ms: 5,
            agents: 1,
            exit_code,
        };
        Ok(Response::new(v1::RunsReply {
            runs: vec![
                run(OVER, RunState::StateOver, 1000, 99),
                run(ON, RunState::StateLoad, 2000, -1),
            ],
        }))
    }
}

/// Rooms that understand one scenario: any but `bad`.
#[derive(Debug)]
pub(crate) struct FakeRooms;

impl Backing for FakeRooms {
    fn bundle(&self, wanted: Wanted) -> Result<Vec<u8>, String> {
        match wanted.source.as_str() {
            "bad" => Err("error: a scenario file needs `flows`\n".into()),
            "broken" => panic!("a bug in what compiles"),
            _ => Ok(format!("{wanted:?}").into_bytes()),
        }
    }

    fn report(&self, json: &[u8]) -> Result<String, String> {
        Ok(format!("report of {} bytes\n", json.len()))
    }

    fn scenarios(&self) -> Vec<Scenario> {
        vec![Scenario {
            name: "a.yaml",
            source: "flows: {}",
        }]
    }
}

/// A book of three tokens: an operator's, an agent's, and any other, which it does not know.
#[derive(Debug, Default)]
pub(crate) struct FakeBook {
    pub(crate) revoked: AtomicBool,
    pub(crate) asked: Mutex<u32>,
}

pub(crate) fn token(id: u8) -> String {
    let token = Token {
        authority: [0; 32],
        id: [id; 8],
        secret: [9; 32],
    };
    token.text()
}

pub(crate) const OPERATORS: u8 = 1;
pub(crate) const AGENTS: u8 = 2;

impl Tokens for FakeBook {
    fn admit(&self, token: &Token) -> Result<(), String> {
        *self.asked.lock().unwrap() += 1;
        match token.id[0] {
            OPERATORS => Ok(()),
            AGENTS => Err("this join token is for an agent".into()),
            _ => Err(format!("no such token: {}", hex(&token.id))),
        }
    }

    fn is_revoked(&self, _: [u8; 8]) -> bool {
        self.revoked.load(Ordering::Relaxed)
    }
}
