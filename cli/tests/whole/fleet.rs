//! Agents that die, leave and come while a run goes on, with the demo's ledger as witness: never more than the plan, the gap that the
//! report states is the one there was, and the whole rate again afterwards.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, Standing, get, throng};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// Arrivals a second, for [`LENGTH`].
const RATE: u64 = 100;
/// Seconds.
const LENGTH: u64 = 20;

const OPEN: &str = "
scenarios:
  load: { executor: constant-arrival-rate, rate: 100, duration: 20s, preAllocatedVUs: 300, gracefulStop: 5s }
flows:
  default:
    - get: /
";

/// What the target saw, looked at again and again: seconds since its first request, and requests.
struct Seen {
    looks: Vec<(f64, u64)>,
}

impl Seen {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test of real processes waits in real time"
    )]
    fn watch(address: SocketAddr, mut at: impl FnMut(f64)) -> Self {
        let requests = || get(address, "/ledger")["requests"].as_u64().unwrap();
        crate::common::wait_for(|| requests() > 0);
        let begun = std::time::Instant::now();
        let mut looks = Vec::new();
        while begun.elapsed() < Duration::from_secs(LENGTH + 1) {
            let now = begun.elapsed().as_secs_f64();
            at(now);
            looks.push((now, requests()));
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { looks }
    }

    fn by(&self, second: f64) -> u64 {
        let before = self.looks.iter().take_while(|(at, _)| *at <= second);
        before.last().map_or(0, |(_, requests)| *requests)
    }

    /// The plan at every look, with what a look itself takes.
    #[track_caller]
    fn never_above_the_plan(&self) {
        for (at, requests) in &self.looks {
            let due = (RATE as f64 * (at + 0.5)).min((RATE * LENGTH) as f64);
            assert!(
                *requests as f64 <= due + 1.0,
                "{requests} requests after {at:.2} s"
            );
        }
    }
}

fn start(demo: &Demo, controller: &Controller, folder: &Folder, agents: u32) -> Standing {
    Standing::start(throng(&[
        "run",
        &folder.write("open.yaml", OPEN),
        "--base-url",
        &demo.url(),
        "--controller",
        &controller.url,
        "--expect-agents",
        &agents.to_string(),
        "--summary",
        &folder.file("s.json"),
    ]))
}

fn number(value: &Value) -> u64 {
    value.as_f64().unwrap() as u64
}

fn fates(summary: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let agents = summary["agents"].as_array().unwrap();
    agents
        .iter()
        .map(|agent| (text(&agent["name"]), text(&agent["fate"])))
        .collect()
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, fate)| ((*name).to_owned(), (*fate).to_owned()))
        .collect()
}

/// The data have a gap. (On a machine that is busy with other things throng may find its own lateness too great besides.)
#[track_caller]
fn a_gap(summary: &Value) {
    let grade = &summary["verdict"]["grade"];
    assert!(grade == "DEGRADED" || grade == "INVALID", "{grade}");
    let facets = summary["verdict"]["facets"].as_array().unwrap();
    let gap = facets
        .iter()
        .find(|facet| facet["name"] == "load lost, expired or unaccounted");
    assert_eq!(gap.unwrap()["grade"], "DEGRADED");
}

#[test]
fn a_killed_agents_share_goes_to_the_others_and_another_fills_its_place() {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("killed"));
    let fleet = [
        controller.agent("a"),
        controller.agent("b"),
        controller.agent("c"),
    ];
    let run = start(&demo, &controller, &folder, 3);
    let mut killed = false;
    let mut comes = None;
    let seen = Seen::watch(demo.address, |at| {
        if at > 3.0 && !std::mem::replace(&mut killed, true) {
            fleet[1].signal("-KILL");
        }
        if at > 10.0 && comes.is_none() {
            comes = Some(controller.agent("d"));
        }
    });
    let said = run.end();
    said.ran();
    seen.never_above_the_plan();

    // All shares are made again after the lease, some look and lead, and while another takes its part.
    let late = seen.by(19.5) - seen.by(10.0);
    assert!(late >= 9 * RATE, "{late} requests in 9.5 s: {}", said.err);

    let summary = folder.json("s.json");
    assert_eq!(
        fates(&summary),
        named(&[("a", "done"), ("b", "lost"), ("c", "done"), ("d", "done")])
    );
    let line = &summary["conservation"]["scenarios"][0];
    let of = |name: &str| number(&line[name]);
    assert_eq!(of("planned"), RATE * LENGTH);
    assert_eq!(
        of("made") + of("dropped") + of("expired") + of("lost") + of("unaccounted"),
        RATE * LENGTH,
        "{line}"
    );
    assert_eq!(
        of("unaccounted"),
        of("silent"),
        "only of the killed agent is anything unknown: {line}"
    );
    // What it did after it was heard for the last time, the target has seen and nobody could report.
    let truth = demo.ledger()["requests"].as_u64().unwrap();
    assert!(
        of("made") <= truth && truth <= of("made") + of("silent"),
        "{truth} requests: {line}"
    );

    let changes = summary["fleet"].as_array().unwrap();
    let events: Vec<&str> = changes
        .iter()
        .map(|change| change["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["lost", "joined"], "{changes:?}");
    let gap = &changes[0]["gap"];
    assert_eq!(
        (number(&gap["iterations"]), number(&gap["silent"])),
        (of("lost"), of("silent"))
    );
    // Its third, for its lease and until it was handed over; some it still made.
    let missing = of("lost") + of("silent");
    assert!(
        (5 * RATE / 3..=8 * RATE / 3).contains(&missing),
        "{missing} are missing: {changes:?}"
    );
    assert!(
        said.out.contains("b lost at") && said.out.contains("handed to 2 agents after 5."),
        "{}",
        said.out
    );
    a_gap(&summary);
}

#[test]
fn an_agent_that_is_told_to_end_hands_its_share_over_without_a_gap() {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("drained"));
    let stays = controller.agent("a");
    let mut goes = Some(controller.agent("b"));
    let run = start(&demo, &controller, &folder, 2);
    let mut ended = None;
    let seen = Seen::watch(demo.address, |at| {
        if at > 4.0
            && let Some(agent) = goes.take()
        {
            agent.signal("-TERM");
            ended = Some(std::thread::spawn(|| agent.end()));
        }
    });
    let said = run.end();
    said.ran();
    seen.never_above_the_plan();
    let left = ended.unwrap().join().unwrap();
    assert_eq!(left.code, 0, "{}", left.err);

    let summary = folder.json("s.json");
    assert_eq!(fates(&summary), named(&[("a", "done"), ("b", "drained")]));
    let line = &summary["conservation"]["scenarios"][0];
    let of = |name: &str| number(&line[name]);
    // A machine that is busy with other things for a second may let arrivals expire; nothing else may go wrong.
    assert_eq!(
        (of("dropped"), of("lost"), of("unaccounted")),
        (0, 0, 0),
        "{line}"
    );
    assert_eq!(of("made") + of("expired"), RATE * LENGTH, "{line}");
    let seen = demo.ledger()["requests"].as_u64().unwrap();
    assert_eq!(seen, of("made"));
    assert_eq!(
        seen,
        number(&summary["metrics"]["http_reqs"]["values"]["count"])
    );
    assert!(
        said.out.contains("b left (drain)") && said.out.contains("no gap"),
        "{}",
        said.out
    );
    drop(stays);
}

#[test]
fn an_agent_that_is_frozen_beyond_its_lease_wakes_without_a_burst_tells_what_it_did_and_joins_again()
 {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("frozen"));
    let fleet = [controller.agent("a"), controller.agent("b")];
    let run = start(&demo, &controller, &folder, 2);
    let mut signals = vec![(10.0, "-CONT"), (3.0, "-STOP")];
    let seen = Seen::watch(demo.address, |at| {
        if let Some((_, signal)) = signals.pop_if(|(when, _)| at > *when) {
            fleet[1].signal(signal);
        }
    });
    let said = run.end();
    said.ran();
    seen.never_above_the_plan();
    let summary = folder.json("s.json");
    assert_eq!(
        fates(&summary),
        named(&[("a", "done"), ("b", "left"), ("b", "done")])
    );
    let line = &summary["conservation"]["scenarios"][0];
    let of = |name: &str| number(&line[name]);
    assert_eq!(of("unaccounted"), 0, "it came back and told: {line}");
    assert_eq!(
        of("made") + of("dropped") + of("expired") + of("lost"),
        RATE * LENGTH,
        "{line}"
    );
    assert!(
        (4 * RATE / 2..=8 * RATE / 2).contains(&of("lost")),
        "{line}"
    );
    assert_eq!(
        demo.ledger()["requests"].as_u64().unwrap(),
        number(&summary["conservation"]["requests"]["merged"])
    );
    let changes = summary["fleet"].as_array().unwrap();
    let events: Vec<&str> = changes
        .iter()
        .map(|change| change["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["lost", "joined"], "{changes:?}");
    a_gap(&summary);
}
