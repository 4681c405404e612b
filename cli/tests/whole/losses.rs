//! What a run does about a lost agent when it is told not to hand its share over: go on without it, or end. The demo's ledger is the
//! witness.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, Standing, throng, wait_for};
use serde_json::Value;

/// Arrivals a second.
const RATE: u64 = 100;
/// Seconds of load, where it is not cut.
const LENGTH: u64 = 14;

/// Two agents with half of 100 arrivals a second each; the second is killed when load has come.
struct Loss {
    demo: Demo,
    controller: Controller,
    folder: Folder,
    _stays: Standing,
    run: Standing,
}

impl Loss {
    fn of_one(policy: &str, duration: &str) -> Self {
        let (demo, controller) = (Demo::fast(), Controller::start());
        let folder = Folder::new(&format!("loss-{policy}"));
        let (stays, dies) = (controller.agent("a"), controller.agent("b"));
        let scenario = format!(
            "
scenarios:
  load: {{ executor: constant-arrival-rate, rate: {RATE}, duration: {duration}, preAllocatedVUs: 300, gracefulStop: 5s }}
flows:
  default: [{{ get: / }}]
"
        );
        let run = Standing::start(throng(&[
            "run",
            &folder.write("open.yaml", &scenario),
            "--base-url",
            &demo.url(),
            "--controller",
            &controller.url,
            "--expect-agents",
            "2",
            "--on-agent-loss",
            policy,
            "--summary",
            &folder.file("s.json"),
        ]));
        wait_for(|| demo.ledger()["requests"].as_u64().unwrap() > 120);
        dies.signal("-KILL");
        Self {
            demo,
            controller,
            folder,
            _stays: stays,
            run,
        }
    }
}

fn line(summary: &Value, name: &str) -> u64 {
    let value = &summary["conservation"]["scenarios"][0][name];
    value.as_f64().unwrap() as u64
}

fn fates(summary: &Value) -> Vec<(&str, &str)> {
    let agents = summary["agents"].as_array().unwrap();
    agents
        .iter()
        .map(|agent| {
            (
                agent["name"].as_str().unwrap(),
                agent["fate"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_run_that_is_to_end_with_a_loss_is_cut_and_says_whose_it_was() {
    let loss = Loss::of_one("abort", "10m");
    let said = loss.run.end();
    assert_eq!(said.code, 122, "{}\n{}", said.err, said.out);
    assert!(
        said.out.contains("b lost: unheard")
            && said.out.contains("was aborted because an agent was lost"),
        "{}",
        said.out
    );
    let summary = loss.folder.json("s.json");
    assert_eq!(summary["run"]["ended"], "agent_lost");
    assert_eq!(fates(&summary), [("a", "done"), ("b", "lost")]);
    // Of the other all is known, and of the lost one what it had told.
    let truth = loss.demo.ledger()["requests"].as_u64().unwrap();
    let cut = summary["conservation"]["iterations"]["interrupted"].as_u64();
    let (made, silent) = (line(&summary, "made"), line(&summary, "silent"));
    assert!(
        made - cut.unwrap() <= truth && truth <= made + silent,
        "{truth} requests, {made} made, {cut:?} cut, {silent} silent"
    );
}

#[test]
fn a_run_that_is_to_go_on_without_the_lost_hands_nothing_over_and_lets_nobody_in() {
    let loss = Loss::of_one("continue", &format!("{LENGTH}s"));
    let _stranger = loss.controller.agent("c");
    let said = loss.run.end();
    said.ran();
    assert!(
        said.out.contains("b lost at") && said.out.contains("nobody took over its share"),
        "{}",
        said.out
    );
    let summary = loss.folder.json("s.json");
    assert_eq!(fates(&summary), [("a", "done"), ("b", "lost")]);
    let of = |name: &str| line(&summary, name);
    assert_eq!(of("planned"), RATE * LENGTH);
    assert_eq!(
        of("made") + of("dropped") + of("expired") + of("lost") + of("unaccounted"),
        RATE * LENGTH
    );
    // Every second arrival was the other's, to the end, and no more than these.
    let other = summary["agents"][0]["requests"].as_u64().unwrap();
    let late = of("expired") + of("dropped");
    assert!(
        other <= RATE / 2 * LENGTH && other + late >= RATE / 2 * LENGTH,
        "{other} requests, {late} too late"
    );
    let truth = loss.demo.ledger()["requests"].as_u64().unwrap();
    assert!(
        of("made") <= truth && truth <= of("made") + of("silent"),
        "{truth} requests: {}",
        summary["conservation"]["scenarios"][0]
    );
}
