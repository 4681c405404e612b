//! What of a request can be made ready once, before the load: its method, header names, constant headers and URL.

use http::{HeaderName, HeaderValue, Method};
use plan::{Body, Plan, Request, Template};
use url::Url;

/// A request step, ready. In the plan's order of ids.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) method: Method,
    /// The URL, if there are no values in it.
    pub(crate) url: Option<Url>,
    pub(crate) headers: Vec<(HeaderName, Header)>,
    /// True if the step itself says what type the body is.
    pub(crate) typed: bool,
    /// The body, if there are no values in it.
    pub(crate) body: Option<bytes::Bytes>,
}

/// A header's value.
#[derive(Debug)]
pub(crate) enum Header {
    Constant(HeaderValue),
    /// Rendered each time, from the step's own header of this number.
    Rendered(usize),
}

/// Makes all requests of a plan ready.
///
/// # Errors
/// A method, header or URL that the plan's check let through although HTTP has none such.
pub(crate) fn prepare(plan: &Plan) -> Result<Vec<Prepared>, String> {
    plan.requests().into_iter().map(one).collect()
}

fn one(request: &Request) -> Result<Prepared, String> {
    let bad = |what: String| format!("request `{}`: {what}", request.name);
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| bad(format!("`{}` is not an HTTP method", request.method)))?;
    let url = match request.url.as_literal() {
        Some(text) => {
            Some(Url::parse(text).map_err(|error| bad(format!("the URL `{text}`: {error}")))?)
        }
        None => None,
    };
    let mut headers = Vec::with_capacity(request.headers.len());
    for (number, (name, value)) in request.headers.iter().enumerate() {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| bad(format!("`{name}` is not a header name")))?;
        headers.push((header, value_of(number, value).map_err(bad)?));
    }
    let typed = headers
        .iter()
        .any(|(name, _)| *name == http::header::CONTENT_TYPE);
    let body = match &request.body {
        Body::Empty => Some(bytes::Bytes::new()),
        Body::Text(template) => template
            .as_literal()
            .map(|text| bytes::Bytes::copy_from_slice(text.as_bytes())),
        Body::Json(json) => json
            .as_constant()
            .map(|value| bytes::Bytes::from(value.to_string())),
        Body::Form(_) => None,
    };
    Ok(Prepared {
        method,
        url,
        headers,
        typed,
        body,
    })
}

fn value_of(number: usize, template: &Template) -> Result<Header, String> {
    match template.as_literal() {
        None => Ok(Header::Rendered(number)),
        Some(text) => HeaderValue::from_str(text)
            .map(Header::Constant)
            .map_err(|_| format!("`{text}` is not a header value")),
    }
}
