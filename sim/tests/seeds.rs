//! That the simulation is what it says: the same seed is the same world, and broken throngs are found out.

use throng_sim::{Sabotage, run};

#[test]
fn one_seed_gives_one_log() {
    for seed in 0..8 {
        let (first, second) = (run(seed, None, false), run(seed, None, false));
        assert_eq!(
            (first.hash, first.events),
            (second.hash, second.events),
            "seed {seed}"
        );
        assert_ne!(first.hash, run(seed + 1, None, false).hash);
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
    ] {
        assert_eq!(run(seed, None, false).broken, None, "seed {seed}: {law}");
    }
}
