//! A run as it happens, as server-sent events. `Watch` bounds what waits for a slow reader, and tells it what it missed; how many
//! streams there are at once is bounded here.

use crate::act::known;
use crate::json;
use crate::login::Caller;
use crate::page::{Page, closed};
use crate::problem::Problem;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use proto::v1::{RunEvent, run_event};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Events that may wait for the connection.
const WAITING: usize = 4;
/// How often a comment says that the stream lives.
const ALIVE: Duration = Duration::from_secs(15);
/// How soon the end of a session ends its streams.
const LOOK: Duration = Duration::from_secs(2);
/// How soon a browser comes again that lost its stream.
const AGAIN: Duration = Duration::from_secs(2);

/// `GET /api/runs/ID/events`
pub(crate) async fn events(
    State(page): State<Arc<Page>>,
    Path(run): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let run = known(run)?;
    let place = Arc::clone(&page.streams).try_acquire_owned();
    let place = place.map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many pages watch runs already; close one",
        )
    })?;
    let events = page.ask.watch(&run).await?;
    let (send, receive) = mpsc::channel(WAITING);
    tokio::spawn(pass_on(page, caller, events, send, place));
    let alive = KeepAlive::new().interval(ALIVE);
    Ok(Sse::new(ReceiverStream::new(receive))
        .keep_alive(alive)
        .into_response())
}

/// Passes events on until the run is over, the session ends, the reader has gone, or everything ends.
async fn pass_on(
    page: Arc<Page>,
    caller: Caller,
    mut events: Streaming<RunEvent>,
    reader: mpsc::Sender<Result<Event, Infallible>>,
    _place: OwnedSemaphorePermit,
) {
    let closed = closed(page.closing.subscribe());
    tokio::pin!(closed);
    let mut closing = false;
    let mut look = tokio::time::interval(LOOK);
    // An error here means that the reader has gone, which is seen below.
    let _ = reader.send(Ok(Event::default().retry(AGAIN))).await;
    loop {
        let event = tokio::select! {
            biased;
            () = reader.closed() => return,
            () = &mut closed, if !closing => {
                // The controller ended before the page: what it said last is on its way, and then its end.
                closing = true;
                continue;
            }
            _ = look.tick() => {
                if !holds(&page, &caller).await {
                    return;
                }
                continue;
            }
            event = events.message() => event,
        };
        let Ok(Some(RunEvent { event: Some(event) })) = event else {
            // The controller is ending.
            return;
        };
        let over = matches!(event, run_event::Event::Over(_));
        if let Some((name, told)) = json::event(&event) {
            let told = Event::default().event(name).data(told.to_string());
            if reader.send(Ok(told)).await.is_err() {
                return;
            }
        }
        if over {
            return;
        }
    }
}

async fn holds(page: &Arc<Page>, caller: &Caller) -> bool {
    match (&page.tokens, &caller.cookie) {
        (None, _) => true,
        (Some(_), Some(cookie)) => page.session(cookie).await.is_some(),
        (Some(_), None) => false,
    }
}
