//! The report as text: k6's sections first, for they are known, then throng's own, and one closing line.

use super::{AgentFacts, Ended, PhaseFacts, Report};
use crate::change::run_clock;
use crate::conservation::{Conservation, Fate, Line, Unit};
use crate::lag::NOTED_NS;
use crate::run::agents;
use crate::timeline::picture;
use crate::verdict::{Facet, Grade, Measure, Verdict};
use metrics::text::{Paint, clean, duration, number, render_text, share, title};

/// Kinds of errors shown; the JSON has all.
const ERRORS: usize = 10;
/// Columns of the picture.
const PICTURE: usize = 60;
/// Agents shown; the JSON has all.
const AGENTS: usize = 20;

/// The report for people.
#[must_use]
pub fn text(report: &Report, colour: bool) -> String {
    let paint = Paint { on: colour };
    let mut out = String::new();
    if report.run.began {
        out.push_str(&render_text(&report.summary(), colour));
        out.push_str(&title(paint, "AGENTS"));
        out.push_str(&fleet(report, paint));
        out.push_str(&changes(report, paint));
        out.push_str(&phases(report, paint));
        out.push_str(&title(paint, "CONSERVATION"));
        out.push_str(&books(&report.conservation, &report.phases));
        if !report.errors.is_empty() {
            out.push_str(&title(paint, "TOP ERRORS"));
            out.push_str(&errors(report, paint));
        }
        out.push_str(&title(
            paint,
            &format!("VERDICT  {}", grade(report.verdict.grade, paint)),
        ));
        out.push_str(&verdict(&report.verdict, paint));
        if !report.run.annotations.is_empty() {
            out.push_str(&title(paint, "CHANGES"));
            for change in &report.run.annotations {
                let (what, who) = (clean(&change.what), clean(&change.who));
                let text = match change.note {
                    true => format!("{who}: {what}"),
                    false => format!("{what} by {who}"),
                };
                let at = run_clock((change.from_ms * 1e6) as u64);
                out.push_str(&format!("    {at}  {text}\n"));
            }
        }
        out.push_str(&super::outputs::text(&report.outputs, paint));
        if let Some(stop) = &report.run.stop {
            out.push_str(&format!("    {}\n", clean(&stop.to_string())));
        }
        if report.run.controller_lag_ms * 1e6 >= NOTED_NS as f64 {
            let lag = ms(report.run.controller_lag_ms);
            out.push_str(&format!("    controller up to {lag} behind\n"));
        }
        for line in away(report) {
            out.push_str(&format!("    {line}\n"));
        }
        if !report.run.notes.is_empty() {
            out.push_str(&title(paint, "NOTES"));
            for note in &report.run.notes {
                out.push_str(&format!("    {}\n", clean(note)));
            }
        }
        out.push('\n');
    } else if !report.phases.is_empty() {
        out.push_str(&phases(report, paint));
        if !report.errors.is_empty() {
            out.push_str(&title(paint, "TOP ERRORS"));
            out.push_str(&errors(report, paint));
        }
        out.push('\n');
    }
    out.push_str(&format!("  {}\n", closing(report, paint)));
    out
}

/// Rows of cells, every column as wide as its widest cell; the first is left-aligned, as is any cell of `left`.
fn columns(rows: &[Vec<String>], left: &[usize]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let width = widths[column];
                if column == 0 || left.contains(&column) {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        out.push_str(&format!("    {}\n", cells.join("  ").trim_end()));
    }
    out
}

fn ms(ms: f64) -> String {
    duration(ms * 1e6)
}

fn fleet(report: &Report, paint: Paint) -> String {
    let mut rows = vec![
        [
            "",
            "share",
            "max VUs",
            "iterations",
            "requests",
            "RTT",
            "began",
            "",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let known = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), ms);
    let row = |agent: &AgentFacts| {
        vec![
            clean(&agent.name),
            format!("{:.1}%", agent.share * 100.0),
            agent.vus_max.to_string(),
            agent.iterations.to_string(),
            agent.requests.to_string(),
            known(agent.rtt_ms),
            agent
                .start_ms
                .map_or_else(|| "-".to_owned(), |at| format!("T0 {}", signed(at))),
            match agent.fate {
                Fate::Done => String::new(),
                Fate::Lost => "lost".to_owned(),
                Fate::Left => "ended before its part was over".to_owned(),
                Fate::Drained => "left (drain)".to_owned(),
                Fate::Late => "never reported an end".to_owned(),
                Fate::Unused => "made no load".to_owned(),
            },
        ]
    };
    rows.extend(report.agents.iter().take(AGENTS).map(row));
    let mut out = columns(&rows, &[7]);
    if report.agents.len() > AGENTS {
        out.push_str(&format!(
            "    … and {} more (the JSON summary has all)\n",
            report.agents.len() - AGENTS
        ));
    }
    let skew = match (report.run.start_skew_ms, report.run.start_uncertainty_ms) {
        (Some(skew), Some(uncertainty)) if report.agents.len() > 1 => {
            format!(
                "; they began within {} of one another (± {})",
                ms(skew),
                ms(uncertainty)
            )
        }
        (Some(_), _) => String::new(),
        (None, _) => "; when they began is not known".to_owned(),
    };
    out.push_str(&format!(
        "    {}\n",
        paint.faint(&format!("{}{skew}", agents(report.agents.len())))
    ));
    out
}

/// What the run went through without a controller, and what that cost.
fn away(report: &Report) -> Vec<String> {
    let came = &report.conservation.completeness;
    let lost = came.intervals.saturating_sub(came.merged);
    let away = report.run.away.iter().map(|away| {
        let how = if away.stood_still {
            "stood still for"
        } else {
            "away"
        };
        format!(
            "controller {how} {:.1} s from {} on; {lost} intervals lost",
            away.for_ms / 1e3,
            run_clock((away.from_ms.max(0.0) * 1e6) as u64),
        )
    });
    away.collect()
}

/// Who went and who came, and what that looked like.
fn changes(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    for change in &report.fleet {
        out.push_str(&format!("    {}\n", clean(&change.to_string())));
    }
    if !report.fleet.is_empty() {
        for line in picture(&report.timeline, PICTURE) {
            out.push_str(&format!("    {}\n", paint.faint(&line)));
        }
    }
    out
}

/// Setup and teardown: what each was, where, and what it gave.
fn phases(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    for phase in &report.phases {
        if out.is_empty() {
            out.push_str(&title(paint, "SETUP AND TEARDOWN"));
        }
        let mut line = format!(
            "{} on {} took {}: {} requests",
            phase.phase,
            clean(&phase.agent),
            ms(phase.took_ms),
            phase.requests,
        );
        if phase.requests != phase.requests_merged {
            line.push_str(&format!(", {} MERGED", phase.requests_merged));
        }
        if phase.requests_cut > 0 {
            line.push_str(&format!(
                ", {} more in flight when it was cut",
                phase.requests_cut
            ));
        }
        for (set, count) in &phase.rows {
            line.push_str(&format!(", {count} rows of {}", clean(set)));
        }
        if !phase.problem.is_empty() {
            line.push_str(&format!("; {}", paint.bad(&clean(&phase.problem))));
        }
        out.push_str(&format!("    {line}\n"));
    }
    out
}

fn signed(at_ms: f64) -> String {
    if at_ms < 0.0 {
        format!("- {}", ms(-at_ms))
    } else {
        format!("+ {}", ms(at_ms))
    }
}

fn books(books: &Conservation, phases: &[PhaseFacts]) -> String {
    let mut out = String::new();
    for line in &books.scenarios {
        out.push_str(&format!("    {}\n", planned(line)));
    }
    let i = &books.iterations;
    out.push_str(&format!(
        "    iterations: {} begun = {} completed + {} interrupted + {} in flight at the end{}\n",
        i.begun,
        i.completed,
        i.interrupted,
        i.in_flight,
        rest(i.unknown),
    ));
    let r = &books.requests;
    let mut line = format!(
        "    requests: {} counted by agents = {} merged",
        r.counted, r.merged
    );
    if r.lost > 0 {
        line.push_str(&format!(" + {} lost with an agent", r.lost));
    }
    line.push_str(&rest(r.unaccounted));
    if r.cut > 0 {
        line.push_str(&format!("; {} more in flight when interrupted", r.cut));
    }
    let outside = crate::plausible::sum(phases.iter().map(|phase| phase.requests_merged));
    if outside > 0 {
        line.push_str(&format!("; {outside} more in setup and teardown"));
    }
    out.push_str(&format!("{line}\n"));
    let c = &books.completeness;
    let mut line = format!(
        "    completeness: {} of {} intervals from {}",
        percent(c.share),
        c.intervals,
        agents(usize::try_from(c.agents).unwrap_or(usize::MAX)),
    );
    if c.rejected > 0 {
        line.push_str(&format!("; {} refused as corrupt", c.rejected));
    }
    out.push_str(&format!("{line}\n"));
    out
}

/// Cut, not rounded: only all of it is 100 %. Without trailing zeros.
fn percent(value: f64) -> String {
    let text = share(value);
    let digits = text.trim_end_matches('%').trim_end_matches('0');
    format!("{}%", digits.trim_end_matches('.'))
}

fn rest(count: i64) -> String {
    match count {
        0 => String::new(),
        1.. => format!(" + {} UNACCOUNTED", count.unsigned_abs()),
        _ => format!(" - {} TOO MANY", count.unsigned_abs()),
    }
}

fn planned(line: &Line) -> String {
    let scenario = clean(&line.scenario);
    let term = |value: f64, word: &str, always: bool| {
        let shown = match line.unit {
            Unit::Iterations => (value.abs() as u64).to_string(),
            Unit::VuSeconds => format!("{:.1}", value.abs()),
        };
        // What rounds to nothing is not worth a term.
        let nothing = match line.unit {
            Unit::Iterations => value == 0.0,
            Unit::VuSeconds => value.abs() < 0.05,
        };
        if nothing && !always {
            String::new()
        } else {
            format!(" {} {shown} {word}", if value < 0.0 { '-' } else { '+' })
        }
    };
    match line.unit {
        Unit::Iterations => format!(
            "{scenario}: {} planned = {} begun{}{}{}{}",
            line.planned as u64,
            line.made as u64,
            term(line.dropped, "dropped", true),
            term(line.expired, "expired", true),
            term(line.lost, "lost with an agent", true),
            term(line.unaccounted, "unaccounted", true),
        ),
        Unit::VuSeconds => format!(
            "{scenario}: {:.1} VU s planned = {:.1} held{}{}{}",
            line.planned,
            line.made,
            term(line.short, "begun late", true),
            term(line.lost, "lost with an agent", true),
            term(line.unaccounted, "unaccounted", false),
        ),
    }
}

fn errors(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    for kind in report.errors.iter().take(ERRORS) {
        let on = if report.agents.len() > 1 && kind.agents > 0 {
            format!(
                "  on {}",
                agents(usize::try_from(kind.agents).unwrap_or(usize::MAX))
            )
        } else {
            String::new()
        };
        out.push_str(&format!(
            "    {:>7}  {}{}\n",
            kind.count,
            paint.bad(&clean(&kind.kind)),
            paint.faint(&on)
        ));
        for sample in &kind.samples {
            out.push_str(&format!("             {}\n", paint.faint(&clean(sample))));
        }
    }
    if report.errors.len() > ERRORS {
        out.push_str(&format!(
            "    … and {} more kinds (the JSON summary has all)\n",
            report.errors.len() - ERRORS
        ));
    }
    out
}

fn grade(grade: Grade, paint: Paint) -> String {
    match grade {
        Grade::NotJudged => paint.faint(grade.word()),
        Grade::Valid => paint.good(grade.word()),
        Grade::Degraded => paint.warn(grade.word()),
        Grade::Invalid => paint.bad(grade.word()),
    }
}

fn verdict(verdict: &Verdict, paint: Paint) -> String {
    let rows: Vec<Vec<String>> = verdict
        .facets
        .iter()
        .map(|facet| {
            let value = facet
                .value
                .map_or_else(|| "-".to_owned(), |value| measured(facet.measure, value));
            vec![
                facet.name.clone(),
                value,
                limits(facet),
                facet.grade.word().to_owned(),
            ]
        })
        .collect();
    // Painted after alignment, for colours have no width.
    let mut out = String::new();
    for (line, facet) in columns(&rows, &[2, 3]).lines().zip(&verdict.facets) {
        let word = facet.grade.word();
        let line = line.strip_suffix(word).unwrap_or(line);
        let whose = facet.agent.as_ref().filter(|_| facet.grade > Grade::Valid);
        let whose = whose.map_or_else(String::new, |agent| {
            let silent = facet.silent_ms.map_or_else(String::new, |[from, to]| {
                format!(", silent from {} to {}", ms(from), ms(to))
            });
            format!(" ({}{silent})", clean(agent))
        });
        out.push_str(&format!("{line}{}{whose}\n", grade(facet.grade, paint)));
    }
    out
}

fn measured(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Milliseconds => ms(value),
        Measure::Share => percent(value),
        Measure::Count => number(value),
    }
}

fn limits(facet: &Facet) -> String {
    let shown = |value| measured(facet.measure, value);
    match facet.invalid_above {
        Some(invalid) if (invalid - facet.degraded_above).abs() < f64::EPSILON => {
            format!("INVALID above {}", shown(invalid))
        }
        Some(invalid) => format!(
            "DEGRADED above {}, INVALID above {}",
            shown(facet.degraded_above),
            shown(invalid)
        ),
        None => format!("DEGRADED above {}", shown(facet.degraded_above)),
    }
}

fn closing(report: &Report, paint: Paint) -> String {
    let run = &report.run;
    let how = match run.ended {
        Ended::Finished => "finished",
        Ended::Interrupted => "was interrupted",
        Ended::Stopped => "was stopped early",
        Ended::Aborted => "was aborted by a threshold",
        Ended::TargetUnreachable => "did not begin: the target cannot be reached",
        Ended::FleetIncomplete => "did not begin: the fleet is not complete",
        Ended::FleetLost => "ended because every agent was lost",
        Ended::AgentLost => "was aborted because an agent was lost",
        Ended::SetupFailed => "ended with its setup",
    };
    let mut line = format!("run {} {how}", clean(&run.id));
    if run.began {
        line.push_str(&format!(" after {}", ms(run.load_ms)));
        let all: usize = report
            .metrics
            .values()
            .map(|metric| metric.thresholds.len())
            .sum();
        let failed = report.failed_thresholds().len();
        line.push_str(&match (all, failed) {
            (0, _) => "; no thresholds".to_owned(),
            (_, 0) => format!("; {}", paint.good("thresholds passed")),
            _ => format!(
                "; {}",
                paint.bad(&format!("{failed} of {all} thresholds failed"))
            ),
        });
        if run.compat_k6 {
            line.push_str(" (--compat k6: one without samples may pass)");
        }
        line.push_str(&format!("; data {}", grade(report.verdict.grade, paint)));
    }
    line.push_str(&format!("; exit code {}", report.exit.code));
    if report.exit.code != 0 {
        line.push_str(&format!(" ({})", report.exit.meaning));
    }
    line
}
