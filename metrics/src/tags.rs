//! The tags of a series: a small sorted map from k6's tag names to values.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Tags of one series, sorted by name. k6's default system tags without `url`:
/// `proto subproto status method name group check error error_code tls_version scenario service expected_response`,
/// plus the tags a person set. Empty values are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tags(pub BTreeMap<String, String>);

impl Tags {
    /// The tag of the series that takes the samples beyond a limit of series; not one that a person would set.
    pub const OVERFLOW: &'static str = "throng_overflow";

    /// The tags of the series that takes the samples beyond a limit of series.
    #[must_use]
    pub fn overflow() -> Self {
        Self::default().with(Self::OVERFLOW, "true")
    }

    /// True for the series that takes the samples beyond a limit of series.
    #[must_use]
    pub fn is_overflow(&self) -> bool {
        self.get(Self::OVERFLOW) == Some("true")
    }

    /// True without tags.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a tag, if set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Adds a tag; an empty value is left out, as in k6.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// True if every tag of `filter` is here with the same value (an empty value means "not set").
    #[must_use]
    pub fn matches(&self, filter: &Tags) -> bool {
        filter
            .0
            .iter()
            .all(|(name, value)| self.get(name).unwrap_or("") == value)
    }
}

impl fmt::Display for Tags {
    /// k6's form of a filter without its braces: `name:value,name2:value2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}:{value}")?;
        }
        Ok(())
    }
}
