//! Agents that die, leave and come while a run goes on, with the demo's ledger as witness: never more than the plan, the gap that the
//! report states is the one there was, and the whole rate again afterwards.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, Said, Standing, get, throng};
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

/// A look at what the target saw, in seconds since nothing had come for the last time.
struct Look {
    asked: f64,
    answered: f64,
    requests: u64,
}

/// What the target saw, looked at again and again.
struct Seen {
    looks: Vec<Look>,
}

impl Seen {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test of real processes waits in real time"
    )]
    fn watch(address: SocketAddr, mut at: impl FnMut(f64)) -> Self {
        let requests = || get(address, "/ledger")["requests"].as_u64().unwrap();
        let mut begun = std::time::Instant::now();
        crate::common::wait_for(|| {
            let asked = std::time::Instant::now();
            let none = requests() == 0;
            if none {
                begun = asked;
            }
            !none
        });
        let mut looks = Vec::new();
        while begun.elapsed() < Duration::from_secs(LENGTH + 1) {
            let asked = begun.elapsed().as_secs_f64();
            at(asked);
            let requests = requests();
            // However long a busy machine takes to look.
            let answered = begun.elapsed().as_secs_f64();
            looks.push(Look {
                asked,
                answered,
                requests,
            });
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { looks }
    }

    fn by(&self, second: f64) -> u64 {
        let before = self.looks.iter().take_while(|look| look.asked <= second);
        before.last().map_or(0, |look| look.requests)
    }

    /// The plan at every look; what is due first may come half a second late. And the plan between any two looks at least 3 s apart:
    /// what was due before the first of them and comes after it is begun within `catchUp`, 1 s, or never, and may be on its way for half
    /// a second. A load that is made twice, also after a gap, is more.
    #[track_caller]
    fn never_above_the_plan(&self) {
        for Look {
            answered, requests, ..
        } in &self.looks
        {
            let due = (RATE as f64 * (answered + 0.5)).min((RATE * LENGTH) as f64);
            assert!(
                *requests as f64 <= due + 1.0,
                "{requests} requests after {answered:.2} s"
            );
        }
        for (number, from) in self.looks.iter().enumerate() {
            for to in &self.looks[number..] {
                let seconds = to.answered - from.asked;
                let came = to.requests - from.requests;
                let most = RATE as f64 * (seconds + 1.0 + 0.5) + 1.0;
                assert!(
                    to.asked < from.answered + 3.0 || came as f64 <= most,
                    "{came} requests within {seconds:.2} s from {:.2} s on",
                    from.asked
                );
            }
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

/// What a machine that is busy with other things may spoil: when things were done. What was done it may not.
const TIMES: [&str; 5] = [
    "lateness p99",
    "event-loop lag p99",
    "longest stall of an event loop",
    "CPU used of available",
    "throttled by the cgroup",
];

/// Beside the times, these facets and no others are DEGRADED, and none is INVALID; the exit code follows from the grade.
#[track_caller]
fn judged(said: &Said, summary: &Value, degraded: &[&str]) {
    let facets = summary["verdict"]["facets"].as_array().unwrap();
    let expired = summary["conservation"]["scenarios"][0]["expired"] != 0.0;
    let late = |name: &str| TIMES.contains(&name) || (expired && name.starts_with("load "));
    let mut found = Vec::new();
    for facet in facets {
        let name = facet["name"].as_str().unwrap();
        match facet["grade"].as_str().unwrap() {
            "DEGRADED" if degraded.contains(&name) => found.push(name),
            "DEGRADED" | "INVALID" => assert!(late(name), "{facet}"),
            _ => {}
        }
    }
    assert_eq!(found, degraded, "{facets:?}");
    let invalid = summary["verdict"]["grade"] == "INVALID";
    assert_eq!(said.code, if invalid { 121 } else { 0 }, "{}", said.err);
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
    seen.never_above_the_plan();

    let summary = folder.json("s.json");
    assert_eq!(
        fates(&summary),
        named(&[("a", "done"), ("b", "lost"), ("c", "done"), ("d", "done")])
    );
    let line = &summary["conservation"]["scenarios"][0];
    let of = |name: &str| number(&line[name]);
    // All shares are made again after the lease, some look and lead, and while another takes its part. (What expires, a machine that
    // is busy with other things let expire.)
    let late = seen.by(19.5) - seen.by(10.0) + of("expired") + of("dropped");
    assert!(late >= 9 * RATE, "{late} requests in 9.5 s: {}", said.err);
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
    let after = said.out.split("handed to 2 agents after ").nth(1);
    let after = after.and_then(|text| text.split('s').next()?.parse::<f64>().ok());
    assert!(
        said.out.contains("b lost at") && after.is_some_and(|after| (5.0..8.0).contains(&after)),
        "{}",
        said.out
    );
    assert_eq!(summary["conservation"]["requests"]["unaccounted"], 0);
    judged(
        &said,
        &summary,
        &["load lost, expired or unaccounted", "intervals missing"],
    );
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
    judged(&said, &summary, &[]);
    drop(stays);
}

#[test]
fn an_agent_that_is_frozen_beyond_its_lease_wakes_without_a_burst_tells_what_it_did_and_joins_again()
 {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("frozen"));
    let fleet = [controller.agent("a"), controller.agent("b")];
    let run = start(&demo, &controller, &folder, 2);
    let (mut stopped, mut woken) = (None, false);
    let seen = Seen::watch(demo.address, |at| match stopped {
        None if at > 3.0 => {
            fleet[1].signal("-STOP");
            stopped = Some(at);
        }
        Some(since) if at > since + 7.0 && !std::mem::replace(&mut woken, true) => {
            fleet[1].signal("-CONT");
        }
        _ => {}
    });
    let said = run.end();
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
    assert_eq!(summary["conservation"]["requests"]["unaccounted"], 0);
    assert_eq!(summary["conservation"]["completeness"]["share"], 1.0);
    judged(&said, &summary, &["load lost, expired or unaccounted"]);
}
