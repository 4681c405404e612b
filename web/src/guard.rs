//! Which requests are answered at all, by their headers alone. Pure.
//!
//! A browser lets any page on any site send requests to this one, and says in their headers where they come from:
//! - **`Host`** must be an address, `localhost`, or a name that was given. A page elsewhere can have its own name point here (DNS
//!   rebinding), and is then of one origin with this one; but its name stands in `Host`. An address there means that somebody named it.
//! - **`Sec-Fetch-Site`** and **`Origin`**, where they are sent, must say that our own page asks.
//! - Whatever changes something carries a **header that only our own page can know**, and its body is JSON: neither can a form of
//!   another site send, nor a script without a preflight that nobody here answers.

use crate::problem::Problem;
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, uri::Authority};
use std::net::{IpAddr, Ipv6Addr};
use subtle::ConstantTimeEq;

/// The header with the session's secret.
pub(crate) const CSRF: HeaderName = HeaderName::from_static("x-throng-csrf");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Host names by which the page may be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// These, in any case, with or without the final dot of a whole name.
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self(names.iter().map(|name| plain(name)).collect())
    }

    fn know(&self, host: &str) -> bool {
        let host = plain(host);
        host == "localhost" || is_address(&host) || self.0.contains(&host)
    }
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn is_address(host: &str) -> bool {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match inner {
        // Browsers send no zone.
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok(),
    }
}

/// Refuses requests that do not name this page by a name of its own.
pub(crate) fn host(names: &Names, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let authority = authority(headers, uri).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "the request has no Host header, or more than one, or one that is no host",
        )
    })?;
    if names.know(authority.host()) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        format!(
            "this page is not known as `{}`; if it should be, start the controller with --web-name {0}",
            authority.host()
        ),
    ))
}

/// The one host that a request names.
fn authority(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    let mut hosts = headers.get_all(HOST).iter();
    let named: Authority = match (hosts.next(), hosts.next()) {
        (Some(one), None) => one.to_str().ok()?.parse().ok()?,
        _ => return None,
    };
    // `GET http://evil.test/ HTTP/1.1` names two.
    let agree = uri.authority().is_none_or(|there| *there == named);
    (agree && !named.as_str().contains('@')).then_some(named)
}

/// Refuses what another site's page sent.
pub(crate) fn site(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let foreign = |what: &str| {
        Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "{what}: only this page itself may ask for this; open it in a window of its own"
            ),
        )
    };
    for site in headers.get_all(SEC_FETCH_SITE) {
        // `none`: somebody typed the address.
        if site != "same-origin" && site != "none" {
            return Err(foreign("the request comes from another site"));
        }
    }
    let own = authority(headers, uri);
    for origin in headers.get_all(ORIGIN) {
        let from = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.parse::<Uri>().ok());
        // Not the scheme: whoever ends TLS before us speaks http to us.
        let same = from.is_some_and(|from| {
            matches!(from.scheme_str(), Some("http" | "https"))
                && from.authority().is_some()
                && from.authority() == own.as_ref()
        });
        if !same {
            return Err(foreign("the request's Origin is another site"));
        }
    }
    Ok(())
}

/// Refuses what is to change something and is not JSON with the session's secret.
pub(crate) fn intent(method: &Method, headers: &HeaderMap, secret: &str) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let json = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !json {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send JSON, with `Content-Type: application/json`",
        ));
    }
    let shown = headers.get(CSRF).map_or(&[][..], |shown| shown.as_bytes());
    if bool::from(shown.ct_eq(secret.as_bytes())) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        format!(
            "the header {CSRF} is missing or of another session: it is the `csrf` of GET /api/session; reload the page"
        ),
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_host_is_an_address_or_a_name_that_was_given() {
        let names = Names::new(vec!["Throng.Test.".to_owned()]);
        let table = [
            ("127.0.0.1:7480", 200),
            ("10.1.2.3", 200),
            ("[::1]:7480", 200),
            ("localhost:7480", 200),
            ("LOCALHOST.", 200),
            ("throng.test:7480", 200),
            ("throng.test.", 200),
            ("evil.test:7480", 421),
            ("localhost.evil.test", 421),
            ("127.0.0.1.evil.test", 421),
            ("127.0.0.1.nip.io:7480", 421),
            ("xthrong.test", 421),
            ("0x7f000001", 421),
            ("2130706433", 421),
            ("a@127.0.0.1", 400),
            ("", 400),
            ("a b", 400),
        ];
        for (text, wanted) in table {
            let told = host(&names, &headers(&[("host", text)]), &Uri::from_static("/"));
            assert_eq!(
                told.map_or_else(|problem| problem.status.as_u16(), |()| 200),
                wanted,
                "{text}"
            );
        }
        let two = headers(&[("host", "localhost"), ("host", "localhost")]);
        assert!(host(&names, &two, &Uri::from_static("/")).is_err());
        assert!(host(&names, &headers(&[]), &Uri::from_static("/")).is_err());
        let other = Uri::from_static("http://evil.test/api/runs");
        assert!(host(&names, &headers(&[("host", "localhost")]), &other).is_err());
        let same = Uri::from_static("http://localhost:1/api/runs");
        assert_eq!(
            host(&names, &headers(&[("host", "localhost:1")]), &same),
            Ok(())
        );
    }

    #[test]
    fn only_our_own_page_asks() {
        let own = ("host", "10.0.0.1:7480");
        let table: [(&[(&'static str, &str)], bool); 14] = [
            (&[], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "")], false),
            (&[("origin", "http://10.0.0.1:7480")], true),
            (&[("origin", "https://10.0.0.1:7480")], true),
            (&[("origin", "http://10.0.0.1:7481")], false),
            (&[("origin", "http://10.0.0.1")], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://evil.test")], false),
            (&[("origin", "file://")], false),
            (
                &[
                    ("origin", "http://10.0.0.1:7480"),
                    ("origin", "http://evil.test"),
                ],
                false,
            ),
        ];
        for (more, wanted) in table {
            let mut pairs = vec![own];
            pairs.extend(more);
            let told = site(&headers(&pairs), &Uri::from_static("/api/runs"));
            assert_eq!(told.is_ok(), wanted, "{more:?}");
        }
    }

    #[test]
    fn what_changes_something_says_so() {
        let json = ("content-type", "application/json; charset=utf-8");
        let table: [(&[(&'static str, &str)], u16); 6] = [
            (&[json, ("x-throng-csrf", "s3cret")], 200),
            (&[json], 403),
            (&[json, ("x-throng-csrf", "")], 403),
            (&[json, ("x-throng-csrf", "s3cre")], 403),
            (&[("x-throng-csrf", "s3cret")], 415),
            (
                &[("content-type", "text/plain"), ("x-throng-csrf", "s3cret")],
                415,
            ),
        ];
        for (pairs, wanted) in table {
            let told = intent(&Method::POST, &headers(pairs), "s3cret");
            let code = told.map_or_else(|problem| problem.status.as_u16(), |()| 200);
            assert_eq!(code, wanted, "{pairs:?}");
        }
        assert_eq!(intent(&Method::GET, &headers(&[]), "s3cret"), Ok(()));
    }
}
