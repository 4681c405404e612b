//! The request path against real servers on loopback: scripted ones, byte for byte, and hyper's own.
#![expect(clippy::unwrap_used, reason = "tests")]

mod basics;
mod bounds;
mod cookies;
mod cut;
mod doors;
mod encodings;
mod failures;
mod redirects;
mod server;
mod stale;
mod tls;
mod tls_server;

use super::{Client, ClientConfigOptions, Exchange, Hop, Request, Shared};
use http::Method;
use std::future::Future;
use std::time::Duration;
use url::Url;

/// Runs a test as an agent's worker would: one thread, a `LocalSet`.
fn on_worker<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let bounded = tokio::time::timeout(Duration::from_secs(20), test);
        bounded.await.expect("the test ends in time")
    })
}

fn client(change: impl FnOnce(&mut ClientConfigOptions)) -> Client {
    let mut options = ClientConfigOptions::default();
    change(&mut options);
    Client::new(Shared::new(options).unwrap())
}

fn get(url: &str) -> Request {
    Request::get(Url::parse(url).unwrap())
}

fn ask(method: Method, url: &str, body: &'static str) -> Request {
    Request {
        method,
        body: body.into(),
        ..get(url)
    }
}

fn with_header(mut request: Request, name: &'static str, value: &'static str) -> Request {
    request
        .headers
        .insert(name, http::HeaderValue::from_static(value));
    request
}

fn text(exchange: &Exchange) -> &str {
    std::str::from_utf8(&exchange.body).unwrap()
}

fn status(exchange: &Exchange) -> u16 {
    exchange.last().status.map_or(0, |status| status.as_u16())
}

/// The law of every hop: its phases are its service time, to the nanosecond.
fn adds_up(hop: &Hop) {
    let service = u64::try_from(hop.done.duration_since(hop.sent).as_nanos()).unwrap();
    assert_eq!(hop.phases.duration(), service, "{hop:?}");
}
