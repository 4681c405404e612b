//! `throng controller`: directs a fleet until it is told to stop.

use crate::args;
use crate::error::Error;
use crate::signals::Signals;
use crate::terminal::Terminal;
use std::net::SocketAddr;

/// `throng controller`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where agents and the command line reach it
    #[arg(long, env = "THRONG_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:7437", value_parser = args::listen)]
    pub(crate) listen: SocketAddr,
}

const EXAMPLES: &str = "\
Examples:
  On one host:
    throng controller --listen 0.0.0.0:7437
  On each host that makes load:
    throng agent --controller http://THAT-HOST:7437
  And then:
    throng run scenario.yaml --controller http://THAT-HOST:7437

Ctrl-C ends it: runs are interrupted, agents are sent home.";

/// Serves until the first signal.
///
/// # Errors
/// `Listen` when it cannot listen.
pub(crate) async fn run(args: Args, terminal: &Terminal) -> Result<u8, Error> {
    let mut signals = Signals::listen(terminal)
        .map_err(|error| Error::Internal(format!("cannot listen for signals: {error}")))?;
    let listener = crate::embedded::listen(args.listen, "--listen").await?;
    let address = listener
        .local_addr()
        .map_err(|error| Error::Internal(format!("a listener without an address: {error}")))?;
    crate::embedded::warn_if_exposed(address);
    tracing::info!(%address, "listening for agents");
    crate::embedded::serve(listener, async move { signals.interrupted().await }).await?;
    Ok(0)
}
