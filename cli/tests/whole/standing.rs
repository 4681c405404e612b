//! A standing controller with agents of their own: detach, wait, list, queue, refuse, stop.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, Said, repository, run, said, throng};
use crate::counts::{count, ledger, reported};

fn rush(demo: &Demo, controller: &Controller, more: &[&str]) -> Said {
    let (file, url) = (repository("cli/tests/scenarios/rush.yaml"), demo.url());
    let mut arguments = vec![
        "run",
        &file,
        "--base-url",
        &url,
        "--controller",
        &controller.url,
        "--compat",
        "k6",
    ];
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn a_fleet_of_processes() {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("standing"));
    let _fleet = [
        controller.agent("red"),
        controller.agent("green"),
        controller.agent("blue"),
    ];

    // Attached, and waiting for all three.
    let said = rush(
        &demo,
        &controller,
        &["--expect-agents", "3", "--summary", &folder.file("s.json")],
    );
    said.ran();
    let summary = folder.json("s.json");
    assert_eq!(reported(&summary), ledger(&demo.ledger()));
    assert_eq!(summary["agents"].as_array().unwrap().len(), 3);

    let agents = run(&["agents", "--controller", &controller.url]);
    assert_eq!(agents.code, 0);
    for name in ["red", "green", "blue"] {
        assert!(agents.out.contains(name), "{}", agents.out);
    }

    // Detached, queued behind, refused, stopped gracefully, and waited for.
    let first = rush(
        &demo,
        &controller,
        &["--detach", "-s", "100ms:5", "-s", "10m:5"],
    );
    assert_eq!(first.code, 0, "{}", first.err);
    let first = first.out.trim().to_owned();
    let second = rush(&demo, &controller, &["--detach", "-u", "1", "-i", "3"]);
    assert_eq!(second.code, 0, "{}", second.err);
    let refused = rush(&demo, &controller, &["--no-queue"]);
    assert_eq!(
        (refused.code, refused.out.as_str()),
        (122, ""),
        "{}",
        refused.err
    );
    assert!(refused.err.contains(&first), "{}", refused.err);

    let runs = run(&["runs", "--controller", &controller.url]);
    assert!(
        runs.out.contains(&first) && runs.out.contains("queued"),
        "{}",
        runs.out
    );

    // It has begun when the demo hears of it.
    let before = demo.ledger()["requests"].as_u64().unwrap();
    crate::common::wait_for(|| demo.ledger()["requests"].as_u64().unwrap() > before + 20);
    let stopped = run(&[
        "stop",
        &first,
        "--graceful",
        "--controller",
        &controller.url,
    ]);
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    let waited = run(&[
        "wait",
        &first,
        "--controller",
        &controller.url,
        "--summary",
        &folder.file("first.json"),
    ]);
    assert_eq!(waited.code, 105, "{}", waited.err);
    let first_summary = folder.json("first.json");
    assert_eq!(
        first_summary["conservation"]["requests"]["cut"].as_u64(),
        Some(0),
        "graceful: nothing was cut"
    );

    let waited = run(&[
        "wait",
        second.out.trim(),
        "--controller",
        &controller.url,
        "--summary",
        &folder.file("second.json"),
    ]);
    waited.ran();
    assert_eq!(count(&folder.json("second.json"), "iterations"), 3);

    // A run that is over answers at once, again.
    let again = run(&["wait", &first, "--controller", &controller.url]);
    assert_eq!(
        (again.code, again.out),
        (105, waited_report(&controller, &first))
    );
    let was_over = run(&["stop", &first, "--controller", &controller.url]);
    assert!(
        was_over.out.contains("was over already"),
        "{}",
        was_over.out
    );
}

fn waited_report(controller: &Controller, run_id: &str) -> String {
    run(&["wait", run_id, "--controller", &controller.url]).out
}

#[test]
fn the_controllers_url_can_come_from_the_environment() {
    let controller = Controller::start();
    let output = throng(&["agents"])
        .env("THRONG_CONTROLLER", &controller.url)
        .output()
        .unwrap();
    let said = said(&output);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("no agents"), "{}", said.out);
}

#[test]
fn killing_the_command_line_does_not_stop_its_run() {
    let (demo, controller) = (Demo::fast(), Controller::start());
    let _agent = controller.agent("alone");
    let (file, url) = (repository("cli/tests/scenarios/rush.yaml"), demo.url());
    let watcher = crate::common::Standing::start(throng(&[
        "run",
        &file,
        "--base-url",
        &url,
        "--controller",
        &controller.url,
        "--compat",
        "k6",
        "-s",
        "100ms:5",
        "-s",
        "10m:5",
    ]));
    let id = watcher.until(|line| {
        line.strip_prefix("run ")
            .map(|rest| rest.split([':', ' ']).next().unwrap_or(rest).to_owned())
    });
    crate::common::wait_for(|| demo.ledger()["requests"].as_u64().unwrap() > 20);
    drop(watcher);
    let before = demo.ledger()["requests"].as_u64().unwrap();
    crate::common::wait_for(|| demo.ledger()["requests"].as_u64().unwrap() > before + 100);
    assert_eq!(run(&["stop", &id, "--controller", &controller.url]).code, 0);
    assert_eq!(
        run(&["wait", &id, "--controller", &controller.url]).code,
        105
    );
}
