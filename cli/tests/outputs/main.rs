//! What a run sends to real servers, and what can be asked of them afterwards: InfluxDB 1.6, Prometheus 2.42, files.
//!
//! Needs influxd and prometheus (Debian's packages), so it is ignored unless asked for; CI asks:
//! `cargo test -p throng --test outputs -- --ignored`.

#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "only a part is used here")]
#[path = "../whole/common.rs"]
mod common;
mod dashboards;
mod files;
mod k6_dashboards;
mod layouts;
mod marks;
mod page;
mod servers;
mod sinks;
mod statsd;

use common::{Demo, Folder, repository, run};
use serde_json::Value;
use servers::{Influx, Prometheus};

/// A run that wrote to everything.
struct Ran {
    folder: Folder,
    influx: Influx,
    prometheus: Prometheus,
    report: Value,
    run: String,
}

/// One run, two agents, every output.
fn ran() -> Ran {
    let folder = Folder::new("outputs");
    let (influx, prometheus) = (Influx::start(&folder), Prometheus::start(&folder));
    let demo = Demo::fast();
    let outs = [
        format!("influxdb={}/k6", influx.url()),
        format!("prometheus-rw={}/api/v1/write,every=1s", prometheus.url()),
        format!("json={}", folder.file("run.json.gz")),
        format!("csv={}", folder.file("run.csv")),
    ];
    let (summary, scenario) = (
        folder.file("summary.json"),
        repository("cli/tests/scenarios/outputs.yaml"),
    );
    let url = demo.url();
    let mut arguments = vec!["run", &scenario, "--base-url", &url, "--agents", "2"];
    arguments.extend(["--tag", "testid=first", "--summary", &summary]);
    for out in &outs {
        arguments.extend(["--out", out]);
    }
    let said = run(&arguments);
    said.ran();
    let report = folder.json("summary.json");
    let run = report["run"]["id"].as_str().unwrap().to_owned();
    Ran {
        folder,
        influx,
        prometheus,
        report,
        run,
    }
}

/// Starting servers and making load takes its time, so everything is asked after one run.
#[test]
#[ignore = "needs influxd and prometheus"]
fn what_a_run_wrote_can_be_asked_for() {
    let ran = ran();
    layouts::nothing_is_lost(&ran);
    layouts::the_influxdb_p95_is_the_reports(&ran);
    layouts::counts_of_the_k6_layout_are_exact_below_the_budget(&ran);
    layouts::the_prometheus_p95_is_the_reports(&ran);
    layouts::prometheus_series_end_with_the_run(&ran);
    files::json_and_csv_hold_every_sample(&ran);
    dashboards::every_query_of_every_influxdb_dashboard_returns_data(&ran);
    dashboards::every_query_of_every_prometheus_dashboard_returns_data(&ran);
    k6_dashboards::the_influxdb_layout_feeds_queries_in_the_style_of_k6s(&ran);
    k6_dashboards::the_prometheus_names_feed_queries_in_the_style_of_k6s(&ran);
}

#[test]
#[ignore = "needs influxd"]
fn sinks_that_fail_in_the_middle_of_a_run_move_no_arrival_and_lose_what_is_counted() {
    sinks::killed_slowed_and_refusing();
}

#[test]
#[ignore = "needs promtool"]
fn the_page_to_scrape_is_what_prometheus_reads() {
    page::read_by_promtool();
}
