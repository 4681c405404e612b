//! `--metrics-listen`: a plain HTTP port whose page `/metrics` tells those who scrape what a controller's newest run has come to, or how
//! an agent fares. It names steps and agents to whoever can reach it, which is why it is a port of its own, and closed unless asked for.

use crate::error::Error;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use controller::output::Page;
use std::net::SocketAddr;
use tokio::task::JoinSet;

/// The port, as long as it is held.
#[derive(Debug)]
pub(crate) struct MetricsPage {
    /// Aborted when dropped.
    _serving: JoinSet<()>,
}

impl MetricsPage {
    /// Serves the page, which is made for each who asks.
    ///
    /// # Errors
    /// `Listen` when nothing can listen there.
    pub(crate) async fn serve(
        address: SocketAddr,
        text: impl Fn() -> String + Clone + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let listener = crate::embedded::listen(address, "--metrics-listen").await?;
        let metrics = listener.local_addr().unwrap_or(address);
        tracing::info!(%metrics, "serving /metrics");
        let router = Router::new().route(
            "/metrics",
            get(async move || ([(CONTENT_TYPE, Page::CONTENT_TYPE)], text())),
        );
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // Never ends by itself: failed accepts are tried again.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { _serving: serving })
    }
}
