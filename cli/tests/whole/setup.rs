//! Setup and teardown, whole: once for any number of agents, rows to their owners, and the ends a run can come to through them. The
//! demo's ledger is the witness.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Demo, Folder, Said, Standing, repository, said, throng};
use crate::counts::{checks, count};
use serde_json::Value;

const TOKENS: &str = "GET /api/waiting-queue/position";
const SCHEDULES: &str = "GET /api/concerts/{id}/schedules";

/// Runs a scenario of these lines.
fn run(folder: &Folder, demo: &Demo, agents: &str, source: &str, more: &[&str]) -> Said {
    said(
        &command(folder, demo, agents, source, more)
            .output()
            .unwrap(),
    )
}

fn command(
    folder: &Folder,
    demo: &Demo,
    agents: &str,
    source: &str,
    more: &[&str],
) -> std::process::Command {
    let file = folder.write("s.yaml", source);
    let (url, summary) = (demo.url(), folder.file("s.json"));
    let mut arguments = vec![
        "run",
        &file,
        "--base-url",
        &url,
        "--agents",
        agents,
        "--summary",
        &summary,
        "--seed",
        "7",
    ];
    arguments.extend(more);
    throng(&arguments)
}

fn seen(ledger: &Value, route: &str, status: &str) -> u64 {
    ledger["routes"][route][status].as_u64().unwrap_or(0)
}

/// Each of 20 VUs once: its row says which VU it is for. Setup asks for a token per user, teardown once with a number of its own.
const ROWS: &str = r#"
scenarios:
  once: { executor: per-vu-iterations, vus: 20, iterations: 1 }
thresholds:
  http_reqs{scenario:once}: ["count<1000"]
  checks{group:::setup}: ["rate==1"]
data:
  users: { range: [1, 20] }
  sessions: { setup: true }
setup:
  - each: users
    as: user
    concurrency: 7
    steps:
      - get: /api/waiting-queue/position
        headers: { user-id: "{{ user }}" }
        checks: { Token fetched: { status: 200 } }
        extract: { token: $.token }
      - give: { sessions: { user: "{{ user }}", token: "{{ token }}" } }
teardown:
  - each: sessions
    concurrency: 3
    steps:
      - get: /api/concerts/1/schedules
        headers: { Token: "{{ row.token }}" }
        checks: { Token still good: { status: 200 } }
flows:
  default:
    - let: { me: { own: sessions } }
    - get: /row/{{ vu }}/{{ me.user }}
      name: /row
      expect: 404
    - get: /api/concerts/1/schedules
      headers: { Token: "{{ me.token }}" }
      checks: { Own token good: { status: 200 } }
"#;

#[test]
fn setup_and_teardown_ran_once_whatever_the_number_of_agents() {
    for agents in ["1", "3", "7"] {
        let demo = Demo::fast();
        let folder = Folder::new(&format!("setup-{agents}"));
        let said = run(&folder, &demo, agents, ROWS, &[]);
        said.ran();
        let ledger = demo.ledger();
        assert_eq!(seen(&ledger, TOKENS, "200"), 20, "setup, once: {ledger}");
        assert_eq!(
            seen(&ledger, SCHEDULES, "200"),
            40,
            "20 VUs with a token of their own, and teardown with all of them: {ledger}"
        );
        let summary = folder.json("s.json");
        assert_eq!(count(&summary, "iterations"), 20, "none of setup");
        assert_eq!(
            count(&summary, "http_reqs"),
            ledger["requests"].as_u64().unwrap()
        );
        for (check, (passes, fails)) in checks(&summary) {
            assert_eq!((passes, fails), (20, 0), "{agents} agents: {check}");
        }
        let phases = summary["phases"].as_array().unwrap();
        let told: Vec<(&str, u64, u64)> = phases
            .iter()
            .map(|phase| {
                (
                    phase["phase"].as_str().unwrap(),
                    phase["requests"].as_u64().unwrap(),
                    phase["requests_merged"].as_u64().unwrap(),
                )
            })
            .collect();
        assert_eq!(told, [("setup", 20, 20), ("teardown", 20, 20)]);
        assert_eq!(phases[0]["rows"]["sessions"], 20);
        assert_eq!(phases[0]["agent"], phases[1]["agent"]);
        let requests = &summary["conservation"]["requests"];
        assert_eq!(
            (
                requests["merged"].as_u64(),
                requests["unaccounted"].as_i64()
            ),
            (Some(40), Some(0)),
            "the load's own"
        );
    }
}

#[test]
fn the_kth_vu_has_the_kth_row_on_any_number_of_agents() {
    for (agents, weights) in [("1", "1"), ("3", "1,1,1"), ("3", "5,1,2"), ("7", "auto")] {
        let server = Paths::listen();
        let folder = Folder::new(&format!("rows-{agents}-{weights}"));
        let source = ROWS.replace("/api/waiting-queue/position", "/token");
        let file = folder.write("s.yaml", &source);
        let said = said(
            &throng(&[
                "run",
                &file,
                "--base-url",
                &server.url,
                "--agents",
                agents,
                "--weights",
                weights,
                "--no-teardown",
            ])
            .output()
            .unwrap(),
        );
        said.ran();
        let mut rows: Vec<String> = server
            .paths
            .try_iter()
            .filter(|path| path.starts_with("/row/"))
            .collect();
        rows.sort();
        let mut expected: Vec<String> = (1..=20).map(|k| format!("/row/{k}/{k}")).collect();
        expected.sort();
        assert_eq!(rows, expected, "{agents} agents of weights {weights}");
    }
}

/// A server that tells the paths it is asked for and answers all of them alike.
struct Paths {
    url: String,
    paths: std::sync::mpsc::Receiver<String>,
}

impl Paths {
    fn listen() -> Self {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, paths) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let tell = tell.clone();
                std::thread::spawn(move || {
                    let mut out = stream.try_clone().unwrap();
                    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
                    while let Some(first) = lines.next() {
                        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                        // An empty line ends the head; none of these requests has a body.
                        if !lines.by_ref().any(|line| line.is_empty()) || tell.send(path).is_err() {
                            return;
                        }
                        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"token\":\"x\"}";
                        if out.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, paths }
    }
}

/// A load of one request; setup and teardown as given.
fn around(setup: &str, teardown: &str, limits: &str) -> String {
    format!(
        "{limits}
vus: 2
iterations: 4
setup: {setup}
teardown: {teardown}
flows: {{ default: [{{ get: /load, expect: 404 }}] }}
"
    )
}

const TOKEN: &str = "[{ get: /api/waiting-queue/position, headers: { user-id: 1 } }]";

#[test]
fn a_setup_that_takes_too_long_ends_with_100_before_any_load_and_teardown_is_done() {
    let (demo, folder) = (Demo::fast(), Folder::new("setup-late"));
    let source = around("[{ sleep: 1m }]", TOKEN, "setupTimeout: 300ms");
    let said = run(&folder, &demo, "2", &source, &[]);
    assert_eq!(said.code, 100, "{}\n{}", said.err, said.out);
    assert!(
        said.err.contains("setup took longer than 300ms"),
        "{}",
        said.err
    );
    let ledger = demo.ledger();
    assert_eq!(
        (seen(&ledger, TOKENS, "200"), ledger["requests"].as_u64()),
        (1, Some(1)),
        "teardown alone: {ledger}"
    );
}

#[test]
fn a_teardown_that_takes_too_long_ends_with_101_and_the_report() {
    let (demo, folder) = (Demo::fast(), Folder::new("teardown-late"));
    let source = around(TOKEN, "[{ sleep: 1m }]", "teardownTimeout: 300ms");
    let said = run(&folder, &demo, "2", &source, &[]);
    assert_eq!(said.code, 101, "{}\n{}", said.err, said.out);
    assert!(
        said.out.contains("teardown took longer than 300ms"),
        "{}",
        said.out
    );
    assert_eq!(demo.ledger()["requests"], 5);
    assert_eq!(count(&folder.json("s.json"), "iterations"), 4);
}

#[test]
fn a_setup_that_fails_or_gives_too_few_rows_ends_with_107_and_says_why() {
    let stops = around("[{ stop: the shop is closed }]", TOKEN, "");
    let few = ROWS.replace("range: [1, 20]", "range: [1, 19]");
    for (name, source, why, requests) in [
        (
            "stops",
            stops,
            "setup on local-1 failed: the shop is closed",
            1,
        ),
        (
            "few",
            few,
            "`sessions` has 19 rows, and the scenario `once` has 20 VUs that take one each",
            38,
        ),
    ] {
        let (demo, folder) = (Demo::fast(), Folder::new(&format!("setup-fails-{name}")));
        let said = run(&folder, &demo, "3", &source, &[]);
        assert_eq!(said.code, 107, "{}\n{}", said.err, said.out);
        assert!(said.err.contains(why), "{}", said.err);
        let ledger = demo.ledger();
        assert_eq!(
            ledger["requests"], requests,
            "no load, but teardown: {ledger}"
        );
    }
}

#[test]
fn recycled_rows_do_for_any_number_of_vus() {
    let (demo, folder) = (Demo::fast(), Folder::new("setup-recycles"));
    let source = ROWS
        .replace("range: [1, 20]", "range: [1, 6]")
        .replace("setup: true }", "setup: true, recycle: true }");
    let said = run(&folder, &demo, "3", &source, &[]);
    said.ran();
    let ledger = demo.ledger();
    assert_eq!(seen(&ledger, TOKENS, "200"), 6, "{ledger}");
    assert_eq!(seen(&ledger, SCHEDULES, "200"), 26, "{ledger}");
}

#[test]
fn teardown_is_done_once_after_an_abort_and_after_an_interruption() {
    let long = "vus: 5
duration: 10m
teardown: [{ get: /api/waiting-queue/position, headers: { user-id: 1 } }]
flows: { default: [{ get: /load, expect: 404 }, { sleep: 50ms }] }
";
    let (demo, folder) = (Demo::fast(), Folder::new("teardown-abort"));
    let abort = format!(
        "{long}thresholds: {{ http_reqs: [{{ threshold: \"count<20\", abortOnFail: true }}] }}\n"
    );
    let said = run(&folder, &demo, "3", &abort, &[]);
    assert_eq!(said.code, 99, "{}\n{}", said.err, said.out);
    assert_eq!(seen(&demo.ledger(), TOKENS, "200"), 1);

    let (demo, folder) = (Demo::fast(), Folder::new("teardown-interrupt"));
    let running = Standing::start(command(&folder, &demo, "3", long, &[]));
    crate::common::wait_for(|| demo.ledger()["requests"].as_u64().unwrap() > 20);
    running.interrupt();
    let said = running.end();
    assert_eq!(said.code, 105, "{}", said.err);
    assert_eq!(seen(&demo.ledger(), TOKENS, "200"), 1);
}

#[test]
fn an_interrupted_setup_is_cut_and_cleared_up() {
    let (demo, folder) = (Demo::fast(), Folder::new("setup-interrupt"));
    let setup = "[{ get: /begun, expect: 404 }, { sleep: 10m }]";
    let source = around(setup, TOKEN, "");
    let running = Standing::start(command(&folder, &demo, "2", &source, &[]));
    crate::common::wait_for(|| demo.ledger()["requests"].as_u64().unwrap() == 1);
    running.interrupt();
    let said = running.end();
    assert_eq!(said.code, 105, "{}", said.err);
    let ledger = demo.ledger();
    assert_eq!(
        (seen(&ledger, TOKENS, "200"), ledger["requests"].as_u64()),
        (1, Some(2)),
        "{ledger}"
    );
}

#[test]
fn what_is_left_out_is_left_out() {
    let (demo, folder) = (Demo::fast(), Folder::new("no-setup"));
    let source = around("[{ get: /setup }]", "[{ get: /teardown }]", "");
    let said = run(
        &folder,
        &demo,
        "1",
        &source,
        &["--no-setup", "--no-teardown"],
    );
    said.ran();
    assert_eq!(demo.ledger()["requests"], 4);
}

/// The witness of the shipped one: a token for each user in setup, and none under load.
#[test]
fn the_shipped_scenario_fetches_its_tokens_in_setup() {
    let (demo, folder) = (Demo::fast(), Folder::new("shipped-setup"));
    let source = std::fs::read_to_string(repository("scenarios/reservation-setup.yaml")).unwrap();
    let said = run(&folder, &demo, "3", &source, &[]);
    said.ran();
    assert_eq!(seen(&demo.ledger(), TOKENS, "200"), 130);
    let summary = folder.json("s.json");
    assert_eq!(summary["phases"][0]["requests"], 130);
}
