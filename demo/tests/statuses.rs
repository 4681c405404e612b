//! Every status the service can answer, on the wire, and what the ledger says of it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::{Client, exactly, quick, start, stuck, until};
use serde_json::{Value, json};
use throng_demo::Options;

const SCHEDULES: &str = "/api/concerts/1/schedules";
const SEATS: &str = "/api/concerts/1/schedules/1/seats";
const RESERVE: &str = "/api/concerts/1/schedules/1/seats/reservation";
const PAY: &str = "/api/concerts/1/schedules/1/seats/reservation/payment";

fn sentence(body: &Value) -> &str {
    body["error"].as_str().unwrap()
}

fn wish(seat: u64, user: u64) -> Value {
    json!({ "concertSeatIds": [seat], "userId": user })
}

fn payment(seat: u64, user: u64, reservation: u64) -> Value {
    json!({ "userId": user, "concertSeatIds": [seat], "concertReservationId": [reservation] })
}

#[tokio::test]
async fn the_whole_flow_is_200_and_the_ledger_tells_it() {
    let demo = start(quick()).await;
    let mut user = Client::of(7, demo.address()).await;
    let schedules = json!({ "schedules": [
        { "concertScheduleId": 1, "date": "2031-01-01" },
        { "concertScheduleId": 2, "date": "2031-01-02" },
    ]});
    assert_eq!(user.get(SCHEDULES).await, (200, schedules));
    let seats = json!({ "seats": [{ "concertSeatId": 1 }, { "concertSeatId": 2 }, { "concertSeatId": 3 }] });
    assert_eq!(user.get(SEATS).await, (200, seats));
    let (status, body) = user.post(RESERVE, wish(2, 7)).await;
    let id = body["concertReservationId"].as_u64().unwrap();
    assert_eq!(status, 200);
    let left = json!({ "seats": [{ "concertSeatId": 1 }, { "concertSeatId": 3 }] });
    assert_eq!(user.get(SEATS).await, (200, left));
    assert_eq!(
        user.post(PAY, payment(2, 7, id)).await,
        (200, json!({ "paidSeatIds": [2] }))
    );

    let (status, ledger) = user.get("/ledger").await;
    assert_eq!(
        (status, &ledger),
        (200, &serde_json::to_value(demo.report()).unwrap())
    );
    assert_eq!(ledger["requests"], 6);
    assert_eq!(ledger["seats_sold"], 1);
    let routes = json!({
        "GET /api/waiting-queue/position": { "200": 1 },
        "GET /api/concerts/{id}/schedules": { "200": 1 },
        "GET /api/concerts/{id}/schedules/{sid}/seats": { "200": 2 },
        "POST /api/concerts/{id}/schedules/{sid}/seats/reservation": { "200": 1 },
        "POST /api/concerts/{id}/schedules/{sid}/seats/reservation/payment": { "200": 1 },
    });
    assert_eq!(ledger["routes"], routes);
    let ms = |name: &str| ledger["latency_ms"][name].as_f64().unwrap();
    assert!(
        0.0 < ms("p50") && ms("p50") <= ms("p90") && ms("p99") <= ms("max") && ms("max") < 10_000.0
    );
}

#[tokio::test]
async fn the_token_is_asked_for_first_401_without_403_when_unknown() {
    let demo = start(quick()).await;
    let mut nobody = Client::to(demo.address()).await;
    let elsewhere = "/api/concerts/99/schedules";
    for (method, path) in [
        ("GET", SCHEDULES),
        ("GET", SEATS),
        ("POST", RESERVE),
        ("POST", PAY),
        ("GET", elsewhere),
    ] {
        let (status, body) = nobody.raw(method, path, &[], "{").await;
        assert!(
            status == 401 && sentence(&body).starts_with("no Token header"),
            "{path}: {status} {body}"
        );
        let (status, body) = nobody.raw(method, path, &[("token", "made up")], "{").await;
        assert_eq!(
            (status, sentence(&body)),
            (403, "the token in the Token header is unknown"),
            "{path}"
        );
    }
    let routes = demo.report().routes;
    assert_eq!(routes["GET /api/concerts/{id}/schedules"]["401"], 2);
    assert_eq!(
        routes["POST /api/concerts/{id}/schedules/{sid}/seats/reservation/payment"]["403"],
        1
    );
    assert_eq!(demo.report().requests, 10);
}

#[tokio::test]
async fn a_token_serves_its_own_user_only() {
    let demo = start(quick()).await;
    let mut one = Client::of(1, demo.address()).await;
    for (path, body) in [(RESERVE, wish(1, 2)), (PAY, payment(1, 2, 1))] {
        let (status, body) = one.post(path, body).await;
        assert_eq!(
            (status, sentence(&body)),
            (403, "the token in the Token header is not user 2's")
        );
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_400_with_a_reason() {
    let demo = start(quick()).await;
    let mut user = Client::of(1, demo.address()).await;
    for (headers, reason) in [
        (&[][..], "the user-id header is missing"),
        (
            &[("user-id", "x")],
            "the user-id header is not a whole number",
        ),
        (
            &[("user-id", "-1")],
            "the user-id header is not a whole number",
        ),
    ] {
        let (status, body) = user
            .raw("GET", "/api/waiting-queue/position", headers, "")
            .await;
        assert_eq!((status, sentence(&body)), (400, reason));
    }
    for (path, body, reason) in [
        (
            RESERVE,
            "",
            "the body: EOF while parsing a value at line 1 column 0",
        ),
        (
            RESERVE,
            "{]",
            "the body: key must be a string at line 1 column 2",
        ),
        (
            RESERVE,
            r#"{"userId":1}"#,
            "the body: missing field `concertSeatIds` at line 1 column 12",
        ),
        (
            RESERVE,
            r#"{"userId":1,"concertSeatIds":[]}"#,
            "the body: concertSeatIds has 0 ids; 1 to 100 are allowed",
        ),
        (
            RESERVE,
            r#"{"userId":1,"concertSeatIds":[2,3,2]}"#,
            "the body: concertSeatIds names 2 twice",
        ),
        (
            RESERVE,
            r#"{"userId":1,"concertSeatIds":[-2]}"#,
            "the body: invalid value: integer `-2`, expected u64 at line 1 column 32",
        ),
        (
            PAY,
            r#"{"userId":1,"concertSeatIds":[1],"concertReservationId":1}"#,
            "the body: invalid type: integer `1`, expected a sequence at line 1 column 57",
        ),
        (
            PAY,
            r#"{"userId":1,"concertSeatIds":[1],"concertReservationId":[]}"#,
            "the body: concertReservationId has 0 ids; 1 to 100 are allowed",
        ),
    ] {
        let (status, answer) = user.post(path, body).await;
        assert_eq!((status, sentence(&answer)), (400, reason), "{body}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let demo = start(quick()).await;
    let mut user = Client::of(1, demo.address()).await;
    for nobody in [0, 201, u64::MAX] {
        let (status, body) = user.token(nobody).await;
        assert_eq!(
            (status, sentence(&body)),
            (404, format!("there is no user {nobody}").as_str())
        );
    }
    for (path, reason) in [
        ("/api/concerts/0/schedules", "there is no such concert"),
        ("/api/concerts/3/schedules", "there is no such concert"),
        ("/api/concerts/one/schedules", "there is no such concert"),
        ("/api/concerts/%FF/schedules", "there is no such concert"),
        (
            "/api/concerts/3/schedules/1/seats",
            "there is no such concert",
        ),
        (
            "/api/concerts/1/schedules/0/seats",
            "this concert has no such schedule",
        ),
        (
            "/api/concerts/1/schedules/3/seats",
            "this concert has no such schedule",
        ),
        (
            "/api/concerts/2/schedules/1/seats",
            "this concert has no such schedule",
        ),
        ("/api", "no such path"),
    ] {
        let (status, body) = user.get(path).await;
        assert_eq!((status, sentence(&body)), (404, reason), "{path}");
    }
    for (path, body, reason) in [
        (
            "/api/concerts/1/schedules/9/seats/reservation",
            wish(1, 1),
            "this concert has no such schedule",
        ),
        (
            "/api/concerts/9/schedules/1/seats/reservation/payment",
            payment(1, 1, 1),
            "there is no such concert",
        ),
        (RESERVE, wish(4, 1), "this schedule has no seat 4"),
        (PAY, payment(1, 1, 1), "this schedule has no reservation 1"),
    ] {
        let (status, answer) = user.post(path, body).await;
        assert_eq!((status, sentence(&answer)), (404, reason), "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_share_one_key() {
    let demo = start(quick()).await;
    let mut client = Client::to(demo.address()).await;
    for n in 0..50 {
        assert_eq!(client.get(&format!("/nowhere/{n}")).await.0, 404);
    }
    let (status, body) = client.post(SEATS, "").await;
    assert_eq!((status, sentence(&body)), (405, "this path takes GET"));
    let report = serde_json::to_value(demo.report()).unwrap();
    assert_eq!(
        report["routes"],
        json!({ "unmatched": { "404": 50, "405": 1 } })
    );
}

#[tokio::test]
async fn a_seat_goes_to_one_user_the_other_gets_409() {
    let demo = start(quick()).await;
    let mut one = Client::of(1, demo.address()).await;
    let mut two = Client::of(2, demo.address()).await;
    let id = one.post(RESERVE, wish(1, 1)).await.1["concertReservationId"]
        .as_u64()
        .unwrap();
    let refused = async |client: &mut Client, path, body, reason: &str| {
        let (status, answer) = client.post(path, body).await;
        assert_eq!((status, sentence(&answer)), (409, reason));
    };
    let gone = "reservation 1 is no longer open: it was paid, or its hold ran out";
    refused(&mut two, RESERVE, wish(1, 2), "seat 1 is taken").await;
    refused(
        &mut two,
        PAY,
        payment(1, 2, id),
        "reservation 1 is another user's",
    )
    .await;
    refused(
        &mut one,
        PAY,
        payment(2, 1, id),
        "concertSeatIds are not the seats of these reservations",
    )
    .await;
    assert_eq!(one.post(PAY, payment(1, 1, id)).await.0, 200);
    refused(&mut one, PAY, payment(1, 1, id), gone).await;
    refused(&mut two, RESERVE, wish(1, 2), "seat 1 is taken").await;
    assert_eq!(demo.report().seats_sold, 1);
}

#[tokio::test]
async fn a_hold_that_ran_out_cannot_be_paid_and_frees_the_seat() {
    let demo = start(Options {
        hold: Duration::ZERO,
        ..quick()
    })
    .await;
    let mut user = Client::of(1, demo.address()).await;
    let id = user.post(RESERVE, wish(1, 1)).await.1["concertReservationId"]
        .as_u64()
        .unwrap();
    assert_eq!(user.post(PAY, payment(1, 1, id)).await.0, 409);
    assert_eq!(
        user.get(SEATS).await.1["seats"].as_array().unwrap().len(),
        3
    );
    assert_eq!(user.post(RESERVE, wish(1, 1)).await.0, 200);
    assert_eq!(demo.report().seats_sold, 0);
}

#[tokio::test]
async fn a_body_beyond_16_kib_is_413() {
    let demo = start(quick()).await;
    let mut user = Client::of(1, demo.address()).await;
    let (status, body) = user.post(RESERVE, " ".repeat(17 * 1024)).await;
    assert_eq!(
        (status, sentence(&body)),
        (413, "the body is larger than 16 KiB")
    );
}

#[tokio::test]
async fn a_lock_fails_a_write_with_500_and_changes_nothing() {
    let demo = start(Options {
        failure_rate: 1.0,
        ..quick()
    })
    .await;
    let mut user = Client::of(1, demo.address()).await;
    let (status, body) = user.post(RESERVE, wish(1, 1)).await;
    assert_eq!(
        (status, sentence(&body)),
        (
            500,
            "the database gave up waiting for a lock; nothing was changed"
        )
    );
    assert_eq!(
        user.get(SEATS).await.1["seats"].as_array().unwrap().len(),
        3
    );
}

#[tokio::test]
async fn a_queue_that_does_not_move_ends_in_500() {
    let demo = start(Options {
        queue_timeout: Duration::from_millis(1),
        ..stuck()
    })
    .await;
    let mut first = Client::to(demo.address()).await;
    first
        .send(
            "GET",
            "/api/waiting-queue/position",
            &[("user-id", "1")],
            "",
        )
        .await;
    until("the first request is being served", || {
        demo.report().requests == 1
    })
    .await;
    let (status, body) = Client::to(demo.address()).await.token(2).await;
    assert_eq!(
        (status, sentence(&body)),
        (500, "no database connection became free in time")
    );
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_499_whether_served_or_queued() {
    let demo = start(stuck()).await;
    let mut clients = Vec::new();
    for n in 1..=3 {
        let mut client = Client::to(demo.address()).await;
        client
            .send(
                "GET",
                "/api/waiting-queue/position",
                &[("user-id", "1")],
                "",
            )
            .await;
        until("the request arrives", || demo.report().requests == n).await;
        clients.push(client);
    }
    assert!(demo.report().routes.is_empty());
    drop(clients);
    let key = "GET /api/waiting-queue/position";
    until("all three are counted", || {
        demo.report()
            .routes
            .get(key)
            .and_then(|statuses| statuses.get("499"))
            == Some(&3)
    })
    .await;
    assert_eq!(demo.report().requests, 3);
}

#[tokio::test]
async fn a_reset_clears_the_ledger_the_seats_and_the_tokens() {
    let demo = start(quick()).await;
    let mut user = Client::of(1, demo.address()).await;
    let id = user.post(RESERVE, wish(1, 1)).await.1["concertReservationId"]
        .as_u64()
        .unwrap();
    assert_eq!(user.post(PAY, payment(1, 1, id)).await.0, 200);
    assert_eq!(
        user.post("/reset", "").await,
        (200, json!({ "reset": true }))
    );
    let nothing = json!({ "requests": 0, "routes": {}, "seats_sold": 0,
        "latency_ms": { "p50": 0.0, "p90": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0 } });
    assert_eq!(user.get("/ledger").await, (200, nothing));
    assert_eq!(user.get(SEATS).await.0, 403);
    let mut user = Client::of(1, demo.address()).await;
    assert_eq!(
        user.get(SEATS).await.1["seats"].as_array().unwrap().len(),
        3
    );
}

#[tokio::test]
async fn only_the_home_page_of_the_house_keeping_routes_is_counted() {
    let demo = start(quick()).await;
    let mut client = Client::to(demo.address()).await;
    assert_eq!(
        client.get("/healthz").await,
        (200, json!({ "status": "ok" }))
    );
    assert_eq!(client.get("/ledger").await.0, 200);
    assert_eq!(client.get("/").await.0, 200);
    let report = serde_json::to_value(demo.report()).unwrap();
    assert_eq!(
        (&report["requests"], &report["routes"]),
        (&json!(1), &json!({ "GET /": { "200": 1 } }))
    );
}

#[tokio::test]
async fn latencies_are_measured_here_and_include_the_queue() {
    let work = Duration::from_millis(60);
    let demo = start(Options {
        connections: 1,
        service: exactly(work),
        ..quick()
    })
    .await;
    let (mut one, mut two) = (
        Client::to(demo.address()).await,
        Client::to(demo.address()).await,
    );
    let (one, two) = tokio::join!(one.token(1), two.token(2));
    assert_eq!((one.0, two.0), (200, 200));
    let latency = demo.report().latency_ms;
    assert!(latency.p50 >= 60.0 && latency.max >= 110.0, "{latency:?}");
}
