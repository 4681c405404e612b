//! `throng demo`: the concert reservation service, to practise on. Its flags are the demo room's.

use crate::args;
use crate::error::Error;
use crate::signals::Signals;
use crate::terminal::Terminal;
use std::net::SocketAddr;

/// `throng demo`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where it listens
    #[arg(long, env = "THRONG_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = args::listen)]
    pub(crate) listen: SocketAddr,
    #[command(flatten, next_help_heading = "The service")]
    pub(crate) flags: demo::Flags,
}

const EXAMPLES: &str = "\
Examples:
  On port 8080; then `throng run scenarios/reservation.yaml --base-url http://127.0.0.1:8080`:
    throng demo
  As quick as it can be:
    throng demo --fast
  With a better database:
    throng demo --connections 50 --payment-time 90ms:0.4

GET /ledger tells what truly happened, POST /reset clears it. More: docs/demo.md.";

/// Serves until the first signal.
///
/// # Errors
/// `Flags` for an option out of its range, `Listen` when it cannot listen.
pub(crate) async fn run(args: Args, terminal: &Terminal) -> Result<u8, Error> {
    let options = args.flags.options();
    options
        .check()
        .map_err(|bad| Error::flags(bad.to_string(), "`throng demo --help` lists the options"))?;
    let mut signals = Signals::listen(terminal)?;
    let listener = crate::embedded::listen(args.listen, "--listen").await?;
    let address = listener
        .local_addr()
        .map_err(|error| Error::Internal(format!("a listener without an address: {error}")))?;
    tracing::info!(%address, fast = options.fast, "the demo service listens");
    demo::serve(
        listener,
        options,
        async move { signals.interrupted().await },
    )
    .await
    .map_err(|error| Error::Internal(format!("the demo service ended: {error}")))?;
    Ok(0)
}
