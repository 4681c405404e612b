//! The table of handing over: story by story, what happens at which instant, and what is done about it. Times in seconds.

use super::*;

const S: u64 = 1_000_000_000;

fn seats(weights: &[u32]) -> Vec<Seat> {
    (1..)
        .zip(weights)
        .map(|(agent, weight)| Seat {
            agent,
            name: format!("a{agent}"),
            weight: *weight,
            standing: Standing::Present,
        })
        .collect()
}

fn fleet(count: usize, on_loss: OnAgentLoss, most: Option<u32>) -> Handover {
    Handover::new(on_loss, most, 10 * S, 1, seats(&vec![1; count]))
}

fn vus(list: &[u64]) -> Vus {
    if list.is_empty() {
        return Vus::new();
    }
    [(0, list.iter().copied().collect())].into()
}

fn came(agents: &[AgentId]) -> Event {
    let candidate = |agent: &AgentId| Candidate {
        agent: *agent,
        name: format!("a{agent}"),
        weight: 1,
    };
    Event::Idle(agents.iter().map(candidate).collect())
}

fn ready(agent: AgentId, epoch: u32) -> Event {
    Event::Answered(agent, epoch, Answer::Ready(Vus::new()))
}

fn late(agent: AgentId, epoch: u32) -> Event {
    Event::Answered(agent, epoch, Answer::Late)
}

fn seconds(ns: u64) -> String {
    format!("{}", ns as f64 / S as f64)
}

fn part(part: &Part) -> String {
    let changes: Vec<String> = part
        .changes
        .iter()
        .map(|change| match change.what {
            What::Gone(seat) => format!("-{seat}@{}", seconds(change.from)),
            What::Came(weight) => format!("+{weight}@{}", seconds(change.from)),
        })
        .collect();
    let waits: Vec<u64> = part.waiting.values().flatten().copied().collect();
    let waits = if waits.is_empty() {
        String::new()
    } else {
        format!(" waits {waits:?}")
    };
    format!(
        "e{} s{} [{}]{waits}",
        part.epoch,
        part.seat,
        changes.join(" ")
    )
}

/// Actions in short; what several are told in the same words is one line.
fn short(actions: &[Action]) -> String {
    let lines: Vec<String> = actions
        .iter()
        .map(|action| match action {
            Action::Prepare(agent, told) => format!("prepare {agent} {}", part(told)),
            Action::Assign(agent, told) => format!("tell {agent} {}", part(told)),
            Action::Begin(agent, told) => format!("BEGIN {agent} {}", part(told)),
            Action::Release(agent, why) if why.is_empty() => format!("release {agent}"),
            Action::Release(agent, why) => format!("release {agent}: {why}"),
            Action::Dismiss(agent) => format!("dismiss {agent}"),
            Action::Settled(changes) => format!("settled {changes:?}"),
            Action::Warn(text) => format!("! {text}"),
        })
        .collect();
    lines.join(" | ")
}

/// At which second what happens, and what is done.
type Story = (&'static str, Handover, Vec<(f64, Event, &'static str)>);

fn stories() -> Vec<Story> {
    let all = || fleet(3, OnAgentLoss::Redistribute, None);
    vec![
        (
            "a loss needs nobody's consent",
            all(),
            vec![
                (
                    9.0,
                    Event::Lost(2),
                    "tell 1 e2 s0 [-1@9.25] | tell 3 e2 s2 [-1@9.25] | settled 0..1",
                ),
                (9.1, ready(1, 2), ""),
                (9.1, Event::Lost(2), ""),
                (9.2, Event::Lost(9), ""),
            ],
        ),
        (
            "under `continue` nobody takes over, and nobody comes",
            fleet(3, OnAgentLoss::Continue, None),
            vec![(9.0, Event::Lost(2), ""), (9.1, came(&[7]), "")],
        ),
        (
            "whoever finished gets nothing of a lost one's",
            all(),
            vec![
                (8.0, Event::Finished(1), ""),
                (
                    9.0,
                    Event::Lost(2),
                    "tell 3 e2 s2 [-0@9.25 -1@9.25] | settled 0..2",
                ),
            ],
        ),
        (
            "the last one is lost, and another comes",
            fleet(1, OnAgentLoss::Redistribute, Some(1)),
            vec![
                (5.0, Event::Lost(1), "settled 0..1"),
                (7.0, came(&[4, 5]), "prepare 4 e3 s1 [-0@5.25]"),
                (
                    7.5,
                    ready(4, 3),
                    "BEGIN 4 e4 s1 [-0@5.25 +1@8] | settled 1..2",
                ),
            ],
        ),
        (
            "a join waits for all who give",
            fleet(2, OnAgentLoss::Redistribute, None),
            vec![
                (3.0, came(&[7]), "prepare 7 e2 s2 []"),
                (3.1, came(&[7]), ""),
                (3.5, ready(7, 1), ""),
                (
                    4.0,
                    ready(7, 2),
                    "tell 1 e3 s0 [+1@4.5] | tell 2 e3 s1 [+1@4.5]",
                ),
                (4.1, ready(2, 3), ""),
                (4.2, ready(2, 3), ""),
                (4.2, ready(1, 3), "BEGIN 7 e3 s2 [+1@4.5] | settled 0..1"),
            ],
        ),
        (
            "a run is filled up, and no more; whoever leaves is replaced first",
            fleet(2, OnAgentLoss::Redistribute, Some(2)),
            vec![
                (3.0, came(&[7]), ""),
                (4.0, Event::Lost(1), "tell 2 e2 s1 [-0@4.25] | settled 0..1"),
                (5.0, came(&[7, 8]), "prepare 7 e3 s2 [-0@4.25]"),
                (5.1, came(&[8]), ""),
            ],
        ),
        (
            "those who come together get their shares together",
            fleet(1, OnAgentLoss::Redistribute, None),
            vec![
                (
                    3.0,
                    came(&[7, 8]),
                    "prepare 7 e2 s1 [] | prepare 8 e3 s1 []",
                ),
                (3.1, Event::Drain(1), ""),
                (3.2, ready(8, 3), "tell 1 e4 s0 [+1@3.7]"),
                (3.3, ready(7, 2), ""),
                (
                    3.4,
                    ready(1, 4),
                    "BEGIN 8 e4 s1 [+1@3.7] | settled 0..1 | tell 1 e5 s0 [+1@3.7 -0@3.9]",
                ),
                (
                    3.5,
                    ready(1, 5),
                    "tell 8 e5 s1 [+1@3.7 -0@3.9] | settled 1..2 | tell 8 e6 s1 [+1@3.7 -0@3.9 +1@4]",
                ),
                (
                    3.6,
                    ready(8, 6),
                    "BEGIN 7 e6 s2 [+1@3.7 -0@3.9 +1@4] | settled 2..3",
                ),
            ],
        ),
        (
            "one who goes gives its share back first",
            all(),
            vec![
                (5.0, Event::Drain(2), "tell 2 e2 s1 [-1@5.5]"),
                (5.0, Event::Drain(2), ""),
                (
                    5.1,
                    ready(2, 2),
                    "tell 1 e2 s0 [-1@5.5] | tell 3 e2 s2 [-1@5.5] | settled 0..1",
                ),
                (6.0, Event::Finished(2), ""),
                (6.0, Event::Lost(2), ""),
            ],
        ),
        (
            "one who goes and has nobody to give to is let go",
            fleet(1, OnAgentLoss::Redistribute, None),
            vec![
                (5.0, Event::Drain(1), "dismiss 1"),
                (6.0, Event::Finished(1), ""),
            ],
        ),
        (
            "one who goes waits for one who comes, and not for ever",
            fleet(1, OnAgentLoss::Redistribute, None),
            vec![
                (4.0, came(&[7]), "prepare 7 e2 s1 []"),
                (5.0, Event::Drain(1), ""),
                (13.9, Event::Tick, ""),
                (
                    14.0,
                    Event::Tick,
                    "release 7: did not get ready within 10s | dismiss 1",
                ),
            ],
        ),
        (
            "an order that came too late is given again, to twice the lead",
            all(),
            vec![
                (5.0, Event::Drain(2), "tell 2 e2 s1 [-1@5.5]"),
                (5.6, late(2, 2), "tell 2 e3 s1 [-1@6.6]"),
                (5.7, late(2, 2), ""),
                (
                    5.8,
                    ready(2, 3),
                    "tell 1 e3 s0 [-1@6.6] | tell 3 e3 s2 [-1@6.6] | settled 0..1",
                ),
            ],
        ),
        (
            "an answer that never comes: five times, then it is as it was",
            fleet(1, OnAgentLoss::Redistribute, None),
            vec![
                (4.0, came(&[7]), "prepare 7 e2 s1 []"),
                (5.0, ready(7, 2), "tell 1 e3 s0 [+1@5.5]"),
                (5.7, Event::Tick, ""),
                (5.8, Event::Tick, "tell 1 e4 s0 [+1@6.8]"),
                (7.1, Event::Tick, "tell 1 e5 s0 [+1@9.1]"),
                (9.5, Event::Tick, "tell 1 e6 s0 [+1@13.5]"),
                (14.0, Event::Tick, "tell 1 e7 s0 [+1@22]"),
                (
                    23.0,
                    Event::Tick,
                    "! nobody could join: a1 did not give up a part of its share in 5 tries | release 7 | tell 1 e8 s0 []",
                ),
            ],
        ),
        (
            "a giver is lost meanwhile: it counts as having answered, and its own loss comes next",
            all(),
            vec![
                (4.0, came(&[7]), "prepare 7 e2 s3 []"),
                (
                    5.0,
                    ready(7, 2),
                    "tell 1 e3 s0 [+1@5.5] | tell 2 e3 s1 [+1@5.5] | tell 3 e3 s2 [+1@5.5]",
                ),
                (5.1, ready(1, 3), ""),
                (5.1, ready(3, 3), ""),
                (
                    5.2,
                    Event::Lost(2),
                    "BEGIN 7 e3 s3 [+1@5.5] | settled 0..1 | tell 1 e4 s0 [+1@5.5 -1@5.5] | tell 3 e4 s2 [+1@5.5 -1@5.5] | tell 7 e4 s3 [+1@5.5 -1@5.5] | settled 1..2",
                ),
            ],
        ),
        (
            "a loss does not wait for a join that is put off",
            all(),
            vec![
                (4.0, came(&[7]), "prepare 7 e2 s3 []"),
                (
                    5.0,
                    ready(7, 2),
                    "tell 1 e3 s0 [+1@5.5] | tell 2 e3 s1 [+1@5.5] | tell 3 e3 s2 [+1@5.5]",
                ),
                (5.1, Event::Lost(2), ""),
                (5.2, ready(1, 3), ""),
                (
                    5.8,
                    Event::Tick,
                    "tell 1 e4 s0 [-1@6.05] | tell 3 e4 s2 [-1@6.05] | settled 0..1 | tell 1 e5 s0 [-1@6.05 +1@6.3] | tell 3 e5 s2 [-1@6.05 +1@6.3]",
                ),
                (5.9, ready(3, 5), ""),
                (
                    5.9,
                    ready(1, 5),
                    "BEGIN 7 e5 s3 [-1@6.05 +1@6.3] | settled 1..2",
                ),
            ],
        ),
        (
            "one who goes is lost before it answers: it goes on as a loss",
            all(),
            vec![
                (5.0, Event::Drain(2), "tell 2 e2 s1 [-1@5.5]"),
                (
                    5.4,
                    Event::Lost(2),
                    "tell 1 e3 s0 [-1@5.65] | tell 3 e3 s2 [-1@5.65] | settled 0..1",
                ),
            ],
        ),
        (
            "a newcomer is lost while its share is asked for: those asked hear that it is not so",
            fleet(2, OnAgentLoss::Redistribute, None),
            vec![
                (4.0, came(&[7]), "prepare 7 e2 s2 []"),
                (
                    5.0,
                    ready(7, 2),
                    "tell 1 e3 s0 [+1@5.5] | tell 2 e3 s1 [+1@5.5]",
                ),
                (
                    5.1,
                    Event::Lost(7),
                    "release 7 | tell 1 e4 s0 [] | tell 2 e4 s1 []",
                ),
                (5.2, ready(1, 3), ""),
            ],
        ),
        (
            "a newcomer that cannot is let go",
            fleet(2, OnAgentLoss::Redistribute, None),
            vec![
                (4.0, came(&[7]), "prepare 7 e2 s2 []"),
                (
                    5.0,
                    Event::Answered(7, 2, Answer::Unfit("no files".to_owned())),
                    "release 7: no files",
                ),
            ],
        ),
        (
            "VUs in an iteration are waited for, one by one, under the same epoch",
            fleet(2, OnAgentLoss::Redistribute, None),
            vec![
                (5.0, Event::Drain(2), "tell 2 e2 s1 [-1@5.5]"),
                (
                    5.1,
                    Event::Answered(2, 2, Answer::Ready(vus(&[1, 3, 5]))),
                    "tell 1 e2 s0 [-1@5.5] waits [1, 3, 5] | settled 0..1",
                ),
                (5.6, Event::Held(2, 1, Vus::new()), ""),
                (
                    5.7,
                    Event::Held(2, 2, vus(&[1, 5])),
                    "tell 1 e2 s0 [-1@5.5] waits [1, 5]",
                ),
                (5.8, Event::Held(2, 2, vus(&[1, 5])), ""),
                (6.0, Event::Lost(2), "tell 1 e2 s0 [-1@5.5]"),
            ],
        ),
        (
            "a newcomer waits for its own of those that givers still have at work",
            fleet(1, OnAgentLoss::Redistribute, None),
            vec![
                (4.0, came(&[7]), "prepare 7 e2 s1 []"),
                (5.0, ready(7, 2), "tell 1 e3 s0 [+1@5.5]"),
                (
                    5.1,
                    Event::Answered(1, 3, Answer::Ready(vus(&[0, 1, 2]))),
                    "BEGIN 7 e3 s1 [+1@5.5] waits [0, 2] | settled 0..1",
                ),
                (5.6, Event::Held(1, 3, Vus::new()), "tell 7 e3 s1 [+1@5.5]"),
            ],
        ),
        (
            "once the load is over nothing is handed over",
            fleet(2, OnAgentLoss::Redistribute, None),
            vec![
                (4.0, came(&[7]), "prepare 7 e2 s2 []"),
                (5.0, Event::Close, "release 7"),
                (6.0, Event::Lost(1), ""),
            ],
        ),
    ]
}

fn at(seconds: f64) -> At {
    At {
        run: (seconds * 1e3).round() as u64 * 1_000_000,
        rtt: 1_000_000,
        ahead: false,
    }
}

#[test]
fn every_story_takes_the_stated_course() {
    for (name, mut handover, steps) in stories() {
        for (index, (second, event, expected)) in steps.into_iter().enumerate() {
            let shown = format!("{name}, step {index}: {event:?}");
            assert_eq!(
                short(&handover.step(at(second), event)),
                expected,
                "{shown}"
            );
        }
    }
}

#[test]
fn newcomers_whose_weights_do_not_fit_together_are_let_go_one_by_one() {
    let mut handover = fleet(2, OnAgentLoss::Redistribute, None);
    let heavy = |agent| Candidate {
        agent,
        name: format!("a{agent}"),
        weight: 6_000 + agent as u32,
    };
    let _ = handover.step(at(1.0), Event::Idle(vec![heavy(7), heavy(8)]));
    let _ = handover.step(at(1.0), Event::Drain(1));
    // Both get ready while the drain is under way.
    let _ = handover.step(at(1.1), ready(7, 2));
    let _ = handover.step(at(1.1), ready(8, 3));
    let told = short(&handover.step(at(1.2), ready(1, 4)));
    let refused = "release 8: its weight 6008 cannot be striped beside those of the others";
    assert!(told.contains(refused), "{told}");
    let told = short(&handover.step(at(1.3), ready(2, 5)));
    assert!(told.starts_with("BEGIN 7 e5 s2"), "{told}");
    assert!(handover.shares().is_some());
}

#[test]
fn a_far_fleet_gets_four_round_trips() {
    let far = At {
        run: 9 * S,
        rtt: S,
        ahead: false,
    };
    let mut handover = fleet(2, OnAgentLoss::Redistribute, None);
    let told = short(&handover.step(far, Event::Lost(2)));
    assert_eq!(told, "tell 1 e2 s0 [-1@13] | settled 0..1");
}

#[test]
fn every_hand_over_ends_whatever_stops_answering() {
    for (name, fresh, steps) in stories() {
        for cut in 1..=steps.len() {
            let mut handover = fresh.clone();
            let mut last = 0.0;
            for (second, event, _) in steps.iter().take(cut).cloned() {
                last = second;
                let _ = handover.step(at(second), event);
            }
            for tick in 1..400 {
                let _ = handover.step(at(last + f64::from(tick) / 10.0), Event::Tick);
            }
            assert_eq!(handover.open, None, "{name}, cut after {cut} steps");
            assert!(
                handover.losses.is_empty() || handover.closed,
                "{name}, cut after {cut} steps"
            );
            assert!(
                handover.newcomers().next().is_none(),
                "{name}, cut after {cut} steps"
            );
        }
    }
}

#[test]
fn what_is_settled_is_what_was_told_whoever_finishes_meanwhile() {
    let mut handover = fleet(3, OnAgentLoss::Redistribute, None);
    let told = |handover: &Handover, agent| {
        let part = handover.told(agent);
        part.map(|part| (part.epoch, part.changes.clone()))
            .unwrap_or_default()
    };
    let _ = handover.step(at(1.0), came(&[9]));
    let (prepared, _) = told(&handover, 9);
    let _ = handover.step(at(1.0), ready(9, prepared));
    let (epoch, changes) = told(&handover, 1);
    assert_eq!(changes.len(), 1);
    for event in [ready(1, epoch), Event::Finished(2), ready(3, epoch)] {
        let _ = handover.step(at(1.1), event);
    }
    assert_eq!(handover.open, None);
    assert_eq!(told(&handover, 9), (epoch, changes));
}

#[test]
fn nothing_changes_hands_while_somebody_may_be_ahead_of_the_curve() {
    let ahead = |seconds| At {
        ahead: true,
        ..at(seconds)
    };
    let mut handover = fleet(3, OnAgentLoss::Redistribute, None);
    let steps = [
        (at(8.0), came(&[7]), "prepare 7 e2 s3 []"),
        (
            at(8.5),
            ready(7, 2),
            "tell 1 e3 s0 [+1@9] | tell 2 e3 s1 [+1@9] | tell 3 e3 s2 [+1@9]",
        ),
        // What is open is taken back, and what comes waits.
        (
            ahead(8.6),
            ready(1, 3),
            "tell 1 e4 s0 [] | tell 2 e4 s1 [] | tell 3 e4 s2 []",
        ),
        (ahead(9.0), Event::Lost(2), ""),
        (ahead(9.1), Event::Drain(3), ""),
        (ahead(20.0), Event::Tick, ""),
        (
            at(30.0),
            Event::Tick,
            "tell 1 e5 s0 [-1@30.25] | tell 3 e5 s2 [-1@30.25] | settled 0..1 | tell 3 e6 s2 [-1@30.25 -2@30.5]",
        ),
    ];
    for (at, event, expected) in steps {
        let shown = format!("{event:?}");
        assert_eq!(short(&handover.step(at, event)), expected, "{shown}");
    }
    assert_eq!(handover.holds_from(), 30 * S + S / 2);
}
