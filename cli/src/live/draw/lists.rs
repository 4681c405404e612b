//! Lists of which there may be more than there is room for: agents with their health, errors by kind, and steps.

use super::super::model::{List, Model};
use super::super::style::Look;
use super::super::words;
use super::text::{Cell, Column, Table, number, words as worded};
use controller::verdict;
use proto::v1::{AgentView, Health, Problem, StepView, View};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// Unheard for longer, an agent is called silent. Agents speak twice a second.
const SILENT_MS: u64 = 2_000;

const AGENTS: [Column; 8] = [
    worded("HEALTH", 14, 0),
    number("SHARE", 6, 5),
    number("VUS", 7, 2),
    number("RATE/S", 7, 1),
    number("P95", 6, 3),
    number("RTT", 6, 6),
    number("CPU", 4, 4),
    number("HEARD", 6, 7),
];
const ERRORS: [Column; 1] = [number("COUNT", 7, 0)];
const STEPS: [Column; 7] = [
    number("REQUESTS", 8, 2),
    number("FAILED", 6, 1),
    number("P50", 6, 3),
    number("P90", 6, 5),
    number("P95", 6, 0),
    number("P99", 6, 4),
    number("MAX", 6, 6),
];

type Row<'a> = (Line<'a>, Vec<Cell>);

/// The list that was chosen, under a heading that names all three.
pub(super) fn tabbed(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    let mut heading = Vec::new();
    for list in [List::Agents, List::Errors, List::Steps] {
        let chosen = list == model.list;
        let name = if chosen { title(list) } else { key(list) };
        let style = if chosen { look.strong() } else { look.quiet() };
        let alarm = list == List::Errors && model.entries(list) > 0;
        let number = words::count(model.entries(list) as u64);
        heading.push(Span::styled(name, style));
        heading.push(Span::styled(
            format!(" {number}"),
            if alarm { look.alarm() } else { style },
        ));
        heading.push(Span::raw("  "));
    }
    heading.pop();
    table(model, look, model.list, Line::from(heading), area, buffer);
}

/// One list under its own heading.
pub(super) fn one(model: &Model, look: Look, list: List, area: Rect, buffer: &mut Buffer) {
    let number = model.entries(list);
    let style = if list == model.list {
        look.strong().underlined()
    } else {
        look.strong()
    };
    let heading = Line::from(vec![
        Span::styled(title(list), style),
        Span::styled(format!(" {number}"), look.quiet()),
    ]);
    table(model, look, list, heading, area, buffer);
}

fn table(
    model: &Model,
    look: Look,
    list: List,
    heading: Line<'_>,
    area: Rect,
    buffer: &mut Buffer,
) {
    if area.is_empty() {
        return;
    }
    // Room for the names of three lists, where there is room at all.
    let least = if area.width >= 70 { 30 } else { 18 };
    let (columns, most): (&[Column], u16) = match list {
        List::Agents => (&AGENTS, 60),
        List::Errors => (&ERRORS, u16::MAX),
        List::Steps => (&STEPS, 80),
    };
    let rows = model
        .view
        .as_ref()
        .map(|view| rows(view, list, look))
        .unwrap_or_default();
    let room = usize::from(area.height - 1);
    let scroll = if list == model.list {
        model.scroll.min(rows.len().saturating_sub(room))
    } else {
        0
    };
    let beyond = rows.len().saturating_sub(scroll + room);
    let mut shown: Vec<Row<'_>> = rows.into_iter().skip(scroll).take(room).collect();
    if beyond > 0 && room > 1 {
        shown.pop();
        let more = format!("and {} more ↓", beyond + 1);
        shown.push((Line::styled(more, look.quiet()), Vec::new()));
    }
    if shown.is_empty() {
        shown.push((Line::styled("none", look.quiet()), Vec::new()));
    }
    let table = Table {
        heading,
        columns,
        least,
        most,
        rows: shown,
    };
    table.draw(look, area, buffer);
}

fn rows<'a>(view: &'a View, list: List, look: Look) -> Vec<Row<'a>> {
    match list {
        List::Agents => {
            let mut agents: Vec<_> = view
                .agents
                .iter()
                .map(|agent| (agent, condition(agent, view)))
                .collect();
            // Those that want attention first, the rest by seat.
            agents.sort_by_key(|(agent, condition)| (!condition.bad, agent.seat));
            agents
                .into_iter()
                .map(|(agent, condition)| agent_row(agent, condition, look))
                .collect()
        }
        List::Errors => view
            .problems
            .iter()
            .map(|problem| problem_row(problem, look))
            .collect(),
        List::Steps => view.steps.iter().map(|step| step_row(step, look)).collect(),
    }
}

/// How an agent is, in two words.
struct Condition {
    text: String,
    bad: bool,
    gone: bool,
}

fn condition(agent: &AgentView, view: &View) -> Condition {
    let bad = |text: String| Condition {
        text,
        bad: true,
        gone: false,
    };
    let fine = |text: &str, gone| Condition {
        text: text.to_owned(),
        bad: false,
        gone,
    };
    match agent.standing.as_str() {
        "lost" => {
            return Condition {
                text: "lost".to_owned(),
                bad: true,
                gone: true,
            };
        }
        "left" | "done" => return fine(&agent.standing, true),
        _ if agent.heard_ms_ago > SILENT_MS => {
            return bad(format!("silent {} s", agent.heard_ms_ago / 1_000));
        }
        "running" => {}
        other => return fine(other, false),
    }
    match agent
        .health
        .as_ref()
        .and_then(|health| complaint(health, view))
    {
        Some(text) => bad(text),
        None => fine("fine", false),
    }
}

/// What the verdict would complain about, as far as a single agent's figures say it.
#[expect(clippy::cast_precision_loss, reason = "compared with a limit")]
fn complaint(health: &Health, view: &View) -> Option<String> {
    let limit = verdict::DEGRADED_NS.max(
        view.whole.as_ref().map_or(0.0, |whole| whole.p50_ns as f64) * verdict::DEGRADED_SHARE,
    );
    let over = |ns: Option<u64>| ns.filter(|ns| *ns as f64 > limit);
    if let Some(ns) = over(health.lateness_p99_ns) {
        return Some(format!("late {}", words::time(ns)));
    }
    if let Some(ns) = over(health.lag_p99_ns) {
        return Some(format!("lags {}", words::time(ns)));
    }
    let throttled = health.throttled_ns.unwrap_or(0) as f64;
    if throttled > verdict::THROTTLED * view.run_ns.max(1) as f64 {
        return Some("throttled".to_owned());
    }
    cpu(health)
        .filter(|used| *used > verdict::CPU)
        .map(|_| "CPU full".to_owned())
}

/// Of what it may use, 0 to 1.
fn cpu(health: &Health) -> Option<f64> {
    let available = health.cpu_available.filter(|available| *available > 0.0)?;
    Some(health.cpu? / available)
}

fn agent_row<'a>(agent: &'a AgentView, condition: Condition, look: Look) -> Row<'a> {
    let (sign, style) = match (condition.bad, condition.gone) {
        (true, true) => ("✗", look.alarm()),
        (true, false) => ("▲", look.alarm()),
        (false, true) => ("○", look.quiet()),
        (false, false) => ("●", look.measured()),
    };
    let name = Line::from(vec![
        Span::styled(format!("{sign} "), style),
        Span::styled(
            agent.name.as_str(),
            if condition.gone {
                look.quiet()
            } else {
                ratatui::style::Style::new()
            },
        ),
    ]);
    let health = Cell {
        text: condition.text,
        style: if condition.bad {
            look.alarm()
        } else {
            look.quiet()
        },
    };
    let cpu = agent.health.as_ref().and_then(cpu);
    let cells = vec![
        health,
        words::percent(agent.share * 100.0).into(),
        words::count(agent.vus).into(),
        words::rate(agent.rate).into(),
        words::time(agent.p95_ns).into(),
        words::time(agent.rtt_ns).into(),
        cpu.map_or_else(|| "-".to_owned(), |used| format!("{:.0}%", used * 100.0))
            .into(),
        heard(agent).into(),
    ];
    (name, cells)
}

fn heard(agent: &AgentView) -> String {
    match agent.heard_ms_ago {
        ms @ 0..10_000 => format!("{}.{}s", ms / 1_000, ms / 100 % 10),
        ms => words::clock(ms.saturating_mul(1_000_000)),
    }
}

fn problem_row<'a>(problem: &'a Problem, look: Look) -> Row<'a> {
    let name = Line::from(vec![
        Span::styled(problem.kind.as_str(), look.alarm()),
        Span::raw("  "),
        Span::styled(problem.sample.as_str(), look.quiet()),
    ]);
    (name, vec![words::count(problem.count).into()])
}

fn step_row<'a>(step: &'a StepView, look: Look) -> Row<'a> {
    let failed = Cell {
        text: words::share(step.failed, step.requests),
        style: if step.failed > 0 {
            look.alarm()
        } else {
            look.quiet()
        },
    };
    let cells = vec![
        words::count(step.requests).into(),
        failed,
        words::time(step.p50_ns).into(),
        words::time(step.p90_ns).into(),
        Cell {
            text: words::time(step.p95_ns),
            style: look.strong(),
        },
        words::time(step.p99_ns).into(),
        words::time(step.max_ns).into(),
    ];
    (Line::raw(step.name.as_str()), cells)
}

fn title(list: List) -> &'static str {
    match list {
        List::Agents => "AGENTS",
        List::Errors => "ERRORS",
        List::Steps => "STEPS",
    }
}

/// As it stands where its key would show it.
fn key(list: List) -> &'static str {
    match list {
        List::Agents => "agents",
        List::Errors => "errors",
        List::Steps => "steps",
    }
}
