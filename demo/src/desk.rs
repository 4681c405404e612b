//! The HTTP face: in which order a request is checked, what is done for it, and what is answered.
//!
//! Order: 404/405 (path, method), 401/403 (token), 404 (concert, schedule), 400/413 (body), all at once and
//! without the database; then the queue and the database (500); then 409 and 404 for seats and
//! reservations, on commit.
//!
//! There is no router: nine paths are told apart faster by [`Target::of`] (a router's boxes, parameter maps
//! and layers took about a microsecond of six at full speed).

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{
    database::Work,
    ledger::Route,
    paths::Target,
    refusal::Refusal,
    service::{Service, with},
    wire::{Listing, Paid, Payment, Reservation, Reserved, Token, encode},
};

/// The largest body that is read.
const MOST_BODY: usize = 16 * 1024;
/// Seats in one reservation, seats or reservations in one payment.
const MOST_SEATS: usize = 100;

const HOME: &[u8] = b"{\"service\":\"throng demo: concert reservations\",\"routes\":[\
\"GET /api/waiting-queue/position\",\
\"GET /api/concerts/{id}/schedules\",\
\"GET /api/concerts/{id}/schedules/{sid}/seats\",\
\"POST /api/concerts/{id}/schedules/{sid}/seats/reservation\",\
\"POST /api/concerts/{id}/schedules/{sid}/seats/reservation/payment\",\
\"GET /ledger\",\"POST /reset\",\"GET /healthz\"]}";

/// One thread's handle on the service.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) service: Arc<Service>,
    /// Where this thread counts.
    pub(crate) shard: usize,
}

impl Desk {
    /// Answers any request, and counts it unless it is house-keeping.
    pub(crate) async fn answer(self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let target = Target::of(head.uri.path());
        if let Some(method) = target.method()
            && method != head.method
        {
            let wrong = async { Err(Refusal::WrongMethod(method)) };
            return self.count(Route::Unmatched, wrong).await;
        }
        match target {
            Target::Health => json(Bytes::from_static(b"{\"status\":\"ok\"}")),
            Target::Ledger => json(encode(&self.service.report())),
            Target::Reset => {
                self.service.reset();
                json(Bytes::from_static(b"{\"reset\":true}"))
            }
            Target::Home => {
                self.count(Route::Home, async { Ok(Bytes::from_static(HOME)) })
                    .await
            }
            Target::Token => self.count(Route::Token, self.token(&head.headers)).await,
            Target::Schedules { concert } => {
                self.count(Route::Schedules, self.schedules(&head, concert))
                    .await
            }
            Target::Seats { concert, schedule } => {
                self.count(Route::Seats, self.seats(&head, concert, schedule))
                    .await
            }
            Target::Reservation { concert, schedule } => {
                self.count(
                    Route::Reservation,
                    self.reservation(&head, concert, schedule, body),
                )
                .await
            }
            Target::Payment { concert, schedule } => {
                self.count(Route::Payment, self.payment(&head, concert, schedule, body))
                    .await
            }
            Target::Nothing => {
                self.count(Route::Unmatched, async { Err(Refusal::UnknownPath) })
                    .await
            }
        }
    }

    /// Counts the request, does the work, counts the answer; counts 499 when dropped in between.
    async fn count(
        &self,
        route: Route,
        work: impl Future<Output = Result<Bytes, Refusal>>,
    ) -> Response {
        let visit = self.service.ledger.arrive(self.shard, route);
        let response = match work.await {
            Ok(body) => json(body),
            Err(refusal) => refusal.into_response(),
        };
        visit.answered(response.status().as_u16());
        response
    }

    async fn token(&self, headers: &HeaderMap) -> Result<Bytes, Refusal> {
        let service = &self.service;
        let malformed = |what: &str| Refusal::Malformed(format!("the user-id header {what}"));
        let user = headers
            .get("user-id")
            .ok_or_else(|| malformed("is missing"))?;
        let user = user.to_str().ok().and_then(|user| user.parse::<u64>().ok());
        let user = user.ok_or_else(|| malformed("is not a whole number"))?;
        let token = service
            .tokens
            .issue(user)
            .ok_or(Refusal::UnknownUser(user))?;
        let answer = || Ok(encode(&Token { token: &token }));
        service
            .query(Work::Read, service.options.service.token, answer)
            .await
    }

    async fn schedules(&self, head: &Parts, concert: &str) -> Result<Bytes, Refusal> {
        let service = &self.service;
        service.user(&head.headers)?;
        let schedules = service.schedules(concert)?;
        service
            .query(Work::Read, service.options.service.schedules, || {
                Ok(schedules)
            })
            .await
    }

    async fn seats(&self, head: &Parts, concert: &str, schedule: &str) -> Result<Bytes, Refusal> {
        let service = &self.service;
        service.user(&head.headers)?;
        let hall = service.hall(concert, schedule)?;
        let answer = || {
            let mut listing = Listing::new();
            let now = service.clock.now();
            with(hall, |hall| hall.free(now, |seat| listing.push(seat)));
            Ok(listing.close())
        };
        service
            .query(Work::Read, service.options.service.seats, answer)
            .await
    }

    async fn reservation(
        &self,
        head: &Parts,
        concert: &str,
        schedule: &str,
        body: Body,
    ) -> Result<Bytes, Refusal> {
        let service = &self.service;
        let bearer = service.user(&head.headers)?;
        let hall = service.hall(concert, schedule)?;
        let wish: Reservation = read(body).await?;
        some_and_distinct("concertSeatIds", &wish.seats)?;
        same(bearer, wish.user)?;
        let answer = || {
            let now = service.clock.now();
            let id = with(hall, |hall| hall.reserve(wish.user, wish.seats, now))?;
            Ok(encode(&Reserved { id }))
        };
        service
            .query(Work::Write, service.options.service.reservation, answer)
            .await
    }

    async fn payment(
        &self,
        head: &Parts,
        concert: &str,
        schedule: &str,
        body: Body,
    ) -> Result<Bytes, Refusal> {
        let service = &self.service;
        let bearer = service.user(&head.headers)?;
        let hall = service.hall(concert, schedule)?;
        let wish: Payment = read(body).await?;
        some_and_distinct("concertSeatIds", &wish.seats)?;
        some_and_distinct("concertReservationId", &wish.reservations)?;
        same(bearer, wish.user)?;
        let answer = || {
            let now = service.clock.now();
            with(hall, |hall| {
                hall.pay(wish.user, &wish.reservations, &wish.seats, now)
            })?;
            Ok(encode(&Paid { seats: &wish.seats }))
        };
        service
            .query(Work::Write, service.options.service.payment, answer)
            .await
    }
}

fn json(body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The body as `T`, or why not.
async fn read<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let body = Limited::new(body, MOST_BODY).collect().await;
    let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => Refusal::BodyTooLarge,
        None => Refusal::Malformed("the body broke off".into()),
    })?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| Refusal::Malformed(format!("the body: {error}")))
}

fn some_and_distinct(field: &str, ids: &[u64]) -> Result<(), Refusal> {
    let refuse = |what: String| Err(Refusal::Malformed(format!("the body: {field} {what}")));
    if ids.is_empty() || ids.len() > MOST_SEATS {
        return refuse(format!(
            "has {} ids; 1 to {MOST_SEATS} are allowed",
            ids.len()
        ));
    }
    match (1..ids.len()).find(|at| ids[..*at].contains(&ids[*at])) {
        Some(at) => refuse(format!("names {} twice", ids[at])),
        None => Ok(()),
    }
}

fn same(bearer: u64, user: u64) -> Result<(), Refusal> {
    if bearer == user {
        Ok(())
    } else {
        Err(Refusal::TokenOfAnother { user })
    }
}
