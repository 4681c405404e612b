//! Runs that are kept: a controller that is killed goes on when it is started again, and what was is still known.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, Said, Standing, repository, run, throng, wait_for};
use crate::counts::{count, ledger, reported};

/// Load on the controller's fleet until it is told to stop, watched.
fn watched(demo: &Demo, controller: &Controller, folder: &Folder) -> Standing {
    Standing::start(throng(&[
        "run",
        &repository("cli/tests/scenarios/rush.yaml"),
        "--base-url",
        &demo.url(),
        "--controller",
        &controller.url,
        "--compat",
        "k6",
        "--expect-agents",
        "2",
        "-s",
        "500ms:20",
        "-s",
        "10m:20",
        "--summary",
        &folder.file("s.json"),
    ]))
}

/// Ends the controller's only run, and gives what its watcher said.
fn stopped(watcher: Standing, controller: &Controller) -> Said {
    let listed = run(&["runs", "--controller", &controller.url]).out;
    let id = listed
        .split_whitespace()
        .find(|word| word.starts_with("r-2"));
    let stopped = run(&[
        "stop",
        id.unwrap(),
        "--graceful",
        "--controller",
        &controller.url,
    ]);
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    let said = watcher.end();
    assert_eq!(said.code, 105, "{}\n{}", said.err, said.out);
    said
}

/// Waits until the target has seen so many requests more.
fn goes_on(demo: &Demo, more: u64) {
    let seen = || demo.ledger()["requests"].as_u64().unwrap();
    let before = seen();
    wait_for(|| seen() > before + more);
}

#[test]
fn a_controller_that_is_killed_twice_goes_on_with_the_run_and_nothing_is_lost() {
    let (demo, folder) = (Demo::fast(), Folder::new("keeping"));
    let runs = folder.file("runs");
    // However long a busy machine takes to start a controller, nobody's lease ends meanwhile.
    let patient = |again: Option<&str>| Controller::keeping_with(&runs, again, &["--lease", "60s"]);
    let mut controller = patient(None);
    let _fleet = [controller.agent("red"), controller.agent("green")];
    let watcher = watched(&demo, &controller, &folder);

    goes_on(&demo, 300);
    for _ in 0..2 {
        let url = controller.url.clone();
        // SIGKILL: nothing is said, nothing is flushed.
        drop(controller);
        goes_on(&demo, 200);
        controller = patient(Some(&url));
        let agents = || run(&["agents", "--controller", &url]).out;
        wait_for(|| agents().matches("r-2").count() == 2);
        goes_on(&demo, 200);
    }
    let said = stopped(watcher, &controller);

    let summary = folder.json("s.json");
    let truth = demo.ledger();
    assert_eq!(reported(&summary), ledger(&truth));
    assert_eq!(
        count(&summary, "http_reqs"),
        truth["requests"].as_u64().unwrap()
    );
    let complete = &summary["conservation"]["completeness"];
    assert_eq!(complete["intervals"], complete["merged"], "{complete}");
    assert_eq!(summary["run"]["away"].as_array().unwrap().len(), 2);
    assert_eq!(
        said.out.matches("0 intervals lost").count(),
        2,
        "{}",
        said.out
    );
    assert!(said.err.contains("the controller is back"), "{}", said.err);

    // Once more, now that it is over.
    let (url, id) = (
        controller.url.clone(),
        summary["run"]["id"].as_str().unwrap().to_owned(),
    );
    drop(controller);
    let offline = run(&["report", &id, "--runs", &runs]);
    assert_eq!((offline.code, &offline.out), (said.code, &said.out));
    let controller = patient(Some(&url));
    let listed = run(&["runs", "--controller", &controller.url]);
    assert!(listed.out.contains(&id), "{}", listed.out);
    let waited = run(&["wait", &id, "--controller", &controller.url]);
    assert_eq!((waited.code, waited.out), (said.code, said.out));
    let unknown = run(&["report", "r-none", "--runs", &runs]);
    assert_eq!(unknown.code, 104, "{}", unknown.err);
}

#[test]
fn a_disk_that_fills_up_ends_the_journal_aloud_and_not_the_run() {
    let (demo, folder) = (Demo::fast(), Folder::new("cramped"));
    let runs = folder.file("runs");
    let controller = Controller::cramped(&runs);
    let _fleet = [controller.agent("red"), controller.agent("green")];
    let watcher = watched(&demo, &controller, &folder);
    watcher.until(|line| line.contains("the journal ended").then_some(()));
    goes_on(&demo, 300);
    let said = stopped(watcher, &controller);
    let summary = folder.json("s.json");
    assert_eq!(reported(&summary), ledger(&demo.ledger()));
    let notes = summary["run"]["notes"].to_string();
    assert!(notes.contains("the journal ended"), "{notes}");
    assert_ne!(summary["verdict"]["grade"], "VALID");

    // The report was kept all the same: it is small.
    let id = summary["run"]["id"].as_str().unwrap();
    // Without a journal nobody waits for the disk: the run may be over a moment before its report is there.
    let mut offline = None;
    wait_for(|| {
        let told = run(&["report", id, "--runs", &runs]);
        offline = (told.code != 104).then_some(told);
        offline.is_some()
    });
    let offline = offline.unwrap();
    assert_eq!((offline.code, offline.out), (said.code, said.out));
}

#[test]
fn an_agent_whose_disk_fills_up_says_so_and_nothing_that_it_measured_is_lost() {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("small-disk"));
    let spool = folder.file("spool");
    let cramped = controller.cramped_agent("red", &spool);
    let _other = controller.agent("green");
    let watcher = watched(&demo, &controller, &folder);
    cramped.until(|line| {
        let full = line.contains("the rest of this run is kept in memory only");
        (full && line.contains("WARN") && line.contains(&spool)).then_some(())
    });
    goes_on(&demo, 300);
    stopped(watcher, &controller);
    let summary = folder.json("s.json");
    assert_eq!(reported(&summary), ledger(&demo.ledger()));
    assert_eq!(summary["conservation"]["completeness"]["share"], 1.0);
    let agents = summary["agents"].as_array().unwrap();
    assert!(
        agents.len() == 2 && agents.iter().all(|agent| agent["fate"] == "done"),
        "{agents:?}"
    );
}

#[test]
fn one_directory_has_one_controller() {
    let folder = Folder::new("one-directory");
    let runs = folder.file("runs");
    let first = Controller::keeping(&runs, None);
    let second = run(&["controller", "--listen", "127.0.0.1:0", "--runs", &runs]);
    assert_eq!(second.code, 104, "{}", second.err);
    assert!(second.err.contains("another controller"), "{}", second.err);
    drop(first);
    drop(Controller::keeping(&runs, None));
}

#[test]
fn a_run_of_this_process_is_kept_when_it_is_asked_for() {
    let (demo, folder) = (Demo::fast(), Folder::new("kept-alone"));
    let runs = folder.file("runs");
    let said = run(&[
        "run",
        &format!("{}/", demo.url()),
        "-u",
        "1",
        "-i",
        "3",
        "--runs",
        &runs,
        "--summary",
        &folder.file("s.json"),
    ]);
    let id = folder.json("s.json")["run"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let again = run(&["report", &id, "--runs", &runs]);
    assert_eq!((again.code, again.out), (said.code, said.out));
}
