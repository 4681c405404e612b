//! What the target was asked for.

use std::collections::BTreeMap;

/// Its books.
#[derive(Debug, Default)]
pub(super) struct Seen {
    paths: BTreeMap<String, u64>,
}

impl Seen {
    /// One request.
    pub(super) fn ask(&mut self, path: &str) {
        *self.paths.entry(path.to_owned()).or_default() += 1;
    }

    /// How many there were.
    pub(super) fn asked(&self) -> u64 {
        self.paths.values().sum()
    }

    /// One that came twice: each iteration asks for a path of its own.
    pub(super) fn twice(&self) -> Option<&str> {
        let twice = self.paths.iter().find(|(_, times)| **times > 1);
        twice.map(|(path, _)| path.as_str())
    }
}
