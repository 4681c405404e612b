//! Agents that are told to end in load, and disks that do not answer.

use super::*;

fn over(played: &mut Played) {
    played.take(Event::CrewOver {
        interrupted: false,
        last: Vitals::default(),
    });
}

#[test]
fn who_drains_goes_on_until_others_took_over_and_then_leaves() {
    let mut played = Played::new(|_| {});
    played.welcome();
    played.load();
    played.said.clear();
    played.take(Event::ShutDown);
    assert!(matches!(&played.said[..], [Message::Drain(drain)] if drain.run == "r"));
    played.until(played.now + 3 * S);
    assert!(played.is_open() && played.stops().is_empty());
    // Its crew has nothing left to do.
    played.saw(0);
    over(&mut played);
    assert!(matches!(played.said.last(), Some(Message::Done(_))));
    played.hear(Heard::Ack(proto::v1::Ack {
        run: "r".to_owned(),
        sequence: 0,
    }));
    assert!(matches!(played.said.last(), Some(Message::Leave(_))));
    assert!(
        !played.core.has_outgoing(played.now),
        "nothing after a leave"
    );
    played.take(Event::Broken("closed".to_owned()));
    let ended = played.actions.pop();
    assert!(
        matches!(ended, Some(Action::End(Ok(Ended::ShutDown)))),
        "{ended:?}"
    );
}

#[test]
fn where_nobody_takes_over_it_begins_no_more_and_what_still_runs_at_the_end_is_cut() {
    let mut played = Played::new(|_| {});
    played.welcome();
    played.load();
    played.take(Event::ShutDown);
    let told = played.now;
    played.until(told + 8 * S - MS);
    assert_eq!(played.stops(), []);
    played.until(told + 8 * S);
    assert_eq!(played.stops(), [StopHow::Graceful]);
    played.until(told + 24 * S - MS);
    assert_eq!(played.stops(), []);
    played.until(told + 24 * S);
    assert_eq!(played.stops(), [StopHow::Interrupt]);
    // Told a second time it does not begin anew.
    played.take(Event::ShutDown);
    played.until(told + 27 * S);
    assert_eq!(played.stops(), []);
    over(&mut played);
    // Who does not acknowledge is not waited for beyond a lease.
    played.until(played.now + LEASE);
    let ended = played.actions.pop();
    assert!(
        matches!(ended, Some(Action::End(Ok(Ended::ShutDown)))),
        "{ended:?}"
    );
}

#[test]
fn a_disk_that_does_not_answer_is_given_up() {
    let mut played = Played::new(|settings| settings.keeps = true);
    played.welcome();
    played.load();
    played.saw(0);
    let begun = played.now;
    played.until(begun + S);
    assert!(played.intervals().is_empty(), "nothing that is not kept");
    played.until(begun + 2 * S);
    assert_eq!(played.intervals().len(), 1);
    played.actions.clear();
    played.saw(1);
    assert_eq!(played.intervals().len(), 1);
    assert!(played.actions.is_empty(), "nor is it asked again");
    // But for the next run.
    let run = "r".to_owned();
    played.hear(Heard::Closed(proto::v1::RunClosed { run }));
    played.hear_part(1, 1);
    let opens = |action: &Action| matches!(action, Action::Keep(Keep::Open(_)));
    assert!(played.actions.iter().any(opens));
}

#[test]
fn what_is_sent_was_kept_and_a_disk_that_answers_is_not_given_up() {
    let mut played = Played::new(|settings| settings.keeps = true);
    let mut kept = 0;
    let mut keep = |played: &mut Played| {
        let keeps = |action: &Action| matches!(action, Action::Keep(_));
        let asked = played.actions.iter().filter(|action| keeps(action)).count();
        played.actions.retain(|action| !keeps(action));
        kept += asked as u64;
        played.take(Event::Kept(kept));
    };
    played.welcome();
    played.hear_part(1, 1);
    keep(&mut played);
    played.go();
    keep(&mut played);
    for second in 0..100 {
        played.until(played.now + S);
        played.saw(second);
        assert!(played.intervals().is_empty(), "{second}");
        keep(&mut played);
        // So many may wait for their acknowledgement.
        assert_eq!(played.intervals().len(), usize::from(second < 60));
    }
    played.hear(Heard::Ack(proto::v1::Ack {
        run: "r".to_owned(),
        sequence: 59,
    }));
    assert!(played.intervals().is_empty());
    keep(&mut played);
    assert_eq!(played.intervals().len(), 40);
}
