//! The load flags that `throng run` and `throng plan` share: they win over the scenario file, as in k6.

use crate::args;
use crate::error::Error;
use clap::ArgMatches;
use plan::Overrides;
use std::collections::BTreeMap;

// No doc comment: clap would take it for the help of whatever verb these flags are flattened into.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Load {
    /// Virtual users
    #[arg(
        short = 'u',
        long,
        env = "THRONG_VUS",
        value_name = "N",
        help_heading = "Load (wins over the file)"
    )]
    pub(crate) vus: Option<u64>,
    /// How long, e.g. `30s` or `1m30s`
    #[arg(
        short = 'd',
        long,
        env = "THRONG_DURATION",
        value_name = "TIME",
        help_heading = "Load (wins over the file)"
    )]
    pub(crate) duration: Option<String>,
    /// Iterations in all, shared by the virtual users
    #[arg(
        short = 'i',
        long,
        env = "THRONG_ITERATIONS",
        value_name = "N",
        help_heading = "Load (wins over the file)"
    )]
    pub(crate) iterations: Option<u64>,
    /// A stage of a ramp, `10s:20` for 20 virtual users after 10 s; repeat it, or write several with commas
    #[arg(
        short = 's',
        long = "stage",
        env = "THRONG_STAGE",
        value_name = "TIME:VUS",
        value_delimiter = ',',
        help_heading = "Load (wins over the file)"
    )]
    pub(crate) stages: Vec<String>,
    /// A variable of the scenario; repeat it. In THRONG_ENV, pairs are separated by commas
    #[arg(
        short = 'e',
        long = "env",
        env = "THRONG_ENV",
        value_name = "NAME=VALUE",
        help_heading = "Load (wins over the file)"
    )]
    pub(crate) variables: Vec<String>,
}

impl Load {
    /// Lists from the environment are split; an execution option that was typed wipes those of the environment (k6's tiers).
    pub(crate) fn settle(&mut self, matches: &ArgMatches) {
        split_listed(matches, "variables", &mut self.variables);
        let typed = |id| args::typed(matches, id);
        if ["duration", "iterations", "stages"].into_iter().any(typed) {
            if !typed("duration") {
                self.duration = None;
            }
            if !typed("iterations") {
                self.iterations = None;
            }
            if !typed("stages") {
                self.stages.clear();
            }
        }
    }

    /// What these flags say about the run; the rest is as the file has it.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            vus: self.vus,
            duration: self.duration.clone(),
            iterations: self.iterations,
            stages: self.stages.clone(),
            ..Overrides::default()
        }
    }

    /// The scenario's variables.
    ///
    /// # Errors
    /// If one is not `NAME=VALUE`.
    pub(crate) fn variables(&self) -> Result<BTreeMap<String, String>, Error> {
        pairs("--env", &self.variables)
    }
}

/// What came from the environment is one text with commas.
pub(crate) fn split_listed(matches: &ArgMatches, id: &str, list: &mut Vec<String>) {
    if !list.is_empty() && !args::typed(matches, id) {
        *list = list
            .iter()
            .flat_map(|text| text.split(','))
            .filter(|text| !text.trim().is_empty())
            .map(str::to_owned)
            .collect();
    }
}

/// A list of `NAME=VALUE` as a map; `flag` is what gave it.
pub(crate) fn pairs(flag: &str, list: &[String]) -> Result<BTreeMap<String, String>, Error> {
    list.iter()
        .map(|text| {
            args::pair(text)
                .map_err(|hint| Error::flags(format!("{flag} {text}: not a pair"), hint))
        })
        .collect()
}
