//! JSONPath (RFC 9535), checked and compiled when the plan is made.

use crate::draft::{Node, Reader};
use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use serde_json::Value;

/// Limits that keep the parser's recursion shallow.
const LONGEST: usize = 500;
const DEEPEST: usize = 16;

/// A checked JSONPath (RFC 9535), compiled once. Serialises as its text.
#[derive(Debug, Clone)]
pub struct JsonPath {
    /// As written.
    pub text: String,
    /// Compiled.
    pub query: JpQuery,
}

impl serde::Serialize for JsonPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl JsonPath {
    /// Compiles a path.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('$') {
            return Err(format!(
                "`{text}` is not a JSONPath: it must begin with `$`, as in `$.token`"
            ));
        }
        if text.len() > LONGEST || nesting(text) > DEEPEST {
            return Err(format!(
                "the JSONPath is longer than {LONGEST} bytes or nested deeper than {DEEPEST}"
            ));
        }
        match jsonpath_rust::parser::parse_json_path(text) {
            Ok(query) => Ok(Self {
                text: text.to_owned(),
                query,
            }),
            Err(_) => Err(format!(
                "`{text}` is not a JSONPath such as `$.token`, `$.items[0].id` or `$.items[*].id`"
            )),
        }
    }

    pub(crate) fn read(reader: Reader<'_>, node: &Node) -> Option<Self> {
        let text = reader.text(node, "a JSONPath such as `$.token`")?;
        match Self::parse(text.trim()) {
            Ok(path) => Some(path),
            Err(what) => {
                reader.error(&node.place, what);
                None
            }
        }
    }

    /// The first match.
    #[must_use]
    pub fn first<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        if let Some(found) = self.walk(document) {
            return found;
        }
        self.matches(document).into_iter().next()
    }

    /// All matches, in the document's order.
    #[must_use]
    pub fn all<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        match self.walk(document) {
            Some(found) => found.into_iter().collect(),
            None => self.matches(document),
        }
    }

    /// The one match of a path of plain names and indexes, without the query engine; None if the path is none such.
    fn walk<'a>(&self, document: &'a Value) -> Option<Option<&'a Value>> {
        let mut value = Some(document);
        for segment in &self.query.segments {
            value = match segment {
                Segment::Selector(Selector::Name(name)) => {
                    value.and_then(|value| value.as_object()?.get(unquoted(name)?))
                }
                Segment::Selector(Selector::Index(i)) => {
                    let i = usize::try_from(*i).ok()?;
                    value.and_then(|value| value.as_array()?.get(i))
                }
                Segment::Selector(_) | Segment::Selectors(_) | Segment::Descendant(_) => {
                    return None;
                }
            };
            if let Segment::Selector(Selector::Name(name)) = segment {
                unquoted(name)?;
            }
        }
        Some(value)
    }

    fn matches<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        jsonpath_rust::query::js_path_process(&self.query, document)
            .map(|found| found.into_iter().map(|one| one.val()).collect())
            // A query that was parsed fails on no document but by an unknown function, which parsing refuses.
            .unwrap_or_default()
    }
}

/// A name without its quotes; None if it holds escapes, which are the engine's business.
fn unquoted(name: &str) -> Option<&str> {
    if name.contains('\\') {
        return None;
    }
    let inner = ['\'', '"']
        .iter()
        .find_map(|quote| name.strip_prefix(*quote)?.strip_suffix(*quote));
    Some(inner.unwrap_or(name))
}

fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::json;

    #[test]
    fn first_and_all_follow_the_standard() {
        let document = json!({
            "token": "t",
            "a.b": 1,
            "list": [{"id": 1}, {"id": 2, "on": true}, {"id": 3}],
            "nothing": null,
        });
        let table = [
            ("$", 1, None),
            ("$.token", 1, Some(json!("t"))),
            ("$['a.b']", 1, Some(json!(1))),
            ("$[\"token\"]", 1, Some(json!("t"))),
            ("$.list[0].id", 1, Some(json!(1))),
            ("$.list[-1].id", 1, Some(json!(3))),
            ("$.list[9].id", 0, None),
            ("$.list[*].id", 3, Some(json!(1))),
            ("$.list[?@.on].id", 1, Some(json!(2))),
            ("$..id", 3, Some(json!(1))),
            ("$.nothing", 1, Some(json!(null))),
            ("$.token.deeper", 0, None),
            ("$.missing", 0, None),
        ];
        for (text, count, first) in table {
            let path = JsonPath::parse(text).unwrap();
            assert_eq!(path.all(&document).len(), count, "{text}");
            if text != "$" {
                assert_eq!(path.first(&document).cloned(), first, "{text}");
            }
            assert_eq!(
                path.matches(&document).first().copied(),
                path.first(&document),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_path() {
        for text in ["", "token", "$.", "$.a[", "$[?(@.a]", "$x y"] {
            assert!(JsonPath::parse(text).is_err(), "{text}");
        }
        assert!(JsonPath::parse(&format!("$[?{}", "(".repeat(400))).is_err());
    }
}
