//! What agents may do wrong, and what the run comes to.

use crate::fake::{CLOSED, Fake, SECOND, Server, Watch, half, head, patiently, start};
use proto::v1::from_agent::Message as From;
use proto::v1::to_agent::Message as To;
use proto::v1::{self, ProblemKind, ScenarioTotals, StartHead};
use throng_controller as controller;

#[tokio::test]
async fn an_agent_that_never_comes_ends_the_run_before_anything_is_sent() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let _agent = Fake::join(&server, "a").await;
    let wanted = StartHead {
        wait_ms: 300,
        ..head(2)
    };
    let run = start(&mut control, CLOSED, wanted).await.unwrap();
    let (report, over) = Watch::of(&mut control, &run).await.over().await;
    assert_eq!(over.exit_code, 122);
    assert!(
        over.text.starts_with("1 of 2 agents came within 300ms: a."),
        "{}",
        over.text
    );
    assert!(!report.run.began);
    server.stop().await;
}

#[tokio::test]
async fn an_agent_of_another_protocol_is_refused_with_both_versions() {
    let server = Server::start().await;
    let (_outbox, mut inbox) = Fake::dial(server.address, "a", 1, proto::PROTOCOL + 1).await;
    let message = patiently("a refusal", inbox.message())
        .await
        .unwrap()
        .unwrap();
    let Some(To::Refused(refused)) = message.message else {
        panic!("not refused")
    };
    assert!(!refused.retry);
    let text = refused.reason;
    assert!(
        text.contains("protocol 2") && text.contains("protocol 1"),
        "{text}"
    );
    // Where an operator looks for an agent that is not there.
    let mut control = server.control().await;
    let fleet = control.agents(v1::AgentsRequest {}).await.unwrap();
    let fleet = fleet.into_inner();
    assert!(fleet.agents.is_empty());
    assert_eq!(fleet.refused.len(), 1, "{:?}", fleet.refused);
    assert_eq!(
        (&fleet.refused[0].reason, fleet.refused[0].times),
        (&text, 1)
    );
    assert!(fleet.refused[0].address.starts_with("127.0.0.1:"));
    assert!(
        patiently("the stream's end", inbox.message())
            .await
            .unwrap()
            .is_none()
    );
    server.stop().await;
}

#[tokio::test]
async fn one_name_twice_is_two_agents_and_one_life_twice_is_one() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let mut first = Fake::join_as(server.address, "web", 1).await;
    let second = Fake::join_as(server.address, "web", 2).await;
    assert_eq!(
        (first.name.as_str(), second.name.as_str()),
        ("web", "web-2")
    );
    first.redial("web").await;
    assert_eq!(first.name, "web");
    let agents = control
        .agents(v1::AgentsRequest {})
        .await
        .unwrap()
        .into_inner()
        .agents;
    let names: Vec<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
    assert_eq!(names, ["web", "web-2"]);
    server.stop().await;
}

#[tokio::test]
async fn whatever_is_sent_twice_counts_once_also_after_a_reconnect() {
    let server = Server::start().await;
    let (_, [mut agent], _, mut watch) = server.run(["a"], CLOSED).await;
    agent.begin().await;
    agent.set(ScenarioTotals {
        requests: 20,
        vu_ns: 2 * SECOND,
        ..half()
    });
    agent.measure(10, 5_000_000).await;
    agent
        .say(From::Interval(agent.interval(0, 10, 5_000_000)))
        .await;
    agent.hang_up();
    // Several looks at the leases, and still within the agent's.
    tokio::time::sleep(std::time::Duration::from_millis(350)).await;
    agent.redial("a").await;
    agent
        .say(From::Interval(agent.interval(0, 10, 5_000_000)))
        .await;
    agent.measure(10, 5_000_000).await;
    agent.acknowledged().await;
    agent.done().await;
    let (report, over) = watch.over().await;
    assert_eq!(over.exit_code, 0, "{:?}", report.verdict);
    assert_eq!(report.metrics["http_reqs"].values["count"], 20.0);
    assert_eq!(report.conservation.completeness.merged, 2);
    server.stop().await;
}

#[tokio::test]
async fn a_corrupt_interval_is_refused_counted_and_acknowledged() {
    let server = Server::start().await;
    let (_, [mut agent], _, mut watch) = server.run(["a"], CLOSED).await;
    agent.begin().await;
    agent.set(ScenarioTotals {
        requests: 20,
        vu_ns: 2 * SECOND,
        ..half()
    });
    agent.measure(10, 5_000_000).await;
    let sequence = agent.skip();
    let mut corrupt = agent.interval(sequence, 10, 5_000_000);
    corrupt.series[0].values[0].metric = "no_such_metric".to_owned();
    agent.say(From::Interval(corrupt)).await;
    agent.measure(10, 5_000_000).await;
    agent.acknowledged().await;
    agent.done().await;
    let (report, over) = watch.over().await;
    assert_eq!(over.exit_code, 0);
    assert_eq!(report.metrics["http_reqs"].values["count"], 20.0);
    assert_eq!(report.conservation.completeness.rejected, 1);
    assert_eq!(report.verdict.grade, controller::verdict::Grade::Degraded);
    let facets = &report.verdict.facets;
    assert!(facets.iter().any(|facet| facet.name.contains("corrupt")));
    assert_eq!(report.exit.all, [120]);
    assert!(
        report.run.notes[0].contains("no_such_metric"),
        "{:?}",
        report.run.notes
    );
    server.stop().await;
}

#[tokio::test]
async fn a_lost_agent_leaves_a_gap_that_is_counted_and_the_run_goes_on() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let mut stays = Fake::join(&server, "stays").await;
    let mut dies = Fake::join(&server, "dies").await;
    let source = format!("onAgentLoss: continue{CLOSED}");
    let source = source.replace("duration: 1s", "duration: 2s");
    let run = start(&mut control, &source, head(2)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    tokio::join!(stays.begin(), dies.begin());
    dies.die();
    while !watch.logs.iter().any(|line| line.contains("lost")) {
        watch.step().await;
    }
    stays.set(ScenarioTotals {
        vu_ns: 2 * SECOND,
        ..half()
    });
    stays.measure(10, 5_000_000).await;
    stays.measure(0, 0).await;
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    stays.done().await;
    let (report, over) = watch.over().await;
    assert_eq!(over.exit_code, 0);
    assert_eq!(report.exit.all, [120], "degraded");
    let note = report
        .run
        .notes
        .iter()
        .find_map(|note| note.split_once("unheard for "));
    let silent: f64 = note.unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert!(silent >= 0.6, "not before its lease ran out");
    let line = &report.conservation.scenarios[0];
    assert_eq!((line.planned, line.made), (4.0, 2.0));
    // Nobody heard of it: until its lease was over it may have made load, and after that it surely did not.
    assert_eq!(line.lost + line.unaccounted, 2.0, "{line:?}");
    assert_eq!(line.silent, line.unaccounted);
    assert!(line.silent > 0.5 && line.silent < 1.0, "{line:?}");
    assert!(report.conservation.completeness.share < 1.0);
    let fates: Vec<_> = report
        .agents
        .iter()
        .map(|agent| (agent.name.as_str(), agent.fate))
        .collect();
    assert_eq!(
        fates,
        [
            ("dies", controller::conservation::Fate::Lost),
            ("stays", controller::conservation::Fate::Done)
        ]
    );
    server.stop().await;
}

#[tokio::test]
async fn when_all_agents_are_lost_the_run_ends() {
    let server = Server::start().await;
    let source = CLOSED.replace("duration: 1s", "duration: 1h");
    let (_, [mut agent], _, mut watch) = server.run(["a"], &source).await;
    agent.begin().await;
    agent.die();
    let (report, over) = watch.over().await;
    assert_eq!(over.exit_code, 122);
    assert_eq!(report.run.ended, controller::report::Ended::FleetLost);
    server.stop().await;
}

#[tokio::test]
async fn a_target_that_nobody_reaches_is_the_flags_fault_and_one_agent_that_cannot_is_left_out() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let (mut a, mut b) = (
        Fake::join(&server, "a").await,
        Fake::join(&server, "b").await,
    );
    let run = start(&mut control, CLOSED, head(2)).await.unwrap();
    let refused = "target http://127.0.0.1:9 refused connections";
    tokio::join!(
        a.unfit(ProblemKind::ProblemTarget, refused),
        b.unfit(ProblemKind::ProblemTarget, refused)
    );
    let (_, over) = Watch::of(&mut control, &run).await.over().await;
    assert_eq!(over.exit_code, 104);
    assert!(
        over.text
            .starts_with("target http://127.0.0.1:9 refused connections (checked from a, b)."),
        "{}",
        over.text
    );

    let (To::Closed(_), To::Closed(_)) = tokio::join!(a.next(), b.next()) else {
        panic!("not closed")
    };
    let wanted = StartHead {
        min_agents: 1,
        ..head(2)
    };
    let run = start(&mut control, CLOSED, wanted).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    b.unfit(ProblemKind::ProblemLocal, "too few file descriptors")
        .await;
    let digest = a.assigned().await;
    a.prepared(digest).await;
    let digest = a.assigned().await;
    assert_eq!(
        (a.assign.epoch, a.assign.seat, a.assign.weights.as_slice()),
        (2, 0, &[1][..])
    );
    a.prepared(digest).await;
    a.go().await;
    a.set(ScenarioTotals {
        vu_ns: 2 * SECOND,
        ..half()
    });
    a.measure(10, 5_000_000).await;
    a.done().await;
    let (report, over) = watch.over().await;
    assert_eq!(over.exit_code, 0);
    assert_eq!(
        report.run.notes,
        ["goes on without b: too few file descriptors"]
    );
    server.stop().await;
}

#[tokio::test]
async fn an_agent_with_another_plan_is_left_out() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let mut agent = Fake::join(&server, "a").await;
    let run = start(&mut control, CLOSED, head(1)).await.unwrap();
    agent.assigned().await;
    agent.prepared(vec![1, 2, 3]).await;
    let (_, over) = Watch::of(&mut control, &run).await.over().await;
    assert_eq!(over.exit_code, 122);
    assert!(over.text.contains("its plan differs"), "{}", over.text);
    server.stop().await;
}

#[tokio::test]
async fn an_agent_that_ends_early_leaves_a_gap_that_is_not_unaccounted() {
    let server = Server::start().await;
    let source = format!("onAgentLoss: continue{CLOSED}");
    let source = source.replace("duration: 1s", "duration: 3s");
    let (_, [mut stays, mut drains], _, mut watch) = server.run(["stays", "drains"], &source).await;
    tokio::join!(stays.begin(), drains.begin());
    drains.set(half());
    drains.measure(10, 5_000_000).await;
    drains.done().await;
    drains
        .say(From::Leave(v1::Leave {
            reason: "told to end".to_owned(),
        }))
        .await;
    stays.set(ScenarioTotals {
        vu_ns: 3 * SECOND,
        ..half()
    });
    stays.measure(10, 5_000_000).await;
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    stays.done().await;
    let (report, over) = watch.over().await;
    assert_eq!(
        (over.exit_code, report.exit.all.as_slice()),
        (0, &[120][..]),
        "{:?}",
        report.verdict
    );
    let line = &report.conservation.scenarios[0];
    assert_eq!(
        (line.planned, line.made, line.lost, line.short),
        (6.0, 4.0, 2.0, 0.0)
    );
    assert!(
        report.run.notes[0].starts_with("drains ended before its part was over"),
        "{:?}",
        report.run.notes
    );
    server.stop().await;
}

#[tokio::test]
async fn a_lost_agent_that_comes_back_is_heard_out_and_gets_nothing_more_to_do() {
    let server = Server::start().await;
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
    sleeps.redial("sleeps").await;
    let To::Stop(order) = sleeps.next().await else {
        panic!("it was not told to stop")
    };
    assert_eq!(order.mode(), v1::StopMode::StopInterrupt);
    assert!(order.only_you, "the run goes on");
    assert_eq!(sleeps.acks.last(), Some(&0), "and it learns what arrived");
    sleeps.set(ScenarioTotals {
        requests: 15,
        ..half()
    });
    sleeps.measure(5, 5_000_000).await;
    sleeps.done().await;
    stays.set(ScenarioTotals {
        vu_ns: 2 * SECOND,
        ..half()
    });
    stays.measure(10, 5_000_000).await;
    stays.measure(0, 0).await;
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    stays.done().await;
    let (report, over) = watch.over().await;
    assert_eq!(
        (over.exit_code, report.exit.all.as_slice()),
        (0, &[120][..]),
        "{:?}",
        report.verdict
    );
    assert_eq!(report.metrics["http_reqs"].values["count"], 25.0);
    let requests = report.conservation.requests;
    assert_eq!(
        (requests.counted, requests.lost, requests.unaccounted),
        (25, 0, 0)
    );
    assert_eq!(report.conservation.scenarios[0].lost, 1.0);
    server.stop().await;
}
