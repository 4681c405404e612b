//! Reports of runs that are over, as files.

use crate::act::known;
use crate::page::Page;
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

fn file(run: &str, ending: &str, kind: &'static str, body: impl IntoResponse) -> Response {
    let name = format!("attachment; filename=\"throng-{run}.{ending}\"");
    let head = [(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, name)];
    (head, body).into_response()
}

async fn read(page: &Page, run: &str) -> Result<Vec<u8>, Problem> {
    let over = page.ask.outcome(run).await?;
    if over.report.is_empty() {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("run {run} ended without a report: {}", over.text),
        ));
    }
    Ok(over.report)
}

/// `GET /api/runs/ID/report.json`
pub(crate) async fn json(
    State(page): State<Arc<Page>>,
    Path(run): Path<String>,
) -> Result<Response, Problem> {
    let run = known(run)?;
    let report = read(&page, &run).await?;
    Ok(file(&run, "json", "application/json", report))
}

/// `GET /api/runs/ID/report.txt`
pub(crate) async fn text(
    State(page): State<Arc<Page>>,
    Path(run): Path<String>,
) -> Result<Response, Problem> {
    let run = known(run)?;
    let report = read(&page, &run).await?;
    let backing = Arc::clone(&page.backing);
    let text = tokio::task::spawn_blocking(move || backing.report(&report))
        .await
        .map_err(|error| Problem::internal(format!("writing the report broke: {error}")))?
        .map_err(Problem::internal)?;
    Ok(file(&run, "txt", "text/plain; charset=utf-8", text))
}
