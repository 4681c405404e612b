//! `throng pause`: stops a run's stage clock; no iteration begins until `throng resume`.

use crate::args::Remote;
use crate::change;
use crate::error::Error;
use proto::v1::{PauseRun, change_request::Change};
use std::time::Duration;

/// `throng pause`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The run's id, as `throng runs` shows it
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Longest that the pause may last; then the run ends gracefully, and says so
    #[arg(long, env = "THRONG_MAX_PAUSE", value_parser = longest, default_value = "1h", value_name = "TIME")]
    pub(crate) max_pause: Duration,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

fn longest(text: &str) -> Result<Duration, String> {
    plan::parse_duration(text).map_err(|error| error.to_string())
}

/// Asks, and says from which run time on it holds.
///
/// # Errors
/// `NoSuchRun`, `Refused`, or `Unreachable`.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let max_ns = u64::try_from(args.max_pause.as_nanos()).unwrap_or(u64::MAX);
    let pause = Change::Pause(PauseRun { max_ns });
    change::ask(&args.remote, &args.run, pause).await
}
