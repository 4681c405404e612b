//! `throng plan`: what a scenario comes to over a fleet, before anything is sent. The thinking is the plan room's.

use crate::args::Common;
use crate::error::Error;
use crate::load::{Aim, Load};
use crate::source;
use crate::terminal::Terminal;
use crate::weights::{self, Weights};
use clap::ArgMatches;
use plan::stripe::LONGEST_PATTERN;
use plan::{Explanation, Overrides, Stripe};
use std::io::Write as _;

/// `throng plan`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A scenario file, `-` for stdin, the http(s) URL of a .yaml file, or any other http(s) URL to request over and over
    #[arg(value_name = "FILE|URL")]
    pub(crate) source: Option<String>,

    /// How many agents share the load [default: as many as weights, or 1]
    #[arg(long, env = "THRONG_AGENTS", value_name = "N", help_heading = "Fleet")]
    pub(crate) agents: Option<u32>,
    /// What part of the load each agent takes, e.g. `2,1,1`; an agent of weight 0 takes none
    #[arg(
        long,
        env = "THRONG_WEIGHTS",
        value_name = "W,W,…",
        help_heading = "Fleet"
    )]
    pub(crate) weights: Option<String>,

    /// Print JSON: every change of the VUs of each scenario and agent, and counts of arrivals
    #[arg(long, env = "THRONG_PLAN_JSON", help_heading = "Output")]
    pub(crate) json: bool,
    /// With --json: the first K arrivals of each scenario and agent, with their indexes in the whole
    #[arg(
        long,
        env = "THRONG_ARRIVALS",
        value_name = "K",
        default_value_t = 0,
        help_heading = "Output"
    )]
    pub(crate) arrivals: u64,

    #[command(flatten, next_help_heading = "Load (wins over the file)")]
    pub(crate) aim: Aim,
    #[command(flatten)]
    pub(crate) load: Load,
    /// The run's seed: it decides when Poisson arrivals are due
    #[arg(
        long,
        env = "THRONG_SEED",
        value_name = "N",
        default_value_t = 0,
        help_heading = "Load (wins over the file)"
    )]
    pub(crate) seed: u64,
}

const EXAMPLES: &str = "\
Examples:
  What one agent would do:
    throng plan scenario.yaml
  A fleet of three, the first twice as strong:
    throng plan scenario.yaml --weights 2,1,1
  For a program to check, with the first 100 instants of each agent:
    throng plan scenario.yaml --agents 4 --json --arrivals 100

Nothing is sent: no agent, no controller and no target is asked.";

impl Args {
    /// As for `throng run`: lists from the environment, and k6's tiers.
    pub(crate) fn settle(&mut self, matches: &ArgMatches) {
        self.load.settle(matches);
    }

    fn stripe(&self) -> Result<Stripe, Error> {
        let weights = self.weights.as_deref().map(weights::parse).transpose()?;
        let weights = match (self.agents, weights) {
            (_, Some(Weights::Auto | Weights::Named(_))) => {
                return Err(Error::flags(
                    "--weights: a plan knows agents neither by name nor by what they can do",
                    "list one weight for each, e.g. `2,1,1`",
                ));
            }
            (Some(0), None) => {
                return Err(Error::flags(
                    "--agents 0 leaves nobody to make load",
                    "plan for at least one",
                ));
            }
            (Some(agents), None) if u64::from(agents) > LONGEST_PATTERN => {
                return Err(Error::flags(
                    format!("--agents {agents}: at most {LONGEST_PATTERN} can be planned for"),
                    "plan for fewer",
                ));
            }
            (agents, None) => vec![1; agents.unwrap_or(1) as usize],
            (Some(agents), Some(Weights::Listed(list))) if agents as usize != list.len() => {
                return Err(Error::flags(
                    format!("--weights lists {}, and --agents says {agents}", list.len()),
                    "give every agent a weight, or leave --agents out",
                ));
            }
            (_, Some(Weights::Listed(list))) => list,
        };
        Stripe::try_new(weights).map_err(|error| Error::flags(format!("--weights: {error}"), ""))
    }
}

/// Prints the plan.
///
/// # Errors
/// What is wrong with flags, files or the scenario.
pub(crate) async fn run(args: Args, common: &Common, terminal: &Terminal) -> Result<u8, Error> {
    let stripe = args.stripe()?;
    let given = source::given(args.source.as_deref(), false, args.aim.base_url.is_some())?;
    let variables = args.load.variables()?;
    let overrides = Overrides {
        base_url: args.aim.base_url,
        ..args.load.overrides()
    };
    let color = terminal.rewrites() && !common.without_color();
    let bundle = source::bundle(given, overrides, variables, args.seed, color).await?;
    let plan =
        plan::compile(&bundle).map_err(|diagnostics| Error::Compile(diagnostics.render(color)))?;
    let explanation = Explanation::new(&plan, stripe, args.arrivals);
    let text = if args.json {
        for name in explanation.cut_short() {
            terminal.line(&format!(
                "warning: the VUs of {name} change more often than {} times; the rest is left out",
                plan::MOST_STEPS
            ));
        }
        format!("{}\n", explanation.json())
    } else {
        format!("{}\n{}", bundle.name, explanation.text())
    };
    // Whoever reads may have seen enough and gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(0)
}
