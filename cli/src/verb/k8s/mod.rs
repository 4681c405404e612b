//! `throng k8s`: a one-shot run in Kubernetes, by way of the user's kubectl.
//!
//! [`manifest`] makes the objects (pure), [`secrets`] who may come in, [`kubectl`] hands them over, [`follow`] brings the report back through the pod's log alone.

mod flags;
mod follow;
mod kubectl;
mod manifest;
mod secrets;

pub(crate) use flags::Args as RunArgs;

use crate::args::Common;
use crate::error::Error;
use crate::signals::Signals;
use crate::source;
use crate::summary_file::SummaryFile;
use crate::terminal::Terminal;
use follow::Following;
use kubectl::Kubectl;
use std::io::Write as _;

/// `throng k8s`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// What to do in the cluster.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Verbs of `throng k8s`.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Verb {
    /// Run a scenario once, with its agents as pods, and bring the report and the exit code back
    Run(Box<RunArgs>),
}

/// Does it.
///
/// # Errors
/// What is wrong with flags or the scenario, or what kubectl complains of.
pub(crate) async fn run(args: Args, common: &Common, terminal: &Terminal) -> Result<u8, Error> {
    let Verb::Run(args) = args.verb;
    args.check()?;
    let color = terminal.rewrites() && !common.without_color();
    let bundle = source::bundle(
        flags::given(&args.file)?,
        args.overrides()?,
        args.variables()?,
        source::seed(),
        color,
    )
    .await?;
    let plan =
        plan::compile(&bundle).map_err(|diagnostics| Error::Compile(diagnostics.render(color)))?;
    let name = args.name.clone().unwrap_or_else(flags::fresh_name);
    let wanted = args.wanted(name.clone(), &plan, flags::packed(&bundle)?)?;
    let manifest = manifest::text(&wanted).map_err(|error| Error::Internal(error.to_string()))?;
    if args.render {
        let text = format!("{}{manifest}", manifest::ROLE);
        // Whoever reads may have seen enough and gone.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return Ok(0);
    }
    let summary = args
        .kept
        .summary
        .as_deref()
        .map(SummaryFile::claim)
        .transpose()?;
    let signals = Signals::listen(terminal)?;
    let kubectl = Kubectl {
        program: args.kubectl.clone(),
        namespace: args.namespace.clone(),
        context: args.context.clone(),
    };
    let created = kubectl.tell(&["create", "-f", "-"], &manifest).await;
    let over = match created {
        Ok(_) => {
            if !common.quiet {
                terminal.line(&format!(
                    "run {name}: {} agents; `kubectl logs -f job/{name}-run` shows the same",
                    args.agents
                ));
            }
            let following = Following {
                kubectl: &kubectl,
                job: format!("job/{name}-run"),
                longest: std::time::Duration::from_secs(wanted.deadline),
                grace: std::time::Duration::from_secs(wanted.grace),
                quiet: common.quiet,
                terminal,
            };
            following.until_over(signals).await
        }
        // Nobody was told anything.
        Err(error @ Error::Flags { .. }) => return Err(error),
        Err(error) => Err(error),
    };
    if !args.keep {
        // Also what was made before something was refused.
        let clear = ["delete", "--ignore-not-found", "--wait=false", "-f", "-"];
        if let Err(error) = kubectl.tell(&clear, &manifest).await {
            terminal.line(&format!(
                "warning: left in the cluster: {error}\n  {}",
                manifest::clear(&name)
            ));
        }
    }
    crate::follow::conclude(&over?, None, summary, common, terminal)
}
