//! What a redirect asks for: RFC 9110 section 15.4, as browsers and k6 read it.

use super::conn::is_https;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_TYPE, COOKIE, HOST, HeaderValue, LOCATION, PROXY_AUTHORIZATION, REFERER,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

/// Where a response sends us; `None` if it does not (no such status, or no `Location`).
pub(super) fn location(status: StatusCode, headers: &HeaderMap) -> Option<&HeaderValue> {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
        .then(|| headers.get(LOCATION))
        .flatten()
}

/// The URL that `location` means, seen from `from`. A fragment is inherited (RFC 9110 section 10.2.2).
///
/// # Errors
/// A sentence for a person.
pub(super) fn target(from: &Url, location: &HeaderValue) -> Result<Url, String> {
    let text = std::str::from_utf8(location.as_bytes())
        .map_err(|_| "the Location header is not UTF-8".to_owned())?;
    let mut url = from
        .join(text)
        .map_err(|error| format!("the Location {text:?} is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the Location {text:?} is neither http nor https"));
    }
    if url.fragment().is_none() {
        url.set_fragment(from.fragment());
    }
    Ok(url)
}

/// The method to go on with, and whether the body goes along.
pub(super) fn method(status: StatusCode, method: &Method) -> (Method, bool) {
    match status.as_u16() {
        307 | 308 => (method.clone(), true),
        _ if *method == Method::HEAD => (Method::HEAD, false),
        _ => (Method::GET, false),
    }
}

/// Makes the headers of a request fit the next hop. `own_referer` if the step itself named one, which then stays.
pub(super) fn headers(
    headers: &mut HeaderMap,
    from: &Url,
    to: &Url,
    with_body: bool,
    own_referer: bool,
) {
    // Whatever host was named, it was named for the first.
    headers.remove(HOST);
    if !with_body {
        for name in [
            CONTENT_TYPE,
            CONTENT_LENGTH,
            CONTENT_ENCODING,
            CONTENT_LANGUAGE,
            CONTENT_LOCATION,
            TRANSFER_ENCODING,
        ] {
            headers.remove(name);
        }
    }
    if from.origin() != to.origin() {
        for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
            headers.remove(name);
        }
    }
    if own_referer {
        return;
    }
    headers.remove(REFERER);
    // A page fetched in secret is not told to a clear-text one.
    if !is_https(from) || is_https(to) {
        let mut page = from.clone();
        page.set_fragment(None);
        let _ = page.set_username("");
        let _ = page.set_password(None);
        if let Ok(value) = HeaderValue::from_str(page.as_str()) {
            headers.insert(REFERER, value);
        }
    }
}
