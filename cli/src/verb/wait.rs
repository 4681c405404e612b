//! `throng wait`: watches a run that is there already, prints its report, and ends with its exit code.

use crate::args::{Common, Remote};
use crate::error::Error;
use crate::follow::{self, Ended, FailOn, Interrupt, Watch};
use crate::signals::Signals;
use crate::summary_file::SummaryFile;
use crate::terminal::Terminal;
use std::path::PathBuf;

/// `throng wait`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The run's id, as `throng runs` shows it
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Write the report's figures as JSON
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
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Waits. Ctrl-C leaves the run alone.
///
/// # Errors
/// `NoSuchRun`, `Unreachable` or `Lost`; a run that failed is no error but an exit code.
pub(crate) async fn run(args: Args, common: &Common, terminal: &Terminal) -> Result<u8, Error> {
    let summary = args
        .summary
        .as_deref()
        .map(SummaryFile::claim)
        .transpose()?;
    let signals = Signals::listen(terminal)?;
    let control = args.remote.connect().await?;
    let watch = Watch {
        control: &control,
        run: &args.run,
        interrupt: Interrupt::Leaves,
        view: None,
        common,
        terminal,
    };
    match follow::until_over(watch, signals).await? {
        Ended::Over(over) => follow::conclude(&over, args.fail_on, summary, common, terminal),
        Ended::Left => Err(Error::StoppedWatching(args.run)),
    }
}
