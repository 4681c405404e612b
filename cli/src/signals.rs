//! Ctrl-C and SIGTERM: the first asks politely, the second leaves at once. What politeness means is the verb's business.

use crate::clock;
use crate::error::Error;
use crate::terminal::Terminal;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// Signals closer together than this are one: `timeout` and some shells send theirs to the process and to its group.
const ONE_PRESS: Duration = Duration::from_millis(300);
/// How long the terminal has to take the last words.
const GOODBYE: Duration = Duration::from_secs(1);

/// Tells whether a signal has come. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Signals {
    came: watch::Receiver<bool>,
    pressed: mpsc::Sender<()>,
}

impl Signals {
    /// Begins to listen. From here on the process no longer dies of the first SIGINT or SIGTERM.
    ///
    /// # Errors
    /// `Internal`: the host gives no handler.
    pub(crate) fn listen(terminal: &Terminal) -> Result<Self, Error> {
        let handler = |kind| {
            signal(kind)
                .map_err(|error| Error::Internal(format!("cannot listen for signals: {error}")))
        };
        let mut interrupt = handler(SignalKind::interrupt())?;
        let mut terminate = handler(SignalKind::terminate())?;
        let (tell, came) = watch::channel(false);
        let (pressed, mut presses) = mpsc::channel(1);
        let terminal = terminal.clone();
        tokio::spawn(async move {
            let mut first: Option<Instant> = None;
            loop {
                tokio::select! {
                    Some(()) = interrupt.recv() => {}
                    Some(()) = terminate.recv() => {}
                    Some(()) = presses.recv() => {}
                    else => return,
                }
                let now = clock::now();
                if first.is_some_and(|at| now.duration_since(at) < ONE_PRESS) {
                    continue;
                }
                if first.is_some() {
                    say_goodbye(&terminal);
                    leave();
                }
                first = Some(now);
                // Nobody may be listening yet, or any more; a later receiver still sees the value.
                let _ = tell.send(true);
            }
        });
        Ok(Self { came, pressed })
    }

    /// Does what Ctrl-C does.
    pub(crate) fn press(&self) {
        // One that waits already is enough.
        let _ = self.pressed.try_send(());
    }

    /// Whether a signal has come.
    pub(crate) fn came(&self) -> bool {
        *self.came.borrow()
    }

    /// Resolves at the first signal, at once if it has come already.
    pub(crate) async fn interrupted(&mut self) {
        if self.came.wait_for(|came| *came).await.is_err() {
            // The listener is gone, so no signal can come.
            std::future::pending::<()>().await;
        }
    }
}

/// Puts the terminal back and says what happens; a terminal that takes nothing is not waited for.
fn say_goodbye(terminal: &Terminal) {
    let (done, is_done) = std::sync::mpsc::channel();
    let terminal = terminal.clone();
    std::thread::spawn(move || {
        terminal.release();
        terminal.status("");
        terminal.line("interrupted twice: leaving at once, without a report");
        // Whoever waited may have left.
        let _ = done.send(());
    });
    let _ = is_done.recv_timeout(GOODBYE);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the second signal must not wait for main, which may be stuck"
)]
fn leave() -> ! {
    std::process::exit(i32::from(controller::exit::ExitCode::Interrupted.code()))
}
