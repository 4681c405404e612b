//! A browser, or whoever poses as one: whatever is asked of the web page, it answers, and never that something in it broke.
//!
//! An input is a request: method and path in the first line, then the body. Behind the page are the real `Control` service and a director with
//! a run that waits for its agents; `RUN` in a path is that run.

use crate::targets::{kind, letters};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, header};
use controller::director::{Director, INBOX, Input};
use controller::service_control::ControlService;
use plan::{Bundle, Overrides};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tower::ServiceExt as _;
use web::{Backing, Page, Scenario, Settings, Tokens, Wanted};

/// Where requests come from.
const FROM: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);
/// Largest answer that is read.
const MOST: usize = 8 << 20;
/// What is typed in.
const SCENARIO: &str =
    "baseURL: http://127.0.0.1:1\nvus: 1\nduration: 1s\nflows: { default: [{ get: / }] }";
/// What means something in a request.
pub(crate) const WORDS: &[&str] = &[
    "GET /api/runs/RUN/report.json\n",
    "POST /api/runs/RUN/scale\n{\"factor\":",
    "POST /api/runs/RUN/pause\n{\"max_ms\":",
    "POST /api/runs/RUN/annotate\n{\"text\":\"",
    "/api/login",
    "RUN",
    "\"source\":",
    "\"env\":{\"A\":\"",
    "\"expect_agents\":4294967295",
    "\"scenario\":\"default\"",
    "18446744073709551615",
    "1e308",
    "-1",
    "0.0005",
    "null",
    "{}",
    "[]",
    "\\u0000",
    "\"}",
    "%00%ff",
];

/// What the command line's binary does for the page.
struct Rooms;

impl Backing for Rooms {
    fn bundle(&self, wanted: Wanted) -> Result<Vec<u8>, String> {
        let bundle = Bundle {
            name: wanted.name,
            source: wanted.source,
            env: wanted.env,
            overrides: Overrides {
                base_url: wanted.base_url,
                ..Overrides::default()
            },
            ..Bundle::default()
        };
        plan::compile(&bundle).map_err(|wrong| wrong.render(false))?;
        serde_json::to_vec(&bundle).map_err(|error| error.to_string())
    }

    fn report(&self, json: &[u8]) -> Result<String, String> {
        let report = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        Ok(controller::report::text(&report, false))
    }

    fn scenarios(&self) -> Vec<Scenario> {
        Vec::new()
    }
}

/// Knows one token.
struct Book;

impl Tokens for Book {
    fn admit(&self, token: &trust::Token) -> Result<(), String> {
        let known = *token == crate::seeds::token();
        known.then_some(()).ok_or_else(|| "unknown".to_owned())
    }

    fn is_revoked(&self, _: [u8; 8]) -> bool {
        false
    }
}

/// Any request is answered: done, or refused with a reason.
pub fn page(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let (line, body) = text.split_once('\n').unwrap_or((&text, ""));
    let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime of one thread needs nothing");
    let answer = runtime.block_on(answered(method, path, body));
    // Threads that compile are not waited for.
    runtime.shutdown_background();
    let Some((status, said)) = answer else {
        return kind(&"no request");
    };
    assert_ne!(status, 500, "it broke: {said}");
    kind(&(status, letters(&said)))
}

async fn answered(method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let config = controller::Config::default();
    let (inputs, inbox) = mpsc::channel(INBOX);
    let control = Arc::new(ControlService::new(inputs.clone(), config.version.clone()));
    let directing = tokio::spawn(Director::new(config).run(inbox));
    let signs_in = path.contains("login");
    let settings = Settings {
        version: String::new(),
        names: Vec::new(),
        secure: false,
        tokens: signs_in.then(|| Arc::new(Book) as Arc<dyn Tokens>),
        backing: Arc::new(Rooms),
    };
    let page = Page::new(settings, control).expect("this system has random bytes");
    let page = web::routes(page, FROM);
    let session = ask(&page, "GET", "/api/session", "", "").await?;
    let csrf = text(session).await;
    let csrf: serde_json::Value = serde_json::from_str(&csrf).unwrap_or_default();
    let csrf = csrf["csrf"].as_str().unwrap_or_default().to_owned();
    let mut path = path.to_owned();
    if path.contains("RUN") {
        let start = serde_json::json!({ "source": SCENARIO }).to_string();
        let started = ask(&page, "POST", "/api/runs", &start, &csrf).await?;
        let started: serde_json::Value =
            serde_json::from_str(&text(started).await).unwrap_or_default();
        path = path.replace("RUN", started["run"].as_str().unwrap_or("RUN"));
    }
    let answer = ask(&page, method, &path, body, &csrf).await?;
    let status = answer.status().as_u16();
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
    let stream = kind.is_some_and(|kind| kind == "text/event-stream");
    // Events go on for as long as the run.
    let said = if stream {
        String::new()
    } else {
        text(answer).await
    };
    let _ = inputs.send(Input::Shutdown).await;
    directing.abort();
    Some((status, said))
}

/// Nothing if no request can be made of it.
async fn ask(
    page: &Router,
    method: &str,
    path: &str,
    body: &str,
    csrf: &str,
) -> Option<Response<Body>> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-throng-csrf", csrf)
        .body(Body::from(body.to_owned()))
        .ok()?;
    // Routers do not fail.
    page.clone().oneshot(request).await.ok()
}

async fn text(answer: Response<Body>) -> String {
    let bytes = to_bytes(answer.into_body(), MOST).await;
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// One of each that is asked.
pub(crate) fn requests() -> Vec<Vec<u8>> {
    let start = serde_json::json!({
        "name": "a.yaml", "source": SCENARIO, "base_url": "http://h", "env": { "A": "b" }, "expect_agents": 2,
    });
    let token = crate::seeds::token().text();
    [
        "GET /".to_owned(),
        "GET /api/agents".to_owned(),
        "GET /api/runs".to_owned(),
        "GET /api/scenarios".to_owned(),
        "GET /api/runs/RUN/events".to_owned(),
        "GET /api/runs/RUN/report.json".to_owned(),
        format!("POST /api/runs\n{start}"),
        format!("POST /api/login\n{{\"token\":\"{token}\"}}"),
        "POST /api/logout\n{}".to_owned(),
        "POST /api/runs/RUN/stop\n{\"mode\":\"graceful\"}".to_owned(),
        "POST /api/runs/RUN/pause\n{\"max_ms\":1000}".to_owned(),
        "POST /api/runs/RUN/resume\n{}".to_owned(),
        "POST /api/runs/RUN/scale\n{\"scenario\":\"\",\"factor\":1.5}".to_owned(),
        "POST /api/runs/RUN/annotate\n{\"text\":\"a note\"}".to_owned(),
    ]
    .map(String::into_bytes)
    .into()
}
