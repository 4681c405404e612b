//! What a host of the fleet may lack: open files, time on its cores. Told apart from the target's doings, and told.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, Standing, run, throng};
use serde_json::Value;
use std::io::Read;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn facet<'a>(summary: &'a Value, name: &str) -> Option<&'a Value> {
    let facets = summary["verdict"]["facets"].as_array().unwrap();
    facets.iter().find(|facet| facet["name"] == name)
}

#[test]
fn too_few_open_files_are_warned_of_and_are_no_doing_of_the_target() {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("files"));
    // Eighty, of which its own take a few.
    let mut agent = Command::new("/bin/sh");
    agent
        .args(["-c", "ulimit -n 80; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_throng"))
        .args(["agent", "--controller", &controller.url, "--name", "small"])
        .args(["--workers", "1", "--spool", "none", "--log-format", "json"])
        .env_clear();
    let _agent = Standing::start(agent);
    let scenario = folder.write(
        "crowd.yaml",
        "
scenarios:
  crowd: { executor: constant-vus, vus: 200, duration: 3s, gracefulStop: 10s }
flows:
  default: [{ get: / }, { sleep: 500ms }]
",
    );
    let said = run(&[
        "run",
        &scenario,
        "--base-url",
        &demo.url(),
        "--controller",
        &controller.url,
        "--expect-agents",
        "1",
        "--summary",
        &folder.file("s.json"),
    ]);
    said.ran();
    assert!(
        said.err
            .contains("200 VUs need about 264 open files on this agent, and it may have 80"),
        "{}",
        said.err
    );
    assert!(said.out.contains("out of local resources"), "{}", said.out);
    let summary = folder.json("s.json");
    let wanting = facet(&summary, "requests that an agent's host had no means for").unwrap();
    assert_eq!(wanting["grade"], "DEGRADED");
    let metric = |name: &str, value: &str| {
        let value = &summary["metrics"][name]["values"][value];
        value.as_f64().unwrap() as u64
    };
    // The target has seen all others, and durations are theirs only.
    let seen = demo.ledger()["requests"].as_u64().unwrap();
    let local = wanting["value"].as_f64().unwrap() as u64;
    assert!(local >= 120, "{local} VUs had no connection");
    assert_eq!(metric("http_reqs", "count"), seen + local);
    assert_eq!(metric("http_req_failed", "passes"), local);
}

/// Lets a process have a seventh of the time, as a host with too many guests would.
#[expect(
    clippy::disallowed_methods,
    reason = "a test of real processes waits in real time"
)]
fn starve(process: &Standing, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        process.signal("-STOP");
        std::thread::sleep(Duration::from_millis(700));
        process.signal("-CONT");
        std::thread::sleep(Duration::from_millis(120));
    }
}

#[test]
fn a_starved_agent_makes_the_run_invalid_and_the_worst_one_is_named() {
    // However seldom it is heard, on a machine that starves it too, it keeps its lease.
    let controller = Controller::start_with(&["--lease", "60s"]);
    let (demo, folder) = (Demo::fast(), Folder::new("starved"));
    let _fed = controller.agent("fed");
    let starved = controller.agent("starved");
    let scenario = folder.write(
        "open.yaml",
        "
scenarios:
  load: { executor: constant-arrival-rate, rate: 100, duration: 8s, preAllocatedVUs: 200, gracefulStop: 5s }
flows:
  default: [{ get: / }]
",
    );
    let run = Standing::start(throng(&[
        "run",
        &scenario,
        "--base-url",
        &demo.url(),
        "--controller",
        &controller.url,
        "--expect-agents",
        "2",
        "--summary",
        &folder.file("s.json"),
    ]));
    crate::common::wait_for(|| demo.ledger()["requests"].as_u64().unwrap() > 0);
    let over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&over);
    let starving = std::thread::spawn(move || starve(&starved, &until));
    let said = run.end();
    over.store(true, Ordering::Relaxed);
    starving.join().unwrap();
    assert_eq!(said.code, 121, "{}", said.out);
    let summary = folder.json("s.json");
    let lateness = |agent: &Value| agent["health"]["lateness_p99_ms"].as_f64().unwrap();
    let agents = summary["agents"].as_array().unwrap();
    let of = |name: &str| agents.iter().find(|agent| agent["name"] == name).unwrap();
    assert!(lateness(of("starved")) > 250.0, "{agents:?}");
    let worst = agents
        .iter()
        .max_by(|a, b| lateness(a).total_cmp(&lateness(b)))
        .unwrap();
    let facet = facet(&summary, "lateness p99").unwrap();
    assert_eq!(
        (&facet["grade"], &facet["agent"]),
        (&Value::from("INVALID"), &worst["name"])
    );
    // Late it was, but nothing was sent twice, and all that was sent is in the books.
    assert_eq!(
        demo.ledger()["requests"],
        summary["conservation"]["requests"]["merged"]
    );
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test of real processes waits in real time"
)]
fn a_controller_that_stands_still_says_so_and_nothing_is_lost() {
    let (demo, folder) = (Demo::fast(), Folder::new("still"));
    let controller = Standing::start(throng(&[
        "controller",
        "--listen",
        "127.0.0.1:0",
        "--lease",
        "10s",
        "--log-format",
        "json",
    ]));
    let url = format!("http://{}", controller.address());
    let _agent = Standing::start(throng(&[
        "agent",
        "--controller",
        &url,
        "--name",
        "a",
        "--workers",
        "1",
    ]));
    let scenario = folder.write(
        "open.yaml",
        "
scenarios:
  load: { executor: constant-arrival-rate, rate: 50, duration: 12s, preAllocatedVUs: 100, gracefulStop: 5s }
flows:
  default: [{ get: / }]
",
    );
    let run = Standing::start(throng(&[
        "run",
        &scenario,
        "--base-url",
        &demo.url(),
        "--controller",
        &url,
        "--expect-agents",
        "1",
        "--summary",
        &folder.file("s.json"),
    ]));
    crate::common::wait_for(|| demo.ledger()["requests"].as_u64().unwrap() > 0);
    controller.signal("-STOP");
    // More than half of a lease, and less than one.
    std::thread::sleep(Duration::from_millis(5_500));
    controller.signal("-CONT");
    let said = run.end();
    said.ran();
    let summary = folder.json("s.json");
    let lag = summary["run"]["controller_lag_ms"].as_f64().unwrap();
    assert!(lag > 4_000.0, "{lag}");
    assert!(said.out.contains("controller up to "), "{}", said.out);
    // It was not the agent that was silent.
    assert!(summary["fleet"].is_null(), "{}", summary["fleet"]);
    assert_eq!(summary["conservation"]["completeness"]["share"], 1.0);
    assert_eq!(
        demo.ledger()["requests"],
        summary["conservation"]["requests"]["merged"]
    );
}

/// A target that takes every request and answers none; how many connections it has now and had in all.
struct Mute {
    url: String,
    open: &'static AtomicUsize,
    came: &'static AtomicUsize,
}

impl Mute {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counter = || -> &'static AtomicUsize { Box::leak(Box::default()) };
        let (open, came) = (counter(), counter());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let mut asked = false;
                    // Until the other end is gone.
                    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                        if !std::mem::replace(&mut asked, true) {
                            came.fetch_add(1, Ordering::SeqCst);
                            open.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                    if asked {
                        open.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { url, open, came }
    }
}

#[test]
fn a_stop_cuts_what_is_in_flight_and_how_long_that_took_is_told() {
    let (target, folder) = (Mute::start(), Folder::new("cut"));
    // Each request would wait for its minute.
    let scenario = folder.write(
        "mute.yaml",
        "
scenarios:
  all: { executor: constant-vus, vus: 20, duration: 10m, gracefulStop: 1m }
flows:
  default: [{ get: / }]
",
    );
    let run = Standing::start(throng(&[
        "run",
        &scenario,
        "--base-url",
        &target.url,
        "--agents",
        "2",
        "--summary",
        &folder.file("s.json"),
    ]));
    crate::common::wait_for(|| target.came.load(Ordering::SeqCst) == 20);
    run.interrupt();
    let said = run.end();
    assert_eq!(said.code, 105, "{}", said.err);
    let summary = folder.json("s.json");
    let stop = &summary["run"]["stop"];
    assert_eq!(
        (&stop["cut"], &stop["confirmed"], &stop["silent"]),
        (&Value::from(true), &Value::from(2), &Value::Null)
    );
    let took = stop["took_ms"].as_f64().unwrap();
    println!("the stop took {took} ms");
    // A busy machine may take a while over the last messages; nothing but the cut ends a minute's wait so soon.
    assert!(took < 15_000.0, "{took} ms");
    assert!(
        said.out.contains("2 agents confirmed within"),
        "{}",
        said.out
    );
    crate::common::wait_for(|| target.open.load(Ordering::SeqCst) == 0);
    assert_eq!(target.came.load(Ordering::SeqCst), 20, "nobody came again");
    assert_eq!(summary["conservation"]["iterations"]["interrupted"], 20);
}

#[test]
fn a_ceiling_below_the_plan_is_a_facet_of_the_verdict() {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("ceiling"));
    let _agent = controller.agent_with("slow", &["--max-rate", "20"]);
    let scenario = folder.write(
        "open.yaml",
        "
scenarios:
  load: { executor: constant-arrival-rate, rate: 60, duration: 2s, preAllocatedVUs: 120, gracefulStop: 20s }
flows:
  default: [{ get: / }]
",
    );
    let said = run(&[
        "run",
        &scenario,
        "--base-url",
        &demo.url(),
        "--controller",
        &controller.url,
        "--expect-agents",
        "1",
        "--summary",
        &folder.file("s.json"),
    ]);
    assert_eq!(said.code, 121, "{}", said.out);
    let summary = folder.json("s.json");
    let held = facet(&summary, "requests held back by an agent's ceiling").unwrap();
    assert_eq!(
        (&held["grade"], &held["agent"]),
        (&Value::from("INVALID"), &Value::from("slow"))
    );
    assert!(said.out.contains("under its own ceiling (--max-rate)"));
    assert_eq!(
        demo.ledger()["requests"],
        summary["conservation"]["requests"]["merged"]
    );
}
