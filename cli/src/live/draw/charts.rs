//! Small charts over run time, side by side: what was planned and what was held, requests, and the p95. A column is a second or several;
//! `░` is what was planned and not held, so that a gap is seen without colour.

use super::super::model::Model;
use super::super::points::Folded;
use super::super::style::Look;
use super::super::words;
use super::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

/// Fewest columns of a chart.
const NARROW: u16 = 22;
/// Columns between two.
const BETWEEN: u16 = 3;
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const GAP: &str = "░";

/// One chart: what stands above it, and its columns.
struct Chart {
    title: &'static str,
    /// The newest value.
    value: String,
    /// The number at its upper edge, in words.
    words: fn(f64) -> String,
    /// What was measured, and what was planned; `None` where nothing is known.
    columns: Vec<Option<(f64, f64)>>,
}

/// Draws as many as there is room for.
pub(super) fn draw(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    if area.height < 3 {
        return;
    }
    if model.points.is_empty() {
        return waiting(model, look, area, buffer);
    }
    let fitting = usize::from((area.width + BETWEEN) / (NARROW + BETWEEN)).max(1);
    let mut wanted = wanted(model);
    wanted.truncate(fitting);
    wanted.sort_unstable();
    let parts = u16::try_from(wanted.len()).unwrap_or(1);
    let width = (area.width + BETWEEN) / parts - BETWEEN;
    let length = model.view.as_ref().map_or(0, |view| view.length_ns);
    let folded = model.points.fold(width, length);
    for (kind, index) in wanted.into_iter().zip(0..) {
        let part = Rect {
            x: area.x + index * (width + BETWEEN),
            width,
            ..area
        };
        let chart = kind.chart(model, &folded);
        chart.draw(look, part, buffer);
        axis(model, &folded, look, part, buffer);
    }
}

/// Before there is anything to draw: what is waited for.
fn waiting(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    let said = if model.state_text.is_empty() {
        "charts begin with the load"
    } else {
        &model.state_text
    };
    let line = Rect {
        y: area.y + area.height / 2,
        height: 1,
        ..area
    };
    let said = text::fit(said, usize::from(area.width));
    Line::styled(said, look.quiet())
        .centered()
        .render(line, buffer);
}

/// In the order in which they stand beside one another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Vus,
    Arrivals,
    Requests,
    P95,
}

/// Which charts, the most telling first.
fn wanted(model: &Model) -> Vec<Kind> {
    let scenarios = model.view.as_ref().map_or(&[][..], |view| &view.scenarios);
    let has_open = scenarios.iter().any(|scenario| is_open(&scenario.executor));
    let has_closed = scenarios
        .iter()
        .any(|scenario| !is_open(&scenario.executor));
    let mut wanted = Vec::new();
    if has_closed || !has_open {
        wanted.push(Kind::Vus);
    }
    if has_open {
        wanted.push(Kind::Arrivals);
    }
    wanted.extend([Kind::P95, Kind::Requests]);
    wanted
}

/// Whether an executor, by k6's word for it, starts iterations when they are due, whoever is busy.
fn is_open(executor: &str) -> bool {
    executor.ends_with("arrival-rate")
}

impl Kind {
    fn chart(self, model: &Model, folded: &Folded) -> Chart {
        let last = model.points.last();
        let of =
            |part: f64, whole: f64| format!("{} of {}", words::amount(part), words::amount(whole));
        let scenarios = model.view.as_ref().map_or(&[][..], |view| &view.scenarios);
        let closed = || {
            scenarios
                .iter()
                .filter(|scenario| !is_open(&scenario.executor))
        };
        let busy: u64 = closed().map(|scenario| scenario.vus).sum();
        let planned: u64 = closed().map(|scenario| scenario.vus_planned).sum();
        let now = model.view.as_ref().and_then(|view| view.now.as_ref());
        let columns = folded.columns.iter().map(|column| {
            column.and_then(|column| match self {
                Kind::Vus => Some((column.vus, column.vus_planned)),
                Kind::Arrivals => Some((column.begun, column.due)),
                Kind::Requests => Some((column.rate, 0.0)),
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a chart has a hundred rows at most"
                )]
                Kind::P95 => column.p95_ns.map(|ns| (ns as f64, 0.0)),
            })
        });
        let (title, value, words): (_, _, fn(f64) -> String) = match self {
            Kind::Vus => (
                "VUS",
                Some(match planned {
                    0 if busy > 0 => format!("{} finishing", words::count(busy)),
                    _ => format!("{} of {}", words::count(busy), words::count(planned)),
                }),
                words::rate,
            ),
            Kind::Arrivals => (
                "ARRIVALS/S",
                last.map(|point| of(point.begun, point.due)),
                words::rate,
            ),
            Kind::Requests => (
                "REQUESTS/S",
                now.map(|span| words::rate(span.rate)),
                words::rate,
            ),
            Kind::P95 => ("P95", now.map(|span| words::time(span.p95_ns)), nanoseconds),
        };
        Chart {
            title,
            value: value.unwrap_or_default(),
            words,
            columns: columns.collect(),
        }
    }
}

impl Chart {
    fn draw(&self, look: Look, area: Rect, buffer: &mut Buffer) {
        let known = || self.columns.iter().flatten();
        let planned = known().map(|(_, planned)| *planned).fold(0.0, f64::max);
        let held = known().map(|(held, _)| *held).fold(0.0, f64::max);
        // What was held is measured, and may be a little above what was planned.
        let top = round_up(if planned > 0.0 { planned } else { held });
        let left = Line::from(vec![
            Span::styled(self.title, look.strong()),
            Span::raw(" "),
            Span::raw(self.value.as_str()),
        ]);
        let right = Line::styled(format!("{}┐", shortest(&(self.words)(top))), look.quiet());
        text::ends(&left, &right, area, buffer);
        let rows = area.height - 2;
        for (column, x) in self.columns.iter().zip(area.x..area.x + area.width) {
            let Some((held, planned)) = column else {
                continue;
            };
            let (held, planned) = (eighths(*held, top, rows), eighths(*planned, top, rows));
            for row in 0..rows {
                let below = usize::from(rows - 1 - row) * 8;
                let filled = held.saturating_sub(below).min(8);
                let (sign, style) = if filled > 0 {
                    (EIGHTHS[filled], look.measured())
                } else if planned >= below + 8 || planned > below + 3 {
                    (GAP, look.quiet())
                } else {
                    continue;
                };
                buffer.set_string(x, area.y + 1 + row, sign, style);
            }
        }
    }
}

/// From when to when, and marks where something happened.
fn axis(model: &Model, folded: &Folded, look: Look, area: Rect, buffer: &mut Buffer) {
    let y = area.y + area.height - 1;
    buffer.set_string(area.x, y, "─".repeat(usize::from(area.width)), look.quiet());
    let marks = model.view.as_ref().map_or(&[][..], |view| &view.marks);
    for mark in marks {
        let Ok(column) = u16::try_from(mark.run_ns / folded.step.max(1)) else {
            continue;
        };
        if mark.run_ns >= 0 && column < area.width && usize::from(column) < folded.columns.len() {
            buffer.set_string(area.x + column, y, "┴", look.strong());
        }
    }
    // From 0:00; where it ends.
    let columns = u64::try_from(folded.columns.len()).unwrap_or(0);
    let label = words::clock(columns.saturating_mul(folded.step.unsigned_abs()));
    let taken = u16::try_from(label.len()).unwrap_or(0) + 1;
    let at = u16::try_from(folded.columns.len())
        .unwrap_or(u16::MAX)
        .saturating_add(1);
    let at = at.min(area.width.saturating_sub(taken));
    buffer.set_string(area.x + at, y, format!(" {label}"), look.quiet());
    if at + taken < area.width {
        buffer.set_string(area.x + at + taken, y, " ", look.quiet());
    }
}

/// Height in eighths of a row; what is there at all is seen.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and eight times the rows"
)]
fn eighths(value: f64, top: f64, rows: u16) -> usize {
    if value <= 0.0 || top <= 0.0 || !value.is_finite() {
        return 0;
    }
    let full = f64::from(rows) * 8.0;
    (value / top * full).round().clamp(1.0, full) as usize
}

/// The next number that a person would put at the upper edge: 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten. It stays for a while when values grow.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let step = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .find(|step| step * power >= value * 0.999_999);
    step.unwrap_or(10.0) * power
}

/// `5.00s` is `5s`, `100.0` is `100`.
fn shortest(text: &str) -> String {
    let end = text
        .find(|char: char| !char.is_ascii_digit() && char != '.' && char != ' ')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if !number.contains('.') {
        return text.to_owned();
    }
    let number = number.trim_end_matches('0').trim_end_matches('.');
    format!("{number}{unit}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest integer there is"
)]
fn nanoseconds(value: f64) -> String {
    words::time(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_edge_is_a_round_number_above_the_values() {
        let table = [
            (0.0, 1.0),
            (1.0, 1.0),
            (57.0, 60.0),
            (99.9, 100.0),
            (101.0, 150.0),
            (6.2e9, 8e9),
        ];
        for (value, wanted) in table {
            assert!((round_up(value) - wanted).abs() < wanted * 1e-9, "{value}");
        }
        for exponent in -3..12 {
            for tenth in 10..100 {
                let value = f64::from(tenth) * 10f64.powi(exponent);
                assert!(round_up(value) >= value * 0.999_99, "{value}");
                assert!(round_up(value) <= value * 2.0, "{value}");
            }
        }
    }

    #[test]
    fn numbers_at_the_edge_are_short() {
        let table = [
            ("5.00s", "5s"),
            ("1.50s", "1.5s"),
            ("100.0", "100"),
            ("100", "100"),
            ("1 500", "1 500"),
            ("20.0ms", "20ms"),
        ];
        for (long, wanted) in table {
            assert_eq!(shortest(long), wanted);
        }
    }

    #[test]
    fn what_is_there_at_all_is_seen() {
        assert_eq!(eighths(0.0, 100.0, 4), 0);
        assert_eq!(eighths(0.01, 100.0, 4), 1);
        assert_eq!(eighths(100.0, 100.0, 4), 32);
        assert_eq!(eighths(f64::NAN, 100.0, 4), 0);
    }
}
