//! What the report tells of agents that were silent, of a stop, and of a life that crashes again and again.

use crate::fake::{CLOSED, Fake, Server, Watch, half, head, start, stop};
use proto::v1::StopMode;
use std::time::Duration;
use throng_controller::Config;
use throng_controller::report::FleetEvent;

fn endless() -> String {
    CLOSED.replace("duration: 1s", "duration: 1h")
}

#[tokio::test]
async fn a_silence_is_told_with_how_many_intervals_came_late() {
    // Longer than this test takes: the agent is silent, and never lost.
    let server = Server::with(Config {
        lease: Duration::from_secs(60),
        ..Config::default()
    });
    let server = server.await;
    let (mut control, [mut agent], run, mut watch) = server.run(["a"], &endless()).await;
    agent.begin().await;
    agent.measure(10, 5_000_000).await;
    agent.acknowledged().await;
    agent.hang_up();
    // Two more seconds are over when it is back, and it was silent for as long: how long after them does not matter.
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    agent.redial("a").await;
    agent.measure(10, 5_000_000).await;
    agent.measure(10, 5_000_000).await;
    agent.acknowledged().await;
    stop(&mut control, &run, StopMode::StopInterrupt).await;
    agent.done().await;
    let (report, _) = watch.over().await;
    let [silent] = report.fleet.as_slice() else {
        panic!("{:?}", report.fleet)
    };
    assert_eq!(
        (silent.event, silent.agent.as_str(), silent.recovered),
        (FleetEvent::Silent, "a", 2)
    );
    assert!(silent.until_ms.unwrap() - silent.at_ms > 2_000.0);
    assert!(
        silent
            .to_string()
            .ends_with("before its lease was over, and 2 intervals came late"),
        "{silent}"
    );
    assert_eq!(report.conservation.completeness.share, 1.0);
    server.stop().await;
}

#[tokio::test]
async fn how_long_a_stop_took_is_told_of_the_slowest_and_who_never_confirmed_is_named() {
    let server = Server::start().await;
    let (mut control, [mut a, mut b, mut c], run, mut watch) =
        server.run(["a", "b", "c"], &endless()).await;
    tokio::join!(a.begin(), b.begin(), c.begin());
    stop(&mut control, &run, StopMode::StopGraceful).await;
    a.next().await;
    // Before the order that counts.
    a.done().await;
    stop(&mut control, &run, StopMode::StopInterrupt).await;
    b.next().await;
    c.next().await;
    let slow = Duration::from_millis(250);
    tokio::time::sleep(slow).await;
    b.done().await;
    c.die();
    let (report, _) = watch.over().await;
    let told = report.run.stop.unwrap();
    assert_eq!(
        (told.cut, told.confirmed, told.slowest.as_deref()),
        (true, 1, Some("b"))
    );
    assert!(told.took_ms.unwrap() >= 250.0, "{told}");
    assert_eq!(told.silent, ["c"]);
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_ends_by_itself_tells_of_no_stop() {
    let server = Server::start().await;
    let (_, [mut agent], _, mut watch) = server.run(["a"], CLOSED).await;
    agent.begin().await;
    agent.set(half());
    agent.measure(10, 5_000_000).await;
    agent.done().await;
    let (report, _) = watch.over().await;
    assert_eq!(report.run.stop, None);
    server.stop().await;
}

#[tokio::test]
async fn who_crashes_again_and_again_gets_no_work_and_another_does() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let source = format!("onAgentLoss: abort{}", endless());
    for _ in 0..4 {
        let (_, [mut agent], _, mut watch) = server.run(["a"], &source).await;
        agent.begin().await;
        agent.die();
        let (_, over) = watch.over().await;
        assert_eq!(over.exit_code, 122);
    }
    let run = start(&mut control, CLOSED, head(1)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    let mut shunned = Fake::join(&server, "a").await;
    watch
        .log("a is quarantined: 4 of its lives were lost within 120 s; it gets no work for")
        .await;
    let mut sound = Fake::join(&server, "b").await;
    sound.begin().await;
    sound.set(half());
    sound.measure(10, 5_000_000).await;
    sound.done().await;
    let (report, _) = watch.over().await;
    let names: Vec<&str> = report.agents.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["b"]);
    assert!(
        report
            .run
            .notes
            .iter()
            .any(|note| note.starts_with("a is quarantined")),
        "{:?}",
        report.run.notes
    );
    assert!(shunned.hears_nothing(100).await);
    server.stop().await;
}
