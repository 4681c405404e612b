//! The flags by which `throng run`, `throng plan` and `throng k8s run` say what is run: they win over the scenario file, as in k6.

use crate::args;
use crate::error::Error;
use clap::ArgMatches;
use plan::Overrides;
use std::collections::BTreeMap;
use std::path::PathBuf;

// No doc comments on these: clap would take them for the help of whatever verb the flags are flattened into. Where each stands in a
// verb's help is the verb's to say (`next_help_heading`).

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Aim {
    /// Aim at this service: goes before every URL that begins with `/`
    #[arg(long, env = "THRONG_BASE_URL", value_name = "URL")]
    pub(crate) base_url: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Tags {
    /// A tag on every sample; repeat it. In THRONG_TAG, pairs are separated by commas
    #[arg(long = "tag", env = "THRONG_TAG", value_name = "NAME=VALUE")]
    pub(crate) tags: Vec<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Kept {
    /// Write the report's figures as JSON, in the shape of k6's handleSummary data
    #[arg(long, env = "THRONG_SUMMARY", value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
}

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

impl Tags {
    /// A list from the environment is split.
    pub(crate) fn settle(&mut self, matches: &ArgMatches) {
        split_listed(matches, "tags", &mut self.tags);
    }

    /// The tags.
    ///
    /// # Errors
    /// If one is not `NAME=VALUE`.
    pub(crate) fn pairs(&self) -> Result<BTreeMap<String, String>, Error> {
        pairs("--tag", &self.tags)
    }
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

/// The same flags once more, for a `throng run` elsewhere that is given the file alone.
pub(crate) fn repeated(load: &Load, tags: &Tags, aim: &Aim) -> Vec<String> {
    let one = |flag: &str, value: Option<String>| value.map(|value| format!("--{flag}={value}"));
    let all = |flag: &'static str, values: &[String]| -> Vec<String> {
        let values = values.iter();
        values.map(|value| format!("--{flag}={value}")).collect()
    };
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let mut flags: Vec<String> = [
        one("vus", number(load.vus)),
        one("duration", load.duration.clone()),
        one("iterations", number(load.iterations)),
    ]
    .into_iter()
    .flatten()
    .collect();
    flags.extend(all("stage", &load.stages));
    flags.extend(all("env", &load.variables));
    flags.extend(all("tag", &tags.tags));
    flags.extend(one("base-url", aim.base_url.clone()));
    flags
}

/// What came from the environment is one text with commas.
fn split_listed(matches: &ArgMatches, id: &str, list: &mut Vec<String>) {
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
fn pairs(flag: &str, list: &[String]) -> Result<BTreeMap<String, String>, Error> {
    list.iter()
        .map(|text| {
            args::pair(text)
                .map_err(|hint| Error::flags(format!("{flag} {text}: not a pair"), hint))
        })
        .collect()
}
