//! `throng watch`: the live view of a run that is there already, from any machine. Leaving it leaves the run alone.

use crate::args::{Common, Remote};
use crate::error::Error;
use crate::follow::{self, Ended, FailOn, Interrupt, Wanted, Watch};
use crate::live::Whose;
use crate::signals::Signals;
use crate::summary_file::SummaryFile;
use crate::terminal::Terminal;
use proto::v1::{RunInfo, RunState};
use std::path::PathBuf;

/// `throng watch`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The run's id, as `throng runs` shows it [default: the run in progress]
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Write the report's figures as JSON, if the run ends meanwhile
    #[arg(long, env = "THRONG_SUMMARY", value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// Also fail when load or data have gaps: `degraded` ends with 120
    #[arg(
        long,
        env = "THRONG_FAIL_ON",
        value_name = "WHAT",
        value_enum,
        hide_possible_values = true
    )]
    pub(crate) fail_on: Option<FailOn>,
    /// Show lines instead of the live view
    #[arg(long, env = "THRONG_NO_LIVE", help_heading = "Output")]
    pub(crate) no_live: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Watches to the end, or until `q` or Ctrl-C.
///
/// # Errors
/// `NoSuchRun`, `Unreachable`, `Lost`, or `StoppedWatching` after Ctrl-C; a run that failed is no error but an exit code.
pub(crate) async fn run(args: Args, common: &Common, terminal: &Terminal) -> Result<u8, Error> {
    let summary = args
        .summary
        .as_deref()
        .map(SummaryFile::claim)
        .transpose()?;
    let signals = Signals::listen(terminal)?;
    let mut control = args.remote.connect().await?;
    let runs = control.runs().await?;
    let (run, name) = chosen(&runs, args.run)?;
    let watch = Watch {
        control: &control,
        run: &run,
        interrupt: Interrupt::Leaves,
        view: (!args.no_live).then_some(Wanted {
            title: &name,
            whose: Whose::Others,
            once_enlisted: false,
        }),
        common,
        terminal,
    };
    match follow::until_over(watch, signals).await? {
        Ended::Over(over) => follow::conclude(&over, args.fail_on, summary, common, terminal),
        Ended::Left => {
            terminal.line(&format!("run {run} goes on"));
            Ok(0)
        }
    }
}

/// The run that was named, or the only one that is there to be watched; and what its scenario is called.
fn chosen(runs: &[RunInfo], named: Option<String>) -> Result<(String, String), Error> {
    if let Some(run) = named {
        // One that the list does not hold any more may still be known.
        let known = runs.iter().find(|info| info.run == run);
        let name = known.map(|info| info.name.clone()).unwrap_or_default();
        return Ok((run, name));
    }
    let mut open: Vec<&RunInfo> = runs.iter().filter(|run| run.exit_code < 0).collect();
    if open.len() > 1 {
        open.retain(|run| run.state() != RunState::StateQueued);
    }
    match open.as_slice() {
        [run] => Ok((run.run.clone(), run.name.clone())),
        _ => Err(Error::NoSuchRun(
            "no run is in progress; `throng runs` lists those that were, and `throng watch RUN` prints one's report".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(run: &str, state: RunState, exit_code: i32) -> RunInfo {
        RunInfo {
            run: run.to_owned(),
            name: format!("{run}.yaml"),
            state: state.into(),
            exit_code,
            ..RunInfo::default()
        }
    }

    fn only(runs: &[RunInfo]) -> Option<String> {
        chosen(runs, None).ok().map(|(run, _)| run)
    }

    #[test]
    fn the_run_in_progress_is_found() {
        let over = info("over", RunState::StateOver, 0);
        let load = info("load", RunState::StateLoad, -1);
        let queued = info("queued", RunState::StateQueued, -1);
        assert_eq!(
            only(&[over.clone(), load.clone(), queued.clone()]),
            Some("load".to_owned())
        );
        assert_eq!(only(&[over.clone(), queued]), Some("queued".to_owned()));
        assert_eq!(only(std::slice::from_ref(&over)), None);
        assert_eq!(only(&[]), None);
        let named = |runs: &[RunInfo], run: &str| chosen(runs, Some(run.to_owned())).ok();
        let known = named(&[over, load], "over");
        assert_eq!(known, Some(("over".to_owned(), "over.yaml".to_owned())));
        let unknown = named(&[], "x");
        assert_eq!(
            unknown,
            Some(("x".to_owned(), String::new())),
            "the controller says whether it knows it"
        );
    }
}
