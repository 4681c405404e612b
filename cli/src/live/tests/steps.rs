//! Events and keys in, actions out.

use super::made_up::{S, seconds, state, view};
use crate::live::model::{Action, Asking, Input, Key, List, Model, Whose};
use proto::v1::run_event::Event;
use proto::v1::{RunOver, RunState};
use std::time::Duration;

const NOW: Duration = Duration::from_secs(3);

fn model(whose: Whose) -> Model {
    Model::new("a.yaml", "r-1", whose)
}

fn press(model: &mut Model, key: Key) -> Option<Action> {
    model.step(NOW, Input::Key(key))
}

fn char(model: &mut Model, char: char) -> Option<Action> {
    press(model, Key::Char(char))
}

fn see(model: &mut Model, event: Event) {
    assert_eq!(model.step(NOW, Input::Event(&event)), None);
}

#[test]
fn a_view_may_come_before_its_seconds_and_seconds_before_a_view() {
    let mut first = model(Whose::Ours);
    see(&mut first, Event::View(view(3)));
    assert!(first.points.is_empty());
    see(&mut first, Event::Seconds(seconds(true, 0, 3)));
    let mut second = model(Whose::Ours);
    see(&mut second, Event::Seconds(seconds(true, 0, 3)));
    see(&mut second, Event::View(view(3)));
    assert_eq!(first.points.fold(80, 0), second.points.fold(80, 0));
    assert_eq!(first.points.fold(80, 0).columns.len(), 3);
}

#[test]
fn a_controller_that_comes_back_tells_everything_again() {
    let mut model = model(Whose::Ours);
    see(&mut model, Event::View(view(5)));
    see(&mut model, Event::Seconds(seconds(true, 0, 5)));
    model.step(NOW, Input::Away);
    model.step(NOW + NOW, Input::Away);
    assert_eq!(
        model.away,
        Some(NOW),
        "since it went, however often that is said"
    );
    assert!(model.view.is_some(), "what is known stays on the screen");
    model.step(NOW + NOW, Input::Back);
    see(&mut model, Event::Seconds(seconds(true, 2, 9)));
    assert_eq!(model.away, None);
    let columns = model.points.fold(80, 0).columns;
    assert_eq!(columns.iter().filter(|column| column.is_some()).count(), 7);
}

#[test]
fn a_run_goes_through_its_states() {
    let mut model = model(Whose::Ours);
    let states = [
        RunState::StateQueued,
        RunState::StateEnlisting,
        RunState::StateSetup,
        RunState::StateLoad,
        RunState::StateDrain,
        RunState::StateTeardown,
    ];
    for (run_state, at) in states.into_iter().zip(1..) {
        let now = Duration::from_secs(at);
        model.step(now, Input::Event(&state(run_state, "so", 9)));
        assert_eq!((model.state, model.state_since), (Some(run_state), now));
        // The same state with other words did not begin anew.
        model.step(now + NOW, Input::Event(&state(run_state, "and so", 9)));
        assert_eq!(
            (model.state_text.as_str(), model.state_since),
            ("and so", now)
        );
    }
    assert!(!model.over);
    see(&mut model, Event::Over(RunOver::default()));
    assert!(model.over);
}

#[test]
fn p_pauses_and_resumes_as_was_asked_last() {
    let mut model = model(Whose::Ours);
    see(&mut model, Event::View(view(3)));
    assert_eq!(char(&mut model, 'p'), Some(Action::Pause));
    // It takes a second until the run is seen to be paused: the next press takes the pause back all the same.
    assert_eq!(char(&mut model, 'p'), Some(Action::Resume));
    assert_eq!(char(&mut model, 'p'), Some(Action::Pause));
    let mut paused = view(5);
    paused.paused = true;
    see(&mut model, Event::View(paused));
    assert!(model.paused());
    assert_eq!(char(&mut model, 'p'), Some(Action::Resume));
    model.step(NOW, Input::Answered(Err("no".to_owned())));
    assert_eq!(
        char(&mut model, 'p'),
        Some(Action::Resume),
        "what was refused did not happen"
    );
}

#[test]
fn somebody_elses_pause_is_resumed() {
    let mut model = model(Whose::Others);
    let mut paused = view(5);
    paused.paused = true;
    see(&mut model, Event::View(paused));
    assert_eq!(char(&mut model, 'p'), Some(Action::Resume));
}

#[test]
fn scaling_is_set_first_and_then_sent() {
    let mut model = model(Whose::Ours);
    for (key, wanted) in [
        ('+', 1_100),
        ('=', 1_200),
        ('-', 1_100),
        ('-', 1_000),
        ('-', 900),
    ] {
        assert_eq!(char(&mut model, key), None);
        assert_eq!(model.asking, Asking::Scale(wanted));
    }
    assert_eq!(press(&mut model, Key::Enter), Some(Action::Scale(900)));
    // It goes on from there.
    char(&mut model, '-');
    assert_eq!(model.asking, Asking::Scale(800));
    assert_eq!(press(&mut model, Key::Escape), None);
    char(&mut model, '+');
    assert_eq!(
        model.asking,
        Asking::Scale(1_000),
        "what was not sent does not count"
    );
    for _ in 0..50 {
        char(&mut model, '-');
    }
    assert_eq!(model.asking, Asking::Scale(0), "nothing is the least");
}

#[test]
fn stopping_and_interrupting_are_asked_twice() {
    for (key, wanted) in [('s', Action::Stop), ('q', Action::Interrupt)] {
        for confirm in [Key::Char(key), Key::Enter] {
            let mut model = model(Whose::Ours);
            assert_eq!(char(&mut model, key), None);
            assert_eq!(press(&mut model, confirm), Some(wanted.clone()));
            assert_eq!(model.asking, Asking::Nothing);
        }
        let mut model = model(Whose::Ours);
        char(&mut model, key);
        assert_eq!(press(&mut model, Key::Escape), None);
        assert_eq!(model.asking, Asking::Nothing);
    }
}

#[test]
fn who_watches_somebody_elses_run_leaves_it_alone() {
    assert_eq!(char(&mut model(Whose::Others), 'q'), Some(Action::Leave));
}

#[test]
fn a_run_that_is_being_interrupted_is_not_interrupted_again() {
    let mut model = model(Whose::Ours);
    char(&mut model, 'q');
    model.step(NOW, Input::Interrupted);
    assert_eq!((char(&mut model, 'q'), char(&mut model, 'q')), (None, None));
}

#[test]
fn a_note_is_typed() {
    let mut model = model(Whose::Ours);
    char(&mut model, 'n');
    for key in "p+sq? tï".chars() {
        assert_eq!(char(&mut model, key), None, "letters are letters");
    }
    press(&mut model, Key::Backspace);
    char(&mut model, 'i');
    assert_eq!(
        press(&mut model, Key::Enter),
        Some(Action::Note("p+sq? ti".to_owned()))
    );

    char(&mut model, 'n');
    char(&mut model, ' ');
    assert_eq!(press(&mut model, Key::Enter), None, "an empty one is none");
    char(&mut model, 'n');
    char(&mut model, 'x');
    assert_eq!(press(&mut model, Key::Escape), None);
    assert_eq!(model.asking, Asking::Nothing);
    char(&mut model, 'n');
    for _ in 0..500 {
        char(&mut model, 'x');
    }
    assert!(matches!(press(&mut model, Key::Enter), Some(Action::Note(text)) if text.len() == 200));
}

#[test]
fn lists_are_switched_and_scrolled_within_their_bounds() {
    let mut model = model(Whose::Ours);
    press(&mut model, Key::PageDown);
    assert_eq!(model.scroll, 0, "an empty list");
    see(&mut model, Event::View(view(3)));
    char(&mut model, 't');
    assert_eq!(model.list, List::Steps);
    for (key, wanted) in [
        (Key::Down, 1),
        (Key::Char('j'), 2),
        (Key::Down, 2),
        (Key::Up, 1),
        (Key::PageDown, 2),
        (Key::PageUp, 0),
        (Key::Char('k'), 0),
    ] {
        press(&mut model, key);
        assert_eq!(model.scroll, wanted, "{key:?}");
    }
    press(&mut model, Key::Down);
    char(&mut model, 'e');
    assert_eq!((model.list, model.scroll), (List::Errors, 0));
}

#[test]
fn help_and_log_close_with_any_key_and_do_nothing_else() {
    for (key, wanted) in [('?', Asking::Help), ('l', Asking::Log)] {
        let mut model = model(Whose::Others);
        char(&mut model, key);
        assert_eq!(model.asking, wanted);
        assert_eq!(char(&mut model, 'q'), None);
        assert_eq!(model.asking, Asking::Nothing);
    }
}

#[test]
fn lines_carry_the_run_time_at_which_they_came_and_are_bounded() {
    let mut model = model(Whose::Ours);
    model.step(NOW, Input::Said("before\n\nthe load".to_owned()));
    see(&mut model, Event::View(view(3)));
    model.step(NOW, Input::Said("during".to_owned()));
    let lines: Vec<_> = model
        .lines
        .iter()
        .map(|line| (line.at, line.text.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (None, "before"),
            (None, "the load"),
            (Some(3 * S + 40_000_000), "during")
        ]
    );
    for number in 0..1_000 {
        model.step(NOW, Input::Said(number.to_string()));
    }
    assert_eq!(
        (model.lines.len(), model.lines[199].text.as_str()),
        (200, "999")
    );
}

#[test]
fn answers_go_after_a_while_or_with_the_next_key() {
    let mut model = model(Whose::Ours);
    model.step(NOW, Input::Answered(Ok("paused from 0:04 on".to_owned())));
    model.step(NOW + Duration::from_secs(7), Input::Tick);
    assert!(model.notice.is_some());
    model.step(NOW + Duration::from_secs(9), Input::Tick);
    assert!(model.notice.is_none());
    model.step(NOW, Input::Answered(Ok("resumed".to_owned())));
    char(&mut model, 'a');
    assert!(model.notice.is_none());
}
