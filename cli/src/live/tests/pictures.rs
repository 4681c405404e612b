//! Pictures of the view at several sizes, as snapshots, and what must hold of any picture.

use super::made_up::{MS, agent, problem, seconds, state, view};
use crate::live::draw::draw;
use crate::live::model::{Input, Key, List, Model, Whose};
use crate::live::style::Look;
use proto::v1::run_event::Event;
use proto::v1::{RunState, ScenarioView, View};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use std::time::Duration;

const NOW: Duration = Duration::from_secs(14);

fn picture(model: &Model, color: bool, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(model, Look { color }, frame))
        .unwrap();
    terminal.backend().buffer().clone()
}

/// What a person sees, line by line.
fn seen(model: &Model, width: u16, height: u16) -> String {
    let buffer = picture(model, true, width, height);
    let mut text = String::new();
    for y in 0..height {
        let mut line = String::new();
        let mut hidden = 0;
        for x in 0..width {
            if hidden > 0 {
                hidden -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            hidden = ratatui::text::Span::raw(symbol).width().saturating_sub(1);
            line.push_str(symbol);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn of(view: View) -> Model {
    let mut model = Model::new("reservation.yaml", "r-20261123-0550-5tf2", Whose::Ours);
    let mut take = |input: Input<'_>| assert_eq!(model.step(NOW, input), None);
    take(Input::Event(&state(RunState::StateLoad, "", 0)));
    take(Input::Said(
        "2 agents are ready; the load begins".to_owned(),
    ));
    take(Input::Event(&Event::Seconds(seconds(true, 0, 14))));
    take(Input::Event(&Event::View(view)));
    take(Input::Said(
        "reservation: 3 rows of `sessions` are left".to_owned(),
    ));
    model
}

/// A run in which everything is long, wide or many.
fn crowded() -> Model {
    let mut view = view(14);
    view.length_ns = 8 * 3_600_000 * MS;
    view.agents = (0..30)
        .map(|seat| {
            let mut agent = agent(
                seat,
                &format!("load-generator-{seat}.eu-central-1.compute.example"),
            );
            agent.share = 1.0 / 30.0;
            agent
        })
        .collect();
    view.agents[17].standing = "lost".to_owned();
    view.agents[23].heard_ms_ago = 3_400;
    view.agents[5].health.as_mut().unwrap().lateness_p99_ns = Some(420 * MS);
    view.agents[6].standing = "left".to_owned();
    view.scenarios = (0..7)
        .map(|index| ScenarioView {
            name: format!("szenario-予約-{index}-mit einem sehr langen Namen"),
            executor: "constant-arrival-rate".to_owned(),
            stage: 1,
            stages: 1,
            ends_ns: view.length_ns,
            vus: 12_345,
            rate_planned: 20_000.0,
            rate: 19_998.4,
            completed: 123_456_789,
            dropped: 1_234,
            expired: 5,
            ..ScenarioView::default()
        })
        .collect();
    view.problems = (0..20)
        .map(|index| {
            problem(
                &format!("HTTP {} \u{1b}[31mred\u{7}", 500 + index),
                1 << index,
                "GET https://пример.example/\n/zweite Zeile",
            )
        })
        .collect();
    of(view)
}

#[track_caller]
fn snapshot(name: &str, text: String) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_run_at_every_size() {
    for (width, height) in [(80, 24), (200, 60), (40, 10), (100, 50), (120, 30)] {
        snapshot(
            &format!("load-{width}x{height}"),
            seen(&of(view(14)), width, height),
        );
    }
}

#[test]
fn a_crowded_run() {
    for (width, height) in [(80, 24), (200, 60)] {
        snapshot(
            &format!("crowded-{width}x{height}"),
            seen(&crowded(), width, height),
        );
    }
}

#[test]
fn each_list_has_its_turn() {
    for (key, list) in [('e', List::Errors), ('t', List::Steps)] {
        let mut model = of(view(14));
        model.step(NOW, Input::Key(Key::Char(key)));
        assert_eq!(model.list, list);
        snapshot(&format!("list-{key}-80x24"), seen(&model, 80, 24));
    }
}

#[test]
fn states_before_and_after_the_load() {
    let waiting = |state_: RunState, text: &str, within: u64| {
        let mut model = Model::new("reservation.yaml", "r-20261123-0550-5tf2", Whose::Others);
        model.step(Duration::ZERO, Input::Event(&state(state_, text, within)));
        model.step(Duration::ZERO, Input::Said(text.to_owned()));
        model.step(Duration::from_secs(7), Input::Tick);
        model
    };
    let queued = waiting(RunState::StateQueued, "queued behind another run", 0);
    snapshot("queued-80x24", seen(&queued, 80, 24));
    let enlisting = waiting(
        RunState::StateEnlisting,
        "waiting for agents: 1 of 3 is there",
        60,
    );
    snapshot("enlisting-80x24", seen(&enlisting, 80, 24));

    let mut setup = of(view(0));
    setup.step(
        Duration::from_secs(20),
        Input::Event(&state(RunState::StateSetup, "setup on local-1", 60)),
    );
    assert!(
        seen(&setup, 80, 24)
            .lines()
            .next()
            .unwrap()
            .contains("setup  0:00 of at most 1:00")
    );
    let mut teardown = of(view(14));
    teardown.step(
        NOW,
        Input::Event(&state(RunState::StateTeardown, "teardown on local-1", 60)),
    );
    teardown.step(NOW + Duration::from_secs(3), Input::Tick);
    assert!(
        seen(&teardown, 80, 24)
            .lines()
            .next()
            .unwrap()
            .contains("teardown  0:03 of at most 1:00")
    );
}

#[test]
fn what_is_the_matter_stands_in_the_first_line() {
    let first = |model: &Model| seen(model, 80, 24).lines().next().unwrap().to_owned();
    let mut paused = view(14);
    paused.paused = true;
    assert!(first(&of(paused)).ends_with("paused  0:14 of 0:35"));

    let mut model = of(view(14));
    model.step(NOW + Duration::from_secs(7), Input::Tick);
    assert!(first(&model).ends_with("load  0:14 of 0:35  no word for 7 s"));
    model.step(NOW + Duration::from_secs(8), Input::Away);
    model.step(NOW + Duration::from_secs(20), Input::Tick);
    assert!(first(&model).ends_with("controller away for 0:12"));
    model.step(NOW + Duration::from_secs(21), Input::Back);
    model.step(
        NOW + Duration::from_secs(21),
        Input::Event(&Event::View(view(34))),
    );
    assert!(first(&model).ends_with("load  0:34 of 0:35"));
    model.step(NOW + Duration::from_secs(22), Input::Interrupted);
    assert!(first(&model).ends_with("interrupting  0:34 of 0:35"));
    model.step(
        NOW + Duration::from_secs(23),
        Input::Event(&Event::Over(proto::v1::RunOver::default())),
    );
    assert!(first(&model).ends_with("over  0:34 of 0:35"));
}

#[test]
fn questions_and_answers_take_the_last_line() {
    let last = |model: &Model| {
        seen(model, 80, 24)
            .lines()
            .last()
            .unwrap()
            .trim()
            .to_owned()
    };
    let mut model = of(view(14));
    let keys = "p pause   + − scale   s stop   n note   a e t lists   q interrupt   ? help";
    assert_eq!(last(&model), keys);
    model.step(NOW, Input::Key(Key::Char('+')));
    assert!(last(&model).starts_with("scale to 1.1 × the plan?"));
    model.step(NOW, Input::Key(Key::Escape));
    model.step(
        NOW,
        Input::Answered(Err("the load has not begun".to_owned())),
    );
    assert_eq!(last(&model), "the load has not begun");
    model.step(NOW + Duration::from_secs(9), Input::Tick);
    assert_eq!(last(&model), keys);
    model.step(NOW, Input::Key(Key::Char('?')));
    snapshot("help-80x24", seen(&model, 80, 24));
}

#[test]
fn the_log_can_be_read_in_full() {
    let mut model = of(view(14));
    let long = format!("agents join with a token: {}END", "x".repeat(150));
    model.step(NOW, Input::Said(long));
    assert!(!seen(&model, 80, 24).contains("END"));
    model.step(NOW, Input::Key(Key::Char('l')));
    snapshot("log-80x24", seen(&model, 80, 24));
    // Before the load there is room for it anyway.
    let mut early = Model::new("reservation.yaml", "r-1", Whose::Ours);
    early.step(NOW, Input::Said(format!("{}END", "x".repeat(150))));
    assert!(seen(&early, 80, 24).contains("END"));
}

#[test]
fn any_size_can_be_drawn() {
    let mut models = vec![Model::new("", "", Whose::Others), of(view(14)), crowded()];
    for key in ['?', 'l'] {
        let mut asked = crowded();
        asked.step(NOW, Input::Key(Key::Char(key)));
        models.push(asked);
    }
    let sizes = (0..12).chain([20, 39, 40, 59, 60, 61, 79, 139, 140, 141, 300]);
    for width in sizes {
        for height in (0..26).chain([39, 40, 41, 70]) {
            for model in &models {
                picture(model, true, width, height);
            }
        }
    }
}

#[test]
fn without_colour_there_is_none() {
    for model in [of(view(14)), crowded()] {
        for (width, height) in [(80, 24), (200, 60)] {
            let plain = picture(&model, false, width, height);
            let colored = picture(&model, true, width, height);
            assert!(
                plain
                    .content
                    .iter()
                    .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
            );
            assert!(colored.content.iter().any(|cell| cell.fg != Color::Reset));
            let symbols = |buffer: &Buffer| -> Vec<String> {
                buffer
                    .content
                    .iter()
                    .map(|cell| cell.symbol().to_owned())
                    .collect()
            };
            assert_eq!(
                symbols(&plain),
                symbols(&colored),
                "colours say nothing that signs do not"
            );
        }
    }
}

#[test]
fn backgrounds_are_the_terminals_own() {
    // Light or dark: no picture paints a background, and a question is the terminal's own colours the other way round.
    let mut model = crowded();
    model.step(NOW, Input::Key(Key::Char('s')));
    let buffer = picture(&model, true, 80, 24);
    assert!(buffer.content.iter().all(|cell| cell.bg == Color::Reset));
    assert!(
        buffer
            .content
            .iter()
            .any(|cell| cell.modifier.contains(Modifier::REVERSED))
    );
}

#[test]
fn nothing_that_a_terminal_would_obey_reaches_it() {
    for (width, height) in [(80, 24), (200, 60)] {
        let mut model = crowded();
        model.step(NOW, Input::Key(Key::Char('e')));
        model.step(
            NOW,
            Input::Said("an agent says \u{1b}]0;owned\u{7}".to_owned()),
        );
        let text = seen(&model, width, height);
        assert!(
            text.chars().all(|char| char == '\n' || !char.is_control()),
            "{text}"
        );
    }
}

#[test]
fn rows_stand_still_while_a_run_goes_on() {
    let place = |model: &Model, what: &str| {
        seen(model, 80, 24)
            .lines()
            .position(|line| line.contains(what))
            .unwrap()
    };
    let mut model = Model::new("reservation.yaml", "r-1", Whose::Ours);
    model.step(NOW, Input::Event(&Event::View(view(0))));
    let before: Vec<usize> = ["SCENARIO", "REQUESTS", "AGENTS"]
        .iter()
        .map(|what| place(&model, what))
        .collect();
    let model = of(view(30));
    let after: Vec<usize> = ["SCENARIO", "REQUESTS", "AGENTS"]
        .iter()
        .map(|what| place(&model, what))
        .collect();
    assert_eq!(before, after);
}
