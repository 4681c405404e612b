//! What agents and scenarios say: deduplicated over the fleet, with counts, at most so many lines a second; and the table of
//! the top errors. Bounded whatever is said. Pure.

use crate::names;
use crate::plausible;
use proto::v1::{Level, LogLine};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Lines shown per flush.
const PER_FLUSH: usize = 20;
/// Different lines kept between flushes.
const PENDING: usize = 500;
/// Kinds of errors told apart.
const KINDS: usize = 200;
/// Samples kept of one kind.
const SAMPLES: usize = 3;
/// Characters of one text.
const LONGEST: usize = 300;

/// One kind of error in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorKind {
    /// E.g. `connection refused`.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// A few in full.
    pub samples: Vec<String>,
    /// On how many agents.
    pub agents: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kind {
    count: u64,
    samples: Vec<String>,
    agents: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    count: u64,
    sample: String,
    from: Vec<String>,
}

/// What was said and not yet shown, and all errors.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Logs {
    pending: BTreeMap<(i32, bool, String), Pending>,
    suppressed: u64,
    errors: BTreeMap<String, Kind>,
    /// Errors of kinds beyond the limit.
    others: u64,
}

impl Logs {
    /// Takes lines of an agent.
    pub fn take(&mut self, seat: u32, agent: &str, lines: Vec<LogLine>, suppressed: u64) {
        self.suppressed = self.suppressed.saturating_add(suppressed);
        for line in lines {
            let text = shorten(&line.text);
            let sample = shorten(&line.sample);
            let count = line.count.max(1);
            if line.error {
                self.error(seat, &text, &sample, count);
            }
            self.say(line.level, line.error, agent, text, sample, count);
        }
    }

    fn error(&mut self, seat: u32, kind: &str, sample: &str, count: u64) {
        if !self.errors.contains_key(kind) && self.errors.len() >= KINDS {
            self.others = self.others.saturating_add(count);
            return;
        }
        let entry = self.errors.entry(kind.to_owned()).or_default();
        entry.count = entry.count.saturating_add(count);
        if !sample.is_empty()
            && entry.samples.len() < SAMPLES
            && !entry.samples.iter().any(|s| s == sample)
        {
            entry.samples.push(sample.to_owned());
        }
        if !entry.agents.contains(&seat) {
            entry.agents.push(seat);
        }
    }

    fn say(
        &mut self,
        level: i32,
        error: bool,
        agent: &str,
        text: String,
        sample: String,
        count: u64,
    ) {
        let key = (level, error, text);
        if let Some(pending) = self.pending.get_mut(&key) {
            pending.count = pending.count.saturating_add(count);
            if !pending.from.iter().any(|name| name == agent) {
                pending.from.push(agent.to_owned());
            }
        } else if self.pending.len() < PENDING {
            let from = vec![agent.to_owned()];
            self.pending.insert(
                key,
                Pending {
                    count,
                    sample,
                    from,
                },
            );
        } else {
            self.suppressed = self.suppressed.saturating_add(count);
        }
    }

    /// What to show now: the worst and most frequent first.
    pub fn flush(&mut self) -> Vec<LogLine> {
        let mut all: Vec<_> = std::mem::take(&mut self.pending).into_iter().collect();
        all.sort_by_key(|((level, _, _), pending)| (-level, std::cmp::Reverse(pending.count)));
        let hidden = all.iter().skip(PER_FLUSH).map(|(_, pending)| pending.count);
        let hidden = plausible::sum(hidden);
        let mut lines: Vec<LogLine> = all
            .into_iter()
            .take(PER_FLUSH)
            .map(|((level, error, text), mut pending)| {
                pending.from.sort_by_key(|name| names::order(name));
                let from = match pending.from.as_slice() {
                    [one] => one.clone(),
                    [first, rest @ ..] => format!("{first} and {} more", rest.len()),
                    [] => String::new(),
                };
                LogLine {
                    level,
                    text: format!("{from}: {text}"),
                    count: pending.count,
                    sample: pending.sample,
                    error,
                }
            })
            .collect();
        let suppressed = std::mem::take(&mut self.suppressed).saturating_add(hidden);
        if suppressed > 0 {
            lines.push(LogLine {
                level: Level::Warn.into(),
                text: format!("{suppressed} more messages were too many to show"),
                count: 1,
                sample: String::new(),
                error: false,
            });
        }
        lines
    }

    /// All kinds of errors, the most frequent first.
    #[must_use]
    pub fn errors(&self) -> Vec<ErrorKind> {
        let mut kinds: Vec<ErrorKind> = self
            .errors
            .iter()
            .map(|(kind, found)| ErrorKind {
                kind: kind.clone(),
                count: found.count,
                samples: found.samples.clone(),
                agents: found.agents.len() as u64,
            })
            .collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
        if self.others > 0 {
            kinds.push(ErrorKind {
                kind: format!("kinds beyond the first {KINDS}"),
                count: self.others,
                samples: Vec::new(),
                agents: 0,
            });
        }
        kinds
    }
}

fn shorten(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(LONGEST).map(clean).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, text: &str, count: u64, error: bool) -> LogLine {
        LogLine {
            level: level.into(),
            text: text.to_owned(),
            count,
            sample: if error {
                format!("GET /: {text}")
            } else {
                String::new()
            },
            error,
        }
    }

    #[test]
    fn the_same_line_of_many_agents_is_said_once_with_its_count() {
        let mut logs = Logs::default();
        logs.take(
            0,
            "a-2",
            vec![line(Level::Warn, "stopped: no token", 3, false)],
            0,
        );
        logs.take(
            1,
            "a-10",
            vec![line(Level::Warn, "stopped: no token", 4, false)],
            5,
        );
        logs.take(1, "a-10", vec![line(Level::Error, "refused", 1, true)], 0);
        let said: Vec<(String, u64)> = logs
            .flush()
            .into_iter()
            .map(|line| (line.text, line.count))
            .collect();
        let expected = [
            ("a-10: refused".to_owned(), 1),
            ("a-2 and 1 more: stopped: no token".to_owned(), 7),
            ("5 more messages were too many to show".to_owned(), 1),
        ];
        assert_eq!(said, expected);
        assert!(logs.flush().is_empty());
    }

    #[test]
    fn however_much_is_said_little_is_kept_and_all_is_counted() {
        let mut logs = Logs::default();
        for i in 0..2000 {
            logs.take(
                0,
                "a",
                vec![line(Level::Error, &format!("error {i}"), 2, true)],
                0,
            );
        }
        let lines = logs.flush();
        assert_eq!(lines.len(), PER_FLUSH + 1);
        assert_eq!(
            lines[PER_FLUSH].text,
            "3960 more messages were too many to show"
        );
        let errors = logs.errors();
        assert_eq!(errors.len(), KINDS + 1);
        assert_eq!(errors.iter().map(|kind| kind.count).sum::<u64>(), 4000);
        assert_eq!(
            shorten(&"x".repeat(LONGEST + 1)).chars().count(),
            LONGEST + 1
        );
    }
}
