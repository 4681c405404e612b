//! `throng report`: prints the report of a run that was kept, without a controller.

use crate::args::Common;
use crate::error::Error;
use crate::follow::{self, FailOn};
use crate::summary_file::SummaryFile;
use crate::terminal::Terminal;
use controller::Report;
use proto::v1::RunOver;
use std::path::PathBuf;

/// `throng report`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run's id, as `throng runs` shows it
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Where runs are kept
    #[arg(long, env = "THRONG_RUNS", value_name = "DIR", default_value = "runs")]
    pub(crate) runs: PathBuf,
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
}

const EXAMPLES: &str = "\
It ends with the run's exit code. `throng wait RUN` asks a controller for the same.";

/// Prints it, and gives the run's exit code.
///
/// # Errors
/// `NoSuchRun` when it is not there, or has no report.
pub(crate) fn run(args: Args, common: &Common, terminal: &Terminal) -> Result<u8, Error> {
    let summary = args
        .summary
        .as_deref()
        .map(SummaryFile::claim)
        .transpose()?;
    let bytes =
        controller::journal::read_report(&args.runs, &args.run).map_err(Error::NoSuchRun)?;
    let report: Report = serde_json::from_slice(&bytes).map_err(|error| {
        let why = "another version of throng may have written it";
        Error::NoSuchRun(format!(
            "the report of {} cannot be read: {error}; {why}",
            args.run
        ))
    })?;
    let over = RunOver {
        exit_code: report.exit.code.into(),
        text: report.run.reason,
        report: bytes,
    };
    follow::conclude(&over, args.fail_on, summary, common, terminal)
}
