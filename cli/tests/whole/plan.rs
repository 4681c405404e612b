//! `throng plan`: the same flags as `run`, JSON that another program can read, clear refusals, nothing sent.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{repository, run};
use serde_json::Value;

fn json(arguments: &[&str]) -> Value {
    let file = repository("scenarios/reservation.yaml");
    let said = run(&[&["plan", &file, "--json"], arguments].concat());
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn the_command_line_wins_over_the_file_as_in_run() {
    let plan = json(&["-s", "2s:6,1s:0", "-u", "0", "--agents", "3"]);
    assert_eq!(plan["agents"].as_array().unwrap().len(), 3);
    let raw = plan["whole"]["scenarios"]["default"]["vus"]["raw"].clone();
    let last = raw.as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (last["t_ms"].as_u64(), last["vus"].as_u64()),
        (Some(3_000), Some(0))
    );
    let most = |of: &Value| {
        let raw = of["scenarios"]["default"]["vus"]["raw"].as_array().unwrap();
        raw.iter()
            .map(|change| change["vus"].as_u64().unwrap())
            .max()
    };
    assert_eq!(most(&plan["whole"]), Some(6));
    assert!(
        plan["agents"]
            .as_array()
            .unwrap()
            .iter()
            .all(|agent| most(agent) == Some(2))
    );
}

#[test]
fn weights_say_how_many_agents_there_are() {
    let plan = json(&["-u", "9", "-d", "1s", "--weights", "2,1,0"]);
    let vus: Vec<u64> = plan["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| {
            agent["scenarios"]["default"]["vus"]["raw"][0]["vus"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(vus, [6, 3, 0]);
}

#[test]
fn a_person_reads_pictures() {
    let file = repository("scenarios/reservation.yaml");
    let said = run(&["plan", &file, "--agents", "2"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("####") && said.out.contains("Nothing was sent."),
        "{}",
        said.out
    );
}

#[test]
fn refusals_say_what_to_try() {
    let file = repository("scenarios/reservation.yaml");
    let table: [(&[&str], &str); 7] = [
        (&["--agents", "0"], "--agents 0 leaves nobody to make load"),
        (
            &["--agents", "3", "--weights", "1,2"],
            "--weights lists 2, and --agents says 3",
        ),
        (
            &["--weights", "0,0"],
            "at least one agent must have a weight above zero",
        ),
        (&["--weights", "9999,2"], "use rounder weights"),
        (&["--weights", "a,b"], "`a` is not a whole number"),
        (&["--weights", "auto"], "list one weight for each"),
        (
            &["--agents", "4000000000"],
            "at most 10000 can be planned for",
        ),
    ];
    for (flags, wanted) in table {
        let said = run(&[&["plan", &file], flags].concat());
        assert_eq!(said.code, 104, "{flags:?}: {}", said.out);
        assert!(said.err.contains(wanted), "{flags:?}: {}", said.err);
    }
}
