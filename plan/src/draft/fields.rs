//! Reading the tree by hand: each reader takes the keys it knows, reports what is wrong and goes on, so that a person
//! learns of every error at once.

use super::expand::{Trouble, expand};
use super::{Key, Kind, Node};
use crate::diagnostics::{Diagnostic, Place, list, near_miss, suggestion};
use crate::duration;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where errors gather.
#[derive(Default)]
pub(crate) struct Sink(RefCell<Vec<Diagnostic>>);

impl Sink {
    pub(crate) fn push(&self, place: &Place, what: String, help: Option<String>) {
        self.0.borrow_mut().push(Diagnostic {
            place: place.clone(),
            what,
            help,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(crate) fn into_items(self) -> Vec<Diagnostic> {
        self.0.into_inner()
    }
}

/// Reads values: expands variables, checks types, reports to the sink.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) source: &'a str,
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) sink: &'a Sink,
}

impl<'a> Reader<'a> {
    pub(crate) fn error(&self, place: &Place, what: impl Into<String>) {
        self.sink.push(place, what.into(), None);
    }

    pub(crate) fn error_help(
        &self,
        place: &Place,
        what: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.sink.push(place, what.into(), Some(help.into()));
    }

    /// Reports that something else was expected.
    pub(crate) fn unexpected(&self, node: &Node, expected: &str) {
        let what = format!("expected {expected}, found {}", node.describe());
        if node.is_unquoted_template() {
            self.error_help(&node.place, what, "put it into quotes: \"{{ name }}\"");
        } else {
            self.error(&node.place, what);
        }
    }

    /// A scalar as text, variables expanded. A number is as it was written.
    pub(crate) fn text(&self, node: &Node, expected: &str) -> Option<String> {
        match &node.kind {
            Kind::Text(text) => self.expand(text, &node.place),
            Kind::Number(text, _) => Some(text.clone()),
            Kind::Bool(value) => Some(value.to_string()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => {
                self.unexpected(node, expected);
                None
            }
        }
    }

    /// A text with its variables expanded.
    pub(crate) fn expand(&self, text: &str, place: &Place) -> Option<String> {
        match expand(text, self.env) {
            Ok(text) => Some(text),
            Err(Trouble::Unset(written, name)) => {
                self.error_help(
                    &place.within(self.source, &written),
                    format!("the variable {name} is not set"),
                    format!("set it with `-e {name}=…` or in the environment, or give a default: `${{{name}:-…}}`"),
                );
                None
            }
            Err(Trouble::Malformed(written)) => {
                self.error_help(
                    &place.within(self.source, &written),
                    "not a variable",
                    "write `${NAME}` or `${NAME:-default}`; for a literal `${` write `$${`",
                );
                None
            }
        }
    }

    /// A whole number from 0.
    pub(crate) fn u64(&self, node: &Node) -> Option<u64> {
        let text = match &node.kind {
            Kind::Number(text, number) => {
                if let Some(n) = number.as_u64() {
                    return Some(n);
                }
                text.clone()
            }
            // A number out of a variable is a text by birth; one in quotes is a mistake.
            Kind::Text(text) if text.contains("${") => self.expand(text, &node.place)?,
            Kind::Text(text) if text.parse::<u64>().is_ok() => {
                self.error_help(
                    &node.place,
                    format!("expected a whole number, found the text `{text}`"),
                    "remove the quotes",
                );
                return None;
            }
            _ => {
                self.unexpected(node, "a whole number");
                return None;
            }
        };
        match text.trim().parse::<u64>() {
            Ok(n) => Some(n),
            Err(_) if text.trim().starts_with('-') => {
                self.error(
                    &node.place,
                    format!("{} is negative; it has to be 0 or more", text.trim()),
                );
                None
            }
            Err(_) => {
                self.error(
                    &node.place,
                    format!("expected a whole number, found `{}`", text.trim()),
                );
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn bool(&self, node: &Node) -> Option<bool> {
        match &node.kind {
            Kind::Bool(value) => Some(*value),
            Kind::Text(text) if text.contains("${") => {
                let text = self.expand(text, &node.place)?;
                let value = text.trim().parse().ok();
                if value.is_none() {
                    self.error(
                        &node.place,
                        format!("expected `true` or `false`, found `{text}`"),
                    );
                }
                value
            }
            _ => {
                self.unexpected(node, "`true` or `false`");
                None
            }
        }
    }

    /// A duration; a bare number is milliseconds, as in k6.
    pub(crate) fn duration(&self, node: &Node) -> Option<Duration> {
        let text = match &node.kind {
            Kind::Text(text) => self.expand(text, &node.place)?,
            Kind::Number(text, _) => text.clone(),
            _ => {
                self.unexpected(node, "a duration such as `10s` or `1m30s`");
                return None;
            }
        };
        match duration::parse(&text) {
            Ok(duration) => Some(duration),
            Err(what) => {
                self.error(&node.place, what);
                None
            }
        }
    }

    /// The keys of a map; `what` it is, for messages.
    pub(crate) fn fields(
        &self,
        node: &'a Node,
        owner: &Place,
        what: &'static str,
    ) -> Option<Fields<'a>> {
        let Kind::Map(entries) = &node.kind else {
            self.unexpected(node, what);
            return None;
        };
        if node.is_unquoted_template() {
            self.unexpected(node, what);
            return None;
        }
        Some(Fields {
            reader: *self,
            owner: owner.clone(),
            what,
            entries,
            known: Vec::new(),
            reported: Vec::new(),
            lenient: false,
        })
    }

    /// The items of a list.
    pub(crate) fn list(&self, node: &'a Node, expected: &str) -> Option<&'a [Node]> {
        if let Kind::List(items) = &node.kind {
            return Some(items);
        }
        self.unexpected(node, expected);
        None
    }

    /// A map of names to texts: tags, variables.
    pub(crate) fn texts(&self, node: &'a Node, what: &'static str) -> BTreeMap<String, String> {
        let Some(fields) = self.fields(node, &node.place, what) else {
            return BTreeMap::new();
        };
        fields
            .entries
            .iter()
            .filter_map(|(key, value)| Some((key.text.clone(), self.text(value, "a text")?)))
            .collect()
    }
}

/// The keys of one map.
pub(crate) struct Fields<'a> {
    pub(crate) reader: Reader<'a>,
    /// What a missing key is reported at.
    pub(crate) owner: Place,
    what: &'static str,
    pub(crate) entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
    /// Keys that were reported already.
    reported: Vec<&'a str>,
    /// True if keys nobody asks for are not to be reported.
    lenient: bool,
}

impl<'a> Fields<'a> {
    /// Lets keys pass that nobody asks for, where an error already told why they cannot be judged.
    pub(crate) fn lenient(&mut self) {
        self.lenient = true;
    }

    /// True if somebody asked for the key.
    pub(crate) fn asked_for(&self, key: &str) -> bool {
        self.known.contains(&key)
    }

    /// The value of a key, if there.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// A key and its value, if there.
    pub(crate) fn entry(&mut self, key: &'static str) -> Option<&'a (Key, Node)> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.iter().find(|(k, _)| k.text == key)
    }

    /// The value of a key that must be there.
    pub(crate) fn require(&mut self, key: &'static str, example: &str) -> Option<&'a Node> {
        let node = self.get(key);
        if node.is_none() {
            let wrong = self.entries.iter().map(|(key, _)| key).find(|written| {
                let text = written.text.as_str();
                !self.known.contains(&text) && near_miss(text, [key]).is_some()
            });
            if let Some(wrong) = wrong {
                // One mistake, one error.
                self.reported.push(&wrong.text);
                self.reader.error_help(
                    &wrong.place,
                    format!("{} has no `{}`", self.what, wrong.text),
                    format!("did you mean `{key}`?"),
                );
                return None;
            }
            let what = format!("{} needs `{key}`", self.what);
            self.reader
                .error_help(&self.owner, what, format!("for example `{key}: {example}`"));
        }
        node
    }

    pub(crate) fn u64(&mut self, key: &'static str) -> Option<u64> {
        self.get(key).and_then(|node| self.reader.u64(node))
    }

    pub(crate) fn bool(&mut self, key: &'static str) -> Option<bool> {
        self.get(key).and_then(|node| self.reader.bool(node))
    }

    pub(crate) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.get(key).and_then(|node| self.reader.duration(node))
    }

    pub(crate) fn text(&mut self, key: &'static str, expected: &str) -> Option<String> {
        self.get(key)
            .and_then(|node| self.reader.text(node, expected))
    }

    /// Where the value of a key is, or the owner when it is missing.
    pub(crate) fn place(&self, key: &str) -> Place {
        self.entries
            .iter()
            .find(|(k, _)| k.text == key)
            .map_or_else(|| self.owner.clone(), |(_, node)| node.place.clone())
    }

    /// Refuses keys that are known elsewhere, each by its name: silence would be a lie about what runs.
    pub(crate) fn refuse(&mut self, keys: &[&'static str], why: &str, help: &str) {
        for (key, _) in self.entries {
            if let Some(name) = keys.iter().find(|name| **name == key.text) {
                self.known.push(name);
                self.reader
                    .error_help(&key.place, format!("`{name}` is {why}"), help);
            }
        }
    }

    /// Reports every key nobody asked for. `refused` are not proposed as near misses.
    pub(crate) fn finish(self, refused: &[&str]) {
        for (key, _) in self.entries {
            let name = key.text.as_str();
            if self.lenient || self.known.contains(&name) || self.reported.contains(&name) {
                continue;
            }
            let known = self
                .known
                .iter()
                .copied()
                .filter(|name| !refused.contains(name));
            self.reader.error_help(
                &key.place,
                format!("{} has no `{name}`", self.what),
                suggestion(name, known),
            );
        }
    }
}

/// Reports a name that is not among those there are.
pub(crate) fn unknown_name<'a>(
    reader: Reader<'_>,
    place: &Place,
    what: String,
    name: &str,
    there: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) {
    let there = there.into_iter().filter(|name| !name.is_empty());
    let help = match near_miss(name, there.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => match there.clone().count() {
            0 => "there are none".to_owned(),
            1 => format!("there is only {}", list(there)),
            _ => format!("there are {}", list(there)),
        },
    };
    reader.error_help(place, what, help);
}
