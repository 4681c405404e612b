//! Lines that are slow, lose packets, or keep clocks of their own.

use super::*;
use std::collections::VecDeque;

/// Weyl's sequence, mixed: as random as a test needs, and the same each time.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 31)
}

#[test]
fn rows_are_taken_before_the_assignment_that_tells_of_their_run() {
    let bundle = plan::Bundle {
        source: "
vus: 1
duration: 1s
data: { rows: { setup: true } }
setup: [{ give: { rows: 1 } }]
flows: { default: [{ let: { row: { own: rows } } }, { get: http://127.0.0.1/ }] }
"
        .to_owned(),
        ..plan::Bundle::default()
    };
    let plan = Arc::new(plan::compile(&bundle).unwrap());
    for (name, knows, run, taken) in [
        ("of the run that it is in", true, "r", true),
        ("of another", true, "q", false),
        ("before it knows of any", false, "r", true),
    ] {
        let mut played = Played::new(|_| {});
        played.welcome();
        if knows {
            played.hear_part(1, 0);
        }
        played.hear(Heard::Rows(proto::v1::Rows {
            run: run.to_owned(),
            data: 0,
            count: 2,
            rows: vec![proto::v1::Row {
                index: 1,
                json: b"7".to_vec(),
            }],
        }));
        let complete = played.core.rows.complete(run, Arc::clone(&plan));
        assert_eq!(complete.data[0].rows.at_hand(1), taken, "{name}");
    }
}

#[test]
fn at_200_ms_and_5_percent_loss_nothing_flaps() {
    for seed in 0..20 {
        let mut state = seed;
        let mut played = Played::new(|_| {});
        played.welcome();
        played.load();
        played.answers = false;
        let end = played.now + 300 * S;
        // The next heartbeat tells the sender of a lost packet, who sends it again; on a stream the rest waits for it.
        let mut trip = |from: u64, after: u64| {
            let mut at = from + 100 * MS;
            while random(&mut state) % 100 < 5 {
                at += 500 * MS;
            }
            at.max(after)
        };
        let (mut there, mut back) = (0, 0);
        let mut pongs: VecDeque<(u64, Pong)> = VecDeque::new();
        while played.now < end {
            let due = played.core.deadline().unwrap_or(end);
            let heard = pongs.front().map_or(end, |(at, _)| *at);
            played.now = played.now.max(due.min(heard).min(end));
            if let Some((_, pong)) = pongs.pop_front_if(|(at, _)| *at <= played.now) {
                played.hear(Heard::Pong(pong));
            }
            played.take(Event::Time);
            for heartbeat in std::mem::take(&mut played.beats) {
                there = trip(played.now, there);
                back = trip(there, back);
                pongs.push_back((back, played.pong(&heartbeat, there)));
            }
            assert!(played.is_open(), "seed {seed}: the lease ended");
        }
        let flaps: Vec<_> = played
            .actions
            .iter()
            .filter(|action| matches!(action, Action::HangUp | Action::Dial | Action::Stop(_)))
            .collect();
        assert!(flaps.is_empty(), "seed {seed}: {flaps:?}");
    }
}

#[test]
fn load_begins_when_the_controller_says_however_far_apart_the_clocks_are() {
    for offset in [-(80_000 * S as i64), -1, 0, 7 * S as i64] {
        let mut played = Played::new(|_| {});
        played.answers = false;
        played.welcome();
        played.hear_part(1, 1);
        let controller = |local: u64| local.saturating_add_signed(offset);
        // A slow ping, and a quick one: there 3 ms, back 1 ms.
        for (there, back) in [(40 * MS, 20 * MS), (3 * MS, MS)] {
            let echo_ns = played.now;
            let controller_ns = controller(played.now + there);
            played.now += there + back;
            played.hear(Heard::Pong(Pong {
                echo_ns,
                controller_ns,
            }));
        }
        let t0 = played.now + 200 * MS;
        played.hear(Heard::Go(Go {
            run: "r".to_owned(),
            t0_ns: controller(t0),
        }));
        let muster = played.actions.iter().find_map(|action| match action {
            Action::Muster(muster) => Some(muster),
            _ => None,
        });
        let off = muster.unwrap().t0.abs_diff(t0 as i64);
        assert!(off <= 2 * MS, "{off} ns off with clocks {offset} ns apart");
    }
}

#[test]
fn who_comes_late_knows_the_run_time_also_if_its_machine_booted_after_t0() {
    const AGO: u64 = 1_000_000 * S;
    let mut played = Played::new(|_| {});
    played.answers = false;
    played.welcome();
    played.hear_part(1, 1);
    let controller = |local: u64| local + 2 * AGO;
    let (echo_ns, controller_ns) = (played.now, controller(played.now + MS));
    played.now += 2 * MS;
    played.hear(Heard::Pong(Pong {
        echo_ns,
        controller_ns,
    }));
    assert!(played.now < AGO, "it booted after T0");
    played.hear(Heard::Go(Go {
        run: "r".to_owned(),
        t0_ns: controller(played.now) - AGO,
    }));
    let run = AGO as i64;
    let heartbeat = played.core.heartbeat(None);
    assert_eq!(heartbeat.run_ns, Some(run));
    let muster = played.actions.iter().find_map(|action| match action {
        Action::Muster(muster) => Some(muster),
        _ => None,
    });
    assert_eq!(muster.unwrap().t0, played.now as i64 - run);
}

#[test]
fn a_line_on_which_nothing_comes_is_broken_while_there_is_time_to_dial() {
    let mut played = Played::new(|_| {});
    played.welcome();
    played.load();
    played.actions.clear();
    played.answers = false;
    let silent = played.now;
    played.until(silent + 3 * S);
    let kinds: Vec<&str> = played
        .actions
        .iter()
        .map(|action| match action {
            Action::HangUp => "hang up",
            Action::Dial => "dial",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["hang up", "dial"]);
    assert!(played.is_open());
}

#[test]
fn attempts_to_dial_are_one_at_a_time_and_farther_and_farther_apart() {
    let mut played = Played::new(|settings| settings.give_up = Duration::from_secs(20));
    let mut dialed = Vec::new();
    while played.now < BOOT + 60 * S {
        played.take(Event::Time);
        match played.actions.pop() {
            Some(Action::Dial) => {
                dialed.push(played.now);
                let why = "connection refused".to_owned();
                played.take(Event::Dialed(Err(Failure::Unreachable(why))));
            }
            Some(Action::End(Err(Error::Unreachable { tried, cause, .. }))) => {
                assert_eq!(tried, Duration::from_secs(20));
                assert_eq!(cause, "connection refused");
                assert!(dialed.len() > 8 && dialed.len() < 30, "{dialed:?}");
                return;
            }
            other => assert!(other.is_none(), "{other:?}"),
        }
        played.now = played.core.deadline().unwrap();
    }
    panic!("it never gave up");
}
