//! The log: what happened and what was said, the newest at the bottom.

use super::super::model::Model;
use super::super::style::Look;
use super::super::words;
use super::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Columns of the run time before each line.
const TIME: u16 = 7;

/// How much of a line is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// What fits in one row.
    Cut,
    /// All of it, in as many rows as it takes.
    Whole,
}

/// As many of the newest lines as there is room for.
pub(super) fn newest(model: &Model, look: Look, lines: Lines, area: Rect, buffer: &mut Buffer) {
    let columns = usize::from(area.width.saturating_sub(TIME));
    let room = usize::from(area.height);
    let mut rows: Vec<(String, String)> = Vec::new();
    for (at, said) in entries(model).into_iter().rev() {
        if rows.len() >= room {
            break;
        }
        let parts = match lines {
            Lines::Cut => vec![text::fit(said, columns)],
            Lines::Whole => text::wrap(said, columns),
        };
        let at = at.map(words::run_clock).unwrap_or_default();
        let times = std::iter::once(at).chain(std::iter::repeat(String::new()));
        let first = rows.len();
        rows.extend(times.zip(parts));
        rows[first..].reverse();
    }
    rows.truncate(room);
    for ((at, said), y) in rows.into_iter().rev().zip(area.y..area.y + area.height) {
        let row = Line::from(vec![
            Span::styled(format!("{at:>5}  "), look.quiet()),
            Span::styled(said, Style::new()),
        ]);
        let area = Rect {
            y,
            height: 1,
            ..area
        };
        text::ends(&row, &Line::default(), area, buffer);
    }
}

/// The same, under a heading.
pub(super) fn titled(model: &Model, look: Look, lines: Lines, area: Rect, buffer: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    buffer.set_stringn(
        area.x,
        area.y,
        "LOG",
        usize::from(area.width),
        look.strong(),
    );
    let below = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    newest(model, look, lines, below, buffer);
}

/// Lines, and the stages that began between them; by run time, what came before T0 first.
fn entries(model: &Model) -> Vec<(Option<i64>, &str)> {
    let marks = model.view.as_ref().map_or(&[][..], |view| &view.marks);
    // What else is marked is said in lines, too.
    let stages = marks.iter().filter(|mark| mark.kind == "stage");
    let lines = model.lines.iter().map(|line| (line.at, line.text.as_str()));
    let mut entries: Vec<_> = lines
        .chain(stages.map(|mark| (Some(mark.run_ns), mark.text.as_str())))
        .collect();
    entries.sort_by_key(|(at, _)| *at);
    entries
}
