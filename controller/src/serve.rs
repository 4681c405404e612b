//! The controller as a server on listeners that are handed in, each with its door.

use crate::director::{Director, INBOX, Input};
use crate::door::{self, Door, DoorService};
use crate::journal::Folder;
use crate::refusals::Refusals;
use crate::service_control::ControlService;
use crate::service_fleet::FleetService;
use crate::{Config, Error};
use proto::MAX_MESSAGE;
use proto::v1::control_server::ControlServer;
use proto::v1::door_server::DoorServer;
use proto::v1::fleet_server::FleetServer;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use trust::Role;

/// How long open streams may take to end after everybody was told; tonic's own waiting may never end (hyper#4170).
const FAREWELL: Duration = Duration::from_secs(2);
/// Below the idle time-outs of common load balancers (60 s).
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Streams on one connection at once: an agent has one, the command line a few.
const STREAMS: u32 = 32;
/// Largest header list of a request, in bytes.
const HEADERS: u32 = 16 << 10;
/// Largest message of somebody who is nobody yet, in bytes.
const STRANGERS_MESSAGE: usize = 16 << 10;
/// Connections that may wait to be taken up.
const CAME_IN: usize = 64;

/// Serves whoever reaches one listener in clear text, as [`serve_doors`] does.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    serve_doors(vec![(listener, Door::Open)], config, None, shutdown).await
}

/// Serves agents and the command line until `shutdown` completes; then runs are interrupted, agents sent home with Goodbye, and
/// open streams ended, within the lease and a few seconds. With a directory of runs, what an earlier controller left there is gone on
/// with first.
///
/// # Errors
/// When the listener fails.
pub async fn serve_doors(
    doors: Vec<(TcpListener, Door)>,
    config: Config,
    runs: Option<Folder>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    serve_with(doors, config, runs, |_| {}, shutdown).await
}

/// Serves as [`serve_doors`] does, and hands the service that the command line asks to somebody in this process, as soon as there is
/// one. Whoever has it comes through no door: it is asked for nothing.
///
/// # Errors
/// When the listener fails.
pub async fn serve_with(
    doors: Vec<(TcpListener, Door)>,
    config: Config,
    runs: Option<Folder>,
    inside: impl FnOnce(Arc<ControlService>),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (director, inbox) = mpsc::channel(INBOX);
    let version = config.version.clone();
    let directing = match runs {
        Some(folder) => {
            // Nothing is served before what was left is known again.
            let resuming = tokio::task::spawn_blocking(|| Director::resuming(config, folder, None));
            resuming
                .await
                .map_err(|broke| Error::Director(broke.to_string()))?
        }
        None => Director::new(config),
    };
    let gate = directing.gate();
    // Aborted with this future, whatever way it ends.
    let mut tasks = JoinSet::new();
    tasks.spawn(directing.run(inbox));

    let refusals = Arc::<Refusals>::default();
    let fleet = FleetService::new(director.clone(), version.clone(), gate);
    let fleet = FleetServer::new(fleet.noting(refusals.clone()))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let control = ControlService::new(director.clone(), version.clone());
    let control = Arc::new(control.telling(refusals.clone()));
    inside(Arc::clone(&control));
    let control = ControlServer::from_arc(control).max_decoding_message_size(MAX_MESSAGE);
    let gates = door::gates(doors.iter().map(|(_, door)| door));
    let strangers = DoorServer::new(DoorService::new(gates.clone(), version, refusals.clone()))
        .max_decoding_message_size(STRANGERS_MESSAGE);
    let (came_in, connections) = mpsc::channel(CAME_IN);
    let mut accepting = JoinSet::new();
    for (listener, door) in doors {
        accepting.spawn(door::accept(
            listener,
            door,
            came_in.clone(),
            refusals.clone(),
        ));
    }
    drop(came_in);
    let (close, closed) = oneshot::channel::<()>();
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(2 * KEEP_ALIVE))
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADERS)
        .add_service(InterceptedService::new(
            fleet,
            door::only(Role::Agent, gates.clone(), refusals.clone()),
        ))
        .add_service(InterceptedService::new(
            control,
            door::only(Role::Operator, gates, refusals),
        ))
        .add_service(strangers)
        .serve_with_incoming_shutdown(ReceiverStream::new(connections), async {
            // Dropped or sent: both say that it is time.
            let _ = closed.await;
        });
    tokio::pin!(server);

    tokio::select! {
        ended = &mut server => return ended.map_err(Error::Server),
        // It ends by itself only when told to.
        Some(ended) = tasks.join_next() => return Err(Error::Director(ended.err().map_or_else(String::new, |e| e.to_string()))),
        () = shutdown => {}
    }
    let farewell = async {
        // The director ends by itself once every run has ended.
        let _ = director.send(Input::Shutdown).await;
        tasks.join_next().await;
    };
    tokio::select! {
        ended = &mut server => return ended.map_err(Error::Server),
        () = farewell => {}
    }
    // Whoever has the server's end of this listens no more; a failure means it ended already.
    let _ = close.send(());
    match tokio::time::timeout(FAREWELL, server).await {
        Ok(ended) => ended.map_err(Error::Server),
        Err(_) => {
            tracing::debug!("some connections did not close in time and were dropped");
            Ok(())
        }
    }
}
