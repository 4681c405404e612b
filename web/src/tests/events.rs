//! Runs as they happen.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::fake::{ON, OPERATORS, OVER, over, token};
use super::rig::{Rig, get, signed};
use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use proto::v1::{self, RunState, run_event::Event};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_stream::StreamExt;

/// A stream that is read event by event.
struct Reader {
    body: BodyDataStream,
    text: String,
}

impl Reader {
    async fn open(rig: &Rig, request: Request<Body>) -> Self {
        let response = rig.response(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    async fn of(rig: &Rig, run: &str) -> Self {
        Self::open(rig, get(&format!("/api/runs/{run}/events"))).await
    }

    /// The next block of lines; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let piece = self.body.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next event.
    async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            let block = self.block().await?;
            let Some(named) = block.strip_prefix("event: ") else {
                continue;
            };
            let (name, data) = named.split_once("\ndata: ").unwrap();
            return Some((name.to_owned(), serde_json::from_str(data).unwrap()));
        }
    }
}

fn state(state: RunState) -> Event {
    let mut changed = v1::StateChanged {
        text: "said".into(),
        within_ns: 2_000_000,
        ..v1::StateChanged::default()
    };
    changed.set_state(state);
    Event::State(changed)
}

fn log(text: &str) -> Event {
    Event::Log(v1::LogLine {
        text: text.into(),
        ..v1::LogLine::default()
    })
}

#[tokio::test]
async fn a_whole_run() {
    let rig = Rig::open();
    let mut reader = Reader::of(&rig, ON).await;
    let fake = Arc::clone(&rig.fake);
    let telling = tokio::spawn(async move {
        fake.tell(state(RunState::StateLoad)).await;
        let points = vec![v1::Second {
            span: Some(v1::Span {
                from_ns: 0,
                to_ns: 1_000_000_000,
                p95_ns: 12_500_000,
                ..v1::Span::default()
            }),
            vus: 3.0,
            ..v1::Second::default()
        }];
        fake.tell(Event::Seconds(v1::Seconds { all: true, points }))
            .await;
        fake.tell(Event::Progress(v1::Progress::default())).await;
        let view = v1::View {
            run_ns: -250_000_000,
            length_ns: 5_000_000_000,
            marks: vec![v1::Mark {
                kind: "note".into(),
                text: "a \"b\"\r\nc".into(),
                who: "ada".into(),
                ..v1::Mark::default()
            }],
            agents: vec![v1::AgentView::default()],
            ..v1::View::default()
        };
        fake.tell(Event::View(view)).await;
        fake.tell(log("hello")).await;
        fake.tell(over()).await;
    });
    let (name, told) = reader.event().await.unwrap();
    assert_eq!(name, "state");
    assert_eq!(
        told,
        json!({ "state": "load", "text": "said", "within_ms": 2.0 })
    );
    let (name, told) = reader.event().await.unwrap();
    assert_eq!((name.as_str(), &told["all"]), ("seconds", &json!(true)));
    assert_eq!(told["points"][0]["span"]["to_ms"], 1000.0);
    assert_eq!(told["points"][0]["span"]["p95_ms"], 12.5);
    assert_eq!(told["points"][0]["vus"], 3.0);
    let (name, told) = reader.event().await.unwrap();
    assert_eq!(name, "view");
    assert_eq!(told["run_ms"], -250.0);
    assert_eq!(told["length_ms"], 5000.0);
    assert_eq!(told["whole"], Value::Null);
    assert_eq!(told["marks"][0]["text"], "a \"b\"\r\nc");
    assert_eq!(told["agents"][0]["health"], Value::Null);
    let (name, told) = reader.event().await.unwrap();
    assert_eq!(name, "log");
    assert_eq!(
        told,
        json!({ "level": "info", "text": "hello", "count": 0, "sample": "", "error": false })
    );
    let (name, told) = reader.event().await.unwrap();
    assert_eq!(name, "over");
    assert_eq!(
        told,
        json!({ "exit_code": 0, "text": "", "report": { "exit": { "code": 0 } } })
    );
    assert_eq!(reader.event().await, None, "and then nothing more");
    telling.await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_over_says_so_at_once() {
    let rig = Rig::open();
    let mut reader = Reader::of(&rig, OVER).await;
    assert_eq!(reader.event().await.unwrap().0, "over");
    assert_eq!(reader.event().await, None);
    assert_eq!(rig.get("/api/runs/nope/events").await.status, 404);
}

#[tokio::test]
async fn two_watch_one_leaves_the_controller_ends() {
    let rig = Rig::open();
    let (mut one, mut two) = (Reader::of(&rig, ON).await, Reader::of(&rig, ON).await);
    assert_eq!(rig.fake.watched(), 2);
    rig.fake.tell(log("a")).await;
    for reader in [&mut one, &mut two] {
        assert_eq!(reader.event().await.unwrap().1["text"], "a");
    }
    drop(one);
    while rig.fake.watched() == 2 {
        tokio::task::yield_now().await;
    }
    rig.fake.tell(log("b")).await;
    assert_eq!(two.event().await.unwrap().1["text"], "b");
    rig.fake.end();
    assert_eq!(two.event().await, None);
}

#[tokio::test]
async fn a_slow_reader_holds_little() {
    let rig = Rig::open();
    let mut reader = Reader::of(&rig, ON).await;
    let fake = Arc::clone(&rig.fake);
    let told = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let telling = tokio::spawn(async move {
        for n in 0..1000 {
            fake.tell(log(&n.to_string())).await;
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        fake.tell(over()).await;
    });
    // Nobody reads; whatever can happen, happens.
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    let waiting = told.load(std::sync::atomic::Ordering::Relaxed);
    assert!(
        waiting < 50,
        "{waiting} events wait for a reader who does not come"
    );
    for n in 0..1000 {
        assert_eq!(reader.event().await.unwrap().1["text"], n.to_string());
    }
    assert_eq!(reader.event().await.unwrap().0, "over");
    telling.await.unwrap();
}

#[tokio::test]
async fn there_are_so_many_streams_and_places_come_back() {
    let rig = Rig::open();
    let mut readers = Vec::new();
    for _ in 0..64 {
        readers.push(Reader::of(&rig, ON).await);
    }
    let path = format!("/api/runs/{ON}/events");
    let answer = rig.get(&path).await;
    assert_eq!(answer.status, 503);
    assert!(answer.json()["error"].to_string().contains("close one"));
    readers.clear();
    while rig.page.streams.available_permits() < 64 {
        tokio::task::yield_now().await;
    }
    let mut again = Reader::of(&rig, ON).await;
    rig.fake.tell(log("a")).await;
    assert!(again.event().await.is_some());
    // Runs that there are not take no place.
    for _ in 0..100 {
        assert_eq!(rig.get("/api/runs/nope/events").await.status, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_says_that_it_lives() {
    let rig = Rig::open();
    let mut reader = Reader::of(&rig, ON).await;
    assert_eq!(reader.block().await.unwrap(), "retry: 2000");
    for _ in 0..3 {
        let since = crate::clock::now();
        assert!(reader.block().await.unwrap().starts_with(':'));
        let took = crate::clock::now() - since;
        assert_eq!(took.as_secs(), 15, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_session() {
    for end in ["logout", "revoked", "half a day"] {
        let rig = Rig::closed();
        let (cookie, _) = rig.sign_in(&token(OPERATORS), "ada").await;
        let request = signed(get(&format!("/api/runs/{ON}/events")), &cookie);
        let mut reader = Reader::open(&rig, request).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        rig.fake.tell(log("a")).await;
        assert!(reader.event().await.is_some(), "{end}");
        match end {
            "logout" => rig
                .page
                .sessions
                .close(cookie.strip_prefix("throng_session=").unwrap()),
            "revoked" => rig
                .book
                .revoked
                .store(true, std::sync::atomic::Ordering::Relaxed),
            _ => tokio::time::advance(crate::sessions::LIFE).await,
        }
        let since = crate::clock::now();
        assert_eq!(reader.event().await, None, "{end}");
        let took = crate::clock::now() - since;
        assert!(took <= Duration::from_secs(3), "{end}: {took:?}");
    }
}
