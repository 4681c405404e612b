//! From YAML text to the tree. Budgets of the parser hold: depth 64, duplicate keys and alias bombs are refused.

use super::{Key, Kind, Node};
use crate::diagnostics::{Diagnostic, Place};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// Stands for a key that is itself a map with one key: what `{{ x }}` without quotes looks like.
pub(super) const UNQUOTED: &str = "{{ }}";

/// The largest scenario file, in bytes. Rows belong into data files.
const LARGEST: usize = 4 << 20;

/// Reads a text.
pub(crate) fn parse(source: &str) -> Result<Node, Vec<Diagnostic>> {
    if source.len() > LARGEST {
        return Err(vec![Diagnostic {
            place: Place::at(source, 1, 1),
            what: format!("the scenario file is larger than {} MiB", LARGEST >> 20),
            help: Some("put rows into a file named under `data:`".to_owned()),
        }]);
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        with_snippet: false,
        emit_comments: false,
        // Aliases are for a few shared headers, not for a text that unfolds.
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 50_000 },
    };
    let raw = serde_saphyr::from_str_with_options::<Spanned<Raw>>(source, options)
        .map_err(|error| vec![explain(source, &error)])?;
    let mut wrong = Vec::new();
    let node = lower(source, &raw, &mut wrong);
    if wrong.is_empty() {
        Ok(node)
    } else {
        Err(wrong)
    }
}

fn explain(source: &str, error: &serde_saphyr::Error) -> Diagnostic {
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((1, 1), |at| {
        (coordinate(at.line()), coordinate(at.column()))
    });
    let text = error.to_string();
    // The place is shown by us, and the advice on Rust options is not for the reader of a scenario.
    let text = text.split(" at line ").next().unwrap_or(&text);
    let text = text
        .split(", set DuplicateKeyPolicy")
        .next()
        .unwrap_or(text);
    let text = text.split("; use from_str_multiple").next().unwrap_or(text);
    let shown = source.lines().nth(line - 1).unwrap_or("");
    let help = if shown.contains("{{") || shown.contains("${") {
        Some("inside [ ] or { }, and where a value begins with `{`, put it into quotes: \"{{ name }}\", \"${NAME}\"".to_owned())
    } else if shown.contains('\t') {
        Some("indent with spaces".to_owned())
    } else {
        None
    };
    Diagnostic {
        place: Place::at(source, line, column),
        what: format!("not readable as YAML: {text}"),
        help,
    }
}

fn coordinate(n: u64) -> usize {
    usize::try_from(n).unwrap_or(1).max(1)
}

fn lower(source: &str, raw: &Spanned<Raw>, wrong: &mut Vec<Diagnostic>) -> Node {
    let place = place(source, raw.referenced);
    let written = || span(source, raw.defined).map_or("", |(a, b)| &source[a..b]);
    let kind = match &raw.value {
        Raw::Null => Kind::Null,
        Raw::Bool(b) => Kind::Bool(*b),
        Raw::Text(text) => Kind::Text(text.clone()),
        Raw::Number(Some(number)) => Kind::Number(written().trim().to_owned(), number.clone()),
        Raw::Number(None) => Kind::Text(written().trim().to_owned()),
        Raw::List(items) => Kind::List(items.iter().map(|n| lower(source, n, wrong)).collect()),
        Raw::Map(entries) => Kind::Map(
            entries
                .iter()
                .map(|(key, value)| (lower_key(source, key, wrong), lower(source, value, wrong)))
                .collect(),
        ),
    };
    Node { kind, place }
}

fn lower_key(source: &str, raw: &Spanned<Raw>, wrong: &mut Vec<Diagnostic>) -> Key {
    let place = place(source, raw.referenced);
    let written = || span(source, raw.defined).map_or("", |(a, b)| &source[a..b]);
    let text = match &raw.value {
        Raw::Text(text) => text.clone(),
        Raw::Number(_) | Raw::Bool(_) => written().trim().to_owned(),
        Raw::Map(entries) if entries.len() == 1 => UNQUOTED.to_owned(),
        Raw::Null | Raw::List(_) | Raw::Map(_) => {
            wrong.push(Diagnostic {
                place: place.clone(),
                what: "a key must be a text".to_owned(),
                help: None,
            });
            String::new()
        }
    };
    Key { text, place }
}

fn span(source: &str, at: Location) -> Option<(usize, usize)> {
    let start = usize::try_from(at.span().byte_offset()?).ok()?;
    let end = start + usize::try_from(at.span().byte_len()?).ok()?;
    source.get(start..end).map(|_| (start, end))
}

fn place(source: &str, at: Location) -> Place {
    let (line, column) = (coordinate(at.line()), coordinate(at.column()));
    match span(source, at) {
        Some((start, end)) => Place::Source {
            start,
            end,
            line,
            column,
        },
        None => Place::at(source, line, column),
    }
}

/// What the YAML parser gives, before places are resolved.
enum Raw {
    Null,
    Bool(bool),
    /// None: infinite or not a number.
    Number(Option<serde_json::Number>),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(Some(value.into())))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(Some(value.into())))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(serde_json::Number::from_f64(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key()? {
            map.push((key, entries.next_value()?));
        }
        Ok(Raw::Map(map))
    }
}
