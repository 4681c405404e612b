//! Beginning, ending, and many at once.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{collections::BTreeMap, io::ErrorKind, time::Duration};

use common::{Client, quick, start, stuck, until};
use serde_json::{Value, json};
use throng_demo::{Options, Report};
use tokio::net::{TcpListener, TcpStream};

const SEATS: &str = "/api/concerts/1/schedules/1/seats";

fn count(report: &Report, status: &str) -> u64 {
    report
        .routes
        .values()
        .filter_map(|statuses| statuses.get(status))
        .sum()
}

fn total(report: &Report) -> u64 {
    report.routes.values().flat_map(BTreeMap::values).sum()
}

/// Takes listed seats and pays for them until `sold` are his or none is left; gives the seats.
async fn greedy(user: u64, demo: std::net::SocketAddr, most: usize) -> (Vec<u64>, u64) {
    let mut client = Client::of(user, demo).await;
    let (mut mine, mut requests) = (Vec::new(), 1);
    while mine.len() < most {
        assert!(requests < 10_000, "seats come back for ever");
        let (status, body) = client.get(SEATS).await;
        assert_eq!(status, 200);
        requests += 1;
        let listing = body["seats"].as_array().unwrap();
        // Everybody wants the first seat: as many conflicts as can be.
        let Some(seat) = listing
            .first()
            .map(|seat| seat["concertSeatId"].as_u64().unwrap())
        else {
            break;
        };
        let reservation = format!("{SEATS}/reservation");
        let (status, body) = client
            .post(
                &reservation,
                json!({ "concertSeatIds": [seat], "userId": user }),
            )
            .await;
        requests += 1;
        if status == 409 {
            continue;
        }
        let ids: Vec<&Value> = vec![&body["concertReservationId"]];
        let wish = json!({ "userId": user, "concertSeatIds": [seat], "concertReservationId": ids });
        let (status, body) = client.post(&format!("{reservation}/payment"), wish).await;
        requests += 1;
        assert_eq!(status, 200, "{body}");
        mine.push(seat);
    }
    (mine, requests)
}

async fn crowd(options: Options, most: usize) -> (Vec<u64>, Report) {
    let demo = start(options).await;
    let address = demo.address();
    let tasks: Vec<_> = (1..=40)
        .map(|user| tokio::spawn(greedy(user, address, most)))
        .collect();
    let (mut seats, mut requests) = (Vec::new(), 0);
    for task in tasks {
        let (mine, asked) = task.await.unwrap();
        seats.extend(mine);
        requests += asked;
    }
    let report = demo.stop().await;
    assert_eq!((report.requests, total(&report)), (requests, requests));
    assert_eq!(report.seats_sold, seats.len() as u64);
    (seats, report)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_buys_every_seat_once() {
    let (mut seats, _) = crowd(
        Options {
            seats: 150,
            workers: 2,
            ..quick()
        },
        usize::MAX,
    )
    .await;
    seats.sort_unstable();
    assert_eq!(seats, (1..=150).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_never_empties_a_fast_hall_and_no_seat_is_sold_twice() {
    let (mut seats, report) = crowd(
        Options {
            workers: 2,
            ..Options::fast()
        },
        20,
    )
    .await;
    assert_eq!(seats.len(), 800);
    seats.sort_unstable();
    seats.dedup();
    assert_eq!(seats.len(), 800);
    // Every listing shows other seats, so that nobody is in another's way.
    assert_eq!(count(&report, "409"), 0);
}

#[tokio::test]
async fn an_idle_demo_stops_at_once_and_closes_its_port() {
    let demo = start(Options {
        workers: 3,
        drain: Duration::from_secs(3_600),
        ..quick()
    })
    .await;
    let address = demo.address();
    let mut client = Client::of(1, address).await;
    assert_eq!(client.get(SEATS).await.0, 200);
    let report = demo.stop().await;
    assert_eq!(report.requests, 2);
    assert_eq!(
        TcpStream::connect(address).await.unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

#[tokio::test]
async fn a_stop_cuts_what_outlasts_the_drain_and_counts_it() {
    let demo = start(stuck()).await;
    let mut client = Client::to(demo.address()).await;
    client
        .send(
            "GET",
            "/api/waiting-queue/position",
            &[("user-id", "1")],
            "",
        )
        .await;
    until("the request arrives", || demo.report().requests == 1).await;
    let report = demo.stop().await;
    assert_eq!((report.requests, count(&report, "499")), (1, 1));
}

#[tokio::test]
async fn serve_ends_with_its_shutdown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(throng_demo::serve(listener, quick(), async {
        let _ = told.await;
    }));
    assert_eq!(Client::to(address).await.token(1).await.0, 200);
    tell.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_taken_port_and_a_bad_option_are_errors() {
    let demo = start(quick()).await;
    let error = throng_demo::start(demo.address(), quick())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let bad = Options {
        workers: 0,
        ..quick()
    };
    let error = throng_demo::start(([127, 0, 0, 1], 0).into(), bad)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "demo: workers is 0; it must lie between 1 and 1024"
    );
}
