//! `throng controller`: directs a fleet until it is told to stop.

use crate::access::TlsFiles;
use crate::args;
use crate::error::Error;
use crate::metrics_page::MetricsPage;
use crate::outputs::Outputs;
use crate::probe::Probe;
use crate::serving::{self, Serving};
use crate::signals::Signals;
use crate::terminal::Terminal;
use crate::web_page::{self, Neighbours};
use controller::door::Door;
use controller::journal::Folder;
use controller::output::{Page, Spec};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;

/// `throng controller`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where agents and the command line reach it
    #[arg(long, env = "THRONG_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:7437", value_parser = args::listen)]
    pub(crate) listen: SocketAddr,
    /// Where runs are kept, so that this controller goes on with them when it is started again [default: runs]
    #[arg(long, env = "THRONG_RUNS", value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
    /// Without --runs, keep nothing on disk: a run is gone with the controller
    #[arg(long, env = "THRONG_NO_RUNS")]
    pub(crate) no_runs: bool,
    /// How long an agent that hears nothing goes on making load; when it is over its share goes to the others (1s to 60s)
    #[arg(long, env = "THRONG_LEASE", value_name = "TIME", default_value = "5s", value_parser = args::lease)]
    pub(crate) lease: Duration,
    #[command(flatten)]
    pub(crate) serving: Serving,
    #[command(flatten)]
    pub(crate) files: TlsFiles,
    #[command(flatten)]
    pub(crate) web: web_page::Flags,
    /// Without --web, serve no web page [default: one at 127.0.0.1:7480]
    #[arg(long, env = "THRONG_NO_WEB", help_heading = web_page::HEADING)]
    pub(crate) no_web: bool,
    #[command(flatten)]
    pub(crate) outputs: Outputs,
    /// Serve what the newest run has come to in plain HTTP here, as /metrics for Prometheus to scrape [default: nowhere]
    #[arg(long, env = "THRONG_METRICS_LISTEN", value_name = "ADDR", value_parser = args::listen, help_heading = "Report")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Answer probes in plain HTTP here: /livez and /readyz [default: nowhere]
    #[arg(long, env = "THRONG_PROBE_LISTEN", value_name = "ADDR", value_parser = args::listen)]
    pub(crate) probe_listen: Option<SocketAddr>,
}

/// Where runs are kept unless told otherwise.
const RUNS: &str = "runs";

const EXAMPLES: &str = "\
Examples:
  On one host:
    throng controller --listen 0.0.0.0:7437
  On each host that makes load, with a token from `throng token create`:
    throng agent --controller https://THAT-HOST:7437 --join-file token --allow-target shop.test
  And then, with one from `throng token create --role operator`:
    throng run scenario.yaml --controller https://THAT-HOST:7437 --join-file token

Ctrl-C ends it: runs are interrupted, agents are sent home. One that crashed, or was killed, goes on where it was
when it is started again on the same --runs (docs/run-directory.md).";

/// Serves until the first signal.
///
/// # Errors
/// `Listen` when it cannot listen, `Flags` when the directory of runs that was named cannot be used.
pub(crate) async fn run(args: Args, terminal: &Terminal) -> Result<u8, Error> {
    let mut outputs = args.outputs.specs()?;
    let mut signals = Signals::listen(terminal)?;
    let listener = crate::embedded::listen(args.listen, "--listen").await?;
    let address = listener
        .local_addr()
        .map_err(|error| Error::Internal(format!("a listener without an address: {error}")))?;
    let opened = args.serving.open(address, &args.files)?;
    tracing::info!(%address, scheme = opened.scheme, "listening for agents");
    if let Some(token) = &opened.token {
        println!(
            "a join token for one agent, good for {} h; `throng token create` makes more, and --no-token prints none:\n{token}",
            serving::PRINTED.as_secs() / 3600
        );
    }
    let neighbours = match &opened.door {
        Door::Open => Neighbours::Trusted,
        Door::Tls(_) => Neighbours::SignIn,
    };
    let web = if args.no_web && args.web.web.is_none() {
        None
    } else {
        args.web
            .open_or_usual(&args.serving, &args.files, neighbours)
            .await?
    };
    let runs = folder(args.runs.as_deref(), args.no_runs)?;
    let _metrics = match args.metrics_listen {
        Some(address) => {
            let page = Page::default();
            outputs.push(Spec::page(&page));
            Some(MetricsPage::serve(address, move || page.text()).await?)
        }
        None => None,
    };
    let asked = signals.clone();
    let _probe = Probe::maybe(args.probe_listen, move || !asked.came()).await?;
    let config = crate::embedded::config(outputs, args.lease);
    let (give, given) = oneshot::channel();
    let web = web.map(|page| {
        tracing::info!(url = page.url(), "web page");
        page.serve(given)
    });
    let ended = crate::embedded::serve(
        vec![(listener, opened.door)],
        config,
        runs,
        give,
        async move { signals.interrupted().await },
    )
    .await;
    if let Some(web) = web {
        web.stop().await;
    }
    ended.map(|()| 0)
}

/// The directory of runs. One that was not asked for may be unusable: then nothing is kept, aloud.
fn folder(asked: Option<&Path>, none: bool) -> Result<Option<Folder>, Error> {
    if none && asked.is_none() {
        return Ok(None);
    }
    match (Folder::on_disk(asked.unwrap_or(Path::new(RUNS))), asked) {
        (Ok(folder), _) => Ok(Some(folder)),
        (Err(why), Some(_)) => Err(Error::flags(format!("--runs: {why}"), "")),
        (Err(why), None) => {
            tracing::warn!(
                "{why}; no run is kept: it is lost with this controller (--runs DIR names another directory)"
            );
            Ok(None)
        }
    }
}
