//! Real servers on free ports of the loopback, with their data in the test's folder, and how to ask them.

use crate::common::{Folder, Standing, wait_for};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

/// A port that is free now. Whoever takes it in between makes the test fail, not lie.
pub(crate) fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A GET with a query; gives status and body. HTTP/1.0, so that nothing comes in chunks.
pub(crate) fn ask(
    address: SocketAddr,
    path: &str,
    query: &[(&str, &str)],
) -> Option<(u16, String)> {
    let mut url = url::Url::parse(&format!("http://{address}{path}")).unwrap();
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let target = url.as_str().split_once(&address.to_string()).unwrap().1;
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// InfluxDB 1.x.
pub(crate) struct Influx {
    _process: Standing,
    pub(crate) address: SocketAddr,
}

impl Influx {
    pub(crate) fn start(folder: &Folder) -> Self {
        let address = free();
        Self::start_at(folder, address)
    }

    /// Starts it where it was before, with the data that it had.
    pub(crate) fn start_at(folder: &Folder, address: SocketAddr) -> Self {
        let config = format!(
            "reporting-disabled = true\nbind-address = \"{}\"\n[meta]\ndir = \"{}\"\n[data]\ndir = \"{}\"\nwal-dir = \"{}\"\nquery-log-enabled = false\n[http]\nbind-address = \"{address}\"\nlog-enabled = false\n",
            free(),
            folder.file("influx-meta"),
            folder.file("influx-data"),
            folder.file("influx-wal"),
        );
        let config = folder.write("influxdb.conf", &config);
        let mut command = Command::new("influxd");
        command.args(["-config", &config]);
        let process = Standing::start(command);
        wait_for(|| matches!(ask(address, "/ping", &[]), Some((204, _))));
        Self {
            _process: process,
            address,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The rows of every series of an answer, with the tags of `GROUP BY` left out.
    #[track_caller]
    pub(crate) fn rows(&self, query: &str) -> Vec<Vec<Value>> {
        let asked = [("db", "k6"), ("q", query)];
        let (status, body) = ask(self.address, "/query", &asked).unwrap();
        assert_eq!(status, 200, "{query}\n{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let result = &answer["results"][0];
        assert!(result["error"].is_null(), "{query}\n{body}");
        let series = result["series"].as_array().cloned().unwrap_or_default();
        let values = series.iter().flat_map(|series| {
            let rows = series["values"].as_array().cloned().unwrap_or_default();
            rows.into_iter()
        });
        values
            .map(|row| row.as_array().cloned().unwrap_or_default())
            .collect()
    }

    /// The number in the first row, after its time.
    #[track_caller]
    pub(crate) fn number(&self, query: &str) -> f64 {
        let rows = self.rows(query);
        let number = rows
            .first()
            .and_then(|row| row.get(1))
            .and_then(Value::as_f64);
        number.unwrap_or_else(|| panic!("no number: {query}\n{rows:?}"))
    }
}

/// Prometheus that takes remote writes and native histograms.
pub(crate) struct Prometheus {
    _process: Standing,
    address: SocketAddr,
}

impl Prometheus {
    pub(crate) fn start(folder: &Folder) -> Self {
        let address = free();
        let config = folder.write("prometheus.yml", "global: { scrape_interval: 1h }\n");
        let mut command = Command::new("prometheus");
        command.args([
            &format!("--config.file={config}"),
            &format!("--storage.tsdb.path={}", folder.file("prometheus")),
            &format!("--web.listen-address={address}"),
            "--web.enable-remote-write-receiver",
            "--enable-feature=native-histograms",
        ]);
        let process = Standing::start(command);
        wait_for(|| matches!(ask(address, "/-/ready", &[]), Some((200, _))));
        Self {
            _process: process,
            address,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    #[track_caller]
    fn data(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let (status, body) = ask(self.address, path, query).unwrap();
        assert_eq!(status, 200, "{query:?}\n{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["data"].clone()
    }

    /// A query at a time, in seconds since 1970.
    #[track_caller]
    pub(crate) fn at(&self, query: &str, time: f64) -> Vec<Value> {
        let time = time.to_string();
        let data = self.data("/api/v1/query", &[("query", query), ("time", &time)]);
        data["result"].as_array().cloned().unwrap_or_default()
    }

    /// A query over a time, by the second.
    #[track_caller]
    pub(crate) fn over(&self, query: &str, (from, to): (f64, f64)) -> Vec<Value> {
        let (from, to) = (from.to_string(), to.to_string());
        let asked = [
            ("query", query),
            ("start", &from),
            ("end", &to),
            ("step", "1"),
        ];
        let data = self.data("/api/v1/query_range", &asked);
        data["result"].as_array().cloned().unwrap_or_default()
    }

    /// The values of a label on the series that match.
    #[track_caller]
    pub(crate) fn values(&self, label: &str, matching: &str) -> Vec<Value> {
        let path = format!("/api/v1/label/{label}/values");
        let data = self.data(&path, &[("match[]", matching)]);
        data.as_array().cloned().unwrap_or_default()
    }
}
