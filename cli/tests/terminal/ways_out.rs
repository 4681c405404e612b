//! However a view ends, the terminal is as it was.

use crate::common::throng;
use crate::tmux::until_some;
use crate::{Stage, first};
use std::process::Command;

/// A teardown that takes longer than any test.
const TEARDOWN: &str = "
teardownTimeout: 10m
teardown:
  - sleep: 9m
";

#[test]
#[ignore = "needs tmux"]
fn ctrl_c_interrupts_and_a_second_one_leaves_at_once_in_tmux() {
    let stage = Stage::new("live-ctrl-c", 80, 24);
    let tmux = &stage.tmux;
    stage.run("");
    tmux.sees("10/10");
    tmux.key("C-c");
    let after = tmux.sees("code 105");
    assert!(after.contains("interrupting the run"), "{after}");
    assert!(stage.report().contains("TOTAL RESULTS"));
    tmux.is_as_before(&stage.before);

    let path = stage.folder.file("browsing.yaml");
    let scenario = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{scenario}{TEARDOWN}")).unwrap();
    stage.run("");
    tmux.sees("10/10");
    tmux.key("C-c");
    // Two seconds into the teardown it is no longer the same press.
    tmux.until("a teardown", |screen| {
        let state = first(screen);
        let long = state.contains(" of at most 10:") && state.contains("interrupting");
        long && !state.contains("  0:00 ") && !state.contains("  0:01 ")
    });
    assert!(tmux.is_taken());
    tmux.key("C-c");
    let after = tmux.sees("code 105");
    assert!(after.contains("interrupted twice"), "{after}");
    assert_eq!(stage.report(), "", "without a report");
    tmux.is_as_before(&stage.before);
}

#[test]
#[ignore = "needs tmux"]
fn sigterm_interrupts_in_tmux() {
    let stage = Stage::new("live-term", 80, 24);
    let tmux = &stage.tmux;
    let (program, scenario, pid) = (
        env!("CARGO_BIN_EXE_throng"),
        stage.folder.file("browsing.yaml"),
        stage.folder.file("pid"),
    );
    tmux.command(&format!(
        "clear; sh -c 'echo $$ > {pid}; exec {program} run --demo --agents 1 {scenario}' > /dev/null; echo code $?"
    ));
    tmux.sees("10/10");
    let pid = std::fs::read_to_string(pid).unwrap();
    let status = Command::new("kill")
        .args(["-TERM", pid.trim()])
        .status()
        .unwrap();
    assert!(status.success());
    tmux.sees("code 105");
    tmux.is_as_before(&stage.before);
}

#[test]
#[ignore = "needs tmux"]
fn a_controller_that_goes_is_told_and_left_in_tmux() {
    let stage = Stage::new("live-lost", 80, 24);
    let tmux = &stage.tmux;
    let mut fleet = crate::watching::Fleet::start(&stage);
    fleet.watch(&stage, "");
    tmux.sees("10/10");
    fleet.end_controller();
    tmux.until("that it is away", |screen| {
        first(screen).contains("controller away for 0:")
    });
    tmux.key("q");
    let after = tmux.sees("code 0");
    assert!(after.contains("lost the controller"), "{after}");
    tmux.is_as_before(&stage.before);
}

#[test]
#[ignore = "needs tmux"]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again_in_tmux() {
    let stage = Stage::new("live-ctrl-z", 80, 24);
    let tmux = &stage.tmux;
    let fleet = crate::watching::Fleet::start(&stage);
    fleet.watch(&stage, "");
    tmux.sees("10/10");
    tmux.key("C-z");
    tmux.sees("Stopped");
    tmux.is_as_before(&stage.before);
    tmux.command("clear; fg");
    tmux.until("the picture", |screen| {
        first(screen).contains("load  ") && screen.contains("10/10")
    });
    assert!(tmux.is_taken());

    // In the background it keeps off the terminal, and comes back from there.
    tmux.key("C-z");
    tmux.sees("Stopped");
    // Not what is typed, which the screen shows before it is done.
    tmux.command("clear; bg; echo in the ba''ckground");
    tmux.sees("in the background");
    assert!(!tmux.is_taken());
    tmux.command("fg");
    tmux.until("the picture", |screen| {
        first(screen).contains("load  ") && screen.contains("10/10")
    });
    tmux.key("q");
    tmux.sees("goes on");
    tmux.is_as_before(&stage.before);
    // Whoever left it alone left it alone.
    let runs = until_some(|| throng(&["runs", "--controller", &fleet.url]).output().ok());
    let runs = String::from_utf8_lossy(&runs.stdout).into_owned();
    assert!(runs.contains("load"), "{runs}");
}
