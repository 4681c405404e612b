//! Setup and teardown as agents see them: who is asked, what is handed to whom, and what a loss or a new connection changes.

use crate::fake::{Fake, SECOND, Server, Watch, half, head, start};
use proto::v1::from_agent::Message as From;
use proto::v1::phase_piece::Piece;
use proto::v1::to_agent::Message as To;
use proto::v1::{self, PhaseKind, PhasePiece, PhaseTrouble};
use std::collections::BTreeMap;

/// Six VUs for a second, each with a row of `sessions`; teardown goes over all of them.
const SIX: &str = "
scenarios:
  main: { executor: constant-vus, vus: 6, duration: 1s, gracefulStop: 1s }
data:
  sessions: { setup: true }
setup:
  - give: { sessions: 1 }
teardown:
  - each: sessions
    steps: [{ get: http://127.0.0.1:9/ }]
flows:
  default:
    - let: { me: { own: sessions } }
    - get: http://127.0.0.1:9/
";

/// Waits for the order to do a phase; gives the rows that came before it.
async fn ordered(agent: &mut Fake, phase: PhaseKind) -> BTreeMap<u64, String> {
    let mut rows = BTreeMap::new();
    loop {
        match agent.next().await {
            To::Rows(handed) => take(&mut rows, handed),
            To::Phase(order) => {
                assert_eq!(
                    (order.run.as_str(), order.phase()),
                    (agent.run.as_str(), phase)
                );
                return rows;
            }
            other => panic!("expected rows or an order, not {other:?}"),
        }
    }
}

fn take(rows: &mut BTreeMap<u64, String>, handed: v1::Rows) {
    for row in handed.rows {
        assert!(row.index < handed.count);
        let known = rows.insert(row.index, String::from_utf8(row.json).unwrap());
        assert_eq!(known, None, "handed once");
    }
}

/// Waits for the start; gives the rows that came before it.
async fn started(agent: &mut Fake) -> BTreeMap<u64, String> {
    let mut rows = BTreeMap::new();
    loop {
        match agent.next().await {
            To::Rows(handed) => take(&mut rows, handed),
            To::Go(_) => return rows,
            other => panic!("expected rows or the start, not {other:?}"),
        }
    }
}

/// Tells that a phase is over: so many rows and requests.
fn pieces(agent: &Fake, phase: PhaseKind, rows: u64, requests: u64) -> Vec<PhasePiece> {
    let rows: Vec<Vec<u8>> = (0..rows)
        .map(|k| format!("{{\"k\":{k}}}").into_bytes())
        .collect();
    let mut pieces = Vec::new();
    // In two messages, as many rows would be.
    for rows in rows.chunks(4) {
        let (data, rows) = (0, rows.to_vec());
        pieces.push(Piece::Rows(v1::GivenRows { data, rows }));
    }
    pieces.push(Piece::Interval(agent.interval(0, requests, 1_000_000)));
    pieces.push(Piece::End(v1::PhaseEnd {
        trouble: PhaseTrouble::PhaseFine.into(),
        took_ns: SECOND / 10,
        requests,
        ..v1::PhaseEnd::default()
    }));
    (0..)
        .zip(pieces)
        .map(|(index, piece)| PhasePiece {
            run: agent.run.clone(),
            phase: phase.into(),
            index,
            piece: Some(piece),
        })
        .collect()
}

async fn tell(agent: &Fake, phase: PhaseKind, rows: u64, requests: u64) {
    for piece in pieces(agent, phase, rows, requests) {
        agent.say(From::Phase(piece)).await;
    }
}

async fn ready(agents: &mut [&mut Fake]) {
    for agent in agents {
        let digest = agent.assigned().await;
        agent.prepared(digest).await;
    }
}

async fn finish(agent: &mut Fake) {
    agent.set(half());
    agent.measure(20, 1_000_000).await;
    agent.done().await;
    agent.acknowledged().await;
}

#[tokio::test]
async fn an_agent_gets_its_own_rows_and_whoever_clears_up_gets_all() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let [mut a, mut b, mut c] = [
        Fake::join(&server, "a").await,
        Fake::join(&server, "b").await,
        Fake::join(&server, "c").await,
    ];
    let run = start(&mut control, SIX, head(3)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    ready(&mut [&mut a, &mut b, &mut c]).await;
    assert!(ordered(&mut a, PhaseKind::PhaseSetup).await.is_empty());
    // More than are needed: those beyond are nobody's.
    tell(&a, PhaseKind::PhaseSetup, 8, 5).await;
    let mut handed = Vec::new();
    for agent in [&mut a, &mut b, &mut c] {
        let rows = started(agent).await;
        let seat = u64::from(agent.assign.seat);
        let own: Vec<u64> = rows.keys().copied().collect();
        assert_eq!(own, [seat, seat + 3], "VUs {seat} and {}", seat + 3);
        for (index, row) in &rows {
            assert_eq!(row, &format!("{{\"k\":{index}}}"));
        }
        handed.extend(own);
    }
    handed.sort_unstable();
    assert_eq!(handed, [0, 1, 2, 3, 4, 5], "disjoint and complete");
    for agent in [&mut a, &mut b, &mut c] {
        finish(agent).await;
    }
    let all = ordered(&mut a, PhaseKind::PhaseTeardown).await;
    assert_eq!(all.len(), 8);
    tell(&a, PhaseKind::PhaseTeardown, 0, 8).await;
    let (report, _) = watch.over().await;
    let phases: Vec<(&str, u64, u64)> = report
        .phases
        .iter()
        .map(|phase| (phase.phase.as_str(), phase.requests, phase.requests_merged))
        .collect();
    assert_eq!(phases, [("setup", 5, 5), ("teardown", 8, 8)]);
    assert_eq!(report.phases[0].rows["sessions"], 8);
    assert_eq!(report.conservation.requests.merged, 60, "the load's own");
    server.stop().await;
}

#[tokio::test]
async fn told_again_after_a_new_connection_setup_counts_once() {
    let server = Server::start().await;
    let (_, [mut a], _, mut watch) = server.run(["a"], SIX).await;
    ready(&mut [&mut a]).await;
    ordered(&mut a, PhaseKind::PhaseSetup).await;
    let all = pieces(&a, PhaseKind::PhaseSetup, 6, 5);
    for piece in all.iter().take(2) {
        a.say(From::Phase(piece.clone())).await;
    }
    a.redial("a").await;
    // Asked again; it only tells again. The rest of the first telling comes late.
    ordered(&mut a, PhaseKind::PhaseSetup).await;
    for piece in all.iter().skip(3).chain(&all) {
        a.say(From::Phase(piece.clone())).await;
    }
    assert_eq!(started(&mut a).await.len(), 6);
    // And once more, for nobody.
    for piece in &all {
        a.say(From::Phase(piece.clone())).await;
    }
    finish(&mut a).await;
    ordered(&mut a, PhaseKind::PhaseTeardown).await;
    tell(&a, PhaseKind::PhaseTeardown, 0, 0).await;
    let (report, _) = watch.over().await;
    assert_eq!(report.phases.len(), 2);
    assert_eq!(report.phases[0].requests_merged, 5);
    assert_eq!(report.conservation.requests.merged, 20);
    server.stop().await;
}

#[tokio::test]
async fn the_loss_of_the_agent_that_does_setup_ends_the_run_and_another_clears_up() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let [mut a, mut b] = [
        Fake::join(&server, "a").await,
        Fake::join(&server, "b").await,
    ];
    let run = start(&mut control, SIX, head(2)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    ready(&mut [&mut a, &mut b]).await;
    ordered(&mut a, PhaseKind::PhaseSetup).await;
    a.die();
    ordered(&mut b, PhaseKind::PhaseTeardown).await;
    tell(&b, PhaseKind::PhaseTeardown, 0, 1).await;
    let (report, over) = watch.over().await;
    assert_eq!(over.exit_code, 122);
    assert!(
        over.text.starts_with("a was lost while it did setup"),
        "{}",
        over.text
    );
    assert!(!report.run.began);
    assert_eq!(
        report.phases.len(),
        1,
        "what setup measured is lost with its agent"
    );
    server.stop().await;
}

#[tokio::test]
async fn after_the_loss_of_the_setup_agent_under_load_another_clears_up() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let [mut a, mut b] = [
        Fake::join(&server, "a").await,
        Fake::join(&server, "b").await,
    ];
    let run = start(&mut control, SIX, head(2)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    ready(&mut [&mut a, &mut b]).await;
    ordered(&mut a, PhaseKind::PhaseSetup).await;
    tell(&a, PhaseKind::PhaseSetup, 6, 5).await;
    started(&mut a).await;
    started(&mut b).await;
    a.die();
    watch.until("load").await;
    finish(&mut b).await;
    let all = ordered(&mut b, PhaseKind::PhaseTeardown).await;
    assert_eq!(all.len(), 6, "the rows outlive the agent that gave them");
    tell(&b, PhaseKind::PhaseTeardown, 0, 6).await;
    let (report, _) = watch.over().await;
    assert!(report.run.began);
    assert_eq!(report.phases[1].agent, "b");
    server.stop().await;
}

#[tokio::test]
async fn on_a_new_connection_rows_come_before_the_part_that_takes_them() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let [mut a, mut b] = [
        Fake::join(&server, "a").await,
        Fake::join(&server, "b").await,
    ];
    let long = SIX.replace("duration: 1s", "duration: 4s");
    start(&mut control, &long, head(2)).await.unwrap();
    ready(&mut [&mut a, &mut b]).await;
    ordered(&mut a, PhaseKind::PhaseSetup).await;
    tell(&a, PhaseKind::PhaseSetup, 6, 5).await;
    started(&mut a).await;
    assert_eq!(started(&mut b).await.len(), 3);
    a.die();
    b.told().await;
    b.redial("b").await;
    let mut rows = BTreeMap::new();
    loop {
        match b.next().await {
            To::Rows(handed) => take(&mut rows, handed),
            To::Assign(assign) => {
                assert_eq!(assign.changes.len(), 1);
                break;
            }
            other => panic!("expected rows or an assignment, not {other:?}"),
        }
    }
    assert_eq!(rows.len(), 6, "all VUs are its own now");
}

#[tokio::test]
async fn a_setup_that_cannot_be_read_is_a_failed_one() {
    let server = Server::start().await;
    let (_, [mut a], _, mut watch) = server.run(["a"], SIX).await;
    ready(&mut [&mut a]).await;
    ordered(&mut a, PhaseKind::PhaseSetup).await;
    a.say(From::Phase(PhasePiece {
        run: a.run.clone(),
        piece: Some(Piece::Rows(v1::GivenRows {
            data: 0,
            rows: vec![b"{".to_vec()],
        })),
        ..PhasePiece::default()
    }))
    .await;
    ordered(&mut a, PhaseKind::PhaseTeardown).await;
    tell(&a, PhaseKind::PhaseTeardown, 0, 0).await;
    let (_, over) = watch.over().await;
    assert_eq!(over.exit_code, 107, "{}", over.text);
    assert!(
        over.text.contains("a row that is not JSON"),
        "{}",
        over.text
    );
    server.stop().await;
}
