//! JSON documents with values in them.

use super::{Reference, Template};
use serde::Serialize;

/// A JSON document with values in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum JsonTemplate {
    /// No values inside: the JSON itself.
    Constant(serde_json::Value),
    /// A string with values in it.
    Text(Template),
    /// `"{{ x }}"` alone: x with its type.
    Value(Reference),
    /// An array.
    Array(Vec<JsonTemplate>),
    /// An object, in the order written.
    Object(Vec<(String, JsonTemplate)>),
}

impl JsonTemplate {
    /// The value, if there is none inside that only an iteration knows.
    #[must_use]
    pub fn as_constant(&self) -> Option<&serde_json::Value> {
        match self {
            JsonTemplate::Constant(value) => Some(value),
            JsonTemplate::Text(_)
            | JsonTemplate::Value(_)
            | JsonTemplate::Array(_)
            | JsonTemplate::Object(_) => None,
        }
    }
}
