//! Sinks that are killed, slow or refuse in the middle of a run: the schedule does not move, and what is lost is counted to the point.

use crate::common::{Demo, Folder, Standing, throng, wait_for};
use crate::servers::{Influx, free};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// 100 arrivals a second for eight seconds: lateness shows what disturbs them.
const SCENARIO: &str = "
scenarios:
  arrivals: { executor: constant-arrival-rate, rate: 100, timeUnit: 1s, duration: 8s, preAllocatedVUs: 20, maxVUs: 20 }
flows:
  default:
    - get: /healthz
";

/// A server that counts the lines it is sent, and answers with this status after the first two batches; or never.
struct Fake {
    address: std::net::SocketAddr,
    lines: Arc<AtomicU64>,
}

impl Fake {
    fn start(then: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let lines = Arc::new(AtomicU64::new(0));
        let counted = lines.clone();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for (nth, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut length, mut line) = (0, String::new());
                loop {
                    line.clear();
                    reader.read_line(&mut line).unwrap();
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line == "\r\n" || line.is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let status = if nth < 2 {
                    Some("204 No Content")
                } else {
                    then
                };
                let Some(status) = status else {
                    // Neither answered nor closed.
                    held.push(stream);
                    continue;
                };
                if status.starts_with("204") {
                    let count = body.iter().filter(|byte| **byte == b'\n').count() as u64;
                    counted.fetch_add(count, Relaxed);
                }
                let answer =
                    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { address, lines }
    }
}

fn number(facts: &Value, name: &str) -> u64 {
    facts[name].as_u64().unwrap()
}

pub(crate) fn killed_slowed_and_refusing() {
    let folder = Folder::new("sinks");
    let address = free();
    let influx = Influx::start_at(&folder, address);
    let (slow, refusing) = (Fake::start(None), Fake::start(Some("403 Forbidden")));
    let demo = Demo::fast();
    let (scenario, summary, url) = (
        folder.write("s.yaml", SCENARIO),
        folder.file("summary.json"),
        demo.url(),
    );
    let own = "layout=throng";
    let outs = [
        format!("influxdb=http://{address}/k6,{own}"),
        format!(
            "influxdb=http://{}/k6,version=3,{own},flush=1s",
            slow.address
        ),
        format!("influxdb=http://{}/k6,version=3,{own}", refusing.address),
        format!("json={}", folder.file("all.json")),
    ];
    let mut arguments = vec![
        "run",
        &scenario,
        "--base-url",
        &url,
        "--agents",
        "1",
        "--summary",
        &summary,
        "--log-format",
        "json",
    ];
    for out in &outs {
        arguments.extend(["--out", out]);
    }
    let running = Standing::start(throng(&arguments));
    // In the middle of the run the real one is killed, and comes back where it was, with what it had.
    wait_for(|| refusing.lines.load(Relaxed) > 0);
    drop(influx);
    running.until(|line| line.contains("trying again").then_some(()));
    let influx = Influx::start_at(&folder, address);
    let said = running.end();
    said.ran();
    let report = folder.json("summary.json");
    let outputs = report["outputs"].as_array().unwrap();
    for facts in outputs {
        let sum: u64 = ["written", "refused", "dropped", "unsent"]
            .iter()
            .map(|name| number(facts, name))
            .sum();
        assert_eq!(sum, number(facts, "points"), "{facts}");
    }
    // Killed: everything came in the end, each once.
    assert_eq!(
        number(&outputs[0], "written"),
        number(&outputs[0], "points"),
        "{}",
        outputs[0]
    );
    let requests = report["metrics"]["http_reqs"]["values"]["count"]
        .as_f64()
        .unwrap();
    let found = influx.number(
        "SELECT sum(\"sum\") FROM throng_http_reqs WHERE \"scope\" = 'total' AND \"window\" = '1s'",
    );
    assert_eq!(found, requests);
    // Slow: what it took before is written, the rest is not confirmed. Its counts are the server's.
    assert_eq!(number(&outputs[1], "written"), slow.lines.load(Relaxed));
    assert!(number(&outputs[1], "unsent") > 0, "{}", outputs[1]);
    // Refusing: likewise, refused.
    assert_eq!(number(&outputs[2], "written"), refusing.lines.load(Relaxed));
    assert!(number(&outputs[2], "refused") > 0, "{}", outputs[2]);
    assert!(
        outputs[2]["problem"].as_str().unwrap().contains("403"),
        "{}",
        outputs[2]
    );
    // The schedule, second by second: none lost, and not later while sinks were down than the machine itself makes it.
    assert_eq!(
        report["metrics"]["iterations"]["values"]["count"], 800.0,
        "{}",
        report["metrics"]["iterations"]
    );
    let lateness = "SELECT max(\"p99\") FROM throng_iteration_lateness WHERE \"scope\" = 'total' AND \"window\" = '1s' GROUP BY time(1s) fill(none)";
    let by_second: Vec<f64> = influx
        .rows(lateness)
        .iter()
        .map(|row| row[1].as_f64().unwrap())
        .collect();
    // On a busy machine the last arrivals begin in a ninth second.
    assert!(by_second.len() >= 8, "{by_second:?}");
    let worst = by_second.iter().copied().fold(0.0, f64::max);
    // A sink that held the load up would do so for its time-outs: seconds.
    assert!(worst < 500.0, "p99 lateness by second in ms: {by_second:?}");
    println!("p99 lateness by second in ms: {by_second:?}");
}
