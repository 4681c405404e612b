//! Who asks: the session of a request, and signing in and out.
//!
//! Signing in uses an operator's join token once. Where no login is wanted everybody is "the web page".

use crate::page::Page;
use crate::problem::Problem;
use crate::router::Body;
use crate::sessions::{LIFE, Session};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::header::{COOKIE, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use trust::Token;
use trust::identity::clean;
use trust::token::hex;

/// What everybody is called where nobody signs in.
const ANYBODY: &str = "the web page";

/// Who sent a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// His session; nobody else may ask anything where a login is wanted.
    pub(crate) session: Option<Session>,
    pub(crate) cookie: Option<String>,
}

/// Somebody who may ask.
#[derive(Debug, Clone)]
pub(crate) struct Who(pub(crate) String);

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From(pub(crate) SocketAddr);

impl Caller {
    /// Reads it from the cookie.
    pub(crate) async fn of(page: &Arc<Page>, headers: &HeaderMap) -> Self {
        let cookie = cookie(headers, name(page)).map(str::to_owned);
        let session = match &cookie {
            Some(cookie) => page.session(cookie).await,
            None => None,
        };
        Self { session, cookie }
    }

    /// What must be shown by whoever wants to change something.
    pub(crate) fn secret<'a>(&'a self, page: &'a Page) -> &'a str {
        self.session
            .as_ref()
            .map_or(&page.sessions.csrf, |session| &session.csrf)
    }

    /// Who it is, if he may ask.
    pub(crate) fn who(&self, page: &Page) -> Option<Who> {
        match (&self.session, &page.tokens) {
            (Some(session), _) => Some(Who(session.who.clone())),
            (None, None) => Some(Who(ANYBODY.to_owned())),
            (None, Some(_)) => None,
        }
    }

    fn told(&self, page: &Page) -> Value {
        let who = self.who(page);
        json!({
            "signed_in": who.is_some(),
            "who": who.map(|who| who.0),
            "login": page.tokens.is_some(),
            "csrf": self.secret(page),
            "version": page.version,
        })
    }
}

impl Page {
    /// The session of a cookie, if it holds, and the token it came from does.
    pub(crate) async fn session(self: &Arc<Self>, cookie: &str) -> Option<Session> {
        let session = self.sessions.find(cookie)?;
        let tokens = Arc::clone(self.tokens.as_ref()?);
        let token = session.token;
        let revoked = tokio::task::spawn_blocking(move || tokens.is_revoked(token)).await;
        if matches!(revoked, Ok(false)) {
            return Some(session);
        }
        self.sessions.close(cookie);
        None
    }
}

/// The cookie's name. With its prefix a browser takes it from nobody but this host, over TLS.
fn name(page: &Page) -> &'static str {
    if page.secure {
        "__Host-throng_session"
    } else {
        "throng_session"
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(given, value)| (given == name).then_some(value))
}

fn set_cookie(page: &Page, value: &str, seconds: u64) -> [(axum::http::HeaderName, String); 1] {
    let secure = if page.secure { "; Secure" } else { "" };
    let name = name(page);
    [(
        SET_COOKIE,
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"),
    )]
}

/// `GET /api/session`
pub(crate) async fn session(
    State(page): State<Arc<Page>>,
    Extension(caller): Extension<Caller>,
) -> Json<Value> {
    Json(caller.told(&page))
}

/// `POST /api/login`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    token: String,
    /// What to be called.
    #[serde(default)]
    name: String,
}

/// Trades a token for a session.
pub(crate) async fn login(
    State(page): State<Arc<Page>>,
    Extension(caller): Extension<Caller>,
    Extension(From(address)): Extension<From>,
    Body(login): Body<Login>,
) -> Result<Response, Problem> {
    let Some(tokens) = page.tokens.clone() else {
        // Nobody has to.
        return Ok(Json(caller.told(&page)).into_response());
    };
    if let Err(wait) = page.attempts.another(address.ip()) {
        // No warning: whoever goes on trying would fill the log.
        tracing::debug!(peer = %address, "too many attempts to sign in");
        let seconds = wait.as_secs() + 1;
        let problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("too many attempts to sign in; try again in {seconds} s"),
        );
        return Ok(([(RETRY_AFTER, seconds.to_string())], problem).into_response());
    }
    let refused = |why: String| {
        tracing::warn!(peer = %address, "not signed in: {why}");
        Problem::new(StatusCode::UNAUTHORIZED, why)
    };
    let token = Token::parse(&login.token).map_err(|error| {
        refused(format!(
            "{error}; `throng token create --role operator` prints one where the controller's state is"
        ))
    })?;
    let id = token.id;
    tokio::task::spawn_blocking(move || tokens.admit(&token))
        .await
        .map_err(|error| Problem::internal(format!("signing in broke: {error}")))?
        .map_err(refused)?;
    let who = match login.name.trim() {
        "" => format!("operator-{}", &hex(&id)[..8]),
        name => clean(name),
    };
    // Whoever was signed in at this browser is no more.
    if let Some(cookie) = &caller.cookie {
        page.sessions.close(cookie);
    }
    tracing::info!(peer = %address, name = who, token = hex(&id), "signed in on the web page");
    let (cookie, session) = page
        .sessions
        .open(who, id)
        .map_err(|error| Problem::internal(error.to_string()))?;
    let caller = Caller {
        session: Some(session),
        cookie: None,
    };
    let header = set_cookie(&page, &cookie, LIFE.as_secs());
    Ok((header, Json(caller.told(&page))).into_response())
}

/// `POST /api/logout`
pub(crate) async fn logout(
    State(page): State<Arc<Page>>,
    Extension(caller): Extension<Caller>,
) -> Response {
    if let Some(cookie) = &caller.cookie {
        page.sessions.close(cookie);
    }
    let nobody = Caller {
        session: None,
        cookie: None,
    };
    (set_cookie(&page, "", 0), Json(nobody.told(&page))).into_response()
}
