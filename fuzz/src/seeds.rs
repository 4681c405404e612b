//! Good input to begin with, and the words of a scenario file.

use metrics::{Interval, Metric, Series, Tags, Trend, Value};
use prost::Message as _;

/// A file that has everything, beside those that are shipped.
const WHOLE: &str = r#"
baseURL: ${BASE:-http://h:1}
tags: { team: a }
timeout: 5s
dns: { ttl: 1m }
summaryTrendStats: [avg, "p(95)"]
scenarios:
  a: { executor: ramping-vus, startVUs: 1, stages: [{ duration: 1s, target: 5 }, { duration: 0s, target: 2 }], gracefulRampDown: 3s, env: { A: b } }
  b: { executor: constant-arrival-rate, rate: 5, timeUnit: 1s, duration: 9s, preAllocatedVUs: 2, maxVUs: 4, startAfter: a, exec: other, arrivals: poisson, catchUp: 2s }
  c: { executor: ramping-arrival-rate, startRate: 5, stages: [{ duration: 1m, target: 9 }], preAllocatedVUs: 2, tags: { k: v }, arrivals: poisson }
  d: { executor: shared-iterations, vus: 2, iterations: 8, maxDuration: 1m, gracefulStop: 0s }
  e: { executor: per-vu-iterations, vus: 2, iterations: 8, startAfter: b, startTime: 1s }
thresholds:
  http_req_duration: ["p(95)<500", { threshold: "avg<3", abortOnFail: true, delayAbortEval: 1s }]
  "checks{check:Ok}": rate>0.5
data:
  users: { range: [1, 10] }
  names: { list: [{ n: a }, { n: b }] }
  rows: { csv: rows.csv }
flows:
  default:
    - let: { u: { random: users }, n: { cycle: names }, t: "{{ n.n }}-{{ u }}" }
    - post: /x/{{ u }}
      headers: { A: "{{ t }}", B: 1.10 }
      json: { a: ["{{ u }}", null, 1.5], b: "x{{ vu }}" }
      checks: { Ok: { status: [200, 2xx], json: { "$.a[?@.b > 1]": 2 }, exists: $.c } }
      extract: { v: "$.l[*].id", w: { random: "$..x" } }
      expect: 200-299
    - stop: none
      unless: v
    - group: G
      steps: [{ sleep: [1s, 2s] }, { get: "http://{{ env.HOST }}/" }]
  other: [{ get: /, timeout: 1s }]
"#;

/// Pieces that mean something somewhere.
pub(crate) const WORDS: &[&str] = &[
    "-1s",
    "0",
    "99999999999999999999",
    "18446744073709551615",
    "9223372036854775808",
    "100000000",
    "1e400",
    ".inf",
    "~",
    "''",
    "\"",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "&a ",
    "*a",
    "<<: *a",
    "? ",
    "| ",
    "> ",
    "!!str ",
    "!!int x",
    "#",
    "---\n",
    "${A}",
    "${",
    "{{ x }}",
    "{{",
    "}}",
    "{{ '",
    "$.a[",
    "$..",
    "p(95)<",
    "10s",
    "3650d",
    "1ns",
    "0s",
    "é\u{301}",
    "\u{0}",
    "\u{feff}",
    "\r\n",
    "startAfter: a",
    "arrivals: poisson",
    "startTime: 3000d",
    "timeUnit: 1ns",
    "rate: 1000000000",
    "vus: 100000000",
    "ramping-vus",
    "constant-vus",
    "executor",
    "stages",
    "target",
    "duration",
];

/// Scenario files.
#[must_use]
pub fn scenarios() -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = [
        include_str!("../../scenarios/reservation.yaml"),
        include_str!("../../scenarios/load.yaml"),
        include_str!("../../scenarios/spike.yaml"),
        "flows: { default: [{ get: / }] }",
        "vus: 3\nduration: 5s\nflows: { default: [{ get: / }] }",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    files.push(WHOLE.as_bytes().to_vec());
    files
}

fn trend(metric: Metric, values: &[u64]) -> Trend {
    let mut trend = Trend::new(metric.resolution());
    for value in values {
        trend.record(*value);
    }
    trend
}

/// Histograms as they travel.
#[must_use]
pub fn histograms() -> Vec<Vec<u8>> {
    let values: [&[u64]; 4] = [
        &[],
        &[1],
        &[1, 2, 3],
        &[5_000, 1_000_000, 90_000_000_000, u64::MAX],
    ];
    [Metric::HttpReqDuration, Metric::HttpReqBlocked]
        .into_iter()
        .flat_map(|metric| values.map(|values| (metric, values)))
        .map(|(metric, values)| {
            let mut bytes = Vec::new();
            trend(metric, values).histogram.to_v2(&mut bytes);
            bytes
        })
        .collect()
}

/// Intervals as they travel.
#[must_use]
pub fn intervals() -> Vec<Vec<u8>> {
    let duration = Value::Trend(Box::new(trend(Metric::HttpReqDuration, &[1_000, 2_000])));
    let interval = Interval {
        agent: 1,
        incarnation: 7,
        sequence: 3,
        from: 0,
        to: 1_000_000_000,
        series: vec![Series {
            tags: Tags::default().with("scenario", "main"),
            values: vec![
                (Metric::HttpReqs, Value::counter(2.0)),
                (Metric::HttpReqFailed, Value::rate(1, 2)),
                (Metric::Vus, Value::gauge(3.0)),
                (Metric::HttpReqDuration, duration),
            ],
        }],
    };
    vec![
        proto::convert::to_wire("r-1", &interval).encode_to_vec(),
        proto::v1::Interval::default().encode_to_vec(),
    ]
}

/// Segments of a journal: empty, whole, and torn.
#[must_use]
pub fn segments() -> Vec<Vec<u8>> {
    let empty = journal::frame::header().to_vec();
    let mut whole = empty.clone();
    for (kind, payload) in [(1, &b"{}"[..]), (2, &[0; 40]), (0, &[])] {
        // Small enough for a frame.
        let _ = journal::frame::encode(&mut whole, kind, payload);
    }
    let torn = whole[..whole.len() - 12].to_vec();
    vec![empty, whole, torn]
}

/// A token.
pub(crate) fn token() -> trust::Token {
    trust::Token {
        authority: [1; 32],
        id: [2; 8],
        secret: [3; 32],
    }
}

/// A token, certificates of an agent (by URI) and of an operator (by unit), and a signing request.
pub(crate) fn identities() -> Vec<Vec<u8>> {
    vec![
        token().text().into_bytes(),
        include_bytes!("../seeds/agent.der").to_vec(),
        include_bytes!("../seeds/operator.der").to_vec(),
        include_bytes!("../seeds/request.der").to_vec(),
    ]
}

/// Merged data, as a checkpoint holds it: none, and some.
#[must_use]
pub fn checkpoints() -> Vec<Vec<u8>> {
    let mut store = metrics::Store::new();
    let empty = postcard::to_allocvec(&store);
    let duration = Value::Trend(Box::new(trend(Metric::HttpReqDuration, &[1_000, 2_000])));
    for (metric, value) in [
        (Metric::HttpReqs, Value::counter(2.0)),
        (Metric::HttpReqFailed, Value::rate(1, 2)),
        (Metric::HttpReqDuration, duration),
    ] {
        // Each is of its metric's kind.
        let _ = store.merge_series(&Tags::default().with("scenario", "main"), metric, &value);
    }
    store.merge_gauge(1, (0, 2), &Tags::default(), Metric::Vus, 3.0);
    [empty, postcard::to_allocvec(&store)]
        .into_iter()
        .flatten()
        .collect()
}
