//! Assignments that come while load is being made.

use super::*;
use proto::v1::seat_change::Change;
use proto::v1::{HeldVus, SeatChange};

/// Seat 1 of 3, after these changes.
fn assigned(epoch: u32, changes: &[(u64, Change)]) -> To {
    let change = |(from_ns, change): &(u64, Change)| SeatChange {
        from_ns: *from_ns,
        change: Some(*change),
    };
    To::Assign(Assign {
        run: "r".to_owned(),
        epoch,
        seat: 1,
        weights: vec![1, 1, 1],
        changes: changes.iter().map(change).collect(),
        ..Assign::default()
    })
}

async fn prepared(line: &mut Connection) -> Prepared {
    match line.next().await {
        From::Prepared(prepared) => prepared,
        other => panic!("{other:?} is no answer"),
    }
}

/// Later than any test.
const HOUR: u64 = 3600 * 1_000_000_000;

#[test]
fn the_crew_goes_by_a_newer_assignment_and_then_the_answer_says_what_is_held() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        line.send(assigned(2, &[(HOUR, Change::Came(1))])).await;
        assert_eq!(crew.told().await, Told::Reassign(2, 1));
        let held = vec![HeldVus {
            scenario: 0,
            vus: vec![4, 7],
        }];
        let taken = Report::Taken {
            epoch: 2,
            held: held.clone(),
        };
        crew.reports.send(taken).unwrap();
        let answer = prepared(&mut line).await;
        assert_eq!((answer.epoch, answer.problem.as_str()), (2, ""));
        assert!(!answer.digest.is_empty());
        assert_eq!(answer.held, held);
        go_home(agent, &line).await;
    });
}

#[test]
fn who_has_to_give_something_up_in_the_past_is_late_and_gives_nothing_up() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        for change in [Change::Came(2), Change::Gone(1)] {
            line.send(assigned(2, &[(1, change)])).await;
            let answer = prepared(&mut line).await;
            assert_eq!(answer.epoch, 2);
            assert_eq!(answer.problem_kind(), ProblemKind::ProblemLate);
        }
        // Whoever only takes is never late.
        line.send(assigned(3, &[(1, Change::Gone(0))])).await;
        assert_eq!(crew.told().await, Told::Reassign(3, 1));
        let held = Vec::new();
        crew.reports.send(Report::Taken { epoch: 3, held }).unwrap();
        let answer = prepared(&mut line).await;
        assert_eq!((answer.epoch, answer.problem.as_str()), (3, ""));
        go_home(agent, &line).await;
    });
}

#[test]
fn whose_crew_is_done_has_nothing_to_give_up() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        line.send(assigned(2, &[(HOUR, Change::Came(1))])).await;
        assert_eq!(crew.told().await, Told::Reassign(2, 1));
        // It is over before all of it heard.
        crew.reports
            .send(Report::Finished { interrupted: false })
            .unwrap();
        let answer = prepared(&mut line).await;
        assert_eq!((answer.epoch, answer.problem.as_str()), (2, ""));
        assert!(matches!(line.next().await, From::Done(_)));
        line.send(assigned(3, &[(1, Change::Came(1)), (2, Change::Came(1))]))
            .await;
        let answer = prepared(&mut line).await;
        assert_eq!((answer.epoch, answer.problem.as_str()), (3, ""));
        go_home(agent, &line).await;
    });
}
