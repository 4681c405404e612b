//! Texts and JSON documents with values in them: `{{ name }}`, `{{ row.field }}`, `{{ vu }}`, `{{ env.NAME }}`.
//!
//! Parsing happens once, when the plan is made; a name that nothing sets is an error then, not an empty text later.

mod json;
mod render;

pub use json::JsonTemplate;
pub use render::{Scope, text_of};

use crate::Slot;
use serde::Serialize;

/// A text with values in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Template {
    /// Rendered one after the other; no two literals are neighbours.
    pub parts: Vec<Part>,
}

/// A piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Part {
    /// As it is.
    Literal(String),
    /// A value as text: strings bare, numbers and other JSON in JSON's form, null as nothing.
    Value(Reference),
}

/// What `{{ … }}` names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Reference {
    /// A variable, with a path of fields into it (`{{ row.name }}`).
    Slot(Slot, Vec<String>),
    /// `{{ vu }}`: the VU's number in the whole test, from 1 (k6's `vu.idInTest`).
    Vu,
    /// `{{ iteration }}`: the VU's iterations in this scenario so far, from 0.
    Iteration,
    /// `{{ scenario_iteration }}`: open and shared executors: the iteration's global index, from 0; else as `iteration`.
    ScenarioIteration,
}

impl Template {
    /// A text without values.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        Self {
            parts: vec![Part::Literal(text.into())],
        }
    }

    /// The text, if there are no values in it.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    pub(crate) fn push_literal(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.parts.last_mut() {
            Some(Part::Literal(last)) => last.push_str(text),
            Some(Part::Value(_)) | None => self.parts.push(Part::Literal(text.to_owned())),
        }
    }
}

/// A piece of a text, before names are resolved.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece<'a> {
    /// As it is.
    Literal(&'a str),
    /// `{{ a.b }}`: as written, braces included, and the names between the dots.
    Value {
        written: &'a str,
        names: Vec<&'a str>,
    },
}

/// What is wrong with a text; the first field is the piece to point at.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed<'a> {
    pub(crate) written: &'a str,
    pub(crate) what: &'static str,
}

/// Splits a text at `{{ … }}`. `{{ "…" }}` is its own inside, for a literal `{{`.
pub(crate) fn split(text: &str) -> Result<Vec<Piece<'_>>, Malformed<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        pieces.push(Piece::Literal(&rest[..at]));
        let tail = &rest[at + 2..];
        let inside = tail.trim_start();
        let lead = tail.len() - inside.len();
        // The end of a quoted literal is looked for after its closing quote, for it may hold `}}`.
        let quoted = inside.chars().next().filter(|c| *c == '"' || *c == '\'');
        let from = match quoted.and_then(|quote| inside[1..].find(quote)) {
            Some(close) => lead + close + 2,
            None => 0,
        };
        let Some(end) = tail[from..].find("}}").map(|end| from + end) else {
            return Err(Malformed {
                written: &rest[at..],
                what: "`{{` is not closed by `}}`",
            });
        };
        let written = &rest[at..at + 2 + end + 2];
        let inner = tail[..end].trim();
        pieces.push(if from > 0 {
            let Some(literal) = quoted.and_then(|quote| {
                inner
                    .strip_prefix(quote)
                    .and_then(|text| text.strip_suffix(quote))
            }) else {
                return Err(Malformed {
                    written,
                    what: "a quoted text stands alone between `{{` and `}}`",
                });
            };
            Piece::Literal(literal)
        } else {
            let names: Vec<&str> = inner.split('.').map(str::trim).collect();
            let good = |name: &&str| {
                !name.is_empty()
                    && name
                        .chars()
                        .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
            };
            if !names.iter().all(good) {
                return Err(Malformed {
                    written,
                    what: "expected a name such as `{{ user }}` or `{{ user.id }}`",
                });
            }
            Piece::Value { written, names }
        });
        rest = &tail[end + 2..];
    }
    pieces.push(Piece::Literal(rest));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        match split(text) {
            Err(malformed) => format!("! {} [{}]", malformed.what, malformed.written),
            Ok(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Literal(text) => (*text).to_owned(),
                    Piece::Value { names, .. } => format!("<{}>", names.join(",")),
                })
                .collect(),
        }
    }

    #[test]
    fn splits() {
        let table = [
            ("plain } {", "plain } {"),
            ("{{ a }}", "<a>"),
            ("x{{a.b.0}}y{{ c }}", "x<a,b,0>y<c>"),
            ("{{ \"{{\" }} x {{ '}}' }}", "{{ x }}"),
            ("{{ a", "! `{{` is not closed by `}}` [{{ a]"),
            (
                "{{ }}",
                "! expected a name such as `{{ user }}` or `{{ user.id }}` [{{ }}]",
            ),
            (
                "{{ a b }}",
                "! expected a name such as `{{ user }}` or `{{ user.id }}` [{{ a b }}]",
            ),
            (
                "{{ 'a' b }}",
                "! a quoted text stands alone between `{{` and `}}` [{{ 'a' b }}]",
            ),
            ("{{ é }}", "<é>"),
        ];
        for (text, expected) in table {
            assert_eq!(show(text), expected, "{text}");
        }
    }
}
