//! The whole cluster in one thread, seeded, with faults.
//!
//! Drives the real director and the real links' cores with clocks, a network, crews and a target of its own ([`world`]); what a seed
//! stands for is decided in [`setting`]. [`target`] sees laws being broken while they are; [`judge`] holds the report against it.

pub mod clock;
pub mod crew;
pub mod judge;
pub mod log;
pub mod net;
pub mod random;
pub mod ring_b;
pub mod sabotage;
pub mod schedule;
pub mod setting;
pub mod target;
pub mod timetable;
pub mod world;

pub use sabotage::Sabotage;
pub use setting::Setting;
pub use world::{Outcome, World};

/// The world of a seed, to its end. A panic in it is a broken law.
#[must_use]
pub fn run(seed: u64, sabotage: Option<Sabotage>, keep: bool) -> Outcome {
    let whole = || World::new(Setting::new(seed), sabotage, keep).run();
    std::panic::catch_unwind(whole).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(panic.downcast_ref::<&str>().copied());
        Outcome {
            hash: 0,
            events: 0,
            broken: Some(format!("a panic: {}", text.unwrap_or("without words"))),
            tail: Vec::new(),
            verdict: None,
        }
    })
}
