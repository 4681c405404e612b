//! The table in the parent's doc comment, row by row: in this state, at this event, these actions, then that state.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

/// The rows: state, event, actions, next state.
fn rows() -> Vec<[&'static str; 4]> {
    include_str!("table.md")
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'))
        .filter(|line| !line.starts_with('-'))
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            cells.try_into().unwrap()
        })
        .collect()
}

fn compiled() -> Compiled {
    let bundle = plan::Bundle {
        name: "r.yaml".to_owned(),
        source: plan::one_request("http://127.0.0.1/"),
        ..plan::Bundle::default()
    };
    let plan = Arc::new(plan::compile(&bundle).unwrap());
    Compiled {
        digest: plan.digest().to_vec(),
        plan,
    }
}

/// An event by its name in the table.
fn event(name: &str) -> Event {
    let words: Vec<&str> = name.split(' ').collect();
    let numbered = || {
        let (run, epoch) = words[1].split_once('.').unwrap();
        (run.to_owned(), epoch.parse::<u32>().unwrap())
    };
    let run = || words[1].to_owned();
    match words[..] {
        ["assign", _, ref rest @ ..] => {
            let (run, epoch) = numbered();
            Event::Assign(Assign {
                run,
                epoch,
                seat: match rest {
                    ["without", "seat"] => 3,
                    ["to", "come"] => 2,
                    ["anew"] => 0,
                    _ => 1,
                },
                weights: vec![1, 1],
                preflight: rest != ["blind"] && rest != ["anew"],
                changes: vec![Default::default(); usize::from(rest == ["strange"])],
                ..Assign::default()
            })
        }
        ["bundle", _] => Event::Bundle(run()),
        ["compiled", _] => Event::Compiled(run(), Ok(compiled())),
        ["compiled", _, "badly"] => Event::Compiled(
            run(),
            Err((ProblemKind::ProblemCompile, "line 3".to_owned())),
        ),
        ["looked", _, ref rest @ ..] => {
            let (run, epoch) = numbered();
            let result = match rest {
                [] => Ok(()),
                _ => Err((ProblemKind::ProblemTarget, "connection refused".to_owned())),
            };
            Event::Looked { run, epoch, result }
        }
        ["go", _] => Event::Go {
            run: run(),
            t0_ns: 5,
        },
        ["setup", _] => Event::Phase(run(), PhaseKind::Setup),
        ["teardown", _] => Event::Phase(run(), PhaseKind::Teardown),
        ["stop", _, "graceful"] => Event::Stop(run(), StopHow::Graceful),
        ["stop", _, "interrupt"] => Event::Stop(run(), StopHow::Interrupt),
        ["closed", _] => Event::Closed(run()),
        ["lease", "over"] => Event::LeaseOver,
        ["taken", epoch] => Event::Taken {
            epoch: epoch.parse().unwrap(),
            held: Vec::new(),
        },
        ["late", epoch] => Event::Late(epoch.parse().unwrap()),
        ["finished"] => Event::Finished,
        ["saved"] => Event::Saved,
        ["shut", "down"] => Event::ShutDown,
        ["welcome"] => Event::Welcome,
        ["patience", "over"] => Event::PatienceOver,
        ["goodbye"] => Event::Goodbye,
        _ => panic!("no event is called {name:?}"),
    }
}

/// The orders in a state of the table, by the way that leads there.
fn orders(state: &str) -> Orders {
    let way: &[&str] = match state {
        "idle" => &[],
        "coming" => &["bundle r"],
        "bundled" => &["bundle r", "compiled r"],
        "preparing" => &["bundle r", "assign r.1"],
        "looking" => &["bundle r", "compiled r", "assign r.1"],
        "ready" => &["bundle r", "compiled r", "assign r.1 blind"],
        "unfit" => &["bundle r", "compiled r badly", "assign r.1"],
        "load" => &["bundle r", "compiled r", "assign r.1 blind", "go r"],
        "asked" => &[
            "bundle r",
            "compiled r",
            "assign r.1 blind",
            "go r",
            "assign r.2",
        ],
        "fenced" => &[
            "bundle r",
            "compiled r",
            "assign r.1 blind",
            "go r",
            "lease over",
        ],
        "over" => &[
            "bundle r",
            "compiled r",
            "assign r.1 blind",
            "go r",
            "finished",
        ],
        "draining" => &[
            "bundle r",
            "compiled r",
            "assign r.1 blind",
            "go r",
            "shut down",
        ],
        "returning" => &[
            "bundle r",
            "compiled r",
            "assign r.1 blind",
            "go r",
            "finished",
            "assign r.2 anew",
        ],
        "leaving" => &[
            "bundle r",
            "compiled r",
            "assign r.1 blind",
            "go r",
            "shut down",
            "patience over",
        ],
        "going" => &[
            "bundle r",
            "compiled r",
            "assign r.1 blind",
            "go r",
            "finished",
            "shut down",
        ],
        "ended" => &["shut down"],
        _ => panic!("no state is called {state:?}"),
    };
    let mut orders = Orders::default();
    for name in way {
        orders.step(event(name));
    }
    orders
}

fn next(orders: &Orders) -> &'static str {
    match &orders.state {
        State::Ended => "ended",
        State::Load { .. } if orders.draining => "draining",
        State::Load { .. } if orders.leaving => "leaving",
        State::Over { .. } if orders.leaving => "going",
        State::Idle => match orders.bundle {
            Bundle::Here(..) => "bundled",
            Bundle::Coming(_) => "coming",
            Bundle::None => "idle",
        },
        State::Preparing { .. } => "preparing",
        State::Answered { fit: Some(_), .. } => "ready",
        State::Answered { fit: None, .. } => "unfit",
        State::Load { fenced: true, .. } => "fenced",
        State::Load { asked: Some(_), .. } => "asked",
        State::Load { asked: None, .. } => "load",
        State::Over { .. } if orders.again.is_some() => "returning",
        State::Over { .. } => "over",
    }
}

fn describe(actions: &[Action]) -> String {
    let words: Vec<String> = actions
        .iter()
        .map(|action| match action {
            Action::Look { run, epoch, .. } => format!("look {run}.{epoch}"),
            Action::Answer(answer) => {
                let how = match answer.problem_kind() {
                    ProblemKind::ProblemNone => "ready",
                    ProblemKind::ProblemCompile => "compile",
                    ProblemKind::ProblemTarget => "target",
                    ProblemKind::ProblemLocal => "local",
                    ProblemKind::ProblemLate => "late",
                };
                assert_eq!(answer.problem.is_empty(), how == "ready");
                assert_eq!(answer.digest.is_empty(), how != "ready");
                format!("answer {}.{} {how}", answer.run, answer.epoch)
            }
            Action::Muster { part, t0_ns, .. } => {
                assert_eq!((part.seat, part.shares.seats(), *t0_ns), (1, 2, 5));
                format!("muster {}.{}", part.run, part.epoch)
            }
            Action::Reassign { part, .. } => format!("reassign {}.{}", part.run, part.epoch),
            Action::Phase { run, kind, .. } => format!("{} {run}", kind.name()),
            Action::Unable { run, kind } => format!("unable {} {run}", kind.name()),
            Action::StartedAgain => "started again".to_owned(),
            Action::Stop(StopHow::Graceful) => "stop graceful".to_owned(),
            Action::Stop(StopHow::Interrupt) => "stop interrupt".to_owned(),
            Action::Fence => "fence".to_owned(),
            Action::Done => "done".to_owned(),
            Action::Forget => "forget".to_owned(),
            Action::Drain(run) => format!("drain {run}"),
            Action::Leave => "leave".to_owned(),
            Action::End(Ended::Goodbye) => "end goodbye".to_owned(),
            Action::End(Ended::ShutDown) => "end shut down".to_owned(),
        })
        .collect();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(", ")
    }
}

#[test]
fn the_table_is_true() {
    let rows = rows();
    assert!(rows.len() > 70, "only {} rows were found", rows.len());
    let mut wrong = Vec::new();
    for [state, name, actions, then] in rows {
        let mut orders = orders(state);
        let done = describe(&orders.step(event(name)));
        let now = next(&orders);
        // A bundle that is there is worth a word only where it is all there is.
        let now = match (now, then) {
            ("coming" | "bundled", "idle") => "idle",
            _ => now,
        };
        if (done.as_str(), now) != (actions, then) {
            wrong.push(format!(
                "{state} | {name}: {done} | {now}, not {actions} | {then}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn who_has_no_crew_holds_a_lease_only_while_it_prepares() {
    for (state, holds) in [
        ("idle", false),
        ("preparing", true),
        ("ready", true),
        ("load", true),
        ("fenced", false),
        ("over", false),
        ("ended", false),
    ] {
        assert_eq!(orders(state).holds_lease(), holds, "{state}");
    }
}
