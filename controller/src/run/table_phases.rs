//! Setup and teardown in the life of a run: more stories, told as those of the parent.

use super::*;
use plan::PhaseKind::{self, Setup, Teardown};
use proto::v1::PhaseTrouble::{self, PhaseCut, PhaseFailed, PhaseTimedOut, PhaseUnable};

const BOTH: Limits = Limits {
    setup: Some(60 * S),
    teardown: Some(60 * S),
    ..LIMITS
};

fn fine(id: AgentId, kind: PhaseKind) -> Event {
    Event::PhaseOver(id, kind, Ok(()))
}

fn troubled(id: AgentId, kind: PhaseKind, trouble: PhaseTrouble) -> Event {
    let text = "so it is".to_owned();
    Event::PhaseOver(id, kind, Err(PhaseProblem { trouble, text }))
}

/// Two agents; setup has begun on the first.
fn in_setup(more: Vec<(u64, Event, &'static str)>) -> Vec<(u64, Event, &'static str)> {
    let begin = vec![
        (
            0,
            idle(2),
            "enlisting | preflight | assign 1 to [1, 2] look",
        ),
        (1, ready(2, 1), ""),
        (1, ready(1, 1), "ready | setup | do setup on 1"),
    ];
    [begin, more].concat()
}

/// The load has begun.
fn in_load(more: Vec<(u64, Event, &'static str)>) -> Vec<(u64, Event, &'static str)> {
    let begin = vec![(2, fine(1, Setup), "go 2.25 | load")];
    in_setup([begin, more].concat())
}

fn tales() -> Vec<Story<'static>> {
    vec![
        (
            "all goes well",
            needs(2, 0),
            in_load(vec![
                (13, Event::Tick, "drain"),
                (13, Event::Done(1), ""),
                (14, Event::Done(2), "teardown | do teardown on 1"),
                (15, fine(1, Setup), ""),
                (15, fine(2, Teardown), ""),
                (15, fine(1, Teardown), "END Finished 0"),
                (16, Event::Tick, ""),
            ]),
        ),
        (
            "setup fails",
            needs(2, 0),
            in_setup(vec![
                (2, troubled(2, Setup, PhaseFailed), ""),
                (
                    2,
                    troubled(1, Setup, PhaseFailed),
                    "teardown | do teardown on 1",
                ),
                (3, fine(1, Teardown), "END SetupFailed 107"),
            ]),
        ),
        (
            "setup takes too long, and its agent says so",
            needs(2, 0),
            in_setup(vec![
                (
                    61,
                    troubled(1, Setup, PhaseTimedOut),
                    "teardown | do teardown on 1",
                ),
                (62, fine(1, Teardown), "END SetupTimeout 100"),
            ]),
        ),
        (
            "setup takes too long, and its agent says nothing",
            needs(2, 0),
            in_setup(vec![
                (62, Event::Tick, ""),
                (63, Event::Tick, "teardown | do teardown on 1"),
                (64, fine(1, Setup), ""),
                (124, Event::Tick, ""),
                (
                    125,
                    Event::Tick,
                    "! a1 never reported the end of teardown | END SetupTimeout 100",
                ),
            ]),
        ),
        (
            "the agent that does setup is lost: it is not done again, and another does teardown",
            needs(2, 0),
            in_setup(vec![
                (2, gone(1), "teardown | do teardown on 2"),
                (3, fine(1, Setup), ""),
                (3, fine(2, Teardown), "END SetupLost 122"),
            ]),
        ),
        (
            "every agent is lost in setup",
            needs(1, 0),
            vec![
                (0, idle(1), "enlisting | preflight | assign 1 to [1] look"),
                (1, ready(1, 1), "ready | setup | do setup on 1"),
                (
                    2,
                    gone(1),
                    "! teardown was not done: no agent is left to do it | END SetupLost 122",
                ),
            ],
        ),
        (
            "an agent that cannot begin setup has nothing to clear up",
            needs(2, 0),
            in_setup(vec![(
                2,
                troubled(1, Setup, PhaseUnable),
                "END NeverComplete 122",
            )]),
        ),
        (
            "another agent is lost in setup, and all are needed",
            needs(2, 0),
            in_setup(vec![
                (2, gone(2), "! a2 lost during setup: silent"),
                (3, fine(1, Setup), "teardown | do teardown on 1"),
                (4, fine(1, Teardown), "END NeverComplete 122"),
            ]),
        ),
        (
            "another agent is lost in setup, and may be: the others divide its part, and setup is not done again",
            needs(2, 1),
            in_setup(vec![
                (2, gone(2), "! a2 lost during setup: silent"),
                (3, fine(1, Setup), "preflight | assign 2 to [1]"),
                (4, ready(1, 2), "go 4.25 | load"),
                (5, Event::Done(1), "drain | teardown | do teardown on 1"),
                (6, fine(1, Teardown), "END Finished 0"),
            ]),
        ),
        (
            "interrupted in setup",
            needs(2, 0),
            in_setup(vec![
                (2, interrupt(), "cut on 1"),
                (
                    2,
                    troubled(1, Setup, PhaseCut),
                    "teardown | do teardown on 1",
                ),
                (3, fine(1, Teardown), "END Stopped(StopInterrupt) 105"),
            ]),
        ),
        (
            "interrupted in setup, and its agent does not answer",
            needs(2, 0),
            in_setup(vec![
                (2, interrupt(), "cut on 1"),
                (4, Event::Tick, "teardown | do teardown on 1"),
                (5, interrupt(), "cut on 1"),
                (
                    7,
                    Event::Tick,
                    "! a1 never reported the end of teardown | END Stopped(StopInterrupt) 105",
                ),
            ]),
        ),
        (
            "stopped gracefully in setup: it comes to its end, and no load is made",
            needs(2, 0),
            in_setup(vec![
                (2, graceful(), ""),
                (5, fine(1, Setup), "teardown | do teardown on 1"),
                (6, fine(1, Teardown), "END Stopped(StopGraceful) 105"),
            ]),
        ),
        (
            "interrupted under load",
            needs(2, 0),
            in_load(vec![
                (3, interrupt(), "drain | cut"),
                (3, Event::Done(1), ""),
                (3, Event::Done(2), "teardown | do teardown on 1"),
                (4, fine(1, Teardown), "END Stopped(StopInterrupt) 105"),
            ]),
        ),
        (
            "a threshold aborts",
            needs(2, 0),
            in_load(vec![
                (3, Event::Abort("p(95)<1".to_owned()), "drain | cut"),
                (3, Event::Done(1), ""),
                (3, Event::Done(2), "teardown | do teardown on 1"),
                (4, fine(1, Teardown), "END Aborted 99"),
            ]),
        ),
        (
            "the agent that did setup is lost under load: another does teardown",
            needs(2, 0),
            in_load(vec![
                (
                    3,
                    gone(1),
                    "! a1 lost: silent; its share goes to those that remain",
                ),
                (4, Event::Done(2), "drain | teardown | do teardown on 2"),
                (5, fine(2, Teardown), "END Finished 0"),
            ]),
        ),
        (
            "every agent is lost under load",
            needs(2, 0),
            in_load(vec![
                (
                    3,
                    gone(1),
                    "! a1 lost: silent; its share goes to those that remain",
                ),
                (
                    3,
                    gone(2),
                    "! a2 lost: silent; nobody is left to take over its share | load",
                ),
                (
                    5,
                    Event::Tick,
                    "! teardown was not done: no agent is left to do it | END FleetLost 122",
                ),
            ]),
        ),
        (
            "one that cannot do teardown is not the only one",
            needs(2, 0),
            in_load(vec![
                (3, Event::Done(1), ""),
                (3, Event::Done(2), "drain | teardown | do teardown on 1"),
                (
                    4,
                    troubled(1, Teardown, PhaseUnable),
                    "! a1 cannot do teardown: so it is | teardown | do teardown on 2",
                ),
                (
                    5,
                    troubled(2, Teardown, PhaseUnable),
                    "! a2 cannot do teardown: so it is | ! teardown was not done: no agent is left to do it | END Finished 0",
                ),
            ]),
        ),
        (
            "one that is lost in teardown may have done half of it",
            needs(2, 0),
            in_load(vec![
                (3, Event::Done(1), ""),
                (3, Event::Done(2), "drain | teardown | do teardown on 1"),
                (4, gone(2), ""),
                (
                    5,
                    gone(1),
                    "! a1 was lost while it did teardown: silent; it is not done again, for nobody knows how far it came | END Finished 0",
                ),
            ]),
        ),
        (
            "stopped in teardown, which is finished; stopped again, it is cut",
            needs(2, 0),
            in_load(vec![
                (3, Event::Done(1), ""),
                (3, Event::Done(2), "drain | teardown | do teardown on 1"),
                (4, interrupt(), ""),
                (5, interrupt(), "cut on 1"),
                (
                    5,
                    troubled(1, Teardown, PhaseCut),
                    "! teardown on a1 failed: so it is | END Stopped(StopInterrupt) 105",
                ),
            ]),
        ),
    ]
}

#[test]
fn every_tale_of_setup_and_teardown_takes_the_stated_course() {
    for (name, needs, steps) in tales() {
        let mut run = Run::new(needs, BOTH);
        for (index, (second, event, expected)) in steps.into_iter().enumerate() {
            let at = Moment {
                now: second * S,
                rtt: 1_000_000,
            };
            let shown = format!("{name}, step {index}: {event:?}");
            assert_eq!(short(&run.step(at, event)), expected, "{shown}");
        }
    }
}

#[test]
fn time_alone_ends_every_tale_and_orders_each_phase_of_an_agent_once() {
    for (name, needs, steps) in tales() {
        for cut in 1..=steps.len() {
            let mut run = Run::new(needs, BOTH);
            let mut now = 0;
            let mut ordered = Vec::new();
            let mut note = |actions: Vec<Action>| {
                ordered.extend(actions.into_iter().filter_map(|action| match action {
                    Action::RunPhase(id, kind) => Some((id, kind.name())),
                    _ => None,
                }));
            };
            for (second, event, _) in steps.iter().take(cut).cloned() {
                now = second * S;
                note(run.step(Moment { now, rtt: 0 }, event));
            }
            for _ in 0..300 {
                now += S;
                let at = Moment { now, rtt: 0 };
                note(run.step(at, Event::Tick));
                if matches!(run.phase, Phase::Enlisting { .. }) {
                    note(run.step(at, idle(0)));
                }
            }
            assert_eq!(run.phase, Phase::Over, "{name}, cut after {cut} steps");
            let all = ordered.len();
            ordered.sort_unstable();
            ordered.dedup();
            assert_eq!(ordered.len(), all, "{name}: {ordered:?}");
            let setups = ordered.iter().filter(|(_, kind)| *kind == "setup").count();
            assert!(setups <= 1, "{name}: {ordered:?}");
        }
    }
}

#[test]
fn without_a_setup_teardown_is_owed_once_the_load_was_begun() {
    let limits = Limits {
        setup: None,
        ..BOTH
    };
    let mut run = Run::new(needs(1, 0), limits);
    let at = Moment { now: 0, rtt: 0 };
    let _ = run.step(at, idle(1));
    assert_eq!(
        short(&run.step(at, ready(1, 1))),
        "ready | setup | go 0.25 | load"
    );
    assert_eq!(
        short(&run.step(at, Event::Done(1))),
        "drain | teardown | do teardown on 1"
    );
    let mut run = Run::new(needs(1, 0), limits);
    let _ = run.step(at, idle(1));
    assert_eq!(
        short(&run.step(at, interrupt())),
        "END Stopped(StopInterrupt) 105",
        "nothing was begun"
    );
}
