//! `throng run`: from a scenario to the report, alone or with a fleet.
//!
//! Alone is a fleet of one process: the same controller, the same agents, the same wire.

mod contradictions;
pub(crate) mod flags;

pub(crate) use flags::Args;

use crate::args::{Common, LogFormat};
use crate::control::Control;
use crate::embedded::{self, Embedded, Wanted};
use crate::error::Error;
use crate::follow::{self, Ended, Interrupt, Watch};
use crate::frame;
use crate::live::Whose;
use crate::signals::Signals;
use crate::source;
use crate::summary_file::SummaryFile;
use crate::terminal::Terminal;
use crate::web_page::Neighbours;
use crate::weights::Weights;
use controller::journal::Folder;
use proto::v1::{RunOver, StartHead};
use std::io::Write as _;
use std::path::Path;

/// Runs, and gives the process's exit code.
///
/// # Errors
/// Whatever keeps the run from its report; a run that failed with a report is no error but an exit code.
pub(crate) async fn run(args: Args, common: &Common, terminal: &Terminal) -> Result<u8, Error> {
    args.check()?;
    let weights = args.weights()?;
    let outputs = args.outputs.specs()?;
    // Whoever gives weights says how many agents there are to be.
    let weighed = weights.as_ref().and_then(Weights::agents);
    let given = source::given(
        args.source.as_deref(),
        args.demo,
        args.aim.base_url.is_some(),
    )?;
    let mut overrides = args.overrides()?;
    let variables = args.variables()?;
    let summary = args
        .kept
        .summary
        .as_deref()
        .map(SummaryFile::claim)
        .transpose()?;

    let color = terminal.rewrites() && !common.without_color();
    let demo = if args.demo {
        Some(embedded::demo().await?)
    } else {
        None
    };
    if let Some(demo) = &demo {
        overrides.base_url = Some(format!("http://{}", demo.address()));
    }
    let bundle = source::bundle(
        given,
        overrides,
        variables,
        args.seed.unwrap_or_else(source::seed),
        color,
    )
    .await?;
    source::compile(&bundle, color)?;

    // From here on there is something to end in order.
    let signals = Signals::listen(terminal)?;

    let wait_ms = u64::try_from(args.wait.as_millis()).unwrap_or(u64::MAX);
    let mut head = StartHead {
        expect_agents: args.expect_agents.or(weighed).unwrap_or(0),
        min_agents: args.min_agents.unwrap_or(0),
        wait_ms,
        queue: !args.no_queue,
        preflight: !args.no_preflight,
        weights: weights.map(Weights::wanted),
        ..StartHead::default()
    };
    // What is to be ended after the report, when somebody says so.
    let mut staying = None;
    let mut asked = signals.clone();
    let over = if let Some(url) = &args.controller {
        let mut control = args.access.connect(url).await?;
        let started = control.start(&bundle, &head).await?;
        if args.detach {
            println!("{}", started.run);
            return Ok(0);
        }
        follow::announce(&started, common, terminal);
        follow_it(
            &control,
            &started.run,
            &bundle.name,
            &args,
            signals,
            common,
            terminal,
        )
        .await?
    } else {
        let listen = match args.listen {
            Some(address) => Some((address, args.serving.open(address, &args.access.files)?)),
            None => None,
        };
        let token = listen.as_ref().and_then(|(_, opened)| opened.token.clone());
        let runs = args.runs.as_deref().map(folder).transpose()?;
        // Agents of this process come in by an open door of the loopback, so others on this host can, too.
        let web = args
            .web
            .open(&args.serving, &args.access.files, Neighbours::Trusted)
            .await?;
        if let Some(page) = &web {
            let until = if args.web_stay {
                "until Ctrl-C after the report"
            } else {
                "until the run is over"
            };
            match common.log_format {
                LogFormat::Json => tracing::info!(url = page.url(), "web page"),
                LogFormat::Text if common.quiet => {}
                LogFormat::Text => terminal.line(&format!("web page, {until}: {}", page.url())),
            }
        }
        let wanted = Wanted {
            web,
            listen,
            agents: args.agents.or(weighed.filter(|_| args.listen.is_none())),
            outputs,
            lease: args.lease.unwrap_or(embedded::LEASE),
        };
        let mut embedded = Embedded::start(wanted, runs).await?;
        if let Some(url) = embedded.public()
            && !common.quiet
            && common.log_format == LogFormat::Text
        {
            let with = match &token {
                Some(_) => " --join-file FILE --allow-target HOST",
                None => "",
            };
            terminal.line(&format!(
                "agents join with `throng agent --controller {url}{with}` (or this host's address, from elsewhere)"
            ));
            if let Some(token) = &token {
                terminal.line(&format!("a join token for one of them; `throng token create` makes more, and --no-token prints none:\n{token}"));
            }
        }
        if head.expect_agents == 0 {
            head.expect_agents = embedded.agents().max(1);
        }
        let mut control = Control::connect(embedded.url()).await?;
        let started = control.start(&bundle, &head).await?;
        let over = embedded
            .guard(follow_it(
                &control,
                &started.run,
                &bundle.name,
                &args,
                signals,
                common,
                terminal,
            ))
            .await;
        if args.web_stay && over.is_ok() {
            staying = Some(embedded);
        } else {
            embedded.stop().await;
        }
        over?
    };
    if args.report_frame {
        let lines = frame::write(&over)
            .map_err(|error| Error::Internal(format!("the report cannot be packed: {error}")))?;
        std::io::stdout()
            .write_all(lines.as_bytes())
            .map_err(|error| Error::Internal(format!("cannot print the report: {error}")))?;
    }
    let code = follow::conclude(&over, args.fail_on, summary, common, terminal)?;
    if let Some(embedded) = staying {
        // At once when it was a signal that ended the run.
        asked.interrupted().await;
        embedded.stop().await;
    }
    if let Some(demo) = demo {
        demo.stop().await;
    }
    Ok(code)
}

/// Watches the run that was started here, called `name`, to its end.
async fn follow_it(
    control: &Control,
    run: &str,
    name: &str,
    args: &Args,
    signals: Signals,
    common: &Common,
    terminal: &Terminal,
) -> Result<Box<RunOver>, Error> {
    let watch = Watch {
        control,
        run,
        interrupt: Interrupt::Stops,
        view: (!args.no_live).then_some(follow::Wanted {
            title: name,
            whose: Whose::Ours,
            once_enlisted: args.listen.is_some(),
        }),
        common,
        terminal,
    };
    match follow::until_over(watch, signals).await? {
        Ended::Over(over) => Ok(over),
        Ended::Left => Err(Error::StoppedWatching(run.to_owned())),
    }
}

/// The directory in which this one run is to be kept.
fn folder(dir: &Path) -> Result<Folder, Error> {
    Folder::on_disk(dir)
        .map(Folder::only_new)
        .map_err(|why| Error::flags(format!("--runs: {why}"), ""))
}
