//! The end of a run: judging thresholds, closing the books, and the report.

use crate::active::Active;
use crate::conservation::{Conservation, Fate};
use crate::exit::ExitCode;
use crate::handover::Handover;
use crate::member::Member;
use crate::membership;
use crate::outline::Until;
use crate::report::{AgentFacts, Ended, Exit, Report, RunFacts};
use crate::run::{Ending, Why};
use crate::stopping::StopFacts;
use crate::verdict::{Evidence, Grade, Verdict, Witness};
use metrics::summary::Unjudged;
use metrics::{Judged, Metric, Summary, SummaryOptions, TrendStat};
use plan::{Plan, Step};
use proto::v1::{RunOver, ScenarioTotals, StopMode};
use std::time::Duration;

/// Makes the report of a run that ends now.
pub fn close(active: &mut Active, ending: &Ending, now: u64) -> RunOver {
    let report = report(active, ending, now);
    let json = serde_json::to_vec(&report).unwrap_or_else(|error| {
        // Every number in it is finite by construction; say so rather than send nothing.
        tracing::error!(run = active.order.id, %error, "the report cannot be written as JSON");
        Vec::new()
    });
    RunOver {
        report: json,
        exit_code: u32::from(report.exit.code),
        text: ending.text.clone(),
    }
}

fn report(active: &mut Active, ending: &Ending, now: u64) -> Report {
    // What teardown took is not the load's.
    let now = active.load_over.unwrap_or(now);
    let began = active.t0.is_some_and(|t0| now >= t0);
    let t0 = active.t0.unwrap_or(now);
    let fates = fates(active, began);
    let fate = |seat: u32| {
        fates
            .iter()
            .find(|(s, _)| *s == seat)
            .map_or(Fate::Unused, |(_, fate)| *fate)
    };

    let mut members: Vec<_> = active.members.values().collect();
    members.sort_by_key(|member| member.seat);
    let load_ns = members
        .iter()
        .filter_map(|member| u64::try_from(active.gather.from_seat(member.seat).until).ok())
        .max()
        .unwrap_or(0)
        .min(now.saturating_sub(t0));
    // As in k6, rates are per second of the whole test, setup and teardown included.
    let elapsed = Duration::from_nanos(load_ns.saturating_add(active.phases.took_ns));
    let plan = &active.order.plan;
    let judged = if began {
        active
            .gather
            .judge(&plan.thresholds, elapsed, plan.options.compat_k6)
    } else {
        Vec::new()
    };
    let summary = Summary::new(active.gather.store(), &judged, &options(plan, elapsed));

    let accounts: Vec<_> = members
        .iter()
        .map(|member| member.account(fate(member.seat), &active.gather, t0, now))
        .collect();
    let shares = active.handover.as_ref().and_then(Handover::shares);
    let promises = match shares {
        Some(shares) if began => {
            // Late agents are cut after all of their load was due.
            let cut = matches!(ending.why, Why::Stopped(_) | Why::Aborted | Why::AgentLost)
                .then(|| active.stopped.as_ref().map(|(_, _, at)| *at))
                .flatten();
            let sure = members.iter().filter_map(|member| {
                let at = member.sure?.saturating_sub(t0);
                let until = match fate(member.seat) {
                    Fate::Lost => Until::Lost(at),
                    Fate::Late => Until::Late(at),
                    _ => return None,
                };
                Some((member.seat as usize, until))
            });
            let ahead = members
                .iter()
                .map(|member| (member.seat as usize, member.ahead.clone()));
            active.outline.promises(
                &shares,
                &active.pools,
                cut,
                &sure.collect(),
                &ahead.collect(),
            )
        }
        _ => Vec::new(),
    };
    let http_reqs = active
        .gather
        .count(Metric::HttpReqs)
        .saturating_sub(active.gather.phase_requests());
    let conservation = Conservation::new(&promises, &accounts, http_reqs, active.gather.rejected());
    let witnesses: Vec<Witness> = members
        .iter()
        .map(|member| member.witness(&active.gather, t0, fate(member.seat)))
        .collect();
    let verdict = Verdict::new(&Evidence {
        witnesses: if began { witnesses } else { Vec::new() },
        median_ns: active
            .gather
            .service_time(&[0.5])
            .and_then(|quantiles| quantiles.first().copied()),
        conservation: began.then(|| conservation.clone()),
        overflow: active
            .gather
            .count(Metric::OverflowSamples)
            .saturating_add(active.gather.store().overflow()),
        local_errors: active.gather.local_errors(),
        clamped: active.gather.store().clamped(),
        unjournaled: active.unjournaled.is_some(),
    });
    let share = |seat: u32| membership::share_of(active, seat);
    let fleet = membership::told(active, &promises, &accounts, t0);
    let agents: Vec<AgentFacts> = members
        .iter()
        .map(|member| member.facts(fate(member.seat), share(member.seat), active.t0))
        .collect();
    let deserted = began
        && agents
            .iter()
            .all(|agent| matches!(agent.fate, Fate::Lost | Fate::Left));
    // Who came later did not begin with the others.
    let began_together = members
        .iter()
        .zip(&agents)
        .filter(|(member, _)| member.came == 0);
    let began_together: Vec<&AgentFacts> = began_together.map(|(_, facts)| facts).collect();
    let (start_skew_ms, start_uncertainty_ms) = skew(&began_together);
    Report {
        metrics: summary.metrics,
        root_group: summary.root_group,
        options: summary.options,
        state: summary.state,
        run: RunFacts {
            id: active.order.id.clone(),
            name: active.order.name.clone(),
            version: active.version().to_owned(),
            started_unix_ms: active.order.unix_ms,
            began,
            load_ms: load_ns as f64 / 1e6,
            ended: ended(ending.why),
            reason: ending.text.clone(),
            seed: active.order.seed,
            plan: active
                .digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            compat_k6: plan.options.compat_k6,
            start_skew_ms,
            start_uncertainty_ms,
            controller_lag_ms: active.behind as f64 / 1e6,
            stop: StopFacts::of(active, t0, fate).filter(|_| began),
            annotations: active.changes.annotations.clone(),
            notes: active.notes.clone(),
            away: active.away.clone(),
        },
        agents,
        fleet: if began { fleet } else { Vec::new() },
        timeline: active.gather.seconds.points(),
        marks: active.marks.all(),
        conservation,
        exit: Exit::new(&applying(
            ending,
            &judged,
            verdict.grade,
            deserted,
            active.run.life.teardown_late,
        )),
        phases: active.phases.facts.clone(),
        verdict,
        errors: active.logs.errors(),
        outputs: active.outputs_facts(),
    }
}

fn fates(active: &Active, began: bool) -> Vec<(u32, Fate)> {
    let fate = |member: &Member| {
        let part = active.run.members.get(&member.id);
        if began {
            member.fate(
                part.map(|member| &member.part),
                active.standing(member.seat),
            )
        } else {
            Fate::Unused
        }
    };
    let members = active.members.values();
    members.map(|member| (member.seat, fate(member))).collect()
}

/// Merges shared iterations that nobody began before the time was over: k6's `dropped_iterations`. Once, before the outputs end.
pub fn count_never_begun(active: &mut Active, now: u64) {
    let now = active.load_over.unwrap_or(now);
    let began = active.t0.is_some_and(|t0| now >= t0);
    let fates = fates(active, began);
    if !began || fates.iter().all(|(_, fate)| *fate != Fate::Done) {
        return;
    }
    for (scenario, pool) in &active.pools {
        let Some(name) = active.outline.name(*scenario) else {
            continue;
        };
        let done = |seat: u32| {
            let whole = |fate: &Fate| matches!(fate, Fate::Done | Fate::Drained);
            fates
                .iter()
                .any(|(other, fate)| *other == seat && whole(fate))
        };
        let begun = active.members.values().filter(|member| done(member.seat));
        let unused: u64 = begun
            .map(|member| {
                let made = |totals: &ScenarioTotals| totals.begun.saturating_add(totals.dropped);
                let granted = pool.granted_to(member.seat);
                granted.saturating_sub(member.of(name, made))
            })
            .sum();
        let never = pool.total() - pool.granted() + unused;
        if never > 0 {
            active.gather.add_dropped(name, never);
        }
    }
}

fn applying(
    ending: &Ending,
    judged: &[Judged],
    grade: Grade,
    deserted: bool,
    teardown_late: bool,
) -> Vec<ExitCode> {
    let mut codes: Vec<ExitCode> = ending.exit().into_iter().collect();
    if teardown_late {
        codes.push(ExitCode::TeardownTimeout);
    }
    if deserted {
        codes.push(ExitCode::Fleet);
    }
    if judged.iter().any(|judged| !judged.result.ok) {
        codes.push(ExitCode::Thresholds);
    }
    // A threshold that could not be compared says that the numbers cannot be used.
    let unjudged = judged
        .iter()
        .any(|judged| judged.result.reason == Some(Unjudged::Overflow));
    if grade == Grade::Invalid || unjudged {
        codes.push(ExitCode::NumbersInvalid);
    }
    if grade == Grade::Degraded {
        codes.push(ExitCode::Degraded);
    }
    codes
}

fn ended(why: Why) -> Ended {
    match why {
        Why::Finished => Ended::Finished,
        Why::Stopped(StopMode::StopInterrupt) => Ended::Interrupted,
        Why::Stopped(StopMode::StopGraceful) => Ended::Stopped,
        Why::Aborted => Ended::Aborted,
        Why::Target => Ended::TargetUnreachable,
        Why::NeverComplete => Ended::FleetIncomplete,
        Why::FleetLost => Ended::FleetLost,
        Why::AgentLost => Ended::AgentLost,
        Why::SetupTimeout | Why::SetupFailed | Why::SetupLost => Ended::SetupFailed,
    }
}

/// Between the first begin and the last, and how far off that may be: both ends' uncertainties.
fn skew(agents: &[&AgentFacts]) -> (Option<f64>, Option<f64>) {
    let starts: Vec<(f64, f64)> = agents
        .iter()
        .filter_map(|agent| Some((agent.start_ms?, agent.start_uncertainty_ms?)))
        .collect();
    let first = starts.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let last = starts.iter().max_by(|a, b| a.0.total_cmp(&b.0));
    match (first, last) {
        (Some(first), Some(last)) if starts.len() > 1 => {
            (Some(last.0 - first.0), Some(first.1 + last.1))
        }
        (Some(_), _) => (Some(0.0), Some(0.0)),
        _ => (None, None),
    }
}

fn options(plan: &Plan, duration: Duration) -> SummaryOptions {
    let stat = |stat: &plan::TrendStat| match *stat {
        plan::TrendStat::Avg => TrendStat::Avg,
        plan::TrendStat::Min => TrendStat::Min,
        plan::TrendStat::Med => TrendStat::Med,
        plan::TrendStat::Max => TrendStat::Max,
        plan::TrendStat::Count => TrendStat::Count,
        plan::TrendStat::Percentile(percent) => TrendStat::Percentile(percent),
    };
    let mut checks = Vec::new();
    for flow in &plan.flows {
        declared(&flow.steps, &mut checks);
    }
    SummaryOptions {
        trend_stats: plan.options.summary_trend_stats.iter().map(stat).collect(),
        duration,
        checks,
        ..SummaryOptions::default()
    }
}

/// Group and name of each check, in the plan's order.
fn declared(steps: &[Step], checks: &mut Vec<(String, String)>) {
    for step in steps {
        match step {
            Step::Request(request) => checks.extend(
                request
                    .checks
                    .iter()
                    .map(|check| (request.group.clone(), check.name.clone())),
            ),
            Step::Group { steps, .. } | Step::Each { steps, .. } => declared(steps, checks),
            Step::Let(_) | Step::Sleep { .. } | Step::Stop { .. } | Step::Give(_) => {}
        }
    }
}
