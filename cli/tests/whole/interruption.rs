//! Ctrl-C: the report still equals the ledger, requests that were cut have their own count, and a second Ctrl-C leaves at once.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Demo, Folder, Standing, repository, throng};
use crate::counts::{count, reported};
use proto::v1::control_server::{Control, ControlServer};
use proto::v1::{
    AgentsReply, AgentsRequest, ChangeReply, ChangeRequest, RunEvent, RunsReply, RunsRequest,
    StartChunk, StartReply, StopReply, StopRequest, WatchRequest,
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

#[test]
fn interrupted_in_the_middle_nothing_is_lost_and_nothing_counted_twice() {
    for agents in ["1", "3"] {
        let demo = Demo::fast();
        let folder = Folder::new(&format!("interrupted-{agents}"));
        let run = Standing::start(throng(&[
            "run",
            &repository("cli/tests/scenarios/rush.yaml"),
            "--base-url",
            &demo.url(),
            "--agents",
            agents,
            "--summary",
            &folder.file("s.json"),
            "--compat",
            "k6",
            // Longer than this test's patience: only the interruption ends it.
            "-s",
            "200ms:20",
            "-s",
            "10m:20",
        ]));
        run.until(|line| line.contains("requests").then_some(()));
        crate::common::wait_for(|| demo.ledger()["requests"].as_u64().unwrap() > 500);
        run.interrupt();
        let said = run.end();
        assert_eq!(said.code, 105, "{}", said.err);
        assert!(
            said.out.contains("http_reqs"),
            "the report is printed\n{}",
            said.out
        );

        let summary = folder.json("s.json");
        let truth = demo.ledger();
        let cut = summary["conservation"]["requests"]["cut"].as_u64().unwrap();
        let (counted, happened) = (
            count(&summary, "http_reqs"),
            truth["requests"].as_u64().unwrap(),
        );
        assert!(
            counted <= happened && happened <= counted + cut,
            "{counted} + at most {cut} cut, {happened} happened"
        );
        // The service marks what was cut while it worked on it with 499; what it had answered already it cannot tell.
        for ((route, status), seen) in reported(&summary) {
            let there = truth["routes"][&route][&status].as_u64().unwrap_or(0);
            assert!(
                seen <= there && there <= seen + cut,
                "{route} {status}: reported {seen}, ledger {there}, cut {cut}"
            );
        }
    }
}

/// A controller that starts a run and never ends it, whatever it is asked.
struct Deaf;

#[tonic::async_trait]
impl Control for Deaf {
    type WatchStream = ReceiverStream<Result<RunEvent, Status>>;

    async fn start(
        &self,
        _: Request<Streaming<StartChunk>>,
    ) -> Result<Response<StartReply>, Status> {
        Ok(Response::new(StartReply {
            run: "endless".to_owned(),
            queued_behind: 0,
        }))
    }

    async fn change(&self, _: Request<ChangeRequest>) -> Result<Response<ChangeReply>, Status> {
        Err(Status::unimplemented("deaf"))
    }

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (send, receive) = tokio::sync::mpsc::channel(1);
        // Held open for as long as anybody watches.
        tokio::spawn(async move { send.closed().await });
        Ok(Response::new(ReceiverStream::new(receive)))
    }

    async fn stop(&self, _: Request<StopRequest>) -> Result<Response<StopReply>, Status> {
        Ok(Response::new(StopReply { was_running: true }))
    }

    async fn agents(&self, _: Request<AgentsRequest>) -> Result<Response<AgentsReply>, Status> {
        Ok(Response::new(AgentsReply::default()))
    }

    async fn runs(&self, _: Request<RunsRequest>) -> Result<Response<RunsReply>, Status> {
        Ok(Response::new(RunsReply::default()))
    }
}

#[tokio::test]
async fn a_second_interruption_leaves_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(ControlServer::new(Deaf))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    let said = tokio::task::spawn_blocking(move || {
        let mut run = Standing::start(throng(&[
            "run",
            "http://127.0.0.1:9/",
            "--controller",
            &url,
        ]));
        run.until(|line| line.contains("run endless").then_some(()));
        run.interrupt();
        run.until(|line| line.contains("interrupting the run").then_some(()));
        // Pressed until it is a second time and not the echo of the first.
        crate::common::wait_for(|| {
            run.interrupt();
            run.ended()
        });
        run.end()
    })
    .await
    .unwrap();
    assert_eq!((said.code, said.out.as_str()), (105, ""), "{}", said.err);
    assert!(
        said.err.contains("interrupted twice: leaving at once"),
        "{}",
        said.err
    );
    server.abort();
}
