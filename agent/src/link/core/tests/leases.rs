//! How long an agent may go on unheard, whatever happens to its line, its controller or itself.

use super::*;

#[test]
fn a_cut_that_is_shorter_than_the_lease_stops_nothing_and_loses_nothing() {
    let mut played = Played::new(|_| {});
    played.welcome();
    played.load();
    for second in 0..3 {
        played.until(played.now + S);
        played.saw(second);
    }
    let sent = played.intervals();
    assert_eq!(sent.len(), 3);
    let cut = played.now;
    played.take(Event::Broken("cut".to_owned()));
    assert!(matches!(played.actions.pop(), Some(Action::HangUp)));
    for second in 3..6 {
        played.until(cut + (second - 2) * S);
        assert!(played.is_open());
        played.saw(second.try_into().unwrap());
    }
    played
        .actions
        .retain(|action| matches!(action, Action::Dial));
    assert_eq!(played.actions.len(), 1, "one attempt at a time");
    played.until(cut + 4 * S);
    played.take(Event::Dialed(Ok((welcome(0), played.now))));
    played.until(played.now + 10 * S);
    assert!(played.is_open() && played.stops().is_empty());
    let again = played.intervals();
    assert_eq!(again[..3], sent, "the same, again");
    let numbers: Vec<u64> = again.iter().map(|interval| interval.sequence).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_longer_one_cuts_load_when_the_lease_ends_and_not_a_moment_later() {
    for heard in [false, true] {
        let mut played = Played::new(|_| {});
        played.welcome();
        played.load();
        played.until(played.now + 3 * S);
        let ends = played.core.open_until().unwrap();
        assert!(
            played.now + LEASE - ends < 500 * MS,
            "of the newest heartbeat"
        );
        played.answers = false;
        if !heard {
            played.take(Event::Broken("cut".to_owned()));
        }
        while played.now < ends - MS {
            played.until((played.now + 100 * MS).min(ends - MS));
            if heard {
                // Half a line: what the controller says comes through, but it answers no heartbeat.
                played.hear(Heard::Grant(Grant::default()));
            }
            assert!(played.is_open() && played.stops().is_empty());
        }
        played.until(ends);
        assert!(!played.is_open());
        assert_eq!(played.stops(), [StopHow::Interrupt], "heard: {heard}");
        // Nobody can open it again.
        played.answers = true;
        if !heard {
            played.take(Event::Dialed(Ok((welcome(0), played.now))));
        }
        played.until(played.now + 5 * S);
        assert_eq!(played.core.open_until(), Some(0));
    }
}

#[test]
fn who_was_frozen_is_fenced_before_anything_else_is_done() {
    let mut played = Played::new(|_| {});
    played.welcome();
    played.load();
    played.until(played.now + 3 * S);
    // What was on its way when it was stopped, and the answer among it.
    let late = Heartbeat {
        sent_ns: played.now,
        ..Heartbeat::default()
    };
    let pong = played.pong(&late, played.now);
    played.now += 20 * S;
    assert!(!played.is_open(), "workers test the same number");
    played.hear(Heard::Pong(pong));
    assert_eq!(played.stops(), [StopHow::Interrupt]);
    assert_eq!(played.core.open_until(), Some(0));
}

#[test]
fn a_welcome_alone_prolongs_no_load() {
    let mut played = Played::new(|_| {});
    played.welcome();
    played.load();
    let before = played.core.open_until();
    played.take(Event::Broken("cut".to_owned()));
    played.until(played.now + S);
    played.answers = false;
    played.take(Event::Dialed(Ok((welcome(0), played.now))));
    assert_eq!(
        played.core.open_until(),
        before,
        "a controller that has given it up says welcome, too"
    );
}

#[test]
fn a_fenced_agent_tells_all_it_saw_and_then_comes_back_on_another_seat() {
    let mut played = Played::new(|_| {});
    played.welcome();
    played.load();
    played.until(played.now + 2 * S);
    played.saw(0);
    played.take(Event::Broken("cut".to_owned()));
    played.until(played.now + 6 * S);
    assert_eq!(played.stops(), [StopHow::Interrupt]);
    played.saw(1);
    played.said.clear();
    played.take(Event::Dialed(Ok((welcome(0), played.now))));
    assert_eq!(played.intervals().len(), 2, "before anything else");
    played.take(Event::CrewOver {
        interrupted: true,
        last: Vitals::default(),
    });
    assert!(matches!(played.said.pop(), Some(Message::Done(done)) if done.intervals == 2));
    // The run wants it again: not before what it saw is safe.
    played.hear_part(2, 2);
    assert!(played.said.is_empty(), "{:?}", played.said);
    played.hear(Heard::Ack(proto::v1::Ack {
        run: "r".to_owned(),
        sequence: 1,
    }));
    assert!(matches!(played.said.pop(), Some(Message::Prepared(answer)) if answer.epoch == 2));
    let muster = played.go();
    assert_eq!(muster.part.seat, 2);
    assert!(played.is_open());
    played.saw(9);
    let again = played.intervals();
    assert_eq!((again[0].agent, again[0].sequence), (2, 0));
}

#[test]
fn of_two_controllers_the_newer_one_is_obeyed() {
    let mut played = Played::new(|_| {});
    played.welcome_of(4);
    played.load();
    played.until(played.now + S);
    let until = played.core.open_until();
    played.take(Event::Broken("cut".to_owned()));
    played.until(played.now + 200 * MS);
    played.actions.clear();
    played.take(Event::Dialed(Ok((welcome(3), played.now))));
    assert!(matches!(played.actions[..], [Action::HangUp]));
    assert!(!played.core.is_connected());
    // What it says is not heard, and its lease is none.
    played.hear(Heard::Closed(proto::v1::RunClosed {
        run: "r".to_owned(),
    }));
    assert_eq!(played.core.run(), Some("r"));
    assert_eq!(played.core.open_until(), until);
    played.until(played.now + 2 * S);
    assert!(matches!(played.actions.pop(), Some(Action::Dial)));
    // The same one again, or a later life of it, is.
    played.take(Event::Dialed(Ok((welcome(5), played.now))));
    played.until(played.now + 10 * S);
    assert!(played.is_open() && played.core.is_connected());
    // Without a run anybody is.
    played.hear(Heard::Closed(proto::v1::RunClosed {
        run: "r".to_owned(),
    }));
    played.take(Event::Broken("cut".to_owned()));
    played.until(played.now + 200 * MS);
    played.take(Event::Dialed(Ok((welcome(1), played.now))));
    assert!(played.core.is_connected());
}

#[test]
fn the_lease_of_a_controller_reaches_no_further_than_a_later_ones_shorter_one() {
    let shorter = Welcome {
        lease_ms: 1_000,
        ..welcome(0)
    };
    // Idle, and another controller comes: what load it asks for goes by its lease alone.
    let mut played = Played::new(|_| {});
    played.welcome();
    played.until(played.now + 2 * S);
    played.take(Event::Broken("cut".to_owned()));
    played.take(Event::Dialed(Ok((shorter.clone(), played.now))));
    played.load();
    let ends = played.core.open_until().unwrap();
    assert!(ends <= played.now + S, "{}", ends - played.now);
    // In load, and it dials again: workers test what it was told last.
    let mut played = Played::new(|_| {});
    played.welcome();
    played.load();
    played.take(Event::Broken("cut".to_owned()));
    played.answers = false;
    played.take(Event::Dialed(Ok((shorter, played.now))));
    let ends = played.core.open_until().unwrap();
    assert!(ends <= played.now + S, "{}", ends - played.now);
    played.until(ends);
    assert_eq!(played.stops(), [StopHow::Interrupt]);
}
