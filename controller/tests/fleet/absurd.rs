//! What no agent can have done: it costs a line, and nobody else's numbers.

use crate::fake::{CLOSED, Server, half};
use metrics::{Digits, Histogram};
use proto::v1::from_agent::Message as From;
use proto::v1::sample::Value;
use proto::v1::{self, ScenarioTotals};

const MOST: u64 = u64::MAX;

fn absurd() -> ScenarioTotals {
    ScenarioTotals {
        scenario: "main".to_owned(),
        begun: MOST,
        completed: MOST,
        interrupted: MOST,
        in_flight: MOST,
        dropped: MOST,
        expired: MOST,
        requests: MOST,
        requests_cut: MOST,
        vu_ns: MOST,
        vu_ns_now: MOST,
        due: MOST,
    }
}

#[tokio::test]
async fn totals_that_cannot_be_are_not_taken_and_cost_a_line() {
    let server = Server::start().await;
    let (_, [mut sound, mut broken], run, mut watch) = server.run(["a", "b"], CLOSED).await;
    let (mine, theirs) = (sound.assigned().await, broken.assigned().await);
    sound.prepared(mine).await;
    broken.prepared(theirs).await;
    sound.go().await;
    broken.go().await;
    for agent in [&sound, &broken] {
        agent.set(half());
    }
    sound.measure(10, 5_000_000).await;
    broken.measure(10, 5_000_000).await;
    let counted = v1::Heartbeat {
        run: run.clone(),
        totals: broken.totals.lock().unwrap().clone(),
        ..v1::Heartbeat::default()
    };
    broken.say(From::Heartbeat(counted)).await;
    // What it says again and again, with whatever else could be added up.
    broken.set(absurd());
    for _ in 0..3 {
        broken
            .say(From::Heartbeat(v1::Heartbeat {
                run: run.clone(),
                sent_ns: MOST,
                totals: vec![absurd()],
                rtt_ns: MOST,
                offset_ns: i64::MIN,
                vus: u32::MAX,
                run_ns: Some(i64::MAX),
                desired_version: MOST,
                ..v1::Heartbeat::default()
            }))
            .await;
        let line = |text: &str| v1::LogLine {
            level: v1::Level::Error.into(),
            text: text.to_owned(),
            count: MOST,
            sample: "x".to_owned(),
            error: true,
        };
        broken
            .say(From::Log(v1::LogLines {
                run: run.clone(),
                lines: vec![line("one"), line("one"), line("two")],
                suppressed: MOST,
            }))
            .await;
        // Numbered as nobody numbers.
        let mut interval = broken.interval(1, 10, 5_000_000);
        interval.sequence = MOST;
        broken.say(From::Interval(interval)).await;
    }
    for (metric, value) in [
        ("http_reqs", Value::Counter(f64::MAX)),
        (
            "http_req_failed",
            Value::Rate(v1::Rate {
                passes: MOST,
                total: MOST,
            }),
        ),
        ("http_req_duration", Value::Trend(full())),
    ] {
        let sequence = broken.skip();
        let mut interval = broken.interval(sequence, 10, 5_000_000);
        for sample in &mut interval.series[0].values {
            if sample.metric == metric {
                sample.value = Some(value.clone());
            }
        }
        broken.say(From::Interval(interval)).await;
    }
    broken
        .say(From::Done(v1::Done {
            run: run.clone(),
            totals: vec![absurd()],
            intervals: MOST,
            ..v1::Done::default()
        }))
        .await;
    sound.done().await;
    let (report, _) = watch.over().await;
    let told: Vec<&String> = report.run.notes.iter().collect();
    let doubts = told.iter().filter(|note| note.contains("cannot be"));
    assert_eq!(
        doubts.count(),
        1,
        "once, however often it says so: {told:?}"
    );
    let refused = told.iter().filter(|note| note.contains("refused"));
    assert!(refused.count() >= 6, "{told:?}");
    // What it counted before, and what the other counted, stands.
    assert_eq!(report.metrics["http_reqs"].values["count"], 20.0);
    assert_eq!(report.conservation.requests.counted, 20);
    assert_eq!(report.conservation.iterations.begun, 20);
    let line = &report.conservation.scenarios[0];
    assert!((line.made - 2.0).abs() < 1e-9, "{line:?}");
    assert_eq!(report.conservation.completeness.rejected, 6);
    assert_eq!(report.errors.first().map(|kind| kind.count), Some(MOST));
    server.stop().await;
}

/// As many samples as fit.
fn full() -> v1::Trend {
    let mut histogram = Histogram::compact(Digits::Three);
    histogram.record_n(1, i64::MAX as u64);
    let mut bytes = Vec::new();
    histogram.to_v2(&mut bytes);
    v1::Trend {
        count: histogram.len(),
        sum_lo: histogram.len(),
        sum_hi: 0,
        min: 1,
        max: 1,
        clamped: 0,
        histogram: bytes,
    }
}
