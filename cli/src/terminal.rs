//! The shared stderr: lines for people, logs, and one status line that is rewritten in place. While a picture covers the terminal, lines are held
//! back and told to whoever draws it. It knows nothing of what they say.

use rustix::termios::tcgetwinsize;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::UnboundedSender;

/// Lines that are held back at most; the oldest go, and are counted.
const HELD: usize = 500;

/// Lines that were printed before a picture covered them, and are told to whoever draws it.
const RECENT: usize = 50;

/// Stderr with at most one status line at its bottom. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    rewrites: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    status: String,
    recent: VecDeque<String>,
    held: Option<Held>,
}

/// What a picture covers.
struct Held {
    tell: UnboundedSender<String>,
    /// Takes the picture away.
    uncover: Arc<dyn Fn() + Send + Sync>,
    lines: VecDeque<String>,
    left_out: usize,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

impl Terminal {
    /// This process's stderr.
    pub(crate) fn stderr() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            rewrites: io::stderr().is_terminal() && !dumb,
            state: Arc::default(),
        }
    }

    /// True if a status line is rewritten in place; otherwise [`Self::status`] does nothing and plain lines are to be used.
    pub(crate) fn rewrites(&self) -> bool {
        self.rewrites
    }

    /// Columns of the terminal, 80 if it does not say.
    pub(crate) fn width(&self) -> usize {
        tcgetwinsize(rustix::stdio::stderr())
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0)
            .unwrap_or(80)
    }

    /// Prints a line above the status line.
    pub(crate) fn line(&self, text: &str) {
        self.raw(format!("{text}\n").as_bytes());
    }

    /// Replaces the status line; an empty text removes it.
    pub(crate) fn status(&self, text: &str) {
        if !self.rewrites {
            return;
        }
        let mut state = self.lock();
        if state.held.is_some() {
            return;
        }
        // Nothing sensible can be done when stderr is gone.
        let _ = write!(io::stderr().lock(), "\r\x1b[K{text}");
        text.clone_into(&mut state.status);
    }

    /// From now on a picture covers the terminal: lines go to `tell`, as do the newest that it covers, and are printed when `uncover` has taken it away.
    pub(crate) fn hold(&self, tell: UnboundedSender<String>, uncover: Arc<dyn Fn() + Send + Sync>) {
        let mut state = self.lock();
        for line in &state.recent {
            // Whoever draws is there.
            let _ = tell.send(line.clone());
        }
        state.held = Some(Held {
            tell,
            uncover,
            lines: VecDeque::new(),
            left_out: 0,
        });
    }

    /// True while a picture covers the terminal.
    pub(crate) fn is_covered(&self) -> bool {
        self.lock().held.is_some()
    }

    /// Takes the picture away, if there is one, and prints what it covered.
    pub(crate) fn release(&self) {
        let uncover = match &self.lock().held {
            Some(held) => Arc::clone(&held.uncover),
            None => return,
        };
        uncover();
        let mut state = self.lock();
        let Some(held) = state.held.take() else {
            return;
        };
        let mut text = String::new();
        if held.left_out > 0 {
            text = format!("({} earlier lines are left out)\n", held.left_out);
        }
        text.extend(held.lines);
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Bytes that end with a newline, kept apart from the status line.
    fn raw(&self, bytes: &[u8]) {
        let mut state = self.lock();
        if let Some(held) = &mut state.held {
            held.keep(String::from_utf8_lossy(bytes).into_owned());
            return;
        }
        if self.rewrites {
            let text = String::from_utf8_lossy(bytes).into_owned();
            state.recent.push_back(text);
            let extra = state.recent.len().saturating_sub(RECENT);
            state.recent.drain(..extra);
        }
        let mut out = io::stderr().lock();
        if state.status.is_empty() {
            let _ = out.write_all(bytes);
        } else {
            let _ = out
                .write_all(b"\r\x1b[K")
                .and_then(|()| out.write_all(bytes))
                .and_then(|()| out.write_all(state.status.as_bytes()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn keep(&mut self, text: String) {
        // Whoever draws may have gone; what was held is printed all the same.
        let _ = self.tell.send(text.clone());
        self.lines.push_back(text);
        if self.lines.len() > HELD {
            self.lines.pop_front();
            self.left_out += 1;
        }
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.raw(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
