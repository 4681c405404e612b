//! A page in front of the fake, and a browser of sorts.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::fake::{Fake, FakeBook, FakeRooms};
use crate::guard::CSRF;
use crate::login::From;
use crate::page::{Page, Settings, Tokens};
use crate::router::router;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use tokio_stream::StreamExt;
use tower::ServiceExt;

/// The page.
pub(crate) struct Rig {
    pub(crate) fake: Arc<Fake>,
    pub(crate) book: Arc<FakeBook>,
    pub(crate) page: Arc<Page>,
    router: Router,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The cookie it sets, as a browser sends it back.
    pub(crate) fn cookie(&self) -> String {
        let line = self.headers[SET_COOKIE].to_str().unwrap();
        line.split(';').next().unwrap().to_owned()
    }
}

/// A page's settings in front of a fake.
pub(crate) fn settings(tokens: Option<Arc<dyn Tokens>>, secure: bool) -> Settings {
    Settings {
        version: "0.1.0".into(),
        names: vec!["throng.test".into()],
        secure,
        tokens,
        backing: Arc::new(FakeRooms),
    }
}

impl Rig {
    /// One that wants no login.
    pub(crate) fn open() -> Self {
        Self::new(false, false)
    }

    /// One that wants a login.
    pub(crate) fn closed() -> Self {
        Self::new(true, false)
    }

    /// One that wants a login, behind TLS.
    pub(crate) fn secure() -> Self {
        Self::new(true, true)
    }

    fn new(login: bool, secure: bool) -> Self {
        let (fake, book) = (Arc::new(Fake::default()), Arc::new(FakeBook::default()));
        let tokens = login.then(|| Arc::clone(&book) as Arc<dyn Tokens>);
        let page = Page::new(settings(tokens, secure), Arc::clone(&fake)).unwrap();
        let page = Arc::new(page);
        let router = router(&page);
        Self {
            fake,
            book,
            page,
            router,
        }
    }

    /// The response, whose body may be a stream.
    pub(crate) async fn response(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.response(request).await;
        let (parts, body) = response.into_parts();
        let mut bytes = Vec::new();
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: bytes.into(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(get(path)).await
    }

    /// As the page itself would send it, to a page without a login.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(self.posted(path, body)).await
    }

    pub(crate) fn posted(&self, path: &str, body: &str) -> Request<Body> {
        post(path, body, &self.page.sessions.csrf)
    }

    /// Signs in; gives cookie and secret.
    pub(crate) async fn sign_in(&self, token: &str, name: &str) -> (String, String) {
        let body = serde_json::json!({ "token": token, "name": name });
        let answer = self.post("/api/login", &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let csrf = answer.json()["csrf"].as_str().unwrap().to_owned();
        (answer.cookie(), csrf)
    }
}

fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "127.0.0.1:7480")
        .extension(From(([10, 0, 0, 7], 5000).into()))
}

/// A `GET`.
pub(crate) fn get(path: &str) -> Request<Body> {
    request(Method::GET, path).body(Body::empty()).unwrap()
}

/// A `POST` of JSON with this secret.
pub(crate) fn post(path: &str, body: &str, csrf: &str) -> Request<Body> {
    request(Method::POST, path)
        .header(CONTENT_TYPE, "application/json")
        .header(CSRF, csrf)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// The same request with another header; an empty value leaves it out.
pub(crate) fn with(mut request: Request<Body>, name: &str, value: &str) -> Request<Body> {
    let name: HeaderName = name.parse().unwrap();
    if value.is_empty() {
        request.headers_mut().remove(name);
    } else {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

/// The same request of somebody who is signed in.
pub(crate) fn signed(request: Request<Body>, cookie: &str) -> Request<Body> {
    with(request, COOKIE.as_str(), cookie)
}
