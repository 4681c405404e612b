//! `extract: { token: $.token, seat: { random: "$.seats[*].id" } }`: variables taken from a response.

use crate::draft::{Kind, Node};
use crate::flow::{Builder, Shape};
use crate::{JsonPath, Slot};
use serde::Serialize;

/// A variable taken from a response.
#[derive(Debug, Clone, Serialize)]
pub struct Extract {
    /// Where it goes; null when there is no match.
    pub slot: Slot,
    /// From where.
    pub source: ExtractSource,
}

/// Where an extraction reads.
#[derive(Debug, Clone, Serialize)]
pub enum ExtractSource {
    /// `$.a[0].b`: the first match.
    First(JsonPath),
    /// `{ random: $.a[*].b }`: one of the matches, by the VU's seeded generator.
    Random(JsonPath),
    /// `{ all: $.a[*].b }`: the matches as a list.
    All(JsonPath),
    /// `{ header: name }`.
    Header(String),
}

impl ExtractSource {
    /// True if it reads the body.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        match self {
            ExtractSource::First(_) | ExtractSource::Random(_) | ExtractSource::All(_) => true,
            ExtractSource::Header(_) => false,
        }
    }
}

pub(super) fn read<'a>(flow: &mut Builder<'a>, node: &'a Node) -> Vec<Extract> {
    let Some(fields) = flow.reader.fields(node, &node.place, "a map of variables") else {
        return Vec::new();
    };
    fields
        .entries
        .iter()
        .filter_map(|(key, node)| {
            let source = source(flow, node);
            let slot = flow.set(&key.text, &key.place, Shape::Any);
            Some(Extract {
                slot,
                source: source?,
            })
        })
        .collect()
}

fn source<'a>(flow: &Builder<'a>, node: &'a Node) -> Option<ExtractSource> {
    let reader = flow.reader;
    if !matches!(node.kind, Kind::Map(_)) {
        return JsonPath::read(reader, node).map(ExtractSource::First);
    }
    let mut fields = reader.fields(node, &node.place, "an extraction")?;
    let random = fields.get("random");
    let all = fields.get("all");
    let header = fields.get("header");
    let source = match (random, all, header) {
        (Some(node), None, None) => JsonPath::read(reader, node).map(ExtractSource::Random),
        (None, Some(node), None) => JsonPath::read(reader, node).map(ExtractSource::All),
        (None, None, Some(node)) => reader
            .text(node, "the name of a header")
            .map(ExtractSource::Header),
        (None, None, None) if fields.entries.is_empty() => {
            reader.error(
                &node.place,
                "an extraction needs a source, such as `$.token`",
            );
            None
        }
        (None, None, None) => None,
        _ => {
            reader.error(
                &node.place,
                "an extraction has one of `random`, `all` and `header`",
            );
            None
        }
    };
    fields.finish(&[]);
    source
}
