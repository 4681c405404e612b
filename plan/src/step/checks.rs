//! `checks: { Token fetched: { status: 200 } }`: named questions to a response, each with its own pass rate.

use super::name;
use crate::draft::{Fields, Key, Kind, Node};
use crate::flow::Builder;
use crate::template::{JsonTemplate, Template};
use crate::{JsonPath, StatusSet};
use serde::Serialize;
use std::time::Duration;

/// A named check: all of its conditions hold.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// The `check` tag.
    pub name: String,
    /// All must hold.
    pub conditions: Vec<CheckCondition>,
}

/// One condition of a check.
#[derive(Debug, Clone, Serialize)]
pub enum CheckCondition {
    /// `status: 200`, `status: [200, 201]`, `status: 2xx`.
    Status(StatusSet),
    /// `body: text`: the body contains the rendered text.
    BodyContains(Template),
    /// `json: { $.path: value }`: the first match equals the value.
    JsonEquals(JsonPath, JsonTemplate),
    /// `exists: $.path`: at least one match that is not null.
    JsonExists(JsonPath),
    /// `header: { name: text }`: the header is there and contains the rendered text.
    Header(String, Template),
    /// `duration: 500ms`: service time at most this.
    MaxDuration(Duration),
}

impl CheckCondition {
    /// True if the body is needed to tell.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        match self {
            CheckCondition::BodyContains(_)
            | CheckCondition::JsonEquals(..)
            | CheckCondition::JsonExists(_) => true,
            CheckCondition::Status(_)
            | CheckCondition::Header(..)
            | CheckCondition::MaxDuration(_) => false,
        }
    }
}

pub(super) fn read<'a>(flow: &mut Builder<'a>, fields: &Fields<'a>, node: &'a Node) -> Vec<Check> {
    let Some(checks) = flow
        .reader
        .fields(node, &node.place, "a map of checks by name")
    else {
        return Vec::new();
    };
    checks
        .entries
        .iter()
        .filter_map(|(key, node)| read_one(flow, fields, key, node))
        .collect()
}

fn read_one<'a>(
    flow: &mut Builder<'a>,
    fields: &Fields<'a>,
    key: &'a Key,
    node: &'a Node,
) -> Option<Check> {
    let reader = flow.reader;
    let at = Node::text(key.text.as_str(), key.place.clone());
    let named = name(fields, &at, &key.text, "a check");
    let mut check = reader.fields(node, &key.place, "a check")?;
    let mut conditions = Vec::new();
    if let Some(node) = check.get("status") {
        conditions.extend(StatusSet::read(reader, node).map(CheckCondition::Status));
    }
    if let Some(node) = check.get("body") {
        let text = flow.template(node, "a text the body contains");
        conditions.extend(text.map(CheckCondition::BodyContains));
    }
    if let Some(node) = check.get("json") {
        conditions.extend(json(flow, node));
    }
    if let Some(node) = check.get("exists") {
        let nodes = match &node.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let paths = nodes.iter().filter_map(|node| JsonPath::read(reader, node));
        conditions.extend(paths.map(CheckCondition::JsonExists));
    }
    if let Some(node) = check.get("header") {
        conditions.extend(headers(flow, node));
    }
    if let Some(node) = check.get("duration") {
        conditions.extend(reader.duration(node).map(CheckCondition::MaxDuration));
    }
    if matches!(&node.kind, Kind::Map(entries) if entries.is_empty()) {
        reader.error_help(
            &key.place,
            format!("the check `{}` asks for nothing", key.text),
            "for example `{ status: 200 }`",
        );
    }
    check.finish(&[]);
    named.then(|| Check {
        name: key.text.clone(),
        conditions,
    })
}

fn json<'a>(flow: &mut Builder<'a>, node: &'a Node) -> Vec<CheckCondition> {
    let Some(fields) = flow
        .reader
        .fields(node, &node.place, "a map such as `{ $.status: open }`")
    else {
        return Vec::new();
    };
    fields
        .entries
        .iter()
        .filter_map(|(key, node)| {
            let at = Node::text(key.text.as_str(), key.place.clone());
            let path = JsonPath::read(flow.reader, &at);
            let value = flow.json(node);
            Some(CheckCondition::JsonEquals(path?, value?))
        })
        .collect()
}

fn headers<'a>(flow: &mut Builder<'a>, node: &'a Node) -> Vec<CheckCondition> {
    let Some(fields) =
        flow.reader
            .fields(node, &node.place, "a map such as `{ content-type: json }`")
    else {
        return Vec::new();
    };
    fields
        .entries
        .iter()
        .filter_map(|(key, node)| {
            let text = flow.template(node, "a text the header contains")?;
            Some(CheckCondition::Header(key.text.clone(), text))
        })
        .collect()
}
