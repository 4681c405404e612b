//! What must be true of a run that is over: its report against what the target saw and what was delivered.

use crate::target::Target;
use controller::Report;
use controller::conservation::{Fate, Unit};
use controller::verdict::Grade;
use plan::Plan;
use proto::v1::RunOver;
use std::collections::BTreeMap;

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
    /// When each agent's load really began, after T0 by the controller's clock, in milliseconds.
    pub starts: BTreeMap<&'a str, Vec<f64>>,
}

/// Its verdict in a word, for statistics.
///
/// # Errors
/// The law that is broken.
pub fn judge(case: &Case<'_>) -> Result<String, String> {
    let report: Report = serde_json::from_slice(&case.over.report)
        .map_err(|error| format!("the report cannot be read: {error}"))?;
    merged(case, &report)?;
    if !report.run.began {
        let begun: u64 = (0..case.plan.scenarios.len())
            .map(|s| case.target.of(s).begun)
            .sum();
        if begun > 0 {
            return Err(format!(
                "{begun} iterations were begun in a run that never began"
            ));
        }
        return Ok(format!("not begun: {:?}", report.run.ended));
    }
    let whole = report.agents.iter().all(|agent| agent.fate == Fate::Done);
    for (index, scenario) in case.plan.scenarios.iter().enumerate() {
        counts(case, &report, index, &scenario.name, whole)?;
    }
    skew(case, &report)?;
    let gap = report.conservation.gap().unwrap_or(0.0);
    if gap > controller::verdict::GAP && report.verdict.grade < Grade::Degraded {
        return Err(format!(
            "{:.2} % of the plan is lost, expired or unaccounted, and the data are said to be {}",
            gap * 100.0,
            report.verdict.grade.word()
        ));
    }
    Ok(format!(
        "{} {:?}",
        report.verdict.grade.word(),
        report.run.ended
    ))
}

/// What an agent was told is safe is merged, once; nothing is merged that did not come.
fn merged(case: &Case<'_>, report: &Report) -> Result<(), String> {
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

/// What the target saw is what is reported, up to what is said to be lost or unaccounted.
fn counts(
    case: &Case<'_>,
    report: &Report,
    index: usize,
    name: &str,
    whole: bool,
) -> Result<(), String> {
    let lines = &report.conservation.scenarios;
    let Some(line) = lines.iter().find(|line| line.scenario == name) else {
        return Err(format!("no line of the report is about {name}"));
    };
    let sum = line.made + line.dropped + line.expired + line.lost + line.short + line.unaccounted;
    if (sum - line.planned).abs() > 1e-3 {
        return Err(format!(
            "{name}: the parts make {sum}, planned is {}: {line:?}",
            line.planned
        ));
    }
    if line.unit != Unit::Iterations {
        return Ok(());
    }
    let begun = case.target.of(index).begun as f64;
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
    if !case.changed
        && let Some(total) = planned(case.plan, index)
        && (line.planned - total as f64).abs() > 0.0
    {
        return Err(format!(
            "{name}: {total} iterations are in the plan, {} in the report",
            line.planned
        ));
    }
    Ok(())
}

/// Iterations of a scenario that nobody changed.
fn planned(plan: &Plan, index: usize) -> Option<u64> {
    let scenario = &plan.scenarios[index];
    match scenario.arrival_curve(plan.seed) {
        Some(curve) => Some(curve.total()),
        None => scenario.executor.iterations(),
    }
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
