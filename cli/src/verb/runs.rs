//! `throng runs`: what a controller runs, has run and will run.

use crate::args::Remote;
use crate::error::Error;
use crate::progress::duration;
use crate::table::Table;
use proto::v1::{RunInfo, RunState};

/// `throng runs`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Prints the runs, one a line.
///
/// # Errors
/// `Unreachable` when there is no controller.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let runs = args.remote.connect().await?.runs().await?;
    print!("{}", table(&runs));
    Ok(0)
}

fn table(runs: &[RunInfo]) -> String {
    if runs.is_empty() {
        return "no runs yet; start one with `throng run FILE --controller URL`\n".to_owned();
    }
    let mut table = Table::new(["RUN", "SCENARIO", "STATE", "FOR", "AGENTS", "EXIT"]);
    for run in runs {
        let state = RunState::try_from(run.state).map_or("unknown", |state| state.as_str_name());
        table.row([
            run.run.clone(),
            run.name.clone(),
            state.trim_start_matches("STATE_").to_lowercase(),
            if run.duration_ms == 0 {
                "-".to_owned()
            } else {
                duration(run.duration_ms.saturating_mul(1_000_000))
            },
            run.agents.to_string(),
            if run.exit_code < 0 {
                "-".to_owned()
            } else {
                run.exit_code.to_string()
            },
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_over_one_at_work() {
        let runs = [
            RunInfo {
                run: "r1".into(),
                name: "a.yaml".into(),
                state: RunState::StateOver.into(),
                duration_ms: 35_000,
                agents: 3,
                exit_code: 99,
                ..RunInfo::default()
            },
            RunInfo {
                run: "r2".into(),
                name: "b.yaml".into(),
                state: RunState::StateLoad.into(),
                exit_code: -1,
                ..RunInfo::default()
            },
        ];
        insta::assert_snapshot!(table(&runs), @r"
        RUN  SCENARIO  STATE  FOR    AGENTS  EXIT
        r1   a.yaml    over   35.0s  3       99
        r2   b.yaml    load   -      0       -
        ");
    }
}
