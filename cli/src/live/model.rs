//! What the live view knows and how it changes: `step(input) -> action`. Pure: readings of the clock are handed in, and what is to be done
//! about a run is said, not done.
//!
//! | asked for | by | and confirmed by |
//! |---|---|---|
//! | pause, resume | `p` | nothing: the same key takes it back |
//! | scale | `+`, `-` until the number is right | Enter |
//! | note | `n` and a text | Enter |
//! | graceful stop | `s` | `s` or Enter |
//! | interrupt (a run of this process) | `q` | `q` or Enter |
//! | leave (a run of others) | `q` | nothing |

use super::points::Points;
use super::words;
use proto::v1::run_event::Event;
use proto::v1::{RunState, View};
use std::collections::VecDeque;
use std::time::Duration;

/// Lines of the log that are kept to be shown.
const LINES: usize = 200;
/// Longest note, in characters.
const NOTE: usize = 200;
/// How long an answer stays in the last line.
const NOTICE: Duration = Duration::from_secs(8);
/// What `+` and `-` change, in thousandths of the plan.
const STEP: u64 = 100;
/// Largest factor; the controller's.
const MOST: u64 = plan::control::MOST_FACTOR;

/// Something that comes to the view.
#[derive(Debug)]
pub(super) enum Input<'a> {
    /// Of the run.
    Event(&'a Event),
    /// A line for people, as plain output has it.
    Said(String),
    /// The controller is not there any more, or yet.
    Away,
    /// It is again.
    Back,
    /// The run is being interrupted: by a signal, or as was asked for here.
    Interrupted,
    /// A key was pressed.
    Key(Key),
    /// What became of something that was asked for: a sentence, or why not.
    Answered(Result<String, String>),
    /// Time went by.
    Tick,
}

/// Keys that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
}

/// What is to be done about the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Pause,
    Resume,
    /// Everything, to so many thousandths of the plan.
    Scale(u64),
    Note(String),
    /// Gracefully.
    Stop,
    Interrupt,
    Leave,
}

/// Whose run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This process started it: who quits interrupts it.
    Ours,
    /// Somebody else's: who quits leaves it alone.
    Others,
}

/// What the last line asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Asking {
    #[default]
    Nothing,
    Stop,
    Interrupt,
    Scale(u64),
    Note(String),
    Help,
    Log,
}

/// Which list is shown where there is room for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum List {
    #[default]
    Agents,
    Errors,
    Steps,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Run time at which it came, once there is one.
    pub(super) at: Option<i64>,
    pub(super) text: String,
}

/// An answer, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) bad: bool,
    until: Duration,
}

/// Everything that is drawn. Times without a unit in their name are readings since the view was opened.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// The scenario, and the run's id.
    pub(super) title: String,
    pub(super) run: String,
    pub(super) whose: Whose,
    pub(super) state: Option<RunState>,
    pub(super) state_text: String,
    pub(super) state_since: Duration,
    pub(super) within: Duration,
    pub(super) view: Option<View>,
    /// When it came.
    pub(super) heard: Duration,
    pub(super) points: Points,
    /// Since when the controller is away.
    pub(super) away: Option<Duration>,
    pub(super) interrupted: bool,
    pub(super) over: bool,
    pub(super) lines: VecDeque<Line>,
    pub(super) list: List,
    pub(super) scroll: usize,
    pub(super) asking: Asking,
    pub(super) notice: Option<Notice>,
    pub(super) now: Duration,
    /// Thousandths of the plan, as far as this view knows.
    factor: u64,
    /// Paused or not, as it was asked for and not yet seen.
    pause_asked: Option<bool>,
}

impl Model {
    /// Of a run of which nothing is known yet.
    pub(super) fn new(title: &str, run: &str, whose: Whose) -> Self {
        Self {
            title: title.to_owned(),
            run: run.to_owned(),
            whose,
            state: None,
            state_text: String::new(),
            state_since: Duration::ZERO,
            within: Duration::ZERO,
            view: None,
            heard: Duration::ZERO,
            points: Points::default(),
            away: None,
            interrupted: false,
            over: false,
            lines: VecDeque::new(),
            list: List::default(),
            scroll: 0,
            asking: Asking::default(),
            notice: None,
            now: Duration::ZERO,
            factor: plan::control::FACTOR_ONE,
            pause_asked: None,
        }
    }

    /// Takes what came at `now`, and says what is to be done.
    pub(super) fn step(&mut self, now: Duration, input: Input<'_>) -> Option<Action> {
        self.now = now;
        if self
            .notice
            .as_ref()
            .is_some_and(|notice| notice.until <= now)
        {
            self.notice = None;
        }
        match input {
            Input::Event(event) => self.event(event),
            Input::Said(text) => self.said(&text),
            Input::Away => self.away = self.away.or(Some(now)),
            Input::Back => self.away = None,
            Input::Interrupted => {
                self.interrupted = true;
                self.asking = Asking::Nothing;
            }
            Input::Answered(Ok(text)) => self.tell(text, false),
            Input::Answered(Err(text)) => {
                self.pause_asked = None;
                self.tell(text, true);
            }
            Input::Key(key) => return self.key(key),
            Input::Tick => {}
        }
        None
    }

    /// Whether its stages stand still.
    pub(super) fn paused(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.paused)
    }

    /// Lines of the list that is shown.
    pub(super) fn entries(&self, list: List) -> usize {
        let Some(view) = &self.view else { return 0 };
        match list {
            List::Agents => view.agents.len(),
            List::Errors => view.problems.len(),
            List::Steps => view.steps.len(),
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::State(state) => {
                let known = self.state;
                self.state = RunState::try_from(state.state).ok();
                if self.state != known {
                    self.state_since = self.now;
                }
                self.state_text.clone_from(&state.text);
                self.within = Duration::from_nanos(state.within_ns);
            }
            Event::View(view) => {
                if self.pause_asked == Some(view.paused) {
                    self.pause_asked = None;
                }
                self.view = Some(view.clone());
                self.heard = self.now;
            }
            Event::Seconds(seconds) => self.points.take(seconds),
            Event::Over(_) => self.over = true,
            // Said in words, as plain output has them.
            Event::Log(_) | Event::Progress(_) => {}
        }
    }

    fn said(&mut self, text: &str) {
        let at = self.view.as_ref().map(|view| view.run_ns);
        let text = words::without_colors(text);
        for text in text.lines().filter(|line| !line.trim().is_empty()) {
            let text = text.to_owned();
            self.lines.push_back(Line { at, text });
        }
        let extra = self.lines.len().saturating_sub(LINES);
        self.lines.drain(..extra);
    }

    fn tell(&mut self, text: String, bad: bool) {
        self.notice = Some(Notice {
            text,
            bad,
            until: self.now + NOTICE,
        });
    }

    fn key(&mut self, key: Key) -> Option<Action> {
        match std::mem::take(&mut self.asking) {
            Asking::Nothing => self.plain_key(key),
            // Any key closes it.
            Asking::Help | Asking::Log => None,
            Asking::Stop => matches!(key, Key::Enter | Key::Char('s')).then_some(Action::Stop),
            Asking::Interrupt => {
                matches!(key, Key::Enter | Key::Char('q')).then_some(Action::Interrupt)
            }
            Asking::Scale(factor) => self.scale_key(factor, key),
            Asking::Note(text) => self.note_key(text, key),
        }
    }

    fn plain_key(&mut self, key: Key) -> Option<Action> {
        self.notice = None;
        match key {
            Key::Char('p') => {
                let pause = !self.pause_asked.unwrap_or(self.paused());
                self.pause_asked = Some(pause);
                return Some(if pause { Action::Pause } else { Action::Resume });
            }
            Key::Char('+' | '=') => self.asking = Asking::Scale(more(self.factor)),
            Key::Char('-') => self.asking = Asking::Scale(less(self.factor)),
            Key::Char('n') => self.asking = Asking::Note(String::new()),
            Key::Char('s') => self.asking = Asking::Stop,
            Key::Char('q') => match self.whose {
                Whose::Ours if !self.interrupted => self.asking = Asking::Interrupt,
                Whose::Ours => {}
                Whose::Others => return Some(Action::Leave),
            },
            Key::Char('?' | 'h') => self.asking = Asking::Help,
            Key::Char('l') => self.asking = Asking::Log,
            Key::Char('a') => self.show(List::Agents),
            Key::Char('e') => self.show(List::Errors),
            Key::Char('t') => self.show(List::Steps),
            Key::Up | Key::Char('k') => self.scroll_to(self.scroll.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.scroll_to(self.scroll + 1),
            Key::PageUp => self.scroll_to(self.scroll.saturating_sub(10)),
            Key::PageDown => self.scroll_to(self.scroll + 10),
            Key::Char(_) | Key::Enter | Key::Escape | Key::Backspace => {}
        }
        None
    }

    fn scale_key(&mut self, factor: u64, key: Key) -> Option<Action> {
        match key {
            Key::Char('+' | '=') | Key::Up => self.asking = Asking::Scale(more(factor)),
            Key::Char('-') | Key::Down => self.asking = Asking::Scale(less(factor)),
            Key::Enter => {
                self.factor = factor;
                return Some(Action::Scale(factor));
            }
            _ => {}
        }
        None
    }

    fn note_key(&mut self, mut text: String, key: Key) -> Option<Action> {
        match key {
            Key::Escape => return None,
            Key::Enter if text.trim().is_empty() => return None,
            Key::Enter => return Some(Action::Note(text.trim().to_owned())),
            Key::Backspace => {
                text.pop();
            }
            Key::Char(char) if text.chars().count() < NOTE && !char.is_control() => text.push(char),
            _ => {}
        }
        self.asking = Asking::Note(text);
        None
    }

    fn show(&mut self, list: List) {
        self.list = list;
        self.scroll = 0;
    }

    fn scroll_to(&mut self, line: usize) {
        self.scroll = line.min(self.entries(self.list).saturating_sub(1));
    }
}

/// How long, for people.
pub(super) fn since(then: Duration, now: Duration) -> String {
    let ns = now.saturating_sub(then).as_nanos();
    words::clock(u64::try_from(ns).unwrap_or(u64::MAX))
}

fn more(factor: u64) -> u64 {
    (factor + STEP).min(MOST)
}

fn less(factor: u64) -> u64 {
    factor.saturating_sub(STEP)
}
