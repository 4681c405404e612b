//! The live view of a run on a terminal: opened, fed with what comes, and closed on every way out. `model` thinks and `draw` draws, both pure;
//! `screen`, `keyboard` and `tty` put them on a terminal and take them off again.
//!
//! While it is open, [`Terminal`] holds back the lines that are printed: they stand in the view's log, and on the terminal once it is closed.

mod draw;
mod keyboard;
mod model;
mod points;
mod screen;
mod style;
#[cfg(test)]
mod tests;
mod tty;
mod words;

pub(crate) use model::Whose;

use crate::args::{Common, LogFormat};
use crate::change;
use crate::clock;
use crate::control::Control;
use crate::terminal::Terminal;
use keyboard::Pressed;
use model::{Action, Input, Model};
use proto::v1::change_request::Change;
use proto::v1::run_event::Event;
use proto::v1::{Annotate, ChangeRequest, PauseRun, ResumeRun, ScaleRun, StopMode, scale_run};
use screen::Screen;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};
use style::Look;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tty::Tty;

/// Clocks on the screen go on so often, whatever the controller says.
const TICK: Duration = Duration::from_secs(1);
/// The longest pause, as `throng pause` has it unless told otherwise.
const PAUSE: Duration = Duration::from_secs(3_600);
/// Answers that may wait.
const ANSWERS: usize = 16;

/// What only whoever watches the run can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To interrupt the run, as Ctrl-C does.
    Interrupt,
    /// To leave it alone.
    Leave,
}

/// An open view.
pub(crate) struct Live {
    model: Model,
    screen: Screen,
    keys: mpsc::Receiver<Pressed>,
    lines: mpsc::UnboundedReceiver<String>,
    /// Answers to what was asked for.
    answered: mpsc::Receiver<Result<String, String>>,
    answer: mpsc::Sender<Result<String, String>>,
    stopped: Signal,
    continued: Signal,
    opened: Instant,
    tick: Instant,
    control: Control,
    terminal: Terminal,
}

impl Live {
    /// Opens a view of `run`, whose scenario is called `title`, if the terminal and the flags allow it.
    pub(crate) fn open(
        title: &str,
        run: &str,
        whose: Whose,
        control: &Control,
        common: &Common,
        terminal: &Terminal,
    ) -> Option<Self> {
        let lines_wanted = common.quiet || common.verbose || common.log_format != LogFormat::Text;
        if lines_wanted || !terminal.rewrites() {
            return None;
        }
        let tty = Tty::find()?;
        let stopped = signal(SignalKind::from_raw(libc::SIGTSTP)).ok()?;
        let continued = signal(SignalKind::from_raw(libc::SIGCONT)).ok()?;
        restore_on_panic(terminal);
        terminal.status("");
        let look = Look {
            color: !common.without_color(),
        };
        let screen = Screen::open(tty, look).ok()?;
        let (tell, lines) = mpsc::unbounded_channel();
        let closing = screen.clone();
        terminal.hold(tell, Arc::new(move || closing.close()));
        let Ok(keys) = keyboard::listen(screen.clone()) else {
            terminal.release();
            return None;
        };
        let (answer, answered) = mpsc::channel(ANSWERS);
        let now = clock::now();
        let view = Self {
            model: Model::new(short(title), run, whose),
            screen,
            keys,
            lines,
            answered,
            answer,
            stopped,
            continued,
            opened: now,
            tick: now + TICK,
            control: control.clone(),
            terminal: terminal.clone(),
        };
        view.screen.show(&view.model);
        Some(view)
    }

    /// Shows what came of the run.
    pub(crate) fn event(&mut self, event: &Event) {
        // Said in words, or for whoever has no view.
        if !matches!(event, Event::Log(_) | Event::Progress(_)) {
            self.take(Input::Event(event));
        }
    }

    /// Shows that the controller is not there.
    pub(crate) fn away(&mut self) {
        self.take(Input::Away);
    }

    /// Shows that it is there again.
    pub(crate) fn back(&mut self) {
        self.take(Input::Back);
    }

    /// Shows that the run is being interrupted.
    pub(crate) fn interrupted(&mut self) {
        self.take(Input::Interrupted);
    }

    /// Waits for keys and whatever else the view lives by, and does what they ask, until they ask for what the caller must do. Whoever stops
    /// waiting misses nothing.
    pub(crate) async fn asked(&mut self) -> Asked {
        loop {
            let action = tokio::select! {
                Some(pressed) = self.keys.recv() => match pressed {
                    Pressed::Key(key) => self.take(Input::Key(key)),
                    Pressed::Resized => self.take(Input::Tick),
                    Pressed::Anew => {
                        self.screen.again();
                        None
                    }
                },
                Some(line) = self.lines.recv() => self.take(Input::Said(line)),
                Some(answer) = self.answered.recv() => self.take(Input::Answered(answer)),
                Some(()) = self.stopped.recv() => {
                    self.screen.aside();
                    tty::stand_still();
                    self.come_back();
                    None
                }
                Some(()) = self.continued.recv() => {
                    self.come_back();
                    None
                }
                () = clock::until(Some(self.tick)) => {
                    self.tick = clock::now() + TICK;
                    if !self.screen.is_on() {
                        self.come_back();
                    }
                    self.take(Input::Tick)
                }
            };
            match action {
                Some(Action::Interrupt) => return Asked::Interrupt,
                Some(Action::Leave) => return Asked::Leave,
                Some(action) => self.act(action),
                None => {}
            }
        }
    }

    /// Takes the terminal again, unless this process was sent to the background.
    fn come_back(&self) {
        if tty::foreground() {
            self.screen.again();
        }
    }

    fn take(&mut self, input: Input<'_>) -> Option<Action> {
        let now = clock::now().saturating_duration_since(self.opened);
        let action = self.model.step(now, input);
        self.screen.show(&self.model);
        action
    }

    /// Asks the controller; its answer comes as one of the view's inputs.
    fn act(&self, action: Action) {
        let run = self.model.run.clone();
        let mut control = self.control.clone();
        let answer = self.answer.clone();
        tokio::spawn(async move {
            let said = match wanted(action) {
                Some(change) => {
                    let request = ChangeRequest {
                        run,
                        who: change::who(),
                        change: Some(change),
                        asked_unix_ms: 0,
                    };
                    let reply = control.change(request).await;
                    reply.map(|reply| match reply.agents {
                        // A note changes nothing for anybody.
                        0 => reply.text,
                        _ => change::sentence(&reply),
                    })
                }
                None => {
                    let stopped = control
                        .stop(&run, StopMode::StopGraceful, "the live view's key s")
                        .await;
                    stopped.map(|_| "stopping: no iteration begins any more".to_owned())
                }
            };
            // A view that was closed meanwhile does not want it.
            let _ = answer.send(said.map_err(|error| error.to_string())).await;
        });
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.terminal.release();
    }
}

/// A file's name without its folders.
fn short(title: &str) -> &str {
    let name = title.rsplit('/').next().unwrap_or_default();
    if name.is_empty() { title } else { name }
}

/// What is to be changed; `None`: nothing, it is to be stopped.
fn wanted(action: Action) -> Option<Change> {
    Some(match action {
        Action::Pause => Change::Pause(PauseRun {
            max_ns: u64::try_from(PAUSE.as_nanos()).unwrap_or(u64::MAX),
        }),
        Action::Resume => Change::Resume(ResumeRun {}),
        Action::Scale(factor) => Change::Scale(ScaleRun {
            scenario: String::new(),
            change: Some(scale_run::Change::Factor(factor)),
        }),
        Action::Note(text) => Change::Annotate(Annotate { text }),
        Action::Stop | Action::Interrupt | Action::Leave => return None,
    })
}

/// Whatever breaks, wherever it is: the terminal is put back before it is told.
fn restore_on_panic(terminal: &Terminal) {
    static ONCE: Once = Once::new();
    let terminal = terminal.clone();
    ONCE.call_once(move || {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            terminal.release();
            before(info);
        }));
    });
}
