//! The first two lines: what is run, in which state it is, and how far along.

use super::super::model::{self, Model};
use super::super::style::Look;
use super::super::words;
use super::text;
use proto::v1::RunState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use std::time::Duration;

/// Without a word for so long, the view says so.
const SILENCE: Duration = Duration::from_secs(4);

/// Title and state.
pub(super) fn line(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    let right = state(model, look);
    let mut left = vec![];
    if !model.title.is_empty() {
        left.push(Span::styled(model.title.as_str(), look.strong()));
        left.push(Span::raw("  "));
    }
    left.push(Span::styled(model.run.as_str(), look.quiet()));
    text::ends(&Line::from(left), &right, area, buffer);
}

/// How much of the run has gone by.
pub(super) fn bar(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    let (now, length) = model.view.as_ref().map_or((0, 0), |view| {
        (u64::try_from(view.run_ns).unwrap_or(0), view.length_ns)
    });
    let done = if model.over { length.max(1) } else { now };
    track(done, length.max(1), look, area, buffer);
}

/// A thin bar: heavy as far as it is done.
pub(super) fn track(done: u64, of: u64, look: Look, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let width = u128::from(area.width);
    let filled = (u128::from(done.min(of)) * width)
        .checked_div(u128::from(of))
        .unwrap_or(0);
    let filled = u16::try_from(filled).unwrap_or(area.width).min(area.width);
    let heavy = "━".repeat(usize::from(filled));
    let light = "─".repeat(usize::from(area.width - filled));
    buffer.set_string(area.x, area.y, heavy, look.measured());
    buffer.set_string(area.x + filled, area.y, light, look.quiet());
}

/// `load  0:12 of 0:35`, or what is the matter.
fn state(model: &Model, look: Look) -> Line<'static> {
    if let Some(away) = model.away {
        let text = format!("controller away for {}", model::since(away, model.now));
        return Line::styled(text, look.alarm());
    }
    let word = word(model);
    let word = if model.interrupted && !model.over {
        "interrupting"
    } else {
        word
    };
    let alarm = model.interrupted || model.paused();
    let style = if alarm { look.alarm() } else { look.strong() };
    let mut spans = vec![Span::styled(word, style)];
    match &model.view {
        Some(view) if loads(model) => {
            let now = words::run_clock(view.run_ns);
            spans.push(Span::raw(format!("  {now}")));
            spans.push(Span::styled(
                format!(" of {}", words::clock(view.length_ns)),
                look.quiet(),
            ));
            let silent = model.now.saturating_sub(model.heard);
            if silent >= SILENCE && !model.over {
                let text = format!("  no word for {} s", silent.as_secs());
                spans.push(Span::styled(text, look.alarm()));
            }
        }
        _ if model.state.is_some() && !model.over => {
            let spent = model::since(model.state_since, model.now);
            spans.push(Span::raw(format!("  {spent}")));
            if !model.within.is_zero() {
                let within =
                    words::clock(u64::try_from(model.within.as_nanos()).unwrap_or(u64::MAX));
                spans.push(Span::styled(format!(" of at most {within}"), look.quiet()));
            }
        }
        _ => {}
    }
    Line::from(spans)
}

/// Whether run time says how far along it is.
fn loads(model: &Model) -> bool {
    matches!(model.state, Some(RunState::StateLoad) | None)
}

fn word(model: &Model) -> &'static str {
    if model.over {
        return "over";
    }
    match model.state {
        _ if model.paused() => "paused",
        None if model.view.is_some() => "load",
        None => "waiting",
        Some(RunState::StateQueued) => "queued",
        Some(RunState::StateChecked) => "checked",
        Some(RunState::StateEnlisting) => "enlisting",
        Some(RunState::StatePreflight) => "preflight",
        Some(RunState::StateReady) => "ready",
        Some(RunState::StateSetup) => "setup",
        Some(RunState::StateLoad) => "load",
        Some(RunState::StateDrain) => "draining",
        Some(RunState::StateTeardown) => "teardown",
        Some(RunState::StateOver) => "over",
    }
}
