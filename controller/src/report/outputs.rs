//! What became of each output, a line each.

use crate::output::OutputFacts;
use metrics::text::{Paint, clean, title};
use std::fmt::Write;

/// The section; empty without outputs.
pub(super) fn text(outputs: &[OutputFacts], paint: Paint) -> String {
    if outputs.is_empty() {
        return String::new();
    }
    let mut out = title(paint, "OUTPUTS");
    for facts in outputs {
        out.push_str(&format!("    {}\n", line(facts)));
    }
    out
}

/// `json=run.json: 1200 points written`, and what is missing of them.
fn line(facts: &OutputFacts) -> String {
    let mut line = format!("{}: {} points written", clean(&facts.output), facts.written);
    if facts.lost() > 0 {
        let kinds = [
            (facts.refused, "refused"),
            (facts.dropped, "dropped from a full queue"),
            (facts.unsent, "not confirmed in time"),
        ];
        let kinds: Vec<String> = kinds
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        // Writing to a string does not fail.
        write!(
            line,
            " of {}, {} lost ({})",
            facts.points,
            facts.lost(),
            kinds.join(", ")
        )
        .unwrap_or_default();
    }
    if facts.missed_intervals > 0 {
        write!(
            line,
            "; {} intervals of agents never reached it",
            facts.missed_intervals
        )
        .unwrap_or_default();
    }
    if !facts.problem.is_empty() {
        write!(line, "; {}", clean(&facts.problem)).unwrap_or_default();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_said() {
        let fine = OutputFacts {
            output: "json=run.json".to_owned(),
            points: 1_200,
            written: 1_200,
            ..OutputFacts::default()
        };
        let bad = OutputFacts {
            output: "influxdb=http://db:8086/k6".to_owned(),
            points: 100,
            written: 60,
            refused: 3,
            dropped: 30,
            unsent: 7,
            missed_intervals: 2,
            problem: "it answers 503".to_owned(),
        };
        insta::assert_snapshot!(text(&[fine, bad], Paint { on: false }));
    }
}
