//! `throng stop`: ends a run, at once or gracefully.

use crate::args::Remote;
use crate::error::Error;
use proto::v1::StopMode;

/// `throng stop`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The run's id, as `throng runs` shows it
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Begin no more iterations, and let those in progress finish within their graceful period
    #[arg(long, env = "THRONG_GRACEFUL")]
    pub(crate) graceful: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Asks, and says what came of it. `throng wait` gives the report.
///
/// # Errors
/// `NoSuchRun`, or `Unreachable`.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let (mode, how) = if args.graceful {
        (StopMode::StopGraceful, "stopping gracefully")
    } else {
        (StopMode::StopInterrupt, "stopping")
    };
    let was_running = args
        .remote
        .connect()
        .await?
        .stop(&args.run, mode, "throng stop")
        .await?;
    if was_running {
        println!("run {}: {how}", args.run);
    } else {
        println!("run {}: was over already", args.run);
    }
    Ok(0)
}
