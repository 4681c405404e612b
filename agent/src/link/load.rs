//! Whom the link asks for load: the real crew, or a test's.

use crate::crew::{self, Crew, Job, Report, StopHow};
use crate::orders::Problem;
use crate::phase::{self, Doing, PhaseJob, PhaseReport};
use plan::{Control, Plan};
use proto::v1::{Health, ScenarioTotals};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// Musters crews and looks at targets.
pub(crate) trait Load {
    /// What is at work on one job; dropping it cuts everything.
    type Crew: AtWork;

    /// See [`Crew::muster`].
    fn muster(&self, job: Job, reports: UnboundedSender<Report>) -> io::Result<Self::Crew>;

    /// See [`phase::start`].
    fn phase(&self, job: PhaseJob, report: oneshot::Sender<PhaseReport>) -> io::Result<Doing> {
        phase::start(job, report)
    }

    /// See [`crew::preflight`].
    fn preflight(&self, plan: Arc<Plan>) -> impl Future<Output = Result<(), Problem>> + 'static;
}

/// A crew, as [`Crew`] documents it.
pub(crate) trait AtWork: Send + 'static {
    fn stop(&self, how: StopHow);
    fn change(&self, control: Arc<Control>);
    fn grant(&self, scenario: usize, indexes: Range<u64>, last: bool);
    fn totals(&self) -> Vec<ScenarioTotals>;
    fn health(&self) -> Health;
    fn vus(&self) -> u32;
}

/// The real ones.
#[derive(Debug)]
pub(crate) struct Crews;

impl Load for Crews {
    type Crew = Crew;

    fn muster(&self, job: Job, reports: UnboundedSender<Report>) -> io::Result<Crew> {
        Crew::muster(job, reports)
    }

    fn preflight(&self, plan: Arc<Plan>) -> impl Future<Output = Result<(), Problem>> + 'static {
        look(plan)
    }
}

async fn look(plan: Arc<Plan>) -> Result<(), Problem> {
    crew::preflight(&plan).await
}

impl AtWork for Crew {
    fn stop(&self, how: StopHow) {
        Crew::stop(self, how);
    }

    fn change(&self, control: Arc<Control>) {
        Crew::change(self, control);
    }

    fn grant(&self, scenario: usize, indexes: Range<u64>, last: bool) {
        Crew::grant(self, scenario, indexes, last);
    }

    fn totals(&self) -> Vec<ScenarioTotals> {
        Crew::totals(self)
    }

    fn health(&self) -> Health {
        Crew::health(self)
    }

    fn vus(&self) -> u32 {
        Crew::vus(self)
    }
}
