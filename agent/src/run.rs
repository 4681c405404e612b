//! An agent's life in a process: a thread for its link, so that nothing else in the process delays its heartbeats.
//!
//! Several agents may live in one process; they share nothing.

use crate::clock;
use crate::config::{Config, Ended, Error};
use crate::life;
use crate::link::Link;
use crate::link::dial::Way;
use crate::link::load::Crews;
use proto::v1::Hello;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// How long the disk may take to say whose processes have ended.
const LOOK: Duration = Duration::from_secs(2);
/// How long crews and compilations have to end after the link has.
const LINGER: Duration = Duration::from_secs(2);

/// Dials the controller and works for it until `shutdown` completes (a run then ends gracefully first), or the controller
/// closes for good. Dropping the future cuts everything at once.
///
/// # Errors
/// The controller cannot be found, or does not want this agent.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<Ended, Error> {
    let way = Way::new(&config.controller, &config.access)?;
    let (stop, stopped) = oneshot::channel();
    let (end, mut ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("throng-link".to_owned())
        .spawn(move || {
            // An error means that nobody waits for it.
            let _ = end.send(live(config, way, stopped));
        })
        .map_err(|error| Error::Broken(format!("no thread for it: {error}")))?;
    let broke = |_| Error::Broken("its thread panicked".to_owned());
    let mut shutdown = pin!(shutdown);
    tokio::select! {
        result = &mut ended => return result.map_err(broke)?,
        () = &mut shutdown => {}
    }
    // An error means that it has ended already.
    let _ = stop.send(());
    ended.await.map_err(broke)?
}

fn live(config: Config, way: Way, stopped: oneshot::Receiver<()>) -> Result<Ended, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Broken(format!("no runtime for it: {error}")))?;
    let mut hello = hello(&config, random());
    hello.ended = ended(&config, hello.incarnation);
    if let Some(keeper) = way.keeper() {
        // On the link's own thread, and of no concern to it: a connection that is there is not touched.
        runtime.spawn(async move { keeper.renew_for_ever().await });
    }
    let crews = Crews(config.bounds.clone());
    let link = Link::new(crews, config, way, hello, random());
    let ended = LocalSet::new().block_on(&runtime, link.run(stopped));
    runtime.shutdown_timeout(LINGER);
    ended
}

/// What an agent says of itself.
pub(crate) fn hello(config: &Config, incarnation: u64) -> Hello {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Hello {
        protocol: proto::PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: config.name.clone(),
        incarnation,
        labels: config.labels.clone().into_iter().collect(),
        cores: count(std::thread::available_parallelism().map_or(1, usize::from)),
        workers: count(config.workers.max(1)),
        host: host(),
        pid: std::process::id(),
        // The controller's to write.
        identity: String::new(),
        ended: Vec::new(),
    }
}

/// Earlier lives on this spool whose processes have ended. A disk that does not answer proves nothing, and delays nobody.
fn ended(config: &Config, incarnation: u64) -> Vec<u64> {
    let Some(spooling) = config.spool.clone() else {
        return Vec::new();
    };
    let (tell, told) = mpsc::channel();
    let look = move || {
        // An error means that it took too long.
        let _ = tell.send(life::claim(&spooling, incarnation, &clock::boot_id()));
    };
    let thread = std::thread::Builder::new().name("throng-life".to_owned());
    let looks = thread.spawn(look);
    looks
        .ok()
        .and_then(|_| told.recv_timeout(LOOK).ok())
        .unwrap_or_default()
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

/// Another number for each life: std's hasher is seeded by the system's randomness.
fn random() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(clock::boot_ns());
    hasher.write_u32(std::process::id());
    hasher.finish()
}
