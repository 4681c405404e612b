//! `throng agent`: makes load for a controller until it is told to stop, or the controller closes for good.

use crate::args::{self, Remote};
use crate::error::Error;
use crate::metrics_page::MetricsPage;
use crate::places;
use crate::probe::Probe;
use crate::serving::State;
use crate::signals::Signals;
use crate::terminal::Terminal;
use agent::http::{Bounds, Ceiling, Target, Targets};
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use trust::keeper::Source;
use trust::{Address, Role};

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
    /// What it may talk to, whoever directs it: `shop.test`, `shop.test:8080`, `*.shop.test`, `10.0.0.0/8`, or `any`; repeat it, or
    /// write several with commas. Must be given when the controller is not on this host
    #[arg(
        long = "allow-target",
        env = "THRONG_ALLOW_TARGET",
        value_name = "TARGET",
        value_delimiter = ',',
        help_heading = "Bounds"
    )]
    pub(crate) allow_targets: Vec<Target>,
    /// Most requests a second, whoever directs it; those beyond wait for their turn [default: no ceiling]
    #[arg(long, env = "THRONG_MAX_RATE", value_name = "N", help_heading = "Bounds", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_rate: Option<u32>,
    #[command(flatten)]
    pub(crate) state: State,
    /// Threads that make load [default: one per core]
    #[arg(long, env = "THRONG_WORKERS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) workers: Option<u32>,
    /// How long to look for a controller that is not there
    #[arg(long, env = "THRONG_GIVE_UP", value_name = "TIME", default_value = "60s", value_parser = plan::parse_duration)]
    pub(crate) give_up: Duration,
    /// How long handing over its share and finishing what it began may take when it is told to end; what still runs then is cut
    #[arg(long, env = "THRONG_DRAIN_TIMEOUT", value_name = "TIME", default_value = "25s", value_parser = plan::parse_duration)]
    pub(crate) drain_timeout: Duration,
    /// Answer probes in plain HTTP here: /livez, and /readyz while it is in a fleet and not told to end [default: nowhere]
    #[arg(long, env = "THRONG_PROBE_LISTEN", value_name = "ADDR", value_parser = args::listen)]
    pub(crate) probe_listen: Option<SocketAddr>,
    /// Serve how this agent fares in plain HTTP here, as /metrics for Prometheus to scrape [default: nowhere]
    #[arg(long, env = "THRONG_METRICS_LISTEN", value_name = "ADDR", value_parser = args::listen)]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Where runs are kept on disk until the controller has all of them, for `throng merge`; `none`: in memory only [default: the
    /// user's state directory, e.g. ~/.local/state/throng/spool]
    #[arg(long, env = "THRONG_SPOOL", value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
    /// Most that is kept there of one run's measurements, in MiB; beyond it the oldest go
    #[arg(long, env = "THRONG_SPOOL_LIMIT", value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub(crate) spool_limit: u64,
}

const EXAMPLES: &str = "\
Examples:
  throng agent
  throng agent --controller https://controller:7437 --join-file token --allow-target shop.test --name paris-1 --label zone=eu";

/// Works until the first signal, or until it is sent home.
///
/// # Errors
/// `Agent`, with the code that fits.
pub(crate) async fn run(args: Args, terminal: &Terminal) -> Result<u8, Error> {
    let mut signals = Signals::listen(terminal)?;
    let name = args.name.clone().unwrap_or_else(host_name);
    let address = args.remote.access.address(&args.remote.controller)?;
    let bounds = args.bounds(&address)?;
    // Held while this agent lives: nobody else uses its certificate.
    let (source, _kept) = args.source(&address, &name)?;
    let enlisted = Arc::new(AtomicBool::new(false));
    let glance = args.metrics_listen.map(|_| agent::Glance::default());
    let _metrics = match args.metrics_listen.zip(glance.clone()) {
        Some((address, glance)) => Some(MetricsPage::serve(address, move || glance.text()).await?),
        None => None,
    };
    let config = agent::Config {
        controller: args.remote.controller.clone(),
        access: agent::Access {
            insecure: args.remote.access.files.insecure,
            source,
        },
        bounds,
        name,
        labels: args.labels.into_iter().collect(),
        workers: args
            .workers
            .map_or_else(crate::embedded::cores, |workers| workers as usize),
        give_up: args.give_up,
        drain: args.drain_timeout,
        enlisted: enlisted.clone(),
        glance,
        spool: spool_dir(args.spool).map(|dir| agent::Spooling::new(dir, args.spool_limit << 20)),
    };
    let asked = signals.clone();
    let ready = move || enlisted.load(Ordering::Relaxed) && !asked.came();
    let _probe = Probe::maybe(args.probe_listen, ready).await?;
    let ended = agent::run(config, async move { signals.interrupted().await }).await;
    ended.map(|_| 0).map_err(crate::embedded::agent_error)
}

impl Args {
    /// What this agent will not do.
    fn bounds(&self, address: &Address) -> Result<Bounds, Error> {
        let targets = Targets::new(self.allow_targets.clone());
        if self.allow_targets.is_empty() && !address.is_loopback() {
            return Err(Error::flags(
                format!(
                    "the controller {} is on another host, and could aim this agent at anything",
                    address.url()
                ),
                "say what it may talk to, e.g. --allow-target shop.test; --allow-target any is everything",
            ));
        }
        if targets.is_any() {
            tracing::warn!(
                "--allow-target any: whoever directs the controller can aim this agent at anything it reaches"
            );
        }
        if self.max_rate.is_none() && !address.is_loopback() {
            tracing::warn!(
                "no --max-rate: whoever directs the controller can have this agent send as much as this host can"
            );
        }
        let bounded = !(self.allow_targets.is_empty() || targets.is_any());
        Ok(Bounds {
            targets: bounded.then(|| Arc::new(targets)),
            ceiling: self.max_rate.map(|rate| Arc::new(Ceiling::new(rate))),
        })
    }

    /// What opens the controller's door, and the lock on the file in which it is kept.
    fn source(
        &self,
        address: &Address,
        name: &str,
    ) -> Result<(Option<Source>, Option<File>), Error> {
        let file = match (
            address.is_tls(),
            self.remote.access.files.all(),
            self.state.folder(),
        ) {
            (true, None, Ok(folder)) => {
                let name = trust::identity::clean(name);
                Some(
                    folder
                        .join("agents")
                        .join(name)
                        .join(places::file_name(address)),
                )
            }
            _ => None,
        };
        let kept = match &file {
            Some(file) => lock(file)?,
            None => None,
        };
        // A place that cannot be locked can be written by others, or by nobody.
        let file = file.filter(|_| kept.is_some());
        let source = self
            .remote
            .access
            .source(address, Role::Agent, name.to_owned(), file)?;
        Ok((source, kept))
    }
}

/// Locks the place of a certificate; `None` if nothing can be kept there.
fn lock(file: &Path) -> Result<Option<File>, Error> {
    let beside = file.with_extension("lock");
    let open = || {
        if let Some(folder) = beside.parent() {
            trust::files::folder(folder)?;
        }
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&beside)
    };
    let locked = match open() {
        Ok(locked) => locked,
        Err(error) => {
            tracing::warn!(
                "{}: {error}; the certificate is kept in memory only, and a restart will need a token (--state DIR names another place)",
                beside.display()
            );
            return Ok(None);
        }
    };
    match locked.try_lock() {
        Ok(()) => Ok(Some(locked)),
        Err(TryLockError::WouldBlock) => Err(Error::flags(
            "an agent of this name runs here already, and two cannot be one",
            "give this one another --name, or another --state",
        )),
        Err(TryLockError::Error(error)) => {
            Err(Error::State(format!("{}: {error}", beside.display())))
        }
    }
}

/// Where runs are kept, unless nowhere.
fn spool_dir(asked: Option<PathBuf>) -> Option<PathBuf> {
    match asked {
        Some(none) if none.as_os_str() == "none" => None,
        Some(dir) => Some(dir),
        None => {
            let state = places::state();
            let state = state.unwrap_or_else(|| std::env::temp_dir().join("throng"));
            Some(state.join("spool"))
        }
    }
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
