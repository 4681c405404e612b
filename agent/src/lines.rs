//! Messages and errors of scenarios: deduplicated, counted, with one example each, and never more kinds than a person can read.

use crate::http::Failure;
use http::StatusCode;
use proto::v1::{Level, LogLine};
use std::collections::BTreeMap;

/// Most kinds of lines per interval; more are only counted.
pub(crate) const MOST_LINES: usize = 50;
/// Most characters of an example.
const MOST_CHARS: usize = 300;

/// What failed, as small as can be: a failing target must not cost an allocation for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// No (whole) response.
    Failure(Failure),
    /// A response that was not expected.
    Status(StatusCode),
}

impl ErrorKind {
    fn text(self) -> String {
        match self {
            Self::Failure(failure) => failure.kind().to_owned(),
            Self::Status(status) => format!("HTTP {status}"),
        }
    }
}

/// One kind of line.
#[derive(Debug)]
struct Kind {
    level: Level,
    count: u64,
    example: String,
}

/// The lines since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    errors: Vec<(ErrorKind, Kind)>,
    messages: BTreeMap<String, Kind>,
    suppressed: u64,
}

impl Lines {
    /// A request error of a kind; the example is made only for the first of its kind.
    pub(crate) fn error(&mut self, kind: ErrorKind, example: impl FnOnce() -> String) {
        if let Some((_, known)) = self.errors.iter_mut().find(|(known, _)| *known == kind) {
            known.count += 1;
        } else if self.room() {
            let line = Kind::new(Level::Error, 1, example());
            self.errors.push((kind, line));
        } else {
            self.suppressed += 1;
        }
    }

    /// A message.
    pub(crate) fn message(&mut self, level: Level, text: &str, example: impl FnOnce() -> String) {
        if let Some(known) = self.messages.get_mut(text) {
            known.count += 1;
        } else if self.room() {
            let line = Kind::new(level, 1, example());
            self.messages.insert(text.to_owned(), line);
        } else {
            self.suppressed += 1;
        }
    }

    /// Adds another worker's.
    pub(crate) fn merge(&mut self, other: Lines) {
        self.suppressed += other.suppressed;
        for (kind, line) in other.errors {
            if let Some((_, known)) = self.errors.iter_mut().find(|(known, _)| *known == kind) {
                known.count += line.count;
            } else if self.room() {
                self.errors.push((kind, line));
            } else {
                self.suppressed += line.count;
            }
        }
        for (text, line) in other.messages {
            if let Some(known) = self.messages.get_mut(&text) {
                known.count += line.count;
            } else if self.room() {
                self.messages.insert(text, line);
            } else {
                self.suppressed += line.count;
            }
        }
    }

    /// As the wire has them.
    pub(crate) fn take(&mut self) -> (Vec<LogLine>, u64) {
        let errors = std::mem::take(&mut self.errors).into_iter();
        let errors = errors.map(|(kind, line)| (true, kind.text(), line));
        let messages = std::mem::take(&mut self.messages).into_iter();
        let messages = messages.map(|(text, line)| (false, text, line));
        let lines = errors
            .chain(messages)
            .map(|(error, text, line)| LogLine {
                level: line.level.into(),
                text,
                count: line.count,
                sample: line.example,
                error,
            })
            .collect();
        (lines, std::mem::take(&mut self.suppressed))
    }

    fn room(&self) -> bool {
        self.errors.len() + self.messages.len() < MOST_LINES
    }
}

impl Kind {
    fn new(level: Level, count: u64, mut example: String) -> Self {
        if let Some((end, _)) = example.char_indices().nth(MOST_CHARS) {
            example.truncate(end);
            example.push('…');
        }
        Self {
            level,
            count,
            example,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{ErrorKind, Lines, MOST_CHARS, MOST_LINES};
    use crate::http::Failure;
    use http::StatusCode;
    use proto::v1::Level;

    #[test]
    fn lines_are_counted_by_kind_and_bounded() {
        let mut lines = Lines::default();
        for i in 0..1000 {
            lines.error(ErrorKind::Failure(Failure::Refused), || {
                format!("GET http://a/{i}")
            });
        }
        let mut others = Lines::default();
        for i in 0..MOST_LINES + 5 {
            others.message(Level::Warn, &format!("kind {i}"), || "é".repeat(1000));
        }
        lines.merge(others);
        let (taken, suppressed) = lines.take();
        assert_eq!((taken.len(), suppressed), (MOST_LINES, 6));
        assert_eq!(
            (taken[0].text.as_str(), taken[0].count, taken[0].error),
            ("connection refused", 1000, true)
        );
        assert_eq!(taken[0].sample, "GET http://a/0");
        assert_eq!(taken[1].sample.chars().count(), MOST_CHARS + 1);
        assert_eq!(lines.take(), (vec![], 0));
    }

    #[test]
    fn errors_and_messages_are_told_apart_and_added_up_over_workers() {
        let mut sum = Lines::default();
        for _ in 0..3 {
            let mut worker = Lines::default();
            let status = StatusCode::from_u16(503).unwrap();
            worker.error(ErrorKind::Status(status), String::new);
            worker.message(Level::Warn, "iteration ended early: no token", String::new);
            sum.merge(worker);
        }
        let (taken, _) = sum.take();
        let shown: Vec<_> = taken
            .iter()
            .map(|line| (line.error, line.text.as_str(), line.count))
            .collect();
        assert_eq!(
            shown,
            [
                (true, "HTTP 503 Service Unavailable", 3),
                (false, "iteration ended early: no token", 3)
            ]
        );
    }
}
