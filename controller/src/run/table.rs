//! The transition table of a run: event by event, what is done about it. Times in seconds.

use super::*;
use crate::exit::ExitCode;
use plan::OnAgentLoss;

#[path = "table_losses.rs"]
mod losses;
#[path = "table_phases.rs"]
mod phases;

const S: u64 = 1_000_000_000;

const LIMITS: Limits = Limits {
    prepare: 30 * S,
    load: 10 * S,
    drain: 3 * S,
    grace: 2 * S,
    lease: S,
    lead: S / 4,
    setup: None,
    teardown: None,
};

fn needs(expect: u32, min: u32) -> Needs {
    Needs {
        expect,
        min,
        wait: 20 * S,
        preflight: true,
        on_loss: OnAgentLoss::Redistribute,
    }
}

fn idle(count: u64) -> Event {
    Event::Idle((1..=count).map(|id| (id, format!("a{id}"))).collect())
}

fn ready(id: AgentId, epoch: u32) -> Event {
    Event::Prepared(id, epoch, Ok(()))
}

fn unfit(id: AgentId, kind: ProblemKind, text: &str) -> Event {
    Event::Prepared(
        id,
        1,
        Err(Problem {
            kind,
            text: text.to_owned(),
        }),
    )
}

fn gone(id: AgentId) -> Event {
    Event::Gone(id, "silent".to_owned())
}

fn interrupt() -> Event {
    Event::Stop(StopMode::StopInterrupt, String::new())
}

fn graceful() -> Event {
    Event::Stop(StopMode::StopGraceful, "enough".to_owned())
}

/// Actions in short.
fn short(actions: &[Action]) -> String {
    let text: Vec<String> = actions
        .iter()
        .map(|action| match action {
            Action::Announce(state, _) => format!("{state:?}")
                .trim_start_matches("State")
                .to_lowercase(),
            Action::Warn(text) => format!("! {text}"),
            Action::Assign {
                epoch,
                seats,
                preflight,
            } => {
                format!(
                    "assign {epoch} to {seats:?}{}",
                    if *preflight { " look" } else { "" }
                )
            }
            Action::Release(id) => format!("release {id}"),
            Action::Go(t0) => format!("go {}", *t0 as f64 / S as f64),
            Action::RunPhase(id, kind) => format!("do {} on {id}", kind.name()),
            Action::CutPhase(id) => format!("cut on {id}"),
            Action::Stop(StopMode::StopInterrupt, _) => "cut".to_owned(),
            Action::Stop(StopMode::StopGraceful, _) => "let finish".to_owned(),
            Action::End(ending) => format!(
                "END {:?} {}",
                ending.why,
                ending.exit().map_or(0, ExitCode::code)
            ),
        })
        .collect();
    text.join(" | ")
}

/// A story: at which second what happens, and what is done.
type Story<'a> = (&'a str, Needs, Vec<(u64, Event, &'a str)>);

/// Two agents; the load has begun.
fn after(more: Vec<(u64, Event, &'static str)>) -> Vec<(u64, Event, &'static str)> {
    let begin = vec![
        (
            0,
            idle(2),
            "enlisting | preflight | assign 1 to [1, 2] look",
        ),
        (1, ready(2, 1), ""),
        (1, ready(1, 1), "ready | setup | go 1.25 | load"),
    ];
    [begin, more].concat()
}

fn stories() -> Vec<Story<'static>> {
    use ProblemKind::{ProblemLocal as Local, ProblemTarget as Target};
    let mut all = vec![
        (
            "all goes well",
            needs(2, 0),
            after(vec![
                (11, Event::Tick, ""),
                (12, Event::Tick, "drain"),
                (12, Event::Done(1), ""),
                (13, Event::Done(2), "teardown | END Finished 0"),
                (14, Event::Tick, ""),
            ]),
        ),
        (
            "work that is finite ends before the last stage",
            needs(2, 0),
            after(vec![
                (2, Event::Done(1), ""),
                (3, Event::Done(2), "drain | teardown | END Finished 0"),
            ]),
        ),
        (
            "everybody who is there",
            needs(0, 0),
            vec![
                (0, idle(0), "enlisting"),
                (1, idle(3), "preflight | assign 1 to [1, 2, 3] look"),
            ],
        ),
        (
            "more than expected are left alone",
            needs(1, 0),
            vec![(0, idle(3), "enlisting | preflight | assign 1 to [1] look")],
        ),
        (
            "an agent never comes",
            needs(3, 0),
            vec![
                (0, idle(1), "enlisting"),
                (19, idle(2), ""),
                (20, idle(2), "END NeverComplete 122"),
            ],
        ),
        (
            "an agent never comes, and may",
            needs(3, 2),
            vec![
                (0, idle(2), "enlisting"),
                (
                    20,
                    idle(2),
                    "! only 2 agents of 3 came in time; going on with them, as --min-agents allows | preflight | assign 1 to [1, 2] look",
                ),
            ],
        ),
        (
            "the target refuses everybody",
            needs(2, 0),
            vec![
                (
                    0,
                    idle(2),
                    "enlisting | preflight | assign 1 to [1, 2] look",
                ),
                (1, unfit(1, Target, "refused"), ""),
                (1, unfit(2, Target, "refused"), "END Target 104"),
            ],
        ),
        (
            "one agent is unfit, and others suffice",
            needs(3, 2),
            vec![
                (
                    0,
                    idle(3),
                    "enlisting | preflight | assign 1 to [1, 2, 3] look",
                ),
                (1, ready(1, 1), ""),
                (1, unfit(2, Local, "no files"), ""),
                (
                    1,
                    ready(3, 1),
                    "! goes on without a2: no files | release 2 | preflight | assign 2 to [1, 3]",
                ),
                (2, ready(1, 1), ""),
                (2, ready(1, 2), ""),
                (2, ready(3, 2), "ready | setup | go 2.25 | load"),
            ],
        ),
        (
            "one agent is unfit, and all are needed",
            needs(2, 0),
            vec![
                (
                    0,
                    idle(2),
                    "enlisting | preflight | assign 1 to [1, 2] look",
                ),
                (1, ready(1, 1), ""),
                (1, unfit(2, Target, "refused"), "END NeverComplete 122"),
            ],
        ),
        (
            "an agent never answers",
            needs(2, 1),
            vec![
                (
                    0,
                    idle(2),
                    "enlisting | preflight | assign 1 to [1, 2] look",
                ),
                (1, ready(1, 1), ""),
                (29, Event::Tick, ""),
                (
                    30,
                    Event::Tick,
                    "! goes on without a2: did not get ready within 30s | release 2 | preflight | assign 2 to [1]",
                ),
                (31, ready(1, 2), "ready | setup | go 31.25 | load"),
            ],
        ),
        (
            "an agent is lost before the start",
            needs(2, 0),
            vec![
                (
                    0,
                    idle(2),
                    "enlisting | preflight | assign 1 to [1, 2] look",
                ),
                (1, gone(2), ""),
                (1, ready(1, 1), "END NeverComplete 122"),
            ],
        ),
        (
            "a stranger is lost",
            needs(2, 0),
            after(vec![(3, gone(9), ""), (3, Event::Done(9), "")]),
        ),
        (
            "interrupted under load",
            needs(2, 0),
            after(vec![
                (3, interrupt(), "drain | cut"),
                (3, interrupt(), ""),
                (3, Event::Done(1), ""),
                (
                    4,
                    Event::Done(2),
                    "teardown | END Stopped(StopInterrupt) 105",
                ),
            ]),
        ),
        (
            "interrupted, and an agent does not answer",
            needs(2, 0),
            after(vec![
                (3, interrupt(), "drain | cut"),
                (3, Event::Done(1), ""),
                (4, Event::Tick, ""),
                (
                    5,
                    Event::Tick,
                    "! a2 never reported an end | teardown | END Stopped(StopInterrupt) 105",
                ),
            ]),
        ),
        (
            "stopped gracefully, then not",
            needs(2, 0),
            after(vec![
                (3, graceful(), "drain | let finish"),
                (4, interrupt(), "drain | cut"),
                (4, graceful(), ""),
                (4, Event::Done(1), ""),
                (
                    4,
                    Event::Done(2),
                    "teardown | END Stopped(StopInterrupt) 105",
                ),
            ]),
        ),
        (
            "stopped gracefully while draining",
            needs(2, 0),
            after(vec![
                (12, Event::Tick, "drain"),
                (13, graceful(), "let finish"),
                (13, Event::Done(1), ""),
                (
                    13,
                    Event::Done(2),
                    "teardown | END Stopped(StopGraceful) 105",
                ),
            ]),
        ),
        (
            "interrupted before the start",
            needs(2, 0),
            vec![
                (0, idle(1), "enlisting"),
                (1, interrupt(), "END Stopped(StopInterrupt) 105"),
            ],
        ),
        (
            "interrupted while preparing",
            needs(1, 0),
            vec![
                (0, idle(1), "enlisting | preflight | assign 1 to [1] look"),
                (1, interrupt(), "END Stopped(StopInterrupt) 105"),
            ],
        ),
        (
            "a threshold aborts",
            needs(2, 0),
            after(vec![
                (3, Event::Abort("p(95)<1".to_owned()), "drain | cut"),
                (3, Event::Abort("p(95)<1".to_owned()), ""),
                (3, Event::Done(1), ""),
                (3, Event::Done(2), "teardown | END Aborted 99"),
            ]),
        ),
        (
            "a pause moves the end of the load, but nothing that ends already",
            needs(2, 0),
            after(vec![
                (3, Event::Until(30_000_000_000), ""),
                (12, Event::Tick, ""),
                (29, Event::Tick, ""),
                (30, Event::Tick, "drain"),
                (31, Event::Until(90_000_000_000), ""),
                (
                    35,
                    Event::Tick,
                    "! a1, a2 did not finish in time; cutting | cut",
                ),
                (36, Event::Done(1), ""),
                (36, Event::Done(2), "teardown | END Finished 0"),
            ]),
        ),
        (
            "an agent is late to finish, then cut, then given up",
            needs(2, 0),
            after(vec![
                (12, Event::Tick, "drain"),
                (12, Event::Done(1), ""),
                (16, Event::Tick, ""),
                (
                    17,
                    Event::Tick,
                    "! a2 did not finish in time; cutting | cut",
                ),
                (18, Event::Tick, ""),
                (
                    19,
                    Event::Tick,
                    "! a2 never reported an end | teardown | END Finished 0",
                ),
            ]),
        ),
    ];
    all.extend(losses::losses());
    all
}

#[test]
fn every_story_takes_the_stated_course() {
    for (name, needs, steps) in stories() {
        let mut run = Run::new(needs, LIMITS);
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
fn a_far_fleet_gets_four_round_trips_before_it_begins() {
    let mut run = Run::new(needs(1, 0), LIMITS);
    let at = Moment { now: 0, rtt: S };
    let _ = run.step(at, idle(1));
    assert!(run.step(at, ready(1, 1)).contains(&Action::Go(4 * S)));
}

#[test]
fn every_run_ends_whatever_stops_answering() {
    // From every point of every story on, time alone brings the end.
    for (name, needs, steps) in stories() {
        for cut in 1..=steps.len() {
            let mut run = Run::new(needs, LIMITS);
            let mut now = 0;
            for (second, event, _) in steps.iter().take(cut).cloned() {
                now = second * S;
                let _ = run.step(Moment { now, rtt: 0 }, event);
            }
            for _ in 0..200 {
                now += S;
                let at = Moment { now, rtt: 0 };
                let _ = run.step(at, Event::Tick);
                if matches!(run.phase, Phase::Enlisting { .. }) {
                    let _ = run.step(at, idle(0));
                }
            }
            assert_eq!(run.phase, Phase::Over, "{name}, cut after {cut} steps");
        }
    }
}

#[test]
fn messages_say_what_to_do() {
    let mut run = Run::new(needs(3, 0), LIMITS);
    let _ = run.step(Moment { now: 0, rtt: 0 }, idle(2));
    let actions = run.step(
        Moment {
            now: 20 * S,
            rtt: 0,
        },
        idle(2),
    );
    let Some(Action::End(ending)) = actions.last() else {
        panic!("no end")
    };
    insta::assert_snapshot!(ending.text, @"2 of 3 agents came within 20s: a1, a2. Start the missing ones (`throng agent --controller URL`), look at `throng agents`, wait longer with --wait, or go with fewer with --min-agents.");
    let mut run = Run::new(needs(2, 0), LIMITS);
    let at = Moment { now: 0, rtt: 0 };
    let _ = run.step(at, idle(2));
    let text = "target http://127.0.0.1:1 refused connections";
    let _ = run.step(at, unfit(1, ProblemKind::ProblemTarget, text));
    let actions = run.step(at, unfit(2, ProblemKind::ProblemTarget, text));
    let Some(Action::End(ending)) = actions.last() else {
        panic!("no end")
    };
    insta::assert_snapshot!(ending.text, @"target http://127.0.0.1:1 refused connections (checked from a1, a2). Nothing was sent. Is it running? Aim elsewhere with --base-url, or skip this look with --no-preflight.");
}
