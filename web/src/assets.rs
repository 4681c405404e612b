//! The page's own files, in the program. They hold nothing secret: whoever reaches the port may have them.

use crate::files::FILES;
use crate::page::Page;
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::{Arc, LazyLock};
use trust::token::{hex, sha256};

/// What a file is, by its ending.
const KINDS: [(&str, &str); 6] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("txt", "text/plain; charset=utf-8"),
];

/// Each file with the hash of its bytes.
static TAGGED: LazyLock<Vec<(&str, &[u8], String)>> = LazyLock::new(|| {
    let tag = |bytes| format!("\"{}\"", &hex(&sha256(bytes))[..32]);
    FILES
        .iter()
        .map(|(name, bytes)| (*name, *bytes, tag(bytes)))
        .collect()
});

fn kind(name: &str) -> Option<&'static str> {
    let ending = name.rsplit('.').next()?;
    KINDS
        .iter()
        .find_map(|(known, kind)| (*known == ending).then_some(*kind))
}

/// `GET /`
pub(crate) async fn index(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// `GET /assets/NAME`
pub(crate) async fn asset(
    State(_): State<Arc<Page>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    serve(&name, &headers)
}

fn serve(name: &str, headers: &HeaderMap) -> Response {
    let found = TAGGED.iter().find(|(known, ..)| *known == name);
    let (Some((_, bytes, tag)), Some(kind)) = (found, kind(name)) else {
        return Problem::new(StatusCode::NOT_FOUND, format!("no file {name}")).into_response();
    };
    // Asked for each time, sent only when it is another: a page and its script are of one version.
    let head = [(ETAG, tag.as_str()), (CACHE_CONTROL, "no-cache")];
    let seen = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|seen| seen.trim().trim_start_matches("W/") == tag);
    if seen {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, [(CONTENT_TYPE, kind)], *bytes).into_response()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::fs;
    use std::path::Path;

    fn below(folder: &Path, at: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder.join(at)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let name = if at.is_empty() {
                name
            } else {
                format!("{at}/{name}")
            };
            if entry.file_type().unwrap().is_dir() {
                below(folder, &name, found);
            } else {
                found.push(name);
            }
        }
    }

    #[test]
    fn every_file_is_served_as_what_it_is() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let mut there = Vec::new();
        below(&folder, "", &mut there);
        there.sort();
        let mut known: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        known.sort();
        assert_eq!(
            known, there,
            "the list in files.rs, and the files in web/assets/"
        );
        for name in known {
            assert!(kind(&name).is_some(), "{name}: what kind of file is it?");
        }
    }

    #[test]
    fn nothing_comes_from_elsewhere_or_runs_inline() {
        let page = FILES.iter().find(|(name, _)| *name == "index.html");
        let page = std::str::from_utf8(page.unwrap().1).unwrap();
        for wrong in [
            "http://",
            "https://",
            "style=",
            "onclick=",
            "<style",
            "javascript:",
        ] {
            assert!(!page.contains(wrong), "{wrong}: the policy forbids it");
        }
        for script in page.split("<script").skip(1) {
            let (head, rest) = script.split_once('>').unwrap();
            assert!(head.contains("src=\"/assets/"), "{head}");
            assert!(rest.trim_start().starts_with("</script>"), "inline: {rest}");
        }
    }
}
