//! The dashboards that come with throng: every query of every panel, variable and annotation is asked, and something comes back.
//! Grafana itself is not here: how it draws is not tested, what it asks is.

use crate::Ran;
use crate::common::repository;
use serde_json::Value;
use std::collections::BTreeSet;

fn dashboards(kind: &str) -> Vec<(String, Value)> {
    let folder = repository("deploy/grafana/dashboards");
    let mut found: Vec<(String, Value)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains(kind))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            // Only the import dialogue fills these in, not provisioning.
            assert!(
                !text.contains("__inputs") && !text.contains("${DS_"),
                "{}",
                path.display()
            );
            (
                path.display().to_string(),
                serde_json::from_str(&text).unwrap(),
            )
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found.len(), 2, "dashboards for {kind}");
    found
}

fn list<'a>(value: &'a Value, pointer: &str) -> Vec<&'a Value> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.map(|list| list.iter().collect()).unwrap_or_default()
}

/// What Grafana puts in place of its variables.
fn filled(query: &str, ran: &Ran) -> String {
    let filled = query
        .replace("$timeFilter", "time > now() - 1h")
        .replace("$__interval_ms", "1000")
        .replace("$__interval", "1s")
        .replace("$__rate_interval", "10s")
        .replace("$__range", "120s")
        .replace("$run", &ran.run)
        .replace("$step", ".*")
        .replace("$agent", ".*");
    assert!(
        !filled.replace("$/", "").contains('$'),
        "a variable that is not known: {filled}"
    );
    filled
}

/// What must hold of any dashboard; gives the queries: what each is for, and its target.
fn targets<'a>(name: &str, dashboard: &'a Value, uid: &str) -> Vec<(String, &'a Value)> {
    let mut ids = BTreeSet::new();
    let mut targets = Vec::new();
    let variables = list(dashboard, "/templating/list");
    assert!(!variables.is_empty(), "{name}");
    for variable in variables {
        assert_eq!(variable["datasource"]["uid"], uid, "{name}");
    }
    for panel in list(dashboard, "/panels") {
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{name}: {}",
            panel["id"]
        );
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], uid, "{name}");
        let of_panel = list(panel, "/targets");
        assert!(!of_panel.is_empty(), "{name}: {}", panel["title"]);
        for target in of_panel {
            targets.push((format!("{name}: {}", panel["title"]), target));
        }
    }
    targets
}

pub(crate) fn every_query_of_every_influxdb_dashboard_returns_data(ran: &Ran) {
    let mut asked = 0;
    let mut ask = |what: &str, query: &str| {
        let query = filled(query, ran);
        let rows = ran.influx.rows(&query);
        // A row may be there and say nothing.
        let said = rows
            .iter()
            .any(|row| row.iter().skip(1).any(|cell| !cell.is_null()));
        assert!(said, "nothing for {what}\n{query}");
        asked += 1;
    };
    for (name, dashboard) in dashboards("influxdb") {
        for (what, target) in targets(&name, &dashboard, "throng-influxdb") {
            ask(&what, target["query"].as_str().unwrap());
        }
        for variable in list(&dashboard, "/templating/list") {
            ask(&name, variable["query"].as_str().unwrap());
        }
        for annotation in list(&dashboard, "/annotations/list") {
            ask(&name, annotation["query"].as_str().unwrap());
        }
    }
    assert!(asked > 40, "{asked}");
}

pub(crate) fn every_query_of_every_prometheus_dashboard_returns_data(ran: &Ran) {
    let (begin, end) = ran.time();
    let mut asked = 0;
    for (name, dashboard) in dashboards("prometheus") {
        for (what, target) in targets(&name, &dashboard, "throng-prometheus") {
            let query = filled(target["expr"].as_str().unwrap(), ran);
            let found = if target["instant"] == true {
                ran.prometheus.at(&query, end)
            } else {
                ran.prometheus.over(&query, (begin, end))
            };
            assert!(!found.is_empty(), "nothing for {what}\n{query}");
            asked += 1;
        }
        for variable in list(&dashboard, "/templating/list") {
            let query = variable["query"]["query"].as_str().unwrap();
            let inner = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')'))
                .unwrap();
            let (matching, label) = inner.rsplit_once(", ").unwrap();
            let found = ran.prometheus.values(label, &filled(matching, ran));
            assert!(!found.is_empty(), "nothing for {name}\n{query}");
            asked += 1;
        }
        for annotation in list(&dashboard, "/annotations/list") {
            let query = filled(annotation["expr"].as_str().unwrap(), ran);
            let found = ran.prometheus.over(&query, (begin, end));
            let texts: BTreeSet<&str> = found
                .iter()
                .filter_map(|series| series["metric"]["text"].as_str())
                .collect();
            assert!(texts.contains("visitors: stage 2, to 8"), "{texts:?}");
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
}
