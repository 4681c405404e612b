//! The picture: which parts there are, and how much room each gets. Pure: a model in, cells out; the same model is the same picture.
//!
//! ```text
//! what is run, and its state
//! ━━━━━━━━━━━━━━━━━━━━━━───────────
//! scenarios
//! requests: now, and over the run
//! charts
//! one list of three (all of them where there is room)
//! the newest lines of the log
//! keys, or a question
//! ```
//!
//! Where there is little room, parts go in the order of what matters least; rows never change their places while a run goes on.

mod charts;
mod foot;
mod head;
mod lists;
mod log;
mod tables;
mod text;

use super::model::{Asking, List, Model};
use super::style::Look;
use log::Lines;
use ratatui::Frame;
use ratatui::layout::Rect;

/// From here on all lists are shown, one under the other.
const TALL: u16 = 40;
/// From here on they stand beside one another.
const WIDE: u16 = 140;
/// From here on so do the tables.
const VERY_WIDE: u16 = 180;

/// Draws everything.
pub(super) fn draw(model: &Model, look: Look, frame: &mut Frame<'_>) {
    let all = frame.area();
    // A little air on both sides, where there is any.
    let area = if all.width >= 60 {
        Rect::new(all.x + 1, all.y, all.width - 2, all.height)
    } else {
        all
    };
    let mut room = Room { left: area };
    let buffer = frame.buffer_mut();
    head::line(model, look, room.top(1), buffer);
    foot::line(model, look, room.bottom(1), buffer);
    if room.left.height >= 3 {
        head::bar(model, look, room.top(1), buffer);
    }
    if model.asking == Asking::Log {
        return log::titled(model, look, Lines::Whole, room.left, buffer);
    }
    let tall = area.height >= TALL;
    let plan = Plan::of(model, room.left.height, tall);
    room.top(plan.gaps.min(1));
    if area.width >= VERY_WIDE {
        let (left, right) = halves(room.top(plan.scenarios.max(plan.requests)));
        tables::scenarios(model, look, left, buffer);
        tables::requests(model, look, right, buffer);
    } else {
        tables::scenarios(model, look, room.top(plan.scenarios), buffer);
        room.top(plan.gaps.saturating_sub(1).min(1));
        tables::requests(model, look, room.top(plan.requests), buffer);
    }
    room.top(plan.gaps.saturating_sub(2).min(1));
    let charts = room.top(plan.charts);
    // Before there is anything to draw, a small screen has room for what is said.
    let waiting = model.points.is_empty() && !tall;
    if waiting {
        log::newest(model, look, Lines::Whole, charts, buffer);
    } else {
        charts::draw(model, look, charts, buffer);
    }
    room.top(plan.gaps.saturating_sub(3).min(1));
    if tall {
        everything(model, look, room.left, buffer);
    } else {
        let newest = room.bottom(plan.log);
        room.bottom(plan.gaps.saturating_sub(4).min(1));
        lists::tabbed(model, look, room.left, buffer);
        if !waiting {
            log::newest(model, look, Lines::Cut, newest, buffer);
        }
    }
    if model.asking == Asking::Help {
        foot::help(model, look, all, frame.buffer_mut());
    }
}

/// Rows of each part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    scenarios: u16,
    requests: u16,
    charts: u16,
    log: u16,
    /// Empty rows between parts.
    gaps: u16,
}

impl Plan {
    fn of(model: &Model, rows: u16, tall: bool) -> Self {
        let mut left = rows;
        let mut take = |least: u16, wanted: u16| {
            let rows = if left >= least { wanted.min(left) } else { 0 };
            left -= rows;
            rows
        };
        let scenarios = model.view.as_ref().map_or(0, |view| view.scenarios.len());
        let scenarios = u16::try_from(scenarios).unwrap_or(u16::MAX).max(1);
        let requests = take(3, 3);
        let scenarios = take(2, 1 + scenarios.min(if tall { 10 } else { 3 }));
        // The list's heading and three rows: what is below gets what is beyond.
        let list = take(2, 4);
        let charts = take(5, if tall { 6 } else { 5 });
        let log = take(1, 2);
        let gaps = take(1, 4);
        // What is left makes charts taller first, for a picture needs rows, then the list and the log.
        let taller = if tall {
            // As many rows again for the lists as for the charts.
            take(1, (rows / 5).min(10))
        } else {
            take(1, 3)
        };
        let more_log = if tall { 0 } else { take(3, (rows / 8).max(1)) };
        let _ = list;
        Self {
            scenarios,
            requests,
            charts: if charts == 0 { 0 } else { charts + taller },
            log: log + more_log,
            gaps,
        }
    }
}

/// All lists and the log.
fn everything(model: &Model, look: Look, area: Rect, buffer: &mut ratatui::buffer::Buffer) {
    let mut room = Room { left: area };
    if area.width >= WIDE {
        // Two columns; the lower half, with errors and the log, wants fewer rows.
        let entries = model.entries(List::Agents).max(model.entries(List::Steps));
        let wanted = u16::try_from(entries).unwrap_or(u16::MAX).saturating_add(1);
        let upper = room.top(wanted.clamp(area.height / 3, area.height / 2));
        room.top(1);
        let (agents, steps) = halves(upper);
        let (errors, newest) = halves(room.left);
        lists::one(model, look, List::Agents, agents, buffer);
        lists::one(model, look, List::Steps, steps, buffer);
        lists::one(model, look, List::Errors, errors, buffer);
        log::titled(model, look, Lines::Cut, newest, buffer);
    } else {
        let part = area.height.saturating_sub(3) / 4;
        for list in [List::Agents, List::Errors, List::Steps] {
            lists::one(model, look, list, room.top(part), buffer);
            room.top(1);
        }
        log::titled(model, look, Lines::Cut, room.left, buffer);
    }
}

fn halves(area: Rect) -> (Rect, Rect) {
    let half = area.width.saturating_sub(3) / 2;
    let right = area.x + area.width - half;
    (
        Rect::new(area.x, area.y, half, area.height),
        Rect::new(right, area.y, half, area.height),
    )
}

/// Rows that are handed out from above and below.
struct Room {
    left: Rect,
}

impl Room {
    fn top(&mut self, rows: u16) -> Rect {
        let rows = rows.min(self.left.height);
        let part = Rect {
            height: rows,
            ..self.left
        };
        self.left.y += rows;
        self.left.height -= rows;
        part
    }

    fn bottom(&mut self, rows: u16) -> Rect {
        let rows = rows.min(self.left.height);
        self.left.height -= rows;
        Rect {
            y: self.left.y + self.left.height,
            height: rows,
            ..self.left
        }
    }
}
