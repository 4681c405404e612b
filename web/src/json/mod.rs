//! The wire's messages as JSON: its names, and every `_ns` as `_ms`. Each message is taken apart whole, so that the compiler asks
//! about fields that are new.

mod view;

use proto::v1::{self, Level, run_event};
use serde_json::{Value, json};

/// Milliseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a browser has no other numbers: exact to the microsecond for 285 years"
)]
pub(crate) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// Milliseconds that may be negative.
#[expect(clippy::cast_precision_loss, reason = "as above")]
fn signed_ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

fn health(health: Option<&v1::Health>) -> Value {
    let Some(health) = health else {
        return Value::Null;
    };
    let v1::Health {
        cpu,
        cpu_available,
        throttled_ns,
        lag_p99_ns,
        lag_max_ns,
        lateness_p99_ns,
        lateness_max_ns,
        memory_bytes,
        held_back,
    } = health;
    json!({
        "cpu": cpu,
        "cpu_available": cpu_available,
        "throttled_ms": throttled_ns.map(ms),
        "lag_p99_ms": lag_p99_ns.map(ms),
        "lag_max_ms": lag_max_ns.map(ms),
        "lateness_p99_ms": lateness_p99_ns.map(ms),
        "lateness_max_ms": lateness_max_ns.map(ms),
        "memory_bytes": memory_bytes,
        "held_back": held_back,
    })
}

/// An agent of the fleet.
pub(crate) fn agent(agent: &v1::AgentInfo) -> Value {
    let v1::AgentInfo {
        name,
        host,
        version,
        labels,
        cores,
        workers,
        rtt_ns,
        heard_ms_ago,
        run,
        offset_ns,
        health: healthy,
    } = agent;
    json!({
        "name": name,
        "host": host,
        "version": version,
        "labels": labels,
        "cores": cores,
        "workers": workers,
        "rtt_ms": ms(*rtt_ns),
        "heard_ms_ago": heard_ms_ago,
        "run": run,
        "offset_ms": signed_ms(*offset_ns),
        "health": health(healthy.as_ref()),
    })
}

/// `load` for `STATE_LOAD`.
fn state(state: v1::RunState) -> String {
    let name = state.as_str_name();
    name.strip_prefix("STATE_")
        .unwrap_or(name)
        .to_ascii_lowercase()
}

/// A run.
pub(crate) fn run(info: &v1::RunInfo) -> Value {
    let v1::RunInfo {
        run,
        name,
        state: _,
        started_unix_ms,
        duration_ms,
        agents,
        exit_code,
    } = info;
    json!({
        "run": run,
        "name": name,
        "state": state(info.state()),
        "started_unix_ms": started_unix_ms,
        "duration_ms": duration_ms,
        "agents": agents,
        "exit_code": (*exit_code >= 0).then_some(exit_code),
    })
}

/// An event's name and data; none for what only the command line shows.
pub(crate) fn event(event: &run_event::Event) -> Option<(&'static str, Value)> {
    use run_event::Event;
    Some(match event {
        Event::State(changed) => {
            let v1::StateChanged {
                state: _,
                text,
                within_ns,
            } = changed;
            let told = json!({
                "state": state(changed.state()),
                "text": text,
                "within_ms": ms(*within_ns),
            });
            ("state", told)
        }
        Event::View(shown) => ("view", view::view(shown)),
        Event::Seconds(seconds) => ("seconds", view::seconds(seconds)),
        Event::Log(line) => ("log", log(line)),
        Event::Over(over) => {
            let v1::RunOver {
                report,
                exit_code,
                text,
            } = over;
            let report: Value = serde_json::from_slice(report).unwrap_or_default();
            (
                "over",
                json!({ "exit_code": exit_code, "text": text, "report": report }),
            )
        }
        // The view has more.
        Event::Progress(_) => return None,
    })
}

fn log(line: &v1::LogLine) -> Value {
    let v1::LogLine {
        level: _,
        text,
        count,
        sample,
        error,
    } = line;
    let level = match line.level() {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    json!({ "level": level, "text": text, "count": count, "sample": sample, "error": error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_on_has_no_exit_code() {
        let mut info = v1::RunInfo {
            run: "r".into(),
            exit_code: -1,
            ..v1::RunInfo::default()
        };
        info.set_state(v1::RunState::StateLoad);
        assert_eq!(run(&info)["exit_code"], Value::Null);
        assert_eq!(run(&info)["state"], "load");
        info.exit_code = 0;
        assert_eq!(run(&info)["exit_code"], 0);
    }

    #[test]
    fn times_are_in_milliseconds_and_what_was_not_measured_is_null() {
        let info = v1::AgentInfo {
            rtt_ns: 1_500_000,
            offset_ns: -2_000,
            health: Some(v1::Health {
                lag_max_ns: Some(250_000),
                ..v1::Health::default()
            }),
            ..v1::AgentInfo::default()
        };
        let told = agent(&info);
        assert_eq!(told["rtt_ms"], 1.5);
        assert_eq!(told["offset_ms"], -0.002);
        assert_eq!(told["health"]["lag_max_ms"], 0.25);
        assert_eq!(told["health"]["cpu"], Value::Null);
        assert_eq!(agent(&v1::AgentInfo::default())["health"], Value::Null);
    }

    #[test]
    fn the_end_of_a_run_brings_its_report() {
        let over = v1::RunOver {
            report: br#"{"a":1}"#.to_vec(),
            exit_code: 99,
            text: String::new(),
        };
        let (name, told) = event(&run_event::Event::Over(over)).expect("told");
        assert_eq!(name, "over");
        assert_eq!(
            told,
            json!({ "exit_code": 99, "text": "", "report": { "a": 1 } })
        );
        assert_eq!(
            event(&run_event::Event::Progress(v1::Progress::default())),
            None
        );
    }
}
