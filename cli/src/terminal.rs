//! The shared stderr: lines for people, logs, and one status line that is rewritten in place. It knows nothing of what they say.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stderr with at most one status line at its bottom. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    rewrites: bool,
    status: Arc<Mutex<String>>,
}

impl Terminal {
    /// This process's stderr.
    pub(crate) fn stderr() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            rewrites: io::stderr().is_terminal() && !dumb,
            status: Arc::default(),
        }
    }

    /// True if a status line is rewritten in place; otherwise [`Self::status`] does nothing and plain lines are to be used.
    pub(crate) fn rewrites(&self) -> bool {
        self.rewrites
    }

    /// Columns of the terminal, 80 if it does not say.
    pub(crate) fn width(&self) -> usize {
        window_columns()
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
        let mut status = self.lock();
        // Nothing sensible can be done when stderr is gone.
        let _ = write!(io::stderr().lock(), "\r\x1b[K{text}");
        text.clone_into(&mut status);
    }

    /// Bytes that end with a newline, kept apart from the status line.
    fn raw(&self, bytes: &[u8]) {
        let status = self.lock();
        let mut out = io::stderr().lock();
        if status.is_empty() {
            let _ = out.write_all(bytes);
        } else {
            let _ = out
                .write_all(b"\r\x1b[K")
                .and_then(|()| out.write_all(bytes))
                .and_then(|()| out.write_all(status.as_bytes()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
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

#[expect(unsafe_code, reason = "asking the kernel for the window's size")]
fn window_columns() -> Option<usize> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the ioctl fills the struct it is given and keeps no pointer to it.
    let answer = unsafe { libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (answer == 0).then_some(usize::from(size.ws_col))
}
