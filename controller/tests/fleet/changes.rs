//! Changes of a run: every agent is told, also after a reconnect; what cannot be changed is refused; no pause is for ever.

use crate::fake::{Fake, SECOND, Server, head, start};
use proto::v1::change_request::Change;
use proto::v1::control_client::ControlClient;
use proto::v1::to_agent::Message as To;
use proto::v1::{
    self, ChangeReply, ChangeRequest, PauseRun, ResumeRun, ScaleRun, ScenarioTotals, scale_run,
};
use tonic::transport::Channel;

const LONG: &str = "
scenarios:
  main: { executor: constant-vus, vus: 2, duration: 60s, gracefulStop: 1s }
flows: { default: [{ get: http://127.0.0.1:9/ }] }
";

async fn change(
    control: &mut ControlClient<Channel>,
    run: &str,
    change: Change,
) -> Result<ChangeReply, String> {
    let request = ChangeRequest {
        run: run.to_owned(),
        who: "ann".to_owned(),
        change: Some(change),
        asked_unix_ms: 0,
    };
    let reply = control.change(request).await;
    reply
        .map(tonic::Response::into_inner)
        .map_err(|status| status.message().to_owned())
}

fn pause(max_ns: u64) -> Change {
    Change::Pause(PauseRun { max_ns })
}

fn vus(scenario: &str, vus: u64) -> Change {
    Change::Scale(ScaleRun {
        scenario: scenario.to_owned(),
        change: Some(scale_run::Change::Vus(vus)),
    })
}

async fn desired(agent: &mut Fake) -> v1::Desired {
    match agent.next().await {
        To::Desired(desired) => desired,
        other => panic!("{other:?} is no change"),
    }
}

#[tokio::test]
async fn every_agent_is_told_also_after_a_reconnect_and_the_report_has_annotations() {
    let server = Server::start().await;
    let (mut control, [mut agent], run, mut watch) = server.run(["a"], LONG).await;
    agent.begin().await;
    watch.until("load").await;

    let paused = change(&mut control, &run, pause(600 * SECOND))
        .await
        .unwrap();
    assert_eq!((paused.version, paused.agents), (1, 1));
    let lead = i128::from(paused.from_ns) - i128::from(paused.run_ns);
    assert_eq!(
        lead,
        i128::from(SECOND),
        "all agents hear of it before it holds"
    );
    let told = desired(&mut agent).await;
    assert_eq!((told.run.as_str(), told.version), (run.as_str(), 1));
    assert_eq!(told.pauses[0].from_ns, paused.from_ns);
    let again = change(&mut control, &run, pause(SECOND)).await.unwrap();
    assert_eq!(
        (again.version, again.from_ns, again.text.as_str()),
        (1, paused.from_ns, "is paused already")
    );

    agent.redial("a").await;
    assert_eq!(desired(&mut agent).await, told, "what it may have missed");
    let resumed = change(&mut control, &run, Change::Resume(ResumeRun {}))
        .await
        .unwrap();
    assert_eq!(
        desired(&mut agent).await.pauses[0].to_ns,
        Some(resumed.from_ns)
    );
    change(&mut control, &run, vus("main", 5)).await.unwrap();
    assert_eq!(desired(&mut agent).await.version, 3);

    // Its load is over when its plan, as changed, is done with: what it says it held is what was planned.
    agent.set(ScenarioTotals {
        begun: 3,
        completed: 3,
        vu_ns: 1,
        ..ScenarioTotals::default()
    });
    agent.done().await;
    let (report, _) = watch.over().await;
    let told: Vec<(&str, &str)> = report
        .run
        .annotations
        .iter()
        .map(|a| (a.what.as_str(), a.who.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("paused", "ann"),
            ("resumed", "ann"),
            ("main set to 5 VUs", "ann")
        ]
    );
    let scaled = report.run.annotations[2].from_ms / 1e3;
    let length = resumed.from_ns.saturating_sub(paused.from_ns) as f64 / 1e9;
    let planned = 2.0 * (scaled - length) + 5.0 * (60.0 - (scaled - length));
    let line = &report.conservation.scenarios[0];
    assert!(
        (line.planned - planned).abs() < 1e-6,
        "{} {planned}",
        line.planned
    );
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_with_a_remedy() {
    let server = Server::start().await;
    let (mut control, [mut agent], run, mut watch) = server.run(["a"], LONG).await;
    let digest = agent.assigned().await;
    let early = change(&mut control, &run, pause(SECOND)).await.unwrap_err();
    assert!(early.contains("has not begun"), "{early}");
    let next = start(
        &mut control,
        LONG,
        v1::StartHead {
            queue: true,
            ..head(1)
        },
    )
    .await
    .unwrap();
    let queued = change(&mut control, &next, pause(SECOND))
        .await
        .unwrap_err();
    assert!(queued.contains("waits for its turn"), "{queued}");
    agent.prepared(digest).await;
    agent.go().await;
    watch.until("load").await;
    let table = [
        (run.as_str(), Change::Resume(ResumeRun {}), "is not paused"),
        (run.as_str(), vus("mian", 3), "did you mean `main`?"),
        (run.as_str(), vus("main", 0), "throng pause"),
        (&run[..run.len() - 1], pause(SECOND), "did you mean "),
        ("nonsense", pause(SECOND), "`throng runs` lists the last"),
    ];
    for (run, wanted, said) in table {
        let refused = change(&mut control, run, wanted).await.unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    agent.done().await;
    watch.over().await;
    let over = change(&mut control, &run, pause(SECOND)).await.unwrap_err();
    assert!(over.contains("is over; `throng wait"), "{over}");
    server.stop().await;
}

#[tokio::test]
async fn a_pause_that_nobody_ends_ends_the_run_aloud() {
    let server = Server::start().await;
    let (mut control, [mut agent], run, mut watch) = server.run(["a"], LONG).await;
    agent.begin().await;
    watch.until("load").await;
    change(&mut control, &run, pause(800_000_000))
        .await
        .unwrap();
    desired(&mut agent).await;
    let To::Stop(stop) = agent.next().await else {
        panic!("no stop")
    };
    assert_eq!(stop.mode(), v1::StopMode::StopGraceful);
    assert!(
        stop.reason.contains("not resumed within 800ms"),
        "{}",
        stop.reason
    );
    agent.done().await;
    let (report, over) = watch.over().await;
    assert_eq!(over.exit_code, 105);
    let noted = |what: &str| report.run.notes.iter().any(|note| note.contains(what));
    assert!(
        noted("the run ends: it was paused at"),
        "{:?}",
        report.run.notes
    );
    assert!(
        noted("a had not confirmed the change"),
        "this agent confirms nothing: {:?}",
        report.run.notes
    );
    server.stop().await;
}
