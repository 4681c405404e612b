//! What is true after any events in any order.

use super::*;
use proptest::prelude::*;

/// An event, by its number.
fn event(played: &Played, which: u8, small: u64) -> Event {
    let run = || "r".to_owned();
    let said = |message| {
        Event::Message(ToAgent {
            message: Some(message),
        })
    };
    match which {
        0 => Event::Dialed(Ok((welcome(small), played.now))),
        1 => Event::Dialed(Err(Failure::Unreachable("no".to_owned()))),
        2 => Event::Broken("cut".to_owned()),
        3 => Event::ShutDown,
        4 => Event::CrewOver {
            interrupted: small.is_multiple_of(2),
            last: Vitals::default(),
        },
        5 => Event::Kept(small),
        6 => said(Heard::Pong(Pong {
            echo_ns: played.now.saturating_sub(small * S),
            controller_ns: played.now + AHEAD,
        })),
        7 => said(Heard::Go(Go {
            run: run(),
            t0_ns: played.now + AHEAD + small * 100 * MS,
        })),
        8 => said(Heard::Closed(proto::v1::RunClosed { run: run() })),
        9 => said(Heard::Assign(Assign {
            run: run(),
            epoch: u32::try_from(small).unwrap(),
            seat: u32::try_from(small % 3).unwrap(),
            weights: vec![1, 1, 1],
            ..Assign::default()
        })),
        10 => said(Heard::Ack(proto::v1::Ack {
            run: run(),
            sequence: small,
        })),
        11 => Event::Report(Report::Interval {
            from: 0,
            to: 1,
            series: Vec::new(),
        }),
        _ => Event::Time,
    }
}

proptest! {
    #[test]
    fn no_link_wakes_for_nothing_or_makes_load_beyond_its_lease(
        keeps in any::<bool>(),
        events in proptest::collection::vec((0_u8..13, 0_u64..8, 0_u64..3_000), 0..120),
    ) {
        let mut played = Played::new(|settings| settings.keeps = keeps);
        played.answers = false;
        played.welcome();
        played.hear_part(1, 1);
        let mut answered = played.now;
        for (which, small, wait) in events {
            if which == 6 {
                answered = answered.max(played.now.saturating_sub(small * S));
            }
            let event = event(&played, which, small);
            if matches!(event, Event::Dialed(_)) && played.core.is_connected() {
                continue;
            }
            if which == 0 {
                answered = answered.max(played.now);
            }
            played.take(event);
            prop_assert!(
                played.core.deadline().is_none_or(|due| due > played.now),
                "due at {:?}, now {}", played.core.deadline(), played.now
            );
            prop_assert!(played.core.open_until().is_none_or(|until| until <= answered + LEASE));
            let ended = played.actions.iter().position(|action| matches!(action, Action::End(_)));
            if let Some(at) = ended {
                prop_assert_eq!(at + 1, played.actions.len(), "nothing after the end");
            }
            let until = played.now + wait * MS;
            while let Some(due) = played.core.deadline().filter(|due| *due <= until && ended.is_none()) {
                played.now = due;
                played.take(Event::Time);
            }
            played.now = until;
        }
    }
}
