//! Agents and controllers of different versions of the wire refuse each other, aloud.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, said, throng};
use proto::v1::fleet_client::FleetClient;
use proto::v1::fleet_server::{Fleet, FleetServer};
use proto::v1::{FromAgent, Hello, Refused, ToAgent, from_agent, to_agent};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

async fn dial(url: &str) -> tonic::transport::Channel {
    tonic::transport::Endpoint::from_shared(url.to_owned())
        .unwrap()
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_controller_refuses_an_agent_of_another_version() {
    let controller = tokio::task::spawn_blocking(Controller::start)
        .await
        .unwrap();
    let mut client = FleetClient::new(dial(&controller.url).await);
    let hello = Hello {
        protocol: proto::PROTOCOL + 1,
        version: "9.9.9".to_owned(),
        name: "from-the-future".to_owned(),
        workers: 1,
        ..Hello::default()
    };
    let first = FromAgent {
        message: Some(from_agent::Message::Hello(hello)),
    };
    // The stream stays open, as an agent's would.
    let (send, receive) = tokio::sync::mpsc::channel(1);
    send.send(first).await.unwrap();
    let mut answers = client
        .join(ReceiverStream::new(receive))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message.unwrap();
    let to_agent::Message::Refused(refused) = answer else {
        panic!("{answer:?}")
    };
    assert!(!refused.retry, "it would be refused again");
    for part in [
        proto::PROTOCOL.to_string(),
        (proto::PROTOCOL + 1).to_string(),
    ] {
        assert!(refused.reason.contains(&part), "{}", refused.reason);
    }
}

struct OfAnotherVersion;

#[tonic::async_trait]
impl Fleet for OfAnotherVersion {
    type JoinStream = ReceiverStream<Result<ToAgent, Status>>;

    async fn join(
        &self,
        _: Request<Streaming<FromAgent>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let (send, receive) = tokio::sync::mpsc::channel(1);
        let refused = Refused {
            reason: "this controller speaks version 9 of the wire, the agent version 1".to_owned(),
            retry: false,
        };
        send.send(Ok(ToAgent {
            message: Some(to_agent::Message::Refused(refused)),
        }))
        .await
        .unwrap();
        Ok(Response::new(ReceiverStream::new(receive)))
    }
}

#[tokio::test]
async fn a_refused_agent_says_why_and_ends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(FleetServer::new(OfAnotherVersion))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    let output = tokio::task::spawn_blocking(move || {
        throng(&["agent", "--controller", &url]).output().unwrap()
    })
    .await
    .unwrap();
    let said = said(&output);
    assert_eq!(said.code, 122, "{}", said.err);
    assert!(said.err.contains("version 9 of the wire"), "{}", said.err);
    server.abort();
}
