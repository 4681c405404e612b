//! The program `throng`: reads the command line, hands each verb what it needs, and is the only place that prints errors and exits.
//!
//! What load is, how it is made and how it is gathered are the other rooms' business.

mod access;
mod args;
mod change;
mod clock;
mod control;
mod embedded;
mod error;
mod feed;
mod follow;
mod frame;
mod live;
mod load;
mod log;
mod metrics_page;
mod outputs;
mod places;
mod probe;
mod progress;
mod serving;
mod signals;
mod source;
mod summary_file;
mod table;
mod terminal;
mod verb;
mod web_page;
mod weights;

use args::{Cli, LogFormat, Verb};
use error::Error;
use std::process::ExitCode;
use terminal::Terminal;

fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(message) => {
            // Nothing can be done when neither stdout nor stderr takes it.
            let _ = message.print();
            return if message.use_stderr() {
                ExitCode::from(controller::exit::ExitCode::Invalid.code())
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let terminal = Terminal::stderr();
    let wanted = match cli.verb {
        Verb::Controller(_) | Verb::Agent(_) | Verb::Demo(_) => log::Wanted::Everything,
        _ if cli.common.log_format == LogFormat::Json => log::Wanted::Everything,
        _ => log::Wanted::Warnings,
    };
    log::start(&cli.common, wanted, &terminal);
    let common = cli.common.clone();
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(dispatch(cli, &terminal));
        // Whatever still runs has nothing left to say.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal.status("");
            match common.log_format {
                LogFormat::Text => terminal.line(error.render().trim_end()),
                LogFormat::Json => {
                    tracing::error!(code = error.code().code(), hint = error.hint(), "{error}")
                }
            }
            ExitCode::from(error.code().code())
        }
    }
}

/// The runtime of everything but load: agents keep threads of their own for that.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    // reqwest and the agents take the process's provider of cryptography; an error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(embedded::cores().clamp(2, 8))
        .thread_name("throng")
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("cannot start threads: {error}")))
}

async fn dispatch(cli: Cli, terminal: &Terminal) -> Result<u8, Error> {
    let common = &cli.common;
    match cli.verb {
        Verb::Run(args) => verb::run::run(*args, common, terminal).await,
        Verb::Plan(args) => verb::plan::run(*args, common, terminal).await,
        Verb::Controller(args) => verb::controller::run(args, terminal).await,
        Verb::Agent(args) => verb::agent::run(args, terminal).await,
        Verb::Agents(args) => verb::agents::run(args).await,
        Verb::Runs(args) => verb::runs::run(args).await,
        Verb::Pause(args) => verb::pause::run(args).await,
        Verb::Resume(args) => verb::resume::run(args).await,
        Verb::Scale(args) => verb::scale::run(args).await,
        Verb::Annotate(args) => verb::annotate::run(args).await,
        Verb::Stop(args) => verb::stop::run(args).await,
        Verb::Wait(args) => verb::wait::run(args, common, terminal).await,
        Verb::Watch(args) => verb::watch::run(args, common, terminal).await,
        Verb::Merge(args) => verb::merge::run(args, common, terminal),
        Verb::Report(args) => verb::report::run(args, common, terminal),
        Verb::Token(args) => verb::token::run(args),
        Verb::Login(args) => verb::login::run(args).await,
        Verb::Demo(args) => verb::demo::run(*args, terminal).await,
        Verb::K8s(args) => verb::k8s::run(args, common, terminal).await,
        Verb::Doctor(args) => Ok(verb::doctor::run(&args)),
        Verb::Completions(args) => Ok(verb::completions::run(&args)),
        Verb::Man(args) => verb::man::run(&args),
    }
}
