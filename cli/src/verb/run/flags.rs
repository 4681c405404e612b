//! The flags of `throng run`, their precedence, and what of them goes into the bundle. Contradictions are found elsewhere.

use crate::access::Access;
use crate::args;
use crate::embedded;
use crate::error::Error;
use crate::follow::FailOn;
use crate::load::{Aim, Kept, Load, Tags};
use crate::outputs::Outputs;
use crate::serving::Serving;
use crate::web_page;
use crate::weights::{self, Weights};
use clap::ArgMatches;
use plan::Overrides;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `throng run`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A scenario file, `-` for stdin, the http(s) URL of a .yaml file, or any other http(s) URL to request over and over
    #[arg(value_name = "FILE|URL")]
    pub(crate) source: Option<String>,

    /// Start the demo service on a free port and aim at it
    #[arg(long, env = "THRONG_DEMO", help_heading = "Target")]
    pub(crate) demo: bool,
    #[command(flatten, next_help_heading = "Target")]
    pub(crate) aim: Aim,
    /// Accept any certificate of the target
    #[arg(long, env = "THRONG_INSECURE_SKIP_TLS_VERIFY", help_heading = "Target")]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Do not look at the target before the load begins
    #[arg(long, env = "THRONG_NO_PREFLIGHT", help_heading = "Target")]
    pub(crate) no_preflight: bool,

    #[command(flatten)]
    pub(crate) load: Load,
    /// Seeds every random choice; printed in the report [default: drawn]
    #[arg(
        long,
        env = "THRONG_SEED",
        value_name = "N",
        help_heading = "Load (wins over the file)"
    )]
    pub(crate) seed: Option<u64>,

    /// Leave the scenario's setup out
    #[arg(
        long,
        env = "THRONG_NO_SETUP",
        help_heading = "Load (wins over the file)"
    )]
    pub(crate) no_setup: bool,
    /// Leave the scenario's teardown out
    #[arg(
        long,
        env = "THRONG_NO_TEARDOWN",
        help_heading = "Load (wins over the file)"
    )]
    pub(crate) no_teardown: bool,

    /// How many agents throng starts itself, one worker each [default: one per core; with --listen none]
    #[arg(long, env = "THRONG_AGENTS", value_name = "N", help_heading = "Fleet")]
    pub(crate) agents: Option<u32>,
    /// Run on the fleet of this standing controller
    #[arg(
        long,
        env = "THRONG_CONTROLLER",
        value_name = "URL",
        help_heading = "Fleet"
    )]
    pub(crate) controller: Option<String>,
    /// Be the controller of this one run, and let agents join here
    #[arg(long, env = "THRONG_LISTEN", value_name = "ADDR", value_parser = args::listen, help_heading = "Fleet")]
    pub(crate) listen: Option<SocketAddr>,
    /// Begin when so many agents are there
    #[arg(
        long,
        env = "THRONG_EXPECT_AGENTS",
        value_name = "N",
        help_heading = "Fleet"
    )]
    pub(crate) expect_agents: Option<u32>,
    /// When the wait is over, begin with at least so many [default: as expected]
    #[arg(
        long,
        env = "THRONG_MIN_AGENTS",
        value_name = "M",
        help_heading = "Fleet"
    )]
    pub(crate) min_agents: Option<u32>,
    /// What part of the load each agent takes: `2,1,1` in the order of their names, `eu=2,us=1` by name, or `auto` by their cores [default: all alike]
    #[arg(
        long,
        env = "THRONG_WEIGHTS",
        value_name = "W,W,…",
        help_heading = "Fleet"
    )]
    pub(crate) weights: Option<String>,
    /// What to do when an agent is lost in the middle: `redistribute` its share to the others, `continue` without it, or `abort` [default: as the file says, else redistribute]
    #[arg(
        long,
        env = "THRONG_ON_AGENT_LOSS",
        value_name = "WHAT",
        help_heading = "Fleet"
    )]
    pub(crate) on_agent_loss: Option<plan::OnAgentLoss>,
    /// How long an agent that hears nothing goes on making load; when it is over its share goes to the others (1s to 60s) [default: 5s]
    #[arg(long, env = "THRONG_LEASE", value_name = "TIME", value_parser = args::lease, help_heading = "Fleet")]
    pub(crate) lease: Option<Duration>,
    /// How long to wait for agents
    #[arg(long, env = "THRONG_WAIT", value_name = "TIME", default_value = "60s", value_parser = plan::parse_duration, help_heading = "Fleet")]
    pub(crate) wait: Duration,
    /// Print the run's id and leave; `throng wait RUN` gives its report
    #[arg(long, env = "THRONG_DETACH", help_heading = "Fleet")]
    pub(crate) detach: bool,
    /// Refuse to queue behind a run in progress
    #[arg(long, env = "THRONG_NO_QUEUE", help_heading = "Fleet")]
    pub(crate) no_queue: bool,

    #[command(flatten)]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) serving: Serving,
    #[command(flatten)]
    pub(crate) web: web_page::Flags,
    /// Keep the web page after the report, until Ctrl-C
    #[arg(long, env = "THRONG_WEB_STAY", requires = "web", help_heading = web_page::HEADING)]
    pub(crate) web_stay: bool,

    #[command(flatten, next_help_heading = "Report")]
    pub(crate) kept: Kept,
    /// Keep the run in a directory of this one: its journal while it goes on, its report for `throng report`
    #[arg(long, env = "THRONG_RUNS", value_name = "DIR", help_heading = "Report")]
    pub(crate) runs: Option<PathBuf>,
    /// Print the report also as numbered lines with a checksum, for whoever reads it from a log
    #[arg(long, env = "THRONG_REPORT_FRAME", help_heading = "Report")]
    pub(crate) report_frame: bool,
    /// Columns of trends, e.g. `avg,p(99),max`
    #[arg(
        long,
        env = "THRONG_SUMMARY_TREND_STATS",
        value_name = "STATS",
        help_heading = "Report"
    )]
    pub(crate) summary_trend_stats: Option<String>,
    #[command(flatten, next_help_heading = "Report")]
    pub(crate) tags: Tags,
    #[command(flatten)]
    pub(crate) outputs: Outputs,
    /// Show lines instead of the live view
    #[arg(long, env = "THRONG_NO_LIVE", help_heading = "Output")]
    pub(crate) no_live: bool,
    /// Also fail when load or data have gaps: `degraded` ends with 120
    #[arg(
        long,
        env = "THRONG_FAIL_ON",
        value_name = "WHAT",
        value_enum,
        hide_possible_values = true,
        help_heading = "Report"
    )]
    pub(crate) fail_on: Option<FailOn>,
    /// Judge no thresholds
    #[arg(long, env = "THRONG_NO_THRESHOLDS", help_heading = "Report")]
    pub(crate) no_thresholds: bool,
    /// `k6`: where throng is stricter, be as lax (a threshold without samples passes)
    #[arg(
        long,
        env = "THRONG_COMPAT",
        value_name = "TOOL",
        value_enum,
        hide_possible_values = true,
        help_heading = "Report"
    )]
    pub(crate) compat: Option<Compat>,
}

/// Tools whose laxer rules can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Compat {
    /// k6
    K6,
}

const EXAMPLES: &str = "\
Examples:
  The built-in reservation rush, on the demo service:
    throng run --demo
  One request, over and over:
    throng run http://localhost:8080/ -u 50 -d 10s
  A scenario of yours, its figures kept:
    throng run scenario.yaml --base-url http://shop.test --summary out.json
  The same flow under another load:
    throng run scenario.yaml -s 10s:20 -s 1m:20 -s 10s:0
  With agents on three hosts; a token for all: `throng token create --uses 3`:
    throng run scenario.yaml --listen 0.0.0.0:7437 --expect-agents 3
  On the fleet of a standing controller, after `throng login`:
    throng run scenario.yaml --controller https://controller:7437 --detach

On a terminal, a live view shows the run: p pauses, + and - scale, s stops, ? has
the other keys. Ctrl-C interrupts the run, prints its report and exits with 105; a
second one leaves at once. Exit codes: docs/exit-codes.md.";

impl Args {
    /// What clap cannot do: lists from the environment, and k6's tiers, by which an execution option that was typed wipes those of
    /// the environment.
    pub(crate) fn settle(&mut self, matches: &ArgMatches) {
        self.load.settle(matches);
        self.tags.settle(matches);
        // The environment's are for whoever directs here.
        if self.controller.is_some() && !args::typed(matches, "runs") {
            self.runs = None;
        }
        if self.controller.is_some() && !args::typed(matches, "web") {
            self.web.web = None;
        }
        if self.controller.is_some() && !args::typed(matches, "lease") {
            self.lease = None;
        }
    }

    /// What the command line says about the run itself.
    pub(super) fn overrides(&self) -> Result<Overrides, Error> {
        Ok(Overrides {
            base_url: self.aim.base_url.clone(),
            tags: self.tags.pairs()?,
            summary_trend_stats: self.summary_trend_stats.clone(),
            no_thresholds: self.no_thresholds,
            no_setup: self.no_setup,
            no_teardown: self.no_teardown,
            compat_k6: self.compat == Some(Compat::K6),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            on_agent_loss: self.on_agent_loss,
            ..self.load.overrides()
        })
    }

    /// `--weights`.
    pub(super) fn weights(&self) -> Result<Option<Weights>, Error> {
        let weights = self.weights.as_deref().map(weights::parse).transpose()?;
        let own = self
            .agents
            .filter(|_| self.listen.is_none() && self.controller.is_none());
        match (own, weights.as_ref().and_then(Weights::agents)) {
            (Some(agents), Some(weighed)) if agents != weighed => {
                return Err(Error::flags(
                    format!("--weights is for {weighed}, and --agents says {agents}"),
                    "give every agent a weight, or leave --agents out",
                ));
            }
            _ => {}
        }
        // Those of this process alone have names that are known beforehand.
        let alone = self.listen.is_none() && self.controller.is_none();
        if let (true, Some(Weights::Named(named))) = (alone, &weights) {
            let known =
                |name: &&String| (1..=named.len()).any(|number| **name == embedded::name(number));
            if let Some(name) = named.keys().find(|name| !known(name)) {
                return Err(Error::flags(
                    format!("--weights: no agent of this process is called {name}"),
                    format!("they are {} and so on", embedded::name(1)),
                ));
            }
        }
        Ok(weights)
    }

    /// `-e`.
    pub(super) fn variables(&self) -> Result<BTreeMap<String, String>, Error> {
        self.load.variables()
    }
}
