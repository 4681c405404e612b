//! What dashboards draw their annotations from: stages, pauses, lost agents and the end of a run, as outputs tell them.

use crate::common::{Demo, Folder, Standing, run, throng, wait_for};
use crate::servers::{Influx, ask};
use serde_json::Value;
use std::net::SocketAddr;

/// One that never ends by itself: it is stopped when everything was seen.
const SCENARIO: &str = "
scenarios:
  visitors: { executor: ramping-vus, startVUs: 2, stages: [{ duration: 1s, target: 4 }, { duration: 1h, target: 4 }] }
flows:
  default: [{ get: /healthz }, { sleep: 200ms }]
";

fn agent(url: &str, name: &str) -> Standing {
    Standing::start(throng(&[
        "agent",
        "--controller",
        url,
        "--name",
        name,
        "--log-format",
        "json",
    ]))
}

#[test]
fn stages_pauses_lost_agents_and_the_end_are_told() {
    let folder = Folder::new("marks");
    all_are_told(&folder, &[], |metrics, _, kind, text| {
        let kind = format!("kind=\"{kind}\"");
        let page = ask(metrics, "/metrics", &[]);
        page.is_some_and(|(_, page)| {
            page.lines().any(|line| {
                line.starts_with("throng_event{") && line.contains(&kind) && line.contains(text)
            })
        })
    });
}

#[test]
#[ignore = "needs influxd"]
fn stages_pauses_lost_agents_and_the_end_are_in_influxdb() {
    let folder = Folder::new("marks-influx");
    let influx = Influx::start(&folder);
    let out = format!("influxdb={}/k6,layout=throng,flush=1s", influx.url());
    all_are_told(&folder, &["--out", &out], |_, run, kind, text| {
        // The database is made with the first lines.
        let databases = influx.rows("SHOW DATABASES");
        if !databases.iter().any(|row| row[0] == "k6") {
            return false;
        }
        let rows = influx.rows(&format!(
            "SELECT \"text\" FROM \"throng_events\" WHERE \"run\" = '{run}' AND \"kind\" = '{kind}'"
        ));
        rows.iter()
            .any(|row| row[1].as_str().is_some_and(|told| told.contains(text)))
    });
}

/// A run to which all of it happens, on a controller with more flags. `there` looks for an event, given where /metrics is, the run, the
/// event's kind and a part of its text.
fn all_are_told(
    folder: &Folder,
    more: &[&str],
    there: impl Fn(SocketAddr, &str, &str, &str) -> bool,
) {
    let demo = Demo::fast();
    let state = folder.file("state");
    let mut command = throng(&[
        "controller",
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "127.0.0.1:0",
        "--state",
        &state,
        "--log-format",
        "json",
    ]);
    command.args(more);
    let controller = Standing::start(command);
    let url = format!("http://{}", controller.address());
    let metrics = controller.until(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line["fields"]["metrics"].as_str()?.parse().ok()
    });
    let (_one, two) = (agent(&url, "one"), agent(&url, "two"));
    let scenario = folder.file("s.yaml");
    std::fs::write(&scenario, SCENARIO).unwrap();
    let control = |arguments: &[&str]| {
        let said = run(&[arguments, &["--controller", &url]].concat());
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
        said.out
    };
    let target = demo.url();
    let id = control(&[
        "run",
        &scenario,
        "--base-url",
        &target,
        "--expect-agents",
        "2",
        "--detach",
    ]);
    let id = id.trim();
    let told = |kind: &str, text: &str| wait_for(|| there(metrics, id, kind, text));
    told("stage", "visitors: stage 2");
    control(&["pause", id]);
    told("change", "paused");
    control(&["resume", id]);
    told("change", "resumed");
    two.signal("-KILL");
    told("lost", "two lost");
    control(&["stop", id]);
    told("end", "");
}
