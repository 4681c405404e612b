//! `throng resume`: lets a paused run go on where its stages stood.

use crate::args::Remote;
use crate::change;
use crate::error::Error;
use proto::v1::{ResumeRun, change_request::Change};

/// `throng resume`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The run's id, as `throng runs` shows it
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Asks, and says from which run time on it holds.
///
/// # Errors
/// `NoSuchRun`, `Refused`, or `Unreachable`.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    change::ask(&args.remote, &args.run, Change::Resume(ResumeRun {})).await
}
