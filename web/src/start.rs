//! Starting a run from a scenario that was typed, or pasted, into the page.

use crate::login::Who;
use crate::page::{Page, Wanted};
use crate::problem::Problem;
use crate::router::Body;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use proto::PROTOCOL;
use proto::v1::StartHead;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long the run waits for its agents, in milliseconds.
const WAIT_MS: u64 = 60_000;
/// Longest name of a scenario, in characters.
const NAME: usize = 120;

/// `POST /api/runs`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    #[serde(default)]
    name: String,
    source: String,
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// 0: all that are there, at least one.
    #[serde(default)]
    expect_agents: u32,
}

/// Compiles it, and starts or queues the run.
pub(crate) async fn start(
    State(page): State<Arc<Page>>,
    Extension(Who(who)): Extension<Who>,
    Body(start): Body<Start>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let name: String = start
        .name
        .trim()
        .chars()
        .filter(|letter| !letter.is_control())
        .take(NAME)
        .collect();
    let wanted = Wanted {
        name: if name.is_empty() {
            "web.yaml".to_owned()
        } else {
            name
        },
        source: start.source,
        base_url: start.base_url.filter(|url| !url.trim().is_empty()),
        env: start.env,
    };
    let backing = Arc::clone(&page.backing);
    let bundle = tokio::task::spawn_blocking(move || backing.bundle(wanted))
        .await
        .map_err(|error| Problem::internal(format!("compiling the scenario broke: {error}")))?
        .map_err(|diagnostics| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, diagnostics))?;
    let head = StartHead {
        protocol: PROTOCOL,
        expect_agents: start.expect_agents,
        wait_ms: WAIT_MS,
        queue: true,
        preflight: true,
        ..StartHead::default()
    };
    let reply = page.ask.start(head, &bundle).await?;
    tracing::info!(run = reply.run, who, "a run was asked for on the web page");
    let told = json!({ "run": reply.run, "queued_behind": reply.queued_behind });
    Ok((StatusCode::CREATED, Json(told)))
}
