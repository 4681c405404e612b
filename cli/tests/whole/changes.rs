//! Changing a run while it runs, as the target sees it: a standing controller, two agents and the demo's ledger.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, Said, repository, run, wait_for};
use serde_json::Value;
use std::time::Duration;

/// What the ramp would never allow.
const QUIET: Duration = Duration::from_millis(600);

struct Stage {
    demo: Demo,
    controller: Controller,
}

impl Stage {
    fn requests(&self) -> u64 {
        self.demo.ledger()["requests"].as_u64().unwrap()
    }

    fn ask(&self, arguments: &[&str]) -> Said {
        run(&[arguments, &["--controller", &self.controller.url]].concat())
    }

    /// Waits until no request comes any more.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test of real processes waits in real time"
    )]
    fn settles(&self) {
        let (mut count, mut last) = (self.requests(), std::time::Instant::now());
        wait_for(|| {
            let seen = self.requests();
            if std::mem::replace(&mut count, seen) != seen {
                last = std::time::Instant::now();
            }
            last.elapsed() >= QUIET
        });
    }

    /// Run time in seconds from which the change that was answered so holds.
    fn change(&self, arguments: &[&str]) -> f64 {
        let said = self.ask(arguments);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(said.out.contains("; 2 agents)"), "{}", said.out);
        let clock = said.out.split(" from ").nth(1).unwrap();
        let (minutes, seconds) = clock.split(' ').next().unwrap().split_once(':').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    }
}

#[test]
fn a_run_is_paused_resumed_and_scaled_and_adds_up_to_the_changed_plan() {
    let stage = Stage {
        demo: Demo::fast(),
        controller: Controller::start(),
    };
    let folder = Folder::new("changes");
    let _fleet = [
        stage.controller.agent("red"),
        stage.controller.agent("green"),
    ];
    let (file, url) = (
        repository("cli/tests/scenarios/stairs.yaml"),
        stage.demo.url(),
    );
    let started = stage.ask(&[
        "run",
        &file,
        "--base-url",
        &url,
        "--expect-agents",
        "2",
        "--detach",
    ]);
    assert_eq!(started.code, 0, "{}", started.err);
    let id = started.out.trim();
    wait_for(|| stage.requests() > 20);

    let paused = stage.change(&["pause", id]);
    stage.settles();
    // It waits, and is not over: whatever the ramp would make meanwhile, nobody makes.
    let listed = stage.ask(&["runs"]).out;
    assert!(!listed.contains("over"), "{listed}");
    let quiet = stage.requests();
    let resumed = stage.change(&["resume", id]);
    wait_for(|| stage.requests() > quiet + 20);
    let up = stage.change(&["scale", id, "--factor", "1.5"]);
    let refused = stage.ask(&["scale", id, "--vus", "3"]);
    assert_eq!(refused.code, 104);
    assert!(
        refused.err.contains("multiply them with `--factor`"),
        "{}",
        refused.err
    );
    let down = stage.change(&["scale", id, "--scenario", "climb", "--factor", "0.5"]);

    let summary = folder.file("s.json");
    let waited = stage.ask(&["wait", id, "--summary", &summary]);
    waited.ran();
    for line in [
        "paused by cli",
        "resumed by cli",
        "climb scaled to 1.5 × its curve by cli",
        "climb scaled to 0.5 × its curve by cli",
    ] {
        assert!(waited.out.contains(line), "{line}:\n{}", waited.out);
    }
    let summary = folder.json("s.json");
    assert_eq!(
        summary["metrics"]["http_reqs"]["values"]["count"]
            .as_f64()
            .map(|count| count as u64),
        Some(stage.requests()),
        "the report agrees with the ledger"
    );
    let changes = summary["run"]["annotations"].as_array().unwrap();
    let from: Vec<f64> = changes
        .iter()
        .map(|change| change["from_ms"].as_f64().unwrap() / 1e3)
        .collect();
    for (from, told) in from.iter().zip([paused, resumed, up, down]) {
        assert!((from - told).abs() < 0.11, "{from} {told}");
    }
    held_as_changed(&summary, &from);
    let load = summary["run"]["load_ms"].as_f64().unwrap() / 1e3;
    let planned = 7.0 + from[1] - from[0];
    assert!(
        load >= planned - 0.5 && load < planned + 5.0,
        "the run took {load} s, its stages and the pause {planned} s"
    );
    let over = stage.ask(&["pause", id]);
    assert_eq!(over.code, 104);
    assert!(over.err.contains("is over"), "{}", over.err);
}

/// Planned VU time is that of the curve, computed here by hand, and it was held.
fn held_as_changed(summary: &Value, from: &[f64]) {
    let line = &summary["conservation"]["scenarios"][0];
    let planned = line["planned"].as_f64().unwrap();
    let paused = from[1] - from[0];
    let (up, down) = (from[2] - paused, from[3] - paused);
    let curve = |t: f64| match t {
        t if t < 4.0 => 2.0 + 2.0 * t,
        t if t < 6.0 => 10.0,
        t if t < 7.0 => 10.0 * (7.0 - t),
        _ => 0.0,
    };
    let factor = |t: f64| match t {
        t if t < up => 1.0,
        t if t < down => 1.5,
        _ => 0.5,
    };
    let steps = 70_000;
    let area: f64 = (0..steps)
        .map(|i| f64::from(i) * 7.0 / f64::from(steps))
        .map(|t| curve(t) * factor(t) * 7.0 / f64::from(steps))
        .sum();
    // VUs are whole: at each instant of seven seconds less than one from the curve, scaled ones twice rounded.
    assert!((planned - area).abs() < 7.0, "{planned} {area}");
    let (held, short) = (
        line["made"].as_f64().unwrap(),
        line["short"].as_f64().unwrap(),
    );
    assert!((held + short - planned).abs() < 1e-6, "{held} + {short}");
    assert!(held > planned * 0.5, "{held} of {planned}");
    assert_eq!(line["unaccounted"].as_f64(), Some(0.0));
}

#[test]
fn unknown_runs_have_near_misses_and_a_scale_says_what_it_needs() {
    let controller = Controller::start();
    for (arguments, code, said) in [
        (["pause", "r-1"], 104, "no run is called r-1"),
        (["resume", "r-1"], 104, "no run is called r-1"),
        (["scale", "r-1"], 104, "--factor <X>|--vus <N>|--rate <N>"),
    ] {
        let answer = run(&[&arguments[..], &["--controller", &controller.url]].concat());
        assert_eq!(answer.code, code, "{}", answer.err);
        assert!(answer.err.contains(said), "{}", answer.err);
    }
}
