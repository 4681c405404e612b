//! The courses that a run takes when its agents do as they should.

use crate::fake::{CLOSED, Fake, SECOND, Server, Watch, half, head, patiently, start, stop};
use proto::v1::from_agent::Message as From;
use proto::v1::to_agent::Message as To;
use proto::v1::{self, ScenarioTotals, StartHead, StopMode};
use throng_controller as controller;

/// One agent does all of [`CLOSED`].
async fn alone(agent: &mut Fake) {
    agent.begin().await;
    agent.set(ScenarioTotals {
        vu_ns: 2 * SECOND,
        ..half()
    });
    agent.measure(10, 5_000_000).await;
    agent.done().await;
}

#[tokio::test]
async fn a_run_of_three_agents_adds_up() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let source = CLOSED.replace("vus: 2", "vus: 3");
    let mut agents = Vec::new();
    for name in ["b", "a", "c"] {
        agents.push(Fake::join(&server, name).await);
    }
    let run = start(&mut control, &source, head(3)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    let work = agents.into_iter().map(|mut agent| async move {
        agent.begin().await;
        agent.set(half());
        agent.measure(10, 5_000_000).await;
        agent.acknowledged().await;
        agent.done().await;
        loop {
            if let To::Closed(closed) = agent.next().await {
                return (agent.name.clone(), agent.assign.seat, closed.run);
            }
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for one in work {
        tasks.spawn(one);
    }
    let mut seats = patiently("the agents", tasks.join_all()).await;
    seats.sort();
    let named = |name: &str, seat| (name.to_owned(), seat, run.clone());
    assert_eq!(
        seats,
        [named("a", 0), named("b", 1), named("c", 2)],
        "seats are in the order of names"
    );

    let (report, over) = watch.over().await;
    assert_eq!(
        (over.exit_code, over.text.as_str()),
        (0, ""),
        "{:?}",
        report.run.notes
    );
    let after = ["ready", "setup", "load", "drain", "teardown", "over"];
    assert!(
        watch.states.ends_with(&after.map(str::to_owned)),
        "{:?}",
        watch.states
    );
    assert_eq!(report.metrics["http_reqs"].values["count"], 30.0);
    assert_eq!(report.metrics["http_req_duration"].values["max"], 5.0);
    let line = &report.conservation.scenarios[0];
    assert_eq!((line.planned, line.made, line.short), (3.0, 3.0, 0.0));
    assert_eq!(report.conservation.requests.counted, 30);
    assert_eq!(report.conservation.requests.unaccounted, 0);
    assert_eq!(report.conservation.completeness.share, 1.0);
    assert_eq!(report.verdict.grade, controller::verdict::Grade::Valid);
    assert_eq!(report.run.start_skew_ms, Some(0.0));

    let late = Watch::of(&mut control, &run).await.over().await;
    assert_eq!(late.0, report, "a late watcher gets the report at once");
    let runs = control
        .runs(v1::RunsRequest {})
        .await
        .unwrap()
        .into_inner()
        .runs;
    assert_eq!(
        (runs[0].run.as_str(), runs[0].agents, runs[0].exit_code),
        (run.as_str(), 3, 0)
    );
    server.stop().await;
}

#[tokio::test]
async fn a_threshold_with_abort_on_fail_stops_the_whole_fleet() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let mut agents = [
        Fake::join(&server, "a").await,
        Fake::join(&server, "b").await,
    ];
    let source = CLOSED.replace("duration: 1s", "duration: 1h")
        + "thresholds: { http_req_duration: [{ threshold: \"p(95)<1\", abortOnFail: true }] }\n";
    let run = start(&mut control, &source, head(2)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    let [first, second] = &mut agents;
    tokio::join!(first.begin(), second.begin());
    first.measure(10, 5_000_000).await;
    second.measure(10, 4_000_000).await;
    for agent in &mut agents {
        let To::Stop(order) = agent.next().await else {
            panic!("no stop")
        };
        assert_eq!(order.mode(), StopMode::StopInterrupt);
        assert!(order.reason.contains("p(95)<1"), "{}", order.reason);
        agent.set(ScenarioTotals {
            vu_ns: 10 * SECOND,
            ..half()
        });
        agent.done().await;
    }
    let (report, over) = watch.over().await;
    assert_eq!(over.exit_code, 99);
    assert_eq!(report.run.ended, controller::report::Ended::Aborted);
    assert!(!report.metrics["http_req_duration"].thresholds["p(95)<1"].ok);
    server.stop().await;
}

#[tokio::test]
async fn a_threshold_without_samples_fails_unless_k6_is_asked_for() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let mut agent = Fake::join(&server, "a").await;
    let source = CLOSED.to_owned() + "thresholds: { group_duration: [\"p(95)<500\"] }\n";
    let run = start(&mut control, &source, head(1)).await.unwrap();
    alone(&mut agent).await;
    let (report, over) = Watch::of(&mut control, &run).await.over().await;
    assert_eq!(over.exit_code, 99);
    assert_eq!(
        report.failed_thresholds(),
        [("group_duration", "p(95)<500")]
    );
    server.stop().await;
}

#[tokio::test]
async fn stopping_interrupts_and_still_reports() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let mut agent = Fake::join(&server, "a").await;
    let source = CLOSED.replace("duration: 1s", "duration: 1h");
    for (mode, ended) in [
        (
            StopMode::StopInterrupt,
            controller::report::Ended::Interrupted,
        ),
        (StopMode::StopGraceful, controller::report::Ended::Stopped),
    ] {
        let run = start(&mut control, &source, head(1)).await.unwrap();
        let mut watch = Watch::of(&mut control, &run).await;
        agent = Fake::join_as(server.address, "a", agent.incarnation).await;
        agent.begin().await;
        agent.measure(10, 5_000_000).await;
        agent.acknowledged().await;
        assert!(stop(&mut control, &run, mode).await);
        let To::Stop(order) = agent.next().await else {
            panic!("no stop")
        };
        assert_eq!(order.mode(), mode);
        agent.set(ScenarioTotals {
            vu_ns: 10 * SECOND,
            ..half()
        });
        agent.done().await;
        let (report, over) = watch.over().await;
        assert_eq!((over.exit_code, report.run.ended), (105, ended));
        assert_eq!(report.metrics["http_reqs"].values["count"], 10.0);
        assert!(!stop(&mut control, &run, mode).await, "it is over");
    }
    let unknown = v1::StopRequest {
        run: "r-none".to_owned(),
        ..v1::StopRequest::default()
    };
    assert_eq!(
        control.stop(unknown).await.unwrap_err().code(),
        tonic::Code::NotFound
    );
    server.stop().await;
}

#[tokio::test]
async fn a_busy_fleet_queues_or_refuses_aloud() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let mut agent = Fake::join(&server, "a").await;
    let first = start(&mut control, CLOSED, head(1)).await.unwrap();
    let refused = start(&mut control, CLOSED, head(1)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains(&first), "{}", refused.message());
    let queued = StartHead {
        queue: true,
        ..head(1)
    };
    let second = start(&mut control, CLOSED, queued.clone()).await.unwrap();
    let third = start(&mut control, CLOSED, queued).await.unwrap();
    let mut watch = Watch::of(&mut control, &second).await;
    watch.until("queued").await;
    assert!(stop(&mut control, &third, StopMode::StopInterrupt).await);
    assert_eq!(
        Watch::of(&mut control, &third)
            .await
            .over()
            .await
            .1
            .exit_code,
        105
    );
    alone(&mut agent).await;
    let To::Closed(_) = agent.next().await else {
        panic!("the first run was not closed")
    };
    alone(&mut agent).await;
    let (_, over) = watch.over().await;
    assert_eq!(over.exit_code, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_bundle_that_does_not_compile_is_refused_with_its_diagnostics() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let error = start(
        &mut control,
        "scenarios: { main: { executor: ramping-vu } }",
        head(1),
    )
    .await
    .unwrap_err();
    assert_eq!(error.code(), tonic::Code::InvalidArgument);
    assert!(
        error.message().contains("ramping-vus"),
        "{}",
        error.message()
    );
    let other = StartHead {
        protocol: 9,
        ..head(1)
    };
    let error = start(&mut control, CLOSED, other).await.unwrap_err();
    assert!(
        error.message().contains("protocol 9"),
        "{}",
        error.message()
    );
    server.stop().await;
}

#[tokio::test]
async fn shared_iterations_are_leased_once_each_and_what_nobody_took_is_dropped() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let (mut a, mut b) = (
        Fake::join(&server, "a").await,
        Fake::join(&server, "b").await,
    );
    let source = "
scenarios:
  main: { executor: shared-iterations, vus: 2, iterations: 10, maxDuration: 1s, gracefulStop: 1s }
flows:
  default:
    - get: http://127.0.0.1:9/
";
    let run = start(&mut control, source, head(2)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    tokio::join!(a.begin(), b.begin());
    let mut granted = Vec::new();
    for (agent, want) in [(&mut a, 4), (&mut b, 3)] {
        let epoch = agent.assign.epoch;
        agent
            .say(From::LeaseRequest(v1::LeaseRequest {
                run: agent.run.clone(),
                scenario: 0,
                want,
                epoch,
            }))
            .await;
        let To::Grant(grant) = agent.next().await else {
            panic!("no grant")
        };
        assert!(!grant.last);
        granted.extend(grant.from..grant.to);
        let taken = ScenarioTotals {
            begun: want,
            completed: want,
            due: want,
            requests: want,
            ..ScenarioTotals::default()
        };
        agent.set(taken);
        agent.measure(want, 5_000_000).await;
        agent.done().await;
    }
    assert_eq!(granted, (0..7).collect::<Vec<u64>>());
    let (report, over) = watch.over().await;
    assert_eq!(over.exit_code, 0);
    let line = &report.conservation.scenarios[0];
    assert_eq!(
        (line.planned, line.made, line.dropped, line.unaccounted),
        (10.0, 7.0, 3.0, 0.0)
    );
    assert_eq!(report.metrics["dropped_iterations"].values["count"], 3.0);
    server.stop().await;
}

#[tokio::test]
async fn a_controller_that_ends_sends_its_agents_home() {
    let server = Server::start().await;
    let mut agent = Fake::join(&server, "a").await;
    let stopping = tokio::spawn(server.stop());
    let To::Goodbye(_) = agent.next().await else {
        panic!("no goodbye")
    };
    patiently("the controller's end", stopping).await.unwrap();
}
