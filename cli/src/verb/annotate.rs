//! `throng annotate`: notes something on a run's time line, now.

use crate::args::Remote;
use crate::change;
use crate::error::Error;
use proto::v1::{Annotate, change_request::Change};

/// `throng annotate`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The run's id, as `throng runs` shows it
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// What is to be noted, at most 200 characters
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Asks, and says at which run time it is noted.
///
/// # Errors
/// `NoSuchRun`, `Refused`, or `Unreachable`.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let note = Change::Annotate(Annotate { text: args.text });
    change::ask(&args.remote, &args.run, note).await
}
