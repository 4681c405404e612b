//! Bad input: each gets a message that says where, what and what to try, and the exit code of the table in docs/exit-codes.md.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, Said, repository, run, throng};
use std::net::TcpListener;

const GOOD: &str = "\
scenarios:
  one: { executor: per-vu-iterations, vus: 1, iterations: 1 }
flows:
  default:
    - get: /api/waiting-queue/position
      headers: { user-id: '1' }
";

/// Ends with `code`, prints no report, and says all of `parts` on stderr.
#[track_caller]
fn refused(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!(said.code, code, "{}", said.err);
    assert_eq!(said.out, "", "no report");
    for part in parts {
        assert!(
            said.err.contains(part),
            "`{part}` is missing:\n{}",
            said.err
        );
    }
}

#[test]
fn no_such_file_names_its_neighbour() {
    let folder = Folder::new("no-such-file");
    folder.write("reservation.yaml", GOOD);
    let path = folder.file("reservatoin.yaml");
    refused(
        &run(&["run", &path]),
        104,
        &[
            "reservatoin.yaml: no such file",
            "did you mean",
            "reservation.yaml`?",
        ],
    );
}

#[test]
fn nothing_to_run() {
    refused(
        &run(&["run"]),
        104,
        &["nothing to run", "throng run --demo"],
    );
}

#[test]
fn a_script_points_to_the_page() {
    refused(
        &run(&["run", "load.js"]),
        104,
        &[
            "load.js: scripts are not supported yet",
            "docs/coming-from-k6.md",
        ],
    );
    refused(
        &run(&["run", "load.ts"]),
        104,
        &["load.ts: scripts are not supported yet"],
    );
}

#[test]
fn a_typo_has_a_line_a_column_a_caret_and_a_near_miss() {
    let folder = Folder::new("typo");
    let path = folder.write("a.yaml", &GOOD.replace("iterations: 1", "iteratoins: 1"));
    let said = run(&["run", &path, "--base-url", "http://127.0.0.1:9"]);
    refused(
        &said,
        104,
        &["a.yaml:2:", "iteratoins", "^^^", "`iterations`"],
    );
}

#[test]
fn yaml_that_is_none() {
    let folder = Folder::new("not-yaml");
    let path = folder.write("a.yaml", "flows:\n  default: [\n");
    refused(&run(&["run", &path]), 104, &["a.yaml:"]);
}

#[test]
fn an_unknown_executor() {
    let folder = Folder::new("executor");
    let path = folder.write("a.yaml", &GOOD.replace("per-vu-iterations", "ramping-vu"));
    refused(
        &run(&["run", &path, "--base-url", "http://127.0.0.1:9"]),
        104,
        &["a.yaml:2:", "ramping-vu", "`ramping-vus`"],
    );
}

#[test]
fn a_negative_duration_in_the_file_and_on_the_command_line() {
    let folder = Folder::new("negative");
    let path = folder.write(
        "a.yaml",
        &GOOD.replace(
            "per-vu-iterations, vus: 1, iterations: 1",
            "constant-vus, vus: 1, duration: -1s",
        ),
    );
    refused(
        &run(&["run", &path, "--base-url", "http://127.0.0.1:9"]),
        104,
        &["a.yaml:2:", "negative"],
    );
    let path = folder.write("b.yaml", GOOD);
    refused(
        &run(&[
            "run",
            &path,
            "--base-url",
            "http://127.0.0.1:9",
            "-d",
            "-3s",
        ]),
        104,
        &["negative"],
    );
    refused(&run(&["run", &path, "--wait", "-3s"]), 104, &["--wait"]);
}

#[test]
fn a_data_file_that_is_not_there() {
    let folder = Folder::new("data");
    let path = folder.write(
        "a.yaml",
        &format!("data: {{ users: {{ csv: users.csv }} }}\n{GOOD}"),
    );
    refused(
        &run(&["run", &path, "--base-url", "http://127.0.0.1:9"]),
        104,
        &[
            "users.csv: no such file",
            "a.yaml",
            "relative to the scenario file",
        ],
    );
}

#[test]
fn a_data_file_that_is_too_large_to_send() {
    let folder = Folder::new("huge");
    // A hole: it takes no room on the disk.
    let huge = std::fs::File::create(folder.file("users.csv")).unwrap();
    huge.set_len((256 << 20) + 1).unwrap();
    let path = folder.write(
        "a.yaml",
        &format!("data: {{ users: {{ csv: users.csv }} }}\n{GOOD}"),
    );
    refused(
        &run(&["run", &path, "--base-url", "http://127.0.0.1:9"]),
        104,
        &["users.csv", "larger than 256 MiB"],
    );
}

#[test]
fn a_summary_that_cannot_be_written_is_refused_before_the_load() {
    let demo = Demo::fast();
    let before = demo.ledger();
    let said = run(&[
        "run",
        &repository("scenarios/reservation.yaml"),
        "--base-url",
        &demo.url(),
        "--summary",
        "no/such/folder/s.json",
    ]);
    refused(
        &said,
        104,
        &[
            "no/such/folder/s.json",
            "No such file or directory",
            "--summary",
        ],
    );
    assert_eq!(demo.ledger(), before, "no request was sent");
}

#[test]
fn flags_that_contradict_each_other() {
    let table: [(&[&str], &str); 17] = [
        (
            &["--demo", "--base-url", "http://x"],
            "--demo and --base-url name two targets",
        ),
        (
            &["--demo", "--controller", "http://x"],
            "--demo starts a service on this host's loopback",
        ),
        (
            &["--demo", "--listen", "0.0.0.0:0"],
            "--demo starts a service on this host's loopback",
        ),
        (
            &["--demo", "--agents", "0"],
            "--agents 0 leaves nobody to make load",
        ),
        (
            &["a.yaml", "--agents", "2", "--controller", "http://x"],
            "--agents says how many agents this process starts itself",
        ),
        (
            &[
                "a.yaml",
                "--listen",
                "127.0.0.1:0",
                "--controller",
                "http://x",
            ],
            "--listen makes this process the controller",
        ),
        (
            &["a.yaml", "--detach"],
            "--detach needs a controller that stays",
        ),
        (
            &[
                "a.yaml",
                "--detach",
                "--controller",
                "http://x",
                "--summary",
                "s",
            ],
            "--detach leaves before there is a summary",
        ),
        (
            &["a.yaml", "--lease", "9s", "--controller", "http://x"],
            "--lease is that of this process's own controller",
        ),
        (&["a.yaml", "--lease", "100ms"], "a lease is from 1s"),
        (
            &["a.yaml", "--no-queue"],
            "--no-queue is about a standing controller's other runs",
        ),
        (
            &["a.yaml", "--expect-agents", "2"],
            "about agents that join from elsewhere",
        ),
        (
            &["a.yaml", "--listen", "127.0.0.1:0", "--min-agents", "2"],
            "--min-agents says when fewer than expected are enough",
        ),
        (
            &[
                "a.yaml",
                "--listen",
                "127.0.0.1:0",
                "--min-agents",
                "2",
                "--expect-agents",
                "1",
            ],
            "--min-agents is larger than --expect-agents",
        ),
        (
            &["a.yaml", "--controller", "controller:7437"],
            "not a controller's address",
        ),
        (&["http://x/", "--demo"], "name two targets"),
        (&["--demo", "-q", "-v"], "cannot be used with"),
    ];
    for (flags, wanted) in table {
        let arguments: Vec<&str> = ["run"].iter().chain(flags).copied().collect();
        let folder = Folder::new("contradictions");
        folder.write("a.yaml", GOOD);
        let a = folder.file("a.yaml");
        let arguments: Vec<&str> = arguments
            .into_iter()
            .map(|one| if one == "a.yaml" { a.as_str() } else { one })
            .collect();
        refused(&run(&arguments), 104, &[wanted]);
    }
}

#[test]
fn a_target_that_refuses_connections() {
    let folder = Folder::new("refuses");
    let path = folder.write("a.yaml", GOOD);
    // Bound and dropped: nothing listens there now.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let said = run(&[
        "run",
        &path,
        "--base-url",
        &format!("http://{address}"),
        "--agents",
        "2",
    ]);
    assert_eq!(said.code, 104, "{}", said.err);
    for part in [address.to_string().as_str(), "refused"] {
        assert!(
            said.err.contains(part),
            "`{part}` is missing:\n{}",
            said.err
        );
    }
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for verb in [
        &["demo"][..],
        &["controller"],
        &["run", "http://127.0.0.1:9/"],
    ] {
        let arguments: Vec<&str> = verb.iter().copied().chain(["--listen", &address]).collect();
        let parts = [
            &*format!("cannot listen on {address}"),
            "Address already in use",
            "give --listen another port",
        ];
        refused(&run(&arguments), 104, &parts);
    }
}

#[test]
fn a_controller_that_is_not_there() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{address}");
    let parts = [
        &*format!("no controller at {url}"),
        "Connection refused",
        "throng controller --listen",
    ];
    for verb in [
        &["run", "http://127.0.0.1:9/"][..],
        &["agents"],
        &["runs"],
        &["stop", "r"],
        &["wait", "r"],
    ] {
        let arguments: Vec<&str> = verb.iter().copied().chain(["--controller", &url]).collect();
        refused(&run(&arguments), 123, &parts);
    }
    let said = run(&["agent", "--controller", &url, "--give-up", "300ms"]);
    assert_eq!(said.code, 123, "{}", said.err);
    assert!(said.err.contains(&url), "{}", said.err);
}

#[test]
fn something_else_listens_where_the_controller_should() {
    let demo = Demo::fast();
    let said = run(&["runs", "--controller", &demo.url()]);
    refused(&said, 123, &["no controller at"]);
}

#[test]
fn an_agent_that_never_comes() {
    let folder = Folder::new("never-comes");
    let path = folder.write("a.yaml", GOOD);
    let said = run(&[
        "run",
        &path,
        "--base-url",
        "http://127.0.0.1:9",
        "--listen",
        "127.0.0.1:0",
        "--agents",
        "1",
        "--expect-agents",
        "3",
        "--wait",
        "500ms",
    ]);
    assert_eq!(said.code, 122, "{}", said.err);
    for part in ["1 of 3 agents", "local-1"] {
        assert!(
            said.err.contains(part),
            "`{part}` is missing:\n{}",
            said.err
        );
    }
}

#[test]
fn a_run_that_nobody_knows() {
    let controller = Controller::start();
    for verb in ["wait", "stop"] {
        refused(
            &run(&[verb, "no-such-run", "--controller", &controller.url]),
            104,
            &["no-such-run", "throng runs"],
        );
    }
}

#[test]
fn a_variable_that_is_none() {
    let said = crate::common::said(
        &throng(&["run", "--demo"])
            .env("THRONG_AGENTS", "many")
            .output()
            .unwrap(),
    );
    refused(&said, 104, &["many", "--agents"]);
    refused(
        &run(&["run", "--demo", "-e", "novalue"]),
        104,
        &["--env novalue", "NAME=VALUE"],
    );
}
