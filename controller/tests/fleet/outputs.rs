//! What outputs get of a run whose agents do not all do as they should, against its report.

use crate::fake::{CLOSED, Fake, SECOND, Server, Watch, half, head, patiently, start};
use proto::v1::from_agent::Message as From;
use proto::v1::to_agent::Message as To;
use proto::v1::{self, ScenarioTotals};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// A file for JSON lines that goes with the test.
struct Lines(PathBuf);

impl Lines {
    fn new(name: &str) -> Self {
        let name = format!("throng-{name}-{}.json", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn out(&self) -> String {
        format!("json={}", self.0.display())
    }

    /// The values of a metric's points.
    fn values(&self, metric: &str) -> Vec<f64> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["type"] == "Point" && line["metric"] == metric)
            .map(|line| line["data"]["value"].as_f64().unwrap())
            .collect()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Not there if the test failed before.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn what_a_lost_agent_delivers_later_is_in_the_outputs_too_and_once() {
    let file = Lines::new("later");
    let server = Server::with_outputs(&[file.out()]).await;
    let source = format!("onAgentLoss: continue{CLOSED}");
    let source = source.replace("duration: 1s", "duration: 2s");
    let (_, [mut stays, mut sleeps], _, mut watch) = server.run(["stays", "sleeps"], &source).await;
    tokio::join!(stays.begin(), sleeps.begin());
    sleeps.measure(10, 5_000_000).await;
    sleeps.acknowledged().await;
    sleeps.hang_up();
    while !watch.logs.iter().any(|line| line.contains("lost")) {
        watch.step().await;
    }
    stays.set(ScenarioTotals {
        vu_ns: 2 * SECOND,
        ..half()
    });
    stays.measure(7, 5_000_000).await;
    stays.measure(6, 5_000_000).await;
    // Its second interval comes when that second was let go.
    let both = async {
        while file.values("http_reqs").len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    patiently("the second second", both).await;
    sleeps.redial("sleeps").await;
    let To::Stop(_) = sleeps.next().await else {
        panic!("it was not told to stop")
    };
    sleeps.set(ScenarioTotals {
        requests: 15,
        ..half()
    });
    sleeps.measure(5, 5_000_000).await;
    sleeps.done().await;
    stays.done().await;
    let (report, _) = watch.over().await;
    assert_eq!(report.metrics["http_reqs"].values["count"], 28.0);
    let sums = file.values("http_reqs");
    // Both agents' first second, the other's second one, and what came later of it.
    assert_eq!(sums, [17.0, 6.0, 5.0]);
    assert_eq!(file.values("http_req_duration").len(), 28);
    let facts = &report.outputs[0];
    assert_eq!((facts.written, facts.lost()), (facts.points, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_sink_that_is_not_there_is_a_note_and_a_line_and_no_failure() {
    let refused = "influxdb=http://127.0.0.1:9/k6,flush=300ms".to_owned();
    let server = Server::with_outputs(&[refused]).await;
    let (_, [mut agent], _, watch) = server.run(["a"], CLOSED).await;
    agent.begin().await;
    agent.set(ScenarioTotals {
        vu_ns: 2 * SECOND,
        ..half()
    });
    agent.measure(10, 5_000_000).await;
    agent.done().await;
    let (report, over) = { watch }.over().await;
    assert_eq!(over.exit_code, 0, "{:?}", report.run.notes);
    let facts = &report.outputs[0];
    assert!(facts.points > 0 && facts.written == 0, "{facts:?}");
    assert_eq!(facts.unsent, facts.points);
    let note = report.run.notes.iter().find(|note| note.contains("output"));
    assert!(
        note.is_some_and(|note| note.contains("the load goes on")),
        "{:?}",
        report.run.notes
    );
    server.stop().await;
}

#[tokio::test]
async fn iterations_that_nobody_began_are_in_the_outputs_too() {
    let file = Lines::new("dropped");
    let server = Server::with_outputs(&[file.out()]).await;
    let mut control = server.control().await;
    let mut agent = Fake::join(&server, "a").await;
    let source = "
scenarios:
  main: { executor: shared-iterations, vus: 2, iterations: 10, maxDuration: 1s, gracefulStop: 1s }
flows:
  default:
    - get: http://127.0.0.1:9/
";
    let run = start(&mut control, source, head(1)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    agent.begin().await;
    agent
        .say(From::LeaseRequest(v1::LeaseRequest {
            run: agent.run.clone(),
            scenario: 0,
            want: 4,
            epoch: agent.assign.epoch,
        }))
        .await;
    let To::Grant(_) = agent.next().await else {
        panic!("no grant")
    };
    agent.set(ScenarioTotals {
        begun: 4,
        completed: 4,
        due: 4,
        requests: 4,
        ..ScenarioTotals::default()
    });
    agent.measure(4, 5_000_000).await;
    agent.done().await;
    let (report, _) = watch.over().await;
    assert_eq!(report.metrics["dropped_iterations"].values["count"], 6.0);
    assert_eq!(file.values("dropped_iterations"), [6.0]);
    server.stop().await;
}
