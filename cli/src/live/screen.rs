//! The thread that draws. It always draws the newest model and skips those that came while the terminal was slow, so that nothing that
//! directs or watches the run ever waits for a terminal.

use super::draw::draw;
use super::model::Model;
use super::style::Look;
use super::tty::Tty;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use std::io::{self, BufWriter, Stderr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// How long the thread has to give the terminal back, before it is taken from it.
const PATIENCE: Duration = Duration::from_millis(500);
/// Bytes of a picture that go out in one write.
const PICTURE: usize = 64 * 1024;

/// The screen, from outside. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Screen(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tty: Tty,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What is to be drawn next.
    next: Option<Box<Model>>,
    /// Everything, and not only what differs.
    anew: bool,
    wanted: Wanted,
    /// Whether there is something to do.
    fresh: bool,
    /// Whether the terminal is taken.
    on: bool,
    drawing: Option<ThreadId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Wanted {
    #[default]
    Shown,
    Aside,
    Closed,
}

impl Screen {
    /// Takes the terminal, and draws what [`Self::show`] is given.
    ///
    /// # Errors
    /// When no thread can be had, or the terminal is gone.
    pub(super) fn open(tty: Tty, look: Look) -> io::Result<Self> {
        tty.enter()?;
        let shared = Arc::new(Shared {
            tty,
            state: Mutex::new(State {
                on: true,
                ..State::default()
            }),
            changed: Condvar::new(),
        });
        let screen = Self(shared);
        let drawer = screen.clone();
        let spawned = thread::Builder::new()
            .name("throng-screen".to_owned())
            .spawn(move || drawer.run(look));
        match spawned {
            Ok(handle) => {
                screen.state().drawing = Some(handle.thread().id());
                Ok(screen)
            }
            Err(error) => {
                screen.0.tty.leave();
                Err(error)
            }
        }
    }

    /// Draws this, unless something newer comes first.
    pub(super) fn show(&self, model: &Model) {
        self.tell(|state| state.next = Some(Box::new(model.clone())));
    }

    /// Takes the terminal again, if it was left, and draws everything anew.
    pub(super) fn again(&self) {
        self.tell(|state| {
            state.anew = true;
            if state.wanted == Wanted::Aside {
                state.wanted = Wanted::Shown;
            }
        });
    }

    /// Gives the terminal back for a while.
    pub(super) fn aside(&self) {
        self.leave(Wanted::Aside);
    }

    /// Gives the terminal back for good.
    pub(super) fn close(&self) {
        self.leave(Wanted::Closed);
    }

    /// True while the terminal is taken.
    pub(super) fn is_on(&self) -> bool {
        self.state().on
    }

    /// True once it is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.state().wanted == Wanted::Closed
    }

    fn leave(&self, how: Wanted) {
        self.tell(|state| state.wanted = how);
        let state = self.state();
        // A thread does not wait for itself: it broke while it drew.
        let patience = if state.drawing == Some(thread::current().id()) {
            Duration::ZERO
        } else {
            PATIENCE
        };
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, patience, |state| state.on);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.on {
            // It hangs in a write.
            state.on = false;
            drop(state);
            self.0.tty.leave();
        }
    }

    fn tell(&self, what: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if state.wanted == Wanted::Closed {
            return;
        }
        what(&mut state);
        state.fresh = true;
        drop(state);
        self.0.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, look: Look) {
        let out = BufWriter::with_capacity(PICTURE, io::stderr());
        let Ok(mut terminal) = Terminal::new(CrosstermBackend::new(out)) else {
            return self.close();
        };
        let mut model = None;
        loop {
            let waited = self
                .0
                .changed
                .wait_while(self.state(), |state| !state.fresh);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            state.fresh = false;
            let anew = std::mem::take(&mut state.anew);
            model = state.next.take().or(model);
            let (wanted, was_on) = (state.wanted, state.on);
            // Nobody waits for this thread while it waits for the terminal.
            drop(state);
            let taken = wanted == Wanted::Shown && (anew || !was_on);
            let on = match wanted {
                Wanted::Shown if taken => self.0.tty.enter().is_ok(),
                Wanted::Shown => true,
                Wanted::Aside | Wanted::Closed => {
                    if was_on {
                        self.0.tty.leave();
                    }
                    false
                }
            };
            self.state().on = on;
            self.0.changed.notify_all();
            match wanted {
                Wanted::Closed => return,
                Wanted::Aside => continue,
                Wanted::Shown => {}
            }
            // A picture that could not be drawn is followed by another.
            let _ = picture(&mut terminal, model.as_deref(), look, taken);
        }
    }
}

fn picture(
    terminal: &mut Terminal<CrosstermBackend<BufWriter<Stderr>>>,
    model: Option<&Model>,
    look: Look,
    anew: bool,
) -> io::Result<()> {
    let Some(model) = model else { return Ok(()) };
    if anew {
        // Not `clear`: that asks the terminal where its cursor is, by way of stdout, which is the report's.
        let size = terminal.size()?;
        terminal.resize(size.into())?;
    }
    terminal.draw(|frame| draw(model, look, frame))?;
    Ok(())
}
