//! The live view on a real terminal: what it shows, what its keys do, and that the terminal is put back on every way out.
//!
//! Needs tmux (a Debian package), so it is ignored unless asked for; CI asks:
//! `cargo test -p throng --test terminal -- --ignored`.

#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "only a part is used here")]
#[path = "../whole/common.rs"]
mod common;
mod tmux;
mod watching;
mod ways_out;

use common::Folder;
use tmux::Tmux;

/// Ten users at the demo service for as long as a test may take.
const SCENARIO: &str = "
scenarios:
  browsing:
    executor: ramping-vus
    startVUs: 10
    gracefulStop: 2s
    gracefulRampDown: 2s
    stages: [{ duration: 1s, target: 10 }, { duration: 10m, target: 10 }]
flows:
  default:
    - get: /api/waiting-queue/position
      headers: { user-id: '7' }
    - sleep: 100ms
";

/// A shell in which `throng run` is about to be typed.
struct Stage {
    // Dropped before the folder in which its socket is.
    tmux: Tmux,
    folder: Folder,
    /// The terminal's mode before anything.
    before: String,
}

impl Stage {
    fn new(name: &str, columns: u16, rows: u16) -> Self {
        let folder = Folder::new(name);
        folder.write("browsing.yaml", SCENARIO);
        let tmux = Tmux::start(&folder, columns, rows);
        let before = tmux.mode();
        Self {
            folder,
            tmux,
            before,
        }
    }

    /// Types `throng …`; its report goes to a file.
    fn throng(&self, arguments: &str) {
        let program = env!("CARGO_BIN_EXE_throng");
        let out = self.folder.file("out");
        self.tmux.command(&format!(
            "clear; {program} {arguments} > {out}; echo code $?"
        ));
    }

    fn run(&self, more: &str) {
        let scenario = self.folder.file("browsing.yaml");
        self.throng(&format!("run --demo --agents 2 {more} {scenario}"));
    }

    fn report(&self) -> String {
        std::fs::read_to_string(self.folder.file("out")).unwrap()
    }
}

/// The screen's lines without the space around them.
fn lines(screen: &str) -> Vec<&str> {
    screen.lines().map(str::trim).collect()
}

fn first(screen: &str) -> &str {
    screen.lines().next().unwrap_or_default().trim()
}

/// What the last line of the picture says.
fn last(screen: &str) -> &str {
    screen.lines().last().unwrap_or_default().trim()
}

#[test]
#[ignore = "needs tmux"]
fn a_run_is_shown_paused_scaled_and_stopped_in_tmux() {
    let stage = Stage::new("live-keys", 80, 24);
    let tmux = &stage.tmux;
    stage.run("");
    // What matters, once there are figures: the state, VUs held and planned, stage, rates and percentiles, agents and their health.
    let screen = tmux.until("figures", |screen| {
        first(screen).contains("load  0:")
            && screen.contains("10/10")
            && screen.contains("AGENTS 2")
            && screen.contains("last 5 s")
    });
    assert!(tmux.is_taken());
    for fact in [
        "browsing.yaml",
        "2 of 2",
        "whole run",
        " of 10   ",
        "REQUESTS/S",
        "P50",
        "P90",
        "P95",
        "P99",
        "● local-1",
        "● local-2",
        "fine",
    ] {
        assert!(screen.contains(fact), "{fact}:\n{screen}");
    }
    assert_eq!(
        last(&screen),
        "p pause   + − scale   s stop   n note   a e t lists   q interrupt   ? help"
    );

    tmux.key("t");
    tmux.until("steps", |screen| {
        screen.contains("STEPS 1") && screen.contains("/api/waiting-queue/position")
    });
    tmux.key("?");
    tmux.sees("keys and signs");
    tmux.key("x");
    tmux.until("no help", |screen| !screen.contains("keys and signs"));

    tmux.key("p");
    tmux.until("a pause", |screen| {
        first(screen).contains("paused  ") && screen.contains("0/0")
    });
    // Once the answer has gone.
    tmux.sees("p resume");
    tmux.key("p");
    tmux.until("the load again", |screen| {
        first(screen).contains("load  ") && screen.contains("10/10")
    });

    tmux.key("+");
    assert!(last(&tmux.sees("scale to 1.1 × the plan?")).starts_with("scale to"));
    tmux.key("Enter");
    tmux.sees("11/11");

    tmux.key("n");
    tmux.key("x");
    tmux.sees("note: x");
    tmux.key("Enter");
    tmux.sees("noted: x");

    tmux.key("s");
    tmux.sees("stop: begin no more iterations");
    tmux.key("s");
    let after = tmux.sees("code 105");
    // The lines that mattered are on the screen, and the report is whole and nothing but the report.
    assert!(
        lines(&after)
            .iter()
            .any(|line| line.starts_with("paused by")),
        "{after}"
    );
    let report = stage.report();
    assert!(
        report.trim_start().starts_with('█') && report.contains("TOTAL RESULTS"),
        "{report}"
    );
    assert!(!report.contains('\u{1b}'), "{report:?}");
    assert!(report.contains("scaled to 1.1"), "{report}");
    tmux.is_as_before(&stage.before);
}

#[test]
#[ignore = "needs tmux"]
fn a_large_terminal_shows_all_lists_and_follows_its_size_in_tmux() {
    let stage = Stage::new("live-large", 200, 60);
    let tmux = &stage.tmux;
    stage.run("");
    let screen = tmux.until("figures", |screen| {
        screen.contains("10/10") && screen.contains("AGENTS 2") && screen.contains("STEPS 1")
    });
    for fact in ["ERRORS 0", "LOG", "SHARE", "50.0%", "RTT", "AVG", "EXPIRED"] {
        assert!(screen.contains(fact), "{fact}:\n{screen}");
    }
    let wide = |screen: &str| {
        screen
            .lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0)
    };
    assert!(wide(&screen) > 190, "{screen}");
    for (columns, rows) in [(90, 30), (40, 10), (10, 3), (120, 40)] {
        tmux.resize(columns, rows);
        let state = if columns < 40 { "" } else { "load  " };
        tmux.until("a picture of the new size", |screen| {
            let drawn =
                screen.lines().count() <= usize::from(rows) && wide(screen) <= usize::from(columns);
            drawn
                && first(screen).contains(state)
                && (columns < 40 || first(screen).chars().count() + 2 >= usize::from(columns))
        });
    }
    tmux.key("q");
    tmux.sees("interrupt the run and print its report?");
    tmux.key("q");
    tmux.sees("code 105");
    tmux.is_as_before(&stage.before);
}

#[test]
#[ignore = "needs tmux"]
fn lines_are_shown_where_a_view_is_not_wanted_in_tmux() {
    let stage = Stage::new("live-plain", 100, 30);
    let tmux = &stage.tmux;
    for flag in ["--no-live", "-v"] {
        stage.run(flag);
        tmux.until("a line of progress", |screen| screen.contains("10/10 VUs"));
        assert!(!tmux.is_taken(), "{flag}");
        tmux.key("C-c");
        tmux.sees("code 105");
        tmux.is_as_before(&stage.before);
    }
    // In the background it must neither take the terminal nor be stopped for trying.
    let (program, scenario) = (
        env!("CARGO_BIN_EXE_throng"),
        stage.folder.file("browsing.yaml"),
    );
    tmux.command(&format!(
        "clear; {program} run --demo --agents 1 {scenario} > /dev/null & :"
    ));
    tmux.until("a line of progress", |screen| screen.contains("10/10 VUs"));
    assert!(!tmux.is_taken());
    tmux.command("kill %1; wait %1; echo code $?");
    tmux.sees("code 105");
}
