//! Every shipped scenario runs as it is, shortened by the variables it offers, against the demo service without its delays.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Demo, Folder, repository, said, throng};
use crate::counts::{checks, count};

/// What makes the shapes short; a scenario takes those it names.
const SHORT: &str = "RAMP=1s,HOLD=1s,STEP=1s,CALM=1s,SPIKE=1s,DURATION=2s,CLIMB=3s,ITERATIONS=1,VUS=4,VUS2=6,VUS3=8,BASE=2,PEAK=10,RATE=4";

#[test]
fn every_shipped_scenario_runs() {
    let mut names: Vec<String> = std::fs::read_dir(repository("scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    let shipped = [
        "breakpoint.yaml",
        "load.yaml",
        "reservation-setup.yaml",
        "reservation.yaml",
        "smoke.yaml",
        "soak.yaml",
        "spike.yaml",
        "stress.yaml",
    ];
    assert_eq!(names, shipped, "a new one is to be tried here, too");

    let demo = Demo::fast();
    let url = demo.url();
    let url = url.as_str();
    // Beside one another, for their think times are real.
    let requests: Vec<u64> = std::thread::scope(|scope| {
        let running: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(move || one(name, url)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        requests.iter().sum::<u64>(),
        demo.ledger()["requests"].as_u64().unwrap()
    );
}

/// Runs one; gives its requests.
fn one(name: &str, url: &str) -> u64 {
    let folder = Folder::new(&format!("shipped-{name}"));
    let mut command = throng(&[
        "run",
        &repository(&format!("scenarios/{name}")),
        "--base-url",
        url,
        "--agents",
        "2",
        "--summary",
        &folder.file("s.json"),
    ]);
    let said = said(&command.env("THRONG_ENV", SHORT).output().unwrap());
    said.ran();
    let summary = folder.json("s.json");
    assert!(count(&summary, "iterations") > 0, "{name}");
    for (check, (passes, fails)) in checks(&summary) {
        assert!(
            passes > 0 && fails == 0,
            "{name}: {check}: {passes} passes, {fails} fails"
        );
    }
    for line in summary["conservation"]["scenarios"].as_array().unwrap() {
        assert_eq!(line["unaccounted"].as_f64(), Some(0.0), "{name}: {line}");
    }
    count(&summary, "http_reqs")
}
