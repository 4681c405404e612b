//! What there is: agents, runs, scenarios.

use crate::json;
use crate::page::Page;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::sync::Arc;

/// `GET /api/agents`
pub(crate) async fn agents(State(page): State<Arc<Page>>) -> Result<Json<Value>, Problem> {
    let agents = page.ask.agents().await?;
    Ok(Json(agents.iter().map(json::agent).collect()))
}

/// `GET /api/runs`, newest first.
pub(crate) async fn runs(State(page): State<Arc<Page>>) -> Result<Json<Value>, Problem> {
    let mut runs = page.ask.runs().await?;
    // Those that begin together stay in the controller's order, turned round like the rest.
    runs.reverse();
    runs.sort_by_key(|run| Reverse(run.started_unix_ms));
    Ok(Json(runs.iter().map(json::run).collect()))
}

/// `GET /api/scenarios`
pub(crate) async fn scenarios(State(page): State<Arc<Page>>) -> Json<Value> {
    let scenarios = page.backing.scenarios();
    Json(
        scenarios
            .iter()
            .map(|scenario| json!({ "name": scenario.name, "source": scenario.source }))
            .collect(),
    )
}
