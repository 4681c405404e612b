//! A run that never was: what a controller tells of it, as messages of the wire.

use proto::v1::run_event::Event;
use proto::v1::{
    AgentView, Health, Mark, Problem, RunState, ScenarioView, Second, Seconds, Span, StateChanged,
    StepView, View,
};

pub(super) const MS: u64 = 1_000_000;
pub(super) const S: i64 = 1_000_000_000;

/// The rush of the first test, after so many seconds.
pub(super) fn view(seconds: i64) -> View {
    let s = u64::try_from(seconds).unwrap();
    View {
        run_ns: seconds * S + 40_000_000,
        length_ns: 35 * S.unsigned_abs(),
        paused: false,
        whole: Some(span(0, seconds, 28 * s, 2 * s / 5, 6_200 * MS)),
        now: Some(span(seconds - 5, seconds, 139, 1, 6_080 * MS)),
        scenarios: vec![ScenarioView {
            name: "reservation".to_owned(),
            executor: "ramping-vus".to_owned(),
            exec: "default".to_owned(),
            stage: 2,
            stages: 3,
            begins_ns: 0,
            ends_ns: 35 * S.unsigned_abs(),
            vus: 97,
            vus_planned: 100,
            rate: 5.57,
            begun: 134,
            completed: 34,
            ..ScenarioView::default()
        }],
        agents: vec![agent(0, "local-1"), agent(1, "local-2")],
        steps: vec![
            step("GET /api/waiting-queue/position", 200, 0),
            step("GET /api/concerts/{{ id }}/schedules", 120, 0),
            step(
                "POST /api/concerts/{{ id }}/schedules/{{ s }}/seats/reservation",
                93,
                7,
            ),
        ],
        problems: vec![
            problem(
                "HTTP 409 Conflict",
                6,
                "POST http://127.0.0.1:39333/api/concerts/1/schedules/1/seats/reservation",
            ),
            problem(
                "HTTP 500 Internal Server Error",
                2,
                "POST http://127.0.0.1:39333/api/concerts/1/schedules/1/seats/reservation/payment",
            ),
        ],
        marks: vec![
            mark(0, "stage", "reservation: stage 1, to 100"),
            mark(1, "stage", "reservation: stage 2, to 100"),
            mark(9, "note", "the cache was emptied"),
        ],
    }
}

pub(super) fn span(from: i64, to: i64, requests: u64, failed: u64, p95: u64) -> Span {
    Span {
        from_ns: from * S,
        to_ns: to * S,
        requests,
        failed,
        rate: requests as f64 / (to - from).max(1) as f64,
        avg_ns: p95 / 3,
        p50_ns: p95 / 4,
        p90_ns: p95 * 5 / 6,
        p95_ns: p95,
        p99_ns: p95 * 5 / 4,
        max_ns: p95 * 4 / 3,
        iterations: requests / 5,
        dropped: 0,
        sent_bytes: requests * 170,
        received_bytes: requests * 4_000,
    }
}

pub(super) fn agent(seat: u32, name: &str) -> AgentView {
    AgentView {
        seat,
        name: name.to_owned(),
        standing: "running".to_owned(),
        share: 0.5,
        vus: 48,
        requests: 247,
        rate: 13.9,
        p95_ns: 6_100 * MS,
        rtt_ns: 106_920,
        offset_ns: 0,
        heard_ms_ago: 212,
        health: Some(Health {
            cpu: Some(0.02),
            cpu_available: Some(1.0),
            lateness_p99_ns: Some(2 * MS),
            lag_p99_ns: Some(MS),
            ..Health::default()
        }),
    }
}

fn step(name: &str, requests: u64, failed: u64) -> StepView {
    StepView {
        name: name.to_owned(),
        requests,
        failed,
        avg_ns: 900 * MS,
        p50_ns: 700 * MS,
        p90_ns: 1_900 * MS,
        p95_ns: 2_400 * MS,
        p99_ns: 4_100 * MS,
        max_ns: 5_020 * MS,
    }
}

pub(super) fn problem(kind: &str, count: u64, sample: &str) -> Problem {
    Problem {
        kind: kind.to_owned(),
        count,
        sample: sample.to_owned(),
    }
}

fn mark(seconds: i64, kind: &str, text: &str) -> Mark {
    Mark {
        run_ns: seconds * S,
        kind: kind.to_owned(),
        text: text.to_owned(),
        who: String::new(),
    }
}

/// Its seconds `from..to`: a ramp of a second, a dip of what is held, a rising p95.
pub(super) fn seconds(all: bool, from: i64, to: i64) -> Seconds {
    let points = (from..to).map(|second| {
        let rising = 60 + 150 * u64::try_from(second).unwrap();
        let p95 = rising.min(6_200) * MS;
        let dip = if (5..8).contains(&second) { 45.0 } else { 0.0 };
        let planned = if second == 0 { 50.0 } else { 100.0 };
        Second {
            span: Some(span(
                second,
                second + 1,
                20 + 3 * (second as u64 % 5),
                0,
                p95,
            )),
            vus_planned: planned,
            vus: planned - dip,
            agents: 2,
            ..Second::default()
        }
    });
    Seconds {
        all,
        points: points.collect(),
    }
}

pub(super) fn state(state: RunState, text: &str, within_s: u64) -> Event {
    Event::State(StateChanged {
        state: state.into(),
        text: text.to_owned(),
        within_ns: within_s * 1_000_000_000,
    })
}
