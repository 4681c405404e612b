//! The terminal behind stderr: its mode, its other screen, and whether it is ours to use. Writes past every lock and buffer, so that it can be
//! put back from anywhere.
//!
//! Its mode is not raw: keys come one by one and unseen, but Ctrl-C and Ctrl-Z stay the signals they are everywhere else.

use ratatui::crossterm::Command;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use rustix::process::{Signal, getpgrp, getpid, getsid, kill_process};
use rustix::stdio::stderr;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush,
    tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};
use std::io;

/// What a special character is set to so that there is none.
const NO_CHARACTER: u8 = if cfg!(target_os = "linux") {
    0
} else {
    u8::MAX
};

/// A terminal as it was found.
#[derive(Debug, Clone)]
pub(super) struct Tty {
    before: Termios,
}

impl Tty {
    /// The one behind stderr, if it can show a picture: it is a terminal, it has a size, and this process is not in its background.
    pub(super) fn find() -> Option<Self> {
        let before = tcgetattr(stderr()).ok()?;
        let size = tcgetwinsize(stderr()).ok()?;
        (size.ws_col > 0 && size.ws_row > 0 && foreground()).then_some(Self { before })
    }

    /// Takes it.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn enter(&self) -> io::Result<()> {
        let mut mode = self.before.clone();
        mode.local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO);
        // Ctrl-S would hold the picture, and Ctrl-\ leave it behind.
        mode.input_modes.remove(InputModes::IXON);
        mode.special_codes[SpecialCodeIndex::VQUIT] = NO_CHARACTER;
        mode.special_codes[SpecialCodeIndex::VMIN] = 1;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stderr(), OptionalActions::Now, &mode)?;
        write(&[&EnterAlternateScreen, &Hide, &Clear(ClearType::All)])
    }

    /// Gives it back as it was found. Nothing can be done when it is gone.
    pub(super) fn leave(&self) {
        let _ = write(&[&ResetColor, &Show, &LeaveAlternateScreen]);
        // Keys that were meant for the picture are not meant for the shell.
        let _ = tcflush(stderr(), QueueSelector::IFlush);
        let _ = tcsetattr(stderr(), OptionalActions::Now, &self.before);
    }
}

/// True if this process may write its picture to the terminal and read its keys; it may not after `bg`.
pub(super) fn foreground() -> bool {
    tcgetpgrp(stderr()).is_ok_and(|group| group == getpgrp())
}

/// Stops this process, as Ctrl-Z does unless it is caught; comes back when it is continued. Does nothing where no shell would continue it: in
/// a group with the leader of its session.
pub(super) fn stand_still() {
    let alone = getsid(None).is_ok_and(|session| session == getpgrp());
    if !alone {
        // Signalling oneself does not fail.
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

trait Ansi {
    fn write(&self, text: &mut String) -> std::fmt::Result;
}

impl<T: Command> Ansi for T {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        self.write_ansi(text)
    }
}

/// All of it in as few writes as the terminal takes.
fn write(commands: &[&dyn Ansi]) -> io::Result<()> {
    let mut text = String::new();
    for command in commands {
        command.write(&mut text).map_err(io::Error::other)?;
    }
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(stderr(), rest) {
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
