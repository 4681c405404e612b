//! What is in the databases against what is in the report.

use crate::Ran;
use serde_json::Value;

impl Ran {
    /// A figure of the report: of a metric, in its units.
    pub(crate) fn figure(&self, metric: &str, figure: &str) -> f64 {
        let value = &self.report["metrics"][metric]["values"][figure];
        value
            .as_f64()
            .unwrap_or_else(|| panic!("the report has no {figure} of {metric}"))
    }

    /// When load was made, in seconds since 1970, with some room at both ends.
    pub(crate) fn time(&self) -> (f64, f64) {
        let begun = self.report["run"]["started_unix_ms"].as_f64().unwrap() / 1e3;
        (
            begun - 1.0,
            begun + self.report["run"]["load_ms"].as_f64().unwrap() / 1e3 + 5.0,
        )
    }

    /// The last second of the load, in seconds since 1970: the newest point of throng's own layout, and its end.
    pub(crate) fn last(&self) -> f64 {
        let query = "SELECT \"sum\" FROM throng_http_reqs WHERE \"scope\" = 'total' AND \"window\" = '1s' ORDER BY time DESC LIMIT 1";
        let rows = self.influx.rows(query);
        let time = rows[0][0].as_str().unwrap();
        let (_, clock) = time.split_once('T').unwrap();
        let parts: Vec<f64> = clock
            .trim_end_matches('Z')
            .split(':')
            .map(|part| part.parse().unwrap())
            .collect();
        let of_day = parts[0] * 3_600.0 + parts[1] * 60.0 + parts[2];
        let (begun, _) = self.time();
        let day = (begun / 86_400.0).floor() * 86_400.0;
        let second = day + of_day;
        // The run may have gone over midnight.
        if second < begun {
            second + 86_400.0
        } else {
            second
        }
    }
}

pub(crate) fn nothing_is_lost(ran: &Ran) {
    let outputs = ran.report["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 4);
    for output in outputs {
        let number = |name: &str| output[name].as_u64().unwrap();
        assert!(number("points") > 0, "{output}");
        assert_eq!(number("written"), number("points"), "{output}");
        assert_eq!(number("missed_intervals"), 0, "{output}");
        assert_eq!(output["problem"], "", "{output}");
    }
}

#[track_caller]
fn same(found: f64, expected: f64, what: &str) {
    let off = (found - expected).abs() / expected.abs().max(1e-9);
    assert!(
        off < 1e-9,
        "{what}: {found}, and the report says {expected}"
    );
}

pub(crate) fn the_influxdb_p95_is_the_reports(ran: &Ran) {
    for (field, figure) in [
        ("p95", "p(95)"),
        ("p90", "p(90)"),
        ("p50", "med"),
        ("max", "max"),
    ] {
        let query = format!(
            "SELECT last(\"{field}\") FROM throng_http_req_duration WHERE \"run\" = '{}' AND \"scope\" = 'total' AND \"window\" = 'run'",
            ran.run
        );
        same(
            ran.influx.number(&query),
            ran.figure("http_req_duration", figure),
            &query,
        );
    }
    let requests = ran.figure("http_reqs", "count");
    for query in [
        "SELECT sum(\"sum\") FROM throng_http_reqs WHERE \"scope\" = 'total' AND \"window\" = '1s'",
        "SELECT sum(\"sum\") FROM throng_http_reqs WHERE \"scope\" = 'series'",
        "SELECT sum(\"sum\") FROM throng_http_reqs WHERE \"scope\" = 'agent'",
        "SELECT sum(\"sum\") FROM throng_http_reqs WHERE \"scope\" = 'step' AND \"window\" = '1s'",
        "SELECT last(\"sum\") FROM throng_http_reqs WHERE \"scope\" = 'total' AND \"window\" = 'run'",
        "SELECT sum(\"count\") FROM throng_http_req_duration WHERE \"scope\" = 'total' AND \"window\" = '1s'",
    ] {
        same(ran.influx.number(query), requests, query);
    }
    // The tag of the command line is on every point.
    for measurement in ran.influx.rows("SHOW MEASUREMENTS") {
        let name = measurement[0].as_str().unwrap();
        let without = format!("SELECT * FROM \"{name}\" WHERE \"testid\" !~ /first/ LIMIT 1");
        assert_eq!(
            ran.influx.rows(&without),
            Vec::<Vec<Value>>::new(),
            "{name}"
        );
    }
}

pub(crate) fn counts_of_the_k6_layout_are_exact_below_the_budget(ran: &Ran) {
    let requests = ran.figure("http_reqs", "count");
    for query in [
        "SELECT sum(value) FROM http_reqs",
        "SELECT count(value) FROM http_req_duration",
        "SELECT count(value) FROM http_req_waiting",
        "SELECT count(value) FROM http_req_failed",
    ] {
        same(ran.influx.number(query), requests, query);
    }
    let checks = "SELECT sum(value) FROM checks";
    same(
        ran.influx.number(checks),
        ran.figure("checks", "passes"),
        checks,
    );
    // Single values are read within half a bucket.
    for (query, figure) in [("max(value)", "max"), ("min(value)", "min")] {
        let query = format!("SELECT {query} FROM http_req_duration");
        same(
            ran.influx.number(&query),
            ran.figure("http_req_duration", figure),
            &query,
        );
    }
    let mean = ran
        .influx
        .number("SELECT mean(value) FROM http_req_duration");
    let off = mean / ran.figure("http_req_duration", "avg") - 1.0;
    assert!(off.abs() < 0.001, "{mean}");
}

pub(crate) fn the_prometheus_p95_is_the_reports(ran: &Ran) {
    let number = |query: &str| -> f64 {
        let found = ran.prometheus.at(query, ran.last() + 5.0);
        let value = found.first().and_then(|series| series["value"][1].as_str());
        value
            .unwrap_or_else(|| panic!("nothing: {query}"))
            .parse()
            .unwrap()
    };
    let query = format!(
        "max(last_over_time(throng_run_http_req_duration_p95{{run=\"{}\"}}[5m]))",
        ran.run
    );
    same(
        number(&query) * 1e3,
        ran.figure("http_req_duration", "p(95)"),
        &query,
    );
    let query = "sum(last_over_time(k6_http_reqs_total[5m]))";
    same(number(query), ran.figure("http_reqs", "count"), query);
    // The last that was written before the end was marked: a millisecond after the last second's end.
    let written = (ran.last() * 1e3).floor() / 1e3 + 1.001;
    let query = "histogram_count(sum(k6_http_req_duration_seconds))";
    let found = ran.prometheus.at(query, written);
    let count = found.first().and_then(|series| series["value"][1].as_str());
    let count: f64 = count.unwrap().parse().unwrap();
    same(count, ran.figure("http_reqs", "count"), query);
    let query = "histogram_quantile(0.95, sum(k6_http_req_duration_seconds))";
    let found = ran.prometheus.at(query, written);
    let p95: f64 = found[0]["value"][1].as_str().unwrap().parse().unwrap();
    // A bucket is 2.2 % wide, and the ranks of so few samples differ by one.
    let off = p95 * 1e3 / ran.figure("http_req_duration", "p(95)") - 1.0;
    assert!(off.abs() < 0.05, "{query}: off by {off}");
}

pub(crate) fn prometheus_series_end_with_the_run(ran: &Ran) {
    for query in [
        "k6_http_reqs_total",
        "k6_vus",
        "k6_http_req_duration_seconds",
    ] {
        assert_eq!(
            ran.prometheus.at(query, ran.last() + 3.0),
            Vec::<Value>::new(),
            "{query}"
        );
    }
}
