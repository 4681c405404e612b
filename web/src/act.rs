//! Changing a run: stop, pause, resume, scale, annotate. The run's report names who did.

use crate::json::ms;
use crate::login::Who;
use crate::page::Page;
use crate::problem::Problem;
use crate::router::Body;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use proto::v1::change_request::Change;
use proto::v1::{
    Annotate, ChangeRequest, PauseRun, ResumeRun, ScaleRun, StopMode, StopRequest, scale_run,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest run id, in characters.
const ID: usize = 128;
/// Longest note, in characters: what a controller takes.
const NOTE: usize = 200;
/// How long a pause may take unless it is said, in milliseconds: an hour.
const PAUSE_MS: u64 = 3_600_000;
/// Most a factor may be, as the command line has it.
const FACTOR: f64 = 1000.0;

type Answer = Result<Json<Value>, Problem>;

fn unfit(text: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text)
}

/// A run's id out of a path.
pub(crate) fn known(run: String) -> Result<String, Problem> {
    let fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if run.is_empty() || run.len() > ID || !run.chars().all(fit) {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "that is no id of a run; GET /api/runs lists them",
        ));
    }
    Ok(run)
}

async fn change(page: &Page, run: String, Who(who): Who, change: Change) -> Answer {
    let request = ChangeRequest {
        run: known(run)?,
        who,
        change: Some(change),
        asked_unix_ms: 0,
    };
    let reply = page.ask.change(request).await?;
    Ok(Json(
        json!({ "text": reply.text, "from_ms": ms(reply.from_ns) }),
    ))
}

/// `POST /api/runs/ID/stop`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stop {
    mode: Mode,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Graceful,
    Interrupt,
}

pub(crate) async fn stop(
    State(page): State<Arc<Page>>,
    Path(run): Path<String>,
    Extension(Who(who)): Extension<Who>,
    Body(Stop { mode }): Body<Stop>,
) -> Answer {
    let run = known(run)?;
    let (mode, text) = match mode {
        Mode::Graceful => (
            StopMode::StopGraceful,
            "no iteration begins any more; those in progress may finish",
        ),
        Mode::Interrupt => (StopMode::StopInterrupt, "iterations are cut now"),
    };
    tracing::info!(run, who, "a stop was asked for on the web page");
    let request = StopRequest {
        run: run.clone(),
        mode: mode.into(),
        reason: format!("by {who}"),
    };
    let reply = page.ask.stop(request).await?;
    let text = if reply.was_running {
        text.to_owned()
    } else {
        format!("run {run} was over already")
    };
    Ok(Json(json!({ "text": text })))
}

/// `POST /api/runs/ID/pause`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pause {
    max_ms: Option<u64>,
}

pub(crate) async fn pause(
    State(page): State<Arc<Page>>,
    Path(run): Path<String>,
    Extension(who): Extension<Who>,
    Body(Pause { max_ms }): Body<Pause>,
) -> Answer {
    let max_ns = max_ms.unwrap_or(PAUSE_MS).saturating_mul(1_000_000);
    change(&page, run, who, Change::Pause(PauseRun { max_ns })).await
}

/// `POST /api/runs/ID/resume`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resume {}

pub(crate) async fn resume(
    State(page): State<Arc<Page>>,
    Path(run): Path<String>,
    Extension(who): Extension<Who>,
    Body(Resume {}): Body<Resume>,
) -> Answer {
    change(&page, run, who, Change::Resume(ResumeRun {})).await
}

/// `POST /api/runs/ID/scale`: one of `factor`, `vus`, `rate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    #[serde(default)]
    scenario: String,
    factor: Option<f64>,
    vus: Option<u64>,
    rate: Option<u64>,
}

pub(crate) async fn scale(
    State(page): State<Arc<Page>>,
    Path(run): Path<String>,
    Extension(who): Extension<Who>,
    Body(scale): Body<Scale>,
) -> Answer {
    let to = match (scale.factor, scale.vus, scale.rate) {
        (Some(factor), None, None) => scale_run::Change::Factor(thousandths(factor)?),
        (None, Some(vus), None) => scale_run::Change::Vus(vus),
        (None, None, Some(rate)) => scale_run::Change::Rate(rate),
        _ => {
            return Err(unfit(
                "say one of `factor` (of the plan's curve), `vus` and `rate`",
            ));
        }
    };
    let scale = ScaleRun {
        scenario: scale.scenario,
        change: Some(to),
    };
    change(&page, run, who, Change::Scale(scale)).await
}

fn thousandths(factor: f64) -> Result<u64, Problem> {
    if !(0.0..=FACTOR).contains(&factor) {
        return Err(unfit(format!("a factor is from 0 to {FACTOR}")));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to a million"
    )]
    Ok((factor * 1000.0).round() as u64)
}

/// `POST /api/runs/ID/annotate`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    text: String,
}

pub(crate) async fn annotate(
    State(page): State<Arc<Page>>,
    Path(run): Path<String>,
    Extension(who): Extension<Who>,
    Body(Note { text }): Body<Note>,
) -> Answer {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NOTE {
        return Err(unfit(format!("a note has 1 to {NOTE} characters")));
    }
    let note = Annotate {
        text: text.to_owned(),
    };
    change(&page, run, who, Change::Annotate(note)).await
}
