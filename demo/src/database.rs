//! The pretended database: a pool of connections, a queue before it, and time spent at work.
//!
//! It holds no data: what a request does when its work is done is handed in. A request whose client
//! goes away before that leaves the queue, or gives its connection back, and changes nothing.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::{Options, ServiceTime, clock, draw::Draw, refusal::Refusal};

/// Whether a request can meet a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Read,
    Write,
}

/// The pool. Its queue is first come, first served, and as long as there are open connections to the
/// service at most: HTTP/1.1 has one request at a time on each.
pub(crate) struct Database {
    pool: Semaphore,
    queue_timeout: Duration,
    failure_rate: f64,
    lock_timeout: Duration,
    seed: u64,
    served: AtomicU64,
}

impl Database {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            pool: Semaphore::new(options.connections),
            queue_timeout: options.queue_timeout,
            failure_rate: options.failure_rate,
            lock_timeout: options.lock_timeout,
            seed: options.seed,
            served: AtomicU64::new(0),
        }
    }

    /// Waits for a connection, works for a drawn `time`, then does `commit` with the connection still held.
    pub(crate) async fn run<T>(
        &self,
        work: Work,
        time: ServiceTime,
        commit: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let connection = clock::within(self.queue_timeout, self.pool.acquire()).await;
        // The semaphore is never closed, so the inner result is always Ok.
        let Some(Ok(_connection)) = connection else {
            return Err(Refusal::QueueTimeout);
        };
        let mut draw = Draw::new(self.seed, self.served.fetch_add(1, Relaxed));
        if work == Work::Write && draw.chance(self.failure_rate) {
            clock::pause(self.lock_timeout).await;
            return Err(Refusal::LockTimeout);
        }
        clock::pause(time.draw(&mut draw)).await;
        commit()
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::disallowed_methods,
        reason = "tests of paused time read it themselves"
    )]
    use std::{sync::Arc, time::Duration};

    use tokio::time::Instant;

    use super::{Database, Work};
    use crate::{Options, ServiceTime, refusal::Refusal};

    const SECOND: ServiceTime = ServiceTime {
        median: Duration::from_secs(1),
        sigma: 0.0,
    };

    fn database(change: impl Fn(&mut Options)) -> Arc<Database> {
        let mut options = Options {
            failure_rate: 0.0,
            ..Options::default()
        };
        change(&mut options);
        Arc::new(Database::new(&options))
    }

    #[tokio::test(start_paused = true)]
    async fn ten_connections_serve_thirty_requests_of_a_second_in_three() {
        let database = database(|_| {});
        let began = Instant::now();
        let mut tasks = Vec::new();
        for _ in 0..30 {
            let database = database.clone();
            tasks.push(tokio::spawn(async move {
                let done = database.run(Work::Read, SECOND, || Ok(())).await;
                (done, began.elapsed().as_secs())
            }));
        }
        let mut seconds = Vec::new();
        for task in tasks {
            let (done, second) = task.await.unwrap_or((Err(Refusal::QueueTimeout), 0));
            assert_eq!(done, Ok(()));
            seconds.push(second);
        }
        assert_eq!(seconds, [[1; 10], [2; 10], [3; 10]].concat());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_queued_too_long_fails_and_commits_nothing() {
        let database = database(|o| {
            o.connections = 1;
            o.queue_timeout = Duration::from_millis(500);
        });
        let (first, second) = tokio::join!(
            database.run(Work::Read, SECOND, || Ok(1)),
            database.run(Work::Read, SECOND, || -> Result<i32, Refusal> {
                unreachable!("committed without a connection")
            }),
        );
        assert_eq!((first, second), (Ok(1), Err(Refusal::QueueTimeout)));
    }

    #[tokio::test(start_paused = true)]
    async fn only_writes_meet_locks_and_then_take_the_lock_timeout() {
        let database = database(|o| {
            o.failure_rate = 1.0;
            o.lock_timeout = Duration::from_secs(7);
        });
        let began = Instant::now();
        assert_eq!(database.run(Work::Read, SECOND, || Ok(())).await, Ok(()));
        assert_eq!(began.elapsed().as_secs(), 1);
        assert_eq!(
            database.run(Work::Write, SECOND, || Ok(())).await,
            Err(Refusal::LockTimeout)
        );
        assert_eq!(began.elapsed().as_secs(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_away_gives_its_connection_back_and_commits_nothing() {
        let database = database(|o| o.connections = 1);
        let mut committed = false;
        let gone = database.run(Work::Write, SECOND, || {
            committed = true;
            Ok(())
        });
        assert!(
            tokio::time::timeout(Duration::from_millis(300), gone)
                .await
                .is_err()
        );
        assert!(!committed);
        let began = Instant::now();
        assert_eq!(database.run(Work::Write, SECOND, || Ok(())).await, Ok(()));
        assert_eq!(began.elapsed().as_secs(), 1);
    }
}
