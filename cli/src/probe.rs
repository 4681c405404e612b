//! `--probe-listen`: a plain HTTP port for whoever asks whether this process lives and can do its work, as kubelets and load
//! balancers do. It says nothing else, so that it needs no TLS: the link itself may.
//!
//! `/livez` answers while the process's runtime turns; `/readyz` answers 200 while the process can do its work, else 503.

use crate::error::Error;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::task::JoinSet;

/// The port, as long as it is held.
#[derive(Debug)]
pub(crate) struct Probe {
    /// Aborted when dropped.
    _serving: JoinSet<()>,
}

impl Probe {
    /// Opens the port if one was asked for; `ready` is what `/readyz` tells.
    ///
    /// # Errors
    /// `Listen` when nothing can listen there.
    pub(crate) async fn maybe(
        address: Option<SocketAddr>,
        ready: impl Fn() -> bool + Clone + Send + Sync + 'static,
    ) -> Result<Option<Self>, Error> {
        let Some(address) = address else {
            return Ok(None);
        };
        let listener = crate::embedded::listen(address, "--probe-listen").await?;
        let address = listener.local_addr().unwrap_or(address);
        tracing::info!(%address, "answering probes");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // Never ends by itself: failed accepts are tried again.
            let _ = axum::serve(listener, router(ready)).await;
        });
        Ok(Some(Self { _serving: serving }))
    }
}

fn router(ready: impl Fn() -> bool + Clone + Send + Sync + 'static) -> Router {
    Router::new().route("/livez", get(async || "live\n")).route(
        "/readyz",
        get(async move || {
            if ready() {
                (StatusCode::OK, "ready\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        }),
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_follows_the_word_and_live_does_not() {
        let (tell, told) = tokio::sync::watch::channel(false);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router(move || *told.borrow())).await });
        let ask = async |path: &str| {
            // The process's provider of cryptography may not be there in a test, and nothing here needs one.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let answer = reqwest::get(format!("{base}{path}")).await.unwrap();
            answer.status().as_u16()
        };
        assert_eq!((ask("/livez").await, ask("/readyz").await), (200, 503));
        tell.send_replace(true);
        assert_eq!((ask("/livez").await, ask("/readyz").await), (200, 200));
        tell.send_replace(false);
        assert_eq!((ask("/livez").await, ask("/readyz").await), (200, 503));
        assert_eq!(ask("/").await, 404);
    }
}
