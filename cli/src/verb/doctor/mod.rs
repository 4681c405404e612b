//! `throng doctor`: whether this host can make the load that is asked of it, and how to mend what stands in the way.
//!
//! [`facts`] reads what the system says, [`judge`] makes lines of it (pure), this file prints them.

mod facts;
mod judge;

use crate::table::Table;
use facts::Facts;
use judge::{Line, Need, State};
use std::io::Write as _;
use std::path::Path;

/// Ends with this when something stands in the way; docs/exit-codes.md states it.
const UNFIT: u8 = 1;

/// `throng doctor`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How many connections this host is to hold at once: about one for each virtual user it will carry
    #[arg(
        long,
        env = "THRONG_CONNECTIONS",
        value_name = "N",
        default_value_t = 1000
    )]
    pub(crate) connections: u64,
    /// Print JSON
    #[arg(long, env = "THRONG_DOCTOR_JSON")]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  throng doctor
  throng doctor --connections 20000
  throng doctor --json

Ends with 0 when nothing stands in the way (a `note` does not), else with 1.
docs/hosts.md explains each line.";

/// Looks, prints, judges.
pub(crate) fn run(args: &Args) -> u8 {
    let facts = Facts::read(Path::new("/"));
    let need = Need {
        connections: args.connections,
    };
    let lines = judge::lines(&facts, need);
    let fit = lines.iter().all(|line| line.state != State::Bad);
    let text = if args.json {
        json(&lines, fit)
    } else {
        text(&lines, fit)
    };
    // Whoever reads may have seen enough and gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if fit { 0 } else { UNFIT }
}

fn text(lines: &[Line], fit: bool) -> String {
    let mut table = Table::new(["", "CHECK", "FOUND", "WANTED"]);
    for line in lines {
        table.row([
            line.state.word().to_owned(),
            line.check.to_owned(),
            line.found.clone(),
            line.wanted.clone(),
        ]);
    }
    let mut text = table.to_string();
    let troubled = lines.iter().filter(|line| line.state != State::Ok);
    for line in troubled {
        text.push_str(&format!(
            "\n{}: {}\n  {}\n  try: {}\n",
            line.state.word(),
            line.check,
            line.why,
            line.mend
        ));
    }
    text.push_str(if fit {
        "\nnothing stands in the way\n"
    } else {
        "\nthis host is not fit for that load as it is\n"
    });
    text
}

fn json(lines: &[Line], fit: bool) -> String {
    let value = serde_json::json!({ "fit": fit, "checks": lines });
    format!("{value:#}\n")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_reads() {
        let lines = [
            Line {
                check: "open files",
                state: State::Bad,
                found: "1024".into(),
                wanted: "at least 1064".into(),
                why: "Each connection is one.",
                mend: "ulimit -n 1064".into(),
            },
            Line {
                check: "clock source",
                state: State::Ok,
                found: "tsc".into(),
                wanted: "read without the kernel".into(),
                why: "",
                mend: String::new(),
            },
        ];
        insta::assert_snapshot!(text(&lines, false), @r"
             CHECK         FOUND  WANTED
        bad  open files    1024   at least 1064
        ok   clock source  tsc    read without the kernel

        bad: open files
          Each connection is one.
          try: ulimit -n 1064

        this host is not fit for that load as it is
        ");
        let json: serde_json::Value = serde_json::from_str(&json(&lines, false)).unwrap();
        assert_eq!(json["fit"], false);
        assert_eq!(json["checks"][0]["state"], "bad");
        assert_eq!(json["checks"][0]["mend"], "ulimit -n 1064");
    }
}
