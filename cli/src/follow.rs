//! Watching a run until it is over: a live view, or progress and messages, on stderr; then its report. Shared by `run`, `watch` and `wait`.

use crate::args::{Common, LogFormat};
use crate::clock;
use crate::control::Control;
use crate::error::Error;
use crate::feed::{AWAY, Feed, Heard};
use crate::live::{Asked, Live, Whose};
use crate::progress;
use crate::signals::Signals;
use crate::summary_file::SummaryFile;
use crate::terminal::Terminal;
use controller::report::Report;
use proto::v1::run_event::Event;
use proto::v1::{Level, LogLine, Progress, RunOver, RunState, StartReply, StateChanged, StopMode};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// How long an interrupted run has to end, beside its teardown, before its watcher leaves without it; docs/running.md states it.
pub(crate) const INTERRUPT_BOUND: Duration = Duration::from_secs(15);
/// How often progress is told where no line can be rewritten.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// What the first Ctrl-C does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Stops the run: this process started it.
    Stops,
    /// Leaves the run alone and only stops watching.
    Leaves,
}

/// What is to end with an exit code of its own, though it is fine by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FailOn {
    /// Load or data have gaps.
    Degraded,
}

/// Tells that a run was started on a standing controller.
pub(crate) fn announce(started: &StartReply, common: &Common, terminal: &Terminal) {
    if common.quiet {
        return;
    }
    match started.queued_behind {
        0 => terminal.line(&format!("run {}", started.run)),
        1 => terminal.line(&format!(
            "run {}: queued behind another run (--no-queue refuses to wait)",
            started.run
        )),
        ahead => terminal.line(&format!(
            "run {}: queued behind {ahead} other runs (--no-queue refuses to wait)",
            started.run
        )),
    }
}

/// How watching a run ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With the run.
    Over(Box<RunOver>),
    /// Before it: whoever watched somebody else's run had seen enough.
    Left,
}

/// A run that is watched.
pub(crate) struct Watch<'a> {
    pub(crate) control: &'a Control,
    pub(crate) run: &'a str,
    pub(crate) interrupt: Interrupt,
    /// A live view, where the terminal allows it; lines otherwise.
    pub(crate) view: Option<Wanted<'a>>,
    pub(crate) common: &'a Common,
    pub(crate) terminal: &'a Terminal,
}

/// A view that is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) title: &'a str,
    pub(crate) whose: Whose,
    /// Not before all agents are there: what they need to join stands in lines that somebody is to copy.
    pub(crate) once_enlisted: bool,
}

impl Wanted<'_> {
    /// Whether it is to be opened when this has happened.
    fn opens(&self, event: &Event) -> bool {
        match event {
            // Of a run that is over there is nothing to see.
            Event::Over(_) => false,
            Event::State(state) => !self.once_enlisted || state.state() > RunState::StateEnlisting,
            _ => !self.once_enlisted,
        }
    }
}

/// Watches a run to its end.
///
/// # Errors
/// `Lost` when the controller goes away and does not come back, `InterruptTooSlow` when an interrupted run does not end within its bound,
/// `StoppedWatching` after a Ctrl-C that leaves it alone.
pub(crate) async fn until_over(watch: Watch<'_>, mut signals: Signals) -> Result<Ended, Error> {
    let Watch {
        control,
        run,
        interrupt,
        mut view,
        common,
        terminal,
    } = watch;
    let mut feed = Feed::new(control.clone(), run).await?;
    let mut screen = Screen {
        common,
        terminal,
        told: None,
        last: String::new(),
    };
    let mut live: Option<Live> = None;
    let mut deadline = None;
    // How long the state that the run is in may still take by itself.
    let mut within = Duration::ZERO;
    let ended = loop {
        tokio::select! {
                    heard = feed.next() => match heard {
                        Ok(Heard::Event(event)) => {
                            let Some(event) = event.event else { continue };
                            if let Some(wanted) = view.take_if(|wanted| wanted.opens(&event)) {
                                live = Live::open(wanted.title, run, wanted.whose, control, common, terminal);
                            }
                            if let Some(live) = &mut live {
                                live.event(&event);
                            }
                            match event {
                                Event::Over(over) => break Ok(Ended::Over(Box::new(over))),
                                Event::Progress(progress) => screen.progress(&progress),
                                Event::State(state) => {
                                    within = Duration::from_nanos(state.within_ns);
                                    let teardown = state.state() == RunState::StateTeardown;
                                    deadline = deadline.map(|bound| if teardown { bound + within } else { bound });
                                    screen.state(&state);
                                }
                                Event::Log(line) => screen.log(&line),
                                Event::View(_) | Event::Seconds(_) => {}
                            }
                        }
                        Ok(Heard::Away(why)) => {
                            screen.say(&format!("lost the controller: {why}; waiting up to {} s for it to come back", AWAY.as_secs()));
                            if let Some(live) = &mut live {
        live.away();
        }
                        }
                        Ok(Heard::Back) => {
                            screen.say("the controller is back; the run goes on");
                            if let Some(live) = &mut live {
        live.back();
        }
                        }
                        Err(error) => break Err(error),
                    },
                    () = signals.interrupted(), if deadline.is_none() => {
                        if interrupt == Interrupt::Leaves {
                            break Err(Error::StoppedWatching(run.to_owned()));
                        }
                        screen.say(&format!("interrupting the run; its report comes within {} s, a second Ctrl-C leaves at once", INTERRUPT_BOUND.as_secs()));
                        if let Some(live) = &mut live {
        live.interrupted();
        }
                        deadline = Some(clock::now() + INTERRUPT_BOUND + within);
                        // An error here shows again as the loss of the events, or as the bound.
                        let mut control = control.clone();
                        let run = run.to_owned();
                        tokio::spawn(async move { control.stop(&run, StopMode::StopInterrupt, "Ctrl-C or SIGTERM at the command line").await });
                    }
                    asked = asked(&mut live) => match asked {
                        Asked::Interrupt => signals.press(),
                        Asked::Leave => break Ok(Ended::Left),
                    },
                    () = clock::until(deadline), if deadline.is_some() => break Err(Error::InterruptTooSlow(INTERRUPT_BOUND.as_secs())),
                }
    };
    drop(live);
    terminal.status("");
    let ended = ended?;
    Ok(match ended {
        // Said already.
        Ended::Over(mut over) if over.text == screen.last && !common.quiet => {
            over.text.clear();
            Ended::Over(over)
        }
        ended => ended,
    })
}

/// What is asked for in the view; never anything where there is none.
async fn asked(live: &mut Option<Live>) -> Asked {
    match live {
        Some(live) => live.asked().await,
        None => std::future::pending().await,
    }
}

/// Prints the report on stdout, and why the run ended if not by itself on stderr; writes the summary; gives the exit code.
///
/// # Errors
/// `Internal` when the report is none (a controller of another version) or stdout is gone, `Summary` when the disk is full.
pub(crate) fn conclude(
    over: &RunOver,
    fail_on: Option<FailOn>,
    summary: Option<SummaryFile>,
    common: &Common,
    terminal: &Terminal,
) -> Result<u8, Error> {
    let mut code = u8::try_from(over.exit_code).unwrap_or(u8::MAX);
    if !over.report.is_empty() {
        let report: Report = serde_json::from_slice(&over.report).map_err(|error| {
            Error::Internal(format!(
                "the report cannot be read: {error}; is the controller of another version?"
            ))
        })?;
        if let Some(FailOn::Degraded) = fail_on {
            code = report.exit.code_failing_on_degraded();
        }
        // First, for it must not be lost when nobody reads stdout any more.
        if let Some(summary) = summary {
            summary.write(&over.report)?;
        }
        let mut text = controller::report::text(&report, colored(common));
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| Error::Internal(format!("cannot print the report: {error}")))?;
    }
    if !over.text.is_empty() {
        match common.log_format {
            LogFormat::Text => terminal.line(&over.text),
            LogFormat::Json => tracing::warn!(target: "throng::run", "{}", over.text),
        }
    }
    Ok(code)
}

fn colored(common: &Common) -> bool {
    use std::io::IsTerminal as _;
    std::io::stdout().is_terminal() && !common.without_color()
}

/// What is shown while a run goes on.
pub(crate) struct Screen<'a> {
    common: &'a Common,
    terminal: &'a Terminal,
    told: Option<Instant>,
    last: String,
}

impl Screen<'_> {
    /// Says something that belongs to no event.
    pub(crate) fn say(&self, text: &str) {
        if self.common.quiet {
            return;
        }
        match self.common.log_format {
            LogFormat::Text => self.terminal.line(text),
            LogFormat::Json => tracing::info!(target: "throng::run", "{text}"),
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if self.terminal.is_covered() {
            // The view shows more.
            return;
        }
        let rewrites = self.terminal.rewrites() && self.common.log_format == LogFormat::Text;
        if rewrites && !self.common.quiet {
            self.terminal.status(&progress::line(
                progress,
                self.terminal.width().saturating_sub(1),
            ));
            return;
        }
        let now = clock::now();
        if self
            .told
            .is_none_or(|told| now.saturating_duration_since(told) >= PLAIN_EVERY)
        {
            self.told = Some(now);
            self.say(&progress::line(progress, usize::MAX));
        }
    }

    fn state(&mut self, state: &StateChanged) {
        if !state.text.is_empty() {
            self.say(&state.text);
            self.last.clone_from(&state.text);
        }
    }

    /// A message of an agent or a scenario. The report has the table of errors, so that only `-v` shows them as they come.
    fn log(&self, line: &LogLine) {
        let level = Level::try_from(line.level).unwrap_or(Level::Error);
        let wanted = match level {
            _ if self.common.verbose => true,
            Level::Info => !self.common.quiet,
            Level::Warn | Level::Error => !line.error,
        };
        if !wanted {
            return;
        }
        let times = if line.count > 1 {
            format!(" ({} times)", line.count)
        } else {
            String::new()
        };
        let sample = if line.sample.is_empty() {
            String::new()
        } else {
            format!(": {}", line.sample)
        };
        let text = format!("{}{times}{sample}", line.text);
        match (self.common.log_format, level) {
            (LogFormat::Json, Level::Info) => tracing::info!(target: "throng::agent", "{text}"),
            (LogFormat::Json, Level::Warn) => tracing::warn!(target: "throng::agent", "{text}"),
            (LogFormat::Json, Level::Error) => tracing::error!(target: "throng::agent", "{text}"),
            (LogFormat::Text, _) => self.terminal.line(&text),
        }
    }
}
