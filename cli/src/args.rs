//! The command line: its verbs, what all of them share, and how values are written. Every flag has a `THRONG_*` variable.
//!
//! Knows no room: what a flag means is its verb's business.

use crate::access::Access;
use crate::control::Control;
use crate::error::Error;
use crate::verb;
use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{
    ArgAction, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand,
    ValueEnum,
};
use std::time::Duration;

/// Where a controller listens unless told otherwise.
pub(crate) const CONTROLLER_PORT: u16 = 7437;
/// What client verbs dial unless told otherwise.
pub(crate) const CONTROLLER: &str = "http://127.0.0.1:7437";

/// Sends a crowd at a service and tells the truth about what happened.
#[derive(Debug, Parser)]
#[command(name = "throng", version, about, after_help = EXAMPLES, disable_help_subcommand = true, infer_subcommands = false)]
pub(crate) struct Cli {
    /// What is shared by all verbs.
    #[command(flatten)]
    pub(crate) common: Common,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  Practise on the built-in reservation service:
    throng run --demo
  One request, over and over:
    throng run http://localhost:8080/ -u 50 -d 10s
  A scenario of yours:
    throng run scenario.yaml --base-url http://shop.test
  Many hosts; it says how agents join:
    throng controller --listen 0.0.0.0:7437

Exit codes: docs/exit-codes.md. Scenario files: docs/scenarios.md.";

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Common {
    /// Show only the report, and warnings
    #[arg(
        short,
        long,
        global = true,
        env = "THRONG_QUIET",
        conflicts_with = "verbose"
    )]
    pub(crate) quiet: bool,
    /// Tell more (logs at debug level)
    #[arg(short, long, global = true, env = "THRONG_VERBOSE")]
    pub(crate) verbose: bool,
    /// Never use colours (NO_COLOR does the same)
    #[arg(long, global = true, env = "THRONG_NO_COLOR")]
    pub(crate) no_color: bool,
    /// How logs are written to stderr: `text` or `json`
    #[arg(long, global = true, env = "THRONG_LOG_FORMAT", value_enum, hide_possible_values = true, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The verbs, one file each.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a scenario and print the report
    Run(Box<verb::run::Args>),
    /// Show what a scenario comes to, and each agent's share, without sending anything
    Plan(Box<verb::plan::Args>),
    /// Direct a fleet of agents until stopped
    Controller(verb::controller::Args),
    /// Make load for a controller
    Agent(verb::agent::Args),
    /// List the agents of a controller
    Agents(verb::agents::Args),
    /// List the runs of a controller
    Runs(verb::runs::Args),
    /// Pause a run: its stages stand still and no iteration begins
    Pause(verb::pause::Args),
    /// Let a paused run go on
    Resume(verb::resume::Args),
    /// Change how much load a run makes
    Scale(verb::scale::Args),
    /// Note something on a run's time line
    Annotate(verb::annotate::Args),
    /// Stop a run
    Stop(verb::stop::Args),
    /// Watch a run live, from any machine; leaving leaves it alone
    Watch(verb::watch::Args),
    /// Wait for a run, print its report, end with its exit code
    Wait(verb::wait::Args),
    /// Make the report of a run from what its agents kept, when its controller cannot
    Merge(verb::merge::Args),
    /// Print the report of a run that was kept
    Report(verb::report::Args),
    /// Make, list and take back join tokens, where a controller's state is
    Token(verb::token::Args),
    /// Trade an operator's join token for credentials that this user's other verbs use
    Login(verb::login::Args),
    /// Serve the concert reservation service to practise on
    Demo(Box<verb::demo::Args>),
    /// Run a scenario in Kubernetes
    K8s(verb::k8s::Args),
    /// Look whether this host can make load, and say how to mend what stands in the way
    Doctor(verb::doctor::Args),
    /// Print what a shell needs to complete verbs and flags
    Completions(verb::completions::Args),
    /// Write manual pages
    Man(verb::man::Args),
}

/// Where the controller is; shared by the verbs that talk to a standing one.
#[derive(Debug, Clone, Args)]
pub(crate) struct Remote {
    /// The controller's address
    #[arg(long, env = "THRONG_CONTROLLER", default_value = CONTROLLER, value_name = "URL")]
    pub(crate) controller: String,
    #[command(flatten)]
    pub(crate) access: Access,
}

impl Remote {
    /// Dials it as an operator.
    ///
    /// # Errors
    /// `Flags`, `Read`, `Unreachable`, `Door`.
    pub(crate) async fn connect(&self) -> Result<Control, Error> {
        self.access.connect(&self.controller).await
    }
}

/// The command with what is true of every flag: switches take `THRONG_X=1`, `true`, `yes`, …; help does not show the environment.
pub(crate) fn command() -> Command {
    fn finish(command: Command) -> Command {
        command
            .mut_args(|arg| {
                let arg = arg.hide_env_values(true);
                if matches!(arg.get_action(), ArgAction::SetTrue) {
                    return arg.value_parser(BoolishValueParser::new());
                }
                // So that a negative one is refused for what it is, and not as an unknown flag.
                let names = arg.get_value_names().unwrap_or_default();
                let time = names.iter().any(|name| name.starts_with("TIME"));
                if arg.is_positional() {
                    arg
                } else {
                    arg.allow_negative_numbers(true).allow_hyphen_values(time)
                }
            })
            .mut_subcommands(finish)
    }
    finish(Cli::command())
}

/// Parses this process's command line; prints help, version or clap's message and ends as clap does, with 104 for bad flags.
pub(crate) fn parse<I, T>(arguments: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<std::ffi::OsString> + Clone,
{
    let matches = command().try_get_matches_from(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if let (Verb::Run(run), Some(matches)) = (&mut cli.verb, matches.subcommand_matches("run")) {
        run.settle(matches);
    }
    if let (Verb::Plan(plan), Some(matches)) = (&mut cli.verb, matches.subcommand_matches("plan")) {
        plan.settle(matches);
    }
    if let (Verb::K8s(k8s), Some(matches)) = (&mut cli.verb, matches.subcommand_matches("k8s")) {
        let verb::k8s::Verb::Run(run) = &mut k8s.verb;
        if let Some(matches) = matches.subcommand_matches("run") {
            run.settle(matches);
        }
    }
    Ok(cli)
}

/// True if the value came from the command line itself rather than the environment or a default.
pub(crate) fn typed(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// `name=value`, the value possibly empty.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, e.g. `STAGE=test`".to_owned()),
    }
}

/// How long an agent may go on unheard.
pub(crate) fn lease(text: &str) -> Result<Duration, String> {
    let lease = plan::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=Duration::from_secs(60)).contains(&lease) {
        Ok(lease)
    } else {
        Err("a lease is from 1s, for a link without hiccups, to 60s, which a lost agent's share then waits".to_owned())
    }
}

/// An address to listen on: `ADDR:PORT`, a bare `:PORT` for all addresses, or an address with the usual port.
pub(crate) fn listen(text: &str) -> Result<std::net::SocketAddr, String> {
    address(text, CONTROLLER_PORT)
}

/// The web page's.
pub(crate) fn web(text: &str) -> Result<std::net::SocketAddr, String> {
    address(text, web::PORT)
}

fn address(text: &str, usual: u16) -> Result<std::net::SocketAddr, String> {
    let wrong = || {
        format!(
            "`{text}` is not an address to listen on; write e.g. `127.0.0.1:{usual}`, or `0.0.0.0:{usual}` for all of this host's"
        )
    };
    if let Some(port) = text.strip_prefix(':') {
        return port
            .parse()
            .map(|port: u16| (std::net::Ipv4Addr::UNSPECIFIED, port).into())
            .map_err(|_| wrong());
    }
    if let Ok(ip) = text.parse::<std::net::IpAddr>() {
        return Ok((ip, usual).into());
    }
    text.replace("localhost:", "127.0.0.1:")
        .parse()
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable_named_after_it() {
        fn look(command: &Command, path: &str, faults: &mut Vec<String>) {
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                if matches!(long, "help" | "version") {
                    continue;
                }
                let env = arg.get_env().map(|env| env.to_string_lossy().into_owned());
                let stem = long.to_uppercase().replace('-', "_");
                let good = env
                    .as_deref()
                    .is_some_and(|env| env.starts_with("THRONG_") && env.ends_with(&stem));
                if !good {
                    faults.push(format!("{path} --{long}: {env:?}"));
                }
            }
            for inner in command.get_subcommands() {
                look(inner, &format!("{path} {}", inner.get_name()), faults);
            }
        }
        let mut faults = Vec::new();
        look(&command(), "throng", &mut faults);
        assert!(faults.is_empty(), "{faults:#?}");
    }

    #[test]
    fn addresses() {
        let table = [
            ("127.0.0.1:80", Some("127.0.0.1:80")),
            (":7437", Some("0.0.0.0:7437")),
            ("10.0.0.1", Some("10.0.0.1:7437")),
            ("localhost:0", Some("127.0.0.1:0")),
            ("[::1]:5", Some("[::1]:5")),
            ("shop", None),
            (":x", None),
        ];
        for (text, wanted) in table {
            assert_eq!(
                listen(text).ok().map(|a| a.to_string()).as_deref(),
                wanted,
                "{text}"
            );
        }
    }
}
