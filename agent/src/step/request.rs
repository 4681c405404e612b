//! A request step: render, send, record, check, extract.

use super::Next;
use crate::http::{Exchange, Failure};
use crate::lines::ErrorKind;
use crate::prepared::{Header, Prepared};
use crate::vu::Vu;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use plan::{Body, CheckCondition, ExtractSource, Request, StatusSet};
use proto::v1::Level;
use serde_json::Value;
use std::rc::Rc;
use std::time::Duration;
use url::Url;

pub(super) async fn run(vu: &mut Vu, request: &Request) -> Next {
    if !vu.site.fence.is_open() {
        return Next::Fenced;
    }
    let site = Rc::clone(&vu.site);
    let prepared = &site.prepared[request.id];
    let outgoing = match render(vu, request, prepared) {
        Ok(outgoing) => outgoing,
        Err(what) => {
            // Not a request: nothing was sent. The iteration cannot go on with what it has.
            let mut recorder = site.recorder.borrow_mut();
            recorder.lines.error(ErrorKind::Failure(Failure::Url), || {
                format!("{}: {what}", request.name)
            });
            return Next::End;
        }
    };
    vu.current = Some(request.id);
    let exchange = vu.client.send(outgoing).await;
    vu.current = None;
    vu.record(request, &exchange);
    if !exchange.held.is_zero() {
        let mut recorder = site.recorder.borrow_mut();
        recorder.lines.message(
            Level::Warn,
            "requests waited for their turn: this agent's --max-rate is reached",
            String::new,
        );
    }
    let document: Value = if request.reads_body && !request_reads_text_only(request) {
        serde_json::from_slice(&exchange.body).unwrap_or_default()
    } else {
        Value::Null
    };
    for (index, check) in request.checks.iter().enumerate() {
        let passed = check
            .conditions
            .iter()
            .all(|condition| holds(vu, condition, &exchange, &document));
        site.recorder
            .borrow_mut()
            .check(vu.scenario, request, index, passed);
    }
    for extract in &request.extract {
        vu.slots[extract.slot] = extracted(vu, &extract.source, &exchange, &document);
    }
    Next::On
}

/// True if no check and no extraction wants the body as JSON.
fn request_reads_text_only(request: &Request) -> bool {
    let json_check = |condition: &CheckCondition| {
        matches!(
            condition,
            CheckCondition::JsonEquals(..) | CheckCondition::JsonExists(_)
        )
    };
    !request
        .extract
        .iter()
        .any(|extract| extract.source.reads_body())
        && !request
            .checks
            .iter()
            .flat_map(|check| &check.conditions)
            .any(json_check)
}

fn render(
    vu: &mut Vu,
    request: &Request,
    prepared: &Prepared,
) -> Result<crate::http::Request, String> {
    let mut text = std::mem::take(&mut vu.text);
    let rendered = render_with(vu, request, prepared, &mut text);
    vu.text = text;
    rendered
}

fn render_with(
    vu: &Vu,
    request: &Request,
    prepared: &Prepared,
    text: &mut String,
) -> Result<crate::http::Request, String> {
    let scope = vu.scope();
    let url = match &prepared.url {
        Some(url) => url.clone(),
        None => {
            text.clear();
            request.url.render(&scope, text);
            Url::parse(text).map_err(|error| format!("the URL `{text}`: {error}"))?
        }
    };
    let mut headers = HeaderMap::with_capacity(prepared.headers.len() + 3);
    for (name, header) in &prepared.headers {
        let value = match header {
            Header::Constant(value) => value.clone(),
            Header::Rendered(number) => {
                text.clear();
                request.headers[*number].1.render(&scope, text);
                HeaderValue::from_str(text).map_err(|_| {
                    format!("header {name} would be {text:?}, which HTTP cannot carry")
                })?
            }
        };
        headers.append(name, value);
    }
    let (body, kind) = body(vu, request, prepared, text);
    if let (Some(kind), false) = (kind, prepared.typed) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    Ok(crate::http::Request {
        method: prepared.method.clone(),
        url,
        headers,
        body,
        timeout: request.timeout,
        max_redirects: request.max_redirects,
        keep_body: request.reads_body && !vu.site.plan.options.discard_response_bodies,
    })
}

fn body(
    vu: &Vu,
    request: &Request,
    prepared: &Prepared,
    text: &mut String,
) -> (Bytes, Option<&'static str>) {
    let scope = vu.scope();
    let kind = match &request.body {
        Body::Empty | Body::Text(_) => None,
        Body::Json(_) => Some("application/json"),
        Body::Form(_) => Some("application/x-www-form-urlencoded"),
    };
    if let Some(body) = &prepared.body {
        return (body.clone(), kind);
    }
    let bytes = match &request.body {
        Body::Empty => Bytes::new(),
        Body::Text(template) => {
            text.clear();
            template.render(&scope, text);
            Bytes::copy_from_slice(text.as_bytes())
        }
        Body::Json(json) => {
            let mut out = Vec::with_capacity(128);
            json.render(&scope, &mut out);
            Bytes::from(out)
        }
        Body::Form(fields) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields {
                text.clear();
                value.render(&scope, text);
                form.append_pair(name, text);
            }
            Bytes::from(form.finish())
        }
    };
    (bytes, kind)
}

fn holds(vu: &Vu, condition: &CheckCondition, exchange: &Exchange, document: &Value) -> bool {
    let last = exchange.last();
    match condition {
        CheckCondition::Status(set) => status_in(set, exchange),
        CheckCondition::BodyContains(template) => {
            let mut wanted = String::new();
            template.render(&vu.scope(), &mut wanted);
            contains(&exchange.body, wanted.as_bytes())
        }
        CheckCondition::JsonEquals(path, wanted) => {
            path.first(document) == Some(&wanted.value(&vu.scope()))
        }
        CheckCondition::JsonExists(path) => {
            path.first(document).is_some_and(|value| !value.is_null())
        }
        CheckCondition::Header(name, template) => {
            let mut wanted = String::new();
            template.render(&vu.scope(), &mut wanted);
            exchange
                .headers
                .get_all(name.as_str())
                .iter()
                .any(|value| contains(value.as_bytes(), wanted.as_bytes()))
        }
        CheckCondition::MaxDuration(most) => {
            last.failure.is_none() && Duration::from_nanos(last.phases.duration()) <= *most
        }
    }
}

fn status_in(set: &StatusSet, exchange: &Exchange) -> bool {
    exchange
        .last()
        .status
        .is_some_and(|status| set.contains(status.as_u16()))
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

fn extracted(vu: &mut Vu, source: &ExtractSource, exchange: &Exchange, document: &Value) -> Value {
    match source {
        ExtractSource::First(path) => path.first(document).cloned().unwrap_or_default(),
        ExtractSource::Random(path) => {
            let found = path.all(document);
            let drawn = vu.random.below(found.len() as u64);
            usize::try_from(drawn)
                .ok()
                .and_then(|i| found.get(i))
                .map(|value| (*value).clone())
                .unwrap_or_default()
        }
        ExtractSource::All(path) => path.all(document).into_iter().cloned().collect(),
        ExtractSource::Header(name) => exchange
            .headers
            .get(name.as_str())
            .and_then(|value| value.to_str().ok())
            .map_or(Value::Null, Value::from),
    }
}
