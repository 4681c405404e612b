//! An agent that is killed and started again on the same spool: its successor proves that the process has ended, so that nobody waits
//! for its lease.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, Standing, repository, run, throng, wait_for};

#[test]
fn the_next_life_on_a_spool_proves_the_last_ones_end_and_its_share_need_not_wait() {
    let (demo, folder) = (Demo::fast(), Folder::new("successor"));
    let runs = folder.file("runs");
    // Longer than this test waits for anything: without the proof nothing would happen.
    let lease = ["--lease", "60s"];
    let controller = Controller::keeping_with(&runs, None, &lease);
    let spool = folder.file("spool");
    let b = || controller.agent_with("b", &["--spool", &spool]);
    let (_stays, first) = (controller.agent("a"), b());
    let watcher = Standing::start(throng(&[
        "run",
        &repository("cli/tests/scenarios/rush.yaml"),
        "--base-url",
        &demo.url(),
        "--controller",
        &controller.url,
        "--expect-agents",
        "2",
        "-s",
        "100ms:6",
        "-s",
        "10m:6",
        "--summary",
        &folder.file("s.json"),
    ]));
    let requests = || demo.ledger()["requests"].as_u64().unwrap();
    wait_for(|| requests() > 200);
    // SIGKILL.
    drop(first);
    let _second = b();
    watcher.until(|line| line.contains("its process has ended").then_some(()));
    watcher.until(|line| line.contains("b joins at").then_some(()));
    let id = folder_of(&runs);
    let stopped = run(&["stop", &id, "--graceful", "--controller", &controller.url]);
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    let said = watcher.end();
    assert_eq!(said.code, 105, "{}\n{}", said.err, said.out);
    let summary = folder.json("s.json");
    let changes = summary["fleet"].as_array().unwrap();
    let events: Vec<_> = changes
        .iter()
        .map(|change| (change["agent"].as_str(), change["event"].as_str()))
        .collect();
    assert_eq!(
        events,
        [(Some("b"), Some("lost")), (Some("b"), Some("joined"))],
        "one name, for the first one's was free: {changes:?}"
    );
}

/// The only run of a directory.
fn folder_of(runs: &str) -> String {
    let names = std::fs::read_dir(runs).unwrap();
    let mut names = names.map(|run| run.unwrap().file_name().into_string().unwrap());
    names.find(|name| name.starts_with("r-")).unwrap()
}
