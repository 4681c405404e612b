//! A view of a run, and the points of its charts.

use super::{health, ms, signed_ms};
use proto::v1;
use serde_json::{Value, json};

/// How a run stands.
pub(super) fn view(view: &v1::View) -> Value {
    let v1::View {
        run_ns,
        length_ns,
        paused,
        whole,
        now,
        scenarios,
        agents,
        steps,
        problems,
        marks,
    } = view;
    json!({
        "run_ms": signed_ms(*run_ns),
        "length_ms": ms(*length_ns),
        "paused": paused,
        "whole": whole.as_ref().map(span),
        "now": now.as_ref().map(span),
        "scenarios": scenarios.iter().map(scenario).collect::<Value>(),
        "agents": agents.iter().map(agent).collect::<Value>(),
        "steps": steps.iter().map(step).collect::<Value>(),
        "problems": problems.iter().map(problem).collect::<Value>(),
        "marks": marks.iter().map(mark).collect::<Value>(),
    })
}

/// Points.
pub(super) fn seconds(seconds: &v1::Seconds) -> Value {
    let v1::Seconds { all, points } = seconds;
    json!({ "all": all, "points": points.iter().map(second).collect::<Value>() })
}

fn second(second: &v1::Second) -> Value {
    let v1::Second {
        span: measured,
        vus_planned,
        vus,
        due,
        begun,
        agents,
        vus_open,
    } = second;
    json!({
        "span": measured.as_ref().map(span),
        "vus_planned": vus_planned,
        "vus": vus,
        "due": due,
        "begun": begun,
        "agents": agents,
        "vus_open": vus_open,
    })
}

fn span(span: &v1::Span) -> Value {
    let v1::Span {
        from_ns,
        to_ns,
        requests,
        failed,
        rate,
        avg_ns,
        p50_ns,
        p90_ns,
        p95_ns,
        p99_ns,
        max_ns,
        iterations,
        dropped,
        sent_bytes,
        received_bytes,
    } = span;
    json!({
        "from_ms": signed_ms(*from_ns),
        "to_ms": signed_ms(*to_ns),
        "requests": requests,
        "failed": failed,
        "rate": rate,
        "avg_ms": ms(*avg_ns),
        "p50_ms": ms(*p50_ns),
        "p90_ms": ms(*p90_ns),
        "p95_ms": ms(*p95_ns),
        "p99_ms": ms(*p99_ns),
        "max_ms": ms(*max_ns),
        "iterations": iterations,
        "dropped": dropped,
        "sent_bytes": sent_bytes,
        "received_bytes": received_bytes,
    })
}

fn scenario(scenario: &v1::ScenarioView) -> Value {
    let v1::ScenarioView {
        name,
        executor,
        exec,
        stage,
        stages,
        begins_ns,
        ends_ns,
        vus,
        vus_planned,
        rate_planned,
        rate,
        begun,
        completed,
        interrupted,
        dropped,
        expired,
        of,
    } = scenario;
    json!({
        "name": name,
        "executor": executor,
        "exec": exec,
        "stage": stage,
        "stages": stages,
        "begins_ms": ms(*begins_ns),
        "ends_ms": ms(*ends_ns),
        "vus": vus,
        "vus_planned": vus_planned,
        "rate_planned": rate_planned,
        "rate": rate,
        "begun": begun,
        "completed": completed,
        "interrupted": interrupted,
        "dropped": dropped,
        "expired": expired,
        "of": of,
    })
}

fn agent(agent: &v1::AgentView) -> Value {
    let v1::AgentView {
        seat,
        name,
        standing,
        share,
        vus,
        requests,
        rate,
        p95_ns,
        rtt_ns,
        offset_ns,
        heard_ms_ago,
        health: healthy,
    } = agent;
    json!({
        "seat": seat,
        "name": name,
        "standing": standing,
        "share": share,
        "vus": vus,
        "requests": requests,
        "rate": rate,
        "p95_ms": ms(*p95_ns),
        "rtt_ms": ms(*rtt_ns),
        "offset_ms": signed_ms(*offset_ns),
        "heard_ms_ago": heard_ms_ago,
        "health": health(healthy.as_ref()),
    })
}

fn step(step: &v1::StepView) -> Value {
    let v1::StepView {
        name,
        requests,
        failed,
        avg_ns,
        p50_ns,
        p90_ns,
        p95_ns,
        p99_ns,
        max_ns,
    } = step;
    json!({
        "name": name,
        "requests": requests,
        "failed": failed,
        "avg_ms": ms(*avg_ns),
        "p50_ms": ms(*p50_ns),
        "p90_ms": ms(*p90_ns),
        "p95_ms": ms(*p95_ns),
        "p99_ms": ms(*p99_ns),
        "max_ms": ms(*max_ns),
    })
}

fn problem(problem: &v1::Problem) -> Value {
    let v1::Problem {
        kind,
        count,
        sample,
    } = problem;
    json!({ "kind": kind, "count": count, "sample": sample })
}

fn mark(mark: &v1::Mark) -> Value {
    let v1::Mark {
        run_ns,
        kind,
        text,
        who,
    } = mark;
    json!({ "run_ms": signed_ms(*run_ns), "kind": kind, "text": text, "who": who })
}
