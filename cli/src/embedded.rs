//! A controller, agents and a demo inside this process, for `throng run` alone. The agents dial the controller as remote ones do.

use crate::error::Error;
use crate::serving::Opened;
use crate::web_page::{Served, WebPage};
use controller::door::Door;
use controller::journal::Folder;
use controller::service_control::ControlService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// How long agents and controller have to end after the run is over.
const GOODBYE: Duration = Duration::from_secs(5);

/// How long an agent goes on unheard, unless told otherwise.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// What to start.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Where agents from elsewhere may join; `None`: nowhere.
    pub(crate) listen: Option<(SocketAddr, Opened)>,
    /// How many agents; `None`: one per core, or none when others may join.
    pub(crate) agents: Option<u32>,
    /// Where what is measured goes.
    pub(crate) outputs: Vec<controller::output::Spec>,
    /// How long an agent goes on unheard.
    pub(crate) lease: Duration,
    /// The web page.
    pub(crate) web: Option<WebPage>,
}

/// A fleet inside this process.
#[derive(Debug)]
pub(crate) struct Embedded {
    url: String,
    public: Option<String>,
    agents: u32,
    stop_agents: watch::Sender<bool>,
    stop_controller: watch::Sender<bool>,
    working: JoinSet<Result<(), Error>>,
    directing: JoinSet<Result<(), Error>>,
    web: Option<Served>,
}

impl Embedded {
    /// Starts the controller, then the agents; they join while the run is being handed over.
    ///
    /// # Errors
    /// `Listen` when nothing can listen at the address.
    pub(crate) async fn start(wanted: Wanted, runs: Option<Folder>) -> Result<Self, Error> {
        let mut doors = Vec::new();
        let mut public = None;
        if let Some((address, opened)) = &wanted.listen {
            let listener = listen(*address, "--listen").await?;
            let address = address_of(&listener)?;
            tracing::info!(%address, scheme = opened.scheme, "listening for agents");
            public = Some((address, opened.scheme));
            doors.push((listener, opened.door.clone()));
        }
        // What is in this process comes in by the loopback; through the same door, where that is in clear text.
        let address = match public {
            Some((address, "http")) => reachable(address),
            _ => {
                let listener = listen(([127, 0, 0, 1], 0).into(), "--listen").await?;
                let address = address_of(&listener)?;
                doors.push((listener, Door::Open));
                address
            }
        };
        let url = format!("http://{address}");
        let public = public.map(|(address, scheme)| format!("{scheme}://{address}"));
        let agents = wanted.agents.unwrap_or_else(|| {
            if wanted.listen.is_some() {
                0
            } else {
                u32::try_from(cores()).unwrap_or(u32::MAX)
            }
        });
        let (stop_controller, told) = watch::channel(false);
        let mut directing = JoinSet::new();
        let (give, given) = oneshot::channel();
        let web = wanted.web.map(|page| page.serve(given));
        directing.spawn(serve(
            doors,
            config(wanted.outputs, wanted.lease),
            runs,
            give,
            until(told),
        ));
        let (stop_agents, told) = watch::channel(false);
        let mut working = JoinSet::new();
        for number in 1..=agents {
            let config = agent::Config {
                controller: url.clone(),
                name: name(number),
                labels: std::collections::BTreeMap::new(),
                workers: 1,
                give_up: Duration::from_secs(30),
                // Its controller ends before it does.
                drain: GOODBYE,
                // Whoever started this process decides what it does.
                access: agent::Access {
                    insecure: true,
                    source: None,
                },
                bounds: agent::http::Bounds::default(),
                enlisted: Arc::default(),
                glance: None,
                spool: None,
            };
            let told = told.clone();
            working.spawn(async move {
                agent::run(config, until(told))
                    .await
                    .map(|_| ())
                    .map_err(agent_error)
            });
        }
        Ok(Self {
            url,
            public,
            agents,
            stop_agents,
            stop_controller,
            working,
            directing,
            web,
        })
    }

    /// Where its controller is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where others reach it, if they may.
    pub(crate) fn public(&self) -> Option<&str> {
        self.public.as_deref()
    }

    /// How many agents it has.
    pub(crate) fn agents(&self) -> u32 {
        self.agents
    }

    /// Awaits `future`, unless a part of the fleet ends before it with an error.
    pub(crate) async fn guard<T>(
        &mut self,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let parts = async {
            loop {
                let ended = tokio::select! {
                    Some(ended) = self.working.join_next() => ended,
                    Some(ended) = self.directing.join_next() => ended,
                    else => return Error::Internal("every part of the fleet ended before the run".to_owned()),
                };
                match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return error,
                    Err(panic) => {
                        return Error::Internal(format!("a part of the fleet broke: {panic}"));
                    }
                }
            }
        };
        tokio::select! {
            biased;
            done = future => done,
            error = parts => Err(error),
        }
    }

    /// Ends the controller, which sends every agent home, those from elsewhere too; leaves behind whoever takes too long.
    pub(crate) async fn stop(mut self) {
        self.stop_controller.send_replace(true);
        let directing = async { while self.directing.join_next().await.is_some() {} };
        if crate::clock::within(GOODBYE, directing).await.is_none() {
            tracing::warn!("the controller of this process did not end in time");
        }
        if let Some(web) = self.web {
            web.stop().await;
        }
        // Those that did not hear it.
        self.stop_agents.send_replace(true);
        let working = async { while self.working.join_next().await.is_some() {} };
        if crate::clock::within(GOODBYE, working).await.is_none() {
            tracing::warn!("an agent of this process did not end in time");
        }
    }
}

/// What an agent of this process is called, by its number from 1.
pub(crate) fn name(number: impl std::fmt::Display) -> String {
    format!("local-{number}")
}

/// Starts the demo service on a free port of the loopback.
///
/// # Errors
/// `Listen` when there is none.
pub(crate) async fn demo() -> Result<demo::Running, Error> {
    let address: SocketAddr = ([127, 0, 0, 1], 0).into();
    demo::start(address, demo::Options::default())
        .await
        .map_err(|source| Error::Listen {
            address,
            flag: "--demo",
            source,
        })
}

/// Binds `address`; `flag` is what gave it.
///
/// # Errors
/// `Listen`.
pub(crate) async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen {
            address,
            flag,
            source,
        })
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, Error> {
    listener
        .local_addr()
        .map_err(|error| Error::Internal(format!("a listener without an address: {error}")))
}

/// Cores this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Where this process itself finds a listener: all addresses include the loopback.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn until(mut told: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the same word.
    let _ = told.wait_for(|stop| *stop).await;
}

/// How a controller of this version directs.
pub(crate) fn config(
    outputs: Vec<controller::output::Spec>,
    lease: Duration,
) -> controller::Config {
    let usual = controller::Config::default();
    controller::Config {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        outputs,
        lease,
        // Ten in a lease, so that a few may be lost.
        heartbeat: usual.heartbeat.min(lease / 10),
        ..usual
    }
}

/// Directs a fleet on `doors` until `shutdown`, keeps its runs in a directory, if there is one, and answers the web page that listens
/// at the other end of `web`.
///
/// # Errors
/// `Internal` when the listener fails.
pub(crate) async fn serve(
    doors: Vec<(TcpListener, Door)>,
    config: controller::Config,
    runs: Option<Folder>,
    web: oneshot::Sender<Arc<ControlService>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    // Without a page nobody listens.
    let inside = |control| drop(web.send(control));
    controller::serve_with(doors, config, runs, inside, shutdown)
        .await
        .map_err(|error| Error::Internal(error.to_string()))
}

/// What an agent's end means for the person who started it.
pub(crate) fn agent_error(error: agent::Error) -> Error {
    match error {
        agent::Error::Address(_) => Error::flags(error.to_string(), ""),
        agent::Error::Unreachable {
            address,
            tried,
            cause,
        } => Error::Unreachable {
            url: address,
            why: format!("{cause}, for {:.1} s", tried.as_secs_f64()),
        },
        agent::Error::Refused { .. } => Error::AgentRefused(error.to_string()),
        agent::Error::Broken(_) => Error::Internal(error.to_string()),
    }
}
