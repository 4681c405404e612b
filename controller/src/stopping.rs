//! How long a stop took: from the order to the last agent that confirmed its end. Pure.

use crate::active::Active;
use crate::conservation::Fate;
use crate::run::agents;
use metrics::text::duration;
use proto::v1::StopMode;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of the last order to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StopFacts {
    /// True if iterations were to be cut, and not to finish.
    pub cut: bool,
    /// Run time at which it was given, in milliseconds.
    pub at_ms: f64,
    /// Agents that were at work then and confirmed their end.
    pub confirmed: u32,
    /// From the order to the last of these confirmations, which follows an agent's last measurements; in milliseconds.
    pub took_ms: Option<f64>,
    /// Whose that was.
    pub slowest: Option<String>,
    /// Those that never did: lost, or given up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<String>,
}

impl StopFacts {
    /// Of a run that has ended; nothing if nobody stopped it.
    #[must_use]
    pub fn of(active: &Active, t0: u64, fate: impl Fn(u32) -> Fate) -> Option<Self> {
        let ordered = active.stop_ordered?;
        let (mode, _, _) = active.stopped.as_ref()?;
        let mut facts = Self {
            cut: *mode == StopMode::StopInterrupt,
            at_ms: ordered.saturating_sub(t0) as f64 / 1e6,
            confirmed: 0,
            took_ms: None,
            slowest: None,
            silent: Vec::new(),
        };
        let working = |ended: Option<u64>| ended.is_none_or(|ended| ended >= ordered);
        let mut slowest = None;
        for member in active.members.values().filter(|m| working(m.ended)) {
            match (fate(member.seat), member.ended) {
                (Fate::Lost | Fate::Late | Fate::Unused, _) | (_, None) => {
                    facts.silent.push(member.name.clone());
                }
                (Fate::Done | Fate::Left | Fate::Drained, Some(ended)) => {
                    facts.confirmed += 1;
                    slowest = slowest.max(Some((ended, &member.name)));
                }
            }
        }
        facts.silent.sort_by_key(|name| crate::names::order(name));
        if let Some((ended, name)) = slowest {
            facts.took_ms = Some((ended - ordered) as f64 / 1e6);
            facts.slowest = Some(name.clone());
        }
        Some(facts)
    }
}

impl fmt::Display for StopFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |ms: f64| duration(ms * 1e6);
        let how = if self.cut { "cut" } else { "stopped" };
        write!(f, "{how} at {}", ms(self.at_ms))?;
        if let (Some(took), Some(slowest)) = (self.took_ms, &self.slowest) {
            let all = agents(self.confirmed as usize);
            write!(f, "; {all} confirmed within {}", ms(took))?;
            if self.confirmed > 1 {
                write!(f, ", {slowest} as the last")?;
            }
        }
        match self.silent.as_slice() {
            [] => Ok(()),
            [one] => write!(f, "; {one} never did"),
            [first, rest @ ..] => write!(f, "; {first} and {} more never did", rest.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_as_far_as_it_is_known() {
        let all = StopFacts {
            cut: true,
            at_ms: 12_400.0,
            confirmed: 3,
            took_ms: Some(38.0),
            slowest: Some("b".to_owned()),
            silent: Vec::new(),
        };
        assert_eq!(
            all.to_string(),
            "cut at 12.4s; 3 agents confirmed within 38ms, b as the last"
        );
        let one = StopFacts {
            cut: false,
            confirmed: 1,
            silent: vec!["a".to_owned(), "c".to_owned()],
            ..all.clone()
        };
        assert_eq!(
            one.to_string(),
            "stopped at 12.4s; 1 agent confirmed within 38ms; a and 1 more never did"
        );
        let none = StopFacts {
            confirmed: 0,
            took_ms: None,
            slowest: None,
            silent: vec!["a".to_owned()],
            ..all
        };
        assert_eq!(none.to_string(), "cut at 12.4s; a never did");
    }
}
