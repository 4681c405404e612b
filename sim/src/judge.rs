//! What must be true of a run that is over: its report against what the target saw and what was delivered.

mod seats;
mod told;

use crate::schedule::Time;
use crate::target::{Life, Target};
use crate::world::{Absence, Killed, Seat, Spooled};
use controller::Report;
use controller::conservation::{Fate, Line, Unit};
use controller::report::Ended;
use controller::verdict::Grade;
use plan::Plan;
use proto::v1::RunOver;
use std::collections::{BTreeMap, BTreeSet};

/// A run that is over.
pub struct Case<'a> {
    /// How.
    pub over: &'a RunOver,
    /// What was planned.
    pub plan: &'a Plan,
    /// What the target saw.
    pub target: &'a Target,
    /// What was delivered: requests by number, by life and seat.
    pub books: &'a BTreeMap<(u64, u32), BTreeMap<u64, u64>>,
    /// What every life knows to be safe: the newest number, by life and seat.
    pub acknowledged: &'a BTreeMap<(u64, u32), u64>,
    /// True if somebody changed or ended it early.
    pub changed: bool,
    /// True if everybody was there or said that it went.
    pub orderly: bool,
    /// What the controller knew by itself, by seat; `None` if whoever closed the run was never seen at work.
    pub seats: Option<&'a BTreeMap<u32, Seat>>,
    /// Which life is whose.
    pub lives: &'a BTreeMap<u64, Life>,
    /// Agents that were killed at work.
    pub killed: &'a [Killed],
    /// When the controller was away, and a later life of it went on.
    pub absences: &'a [Absence],
    /// True time of the report.
    pub over_at: Time,
    /// For how long an agent may say nothing before it surely is lost.
    pub patience: Time,
    /// When each agent's load really began, after T0 by the controller's clock, in milliseconds.
    pub starts: BTreeMap<&'a str, Vec<f64>>,
}

/// What a run came to, for statistics.
#[derive(Debug, Clone, Default)]
pub struct Came {
    /// Its grade and its end.
    pub to: String,
    /// The facets that are the reason for the grade, if it is not VALID.
    pub because: Vec<String>,
    /// The fleet never came together.
    pub incomplete: bool,
}

impl From<String> for Came {
    fn from(to: String) -> Self {
        Self {
            to,
            ..Self::default()
        }
    }
}

impl Came {
    /// What a report says.
    #[must_use]
    pub fn of(report: &Report, how: &str) -> Self {
        let grade = report.verdict.grade;
        let facets = report.verdict.facets.iter();
        let reasons = facets.filter(|facet| facet.grade == grade && grade > Grade::Valid);
        Self {
            to: format!("{} {how}", grade.word()),
            because: reasons.map(|facet| facet.name.clone()).collect(),
            incomplete: report.run.ended == Ended::FleetIncomplete,
        }
    }

    /// Nothing that happened may have done any harm.
    ///
    /// # Errors
    /// It is not VALID all the same.
    pub fn unharmed(self) -> Result<Self, String> {
        if self.to.starts_with(Grade::Valid.word()) {
            return Ok(self);
        }
        Err(format!(
            "nothing happened that does harm, and the run is {} ({})",
            self.to,
            self.because.join(", ")
        ))
    }
}

/// What it came to.
///
/// # Errors
/// The law that is broken.
pub fn judge(case: &Case<'_>) -> Result<Came, String> {
    let report: Report = serde_json::from_slice(&case.over.report)
        .map_err(|error| format!("the report cannot be read: {error}"))?;
    acknowledged(case, &report)?;
    seats::merged(case)?;
    if !report.run.began {
        let begun: u64 = (0..case.plan.scenarios.len())
            .map(|s| case.target.of(s).begun)
            .sum();
        if begun > 0 {
            return Err(format!(
                "{begun} iterations were begun in a run that never began"
            ));
        }
        return Ok(Came {
            to: format!("not begun: {:?}", report.run.ended),
            ..Came::of(&report, "")
        });
    }
    let whole = report.agents.iter().all(|agent| agent.fate == Fate::Done);
    let changed = case.changed || report.run.ended == Ended::AgentLost;
    for (index, scenario) in case.plan.scenarios.iter().enumerate() {
        let line = line(&report, &scenario.name)?;
        balanced(line)?;
        counts(case.target, line, index, whole)?;
        known(line, case.orderly)?;
        planned(case.plan, changed, line, index)?;
    }
    seats::answered(case, &report)?;
    told::killed(case, &report)?;
    told::away(case, &report)?;
    told::losses(case, &report)?;
    skew(case, &report)?;
    graded(&report)?;
    Ok(Came::of(&report, &format!("{:?}", report.run.ended)))
}

/// What an agent was told is safe is merged, once; nothing is merged that did not come.
fn acknowledged(case: &Case<'_>, report: &Report) -> Result<(), String> {
    let delivered: u64 = case.books.values().flat_map(BTreeMap::values).sum();
    let safe = case.acknowledged.iter().filter_map(|(whose, newest)| {
        let book = case.books.get(whose)?;
        Some(
            book.range(..=newest)
                .map(|(_, requests)| requests)
                .sum::<u64>(),
        )
    });
    let safe: u64 = safe.sum();
    let merged = report.conservation.requests.merged;
    if merged < safe || merged > delivered {
        return Err(format!(
            "{delivered} requests came in intervals, {safe} of them were acknowledged, and {merged} are merged"
        ));
    }
    Ok(())
}

/// What agents kept on their disks, when their controller is gone for good.
pub struct Spools<'a> {
    /// What was planned.
    pub plan: &'a Plan,
    /// What the target saw.
    pub target: &'a Target,
    /// What is on the disks, as whoever wrote it knows, by life.
    pub spooled: &'a BTreeMap<u64, Spooled>,
    /// Who was to make load.
    pub mustered: &'a BTreeSet<Life>,
    /// True if somebody changed or ended the run early.
    pub changed: bool,
}

/// The same of a report that was made of it; `None` if there was nothing to make one of.
///
/// # Errors
/// The law that is broken.
pub fn merged(case: &Spools<'_>, over: Option<&RunOver>) -> Result<Came, String> {
    let there = || {
        case.spooled
            .values()
            .filter(|life| life.began && !life.removed)
    };
    let safe: u64 = there().flat_map(|life| life.intervals.values()).sum();
    let answered: u64 = there().map(|life| case.target.answered_by(life.life)).sum();
    let Some(over) = over else {
        return match there().count() {
            0 => Ok("nothing to merge".to_owned().into()),
            some => Err(format!(
                "{some} agents kept what they did, and nothing is made of it"
            )),
        };
    };
    let report: Report = serde_json::from_slice(&over.report)
        .map_err(|error| format!("the merged report cannot be read: {error}"))?;
    let merged = report.conservation.requests.merged;
    if merged < safe || merged > answered {
        return Err(format!(
            "of {answered} requests {safe} are safe on disk, and {merged} are merged"
        ));
    }
    let known: BTreeSet<Life> = there().map(|life| life.life).collect();
    let all = case.mustered.is_subset(&known);
    let whole = all && there().all(|life| life.ended && !life.failed && !life.partly);
    if whole && merged != answered {
        return Err(format!(
            "all that was done is on disk: {answered} requests; {merged} are merged"
        ));
    }
    for (index, scenario) in case.plan.scenarios.iter().enumerate() {
        let line = line(&report, &scenario.name)?;
        balanced(line)?;
        if all {
            let done = report.agents.iter().all(|agent| agent.fate == Fate::Done);
            counts(case.target, line, index, whole && done)?;
            planned(case.plan, case.changed, line, index)?;
        }
    }
    graded(&report)?;
    let of = if whole { "all" } else { "what is left" };
    Ok(Came::of(&report, &format!("merged of {of}")))
}

fn line<'r>(report: &'r Report, name: &str) -> Result<&'r Line, String> {
    let lines = &report.conservation.scenarios;
    let line = lines.iter().find(|line| line.scenario == name);
    line.ok_or_else(|| format!("no line of the report is about {name}"))
}

/// The parts of what was planned are all of it.
fn balanced(line: &Line) -> Result<(), String> {
    let sum = line.made + line.dropped + line.expired + line.lost + line.short + line.unaccounted;
    if (sum - line.planned).abs() > 1e-3 {
        return Err(format!(
            "{}: the parts make {sum}, planned is {}: {line:?}",
            line.scenario, line.planned
        ));
    }
    Ok(())
}

/// What the target saw is what is reported, up to what is said to be lost or unaccounted.
fn counts(target: &Target, line: &Line, index: usize, whole: bool) -> Result<(), String> {
    if line.unit != Unit::Iterations {
        return Ok(());
    }
    let name = &line.scenario;
    let begun = target.of(index).begun as f64;
    let known = line.made + line.lost + line.unaccounted.max(0.0);
    if line.made > begun {
        return Err(format!(
            "{name}: {begun} iterations were begun, and {} are reported",
            line.made
        ));
    }
    if begun > known {
        return Err(format!(
            "{name}: {begun} iterations were begun; {} are reported, {} lost and {} unaccounted",
            line.made, line.lost, line.unaccounted
        ));
    }
    if whole && (line.made - begun).abs() > 0.0 {
        return Err(format!(
            "{name}: nobody was lost, {begun} iterations were begun, and {} are reported",
            line.made
        ));
    }
    if line.unaccounted < 0.0 {
        return Err(format!("{name}: more was made than planned: {line:?}"));
    }
    Ok(())
}

/// If everybody was there or said that it went, somebody knows of everything.
fn known(line: &Line, orderly: bool) -> Result<(), String> {
    if orderly && line.unaccounted.abs() > 1e-3 {
        return Err(format!(
            "{}: nobody was lost or cut off, and {} are unaccounted: {line:?}",
            line.scenario, line.unaccounted
        ));
    }
    Ok(())
}

/// What is said to have been planned is what the plan says, if nobody changed it.
fn planned(plan: &Plan, changed: bool, line: &Line, index: usize) -> Result<(), String> {
    let scenario = &plan.scenarios[index];
    let total = match scenario.arrival_curve(plan.seed) {
        Some(curve) => Some(curve.total()),
        None => scenario.executor.iterations(),
    };
    if !changed
        && let Some(total) = total
        && (line.planned - total as f64).abs() > 0.0
    {
        return Err(format!(
            "{}: {total} iterations are in the plan, {} in the report",
            line.scenario, line.planned
        ));
    }
    Ok(())
}

/// A gap is never VALID.
fn graded(report: &Report) -> Result<(), String> {
    let gap = report.conservation.gap().unwrap_or(0.0);
    if gap > controller::verdict::GAP && report.verdict.grade < Grade::Degraded {
        return Err(format!(
            "{:.2} % of the plan is lost, expired or unaccounted, and the data are said to be {}",
            gap * 100.0,
            report.verdict.grade.word()
        ));
    }
    Ok(())
}

/// What is said of an agent's start is so, within the uncertainty that is stated.
fn skew(case: &Case<'_>, report: &Report) -> Result<(), String> {
    /// Clocks drift between pings, and threads wake up late.
    const SLACK: f64 = 12.0;
    for agent in &report.agents {
        let stated = agent.start_ms.zip(agent.start_uncertainty_ms);
        if let Some((said, uncertain)) = stated
            && let Some(really) = case.starts.get(agent.name.as_str())
            && really
                .iter()
                .all(|really| (said - really).abs() > uncertain + SLACK)
        {
            return Err(format!(
                "{} is said to have begun {said:.1} ms after T0, give or take {uncertain:.1}; it was {really:?} ms",
                agent.name
            ));
        }
    }
    Ok(())
}
