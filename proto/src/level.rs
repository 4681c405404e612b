//! Levels of log lines: the wire's, tracing's, and the word a person reads.

use crate::v1;

/// The level of a number from the wire; one this version does not know counts as a warning.
#[must_use]
pub fn from_wire(level: i32) -> v1::Level {
    v1::Level::try_from(level).unwrap_or(v1::Level::Warn)
}

/// The word for it: `info`, `warn` or `error`.
#[must_use]
pub fn word(level: v1::Level) -> &'static str {
    match level {
        v1::Level::Info => "info",
        v1::Level::Warn => "warn",
        v1::Level::Error => "error",
    }
}

impl From<v1::Level> for tracing::Level {
    fn from(level: v1::Level) -> Self {
        match level {
            v1::Level::Info => tracing::Level::INFO,
            v1::Level::Warn => tracing::Level::WARN,
            v1::Level::Error => tracing::Level::ERROR,
        }
    }
}

impl From<tracing::Level> for v1::Level {
    /// Debug and trace do not travel; they count as info where somebody asks all the same.
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => v1::Level::Error,
            tracing::Level::WARN => v1::Level::Warn,
            _ => v1::Level::Info,
        }
    }
}
