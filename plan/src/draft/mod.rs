//! The draft: a scenario file as it was written, a tree in which every key and value knows its place.
//!
//! It knows YAML and nothing of what the keys mean.

mod expand;
mod fields;
mod parse;

pub(crate) use expand::{names as variables_in, valid_name};
pub(crate) use fields::{Fields, Reader, Sink, unknown_name};
pub(crate) use parse::parse;

use crate::diagnostics::Place;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
}

/// What was written.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Nothing, or `~`.
    Null,
    Bool(bool),
    /// A plain number, with the text it was written as (`1.10` is not `1.1` in a header).
    Number(String, serde_json::Number),
    Text(String),
    List(Vec<Node>),
    /// In the order written; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A key of a map and its place.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

impl Node {
    pub(crate) fn text(text: impl Into<String>, place: Place) -> Node {
        Node {
            kind: Kind::Text(text.into()),
            place,
        }
    }

    /// The value of a key, if this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(entries) => entries
                .iter()
                .find(|(k, _)| k.text == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// What it is, for "found …".
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(b) => format!("`{b}`"),
            Kind::Number(text, _) => format!("the number {text}"),
            Kind::Text(text) if text.chars().count() > 40 => "a text".to_owned(),
            Kind::Text(text) => format!("the text `{}`", text.trim_end()),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
        }
    }

    /// True for `{{ x }}` without quotes, which YAML reads as a map in a map.
    pub(crate) fn is_unquoted_template(&self) -> bool {
        matches!(&self.kind, Kind::Map(entries)
            if matches!(entries.as_slice(), [(key, _)] if key.text == parse::UNQUOTED))
    }
}
