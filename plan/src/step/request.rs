//! `get: /path` and the other methods: one HTTP request.

use super::{Check, Extract, Step, checks, extract};
use crate::StatusSet;
use crate::draft::{Fields, Kind, Node};
use crate::flow::Builder;
use crate::options::{check_url, redirects, timeout};
use crate::scenario::read_tags;
use crate::template::{JsonTemplate, Part, Template};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// One HTTP request.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// Unique in the plan, from 0 without gaps; the recorder indexes by it.
    pub id: usize,
    /// `GET`, `POST`, …
    pub method: String,
    /// Absolute, or beginning with `/` when there is a base URL (already prefixed here).
    pub url: Template,
    /// The `name` tag: the step's `name`, or the template as written (`/concerts/{{ id }}`).
    pub name: String,
    /// Path of the group it is in, `""` at the top.
    pub group: String,
    /// Headers in the order written; names are checked.
    pub headers: Vec<(String, Template)>,
    /// What is sent.
    pub body: Body,
    /// Named checks, in order.
    pub checks: Vec<Check>,
    /// Variables taken from the response, in order.
    pub extract: Vec<Extract>,
    /// Tags on its samples.
    pub tags: BTreeMap<String, String>,
    /// Its own, or the run's.
    pub timeout: Duration,
    /// Its own, or the run's.
    pub max_redirects: u32,
    /// Statuses that are "expected" (k6: 200..=399).
    pub expected: StatusSet,
    /// True if a check or an extraction reads the body.
    pub reads_body: bool,
}

/// A request's body.
#[derive(Debug, Clone, Serialize)]
pub enum Body {
    /// None.
    Empty,
    /// `body: text`, sent as it is.
    Text(Template),
    /// `json: …`, sent with `Content-Type: application/json` unless a header says otherwise.
    Json(JsonTemplate),
    /// `form: {a: b}`, URL-encoded.
    Form(Vec<(String, Template)>),
}

/// Headers that the connection sets: a second one would break the message.
const CONNECTION_HEADERS: [&str; 5] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
];

pub(super) fn read<'a>(
    flow: &mut Builder<'a>,
    fields: &mut Fields<'a>,
    method: &str,
    node: &'a Node,
) -> Option<Step> {
    let reader = flow.reader;
    let id = flow.next_request_id();
    let url = url(flow, node);
    let headers = match fields.get("headers") {
        Some(node) => headers(flow, node),
        None => Vec::new(),
    };
    let body = body(flow, fields);
    let checks = match fields.get("checks") {
        Some(node) => checks::read(flow, fields, node),
        None => Vec::new(),
    };
    let own_name = fields.get("name").and_then(|node| {
        let name = reader.text(node, "a name")?;
        if name.trim().is_empty() || name.contains("{{") {
            reader.error(&node.place, "a request's `name` is a constant text");
        }
        Some(name)
    });
    let tags = match fields.get("tags") {
        Some(node) => read_tags(reader, node),
        None => BTreeMap::new(),
    };
    let timeout = timeout(fields, "timeout").unwrap_or(flow.options.timeout);
    let max_redirects = fields
        .get("redirects")
        .and_then(|node| redirects(reader, node))
        .unwrap_or(flow.options.max_redirects);
    let expected = fields
        .get("expect")
        .and_then(|node| StatusSet::read(reader, node))
        .unwrap_or_else(StatusSet::expected_by_default);
    let check_reads = checks
        .iter()
        .flat_map(|check| &check.conditions)
        .any(|condition| condition.reads_body());
    let extract_node = fields.get("extract");
    let extract = match extract_node {
        Some(node) => extract::read(flow, node),
        None => Vec::new(),
    };
    let extract_reads = extract.iter().any(|extract| extract.source.reads_body());
    if flow.options.discard_response_bodies && (check_reads || extract_reads) {
        let key = if check_reads { "checks" } else { "extract" };
        reader.error_help(
            &fields.place(key),
            format!("`{key}` reads the response's body, which `discardResponseBodies` drops"),
            "remove `discardResponseBodies`; bodies nobody reads are dropped anyway",
        );
    }
    let (url, written) = url?;
    Some(Step::Request(Box::new(Request {
        id,
        method: method.to_uppercase(),
        url,
        name: own_name.unwrap_or(written),
        group: flow.group.clone(),
        headers,
        body: body?,
        checks,
        extract,
        tags,
        timeout,
        max_redirects,
        expected,
        reads_body: check_reads || extract_reads,
    })))
}

/// The URL with the base in front, and as it was written.
fn url(flow: &mut Builder<'_>, node: &Node) -> Option<(Template, String)> {
    const EXPECTED: &str = "a path such as `/items` or a URL";
    let reader = flow.reader;
    let written = reader.text(node, EXPECTED)?.trim().to_owned();
    let mut url = flow.parse(&written, &node.place)?;
    let begin = match url.parts.first() {
        Some(Part::Literal(text)) => text.as_str(),
        // What an earlier response said, such as a link.
        Some(Part::Value(_)) => return Some((url, written)),
        None => "",
    };
    if begin.starts_with('/') {
        let Some(base) = &flow.options.base_url else {
            reader.error_help(
                &node.place,
                "a path needs a `baseURL` in front",
                "set `baseURL: http://localhost:8080` at the top, or `--base-url`, or write the whole URL",
            );
            return None;
        };
        if let Some(Part::Literal(text)) = url.parts.first_mut() {
            text.insert_str(0, base);
        }
    } else if !begin.starts_with("http://") && !begin.starts_with("https://") {
        reader.error(
            &node.place,
            format!("expected {EXPECTED} that begins with `/`, `http://` or `https://`, found `{written}`"),
        );
        return None;
    }
    if let Some(text) = url.as_literal()
        && let Err(what) = check_url(text)
    {
        reader.error(&node.place, what);
        return None;
    }
    Some((url, written))
}

fn headers<'a>(flow: &mut Builder<'a>, node: &'a Node) -> Vec<(String, Template)> {
    let reader = flow.reader;
    let Some(fields) = reader.fields(node, &node.place, "a map of headers") else {
        return Vec::new();
    };
    let mut headers = Vec::new();
    for (key, node) in fields.entries {
        // RFC 9110: a token.
        let token = !key.text.is_empty()
            && key
                .text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !token {
            reader.error(&key.place, format!("`{}` cannot name a header", key.text));
        }
        if CONNECTION_HEADERS.contains(&key.text.to_ascii_lowercase().as_str()) {
            reader.error_help(
                &key.place,
                format!("`{}` is set by the connection itself", key.text),
                "remove it",
            );
        }
        let Some(value) = flow.template(node, "a text") else {
            continue;
        };
        let controls = value.parts.iter().any(|part| match part {
            Part::Literal(text) => text.chars().any(|c| c.is_control() && c != '\t'),
            Part::Value(_) => false,
        });
        if controls {
            reader.error(&node.place, "a header cannot hold control characters");
        }
        headers.push((key.text.clone(), value));
    }
    headers
}

fn body<'a>(flow: &mut Builder<'a>, fields: &mut Fields<'a>) -> Option<Body> {
    let reader = flow.reader;
    let given: Vec<_> = ["body", "json", "form"]
        .into_iter()
        .filter_map(|kind| fields.get(kind).map(|node| (kind, node)))
        .collect();
    if let [(first, _), (second, node), ..] = given[..] {
        reader.error(
            &node.place,
            format!("a request has one body, not both `{first}` and `{second}`"),
        );
        return None;
    }
    match given.first() {
        None => Some(Body::Empty),
        Some(("body", node)) => flow.template(node, "a text").map(Body::Text),
        Some(("json", node)) => flow.json(node).map(Body::Json),
        Some((_, node)) => {
            let Kind::Map(entries) = &node.kind else {
                reader.unexpected(node, "a map of form fields");
                return None;
            };
            let pairs: Vec<_> = entries
                .iter()
                .map(|(key, node)| Some((key.text.clone(), flow.template(node, "a text")?)))
                .collect();
            pairs
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .map(Body::Form)
        }
    }
}
