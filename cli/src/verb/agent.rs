//! `throng agent`: makes load for a controller until it is told to stop, or the controller closes for good.

use crate::args::{self, Remote};
use crate::error::Error;
use crate::signals::Signals;
use crate::terminal::Terminal;
use std::time::Duration;

/// `throng agent`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) remote: Remote,
    /// What to call it; the controller makes it unique [default: the host's name]
    #[arg(long, env = "THRONG_NAME", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A label, shown by `throng agents`; repeat it, or write several with commas
    #[arg(long = "label", env = "THRONG_LABEL", value_name = "NAME=VALUE", value_parser = args::pair, value_delimiter = ',')]
    pub(crate) labels: Vec<(String, String)>,
    /// Threads that make load [default: one per core]
    #[arg(long, env = "THRONG_WORKERS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) workers: Option<u32>,
    /// How long to look for a controller that is not there
    #[arg(long, env = "THRONG_GIVE_UP", value_name = "TIME", default_value = "60s", value_parser = plan::parse_duration)]
    pub(crate) give_up: Duration,
}

const EXAMPLES: &str = "\
Examples:
  throng agent --controller http://controller:7437
  throng agent --controller http://controller:7437 --name paris-1 --label zone=eu";

/// Works until the first signal, or until it is sent home.
///
/// # Errors
/// `Agent`, with the code that fits.
pub(crate) async fn run(args: Args, terminal: &Terminal) -> Result<u8, Error> {
    let mut signals = Signals::listen(terminal)
        .map_err(|error| Error::Internal(format!("cannot listen for signals: {error}")))?;
    crate::control::endpoint(&args.remote.controller)?;
    let config = agent::Config {
        controller: args.remote.controller.clone(),
        name: args.name.unwrap_or_else(host_name),
        labels: args.labels.into_iter().collect(),
        workers: args
            .workers
            .map_or_else(crate::embedded::cores, |workers| workers as usize),
        give_up: args.give_up,
    };
    let ended = agent::run(config, async move { signals.interrupted().await }).await;
    ended.map(|_| 0).map_err(crate::embedded::agent_error)
}

/// This host's name, or `agent` if it has none.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "agent".to_owned())
}
