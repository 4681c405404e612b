//! An agent in a simulation: its link and its workers are tasks of one thread, its clock and its network are handed in.

use crate::clock;
use crate::config::{Config, Ended, Error};
use crate::crew::{Crew, Job, Report};
use crate::http::{ClientConfigOptions, Dial, Shared};
use crate::link::Link;
use crate::link::dial::Way;
use crate::link::load::Load;
use crate::orders::Problem;
use crate::run::hello;
pub use crate::transcript::Notes;
use crate::{alarm, worker};
use plan::Plan;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::LocalSet;
pub use trust::dial::{Carrier, Opening, Sockets};

/// On this thread the boot-time clock is this one from now on.
pub fn simulate_clock(reads: fn() -> u64) {
    clock::simulate(reads);
}

/// As [`crate::run`], on this thread. `number` is the life's, and random.
///
/// # Errors
/// The controller cannot be found, or does not want this agent.
pub async fn run(
    config: Config,
    sockets: Sockets,
    dial: Arc<dyn Dial>,
    number: u64,
    shutdown: oneshot::Receiver<()>,
) -> Result<Ended, Error> {
    let mut way = Way::new(&config.controller, &config.access)?;
    way.sockets = Some(sockets);
    let hello = hello(&config, number);
    let link = Link::new(Here { dial }, config, way, hello, number);
    LocalSet::new().run_until(link.run(shutdown)).await
}

/// Crews whose workers are tasks of this thread.
struct Here {
    dial: Arc<dyn Dial>,
}

impl Load for Here {
    type Crew = Crew;

    fn muster(&self, job: Job, reports: UnboundedSender<Report>) -> io::Result<Crew> {
        let http = Shared::new(ClientConfigOptions {
            dial: Arc::clone(&self.dial),
            no_connection_reuse: job.plan.options.no_connection_reuse,
            ..ClientConfigOptions::default()
        })
        .map_err(io::Error::other)?;
        let (crew, workers) = Crew::enlist(job, &http, reports, alarm::Alarm::wheel)?;
        for orders in workers {
            tokio::task::spawn_local(worker::run(orders));
        }
        Ok(crew)
    }

    fn preflight(&self, _: Arc<Plan>) -> impl Future<Output = Result<(), Problem>> + 'static {
        std::future::ready(Ok(()))
    }
}
