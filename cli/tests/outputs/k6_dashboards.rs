//! Queries in the styles of k6's published dashboards (InfluxDB: 2587, 13719, 14801; Prometheus: 19665, 18030), asked of what throng wrote.

use crate::Ran;

pub(crate) fn the_influxdb_layout_feeds_queries_in_the_style_of_k6s(ran: &Ran) {
    let time = "time > now() - 1h";
    let mut queries = vec![
        format!("SELECT mean(\"value\") FROM \"vus\" WHERE {time} GROUP BY time(1s) fill(none)"),
        format!("SELECT max(\"value\") FROM \"vus_max\" WHERE {time}"),
        format!(
            "SELECT sum(\"value\") FROM \"http_reqs\" WHERE {time} GROUP BY time(1s) fill(none)"
        ),
        format!(
            "SELECT sum(\"value\") FROM \"checks\" WHERE {time} GROUP BY time(1s), \"check\" fill(none)"
        ),
        format!("SELECT sum(\"value\") FROM \"iterations\" WHERE {time}"),
        format!(
            "SELECT sum(\"value\") FROM \"http_reqs\" WHERE \"status\" != '200' AND {time} GROUP BY time(1s) fill(none)"
        ),
        format!("SELECT mean(\"value\") FROM \"http_req_failed\" WHERE {time}"),
        format!(
            "SELECT percentile(\"value\", 95), percentile(\"value\", 99), max(\"value\"), mean(\"value\"), min(\"value\"), count(\"value\") FROM \"http_req_duration\" WHERE {time} GROUP BY \"name\", \"status\", \"method\""
        ),
        format!(
            "SELECT count(\"value\"), min(\"value\"), median(\"value\"), max(\"value\"), mean(\"value\"), percentile(\"value\", 95) FROM \"http_req_duration\" WHERE {time} AND \"group\" = '::browse' GROUP BY \"group\", \"name\""
        ),
        "SHOW TAG VALUES FROM \"http_req_duration\" WITH KEY = \"name\"".to_owned(),
        "SHOW TAG VALUES FROM \"http_req_duration\" WITH KEY = \"group\"".to_owned(),
        format!(
            "SELECT sum(\"value\") FROM \"data_received\" WHERE {time} GROUP BY time(1s) fill(none)"
        ),
        format!("SELECT \"value\" FROM \"http_req_duration\" WHERE {time}"),
    ];
    for measurement in [
        "http_req_duration",
        "http_req_blocked",
        "http_req_connecting",
        "http_req_tls_handshaking",
        "http_req_sending",
        "http_req_waiting",
        "http_req_receiving",
        "iteration_duration",
        "group_duration",
    ] {
        for select in [
            "mean(\"value\")",
            "max(\"value\")",
            "median(\"value\")",
            "min(\"value\")",
            "percentile(\"value\", 90)",
            "percentile(\"value\", 95)",
        ] {
            queries.push(format!("SELECT {select} FROM /^{measurement}$/ WHERE {time} AND \"value\" >= 0 GROUP BY time(1s) fill(none)"));
        }
    }
    for query in queries {
        assert!(!ran.influx.rows(&query).is_empty(), "nothing: {query}");
    }
}

pub(crate) fn the_prometheus_names_feed_queries_in_the_style_of_k6s(ran: &Ran) {
    let t = "testid=~\"first\"";
    let mut queries = vec![
        format!("sum(k6_vus{{{t}}})"),
        format!("sum(irate(k6_http_reqs_total{{{t}}}[10s]))"),
        format!("sum(rate(k6_http_reqs_total{{{t}, expected_response=\"false\"}}[10s]))"),
        format!("avg(k6_checks_rate{{{t}}})"),
        format!("avg by (check) (k6_checks_rate{{{t}}})"),
        format!("avg(k6_http_req_failed_rate{{{t}}})"),
        format!("sum(irate(k6_data_sent_total{{{t}}}[10s]))"),
        format!("sum(irate(k6_data_received_total{{{t}}}[10s]))"),
        format!("sum(k6_dropped_iterations_total{{{t}}})"),
        format!("sum by (name, method, status) (k6_http_reqs_total{{{t}}})"),
        format!(
            "avg by (name) (k6_http_req_duration_p95{{{t}, method=~\"GET\", status=~\"200\"}})"
        ),
        format!(
            "histogram_quantile(0.95, sum by (name) (rate(k6_http_req_duration_seconds{{{t}}}[10s])))"
        ),
        format!("histogram_sum(rate(k6_iteration_duration_seconds{{{t}}}[10s]))"),
    ];
    for metric in [
        "http_req_duration",
        "http_req_blocked",
        "http_req_tls_handshaking",
        "http_req_sending",
        "http_req_waiting",
        "http_req_receiving",
        "iteration_duration",
    ] {
        for stat in ["avg", "min", "med", "max", "p90", "p95", "p99"] {
            queries.push(format!("avg(k6_{metric}_{stat}{{{t}}})"));
        }
        queries.push(format!(
            "histogram_quantile(0.99, sum(rate(k6_{metric}_seconds{{{t}}}[10s])))"
        ));
    }
    for query in queries {
        assert!(
            !ran.prometheus.over(&query, ran.time()).is_empty(),
            "nothing: {query}"
        );
    }
}
