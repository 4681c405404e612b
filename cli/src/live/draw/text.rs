//! Text in a given number of columns: cut with `…` where it is too wide, and tables whose columns stand still. Knows no run.

use super::super::style::Look;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Columns between two columns of a table.
const BETWEEN: u16 = 2;

/// Columns that a text takes on the screen.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text, cut to at most so many columns; without what a terminal would obey.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let text: String = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    if width(&text) <= columns {
        return text;
    }
    let mut kept = String::new();
    let mut used = 1;
    for grapheme in Span::raw(text.as_str()).styled_graphemes(Style::new()) {
        used += width(grapheme.symbol);
        if used > columns {
            break;
        }
        kept.push_str(grapheme.symbol);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The text in rows of at most so many columns, all of it but what a terminal would obey; broken anywhere.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let text: String = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    let mut rows = vec![String::new()];
    let mut used = 0;
    for grapheme in Span::raw(text.as_str()).styled_graphemes(Style::new()) {
        let width = width(grapheme.symbol);
        used += width;
        if used > columns.max(2) {
            rows.push(String::new());
            used = width;
        }
        if let Some(row) = rows.last_mut() {
            row.push_str(grapheme.symbol);
        }
    }
    rows
}

/// Writes a line at the left of an area, and one at its right, which has precedence.
pub(super) fn ends(left: &Line<'_>, right: &Line<'_>, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let taken = u16::try_from(right.width())
        .unwrap_or(u16::MAX)
        .min(area.width);
    buffer.set_line(area.x + area.width - taken, area.y, right, taken);
    let room = area
        .width
        .saturating_sub(taken + if taken > 0 { 1 } else { 0 });
    spans(left, room, area, buffer);
}

/// Writes as many columns of a line, cut with `…`.
fn spans(line: &Line<'_>, columns: u16, area: Rect, buffer: &mut Buffer) {
    let mut x = area.x;
    let mut room = usize::from(columns);
    for span in &line.spans {
        let text = fit(&span.content, room);
        let (end, _) = buffer.set_stringn(x, area.y, &text, room, line.style.patch(span.style));
        room -= usize::from(end - x).min(room);
        x = end;
    }
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    columns: u16,
    /// Those with the highest number go first when there is no room.
    rank: u8,
    /// Texts stand at the left of their column, numbers at the right.
    text: bool,
}

/// A column of numbers.
pub(super) const fn number(title: &'static str, columns: u16, rank: u8) -> Column {
    Column {
        title,
        columns,
        rank,
        text: false,
    }
}

/// A column of short texts.
pub(super) const fn words(title: &'static str, columns: u16, rank: u8) -> Column {
    Column {
        title,
        columns,
        rank,
        text: true,
    }
}

/// A cell.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) style: Style,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self {
            text,
            style: Style::new(),
        }
    }
}

/// Rows under a heading. The first column takes what the others leave.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) heading: Line<'a>,
    pub(super) columns: &'a [Column],
    /// Fewest columns of the first.
    pub(super) least: u16,
    /// Most of them: what belongs together is not to stand far apart.
    pub(super) most: u16,
    /// Each with its first cell and one for each column.
    pub(super) rows: Vec<(Line<'a>, Vec<Cell>)>,
}

impl Table<'_> {
    /// Draws as many rows as there is room for.
    pub(super) fn draw(&self, look: Look, area: Rect, buffer: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let shown = self.shown(area.width);
        let taken: u16 = shown
            .iter()
            .map(|index| self.columns[*index].columns + BETWEEN)
            .sum();
        let first = area.width.saturating_sub(taken).min(self.most);
        let area = Rect {
            width: first + taken,
            ..area
        };
        let mut line = Rect { height: 1, ..area };
        spans(&self.heading, first, line, buffer);
        self.cells(&shown, line, buffer, |index| {
            let title = self.columns[index].title.to_owned();
            Cell {
                text: title,
                style: look.quiet(),
            }
        });
        for (name, cells) in self.rows.iter().take(usize::from(area.height) - 1) {
            line.y += 1;
            spans(name, first, line, buffer);
            self.cells(&shown, line, buffer, |index| {
                cells.get(index).cloned().unwrap_or_default()
            });
        }
    }

    fn cells(
        &self,
        shown: &[usize],
        line: Rect,
        buffer: &mut Buffer,
        cell: impl Fn(usize) -> Cell,
    ) {
        let mut right = line.x + line.width;
        for index in shown.iter().rev() {
            let column = self.columns[*index];
            let Cell { text, style } = cell(*index);
            let text = fit(&text, usize::from(column.columns));
            let taken = u16::try_from(width(&text)).unwrap_or(column.columns);
            let left = right - column.columns;
            let at = if column.text { left } else { right - taken };
            buffer.set_stringn(at, line.y, &text, usize::from(column.columns), style);
            right = left - BETWEEN;
        }
    }

    /// Which columns there is room for.
    fn shown(&self, width: u16) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        loop {
            let taken: u16 = shown
                .iter()
                .map(|index| self.columns[*index].columns + BETWEEN)
                .sum();
            if taken + self.least <= width {
                return shown;
            }
            let worst = shown
                .iter()
                .max_by_key(|index| (self.columns[**index].rank, **index))
                .copied();
            match worst {
                Some(worst) => shown.retain(|index| *index != worst),
                None => return shown,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_columns_and_not_by_bytes() {
        let table = [
            ("reservation", 11, "reservation"),
            ("reservation", 10, "reservati…"),
            ("reservation", 1, "…"),
            ("reservation", 0, ""),
            ("予約する", 8, "予約する"),
            ("予約する", 7, "予約す…"),
            ("予約する", 6, "予約…"),
            ("a\u{1b}[31mb", 20, "a [31mb"),
            ("zwei\nZeilen", 20, "zwei Zeilen"),
        ];
        for (text, columns, wanted) in table {
            assert_eq!(fit(text, columns), wanted, "{text} {columns}");
        }
    }

    #[test]
    fn wrapped_text_is_all_there() {
        assert_eq!(wrap("reservation", 4), ["rese", "rvat", "ion"]);
        assert_eq!(wrap("予約する", 5), ["予約", "する"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("ab", 0), ["ab"], "two columns are the least");
    }

    #[test]
    fn nothing_is_ever_wider_than_asked_for() {
        for text in [
            "",
            "abc",
            "予約",
            "e\u{301}a\u{308}",
            "👩‍👩‍👧‍👦 family",
            "\u{200b}\u{feff}x",
        ] {
            for columns in 0..12 {
                assert!(width(&fit(text, columns)) <= columns, "{text} {columns}");
            }
        }
    }
}
