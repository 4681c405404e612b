//! Logs go to stderr, as text or JSON; `RUST_LOG` narrows or widens them. The report is none of this file's business.

use crate::args::{Common, LogFormat};
use crate::terminal::Terminal;
use tracing_subscriber::EnvFilter;

/// Which logs are wanted when neither `-v`, `-q` nor `RUST_LOG` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A run in the foreground: its progress says the rest.
    Warnings,
    /// A standing process: what happens is only in its log.
    Everything,
}

/// Sends the process's logs to the terminal.
pub(crate) fn start(common: &Common, wanted: Wanted, terminal: &Terminal) {
    let level = match (common.quiet, common.verbose, wanted) {
        (true, ..) => "error",
        (_, true, _) => "debug,h2=info,hyper=info,tower=info,tonic=info,rustls=info,reqwest=info",
        // The watcher is told what the controller and the agents of this process have to say.
        (_, _, Wanted::Warnings) => "warn,throng_controller=error,throng_agent=error",
        (_, _, Wanted::Everything) => "info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let out = terminal.clone();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(terminal.rewrites() && !common.without_color())
        .with_writer(move || out.clone());
    match common.log_format {
        LogFormat::Text => builder.with_target(common.verbose).init(),
        LogFormat::Json => builder.json().init(),
    }
}

impl Common {
    /// True if colours are not wanted: the flag, or `NO_COLOR` with any text (no-color.org).
    pub(crate) fn without_color(&self) -> bool {
        self.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
    }
}
