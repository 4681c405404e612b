//! Everything that is wrong with a bundle, at once: where, what, and what to try.
//!
//! Items are data; text is made in [`Diagnostics::render`] only.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;

/// Items beyond this many are counted, not shown: whoever made so many errors made one error many times.
const SHOWN: usize = 40;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the scenario file.
    Source {
        /// Bytes before it.
        start: usize,
        /// Bytes before its end.
        end: usize,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// On the command line (or its `THRONG_*` variable); the flag with its dashes.
    Flag(&'static str),
    /// In a data file: its name and the row (or line) from 1, 0 for the file as a whole.
    File(String, u64),
}

impl Place {
    /// The place of `needle` inside this one, if the source has it there; else this one.
    pub(crate) fn within(&self, source: &str, needle: &str) -> Place {
        let Place::Source {
            start, end, line, ..
        } = *self
        else {
            return self.clone();
        };
        let Some(offset) = source.get(start..end).and_then(|text| text.find(needle)) else {
            return self.clone();
        };
        let at = start + offset;
        let line_start = source[..at].rfind('\n').map_or(0, |i| i + 1);
        Place::Source {
            start: at,
            end: at + needle.len(),
            line: line + source[start..at].matches('\n').count(),
            column: source[line_start..at].chars().count() + 1,
        }
    }

    /// A place from a line and a column, both from 1, as a parser reports them.
    pub(crate) fn at(source: &str, line: usize, column: usize) -> Place {
        let line_start = source
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum::<usize>();
        let rest = source.get(line_start..).unwrap_or("");
        let text = rest.lines().next().unwrap_or("");
        let mut ends = text.char_indices().skip(column.saturating_sub(1));
        let start = line_start + ends.next().map_or(text.len(), |(i, _)| i);
        let end = ends
            .next()
            .map_or(line_start + text.len(), |(i, _)| line_start + i);
        Place::Source {
            start,
            end: end.max(start),
            line,
            column,
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Where.
    pub place: Place,
    /// What is wrong, and what was expected.
    pub what: String,
    /// What to try.
    pub help: Option<String>,
}

/// Everything that is wrong with a bundle; never empty. In the order of the source, each thing once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    name: String,
    source: String,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(crate) fn new(name: &str, source: &str, mut items: Vec<Diagnostic>) -> Self {
        items.sort();
        items.dedup();
        Self {
            name: name.to_owned(),
            source: source.to_owned(),
            items,
        }
    }

    /// The items.
    #[must_use]
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    /// For a person: each item with its file, line, column, the line itself and a caret. Ends with a newline.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut text = String::new();
        for item in self.items.iter().take(SHOWN) {
            text.push_str(&renderer.render(&[self.group(item)]));
            text.push_str("\n\n");
        }
        match self.items.len() {
            1 => text.truncate(text.len() - 1),
            n if n > SHOWN => {
                text.push_str(&format!("{n} errors; the first {SHOWN} are shown\n"));
            }
            n => text.push_str(&format!("{n} errors\n")),
        }
        text
    }

    fn group<'a>(&'a self, item: &'a Diagnostic) -> Group<'a> {
        let mut group = match &item.place {
            Place::Source { start, end, .. } => {
                // A span over several lines, or an empty one, says no more than its first line or character does.
                let text = self.source.get(*start..*end).unwrap_or("");
                let end = start + text.lines().next().unwrap_or("").trim_end().len();
                let snippet = Snippet::source(self.source.as_str())
                    .path(self.name.as_str())
                    .annotation(AnnotationKind::Primary.span(*start..end));
                Level::ERROR
                    .primary_title(item.what.as_str())
                    .element(snippet)
            }
            Place::Flag(flag) => {
                Group::with_title(Level::ERROR.primary_title(format!("{flag}: {}", item.what)))
            }
            Place::File(name, 0) => {
                Group::with_title(Level::ERROR.primary_title(format!("{name}: {}", item.what)))
            }
            Place::File(name, row) => Group::with_title(
                Level::ERROR.primary_title(format!("{name}:{row}: {}", item.what)),
            ),
        };
        if let Some(help) = &item.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        group
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// The one of `known` that `written` was probably meant to be.
#[must_use]
pub fn near_miss<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long texts are no typing errors, and the distance is quadratic.
    if written.len() > 64 {
        return None;
    }
    let low = written.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&low, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= (name.len().max(low.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// "did you mean `target`?", or the list of what would do.
pub(crate) fn suggestion<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    let all = list(known.clone());
    match near_miss(written, known) {
        Some(name) => format!("did you mean `{name}`? Expected one of {all}"),
        None if all.is_empty() => "there are none".to_owned(),
        None => format!("expected one of {all}"),
    }
}

/// `a`, `b`, `c`.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
