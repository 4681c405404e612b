//! That the simulation is what it says: the same seed is the same world, and broken throngs are found out.

use throng_sim::setting::Fault;
use throng_sim::{Sabotage, Setting, run};

#[test]
fn one_seed_gives_one_log() {
    let any = |setting: &Setting, wanted: fn(&Fault) -> bool| {
        setting.faults.iter().any(|(_, fault)| wanted(fault))
    };
    let wanted: [&dyn Fn(&Setting) -> bool; 8] = [
        &|setting| setting.faults.is_empty(),
        &|setting| any(setting, |fault| matches!(fault, Fault::Down { .. })),
        &|setting| any(setting, |fault| matches!(fault, Fault::Gone)),
        &|setting| any(setting, |fault| matches!(fault, Fault::Stall { .. })),
        &|setting| any(setting, |fault| matches!(fault, Fault::Spool { .. })),
        &|setting| any(setting, |fault| matches!(fault, Fault::Pause { .. })),
        &|setting| any(setting, |fault| matches!(fault, Fault::Drain { .. })),
        &|setting| setting.source.contains("setup:"),
    ];
    let mut before = None;
    for wanted in wanted {
        let seed = (0..400).find(|seed| wanted(&Setting::new(*seed)));
        let seed = seed.expect("a seed that has it");
        let (first, second) = (run(seed, None, false), run(seed, None, false));
        assert_eq!(
            (first.hash, first.events),
            (second.hash, second.events),
            "seed {seed}"
        );
        if let Some((other, hash)) = before.replace((seed, first.hash)) {
            assert_eq!(
                seed == other,
                hash == first.hash,
                "seeds {other} and {seed}"
            );
        }
    }
}

#[test]
fn whatever_is_broken_on_purpose_is_found_out() {
    for (sabotage, seeds) in [
        (Sabotage::NoDedupe, 40),
        (Sabotage::NoFencing, 40),
        (Sabotage::EarlyReassign, 40),
        (Sabotage::NoHandshake, 200),
        (Sabotage::AckBeforeSync, 60),
        (Sabotage::LongLease, 60),
        (Sabotage::ShareTwice, 10),
        (Sabotage::EmptyMerge, 10),
        (Sabotage::GapsLeftOut, 40),
        (Sabotage::OtherBytes, 40),
    ] {
        let found = (0..seeds).find(|seed| run(*seed, Some(sabotage), false).broken.is_some());
        assert!(found.is_some(), "{} was not found out", sabotage.name());
    }
}

/// Seeds that broke a law once.
#[test]
fn what_was_found_stays_found() {
    for (seed, law) in [
        (
            26,
            "what is settled is what was told, whoever finishes meanwhile",
        ),
        (
            235,
            "what an agent that is cut off does after the run was stopped is counted",
        ),
        (
            242,
            "a VU that moves on before it has come is waited for by whoever has it between",
        ),
        (243, "the same, with a scale before it"),
        (
            879,
            "rows come before the part that takes them, on a new connection, too",
        ),
        (
            1646,
            "an agent whose part is about to shrink has the rows until then, and begins no VU that it is about to give",
        ),
        (
            1570,
            "an agent that never reported its end may have gone on until its lease was over",
        ),
        (
            3350,
            "a run that needs all agents, one of whom leaves before it begins, never comes together",
        ),
        (
            3462,
            "a VU's own iterations that its time was too short for are dropped, not unaccounted",
        ),
        (
            6107,
            "what an agent that drains does not begin of iterations nobody else can do is lost, not unaccounted",
        ),
        (
            8070,
            "a teardown that was begun is not begun by another, though its agent's lease ran out and it forgot what it came to",
        ),
        (
            66,
            "a hello that was stuck on an older connection does not make an agent seem unheard",
        ),
        (
            3803,
            "an agent that comes over a way that is busy now there and now back begins when all its pings say",
        ),
        (
            5474,
            "a merged report takes the stop of one that was lost and came back for its own, and not for the run's",
        ),
        (
            3510,
            "an agent that joins over a way that has become slow begins when it says, within the uncertainty that it states",
        ),
        (
            4609,
            "what an agent began that had not heard of a pause is begun by nobody else",
        ),
    ] {
        assert_eq!(run(seed, None, false).broken, None, "seed {seed}: {law}");
    }
}
