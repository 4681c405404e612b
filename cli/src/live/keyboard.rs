//! The thread that reads keys, while the terminal is ours.

use super::model::Key;
use super::screen::Screen;
use super::tty;
use crate::clock;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;

/// How soon it is noticed that the view was closed.
const TURN: Duration = Duration::from_millis(100);
/// Keys that may wait.
const QUEUE: usize = 64;

/// What came from the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    Key(Key),
    /// Draw everything anew: Ctrl-L.
    Anew,
    /// The terminal has another size.
    Resized,
}

/// Begins to read. The thread ends with the screen, or when the terminal has no keys to give.
///
/// # Errors
/// When no thread can be had.
pub(super) fn listen(screen: Screen) -> io::Result<mpsc::Receiver<Pressed>> {
    let (tell, keys) = mpsc::channel(QUEUE);
    std::thread::Builder::new()
        .name("throng-keys".to_owned())
        .spawn(move || {
            while !screen.is_closed() {
                // Whoever reads in the background is stopped by the kernel.
                if !screen.is_on() || !tty::foreground() {
                    clock::rest(TURN);
                    continue;
                }
                match next() {
                    Ok(Some(pressed)) => {
                        // Nobody presses keys that fast; what does not fit is lost.
                        let _ = tell.try_send(pressed);
                    }
                    Ok(None) => {}
                    Err(_) => return,
                }
            }
        })?;
    Ok(keys)
}

fn next() -> io::Result<Option<Pressed>> {
    if !event::poll(TURN)? {
        return Ok(None);
    }
    Ok(match event::read()? {
        Event::Key(key) => pressed(key),
        Event::Resize(..) => Some(Pressed::Resized),
        _ => None,
    })
}

/// What a key means, if anything.
fn pressed(event: KeyEvent) -> Option<Pressed> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let modified = event
        .modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let key = match event.code {
        KeyCode::Char('l') if event.modifiers == KeyModifiers::CONTROL => {
            return Some(Pressed::Anew);
        }
        KeyCode::Char(char) if !modified => Key::Char(char),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        _ => return None,
    };
    Some(Pressed::Key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_control_or_alt_are_not_the_letters() {
        let table = [
            (
                KeyCode::Char('p'),
                KeyModifiers::NONE,
                Some(Pressed::Key(Key::Char('p'))),
            ),
            (
                KeyCode::Char('?'),
                KeyModifiers::SHIFT,
                Some(Pressed::Key(Key::Char('?'))),
            ),
            (KeyCode::Char('s'), KeyModifiers::CONTROL, None),
            (KeyCode::Char('q'), KeyModifiers::ALT, None),
            (
                KeyCode::Char('l'),
                KeyModifiers::CONTROL,
                Some(Pressed::Anew),
            ),
            (
                KeyCode::Enter,
                KeyModifiers::NONE,
                Some(Pressed::Key(Key::Enter)),
            ),
            (KeyCode::F(1), KeyModifiers::NONE, None),
        ];
        for (code, modifiers, wanted) in table {
            assert_eq!(pressed(KeyEvent::new(code, modifiers)), wanted, "{code:?}");
        }
    }
}
