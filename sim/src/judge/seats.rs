//! Seat by seat, so that what is lost of one and counted twice of another does not even out.

use super::{Case, line};
use crate::target::Life;
use controller::Report;
use controller::conservation::{Fate, Unit};
use std::collections::BTreeMap;

/// The shortest iteration of a VU, in seconds; each makes one request.
const ITERATION: f64 = 0.02;

/// What came of each seat, what was told to be safe, and what is merged of it.
///
/// # Errors
/// The law that is broken.
pub(super) fn merged(case: &Case<'_>) -> Result<(), String> {
    let Some(seats) = case.seats else {
        return Ok(());
    };
    for (seat, merged) in seats.iter().map(|(seat, inside)| (*seat, inside.merged)) {
        let of_seat = case.books.iter().filter(|((_, of), _)| *of == seat);
        let (mut came, mut safe) = (0, 0);
        for (whose, book) in of_seat {
            came += book.values().sum::<u64>();
            if let Some(newest) = case.acknowledged.get(whose) {
                safe += book
                    .range(..=newest)
                    .map(|(_, requests)| requests)
                    .sum::<u64>();
            }
        }
        if merged < safe || merged > came {
            return Err(format!(
                "seat {seat}: {came} requests came in intervals, {safe} of them were acknowledged, and {merged} are merged"
            ));
        }
    }
    Ok(())
}

/// What one life did, as the report and the target have it.
#[derive(Debug, Default)]
struct Part {
    counted: u64,
    /// On every seat it told its end.
    told: bool,
    names: Vec<String>,
}

/// What the target answered is what is counted and merged, life by life. Of one that never told its end as much at most.
///
/// # Errors
/// The law that is broken.
pub(super) fn answered(case: &Case<'_>, report: &Report) -> Result<(), String> {
    let Some(seats) = case.seats else {
        return Ok(());
    };
    if seats.len() != report.agents.len() {
        return Err(format!(
            "{} agents had a part in the run, and the report tells of {}",
            seats.len(),
            report.agents.len()
        ));
    }
    let mut parts = BTreeMap::<Life, Part>::new();
    for (inside, agent) in seats.values().zip(&report.agents) {
        let Some(life) = case.lives.get(&inside.incarnation) else {
            return Err(format!("{} is nobody", agent.name));
        };
        let part = parts.entry(*life).or_insert_with(|| Part {
            told: true,
            ..Part::default()
        });
        part.counted += agent.requests;
        part.told &= matches!(agent.fate, Fate::Done | Fate::Drained);
        part.names
            .push(format!("{} ({:?})", agent.name, agent.fate));
        if matches!(agent.fate, Fate::Done | Fate::Drained) && inside.merged != agent.requests {
            return Err(format!(
                "{} told its end, and of {} requests that it counted {} are merged",
                agent.name, agent.requests, inside.merged
            ));
        }
    }
    for (life, answered) in case.target.lives() {
        let Some(part) = parts.get(&life) else {
            return Err(format!(
                "{answered} requests of {life:?} were answered, and the report does not tell of it"
            ));
        };
        if part.counted > answered || part.told && part.counted != answered {
            return Err(format!(
                "{}: {answered} requests were answered, and {} are counted",
                part.names.join(", "),
                part.counted
            ));
        }
    }
    whole(case, report)
}

/// All of it: what was answered and is in no number is of agents that were lost, and of no more than is said to be missing of them.
fn whole(case: &Case<'_>, report: &Report) -> Result<(), String> {
    let requests = &report.conservation.requests;
    let answered: u64 = case.target.lives().values().sum();
    if requests.merged > answered {
        return Err(format!(
            "{answered} requests were answered, and {} are merged",
            requests.merged
        ));
    }
    let mut known = (requests.merged + requests.lost) as f64 + requests.unaccounted.max(0) as f64;
    if report.agents.iter().any(|agent| agent.fate != Fate::Done) {
        known += report.conservation.iterations.in_flight as f64;
        for scenario in &case.plan.scenarios {
            let line = line(report, &scenario.name)?;
            let missing = line.lost + line.unaccounted.max(0.0);
            known += match line.unit {
                Unit::Iterations => missing,
                Unit::VuSeconds => missing / ITERATION,
            };
        }
    }
    if answered as f64 > known {
        return Err(format!(
            "{answered} requests were answered; {requests:?} and what is said to be lost make {known:.0} at most"
        ));
    }
    Ok(())
}
