//! Setup and teardown on this agent: one thread that does the phase's steps once, and what came of it.
//!
//! The steps, the client and the recorder are those of the load; the phase stands in for a scenario without a name whose samples
//! are in its group. It knows neither streams nor runs.

mod pieces;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use rows::GivenRows;

use crate::clock;
use crate::crew::{StopHow, shared};
use crate::drive::giving::Giving;
use crate::drive::holds::Holds;
use crate::drive::roster::Rosters;
use crate::fence::Fence;
use crate::http::Bounds;
use crate::prepared::prepare;
use crate::random::Random;
use crate::recorder::{Census, MOST_SERIES, Recorder};
use crate::share::Share;
use crate::step::{self, Outcome};
use crate::stop::{Going, Stopper};
use crate::tally::{self, Tally};
use crate::vu::{Site, Vu, nanos};
use crate::worker;
use metrics::Series;
use pieces::Each;
use plan::{Arrivals, DataId, Executor, Phase, PhaseKind, Plan, Scenario, Shares, Step};
use proto::v1::{Level, LogLine, PhaseTrouble};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::Instant;

/// How often the fence and the time-out are looked at.
const TICK: Duration = Duration::from_millis(20);

/// What is to be done.
#[derive(Debug, Clone)]
pub struct PhaseJob {
    /// What the run means, with the rows that the phase goes over.
    pub plan: Arc<Plan>,
    /// Which phase of it.
    pub kind: PhaseKind,
    /// Closed when the lease has run out.
    pub fence: Arc<Fence>,
}

/// What came of it.
#[derive(Debug)]
pub struct PhaseReport {
    /// Its samples.
    pub series: Vec<Series>,
    /// Its messages,
    pub lines: Vec<LogLine>,
    /// and how many kinds were too many.
    pub suppressed: u64,
    /// Why it did not come to its end.
    pub problem: Option<(PhaseTrouble, String)>,
    /// By data set, in an order that does not depend on time: JSON.
    pub rows: BTreeMap<DataId, Vec<Vec<u8>>>,
    /// How long it took.
    pub took: Duration,
    /// Requests recorded, counted apart.
    pub requests: u64,
    /// Requests that were on the wire when it was cut.
    pub requests_cut: u64,
}

impl PhaseReport {
    /// Nothing was done.
    #[must_use]
    pub fn unable(why: String) -> Self {
        Self {
            series: Vec::new(),
            lines: Vec::new(),
            suppressed: 0,
            problem: Some((PhaseTrouble::PhaseUnable, why)),
            rows: BTreeMap::new(),
            took: Duration::ZERO,
            requests: 0,
            requests_cut: 0,
        }
    }
}

/// A phase being done. Dropping it cuts it.
#[derive(Debug)]
pub struct Doing(Stopper);

impl Doing {
    /// Cuts it; its report follows.
    pub(crate) fn cut(&self) {
        self.0.stop(StopHow::Interrupt, clock::now());
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Starts the phase's thread; the report comes when it is over.
///
/// # Errors
/// If the thread, its runtime or the HTTP client cannot be set up.
pub(crate) fn start(
    job: PhaseJob,
    bounds: &Bounds,
    report: oneshot::Sender<PhaseReport>,
) -> io::Result<Doing> {
    let phase = match job.kind {
        PhaseKind::Setup => &job.plan.setup,
        PhaseKind::Teardown => &job.plan.teardown,
    };
    let Some(phase) = phase.clone() else {
        let what = format!("the plan has no {}", job.kind.name());
        return Err(io::Error::other(what));
    };
    let plan = Arc::new(as_plan(&job.plan, job.kind, &phase));
    let http = shared(&plan, bounds)?;
    let prepared = prepare(&plan).map_err(io::Error::other)?;
    let share = Share::new(
        0,
        0,
        Arc::new(Shares::equal(1)),
        Vec::new(),
        Arc::clone(&plan),
    );
    let stopper = Stopper::new(share);
    let doing = Doing(stopper.clone());
    let runtime = worker::runtime()?;
    // Its steps are nobody else's to take.
    let (nobody, _) = tokio::sync::mpsc::unbounded_channel();
    std::thread::Builder::new()
        .name(job.kind.name().to_owned())
        .spawn(move || {
            let site = Rc::new(Site {
                recorder: RefCell::new(Recorder::new(
                    Arc::clone(&plan),
                    Arc::new(Census::new(MOST_SERIES)),
                )),
                plan,
                prepared,
                http,
                tally: tally::tally(1),
                fence: job.fence,
                stop: stopper.watch(),
                t0: clock::now(),
                active: Cell::new(0),
                made: Cell::new(0),
                holds: Holds::default(),
                turn: (0, 1),
                rosters: Rosters::default(),
                giving: Arc::new(Giving::new(nobody)),
            });
            let done = LocalSet::new().block_on(&runtime, run(site, stopper, job.kind, &phase));
            // An error means that nobody waits for it any more.
            let _ = report.send(done);
        })?;
    Ok(doing)
}

/// The plan with the phase as its only scenario: without a name, for its samples belong to none.
fn as_plan(plan: &Plan, kind: PhaseKind, phase: &Phase) -> Plan {
    Plan {
        scenarios: vec![Scenario {
            name: String::new(),
            executor: Executor::PerVuIterations {
                vus: 1,
                iterations: 1,
                max_duration: phase.timeout,
            },
            start_time: Duration::ZERO,
            graceful_stop: Duration::ZERO,
            exec: phase.flow,
            tags: [("group".to_owned(), kind.group().to_owned())].into(),
            arrivals: Arrivals::Regular,
            catch_up: Duration::ZERO,
        }],
        ..plan.clone()
    }
}

async fn run(site: Rc<Site>, stopper: Stopper, kind: PhaseKind, phase: &Phase) -> PhaseReport {
    let begun = site.t0;
    let late = Rc::new(Cell::new(None));
    let guard = tokio::task::spawn_local(watch(
        Rc::clone(&site),
        stopper,
        begun + phase.timeout,
        Rc::clone(&late),
    ));
    let mut doer = Doer {
        site: Rc::clone(&site),
        kind,
        rows: BTreeMap::new(),
        bytes: 0,
        count: 0,
    };
    let end = doer.steps(phase).await;
    guard.abort();
    let problem = match end {
        Ok(()) => None,
        Err(Trouble::Failed(what)) => Some((PhaseTrouble::PhaseFailed, what)),
        Err(Trouble::Cut) => Some(match late.get() {
            Some(Late::Time) => (
                PhaseTrouble::PhaseTimedOut,
                format!(
                    "{} took longer than {}",
                    kind.name(),
                    plan::format_duration(phase.timeout)
                ),
            ),
            Some(Late::Lease) => (
                PhaseTrouble::PhaseCut,
                "the agent's lease ran out".to_owned(),
            ),
            None => (PhaseTrouble::PhaseCut, "it was stopped".to_owned()),
        }),
    };
    let mut cutting = site.recorder.borrow_mut().cut();
    let (lines, suppressed) = cutting.lines.take();
    PhaseReport {
        series: cutting.series,
        lines,
        suppressed,
        problem,
        rows: doer.rows,
        took: Duration::from_nanos(nanos(clock::now(), begun)),
        requests: count(&site.tally, |cells| cells.requests.get()),
        requests_cut: count(&site.tally, |cells| cells.requests_cut.get()),
    }
}

fn count(tally: &Tally, of: impl Fn(&tally::Cells) -> u64) -> u64 {
    tally.iter().map(of).sum()
}

/// What cut a phase, if nobody told it to stop.
#[derive(Debug, Clone, Copy)]
enum Late {
    Time,
    Lease,
}

/// Cuts everything when the time or the lease is over.
async fn watch(site: Rc<Site>, stopper: Stopper, until: Instant, late: Rc<Cell<Option<Late>>>) {
    loop {
        let now = clock::now();
        let over = if now >= until {
            Late::Time
        } else if site.fence.is_open() {
            tokio::time::sleep_until(until.min(now + TICK)).await;
            continue;
        } else {
            Late::Lease
        };
        if stopper.going() != Going::Cut {
            late.set(Some(over));
            stopper.stop(StopHow::Interrupt, now);
        }
        return;
    }
}

/// Why a phase did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    /// Its own steps say so.
    Failed(String),
    /// From outside.
    Cut,
}

/// Does the steps, and keeps what they give.
struct Doer {
    site: Rc<Site>,
    kind: PhaseKind,
    rows: BTreeMap<DataId, Vec<Vec<u8>>>,
    bytes: usize,
    count: u64,
}

impl Doer {
    async fn steps(&mut self, phase: &Phase) -> Result<(), Trouble> {
        let plan = Arc::clone(&self.site.plan);
        let flow = &plan.flows[phase.flow];
        let mut vu = Vu::new(Rc::clone(&self.site), 0, 1);
        vu.begin_piece(vec![Value::Null; flow.slots.len()], self.choices(0, 0));
        for (index, step) in flow.steps.iter().enumerate() {
            if let Step::Each { data, slot, .. } = step {
                let each = Each {
                    flow: phase.flow,
                    index,
                    slot: *slot,
                    slots: vu.slots.clone(),
                };
                pieces::run(self, &plan, each, &plan.data[*data].rows).await?;
                continue;
            }
            let outcome = until_cut(&mut vu, std::slice::from_ref(step)).await;
            self.take(std::mem::take(&mut vu.given))?;
            match outcome {
                None | Some(Outcome::Fenced) => return Err(Trouble::Cut),
                Some(Outcome::Done) => {}
                Some(Outcome::Stopped(reason)) => return self.stopped(reason),
                Some(Outcome::Unsendable) => {
                    let what = "a request cannot be sent with the values it got".to_owned();
                    return self.stopped(what);
                }
            }
        }
        Ok(())
    }

    /// A `stop` at the top: setup has failed with it; teardown has nothing more to do.
    fn stopped(&self, reason: String) -> Result<(), Trouble> {
        match self.kind {
            PhaseKind::Setup => Err(Trouble::Failed(reason)),
            PhaseKind::Teardown => {
                self.say(&format!("teardown ended early: {reason}"), String::new);
                Ok(())
            }
        }
    }

    fn say(&self, text: &str, sample: impl FnOnce() -> String) {
        let mut recorder = self.site.recorder.borrow_mut();
        recorder.lines.message(Level::Warn, text, sample);
    }

    /// What a piece draws: the same for the same seed, step and row, whatever runs beside it.
    fn choices(&self, step: usize, row: u64) -> Random {
        // No VU has such a number.
        let who = match self.kind {
            PhaseKind::Setup => u64::MAX,
            PhaseKind::Teardown => u64::MAX - 1,
        };
        Random::of(self.site.plan.seed, step, who, row)
    }

    /// Keeps rows, within bounds.
    fn take(&mut self, rows: Vec<(DataId, Vec<u8>)>) -> Result<(), Trouble> {
        for (data, row) in rows {
            self.bytes += row.len();
            self.count += 1;
            if row.len() > proto::MAX_ROW {
                return Err(Trouble::Failed(format!(
                    "it gives a row of {} bytes; one may have {}",
                    row.len(),
                    proto::MAX_ROW
                )));
            }
            if self.bytes > proto::MAX_ROWS || self.count > proto::MAX_ROW_COUNT {
                return Err(Trouble::Failed(format!(
                    "it gives more than {} rows or {} MiB of them",
                    proto::MAX_ROW_COUNT,
                    proto::MAX_ROWS >> 20
                )));
            }
            self.rows.entry(data).or_default().push(row);
        }
        Ok(())
    }
}

/// Runs steps to their end; `None` if they were cut.
async fn until_cut(vu: &mut Vu, steps: &[Step]) -> Option<Outcome> {
    let mut stop = vu.site.stop.clone();
    let outcome = {
        let steps = step::list(vu, steps);
        tokio::pin!(steps);
        loop {
            if stop.going() == Going::Cut {
                break None;
            }
            tokio::select! {
                biased;
                outcome = &mut steps => break Some(outcome),
                _ = stop.changed() => {}
            }
        }
    };
    if outcome.is_none() {
        vu.account_for_cut();
    }
    if vu.site.plan.options.no_vu_connection_reuse {
        vu.client.close_connections();
    }
    let traffic = vu.client.traffic();
    vu.site.recorder.borrow_mut().traffic(0, traffic);
    outcome
}
