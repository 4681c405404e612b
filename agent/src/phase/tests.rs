//! Phases done for real against a server that answers slowly where a test wants it, on the loopback.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};

/// Answers `/N` with `{"n": N}` after `pause(N)`, and counts.
fn server(pause: fn(u64) -> Duration) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let count = Arc::clone(&count);
            std::thread::spawn(move || {
                let mut out = stream.try_clone().unwrap();
                let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
                while let Some(first) = lines.next() {
                    let path = first.split(' ').nth(1).unwrap_or_default();
                    let n = path.trim_start_matches('/').parse().unwrap_or(0);
                    if !lines.by_ref().any(|line| line.is_empty()) {
                        return;
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    wait(pause(n));
                    let body = format!("{{\"n\":{n}}}");
                    let length = body.len();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                    if out.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, asked)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server's slowness is what the test is about"
)]
fn wait(pause: Duration) {
    std::thread::sleep(pause);
}

fn begin(
    source: &str,
    kind: PhaseKind,
    fence: &Arc<Fence>,
) -> (Doing, oneshot::Receiver<PhaseReport>) {
    let bundle = plan::Bundle {
        name: "s.yaml".to_owned(),
        source: format!("{source}\nflows: {{ default: [{{ get: http://127.0.0.1:9/ }}] }}\n"),
        seed: 7,
        ..plan::Bundle::default()
    };
    let plan = match plan::compile(&bundle) {
        Ok(plan) => Arc::new(plan),
        Err(diagnostics) => panic!("{diagnostics}"),
    };
    let (send, report) = oneshot::channel();
    let job = PhaseJob {
        plan,
        kind,
        fence: Arc::clone(fence),
    };
    (start(job, &Bounds::default(), send).unwrap(), report)
}

fn open() -> Arc<Fence> {
    Arc::new(Fence::new(u64::MAX))
}

fn done(source: &str, kind: PhaseKind) -> PhaseReport {
    let (_doing, report) = begin(source, kind, &open());
    report.blocking_recv().unwrap()
}

fn rows(report: &PhaseReport, data: DataId) -> Vec<String> {
    report
        .rows
        .get(&data)
        .into_iter()
        .flatten()
        .map(|row| String::from_utf8(row.clone()).unwrap())
        .collect()
}

fn each(url: &str, concurrency: u64) -> String {
    format!(
        "
baseURL: {url}
data:
  users: {{ range: [1, 12] }}
  odd: {{ setup: true }}
setup:
  - let: {{ kind: user }}
  - each: users
    as: user
    concurrency: {concurrency}
    steps:
      - let: {{ draw: {{ random: users }} }}
      - get: /{{{{ user }}}}
        extract: {{ n: $.n }}
        checks: {{ there: {{ status: 200 }} }}
      - give: {{ odd: {{ n: \"{{{{ n }}}}\", kind: \"{{{{ kind }}}}\", draw: \"{{{{ draw }}}}\" }} }}
"
    )
}

#[test]
fn rows_are_in_the_order_of_those_gone_over_and_draw_the_same_however_many_at_a_time() {
    // The first ones take longest.
    let (url, asked) = server(|n| Duration::from_millis(24 - 2 * n.min(12)));
    let one = done(&each(&url, 1), PhaseKind::Setup);
    let many = done(&each(&url, 12), PhaseKind::Setup);
    assert_eq!(asked.load(Ordering::SeqCst), 24);
    assert_eq!(one.problem, None);
    assert_eq!((one.requests, many.requests), (12, 12));
    let rows = rows(&one, 1);
    assert_eq!(rows, self::rows(&many, 1));
    for (row, n) in rows.iter().zip(1..) {
        let row: Value = serde_json::from_str(row).unwrap();
        assert_eq!(
            (row["n"].as_i64(), row["kind"].as_str()),
            (Some(n), Some("user"))
        );
    }
}

#[test]
fn samples_are_in_the_phases_group_and_there_are_no_iterations_of_it() {
    let (url, _) = server(|_| Duration::ZERO);
    let report = done(&each(&url, 3), PhaseKind::Setup);
    assert!(!report.series.is_empty());
    for series in &report.series {
        assert_eq!(series.tags.get("group"), Some("::setup"), "{}", series.tags);
        assert_eq!(series.tags.get("scenario"), None, "{}", series.tags);
        for (metric, _) in &series.values {
            assert!(
                !matches!(
                    metric,
                    metrics::Metric::Iterations | metrics::Metric::IterationDuration
                ),
                "{metric:?}"
            );
        }
    }
    let has = |wanted: metrics::Metric| {
        let all = report.series.iter().flat_map(|series| &series.values);
        all.into_iter().any(|(metric, _)| *metric == wanted)
    };
    for metric in [
        metrics::Metric::HttpReqs,
        metrics::Metric::Checks,
        metrics::Metric::DataSent,
    ] {
        assert!(has(metric), "{metric:?}");
    }
}

#[test]
fn a_time_out_cuts_what_is_in_flight_and_counts_it() {
    let (url, _) = server(|n| Duration::from_secs(if n == 3 { 30 } else { 0 }));
    let source = format!("setupTimeout: 500ms\n{}", each(&url, 1));
    let report = done(&source, PhaseKind::Setup);
    let (trouble, text) = report.problem.clone().unwrap();
    assert_eq!(trouble, PhaseTrouble::PhaseTimedOut);
    assert_eq!(text, "setup took longer than 500ms");
    assert_eq!((report.requests, report.requests_cut), (2, 1));
    assert!(report.took < Duration::from_secs(20), "{:?}", report.took);
}

#[test]
fn a_stop_outside_and_a_lease_that_ran_out_cut_it() {
    let source = "setup: [{ sleep: 1m }]";
    let (doing, report) = begin(source, PhaseKind::Setup, &open());
    doing.cut();
    let problem = report.blocking_recv().unwrap().problem.unwrap();
    assert_eq!(
        problem,
        (PhaseTrouble::PhaseCut, "it was stopped".to_owned())
    );
    let fence = open();
    let (_doing, report) = begin(source, PhaseKind::Setup, &fence);
    fence.shut();
    let problem = report.blocking_recv().unwrap().problem.unwrap();
    assert_eq!(
        problem,
        (
            PhaseTrouble::PhaseCut,
            "the agent's lease ran out".to_owned()
        )
    );
}

#[test]
fn a_stop_at_the_top_fails_setup_ends_teardown_and_inside_each_ends_the_row_only() {
    let report = done("setup: [{ stop: closed }]", PhaseKind::Setup);
    assert_eq!(
        report.problem,
        Some((PhaseTrouble::PhaseFailed, "closed".to_owned()))
    );
    let report = done(
        "teardown: [{ stop: enough }, { sleep: 1m }]",
        PhaseKind::Teardown,
    );
    assert_eq!(report.problem, None);
    assert_eq!(report.lines.len(), 1);
    let source = "
data:
  flags: { list: [{ good: true }, { good: false }, { good: true }] }
  found: { setup: true }
setup:
  - each: flags
    steps:
      - let: { good: \"{{ row.good }}\" }
      - stop: not good
        unless: good
      - give: { found: 1 }
  - give: { found: 2 }
";
    let report = done(source, PhaseKind::Setup);
    assert_eq!(report.problem, None);
    assert_eq!(rows(&report, 1), ["1", "1", "2"]);
    assert_eq!(report.lines.len(), 1);
    assert!(
        report.lines[0].text.contains("not good"),
        "{:?}",
        report.lines
    );
}

#[test]
fn an_agent_completes_the_plan_with_the_rows_it_was_handed() {
    let bundle = plan::Bundle {
        source: "data: { s: { setup: true } }\nsetup: [{ give: { s: 1 } }]\nflows: { default: [{ let: { x: { own: s } } }] }".to_owned(),
        ..plan::Bundle::default()
    };
    let plan = Arc::new(plan::compile(&bundle).unwrap());
    let handed = |index: u64, json: &str| proto::v1::Rows {
        run: "r".to_owned(),
        data: 0,
        count: 9,
        rows: vec![proto::v1::Row {
            index,
            json: json.as_bytes().to_vec(),
        }],
    };
    let mut given = GivenRows::default();
    given.take(handed(4, "{\"a\":4}")).unwrap();
    given.take(handed(4, "{\"a\":4}")).unwrap();
    given.take(handed(7, "7")).unwrap();
    assert!(given.take(handed(8, "{")).is_err());
    let complete = given.complete("r", Arc::clone(&plan));
    let rows = &complete.data[0].rows;
    assert_eq!(rows.count(), 9);
    assert_eq!(rows.row(4)["a"], 4);
    assert_eq!(rows.row(16), 7, "begins anew");
    assert_eq!(
        given.complete("s", plan).data[0].rows.count(),
        0,
        "another run's"
    );
}
