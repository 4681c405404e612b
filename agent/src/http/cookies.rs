//! A VU's cookies (RFC 6265): kept by `cookie_store`, merged with those a step names itself. Costs nothing until a target
//! sets the first one.

use cookie_store::{CookieStore, RawCookie};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use url::Url;

/// Most cookies of one VU, and most bytes of one; what is beyond is ignored, as browsers do.
const MOST: usize = 600;
const MOST_BYTES: usize = 4096;

/// The jar. Boxed on the first cookie.
#[derive(Default)]
pub(super) struct Jar {
    store: Option<Box<CookieStore>>,
}

impl Jar {
    /// Takes in what a response sets.
    pub(super) fn store(&mut self, url: &Url, headers: &HeaderMap) {
        for value in headers.get_all(SET_COOKIE) {
            let Ok(text) = std::str::from_utf8(value.as_bytes()) else {
                continue;
            };
            if text.len() > MOST_BYTES {
                continue;
            }
            let Ok(cookie) = RawCookie::parse(text) else {
                continue;
            };
            let store = self.store.get_or_insert_with(Box::default);
            let known =
                |store: &CookieStore| store.iter_any().any(|known| known.name() == cookie.name());
            if store.iter_any().count() >= MOST && !known(store) {
                continue;
            }
            // A cookie for a foreign domain is refused here; nothing to report.
            let _ = store.insert_raw(&cookie, url);
        }
    }

    /// Adds the cookies that `url` is to be sent. One that the request names itself wins over the jar's.
    pub(super) fn apply(&self, url: &Url, headers: &mut HeaderMap) {
        let Some(store) = &self.store else { return };
        let mut line = String::new();
        let named = headers
            .get(COOKIE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        for (name, value) in store.get_request_values(url) {
            if !names(named).any(|taken| taken == name) {
                line.push_str(if line.is_empty() { "" } else { "; " });
                line.push_str(name);
                line.push('=');
                line.push_str(value);
            }
        }
        if line.is_empty() {
            return;
        }
        if !named.is_empty() {
            line = format!("{named}; {line}");
        }
        if let Ok(value) = HeaderValue::try_from(line) {
            headers.insert(COOKIE, value);
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.store = None;
    }
}

/// The names in a `Cookie` header.
fn names(line: &str) -> impl Iterator<Item = &str> {
    line.split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, _)| name.trim())
}
