//! A standing controller's `/metrics`, before, during and after a run, read by Prometheus' own parser.

use crate::common::{Demo, Folder, Standing, repository, run, throng, wait_for};
use crate::servers::{ask, free};
use std::io::Write;
use std::process::{Command, Stdio};

/// Fails unless Prometheus can read it. What promtool only finds unusual (3) is no fault: k6's names are k6's.
#[track_caller]
fn readable(page: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{said}\n{page}"
    );
    assert!(!said.contains("parsing"), "{said}");
}

pub(crate) fn read_by_promtool() {
    let (metrics, folder, demo) = (free(), Folder::new("page"), Demo::fast());
    let (shown, state) = (metrics.to_string(), folder.file("state"));
    let controller = Standing::start(throng(&[
        "controller",
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        &shown,
        "--state",
        &state,
        "--log-format",
        "json",
    ]));
    let url = format!("http://{}", controller.address());
    let page = || ask(metrics, "/metrics", &[]).unwrap();
    wait_for(|| ask(metrics, "/metrics", &[]).is_some());
    let (status, before) = page();
    assert_eq!(status, 200);
    readable(&before);
    assert!(before.contains("throng_build_info") && !before.contains("k6_"));
    let glance = free();
    let _agent = Standing::start(throng(&[
        "agent",
        "--controller",
        &url,
        "--name",
        "one",
        "--metrics-listen",
        &glance.to_string(),
        "--spool",
        "none",
        "--log-format",
        "json",
    ]));
    let summary = folder.file("summary.json");
    let scenario = repository("cli/tests/scenarios/outputs.yaml");
    let said = run(&[
        "run",
        &scenario,
        "--controller",
        &url,
        "--base-url",
        &demo.url(),
        "--summary",
        &summary,
    ]);
    said.ran();
    let (_, after) = page();
    readable(&after);
    let report = folder.json("summary.json");
    let value = |start: &str| -> f64 {
        let lines = after.lines().filter(|line| line.starts_with(start));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    };
    let requests = report["metrics"]["http_reqs"]["values"]["count"]
        .as_f64()
        .unwrap();
    assert_eq!(value("k6_http_reqs_total{"), requests);
    assert_eq!(value("throng_agent_http_reqs_total{"), requests);
    let p95 = report["metrics"]["http_req_duration"]["values"]["p(95)"]
        .as_f64()
        .unwrap();
    assert!((value("throng_run_http_req_duration_p95{") * 1e3 / p95 - 1.0).abs() < 1e-9);
    assert_eq!(value("throng_run_active{"), 0.0);

    let own = || ask(glance, "/metrics", &[]).unwrap().1;
    // Told twice a second.
    wait_for(|| own().contains("throng_agent_connected 1\n"));
    readable(&own());
    assert!(own().contains("throng_agent_info{name=\"one\""));
}
