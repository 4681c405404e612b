//! Whom the link asks for load: the real crew, or a test's.

use super::core::Vitals;
use crate::crew::{self, Crew, Job, Report, StopHow};
use crate::http::Bounds;
use crate::orders::Problem;
use crate::phase::{self, Doing, PhaseJob, PhaseReport};
use crate::share::Assignment;
use plan::{Control, Plan};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// Musters crews and looks at targets.
pub trait Load {
    /// What is at work on one job; dropping it cuts everything.
    type Crew: AtWork;

    /// See [`Crew::muster`].
    fn muster(&self, job: Job, reports: UnboundedSender<Report>) -> io::Result<Self::Crew>;

    /// See `phase::start`.
    fn phase(&self, job: PhaseJob, report: oneshot::Sender<PhaseReport>) -> io::Result<Doing> {
        phase::start(job, &Bounds::default(), report)
    }

    /// See [`crew::may`].
    ///
    /// # Errors
    /// The agent will not do this plan.
    fn may(&self, _: &Plan) -> Result<(), Problem> {
        Ok(())
    }

    /// See [`crew::preflight`].
    fn preflight(&self, plan: Arc<Plan>) -> impl Future<Output = Result<(), Problem>> + 'static;
}

/// A crew, as [`Crew`] documents it.
pub trait AtWork: Send + 'static {
    /// See [`Crew::stop`].
    fn stop(&self, how: StopHow);
    /// See [`Crew::change`].
    fn change(&self, control: Arc<Control>);
    /// See [`Crew::reassign`].
    fn reassign(&self, assignment: Assignment);
    /// See [`Crew::grant`].
    fn grant(&self, scenario: usize, indexes: Range<u64>, last: bool);
    /// How it fares now.
    fn vitals(&self) -> Vitals;
}

/// The real ones.
#[derive(Debug)]
pub struct Crews(pub Bounds);

impl Load for Crews {
    type Crew = Crew;

    fn muster(&self, job: Job, reports: UnboundedSender<Report>) -> io::Result<Crew> {
        Crew::muster(job, &self.0, reports)
    }

    fn phase(&self, job: PhaseJob, report: oneshot::Sender<PhaseReport>) -> io::Result<Doing> {
        phase::start(job, &self.0, report)
    }

    fn preflight(&self, plan: Arc<Plan>) -> impl Future<Output = Result<(), Problem>> + 'static {
        look(plan, self.0.clone())
    }

    fn may(&self, plan: &Plan) -> Result<(), Problem> {
        crew::may(plan, &self.0)
    }
}

async fn look(plan: Arc<Plan>, bounds: Bounds) -> Result<(), Problem> {
    crew::preflight(&plan, &bounds).await
}

impl AtWork for Crew {
    fn stop(&self, how: StopHow) {
        Crew::stop(self, how);
    }

    fn change(&self, control: Arc<Control>) {
        Crew::change(self, control);
    }

    fn reassign(&self, assignment: Assignment) {
        Crew::reassign(self, assignment);
    }

    fn grant(&self, scenario: usize, indexes: Range<u64>, last: bool) {
        Crew::grant(self, scenario, indexes, last);
    }

    fn vitals(&self) -> Vitals {
        Vitals {
            totals: self.totals(),
            health: Some(self.health()),
            vus: self.vus(),
            held: self.held(),
        }
    }
}
