//! The agent's request path alone: sequential VUs on one single-threaded runtime, as a worker has them, each due at its own
//! even share of the rate. No plan, no checks, nothing recorded.

use super::clock::now;
use super::work::Work;
use super::{Done, Load};
use agent::http::{Client, ClientConfigOptions, Exchange, Request, Shared};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;
use url::Url;

/// Runs until the time is over.
pub(crate) fn run(load: &Load) -> io::Result<Done> {
    let shared = Shared::new(ClientConfigOptions::default()).map_err(io::Error::other)?;
    let url = format!("http://127.0.0.1:{}{}", load.port, load.path);
    let url = Url::parse(&url).map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = Rc::<RefCell<Done>>::default();
    LocalSet::new().block_on(&runtime, async {
        let began = now();
        let users: Vec<_> = (0..load.connections)
            .map(|id| {
                let user = User {
                    id,
                    began,
                    begun: 0,
                    load: load.clone(),
                    client: Client::new(Arc::clone(&shared)),
                    url: url.clone(),
                    done: Rc::clone(&done),
                };
                tokio::task::spawn_local(user.run())
            })
            .collect();
        for user in users {
            user.await.map_err(io::Error::other)?;
        }
        Ok::<_, io::Error>(())
    })?;
    Ok(done.take())
}

struct User {
    id: u32,
    began: Instant,
    begun: u64,
    load: Load,
    client: Client,
    /// Of a bare GET.
    url: Url,
    done: Rc<RefCell<Done>>,
}

impl User {
    async fn run(mut self) {
        while self.began.elapsed() < self.load.time() {
            match self.load.work {
                Work::Get => {
                    let path = self.load.path.clone();
                    let user = HeaderValue::from(1 + self.begun % 1000);
                    let _ = self.send(Method::GET, &path, ("user-id", user), None).await;
                }
                Work::Reservation => {
                    let _ = self.reserve().await;
                }
            }
        }
    }

    /// One way through the flow; `None` where it ended early.
    async fn reserve(&mut self) -> Option<()> {
        let user = 1 + (self.begun.wrapping_mul(0x9E37_79B9) + u64::from(self.id)) % 1000;
        let answer = self
            .send(
                Method::GET,
                "/api/waiting-queue/position",
                ("user-id", user.into()),
                None,
            )
            .await?;
        let token = HeaderValue::from_str(answer.get("token")?.as_str()?).ok()?;
        let token = || ("token", token.clone());
        let answer = self
            .send(Method::GET, "/api/concerts/1/schedules", token(), None)
            .await?;
        let schedule = answer.pointer("/schedules/0/concertScheduleId")?.clone();
        let answer = self
            .send(
                Method::GET,
                &format!("/api/concerts/1/schedules/{schedule}/seats"),
                token(),
                None,
            )
            .await?;
        let seats = answer.get("seats")?.as_array()?;
        let chosen = usize::try_from(self.begun.wrapping_mul(0x9E37_79B9) >> 16).unwrap_or(0)
            % seats.len().max(1);
        let seat = seats.get(chosen)?.get("concertSeatId")?;
        let path = format!("/api/concerts/1/schedules/{schedule}/seats/reservation");
        let answer = self
            .send(
                Method::POST,
                &path,
                token(),
                Some(format!(r#"{{"concertSeatIds":[{seat}],"userId":{user}}}"#)),
            )
            .await?;
        let reservation = answer.get("concertReservationId")?;
        let body = format!(
            r#"{{"userId":{user},"concertSeatIds":[{seat}],"concertReservationId":[{reservation}]}}"#
        );
        self.send(
            Method::POST,
            &format!("{path}/payment"),
            token(),
            Some(body),
        )
        .await
        .map(|_| ())
    }

    /// Waits until this user's next request is due, sends it, and parses its answer (of the flow only).
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        header: (&'static str, HeaderValue),
        json: Option<String>,
    ) -> Option<Value> {
        let index = self.begun * u64::from(self.load.connections) + u64::from(self.id);
        let due =
            self.began + Duration::from_nanos(index * 1_000_000_000 / u64::from(self.load.rate));
        if due > now() {
            tokio::time::sleep_until(due.into()).await;
        }
        self.done.borrow_mut().late += u64::from(due.elapsed() > Duration::from_millis(2));
        self.begun += 1;
        let mut headers = HeaderMap::new();
        headers.insert(header.0, header.1);
        if json.is_some() {
            headers.insert("content-type", HeaderValue::from_static("application/json"));
        }
        // As an agent has it: what does not change from request to request is parsed once.
        let url = match self.load.work {
            Work::Get => self.url.clone(),
            Work::Reservation => {
                Url::parse(&format!("http://127.0.0.1:{}{path}", self.load.port)).ok()?
            }
        };
        let request = Request {
            method,
            headers,
            body: json.unwrap_or_default().into(),
            ..Request::get(url)
        };
        let exchange: Exchange = self.client.send(request).await;
        let ok = exchange
            .last()
            .status
            .is_some_and(|status| status.as_u16() == 200);
        let mut done = self.done.borrow_mut();
        if !ok {
            done.errors += 1;
            return None;
        }
        done.requests += 1;
        match self.load.work {
            Work::Get => Some(Value::Null),
            Work::Reservation => serde_json::from_slice(&exchange.body).ok(),
        }
    }
}
