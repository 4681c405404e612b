//! Whatever a controller tells of a run, or a log holds of its report: it is shown, or told to be unreadable, and nothing breaks.

use super::made_up::{seconds, state, view};
use crate::frame::{self, Line, Reader};
use crate::live::draw::draw;
use crate::live::model::{Input, Key, List, Model, Whose};
use crate::live::style::Look;
use crate::progress;
use fuzz::{Shape, Target, driver};
use prost::Message as _;
use proto::v1::run_event::Event;
use proto::v1::{Progress, RunEvent, RunOver, RunState};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

/// Sizes that are drawn: one with all there is, and one with next to nothing.
const SIZES: [(u16, u16); 2] = [(190, 50), (9, 4)];

fn kind(what: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// A row of events, taken and drawn.
fn watch(bytes: &[u8]) -> u64 {
    let mut model = Model::new("x.yaml", "r-1", Whose::Others);
    let mut rest = bytes;
    let mut now = Duration::from_secs(1);
    let mut seen = Vec::new();
    while let Ok(RunEvent { event }) = RunEvent::decode_length_delimited(&mut rest) {
        let Some(event) = event else { continue };
        now += Duration::from_millis(700);
        model.step(now, Input::Event(&event));
        seen.push(std::mem::discriminant(&event));
        if let Event::Progress(progress) = &event {
            let line = progress::line(progress, 80);
            assert!(!line.contains('\n'), "{line}");
        }
        if let Event::Log(line) = &event {
            model.step(now, Input::Said(line.text.clone()));
        }
        if rest.is_empty() || seen.len() >= 40 {
            break;
        }
    }
    let mut cells = 0_usize;
    for list in ['a', 'e', 't'] {
        model.step(now, Input::Key(Key::Char(list)));
        model.step(now, Input::Key(Key::PageDown));
        for (width, height) in SIZES {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal
                .draw(|frame| draw(&model, Look { color: true }, frame))
                .unwrap();
            for cell in terminal.backend().buffer().content() {
                let symbol = cell.symbol();
                assert!(!symbol.chars().any(char::is_control), "{symbol:?}");
                cells += usize::from(symbol != " ");
            }
        }
    }
    let lists = [List::Agents, List::Errors, List::Steps].map(|list| model.entries(list).min(3));
    kind(&(seen.len(), lists, model.state.map(i32::from), cells / 200))
}

fn events() -> Vec<Vec<u8>> {
    let row = |events: Vec<Event>| {
        let wrapped = events
            .into_iter()
            .map(|event| RunEvent { event: Some(event) });
        wrapped
            .flat_map(|event| event.encode_length_delimited_to_vec())
            .collect()
    };
    let progress = Progress {
        run_ns: 5,
        length_ns: 9,
        requests: 3,
        p95_ns: 4_000_000,
        rate: 2.5,
        ..Progress::default()
    };
    vec![
        row(vec![
            state(RunState::StateLoad, "", 0),
            Event::Seconds(seconds(true, 0, 14)),
            Event::View(view(14)),
            Event::Progress(progress),
        ]),
        row(vec![
            state(RunState::StateSetup, "on a", 5_000_000_000),
            Event::View(view(1)),
            Event::Log(proto::v1::LogLine {
                text: "a line".to_owned(),
                ..proto::v1::LogLine::default()
            }),
            Event::Over(RunOver::default()),
        ]),
    ]
}

/// Lines of a log, one of which may be a whole report.
fn log(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::default();
    let said: Vec<String> = text
        .lines()
        .take(200)
        .map(|line| match reader.line(line) {
            Line::Broken(why) => why.chars().filter(|c| !c.is_ascii_digit()).collect(),
            Line::Whole(_) => "whole".to_owned(),
            Line::Other => "other".to_owned(),
            Line::Part => "part".to_owned(),
        })
        .collect();
    kind(&said)
}

fn logs() -> Vec<Vec<u8>> {
    let over = RunOver {
        exit_code: 99,
        report: b"{}".to_vec(),
        text: "t".to_owned(),
    };
    vec![frame::write(&over).unwrap().into_bytes()]
}

/// A bundle as a file, gzipped.
fn packed(bytes: &[u8]) -> u64 {
    match crate::source::unpack(bytes) {
        Ok(bundle) => kind(&bundle.source.len().min(3)),
        Err(error) => {
            let text = error.to_string();
            kind(
                &text
                    .chars()
                    .filter(char::is_ascii_alphabetic)
                    .collect::<String>(),
            )
        }
    }
}

fn bundles() -> Vec<Vec<u8>> {
    vec![crate::source::pack(&plan::Bundle::default()).unwrap()]
}

fn holds(target: Target, inputs: u64, kinds: usize) {
    let tried = driver::drive(target, 1, |tried| tried < inputs);
    let broke = tried.broke.as_deref().map(String::from_utf8_lossy);
    assert_eq!(broke, None, "{}", target.name);
    assert!(tried.kinds >= kinds, "{}: {}", target.name, tried.kinds);
}

#[test]
fn whatever_is_told_of_a_run_it_is_drawn() {
    let target = Target {
        name: "watch",
        run: watch,
        seeds: events,
        words: &[],
        shape: Shape::Row,
    };
    holds(target, 250, 5);
}

#[test]
fn any_lines_of_a_log_are_a_report_or_none() {
    let target = Target {
        name: "log",
        run: log,
        seeds: logs,
        words: &[
            "THRONG-REPORT BEGIN ",
            "THRONG-REPORT END\n",
            "THRONG-REPORT 0 ",
        ],
        shape: Shape::Bytes,
    };
    holds(target, 5_000, 5);
}

#[test]
fn any_packed_file_is_a_bundle_or_refused() {
    let target = Target {
        name: "packed",
        run: packed,
        seeds: bundles,
        words: &[],
        shape: Shape::Bytes,
    };
    holds(target, 5_000, 3);
}
