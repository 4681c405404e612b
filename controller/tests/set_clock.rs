//! A controller whose clock is corrected, as after a start on another machine, is not behind. In a process of its own, for there is one
//! controller clock in each.

#![expect(clippy::unwrap_used, reason = "tests")]

use proto::v1::run_event::Event;
use std::time::Duration;
use throng_controller::active::Order;
use throng_controller::director::{Director, INBOX, Input};
use throng_controller::run::Needs;
use throng_controller::weights::Weights;
use throng_controller::{Config, Report, clock};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

const HOUR_MS: f64 = 3_600_000.0;
const PATIENCE: Duration = Duration::from_secs(60);

fn order() -> Order {
    let bundle = plan::Bundle {
        source: "vus: 1\nduration: 1s\nflows: { default: [{ get: 'http://h/' }] }".to_owned(),
        ..plan::Bundle::default()
    };
    Order {
        id: String::new(),
        name: "f.yaml".to_owned(),
        seed: 1,
        unix_ms: 0,
        bundle: serde_json::to_vec(&bundle).unwrap(),
        plan: plan::compile(&bundle).ok().unwrap(),
        needs: Needs {
            expect: 1,
            min: 0,
            wait: 600_000_000_000,
            preflight: false,
            on_loss: Default::default(),
        },
        weights: Weights::Equal,
    }
}

#[tokio::test]
async fn a_clock_that_was_corrected_is_not_told_to_be_late() {
    let (inputs, inbox) = mpsc::channel(INBOX);
    let directing = tokio::spawn(Director::new(Config::default()).run(inbox));
    let (reply, answer) = oneshot::channel();
    let start = Input::Start(Box::new(order()), false, reply);
    inputs.send(start).await.unwrap();
    let run = answer.await.unwrap().unwrap().run;
    let (reply, answer) = oneshot::channel();
    inputs.send(Input::Watch(run, reply)).await.unwrap();
    let mut follows = answer.await.unwrap().unwrap().1.unwrap();
    // It waits for its agent, and looks at the time.
    let mut next = async || timeout(PATIENCE, follows.recv()).await.unwrap().unwrap();
    while !matches!(next().await.event, Some(Event::View(_))) {}
    clock::correct(3_600_000_000_000);
    // It has waited for long enough now.
    let over = loop {
        if let Some(Event::Over(over)) = next().await.event {
            break over;
        }
    };
    let report: Report = serde_json::from_slice(&over.report).unwrap();
    assert!(report.run.controller_lag_ms < HOUR_MS / 2.0, "{report:?}");
    inputs.send(Input::Shutdown).await.unwrap();
    timeout(PATIENCE, directing).await.unwrap().unwrap();
}
