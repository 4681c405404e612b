//! Setup and teardown over the link: done once, told as often as asked.

use super::*;
use proto::v1::phase_piece::Piece;
use proto::v1::{PhaseEnd, PhaseKind, PhaseTrouble, Row, Rows, RunPhase};

const GIVES: &str = "
data: { s: { setup: true } }
setup:
  - give: { s: 1 }
  - give: { s: 2 }
teardown:
  - each: s
    steps: [{ let: { x: \"{{ row }}\" } }]
flows: { default: [{ let: { x: { own: s } } }, { get: http://127.0.0.1/ }] }
";

async fn order(line: &Connection, run: &str, phase: PhaseKind) {
    line.send(To::Phase(RunPhase {
        run: run.to_owned(),
        phase: phase.into(),
    }))
    .await;
}

/// What a phase came to: its rows, and its end.
async fn told(line: &mut Connection, phase: PhaseKind) -> (Vec<String>, PhaseEnd) {
    let mut rows = Vec::new();
    let mut next = 0;
    loop {
        let piece = match line.next().await {
            From::Phase(piece) => piece,
            // An agent in load says so in between.
            From::Log(_) | From::Done(_) | From::Interval(_) | From::Started(_) => continue,
            other => panic!("{other:?} is no piece"),
        };
        assert_eq!((piece.phase(), piece.index), (phase, next));
        next += 1;
        match piece.piece.unwrap() {
            Piece::Rows(given) => rows.extend(
                given
                    .rows
                    .into_iter()
                    .map(|row| String::from_utf8(row).unwrap()),
            ),
            Piece::Interval(_) => {}
            Piece::End(end) => return (rows, end),
        }
    }
}

#[test]
fn setup_is_done_once_and_told_again_whoever_asks_again() {
    story(async {
        let mut controller = Controller::start().await;
        let agent = Agent::start(&controller.url, Duration::from_secs(20));
        let mut line = controller.welcome(LONG).await;
        let prepared = assign(&mut line, "r", 1, GIVES).await;
        assert_eq!(prepared.problem, "");
        order(&line, "r", PhaseKind::PhaseSetup).await;
        let first = told(&mut line, PhaseKind::PhaseSetup).await;
        assert_eq!(first.0, ["1", "2"]);
        assert_eq!(first.1.trouble(), PhaseTrouble::PhaseFine);
        order(&line, "r", PhaseKind::PhaseSetup).await;
        let again = told(&mut line, PhaseKind::PhaseSetup).await;
        assert_eq!(
            again, first,
            "the same time to the nanosecond: it is not done again"
        );
        drop(line);
        let mut line = controller.welcome(LONG).await;
        order(&line, "r", PhaseKind::PhaseSetup).await;
        assert_eq!(told(&mut line, PhaseKind::PhaseSetup).await, first);
        drop(agent);
    });
}

#[test]
fn the_load_has_the_rows_that_came_before_the_start_and_teardown_those_that_came_before_it() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(20));
        let mut line = controller.welcome(LONG).await;
        assign(&mut line, "r", 1, GIVES).await;
        let rows = |index| {
            To::Rows(Rows {
                run: "r".to_owned(),
                data: 0,
                count: 3,
                rows: vec![Row {
                    index,
                    json: format!("{}", 10 + index).into_bytes(),
                }],
            })
        };
        line.send(rows(1)).await;
        line.send(To::Go(Go {
            run: "r".to_owned(),
            t0_ns: AHEAD,
        }))
        .await;
        let crew = agent.crew().await;
        let set = &crew.job.plan.data[0];
        assert_eq!((set.rows.count(), set.rows.row(1)), (3, 11.into()));
        assert_eq!(set.rows.row(0), serde_json::Value::Null, "another agent's");
        // Under load it cannot.
        order(&line, "r", PhaseKind::PhaseTeardown).await;
        let (_, end) = told(&mut line, PhaseKind::PhaseTeardown).await;
        assert_eq!(end.trouble(), PhaseTrouble::PhaseUnable);
        crew.reports
            .send(Report::Finished { interrupted: false })
            .unwrap();
        loop {
            if let From::Done(_) = line.next().await {
                break;
            }
        }
        line.send(rows(0)).await;
        order(&line, "r", PhaseKind::PhaseTeardown).await;
        let (_, end) = told(&mut line, PhaseKind::PhaseTeardown).await;
        assert_eq!(end.trouble(), PhaseTrouble::PhaseFine, "{}", end.problem);
    });
}

#[test]
fn a_stop_cuts_setup() {
    story(async {
        let mut controller = Controller::start().await;
        let agent = Agent::start(&controller.url, Duration::from_secs(20));
        let mut line = controller.welcome(LONG).await;
        let slow = GIVES.replace("- give: { s: 1 }", "- sleep: 1m");
        assign(&mut line, "r", 1, &slow).await;
        order(&line, "r", PhaseKind::PhaseSetup).await;
        line.send(To::Stop(StopRun {
            run: "r".to_owned(),
            mode: StopMode::StopInterrupt.into(),
            reason: String::new(),
            only_you: false,
        }))
        .await;
        let (_, end) = told(&mut line, PhaseKind::PhaseSetup).await;
        assert_eq!(end.trouble(), PhaseTrouble::PhaseCut);
        drop(agent);
    });
}
