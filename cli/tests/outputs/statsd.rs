//! What a StatsD server would count, against what the report counts.

use crate::common::{Demo, Folder, run};
use std::collections::BTreeMap;
use std::net::UdpSocket;

/// Counters and timings by name, as a server adds them up: a sampled one stands for as many as its rate says.
fn counted(text: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        let (name, rest) = line.rsplit_once(':').unwrap();
        let parts: Vec<&str> = rest.split('|').collect();
        let value: f64 = parts[0].parse().unwrap();
        let rate = parts.get(2).map_or(1.0, |rate| {
            rate.strip_prefix('@').unwrap().parse::<f64>().unwrap()
        });
        match parts[1] {
            "c" => *sums.entry(name.to_owned()).or_default() += value / rate,
            "ms" => *sums.entry(name.to_owned()).or_default() += 1.0 / rate,
            "g" => assert!(value >= 0.0, "{line}: a change, not a level"),
            other => panic!("{line}: {other}"),
        }
    }
    sums
}

/// All of it is in the socket's buffer when the run is over: a loopback hands datagrams over as they are sent, and these are few.
#[test]
fn a_server_counts_what_the_report_counts() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let (folder, demo) = (Folder::new("statsd"), Demo::fast());
    let out = format!("statsd={},samples=5", server.local_addr().unwrap());
    let (url, summary) = (demo.url(), folder.file("summary.json"));
    let scenario = folder.file("s.yaml");
    std::fs::write(
        &scenario,
        "flows: { default: [{ get: /healthz, checks: { fine: { status: 200 } } }, { get: /nowhere, checks: { there: { status: 200 } } }] }\n",
    )
    .unwrap();
    run(&[
        "run",
        &scenario,
        "--base-url",
        &url,
        "-i",
        "60",
        "-u",
        "3",
        "--agents",
        "2",
        "--out",
        &out,
        "--summary",
        &summary,
    ])
    .ran();
    let mut text = String::new();
    let mut datagram = [0; 65_536];
    while let Ok(size) = server.recv(&mut datagram) {
        assert!(size <= 1_432, "{size}");
        text.push_str(std::str::from_utf8(&datagram[..size]).unwrap());
        text.push('\n');
    }
    let report = folder.json("summary.json");
    assert_eq!(report["outputs"][0]["written"], text.lines().count());
    let counted = counted(&text);
    let near = |name: &str, wanted: f64| {
        let found = counted.get(name).copied().unwrap_or_default();
        assert!(
            (found - wanted).abs() < 0.001,
            "{name}: {found}, not {wanted}\n{text}"
        );
    };
    let requests = report["metrics"]["http_reqs"]["values"]["count"]
        .as_f64()
        .unwrap();
    assert!(requests >= 120.0, "{requests}");
    near("k6.http_reqs", requests);
    near("k6.http_req_duration", requests);
    near("k6.iterations", 60.0);
    near("k6.check.fine.pass", 60.0);
    near("k6.check.there.fail", 60.0);
    near("k6.http_req_failed", 60.0);
    let received = report["metrics"]["data_received"]["values"]["count"].as_f64();
    near("k6.data_received", received.unwrap());
    assert!(text.contains("|ms|@"), "more samples than lines:\n{text}");
    assert!(text.contains("k6.vus:"), "{text}");
}
