//! The controller as a server on a listener that is handed in.

use crate::director::{Director, INBOX, Input};
use crate::service_control::ControlService;
use crate::service_fleet::FleetService;
use crate::{Config, Error};
use proto::MAX_MESSAGE;
use proto::v1::control_server::ControlServer;
use proto::v1::fleet_server::FleetServer;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// How long open streams may take to end after everybody was told; tonic's own waiting may never end (hyper#4170).
const FAREWELL: Duration = Duration::from_secs(2);
/// Below the idle time-outs of common load balancers (60 s).
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Serves agents and the command line until `shutdown` completes; then runs are interrupted, agents sent home with Goodbye, and
/// open streams ended, within the lease and a few seconds.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (director, inbox) = mpsc::channel(INBOX);
    let version = config.version.clone();
    // Aborted with this future, whatever way it ends.
    let mut tasks = JoinSet::new();
    tasks.spawn(Director::new(config).run(inbox));

    let fleet = FleetServer::new(FleetService::new(director.clone(), version.clone()))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let control = ControlServer::new(ControlService::new(director.clone(), version))
        .max_decoding_message_size(MAX_MESSAGE);
    let (close, closed) = oneshot::channel::<()>();
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(2 * KEEP_ALIVE))
        .add_service(fleet)
        .add_service(control)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            async {
                // Dropped or sent: both say that it is time.
                let _ = closed.await;
            },
        );
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
