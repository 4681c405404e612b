//! What happened is told: who was lost, and when nobody directed the run.

use super::Case;
use controller::Report;
use controller::conservation::Fate;
use controller::report::{Ended, FleetEvent};
use plan::OnAgentLoss;

/// What the controller's clock and its disk take, in milliseconds.
const SLACK: f64 = 5.0;

/// Whoever was killed at work is said to be lost; or to be late, if the run was over before its silence could tell.
///
/// # Errors
/// The law that is broken.
pub(super) fn killed(case: &Case<'_>, report: &Report) -> Result<(), String> {
    let Some(seats) = case.seats else {
        return Ok(());
    };
    for killed in case.killed {
        let mut of_life = seats
            .values()
            .zip(&report.agents)
            .filter(|(seat, _)| case.lives.get(&seat.incarnation) == Some(&killed.life));
        // One that was lost, came back and took another part has two; it is the newer one at which it was killed.
        let Some((_, agent)) = of_life.next_back() else {
            return Err(format!(
                "{:?} was killed at work, and the report does not tell of it",
                killed.life
            ));
        };
        let soon = case.over_at < killed.at + case.patience;
        let told = agent.fate == Fate::Lost || soon && agent.fate == Fate::Late;
        if !told {
            return Err(format!(
                "{} was killed at work {:.1} s before the report was made, and is said to be {:?}",
                agent.name,
                case.over_at.saturating_sub(killed.at) as f64 / 1e9,
                agent.fate
            ));
        }
        // One that had handed its share over before has a line already.
        let line = report.fleet.iter().any(|change| {
            change.agent == agent.name
                && matches!(change.event, FleetEvent::Lost | FleetEvent::Left)
        });
        if agent.fate == Fate::Lost && !line {
            return Err(format!("{} was lost, and no line tells of it", agent.name));
        }
    }
    Ok(())
}

/// Each time in which the controller was gone is in a time that the report tells.
///
/// # Errors
/// The law that is broken.
pub(super) fn away(case: &Case<'_>, report: &Report) -> Result<(), String> {
    for absence in case.absences {
        let told = report.run.away.iter().any(|away| {
            !away.stood_still
                && away.from_ms <= absence.from_ms + SLACK
                && away.from_ms + away.for_ms >= absence.to_ms - SLACK
        });
        if !told {
            return Err(format!(
                "nobody directed the run from {:.1} ms to {:.1} ms, and the report tells of {:?}",
                absence.from_ms, absence.to_ms, report.run.away
            ));
        }
    }
    Ok(())
}

/// Where a loss is not made good nobody takes a share over, and where it ends the run the run does not finish by itself.
///
/// # Errors
/// The law that is broken.
pub(super) fn losses(case: &Case<'_>, report: &Report) -> Result<(), String> {
    let policy = case.plan.options.on_agent_loss;
    if policy == OnAgentLoss::Redistribute {
        return Ok(());
    }
    // Iterations that are counted may be over before their time is.
    let load_ms = (case.plan.load_end().as_secs_f64() * 1e3).min(report.run.load_ms);
    let patience_ms = case.patience as f64 / 1e6;
    let lost = report.fleet.iter();
    for line in lost.filter(|change| change.event == FleetEvent::Lost) {
        if let Some(until) = line.until_ms {
            return Err(format!(
                "the share of {} is others' from {until:.1} ms on, and a loss is not to be made good",
                line.agent
            ));
        }
        let early = line.at_ms + patience_ms < load_ms;
        if policy == OnAgentLoss::Abort && early && report.run.ended == Ended::Finished {
            return Err(format!(
                "{} was lost at {:.1} ms, which is to end the run, and the run finished",
                line.agent, line.at_ms
            ));
        }
    }
    if let Some(came) = report
        .fleet
        .iter()
        .find(|change| change.event == FleetEvent::Joined)
    {
        return Err(format!(
            "{} got a share, and a loss is not to be made good",
            came.agent
        ));
    }
    Ok(())
}
