//! The two tables that are always there: scenarios, and requests as they are now and as they were over the run.

use super::super::model::Model;
use super::super::style::Look;
use super::super::words;
use super::text::{Cell, Column, Table, number, words as worded};
use proto::v1::{ScenarioView, Span};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

/// Most columns of a name.
const NAME: u16 = 48;
/// Columns of the bar of a scenario's time.
const BAR: u16 = 8;

/// Scenarios, in the plan's order.
pub(super) fn scenarios(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    const COLUMNS: [Column; 8] = [
        worded("STAGE", 7, 1),
        worded("", BAR, 4),
        number("VUS", 13, 0),
        number("ITER/S", 13, 2),
        number("DONE", 7, 3),
        number("CUT", 7, 7),
        number("DROPPED", 7, 5),
        number("EXPIRED", 7, 6),
    ];
    if area.is_empty() {
        return;
    }
    let view = model.view.as_ref();
    let scenarios = view.map_or(&[][..], |view| &view.scenarios);
    let now = view.map_or(0, |view| u64::try_from(view.run_ns).unwrap_or(0));
    let room = usize::from(area.height - 1);
    let shown = if scenarios.len() > room {
        room.saturating_sub(1)
    } else {
        room
    };
    let listed = scenarios.iter().take(shown);
    let mut rows: Vec<_> = listed.map(|scenario| row(scenario, now, look)).collect();
    let more = scenarios.len() - rows.len();
    if more > 0 {
        rows.push((
            Line::styled(format!("and {more} more"), look.quiet()),
            Vec::new(),
        ));
    } else if scenarios.is_empty() {
        rows.push((Line::styled("none yet", look.quiet()), Vec::new()));
    }
    let table = Table {
        heading: Line::styled("SCENARIO", look.strong()),
        columns: &COLUMNS,
        least: 10,
        most: NAME,
        rows,
    };
    table.draw(look, area, buffer);
}

fn row<'a>(scenario: &'a ScenarioView, now: u64, look: Look) -> (Line<'a>, Vec<Cell>) {
    let over = scenario.stage > scenario.stages;
    let stage = match scenario.stage {
        0 => "to come".to_owned(),
        _ if over && scenario.vus > 0 => "ending".to_owned(),
        _ if over => "over".to_owned(),
        stage => format!("{stage} of {}", scenario.stages),
    };
    let (done, length) = match scenario.of {
        _ if over => (1, 1),
        0 => (
            now.saturating_sub(scenario.begins_ns),
            scenario.ends_ns.saturating_sub(scenario.begins_ns),
        ),
        of => (scenario.completed + scenario.interrupted, of),
    };
    let vus = words::count(scenario.vus);
    let vus = if scenario.vus_planned > 0 || scenario.rate_planned <= 0.0 {
        words::of(&vus, &words::count(scenario.vus_planned))
    } else {
        // Of an open scenario: how many are busy is the target's doing.
        vus
    };
    let rate = words::rate(scenario.rate);
    let rate = if scenario.rate_planned > 0.0 {
        words::of(&rate, &words::rate(scenario.rate_planned))
    } else {
        rate
    };
    let finished = words::count(scenario.completed);
    let wrong = |number: u64| Cell {
        text: words::count(number),
        style: if number > 0 {
            look.alarm()
        } else {
            look.quiet()
        },
    };
    let cells = vec![
        stage.into(),
        Cell {
            text: track(done, length),
            style: look.measured(),
        },
        vus.into(),
        rate.into(),
        finished.into(),
        wrong(scenario.interrupted),
        wrong(scenario.dropped),
        wrong(scenario.expired),
    ];
    (Line::raw(scenario.name.as_str()), cells)
}

/// Requests of the newest seconds, and of the whole run.
pub(super) fn requests(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    const COLUMNS: [Column; 11] = [
        number("COUNT", 7, 4),
        number("RATE/S", 7, 1),
        number("FAILED", 6, 2),
        number("AVG", 6, 8),
        number("P50", 6, 3),
        number("P90", 6, 5),
        number("P95", 6, 0),
        number("P99", 6, 3),
        number("MAX", 6, 6),
        number("ITERATIONS", 10, 9),
        number("DROPPED", 7, 7),
    ];
    let view = model.view.as_ref();
    let now = view.and_then(|view| view.now.as_ref());
    let whole = view.and_then(|view| view.whole.as_ref());
    let newest = match now.map(|span| span.to_ns.saturating_sub(span.from_ns)) {
        Some(ns) if ns > 0 => format!("last {} s", (ns + 500_000_000) / 1_000_000_000),
        _ => "now".to_owned(),
    };
    let table = Table {
        heading: Line::styled("REQUESTS", look.strong()),
        columns: &COLUMNS,
        least: 10,
        most: NAME,
        rows: vec![
            (Line::raw(newest), measured(now, look)),
            (Line::raw("whole run"), measured(whole, look)),
        ],
    };
    table.draw(look, area, buffer);
}

fn measured(span: Option<&Span>, look: Look) -> Vec<Cell> {
    let Some(span) = span else {
        return vec![Cell::from("-".to_owned()); 11];
    };
    let failed = Cell {
        text: words::share(span.failed, span.requests),
        style: if span.failed > 0 {
            look.alarm()
        } else {
            look.quiet()
        },
    };
    let p95 = Cell {
        text: words::time(span.p95_ns),
        style: look.strong(),
    };
    vec![
        words::count(span.requests).into(),
        words::rate(span.rate).into(),
        failed,
        words::time(span.avg_ns).into(),
        words::time(span.p50_ns).into(),
        words::time(span.p90_ns).into(),
        p95,
        words::time(span.p99_ns).into(),
        words::time(span.max_ns).into(),
        words::count(span.iterations).into(),
        words::count(span.dropped).into(),
    ]
}

/// A bar as text.
fn track(done: u64, of: u64) -> String {
    let columns = u128::from(BAR);
    let filled = (u128::from(done.min(of)) * columns)
        .checked_div(u128::from(of))
        .unwrap_or(0);
    let filled = usize::try_from(filled).unwrap_or(0);
    format!(
        "{}{}",
        "━".repeat(filled),
        "─".repeat(usize::from(BAR) - filled)
    )
}
