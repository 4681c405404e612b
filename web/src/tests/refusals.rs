//! What is refused before anybody is asked: what comes from other sites, under other names, without the secret, or too large.

use super::fake::{ON, OVER};
use super::rig::{Rig, get, with};
use axum::body::Body;
use axum::http::{Method, Request};

const GETS: [&str; 7] = [
    "/api/session",
    "/api/agents",
    "/api/runs",
    "/api/scenarios",
    "/api/runs/r-over/events",
    "/api/runs/r-over/report.json",
    "/api/runs/r-over/report.txt",
];

/// Every route that changes something, with a body that it takes.
const POSTS: [(&str, &str); 8] = [
    ("/api/login", r#"{"token":""}"#),
    ("/api/logout", "{}"),
    ("/api/runs", r#"{"source":"flows"}"#),
    ("/api/runs/r-on/stop", r#"{"mode":"interrupt"}"#),
    ("/api/runs/r-on/pause", "{}"),
    ("/api/runs/r-on/resume", "{}"),
    ("/api/runs/r-on/scale", r#"{"factor":2}"#),
    ("/api/runs/r-on/annotate", r#"{"text":"a"}"#),
];

/// What a page on another site can make a browser send, and what its own tools can.
const FOREIGN: [(&str, &str, u16); 9] = [
    ("host", "evil.test", 421),
    ("host", "evil.test:7480", 421),
    ("host", "", 400),
    ("origin", "http://evil.test", 403),
    ("origin", "null", 403),
    ("origin", "http://127.0.0.1:80", 403),
    ("sec-fetch-site", "cross-site", 403),
    ("sec-fetch-site", "same-site", 403),
    ("sec-fetch-site", "anything", 403),
];

#[tokio::test]
async fn nothing_is_told_to_pages_of_other_sites() {
    let rig = Rig::open();
    for path in GETS {
        assert_eq!(rig.get(path).await.status, 200, "{path}");
        for (name, value, status) in FOREIGN {
            let answer = rig.send(with(get(path), name, value)).await;
            assert_eq!(answer.status, status, "{path} {name}: {value}");
            assert!(answer.json()["error"].is_string());
        }
    }
    // Links to the page from elsewhere work; its name must be its own all the same.
    let link = with(get("/"), "sec-fetch-site", "cross-site");
    assert_eq!(rig.send(link).await.status, 200);
    assert_eq!(
        rig.send(with(get("/"), "host", "evil.test")).await.status,
        421
    );
    let named = with(get("/"), "host", "THRONG.test:7480");
    assert_eq!(rig.send(named).await.status, 200);
}

#[tokio::test]
async fn nothing_is_changed_by_pages_of_other_sites() {
    let rig = Rig::open();
    let more = [
        ("x-throng-csrf", "", 403),
        ("x-throng-csrf", "guess", 403),
        ("content-type", "", 415),
        // What forms and simple requests can say.
        ("content-type", "text/plain", 415),
        ("content-type", "application/x-www-form-urlencoded", 415),
        ("content-type", "multipart/form-data; boundary=x", 415),
    ];
    for (path, body) in POSTS {
        for (name, value, status) in FOREIGN.into_iter().chain(more) {
            let answer = rig.send(with(rig.posted(path, body), name, value)).await;
            assert_eq!(answer.status, status, "{path} {name}: {value}");
        }
    }
    assert_eq!(rig.fake.asked(), [], "nobody was asked for anything");
    for (path, body) in POSTS {
        let own = with(rig.posted(path, body), "sec-fetch-site", "same-origin");
        let own = with(own, "origin", "http://127.0.0.1:7480");
        let answer = rig.send(own).await;
        assert!(
            matches!(answer.status, 200 | 201),
            "{path}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_preflight_promises_nothing() {
    let rig = Rig::open();
    let mut ask = get("/api/runs");
    *ask.method_mut() = Method::OPTIONS;
    let ask = with(ask, "origin", "http://evil.test");
    let ask = with(ask, "access-control-request-method", "POST");
    let answer = rig
        .send(with(ask, "access-control-request-headers", "x-throng-csrf"))
        .await;
    assert_eq!(answer.status, 403);
    let promises = answer
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control"));
    assert_eq!(promises.count(), 0);
}

#[tokio::test]
async fn routes_have_their_methods() {
    let rig = Rig::open();
    for (path, body) in POSTS.into_iter().filter(|(path, _)| *path != "/api/runs") {
        assert_eq!(rig.get(path).await.status, 405, "{path}");
        let mut put = rig.posted(path, body);
        *put.method_mut() = Method::PUT;
        assert_eq!(rig.send(put).await.status, 405, "{path}");
    }
    for path in GETS.into_iter().filter(|path| *path != "/api/runs") {
        assert_eq!(rig.post(path, "{}").await.status, 405, "{path}");
    }
    assert_eq!(rig.get("/api").await.status, 404);
    assert_eq!(rig.get("/api/nothing").await.status, 404);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let rig = Rig::open();
    let scenario = |length: usize| format!(r#"{{"source":"{}"}}"#, "x".repeat(length));
    let fits = rig.post("/api/runs", &scenario((1 << 20) - 13)).await;
    assert_eq!(fits.status, 201, "{}", fits.text());
    let large = rig.post("/api/runs", &scenario((1 << 20) - 12)).await;
    assert_eq!(large.status, 413);
    assert!(large.json()["error"].to_string().contains("1 MiB"));
    let note = format!(r#"{{"text":"{}"}}"#, "x".repeat(16 << 10));
    let note = rig.post(&format!("/api/runs/{ON}/annotate"), &note).await;
    assert_eq!(note.status, 413);
    // One that does not say how long it is.
    let pieces = tokio_stream::iter((0..2000).map(|_| Ok::<_, std::io::Error>("x".repeat(1000))));
    let endless = rig
        .posted("/api/runs", "")
        .map(|_| Body::from_stream(pieces));
    assert_eq!(rig.send(endless).await.status, 413);
}

#[tokio::test]
async fn without_a_session_only_the_way_in_is_open() {
    let rig = Rig::closed();
    for path in GETS.into_iter().filter(|path| *path != "/api/session") {
        let answer = rig.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(
            answer.json()["error"]
                .to_string()
                .contains("throng token create")
        );
    }
    for (path, body) in &POSTS[2..] {
        assert_eq!(rig.post(path, body).await.status, 401, "{path}");
    }
    assert_eq!(rig.get("/").await.status, 200, "the page itself");
    let session = rig.get("/api/session").await.json();
    assert_eq!(session["signed_in"], false);
    assert_eq!(session["login"], true);
    assert_eq!(rig.fake.asked(), []);
    let unknown: Request<Body> = get(&format!("/api/runs/{OVER}/nothing"));
    assert_eq!(
        rig.send(unknown).await.status,
        401,
        "not even what there is not"
    );
}
