//! The flags of `throng k8s run`, and what they come to.

use super::manifest::{MOST, Scenario, Wanted};
use super::secrets;
use crate::args;
use crate::error::Error;
use crate::load::{Aim, Kept, Load, Tags, repeated};
use clap::ArgMatches;
use plan::{Overrides, Plan};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is added to the plan's own length: pulling the image, agreeing on T0, the last reports.
const MARGIN: Duration = Duration::from_secs(300);

/// `throng k8s run`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A scenario file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// How many agents, one pod each
    #[arg(long, env = "THRONG_AGENTS", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Fleet")]
    pub(crate) agents: u32,
    /// throng's image, best by its digest: `registry.example/throng@sha256:…`
    #[arg(
        long,
        env = "THRONG_IMAGE",
        value_name = "IMAGE",
        help_heading = "Fleet"
    )]
    pub(crate) image: String,
    /// A Secret to pull the image with; repeat it
    #[arg(
        long = "pull-secret",
        env = "THRONG_PULL_SECRET",
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Fleet"
    )]
    pub(crate) pull_secrets: Vec<String>,
    /// Whole cores of each agent
    #[arg(long, env = "THRONG_CPU", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Fleet")]
    pub(crate) cpu: u32,
    /// Memory of each agent
    #[arg(
        long,
        env = "THRONG_MEMORY",
        value_name = "QUANTITY",
        default_value = "512Mi",
        help_heading = "Fleet"
    )]
    pub(crate) memory: String,
    /// How long to wait for agents
    #[arg(long, env = "THRONG_WAIT", value_name = "TIME", default_value = "5m", value_parser = plan::parse_duration, help_heading = "Fleet")]
    pub(crate) wait: Duration,

    /// Addresses that agents may reach, e.g. `203.0.113.0/24`; repeat it
    #[arg(
        long = "target-cidr",
        env = "THRONG_TARGET_CIDR",
        value_name = "CIDR",
        value_delimiter = ',',
        help_heading = "Target"
    )]
    pub(crate) target_cidrs: Vec<String>,
    /// Pods that agents may reach, by the namespace and the label app.kubernetes.io/name; repeat it
    #[arg(long = "target-pods", env = "THRONG_TARGET_PODS", value_name = "NAMESPACE=APP", value_delimiter = ',', value_parser = args::pair, help_heading = "Target")]
    pub(crate) target_pods: Vec<(String, String)>,
    #[command(flatten, next_help_heading = "Target")]
    pub(crate) aim: Aim,

    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten, next_help_heading = "Load (wins over the file)")]
    pub(crate) tags: Tags,

    /// Where in the cluster [default: as kubectl is set]
    #[arg(
        short,
        long,
        env = "THRONG_NAMESPACE",
        value_name = "NAME",
        help_heading = "Cluster"
    )]
    pub(crate) namespace: Option<String>,
    /// Which of kubectl's contexts [default: the current one]
    #[arg(
        long,
        env = "THRONG_CONTEXT",
        value_name = "NAME",
        help_heading = "Cluster"
    )]
    pub(crate) context: Option<String>,
    /// Which kubectl
    #[arg(
        long,
        env = "THRONG_KUBECTL",
        value_name = "PROGRAM",
        default_value = "kubectl",
        help_heading = "Cluster"
    )]
    pub(crate) kubectl: String,
    /// What the objects' names begin with [default: throng- and a few letters]
    #[arg(
        long,
        env = "THRONG_NAME",
        value_name = "NAME",
        help_heading = "Cluster"
    )]
    pub(crate) name: Option<String>,
    /// The cluster gives user ids itself, and has its DNS where OpenShift has it
    #[arg(long, env = "THRONG_OPENSHIFT", help_heading = "Cluster")]
    pub(crate) openshift: bool,
    /// Read FILE, by its name, and its data from this PersistentVolumeClaim rather than from a ConfigMap
    #[arg(
        long,
        env = "THRONG_SCENARIO_VOLUME",
        value_name = "CLAIM",
        help_heading = "Cluster"
    )]
    pub(crate) scenario_volume: Option<String>,
    /// Print the manifests, with the rights that applying them takes, and do nothing
    #[arg(long, env = "THRONG_RENDER", help_heading = "Cluster")]
    pub(crate) render: bool,
    /// Leave everything in the cluster when the run is over
    #[arg(long, env = "THRONG_KEEP", help_heading = "Cluster")]
    pub(crate) keep: bool,

    #[command(flatten, next_help_heading = "Report")]
    pub(crate) kept: Kept,
}

const EXAMPLES: &str = "\
Examples:
  throng k8s run scenario.yaml --agents 12 --image registry.example/throng@sha256:… \\
    --target-cidr 203.0.113.0/24 --base-url https://shop.test
  Only look at what would be applied, and with which rights:
    throng k8s run scenario.yaml --agents 12 --image … --target-pods shop=web --render

Ends with the run's exit code. docs/kubernetes.md has the standing fleet, Helm and policies.";

impl Args {
    /// As for `throng run`: lists from the environment, and k6's tiers.
    pub(crate) fn settle(&mut self, matches: &ArgMatches) {
        self.load.settle(matches);
        self.tags.settle(matches);
    }

    /// Refuses what cannot work before anything is read.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.target_cidrs.is_empty() && self.target_pods.is_empty() {
            return Err(Error::flags(
                "nothing says what the agents may reach, and without that they reach nothing",
                "give --target-cidr ADDRESS/BITS, or --target-pods NAMESPACE=APP",
            ));
        }
        if let Some(bad) = self.target_cidrs.iter().find(|cidr| !is_cidr(cidr)) {
            return Err(Error::flags(
                format!("--target-cidr {bad}: not a range of addresses"),
                "write e.g. 203.0.113.0/24, or 203.0.113.7/32 for one",
            ));
        }
        if !has_version(&self.image) {
            return Err(Error::flags(
                format!("--image {}: whatever is newest would run", self.image),
                "name a digest (`…@sha256:…`) or a tag other than `latest`",
            ));
        }
        match &self.name {
            Some(name) if !is_name(name) => Err(Error::flags(
                format!("--name {name}: not a name in Kubernetes"),
                "at most 40 of a-z, 0-9 and `-`, beginning with a letter",
            )),
            _ => Ok(()),
        }
    }

    /// What the command line says about the run itself.
    pub(super) fn overrides(&self) -> Result<Overrides, Error> {
        Ok(Overrides {
            base_url: self.aim.base_url.clone(),
            tags: self.tags.pairs()?,
            ..self.load.overrides()
        })
    }

    /// `-e`.
    pub(super) fn variables(&self) -> Result<BTreeMap<String, String>, Error> {
        self.load.variables()
    }

    /// What it comes to for the manifests; `bundle` is packed.
    pub(super) fn wanted(
        &self,
        name: String,
        plan: &Plan,
        bundle: Vec<u8>,
    ) -> Result<Wanted, Error> {
        let mut flags = Vec::new();
        let scenario = match &self.scenario_volume {
            Some(claim) => {
                // A bundle holds these, and a file does not.
                flags = repeated(&self.load, &self.tags, &self.aim);
                let file = self.file.file_name().unwrap_or_default();
                Scenario::Volume {
                    claim: claim.clone(),
                    file: file.to_string_lossy().into_owned(),
                }
            }
            None if bundle.len() > MOST => {
                return Err(Error::flags(
                    format!(
                        "{} and its data are {} KiB packed, and a ConfigMap holds 1024",
                        self.file.display(),
                        bundle.len() >> 10
                    ),
                    "put them on a volume that pods can read, and name its claim with --scenario-volume",
                ));
            }
            None => Scenario::Bundle(bundle),
        };
        flags.push(format!("--wait={}", plan::format_duration(self.wait)));
        let longest = longest(plan, self.wait);
        let teardown = plan
            .teardown
            .as_ref()
            .map_or(Duration::ZERO, |phase| phase.timeout);
        Ok(Wanted {
            name,
            namespace: self.namespace.clone(),
            image: self.image.clone(),
            pull_secrets: self.pull_secrets.clone(),
            agents: self.agents,
            cpu: self.cpu,
            memory: self.memory.clone(),
            cidrs: self.target_cidrs.clone(),
            pods: self.target_pods.clone(),
            openshift: self.openshift,
            deadline: longest.as_secs(),
            grace: (Duration::from_secs(30) + teardown).as_secs().max(45),
            scenario,
            trust: secrets::made(longest)?,
            flags,
        })
    }
}

/// Longer than the run can take, unless somebody pauses it.
fn longest(plan: &Plan, wait: Duration) -> Duration {
    let phases = [&plan.setup, &plan.teardown];
    let phases: Duration = phases
        .iter()
        .filter_map(|phase| phase.as_ref())
        .map(|phase| phase.timeout)
        .sum();
    wait + phases + plan.load_end() + MARGIN
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// A digest, or a tag other than `latest`.
fn has_version(image: &str) -> bool {
    if image.contains("@sha256:") {
        return true;
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    matches!(last.split_once(':'), Some((_, tag)) if !tag.is_empty() && tag != "latest")
}

/// What every object's name may begin with, the parts after it included (RFC 1035 label: a Service's name is one).
fn is_name(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The bundle as a file: JSON, gzipped.
pub(super) fn packed(bundle: &plan::Bundle) -> Result<Vec<u8>, Error> {
    crate::source::pack(bundle)
        .map_err(|error| Error::Internal(format!("the bundle cannot be packed: {error}")))
}

/// A name that no run before had: milliseconds since 1970 in base 36.
pub(super) fn fresh_name() -> String {
    let mut rest = crate::clock::unix_millis();
    let mut letters = Vec::new();
    while rest > 0 {
        letters.push(char::from_digit((rest % 36) as u32, 36).unwrap_or('0'));
        rest /= 36;
    }
    format!("throng-{}", letters.iter().rev().collect::<String>())
}

/// Where `FILE`'s data is looked for; the same as for `throng run`.
pub(super) fn given(file: &Path) -> Result<crate::source::Given, Error> {
    match crate::source::given(file.to_str(), false, false)? {
        given @ crate::source::Given::File(_) => Ok(given),
        _ => Err(Error::flags(
            format!("{}: not a scenario file", file.display()),
            "write what is to be run into a file",
        )),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ranges_images_and_names() {
        for (text, good) in [
            ("203.0.113.0/24", true),
            ("2001:db8::/32", true),
            ("203.0.113.0", false),
            ("203.0.113.0/33", false),
            ("shop.test/24", false),
        ] {
            assert_eq!(is_cidr(text), good, "{text}");
        }
        for (text, good) in [
            ("registry.example/throng@sha256:00", true),
            ("registry.example:5000/throng:0.1.0", true),
            ("registry.example:5000/throng", false),
            ("throng:latest", false),
            ("throng", false),
        ] {
            assert_eq!(has_version(text), good, "{text}");
        }
        for (text, good) in [
            ("rush-7", true),
            ("7-rush", false),
            ("Rush", false),
            ("", false),
        ] {
            assert_eq!(is_name(text), good, "{text}");
        }
        assert!(is_name(&fresh_name()), "{}", fresh_name());
    }

    #[test]
    fn the_deadline_is_longer_than_the_run() {
        let bundle = plan::Bundle {
            name: "s.yaml".into(),
            source: plan::one_request("http://h/"),
            overrides: Overrides {
                vus: Some(1),
                duration: Some("10m".into()),
                ..Overrides::default()
            },
            ..plan::Bundle::default()
        };
        let plan = plan::compile(&bundle).unwrap();
        let wait = Duration::from_secs(60);
        let longest = longest(&plan, wait);
        assert!(longest >= plan.load_end() + wait + MARGIN);
        assert!(plan.load_end() >= Duration::from_secs(600));
    }

    #[test]
    fn what_is_too_large_for_a_config_map_is_refused_with_the_way_out() {
        let typed = |more: &[&str]| {
            let line = "throng k8s run s.yaml -i 3 -e A=b --image t:1 --target-cidr 10.0.0.0/8";
            let line = line.split(' ').chain(more.iter().copied());
            match args::parse(line).unwrap().verb {
                args::Verb::K8s(super::super::Args {
                    verb: super::super::Verb::Run(run),
                }) => run,
                other => panic!("{other:?}"),
            }
        };
        let plan = plan::compile(&plan::Bundle {
            name: "s.yaml".into(),
            source: plan::one_request("http://h/"),
            ..plan::Bundle::default()
        })
        .unwrap();
        let large = vec![0; MOST + 1];
        let refused = typed(&[]).wanted("a".into(), &plan, large.clone());
        let text = refused.unwrap_err().render();
        assert!(
            text.contains("a ConfigMap holds 1024") && text.contains("--scenario-volume"),
            "{text}"
        );
        assert!(typed(&[]).wanted("a".into(), &plan, vec![0; MOST]).is_ok());
        let wanted = typed(&["--scenario-volume", "claim"]).wanted("a".into(), &plan, large);
        let flags = wanted.unwrap().flags;
        assert_eq!(
            flags,
            ["--iterations=3", "--env=A=b", "--wait=5m0s"],
            "a file knows none of them"
        );
    }
}
