//! A terminal of a given size that can be looked at: a shell in a tmux of its own, which goes with the test.

use crate::common::{Folder, PATIENCE};
use std::process::Command;
use std::time::{Duration, Instant};

/// What the shell says when it waits for the next command.
pub(crate) const PROMPT: &str = "ready>";

/// A shell in a terminal.
pub(crate) struct Tmux {
    socket: String,
}

impl Tmux {
    /// One of so many columns and rows; its files are in `folder`.
    pub(crate) fn start(folder: &Folder, columns: u16, rows: u16) -> Self {
        let tmux = Self {
            socket: folder.file("tmux"),
        };
        let size = (columns.to_string(), rows.to_string());
        let shell = format!(
            "env -i PATH=/usr/bin:/bin TERM=screen-256color PS1='{PROMPT} ' THRONG_SPOOL=none THRONG_NO_RUNS=true bash --norc --noprofile"
        );
        tmux.tell(&["new-session", "-d", "-x", &size.0, "-y", &size.1, &shell]);
        tmux.until("a prompt", |screen| screen.contains(PROMPT));
        tmux
    }

    /// Types a command and Enter.
    pub(crate) fn command(&self, line: &str) {
        self.tell(&["send-keys", "-l", line]);
        self.key("Enter");
    }

    /// Presses a key: a letter, or a name as tmux has it (`C-c`, `Enter`).
    pub(crate) fn key(&self, key: &str) {
        self.tell(&["send-keys", key]);
    }

    /// What stands on the screen.
    pub(crate) fn screen(&self) -> String {
        self.tell(&["capture-pane", "-p"])
    }

    /// Waits until the screen shows something; gives it.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, shows: impl Fn(&str) -> bool) -> String {
        let begun = clock();
        loop {
            let screen = self.screen();
            if shows(&screen) {
                return screen;
            }
            assert!(
                clock().duration_since(begun) < PATIENCE,
                "no {what} within {PATIENCE:?}:\n{screen}"
            );
            rest();
        }
    }

    /// Waits until the screen shows this text.
    #[track_caller]
    pub(crate) fn sees(&self, text: &str) -> String {
        self.until(&format!("`{text}`"), |screen| screen.contains(text))
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = (columns.to_string(), rows.to_string());
        self.tell(&["resize-window", "-x", &size.0, "-y", &size.1]);
    }

    /// True while a program has taken the whole screen.
    pub(crate) fn is_taken(&self) -> bool {
        self.asked("#{alternate_on}") == "1"
    }

    /// Waits for the shell, and fails unless the terminal is as it was: no other screen, a cursor, and the mode in `before`.
    #[track_caller]
    pub(crate) fn is_as_before(&self, before: &str) {
        let prompt = |screen: &str| {
            screen
                .lines()
                .rfind(|line| !line.is_empty())
                .is_some_and(|line| line.trim_end() == PROMPT)
        };
        self.until("a prompt", prompt);
        assert!(!self.is_taken());
        assert_eq!(
            self.asked("#{cursor_flag}"),
            "1",
            "the cursor is to be seen"
        );
        assert_eq!(self.mode(), before);
        // What is typed is seen.
        self.command("echo typed; echo seen");
        self.sees("echo typed; echo seen");
    }

    /// The terminal's mode, as `stty` words it.
    pub(crate) fn mode(&self) -> String {
        let path = format!("{}.mode", self.socket);
        let _ = std::fs::remove_file(&path);
        self.command(&format!("stty -g > {path}.new && mv {path}.new {path}"));
        until_some(|| std::fs::read_to_string(&path).ok())
    }

    fn asked(&self, format: &str) -> String {
        self.tell(&["display-message", "-p", format])
            .trim()
            .to_owned()
    }

    fn tell(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .args(["-u", "-f", "/dev/null", "-S", &self.socket])
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "tmux {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // With the server goes the shell, and what runs in it.
        let _ = Command::new("tmux")
            .args(["-S", &self.socket, "kill-server"])
            .status();
    }
}

/// Waits until there is something.
#[track_caller]
pub(crate) fn until_some<T>(mut get: impl FnMut() -> Option<T>) -> T {
    let begun = clock();
    loop {
        if let Some(there) = get() {
            return there;
        }
        assert!(
            clock().duration_since(begun) < PATIENCE,
            "nothing came about within {PATIENCE:?}"
        );
        rest();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test of real processes waits in real time"
)]
fn clock() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test of real processes waits in real time"
)]
fn rest() {
    std::thread::sleep(Duration::from_millis(100));
}
