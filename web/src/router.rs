//! Routes, and what stands before all of them.

use crate::guard;
use crate::headers;
use crate::login::{self, Caller};
use crate::page::Page;
use crate::problem::Problem;
use crate::{act, assets, events, read, report, start};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::time::timeout;

/// Largest scenario, with its variables, in bytes.
const SCENARIO: usize = 1 << 20;
/// Largest body of any other request, in bytes.
const BODY: usize = 16 << 10;

/// All routes of a page.
pub(crate) fn router(page: &Arc<Page>) -> Router {
    let run = Router::new()
        .route("/events", get(events::events))
        .route("/report.json", get(report::json))
        .route("/report.txt", get(report::text))
        .route("/stop", post(act::stop))
        .route("/pause", post(act::pause))
        .route("/resume", post(act::resume))
        .route("/scale", post(act::scale))
        .route("/annotate", post(act::annotate));
    let api = Router::new()
        .route("/session", get(login::session))
        .route("/login", post(login::login))
        .route("/logout", post(login::logout))
        .route("/agents", get(read::agents))
        .route("/scenarios", get(read::scenarios))
        .route(
            "/runs",
            get(read::runs)
                .post(start::start)
                .layer(DefaultBodyLimit::max(SCENARIO)),
        )
        .nest("/runs/{run}", run);
    Router::new()
        .route("/", get(assets::index))
        .route("/assets/{*name}", get(assets::asset))
        .nest("/api", api)
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(Arc::clone(page), enter))
        .with_state(Arc::clone(page))
}

async fn nothing(request: Request) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}", request.uri().path()),
    )
}

async fn wrong_method(request: Request) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} is not for {}", request.uri().path(), request.method()),
    )
}

/// Through here comes every request, and every answer.
async fn enter(State(page): State<Arc<Page>>, mut request: Request, next: Next) -> Response {
    let limit = page.limits.answer;
    let answered = match admit(&page, &mut request).await {
        Ok(()) => timeout(limit, next.run(request)).await.map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the request took longer than {} s", limit.as_secs()),
            )
        }),
        Err(problem) => Err(problem),
    };
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    headers::add(response.headers_mut());
    response
}

/// Lets a request in, with who sent it, or says why not.
async fn admit(page: &Arc<Page>, request: &mut Request) -> Result<(), Problem> {
    guard::host(&page.names, request.headers(), request.uri())?;
    let path = request.uri().path();
    if !path.starts_with("/api") {
        // Nothing secret, and nothing that changes anything.
        return Ok(());
    }
    guard::site(request.headers(), request.uri())?;
    let anybody = matches!(path, "/api/session" | "/api/login" | "/api/logout");
    let caller = Caller::of(page, request.headers()).await;
    match caller.who(page) {
        Some(who) => {
            request.extensions_mut().insert(who);
        }
        None if anybody => {}
        None => {
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "sign in first: `throng token create --role operator` prints a token where the controller's state is",
            ));
        }
    }
    guard::intent(request.method(), request.headers(), caller.secret(page))?;
    request.extensions_mut().insert(caller);
    Ok(())
}

/// A body of JSON.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| {
                let text = match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => {
                        "the request is too large (a scenario may have 1 MiB)".to_owned()
                    }
                    _ => rejection.body_text(),
                };
                Problem::new(rejection.status(), text)
            })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the request cannot be read: {error}"),
            )
        })
    }
}
