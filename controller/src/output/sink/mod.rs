//! Writes batches, one after the other: tries again while that may help, and gives up in bounded time at the end.

#[cfg(test)]
mod contract;
mod file;
mod http;
mod statsd;
#[cfg(test)]
mod tests;

use super::facts::Counts;
use super::page::Page;
use super::queue::{Batch, Outlet};
use super::spec::{Kind, Spec};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The first wait after a failure; doubled until [`LONGEST`].
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(5);

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Written, but for so many points that were refused, and why.
    Written(u64, String),
    /// Refused for good.
    Refused(String),
    /// It may work later.
    Later(String),
}

/// What is written to.
#[derive(Debug)]
enum Sink {
    File(file::FileSink),
    Http(Box<http::HttpSink>),
    Page(Page),
    Statsd(statsd::StatsdSink),
}

impl Sink {
    fn new(spec: &Spec, run: &str) -> Self {
        match &spec.kind {
            Kind::Json(file) | Kind::Csv(file) => Sink::File(file::FileSink::new(file, run)),
            Kind::Influx(spec) => Sink::Http(Box::new(http::HttpSink::influx(spec))),
            Kind::Prometheus(spec) => Sink::Http(Box::new(http::HttpSink::prometheus(spec))),
            Kind::Page(page) => Sink::Page(page.clone()),
            Kind::Otlp(spec) => Sink::Http(Box::new(http::HttpSink::otlp(spec))),
            Kind::Statsd(spec) => Sink::Statsd(statsd::StatsdSink::new(spec)),
        }
    }

    async fn write(&mut self, batch: &Batch) -> Outcome {
        match self {
            Sink::File(file) => file.write(batch).await,
            Sink::Http(http) => http.write(batch).await,
            Sink::Statsd(statsd) => statsd.write(batch).await,
            Sink::Page(page) => {
                page.set(&String::from_utf8_lossy(&batch.body));
                Outcome::Written(0, String::new())
            }
        }
    }
}

/// Writes what comes out of the queue until it is closed, or until `spec.flush` after `ending`.
pub(super) async fn write_all(
    spec: Spec,
    run: String,
    mut queue: Outlet,
    counts: Arc<Counts>,
    mut ending: watch::Receiver<bool>,
) {
    let flush = spec.flush;
    let over = async move {
        // An error means that nobody can say more, which is the end, too.
        let _ = ending.wait_for(|ending| *ending).await;
        tokio::time::sleep(flush).await;
    };
    tokio::pin!(over);
    let mut writer = Writer {
        name: spec.shown.clone(),
        sink: Sink::new(&spec, &run),
        counts: counts.clone(),
        failing: false,
    };
    while let Some(batch) = queue.next().await {
        let written = tokio::select! {
            () = writer.write(&batch) => true,
            () = &mut over => false,
        };
        if !written {
            Counts::add(&counts.unsent, batch.points);
            counts.problem(&format!("not done {} s after the run", flush.as_secs()));
            break;
        }
    }
    // Closed by now, or given up.
    while let Some(batch) = queue.next().await {
        Counts::add(&counts.unsent, batch.points);
    }
}

struct Writer {
    name: String,
    sink: Sink,
    counts: Arc<Counts>,
    failing: bool,
}

impl Writer {
    /// Writes one batch, however often that must be tried.
    async fn write(&mut self, batch: &Batch) {
        let mut wait = FIRST;
        loop {
            match self.sink.write(batch).await {
                Outcome::Written(refused, why) => {
                    let refused = refused.min(batch.points);
                    Counts::add(&self.counts.written, batch.points - refused);
                    Counts::add(&self.counts.refused, refused);
                    if refused > 0 {
                        self.fails(&why, "those points are lost");
                    } else if std::mem::replace(&mut self.failing, false) {
                        tracing::info!(output = self.name, "writes again");
                    }
                    return;
                }
                Outcome::Refused(why) => {
                    Counts::add(&self.counts.refused, batch.points);
                    self.fails(&why, "what it refuses is lost");
                    return;
                }
                Outcome::Later(why) => {
                    self.fails(&why, "trying again; the load goes on");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST);
                }
            }
        }
    }

    fn fails(&mut self, why: &str, so: &str) {
        self.counts.problem(why);
        if !std::mem::replace(&mut self.failing, true) {
            self.counts
                .note(format!("output {}: {why}; {so}", self.name));
        }
    }
}
