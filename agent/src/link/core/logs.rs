//! Log lines that wait for room on the stream: alike ones are one with a count; beyond a limit of kinds only counted.

use proto::v1::{LogLine, LogLines};

/// Kinds that may wait.
const KINDS: usize = 256;

/// Lines that wait.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    lines: Vec<LogLine>,
    suppressed: u64,
}

impl Logs {
    /// Takes lines.
    pub(crate) fn push(&mut self, lines: Vec<LogLine>, suppressed: u64) {
        self.suppressed = self.suppressed.saturating_add(suppressed);
        for line in lines {
            let alike = |other: &&mut LogLine| {
                (other.error, other.level, &other.text) == (line.error, line.level, &line.text)
            };
            if let Some(known) = self.lines.iter_mut().find(alike) {
                known.count = known.count.saturating_add(line.count);
            } else if self.lines.len() < KINDS {
                self.lines.push(line);
            } else {
                self.suppressed = self.suppressed.saturating_add(line.count);
            }
        }
    }

    /// True without any.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.suppressed == 0
    }

    /// All of them, for the stream.
    pub(crate) fn take(&mut self, run: &str) -> LogLines {
        let Self { lines, suppressed } = std::mem::take(self);
        LogLines {
            run: run.to_owned(),
            lines,
            suppressed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, count: u64) -> LogLine {
        LogLine {
            text: text.to_owned(),
            count,
            ..LogLine::default()
        }
    }

    #[test]
    fn alike_lines_are_one_and_too_many_kinds_are_counted() {
        let mut logs = Logs::default();
        logs.push(vec![line("a", 2), line("b", 1), line("a", 3)], 4);
        for kind in 0..KINDS {
            logs.push(vec![line(&format!("kind {kind}"), 10)], 0);
        }
        let taken = logs.take("r");
        assert_eq!(taken.lines.len(), KINDS);
        assert_eq!((taken.lines[0].count, taken.lines[1].count), (5, 1));
        assert_eq!(taken.suppressed, 4 + 20);
        assert!(logs.is_empty());
    }
}
