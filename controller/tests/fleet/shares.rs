//! Agents that go and come while load is made: who is told what and when, and what the books say.

use crate::fake::{CLOSED, Fake, SECOND, Server, Watch, head, sleep_until, start, stop};
use proto::v1::from_agent::Message as From;
use proto::v1::seat_change::Change;
use proto::v1::to_agent::Message as To;
use proto::v1::{self, ScenarioTotals, StartHead, StopMode};
use std::time::Duration;
use throng_controller::conservation::Fate;
use throng_controller::report::{Ended, FleetEvent};
use throng_controller::verdict::Grade;

fn long(seconds: u32) -> String {
    CLOSED.replace("duration: 1s", &format!("duration: {seconds}s"))
}

/// What an agent that held its VUs for so long counts.
fn held(vu_ns: u64) -> ScenarioTotals {
    ScenarioTotals {
        begun: 10,
        completed: 10,
        requests: 10,
        vu_ns,
        ..ScenarioTotals::default()
    }
}

fn changes(assign: &v1::Assign) -> Vec<Change> {
    assign
        .changes
        .iter()
        .map(|change| change.change.unwrap())
        .collect()
}

#[tokio::test]
async fn a_lost_agents_share_goes_to_the_others_and_the_gap_is_stated() {
    let server = Server::start().await;
    let (_, [mut dies, mut stays], _, mut watch) = server.run(["dies", "stays"], &long(3)).await;
    let (t0, _) = tokio::join!(stays.begin(), dies.begin());
    dies.set(held(SECOND / 20));
    dies.measure(10, 5_000_000).await;
    dies.acknowledged().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    dies.die();
    let told = stays.told().await;
    assert_eq!(
        (told.epoch, told.seat, changes(&told)),
        (2, 1, vec![Change::Gone(0)])
    );
    let from = told.changes[0].from_ns;
    assert!(
        from > 600_000_000,
        "not before its lease had run out, and a lead: {from}"
    );
    stays.given(&[]).await;
    stays.set(held(3 * SECOND + 3 * SECOND - from));
    stays.measure(10, 5_000_000).await;
    sleep_until(t0, 3 * SECOND).await;
    stays.done().await;
    let (report, over) = watch.over().await;
    assert_eq!(
        (over.exit_code, report.exit.all.as_slice()),
        (0, &[120][..]),
        "{:?}",
        report.verdict
    );
    let line = &report.conservation.scenarios[0];
    let close = |a: f64, b: f64| (a - b).abs() < 0.001;
    assert!(
        close(line.planned, 6.0),
        "shares that change hands sum to the plan: {line:?}"
    );
    assert!(
        close(
            line.planned,
            line.made + line.lost + line.unaccounted + line.short
        ),
        "{line:?}"
    );
    // Of its VU: from its lease's end until the hand-over nothing was held; before that, after its last totals, nobody knows.
    assert!(line.lost > 0.2 && line.lost < 0.8, "{line:?}");
    assert!(
        close(line.silent, line.unaccounted) && line.silent > 0.5,
        "{line:?}"
    );
    let gone = &report.fleet[0];
    assert_eq!(
        (gone.event, gone.agent.as_str(), gone.agents, gone.share),
        (FleetEvent::Lost, "dies", 1, 0.5)
    );
    assert!(close(gone.until_ms.unwrap(), from as f64 / 1e6));
    assert!(
        close(gone.gap.vu_seconds, line.lost + line.unaccounted),
        "{gone:?}"
    );
    assert!(
        gone.to_string()
            .contains("share (50.00%) handed to 1 agent after"),
        "{gone}"
    );
    assert!(
        report
            .run
            .notes
            .iter()
            .any(|note| note.starts_with("dies's share is handed to 1 agent from")),
        "{:?}",
        report.run.notes
    );
    server.stop().await;
}

#[tokio::test]
async fn a_loss_ends_the_run_that_asks_for_it() {
    let server = Server::start().await;
    let source = format!("onAgentLoss: abort{}", long(60));
    let (_, [mut dies, mut stays], _, mut watch) = server.run(["dies", "stays"], &source).await;
    tokio::join!(stays.begin(), dies.begin());
    dies.die();
    assert!(
        matches!(stays.next().await, To::Stop(order) if order.mode() == StopMode::StopInterrupt && !order.only_you)
    );
    stays.done().await;
    let (report, over) = watch.over().await;
    assert_eq!((over.exit_code, report.run.ended), (122, Ended::AgentLost));
    assert!(
        over.text.starts_with("aborted: dies was lost"),
        "{}",
        over.text
    );
    server.stop().await;
}

#[tokio::test]
async fn a_newcomer_gets_its_share_only_when_all_who_give_have_answered() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let (mut a, mut b) = (
        Fake::join(&server, "a").await,
        Fake::join(&server, "b").await,
    );
    let wanted = StartHead {
        expect_agents: 0,
        ..head(0)
    };
    let run = start(&mut control, &long(60), wanted).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    let (t0, _) = tokio::join!(a.begin(), b.begin());
    let mut comes = Fake::join(&server, "c").await;
    let digest = comes.assigned().await;
    assert_eq!(
        (
            comes.assign.epoch,
            comes.assign.seat,
            changes(&comes.assign)
        ),
        (2, 2, vec![])
    );
    assert!(comes.assign.preflight && comes.assign.weights == [1, 1]);
    comes.prepared(digest).await;
    let (told_a, told_b) = tokio::join!(a.told(), b.told());
    assert_eq!(
        (told_a.epoch, told_a.seat, changes(&told_a)),
        (3, 0, vec![Change::Came(1)])
    );
    assert_eq!(
        (told_b.epoch, told_b.seat, &told_b.changes),
        (3, 1, &told_a.changes)
    );
    a.given(&[0]).await;
    assert!(
        comes.hears_nothing(150).await,
        "one who gives has not answered"
    );
    b.given(&[]).await;
    let part = comes.told().await;
    assert_eq!(
        (part.epoch, part.seat, &part.changes),
        (3, 2, &told_a.changes)
    );
    assert_eq!(
        comes.go().await,
        t0,
        "the same T0: it is at the ramp's present point at once"
    );
    watch.log("c joins at").await;
    // What is at work elsewhere and its own is named, and comes free under the same epoch.
    let owner = |vu| {
        let mut shares = plan::Shares::new(vec![1, 1]).unwrap();
        shares.change(1, plan::SeatChange::Came(1)).unwrap();
        shares.at(1).owner(vu)
    };
    let expected: Vec<u64> = [0].into_iter().filter(|vu| owner(*vu) == 2).collect();
    let waiting: Vec<u64> = part
        .waiting
        .iter()
        .flat_map(|held| held.vus.clone())
        .collect();
    assert_eq!(waiting, expected);
    stop(&mut control, &run, StopMode::StopInterrupt).await;
    let (a, b, c) = (&a, &b, &comes);
    tokio::join!(a.done(), b.done(), c.done());
    let (report, _) = watch.over().await;
    let joined: Vec<_> = report
        .fleet
        .iter()
        .map(|change| (change.event, change.agent.as_str()))
        .collect();
    assert_eq!(joined, [(FleetEvent::Joined, "c")]);
    assert!((report.agents[2].share - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!(
        report
            .agents
            .iter()
            .map(|agent| agent.fate)
            .collect::<Vec<_>>(),
        [Fate::Done; 3]
    );
    server.stop().await;
}

#[tokio::test]
async fn an_agent_that_drains_hands_its_share_over_and_leaves_no_gap() {
    let server = Server::start().await;
    let (_, [mut stays, mut goes], run, mut watch) = server.run(["a", "goes"], &long(3)).await;
    let (t0, _) = tokio::join!(stays.begin(), goes.begin());
    goes.say(From::Drain(v1::Drain {
        run: run.clone(),
        reason: "SIGTERM".to_owned(),
    }))
    .await;
    let told = goes.told().await;
    assert_eq!(
        (told.epoch, told.seat, changes(&told)),
        (2, 1, vec![Change::Gone(1)])
    );
    assert!(
        stays.hears_nothing(100).await,
        "the leaver has not answered"
    );
    // It heard of it too late: the same again, later.
    goes.late().await;
    let later = goes.told().await;
    assert_eq!((later.epoch, changes(&later)), (3, vec![Change::Gone(1)]));
    let from = later.changes[0].from_ns;
    assert!(from > told.changes[0].from_ns + 300_000_000);
    goes.given(&[1]).await;
    let part = stays.told().await;
    assert_eq!(
        (part.epoch, part.seat, &part.changes),
        (3, 0, &later.changes)
    );
    assert_eq!(
        part.waiting,
        [v1::HeldVus {
            scenario: 0,
            vus: vec![1]
        }]
    );
    *goes.taken.lock().unwrap() = (3, Vec::new());
    let free = stays.told().await;
    assert_eq!(
        (free.epoch, free.waiting),
        (3, vec![]),
        "its last iteration is over"
    );
    sleep_until(t0, from).await;
    goes.set(held(from + SECOND / 10));
    goes.measure(10, 5_000_000).await;
    goes.acknowledged().await;
    goes.done().await;
    goes.say(From::Leave(v1::Leave {
        reason: "told to end".to_owned(),
    }))
    .await;
    // Its last iteration ended 0.1 s after its VU was another's.
    stays.set(held(3 * SECOND + 3 * SECOND - from - SECOND / 10));
    stays.measure(10, 5_000_000).await;
    stays.acknowledged().await;
    sleep_until(t0, 3 * SECOND).await;
    stays.done().await;
    let (report, over) = watch.over().await;
    assert_eq!(
        (over.exit_code, report.exit.all.len()),
        (0, 0),
        "{:?}",
        report.verdict
    );
    assert_eq!(report.verdict.grade, Grade::Valid);
    let line = &report.conservation.scenarios[0];
    assert!(
        (line.planned - 6.0).abs() < 0.001 && line.short.abs() < 0.001,
        "{line:?}"
    );
    let left = &report.fleet[0];
    assert_eq!(
        (left.event, left.agent.as_str(), report.agents[1].fate),
        (FleetEvent::Left, "goes", Fate::Drained)
    );
    assert!(
        left.to_string().ends_with("handed to 1 agent: no gap"),
        "{left}"
    );
    assert!(report.run.notes.is_empty(), "{:?}", report.run.notes);
    server.stop().await;
}

#[tokio::test]
async fn a_lost_agent_that_comes_back_tells_what_it_had_and_takes_part_anew() {
    let server = Server::start().await;
    let (mut control, [mut stays, mut sleeps], run, mut watch) =
        server.run(["a", "sleeps"], &long(60)).await;
    let (t0, _) = tokio::join!(stays.begin(), sleeps.begin());
    sleeps.measure(10, 5_000_000).await;
    sleeps.acknowledged().await;
    sleeps.hang_up();
    let gone = stays.told().await;
    assert_eq!(changes(&gone), [Change::Gone(1)]);
    stays.given(&[]).await;
    sleeps.redial("sleeps").await;
    assert!(matches!(sleeps.next().await, To::Stop(_)));
    sleeps.measure(5, 5_000_000).await;
    sleeps.acknowledged().await;
    sleeps.set(ScenarioTotals {
        requests: 15,
        ..held(SECOND / 10)
    });
    sleeps.done().await;
    assert!(
        matches!(sleeps.next().await, To::Closed(_)),
        "its old part is over"
    );
    let digest = sleeps.assigned().await;
    assert_eq!(
        (sleeps.assign.seat, changes(&sleeps.assign)),
        (2, vec![Change::Gone(1)]),
        "its seat is a new one"
    );
    sleeps.prepared(digest).await;
    let told = stays.told().await;
    assert_eq!(changes(&told), [Change::Gone(1), Change::Came(1)]);
    stays.given(&[]).await;
    assert_eq!((sleeps.told().await.seat, sleeps.go().await), (2, t0));
    // Its numbers begin anew, and are another seat's.
    sleeps.measure(7, 5_000_000).await;
    stop(&mut control, &run, StopMode::StopInterrupt).await;
    let (a, b) = (&stays, &sleeps);
    tokio::join!(a.done(), b.done());
    let (report, _) = watch.over().await;
    assert_eq!(report.metrics["http_reqs"].values["count"], 22.0);
    let fates: Vec<_> = report
        .agents
        .iter()
        .map(|agent| (agent.name.as_str(), agent.fate))
        .collect();
    assert_eq!(
        fates,
        [
            ("a", Fate::Done),
            ("sleeps", Fate::Left),
            ("sleeps", Fate::Done)
        ]
    );
    server.stop().await;
}

#[tokio::test]
async fn an_agent_that_was_away_hears_the_newest_when_it_comes_back() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let mut agents = Vec::new();
    for name in ["a", "b", "c"] {
        agents.push(Fake::join(&server, name).await);
    }
    let run = start(&mut control, &long(60), head(3)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    let (mut c, mut b, mut a) = (
        agents.pop().unwrap(),
        agents.pop().unwrap(),
        agents.pop().unwrap(),
    );
    tokio::join!(a.begin(), b.begin(), c.begin());
    c.say(From::Drain(v1::Drain {
        run: run.clone(),
        reason: String::new(),
    }))
    .await;
    c.told().await;
    b.hang_up();
    c.given(&[]).await;
    let told = a.told().await;
    b.redial("b").await;
    let again = b.told().await;
    assert_eq!((again.epoch, &again.changes), (told.epoch, &told.changes));
    stop(&mut control, &run, StopMode::StopInterrupt).await;
    let (a, b, c) = (&a, &b, &c);
    tokio::join!(a.done(), b.done(), c.done());
    watch.over().await;
    server.stop().await;
}

#[tokio::test]
async fn when_all_are_lost_one_who_comes_takes_over() {
    let server = Server::start().await;
    let (mut control, [mut agent], run, mut watch) = server.run(["a"], &long(60)).await;
    let t0 = agent.begin().await;
    agent.die();
    watch.log("nobody is left to take over").await;
    let mut comes = Fake::join(&server, "a").await;
    let digest = comes.assigned().await;
    assert_eq!(
        (comes.assign.seat, changes(&comes.assign)),
        (1, vec![Change::Gone(0)])
    );
    comes.prepared(digest).await;
    let part = comes.told().await;
    assert_eq!(changes(&part), [Change::Gone(0), Change::Came(1)]);
    assert_eq!(comes.go().await, t0);
    // Long after the wait for somebody is over, the run goes on.
    tokio::time::sleep(Duration::from_millis(2700)).await;
    stop(&mut control, &run, StopMode::StopInterrupt).await;
    comes.done().await;
    let (report, over) = watch.over().await;
    assert_eq!(
        (over.exit_code, report.run.ended),
        (105, Ended::Interrupted)
    );
    server.stop().await;
}
