//! What is in the files against what is in the report.

use crate::Ran;
use serde_json::Value;
use std::process::Command;

/// How many samples a row stands for.
fn weight(metadata: &str) -> u64 {
    let samples = metadata.strip_prefix("samples=");
    samples.map_or(1, |samples| samples.parse().unwrap())
}

pub(crate) fn json_and_csv_hold_every_sample(ran: &Ran) {
    let requests = ran.figure("http_reqs", "count") as u64;
    let packed = ran.folder.file("run.json.gz");
    let unpacked = Command::new("gzip")
        .args(["-dc", &packed])
        .output()
        .unwrap();
    assert!(unpacked.status.success());
    let text = String::from_utf8(unpacked.stdout).unwrap();
    let (mut durations, mut sum, mut described) = (0, 0.0, 0);
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let data = &line["data"];
        match (
            line["type"].as_str().unwrap(),
            line["metric"].as_str().unwrap(),
        ) {
            ("Metric", "http_req_duration") => {
                assert_eq!(
                    (&data["type"], &data["contains"]),
                    (&"trend".into(), &"time".into())
                );
                described += 1;
            }
            ("Metric", _) => {}
            ("Point", metric) => {
                assert!(data["time"].as_str().unwrap().ends_with('Z'));
                assert_eq!(data["tags"]["testid"], "first", "{metric}");
                match metric {
                    "http_req_duration" => {
                        let samples = data["metadata"]["samples"].as_str();
                        durations += samples.map_or(1, |samples| samples.parse().unwrap());
                    }
                    "http_reqs" => {
                        assert_eq!(data["metadata"]["aggregated"], "sum");
                        sum += data["value"].as_f64().unwrap();
                    }
                    _ => {}
                }
            }
            (other, _) => panic!("a line of type {other}"),
        }
    }
    assert_eq!((described, durations, sum as u64), (1, requests, requests));

    let text = std::fs::read_to_string(ran.folder.file("run.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,service,status,subproto,tls_version,url,extra_tags,metadata"
    );
    let durations: u64 = lines
        .clone()
        .filter(|line| line.starts_with("http_req_duration,"))
        .map(|line| weight(line.rsplit(',').next().unwrap()))
        .sum();
    assert_eq!(durations, requests);
    assert!(lines.all(|line| line.matches(',').count() >= 18));
}
