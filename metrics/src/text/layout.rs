//! Titles, rows with dotted names, and colours: the form that every section of the report shares.

/// ANSI colours, if asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// False writes plain text.
    pub on: bool,
}

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Green.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Red.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Yellow.
    #[must_use]
    pub fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Less important.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// A value.
    #[must_use]
    pub fn value(self, text: &str) -> String {
        self.wrap("36", text)
    }

    /// A title.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// A green ✓ or a red ✗.
    #[must_use]
    pub fn mark(self, ok: bool) -> String {
        if ok {
            self.good("✓")
        } else {
            self.bad("✗")
        }
    }
}

/// The line that opens a section, with the empty lines around it.
#[must_use]
pub fn title(paint: Paint, name: &str) -> String {
    format!("\n  █ {}\n\n", paint.bold(name))
}

/// One line of a [`Table`].
#[derive(Debug, Clone)]
enum Row {
    /// A heading within the section.
    Heading(String),
    /// A name and its cells; cells of the same class of rows share their widths.
    Cells {
        name: String,
        class: Class,
        cells: Vec<String>,
    },
}

/// Rows whose columns mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A value and what explains it.
    Plain,
    /// The columns of a distribution.
    Trend,
}

/// Rows with dotted names, their columns aligned.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Without rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a heading, after an empty line unless it is the first.
    pub fn heading(&mut self, name: &str) {
        self.rows.push(Row::Heading(name.to_owned()));
    }

    /// Adds a row.
    pub fn row(&mut self, class: Class, name: &str, cells: Vec<String>) {
        let name = name.to_owned();
        self.rows.push(Row::Cells { name, class, cells });
    }

    /// True without rows; headings do not count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.rows.iter().any(|row| matches!(row, Row::Cells { .. }))
    }

    /// The lines, indented by four.
    #[must_use]
    pub fn render(&self, paint: Paint) -> String {
        let (mut names, mut plain, mut trend) = (0, Vec::new(), Vec::new());
        for row in &self.rows {
            if let Row::Cells { name, class, cells } = row {
                names = names.max(width(name));
                let widths = match class {
                    Class::Plain => &mut plain,
                    Class::Trend => &mut trend,
                };
                widths.resize(cells.len().max(widths.len()), 0);
                for (widest, cell) in widths.iter_mut().zip(cells) {
                    *widest = width(cell).max(*widest);
                }
            }
        }
        let mut out = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            match row {
                Row::Heading(name) => {
                    if index > 0 {
                        out.push('\n');
                    }
                    out.push_str(&format!("    {}\n", paint.bold(name)));
                }
                Row::Cells { name, class, cells } => {
                    let dots = ".".repeat(names + 3 - width(name));
                    out.push_str(&format!("    {name}{}", paint.faint(&format!("{dots}:"))));
                    let widths = match class {
                        Class::Plain => &plain,
                        Class::Trend => &trend,
                    };
                    for (place, (cell, widest)) in cells.iter().zip(widths).enumerate() {
                        let last = place + 1 == cells.len();
                        let gap = if last { 0 } else { widest - width(cell) };
                        out.push_str(&format!(" {}{}", colour(paint, cell), " ".repeat(gap)));
                    }
                    out.push('\n');
                }
            }
        }
        out
    }
}

/// A cell like `avg=2s` is a faint name and a value.
fn colour(paint: Paint, cell: &str) -> String {
    match cell.split_once('=') {
        Some((name, value)) => {
            format!("{}{}", paint.faint(&format!("{name}=")), paint.value(value))
        }
        None => paint.value(cell),
    }
}

/// Columns on the screen, taking every character for one.
fn width(text: &str) -> usize {
    text.chars().count()
}
