//! Every way to be refused: one variant each, one status each, one sentence each.

use axum::{
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Why a request did not get what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request cannot be read; the sentence says where and what.
    Malformed(String),
    BodyTooLarge,
    NoToken,
    UnknownToken,
    TokenOfAnother {
        user: u64,
    },
    UnknownPath,
    /// With the method that it takes.
    WrongMethod(Method),
    UnknownUser(u64),
    UnknownConcert,
    UnknownSchedule,
    UnknownSeat(u64),
    UnknownReservation(u64),
    SeatTaken(u64),
    NoLongerHeld(u64),
    ReservationOfAnother(u64),
    SeatsDiffer,
    QueueTimeout,
    LockTimeout,
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::UnknownToken | Self::TokenOfAnother { .. } => StatusCode::FORBIDDEN,
            Self::UnknownPath
            | Self::UnknownUser(_)
            | Self::UnknownConcert
            | Self::UnknownSchedule
            | Self::UnknownSeat(_)
            | Self::UnknownReservation(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::SeatTaken(_)
            | Self::NoLongerHeld(_)
            | Self::ReservationOfAnother(_)
            | Self::SeatsDiffer => StatusCode::CONFLICT,
            Self::QueueTimeout | Self::LockTimeout => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Malformed(what) => what.clone(),
            Self::BodyTooLarge => "the body is larger than 16 KiB".into(),
            Self::NoToken => {
                "no Token header: ask GET /api/waiting-queue/position for a token and send it as Token".into()
            }
            Self::UnknownToken => "the token in the Token header is unknown".into(),
            Self::TokenOfAnother { user } => format!("the token in the Token header is not user {user}'s"),
            Self::UnknownPath => "no such path".into(),
            Self::WrongMethod(right) => format!("this path takes {right}"),
            Self::UnknownUser(user) => format!("there is no user {user}"),
            Self::UnknownConcert => "there is no such concert".into(),
            Self::UnknownSchedule => "this concert has no such schedule".into(),
            Self::UnknownSeat(seat) => format!("this schedule has no seat {seat}"),
            Self::UnknownReservation(id) => format!("this schedule has no reservation {id}"),
            Self::SeatTaken(seat) => format!("seat {seat} is taken"),
            Self::NoLongerHeld(id) => format!("reservation {id} is no longer open: it was paid, or its hold ran out"),
            Self::ReservationOfAnother(id) => format!("reservation {id} is another user's"),
            Self::SeatsDiffer => "concertSeatIds are not the seats of these reservations".into(),
            Self::QueueTimeout => "no database connection became free in time".into(),
            Self::LockTimeout => "the database gave up waiting for a lock; nothing was changed".into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.sentence() }).to_string();
        let json = HeaderValue::from_static("application/json");
        let mut response = (self.status(), [(header::CONTENT_TYPE, json)], body).into_response();
        if let Self::WrongMethod(right) = &self
            && let Ok(right) = HeaderValue::from_str(right.as_str())
        {
            response.headers_mut().insert(header::ALLOW, right);
        }
        response
    }
}
