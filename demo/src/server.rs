//! Threads, sockets and the end: one single-threaded runtime per worker, one door, connections dealt in turn.
//!
//! The open-file limit bounds the connections: at the limit the door waits and says so.

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use axum::{handler::HandlerWithoutStateExt, serve::Listener};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
};

use crate::{Options, Report, clock, desk::Desk, service::Service};

/// Connections that may wait for a worker to take them; beyond, the door's own worker serves them.
const HANDOVER: usize = 1_024;

/// A demo at work on threads of its own. Dropping it stops it without waiting.
pub struct Running {
    address: SocketAddr,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    ended: Vec<oneshot::Receiver<()>>,
}

impl Running {
    /// Where it listens: the true port when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `GET /ledger`, without asking over the network.
    pub fn report(&self) -> Report {
        self.service.report()
    }

    /// Accepts no more, lets requests finish for at most [`Options::drain`], and returns when all threads are
    /// done; gives the last ledger.
    pub async fn stop(mut self) -> Report {
        self.stop.send_replace(true);
        for ended in self.ended.drain(..) {
            // An error means that the worker panicked: it has ended too.
            let _ = ended.await;
        }
        self.service.report()
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Starts a demo at `address` (port 0: any free one).
///
/// # Errors
/// A bad option (`InvalidInput`), an address that cannot be listened at, or no more threads.
pub async fn start(address: SocketAddr, options: Options) -> io::Result<Running> {
    options
        .check()
        .map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, bad))?;
    launch(TcpListener::bind(address).await?, options).await
}

/// Serves at `listener` until `shutdown`, then as [`Running::stop`].
///
/// # Errors
/// As [`start`].
pub async fn serve(
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    options
        .check()
        .map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, bad))?;
    let running = launch(listener, options).await?;
    shutdown.await;
    running.stop().await;
    Ok(())
}

async fn launch(listener: TcpListener, options: Options) -> io::Result<Running> {
    let address = listener.local_addr()?;
    let listener = listener.into_std()?;
    let (workers, drain) = (options.workers, options.drain);
    let service = Arc::new(Service::new(options));
    let (tell, told) = watch::channel(false);
    let stop = Stop { told, drain };
    // From here on an early return drops `running`, which stops the threads that began.
    let mut running = Running {
        address,
        service,
        stop: tell,
        ended: Vec::new(),
    };
    let mut hatches = Vec::new();
    for shard in 1..workers {
        let (sender, receiver) = mpsc::channel(HANDOVER);
        hatches.push(sender);
        running
            .spawn(shard, stop.clone(), move || Ok(Hatch { address, receiver }))
            .await?;
    }
    let door = move || {
        Ok(Door {
            listener: TcpListener::from_std(listener)?,
            hatches,
            next: 0,
        })
    };
    running.spawn(0, stop, door).await?;
    Ok(running)
}

impl Running {
    /// A worker thread; `listen` runs inside its runtime. Waits until it serves, or tells why it cannot.
    async fn spawn<L>(
        &mut self,
        shard: usize,
        stop: Stop,
        listen: impl FnOnce() -> io::Result<L> + Send + 'static,
    ) -> io::Result<()>
    where
        L: Listener<Addr = SocketAddr>,
    {
        let (ready, begun) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let desk = Desk {
            service: self.service.clone(),
            shard,
        };
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let built = runtime.and_then(|runtime| {
                let inside = runtime.enter();
                let listener = listen()?;
                drop(inside);
                Ok((runtime, listener))
            });
            match built {
                Ok((runtime, listener)) => {
                    let _ = ready.send(Ok(()));
                    runtime.block_on(work(listener, desk, stop));
                    // Cuts what is still being served, before the end is told.
                    drop(runtime);
                    let _ = end.send(());
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        };
        thread::Builder::new()
            .name(format!("demo-{shard}"))
            .spawn(body)?;
        self.ended.push(ended);
        begun
            .await
            .unwrap_or_else(|_| Err(io::Error::other("a demo thread ended before it began")))
    }
}

/// When to end, and how gently.
#[derive(Clone)]
struct Stop {
    told: watch::Receiver<bool>,
    drain: Duration,
}

impl Stop {
    async fn told(mut self) {
        // An error means that the sender is gone, which is the same word.
        let _ = self.told.wait_for(|stop| *stop).await;
    }
}

async fn work<L>(listener: L, desk: Desk, stop: Stop)
where
    L: Listener<Addr = SocketAddr>,
{
    let answer = move |request| desk.clone().answer(request);
    let served = axum::serve(listener, answer.into_make_service())
        .with_graceful_shutdown(stop.clone().told());
    let drain = stop.drain;
    let cut = async {
        stop.told().await;
        clock::pause(drain).await;
    };
    tokio::select! {
        _ = served => {}
        () = cut => {}
    }
}

/// The first worker's listener: keeps every n-th connection and deals the others out.
struct Door {
    listener: TcpListener,
    hatches: Vec<mpsc::Sender<std::net::TcpStream>>,
    next: usize,
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_the_clients(&error) => continue,
                Err(error) => {
                    tracing::warn!(
                        "demo: cannot accept connections, trying again in a second: {error}"
                    );
                    clock::pause(Duration::from_secs(1)).await;
                    continue;
                }
            };
            // Answers are written whole; waiting to fill a packet would only add 40 ms.
            let _ = stream.set_nodelay(true);
            let turn = self.next;
            self.next = (self.next + 1) % (self.hatches.len() + 1);
            match self.hatches.get(turn) {
                None => return (stream, peer),
                Some(hatch) => match hatch.try_reserve() {
                    Err(_) => return (stream, peer),
                    Ok(place) => {
                        // A stream that cannot be moved is closed; its client sees that.
                        if let Ok(stream) = stream.into_std() {
                            place.send(stream);
                        }
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// The other workers' listener.
struct Hatch {
    address: SocketAddr,
    receiver: mpsc::Receiver<std::net::TcpStream>,
}

impl Listener for Hatch {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.receiver.recv().await {
                // The door is closed; the stop signal ends this wait.
                None => std::future::pending().await,
                Some(stream) => {
                    if let Ok(stream) = TcpStream::from_std(stream)
                        && let Ok(peer) = stream.peer_addr()
                    {
                        return (stream, peer);
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
