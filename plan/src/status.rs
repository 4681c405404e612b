//! Sets of HTTP statuses: `200`, `[200, 201]`, `2xx`, `200-299`.

use crate::draft::{Kind, Node, Reader};
use serde::Serialize;

/// A set of HTTP statuses, as inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusSet(pub Vec<(u16, u16)>);

impl StatusSet {
    /// k6's default of what is expected: 200..=399.
    #[must_use]
    pub fn expected_by_default() -> Self {
        Self(vec![(200, 399)])
    }

    /// True if the status is in the set.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&status))
    }

    /// Reads one status, a class, a range, or a list of them.
    pub(crate) fn read(reader: Reader<'_>, node: &Node) -> Option<Self> {
        let ranges = match &node.kind {
            Kind::List(items) => {
                if items.is_empty() {
                    reader.error(&node.place, "an empty list: no status would do");
                    return None;
                }
                items
                    .iter()
                    .map(|item| read_one(reader, item))
                    .collect::<Vec<_>>()
            }
            _ => vec![read_one(reader, node)],
        };
        ranges.into_iter().collect::<Option<Vec<_>>>().map(Self)
    }
}

const EXPECTED: &str = "a status such as `200`, `2xx` or `200-299`";

fn read_one(reader: Reader<'_>, node: &Node) -> Option<(u16, u16)> {
    let text = reader.text(node, EXPECTED)?;
    let range = parse(text.trim());
    if range.is_none() {
        reader.error(&node.place, format!("expected {EXPECTED}, found `{text}`"));
    }
    range
}

fn parse(text: &str) -> Option<(u16, u16)> {
    let status = |text: &str| {
        text.trim()
            .parse::<u16>()
            .ok()
            .filter(|status| (100..=999).contains(status))
    };
    if let Some(status) = status(text) {
        return Some((status, status));
    }
    if let [class @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] = text.as_bytes() {
        let first = u16::from(class - b'0') * 100;
        return Some((first, first + 99));
    }
    let (first, last) = text.split_once('-')?;
    let (first, last) = (status(first)?, status(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_statuses_classes_and_ranges() {
        let table = [
            ("200", Some((200, 200))),
            ("2xx", Some((200, 299))),
            ("5XX", Some((500, 599))),
            ("200-299", Some((200, 299))),
            ("200 - 204", Some((200, 204))),
            ("299-200", None),
            ("99", None),
            ("1000", None),
            ("0xx", None),
            ("2x", None),
            ("ok", None),
            ("", None),
            ("-", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_default_is_what_k6_expects() {
        let set = StatusSet::expected_by_default();
        assert_eq!(
            [199, 200, 302, 399, 400].map(|status| set.contains(status)),
            [false, true, true, true, false]
        );
    }
}
