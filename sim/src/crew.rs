//! The load, simulated: an agent's crew that begins arrivals and VUs as [`plan::Shares`] says, in virtual time, against a virtual target.
//!
//! It stands for the room that makes real load, and keeps its promises: the fence is tested before anything is begun, a late wake-up
//! begins what is due or expires it, a VU moves between iterations only. It asks every index for its owner one by one: slow, and simple
//! enough to hold the others' arithmetic against.

mod closed;
mod open;

use crate::clock::Clock;
use crate::random::Random;
use crate::schedule::Time;
use crate::target::{Life, Target};
use agent::{Report, StopHow};
use closed::Closed;
use metrics::{Metric, Series, Tags, Trend, Value};
use open::Open;
use plan::{Control, Executor, Plan, Shares};
use proto::v1::{HeldVus, ScenarioTotals};
use std::collections::BTreeSet;
use std::sync::Arc;

const SECOND: i64 = 1_000_000_000;
/// Rows that a setup of the simulation gives.
pub const ROWS: u64 = 1_000;

/// One of them, as JSON.
#[must_use]
pub fn row(index: u64) -> Vec<u8> {
    format!("{{\"n\":{index}}}").into_bytes()
}

/// What a crew sees of the world in one turn.
pub struct Scene<'a> {
    /// True time.
    pub at: Time,
    /// Its host's clock.
    pub clock: Clock,
    /// Whom it loads.
    pub target: &'a mut Target,
    /// Service times.
    pub random: &'a mut Random,
    /// What the fence says: load may be made before this reading of the clock.
    pub open_until: u64,
    /// What is reported in this turn.
    pub reports: Vec<Report>,
}

impl Scene<'_> {
    fn now(&self) -> u64 {
        self.clock.reads(self.at)
    }
}

/// What every scenario has.
#[derive(Debug)]
struct Site {
    scenario: usize,
    life: Life,
    seat: usize,
    /// Reading of the clock at run time zero.
    t0: u64,
    /// Run time of the scenario's stage time zero.
    start: u64,
    totals: ScenarioTotals,
    /// Since the last interval.
    answers: Trend,
    iterations: u64,
}

impl Site {
    fn run_time(&self, now: u64) -> Option<u64> {
        now.checked_sub(self.t0)
    }

    /// Position in the scenario's own time.
    fn position(&self, control: &Control, now: u64) -> Option<u64> {
        control
            .stage_time(self.run_time(now)?)
            .checked_sub(self.start)
    }

    /// Reading of the clock at a position; `None` if nobody has resumed yet.
    fn when(&self, control: &Control, position: u64) -> Option<u64> {
        let run = control.run_time(position.saturating_add(self.start))?;
        Some(run.saturating_add(self.t0))
    }

    /// An iteration is begun that takes the row of this number, if rows are taken.
    fn begin(&mut self, view: &View<'_>, scene: &mut Scene<'_>, number: u64) {
        for set in view.plan.data.iter().filter(|set| set.is_given()) {
            let row = serde_json::to_vec(&set.rows.row(number)).unwrap_or_default();
            if row != self::row(number % ROWS) {
                scene.target.broken(format!(
                    "row {number} of scenario {} is not on agent {}, which begins what takes it",
                    self.scenario, self.life.host
                ));
            }
        }
        self.totals.begun += 1;
        self.totals.in_flight += 1;
        scene.target.begun(self.life, self.scenario);
    }

    fn complete(&mut self, scene: &mut Scene<'_>, took: u64) {
        self.totals.in_flight -= 1;
        self.totals.completed += 1;
        self.totals.requests += 1;
        self.iterations += 1;
        self.answers.record(took);
        scene.target.answered(self.life, self.scenario);
    }

    fn cut(&mut self) {
        self.totals.in_flight -= 1;
        self.totals.interrupted += 1;
        self.totals.requests_cut += 1;
    }
}

#[derive(Debug)]
enum Part {
    Open(Open),
    Closed(Closed),
}

/// What a crew is told when it is mustered.
#[derive(Debug)]
pub struct Orders {
    /// What the run means.
    pub plan: Arc<Plan>,
    /// Who owns what.
    pub shares: Arc<Shares>,
    /// By scenario: VUs that came and still finish an iteration elsewhere.
    pub waiting: Vec<BTreeSet<u64>>,
    /// Whose part it is.
    pub seat: usize,
    /// Reading of the clock at run time zero.
    pub t0: u64,
    /// What was changed so far.
    pub control: Arc<Control>,
    /// Whose crew it is.
    pub life: Life,
}

/// A crew at work.
#[derive(Debug)]
pub struct Crew {
    plan: Arc<Plan>,
    control: Arc<Control>,
    shares: Arc<Shares>,
    t0: u64,
    parts: Vec<(Site, Part)>,
    stop: Option<StopHow>,
    /// Run time up to which intervals were reported.
    reported: i64,
    over: bool,
}

impl Crew {
    /// Nothing is begun before T0.
    #[must_use]
    pub fn new(orders: Orders) -> Self {
        let Orders {
            plan,
            shares,
            waiting,
            seat,
            t0,
            control,
            life,
        } = orders;
        let parts = plan
            .scenarios
            .iter()
            .enumerate()
            .map(|(scenario, described)| {
                let site = Site {
                    scenario,
                    life,
                    seat,
                    t0,
                    start: nanos(described.start_time),
                    totals: ScenarioTotals {
                        scenario: described.name.clone(),
                        ..ScenarioTotals::default()
                    },
                    answers: Trend::compact(metrics::Digits::Two),
                    iterations: 0,
                };
                let part = if described.executor.is_open() {
                    Part::Open(Open::default())
                } else {
                    let mut closed = Closed::new(&described.executor);
                    closed.wait_for(waiting.get(scenario));
                    Part::Closed(closed)
                };
                (site, part)
            })
            .collect();
        Self {
            plan,
            control,
            shares,
            t0,
            parts,
            stop: None,
            reported: 0,
            over: false,
        }
    }

    /// Ends what it does.
    pub fn stop(&mut self, how: StopHow) {
        if self.stop != Some(StopHow::Interrupt) {
            self.stop = Some(how);
        }
    }

    /// Takes what was changed in the run so far.
    pub fn change(&mut self, control: Arc<Control>) {
        self.control = control;
    }

    /// Takes who owns what now. What is given away and may still be at work is on the list of [`Crew::held`] from now on.
    pub fn reassign(
        &mut self,
        plan: Arc<Plan>,
        shares: Arc<Shares>,
        waiting: &[BTreeSet<u64>],
        now: u64,
    ) {
        self.plan = plan;
        let known = self.shares.changes().len();
        let since = shares.changes().get(known).map(|(from, _)| *from);
        self.shares = shares;
        for (site, part) in &mut self.parts {
            let view = View {
                plan: &self.plan,
                control: &self.control,
                shares: &self.shares,
                stop: self.stop,
            };
            match part {
                Part::Open(open) => {
                    if let Some(since) = since {
                        open.look_again(since);
                    }
                }
                Part::Closed(closed) => {
                    closed.wait_for(waiting.get(site.scenario));
                    closed.give(site, &view, now);
                }
            }
        }
    }

    /// Takes leased indexes.
    pub fn grant(&mut self, scenario: usize, indexes: std::ops::Range<u64>, last: bool) {
        if let Some((_, Part::Closed(closed))) = self.parts.get_mut(scenario) {
            closed.grant(indexes, last);
        }
    }

    /// Does what is due. True once it is over; its last interval was reported then.
    pub fn turn(&mut self, scene: &mut Scene<'_>) -> bool {
        if self.over {
            return true;
        }
        let now = scene.now();
        if now >= scene.open_until {
            self.stop(StopHow::Interrupt);
        }
        let mut over = true;
        for (site, part) in &mut self.parts {
            let view = View {
                plan: &self.plan,
                control: &self.control,
                shares: &self.shares,
                stop: self.stop,
            };
            over &= match part {
                Part::Open(open) => open.turn(site, &view, scene),
                Part::Closed(closed) => closed.turn(site, &view, scene),
            };
        }
        let run = i64::try_from(now.saturating_sub(self.t0)).unwrap_or(i64::MAX);
        while self.reported + SECOND <= run {
            self.report(self.reported + SECOND, scene);
        }
        if over {
            if self.reported < run {
                self.report(run, scene);
            }
            self.over = true;
        }
        over
    }

    fn report(&mut self, to: i64, scene: &mut Scene<'_>) {
        let mut series = Vec::new();
        for (site, _) in &mut self.parts {
            let answers =
                std::mem::replace(&mut site.answers, Trend::compact(metrics::Digits::Two));
            let iterations = std::mem::take(&mut site.iterations);
            if iterations == 0 {
                continue;
            }
            let values = vec![
                (Metric::HttpReqs, Value::counter(iterations as f64)),
                (Metric::Iterations, Value::counter(iterations as f64)),
                (Metric::HttpReqWaiting, Value::trend(answers)),
            ];
            let tags = Tags::default().with("scenario", &site.totals.scenario);
            series.push(Series { tags, values });
        }
        let from = std::mem::replace(&mut self.reported, to);
        scene.reports.push(Report::Interval { from, to, series });
    }

    /// The next reading of the clock at which something is due.
    #[must_use]
    pub fn next(&self, now: u64) -> Option<u64> {
        if self.over {
            return None;
        }
        let second = u64::try_from(self.reported + SECOND).ok()? + self.t0;
        let view = View {
            plan: &self.plan,
            control: &self.control,
            shares: &self.shares,
            stop: self.stop,
        };
        let parts = self.parts.iter().filter_map(|(site, part)| match part {
            Part::Open(open) => open.next(site, &view, now),
            Part::Closed(closed) => closed.next(site, &view, now),
        });
        parts.chain([second]).min()
    }

    /// Its running totals.
    #[must_use]
    pub fn totals(&self, now: u64) -> Vec<ScenarioTotals> {
        self.parts
            .iter()
            .map(|(site, part)| match part {
                Part::Open(_) => site.totals.clone(),
                Part::Closed(closed) => closed.totals(site, &self.control, now),
            })
            .collect()
    }

    /// True if iterations were cut.
    #[must_use]
    pub fn was_interrupted(&self) -> bool {
        self.parts
            .iter()
            .any(|(site, _)| site.totals.interrupted > 0)
    }

    /// Iterations running now.
    #[must_use]
    pub fn vus(&self) -> u32 {
        let running = self.parts.iter().map(|(site, _)| site.totals.in_flight);
        u32::try_from(running.sum::<u64>()).unwrap_or(u32::MAX)
    }

    /// VUs that were given away and are not free yet.
    #[must_use]
    pub fn held(&self) -> Vec<HeldVus> {
        self.parts
            .iter()
            .filter_map(|(site, part)| match part {
                Part::Closed(closed) => closed.held(site.scenario),
                Part::Open(_) => None,
            })
            .collect()
    }
}

/// What all parts of a crew share in one turn.
struct View<'a> {
    plan: &'a Plan,
    control: &'a Control,
    shares: &'a Shares,
    stop: Option<StopHow>,
}

pub(crate) fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How many indexes an executor leases, VU by VU or from a pool.
fn is_leased(executor: &Executor) -> bool {
    matches!(executor, Executor::SharedIterations { .. })
}
