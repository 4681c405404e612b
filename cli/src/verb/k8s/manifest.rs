//! The objects of a one-shot run in Kubernetes: those of `deploy/kubernetes/base/once`, with this run's name, image, load and target put in.
//! Pure. Knows nothing of kubectl.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What is applied, in this order; the files are the manifests that `kubectl apply -k` uses.
const FILES: [&str; 5] = [
    include_str!("../../../../deploy/kubernetes/base/common/account.yaml"),
    include_str!("../../../../deploy/kubernetes/base/common/network.yaml"),
    include_str!("../../../../deploy/kubernetes/components/target-cidr/policy.yaml"),
    include_str!("../../../../deploy/kubernetes/base/once/run.yaml"),
    include_str!("../../../../deploy/kubernetes/base/once/agents.yaml"),
];
/// What the files call themselves; the run's own name takes its place.
const STEM: &str = "throng";
/// The parts that names end with.
const PARTS: [&str; 8] = [
    "run",
    "agent",
    "controller",
    "deny",
    "target",
    "scenario",
    "authority",
    "join",
];
/// Keys whose value `throng` is not a name of ours but what the thing is.
const KIND: &str = "app.kubernetes.io/name";
const INSTANCE: &str = "app.kubernetes.io/instance";
/// Where the scenario is mounted.
pub(super) const FOLDER: &str = "/scenario";
/// The bundle's file there.
pub(super) const BUNDLE: &str = "run.bundle";
/// Most bytes a ConfigMap may hold.
pub(super) const MOST: usize = 1 << 20;

/// The verbs a person needs in the namespace, as rules of a Role.
pub(super) const ROLE: &str = "\
# The Secrets in this hold a CA and a join token that were made for this run alone, and end with it.
#
# Whoever applies this needs these rules in the namespace (kubectl create role, or ask for it):
#   rules:
#     - apiGroups: ['']
#       resources: [configmaps, secrets, services, serviceaccounts]
#       verbs: [create, delete]
#     - apiGroups: [batch]
#       resources: [jobs]
#       verbs: [create, get, delete]
#     - apiGroups: [networking.k8s.io]
#       resources: [networkpolicies]
#       verbs: [create, delete]
#     - apiGroups: [policy]
#       resources: [poddisruptionbudgets]
#       verbs: [create, delete]
#     - apiGroups: ['']
#       resources: [pods]
#       verbs: [get, list, watch]
#     - apiGroups: ['']
#       resources: [pods/log]
#       verbs: [get]
";

/// One run.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What its objects' names begin with.
    pub(super) name: String,
    /// `None`: the namespace kubectl is in.
    pub(super) namespace: Option<String>,
    pub(super) image: String,
    pub(super) pull_secrets: Vec<String>,
    pub(super) agents: u32,
    /// Whole cores of each agent, and its memory (a quantity).
    pub(super) cpu: u32,
    pub(super) memory: String,
    /// What agents may reach: addresses,
    pub(super) cidrs: Vec<String>,
    /// and pods, by namespace and `app.kubernetes.io/name`.
    pub(super) pods: Vec<(String, String)>,
    pub(super) openshift: bool,
    /// After so many seconds the Jobs are ended, come what may.
    pub(super) deadline: u64,
    /// How long an interrupted run may take for its report and its teardown, seconds.
    pub(super) grace: u64,
    pub(super) scenario: Scenario,
    pub(super) trust: Trust,
    /// More flags of `throng run`.
    pub(super) flags: Vec<String>,
}

/// Who may come in.
#[derive(Clone)]
pub(super) struct Trust {
    /// A state directory's files: a CA and its book of tokens.
    pub(super) state: Vec<(&'static str, Vec<u8>)>,
    /// A join token for the agents.
    pub(super) token: String,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}

/// Where the run's pod finds what to run.
#[derive(Debug, Clone)]
pub(super) enum Scenario {
    /// The bundle, in a ConfigMap.
    Bundle(Vec<u8>),
    /// A file on a volume that is there.
    Volume { claim: String, file: String },
}

/// A bug: the manifests in this program are not what this file takes them for.
#[derive(Debug, thiserror::Error)]
#[error("the manifests in this program cannot be used: {0}")]
pub(super) struct Unusable(String);

/// What a person types to clear a run away.
pub(super) fn clear(name: &str) -> String {
    format!(
        "kubectl delete job,service,configmap,secret,serviceaccount,networkpolicy,poddisruptionbudget -l {INSTANCE}={name}"
    )
}

/// The objects as YAML, one document each.
pub(super) fn text(wanted: &Wanted) -> Result<String, Unusable> {
    let mut text = String::new();
    for object in objects(wanted)? {
        let yaml = serde_saphyr::to_string(&object).map_err(|error| Unusable(error.to_string()))?;
        text.push_str("---\n");
        text.push_str(&yaml);
    }
    Ok(text)
}

fn objects(wanted: &Wanted) -> Result<Vec<Value>, Unusable> {
    let mut objects = Vec::new();
    for file in FILES {
        let read: Vec<Value> =
            serde_saphyr::from_multiple(file).map_err(|error| Unusable(error.to_string()))?;
        objects.extend(read);
    }
    if let Scenario::Bundle(bytes) = &wanted.scenario {
        let data = json!({ BUNDLE: STANDARD.encode(bytes) });
        objects.push(holder("ConfigMap", "throng-scenario", "binaryData", data));
    }
    let state = wanted.trust.state.iter();
    let state = state.map(|(name, bytes)| ((*name).to_owned(), json!(STANDARD.encode(bytes))));
    objects.push(holder(
        "Secret",
        "throng-authority",
        "data",
        state.collect(),
    ));
    let token = json!({ "token": STANDARD.encode(&wanted.trust.token) });
    objects.push(holder("Secret", "throng-join", "data", token));
    for object in &mut objects {
        rename(object, &wanted.name, "");
        if let Some(namespace) = &wanted.namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        match object["kind"].as_str() {
            Some("Job") => job(object, wanted)?,
            Some("NetworkPolicy") => policy(object, wanted),
            _ => {}
        }
    }
    Ok(objects)
}

/// A ConfigMap or a Secret.
fn holder(kind: &str, name: &str, field: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": kind,
        "metadata": { "name": name, "labels": { KIND: STEM, INSTANCE: STEM } },
        field: data,
    })
}

/// Puts the run's name in the place of `throng` wherever that is a name.
fn rename(value: &mut Value, name: &str, key: &str) {
    match value {
        Value::Object(fields) => {
            // The expressions of a selector say their key beside the value.
            let named = fields.get("key").and_then(Value::as_str).map(str::to_owned);
            for (key, value) in fields {
                let key = match (&named, key.as_str()) {
                    (Some(named), "values") => named,
                    (_, key) => key,
                };
                // A container is called throng in every run.
                if key != "containers" {
                    rename(value, name, key);
                } else if let Some(containers) = value.as_array_mut() {
                    containers
                        .iter_mut()
                        .for_each(|container| rename(&mut container["args"], name, "args"));
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, name, key)),
        Value::String(text) => {
            for part in PARTS {
                let old = format!("{STEM}-{part}");
                if *text == old {
                    *text = format!("{name}-{part}");
                } else if text.contains(&format!("//{old}:")) {
                    *text = text.replace(&old, &format!("{name}-{part}"));
                }
            }
            if text == STEM && key != KIND {
                name.clone_into(text);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn job(job: &mut Value, wanted: &Wanted) -> Result<(), Unusable> {
    let spec = &mut job["spec"];
    spec["activeDeadlineSeconds"] = json!(wanted.deadline);
    let agents = spec.get("completions").is_some();
    if agents {
        spec["completions"] = json!(wanted.agents);
        spec["parallelism"] = json!(wanted.agents);
    }
    let pod = &mut spec["template"]["spec"];
    if !wanted.pull_secrets.is_empty() {
        let secrets = wanted.pull_secrets.iter();
        pod["imagePullSecrets"] = secrets.map(|name| json!({ "name": name })).collect();
    }
    if wanted.openshift {
        let context = pod["securityContext"].as_object_mut();
        let context = context.ok_or_else(|| Unusable("a pod without securityContext".into()))?;
        context.retain(|key, _| {
            !matches!(
                key.as_str(),
                "runAsUser" | "runAsGroup" | "fsGroup" | "fsGroupChangePolicy"
            )
        });
    }
    let container = &mut pod["containers"][0];
    container["image"] = json!(wanted.image);
    if agents {
        let share = json!({ "cpu": wanted.cpu.to_string(), "memory": wanted.memory });
        container["resources"] = json!({ "requests": share, "limits": share });
        return set(container, "THRONG_ALLOW_TARGET", &allowed(wanted));
    }
    set(
        container,
        "THRONG_EXPECT_AGENTS",
        &wanted.agents.to_string(),
    )?;
    let args = container["args"].as_array_mut();
    let args = args.ok_or_else(|| Unusable("the run's pod has no arguments".into()))?;
    let file = match &wanted.scenario {
        Scenario::Bundle(_) => BUNDLE,
        Scenario::Volume { file, .. } => file,
    };
    args[1] = json!(format!("{FOLDER}/{file}"));
    args.push(json!("--report-frame"));
    // What is said here takes the place of what the file says.
    let name_of = |flag: &str| flag.split('=').next().map(str::to_owned);
    args.retain(|arg| {
        let named = name_of(arg.as_str().unwrap_or_default());
        !wanted.flags.iter().any(|flag| name_of(flag) == named)
    });
    args.extend(wanted.flags.iter().map(|flag| json!(flag)));
    pod["terminationGracePeriodSeconds"] = json!(wanted.grace);
    if let Scenario::Volume { claim, .. } = &wanted.scenario {
        let volumes = pod["volumes"].as_array_mut();
        let volume = volumes.and_then(|volumes| {
            volumes
                .iter_mut()
                .find(|volume| volume["name"] == "scenario")
        });
        let missing = || Unusable("the run's pod has no volume for the scenario".into());
        *volume.ok_or_else(missing)? = json!({
            "name": "scenario",
            "persistentVolumeClaim": { "claimName": claim, "readOnly": true },
        });
    }
    Ok(())
}

/// Gives a variable that the file has its value.
fn set(container: &mut Value, name: &str, value: &str) -> Result<(), Unusable> {
    let variables = container["env"].as_array_mut();
    let variable = variables.and_then(|variables| {
        variables
            .iter_mut()
            .find(|variable| variable["name"] == name)
    });
    let variable =
        variable.ok_or_else(|| Unusable(format!("{name} is not among the variables")))?;
    variable["value"] = json!(value);
    Ok(())
}

/// What agents may talk to, as `--allow-target` has it: networks, and the names of pods' Services.
fn allowed(wanted: &Wanted) -> String {
    let names = wanted.pods.iter().flat_map(|(namespace, _)| {
        ["", ".svc", ".svc.cluster.local"].map(|end| format!("*.{namespace}{end}"))
    });
    let all: Vec<String> = wanted.cidrs.iter().cloned().chain(names).collect();
    all.join(",")
}

fn policy(policy: &mut Value, wanted: &Wanted) {
    let is = |part: &str| policy["metadata"]["name"] == format!("{}-{part}", wanted.name);
    let (target, agent) = (is("target"), is("agent"));
    if target {
        let cidrs = wanted.cidrs.iter();
        let cidrs = cidrs.map(|cidr| json!({ "ipBlock": { "cidr": cidr } }));
        let pods = wanted.pods.iter().map(|(namespace, app)| {
            json!({
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
                "podSelector": { "matchLabels": { KIND: app } },
            })
        });
        policy["spec"]["egress"][0]["to"] = cidrs.chain(pods).collect();
    }
    if agent && wanted.openshift {
        // As in components/openshift.
        policy["spec"]["egress"][1] = json!({
            "to": [{
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "openshift-dns" } },
                "podSelector": { "matchLabels": { "dns.operator.openshift.io/daemonset-dns": "default" } },
            }],
            "ports": [{ "port": 5353, "protocol": "UDP" }, { "port": 5353, "protocol": "TCP" }],
        });
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            name: "rush-7".into(),
            namespace: Some("load".into()),
            image: "registry.example/throng@sha256:0".into(),
            pull_secrets: vec!["pull".into()],
            agents: 5,
            cpu: 2,
            memory: "1Gi".into(),
            cidrs: vec!["203.0.113.7/32".into()],
            pods: vec![("shop".into(), "web".into())],
            openshift: false,
            deadline: 600,
            grace: 80,
            scenario: Scenario::Bundle(b"abc".to_vec()),
            trust: Trust {
                state: vec![("authority.key", b"secret".to_vec())],
                token: "throng_x".into(),
            },
            flags: vec!["--no-preflight".into(), "--wait=1m".into()],
        }
    }

    #[test]
    fn what_clears_a_run_away_names_every_kind_and_a_label_that_all_have() {
        let (told, label) = clear("rush-7")
            .split_once(" -l ")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let (key, value) = label.split_once('=').unwrap();
        for object in objects(&wanted()).unwrap() {
            let kind = object["kind"].as_str().unwrap().to_lowercase();
            assert!(told.contains(&kind), "{kind}: {told}");
            assert_eq!(object["metadata"]["labels"][key], value, "{kind}");
        }
    }

    fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
        let found = objects
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    #[test]
    fn nothing_keeps_the_stem_as_its_name() {
        fn look(value: &Value, path: &str, left: &mut Vec<String>) {
            match value {
                Value::Object(fields) => fields
                    .iter()
                    .for_each(|(key, value)| look(value, &format!("{path}/{key}"), left)),
                Value::Array(values) => values
                    .iter()
                    .for_each(|value| look(value, &format!("{path}/-"), left)),
                Value::String(text) if text.starts_with(STEM) || text.contains("//throng") => {
                    left.push(format!("{path}: {text}"));
                }
                _ => {}
            }
        }
        let mut left = Vec::new();
        for object in objects(&wanted()).unwrap() {
            look(&object, "", &mut left);
        }
        left.retain(|found| {
            !found.contains(KIND)
                && !found.ends_with("/containers/-/name: throng")
                // The list of an expression whose key is KIND.
                && found != "/spec/podSelector/matchExpressions/-/values/-: throng"
        });
        assert!(left.is_empty(), "{left:#?}");
    }

    #[test]
    fn the_run_gets_what_was_wanted() {
        let objects = objects(&wanted()).unwrap();
        let run = find(&objects, "Job", "rush-7-run");
        assert_eq!(run["spec"]["backoffLimit"], 0);
        assert_eq!(run["spec"]["activeDeadlineSeconds"], 600);
        let pod = &run["spec"]["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], 80);
        assert_eq!(pod["imagePullSecrets"][0]["name"], "pull");
        assert_eq!(pod["serviceAccountName"], "rush-7");
        let args: Vec<&str> = pod["containers"][0]["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|arg| arg.as_str().unwrap())
            .collect();
        assert_eq!(args[..2], ["run", "/scenario/run.bundle"]);
        assert_eq!(args[args.len() - 2..], ["--no-preflight", "--wait=1m"]);
        let agents = &find(&objects, "Job", "rush-7-agent")["spec"];
        assert_eq!(
            (&agents["completions"], &agents["parallelism"]),
            (&json!(5), &json!(5))
        );
        let container = &agents["template"]["spec"]["containers"][0];
        assert_eq!(
            container["resources"]["limits"],
            json!({ "cpu": "2", "memory": "1Gi" })
        );
        let args = container["args"].as_array().unwrap();
        assert!(
            args.contains(&json!("--controller=https://rush-7-run:7437")),
            "{args:?}"
        );
        let target = &find(&objects, "NetworkPolicy", "rush-7-target")["spec"]["egress"][0]["to"];
        assert_eq!(target[0]["ipBlock"]["cidr"], "203.0.113.7/32");
        assert_eq!(target[1]["podSelector"]["matchLabels"][KIND], "web");
        let deny = find(&objects, "NetworkPolicy", "rush-7-deny")["spec"].as_object();
        assert_eq!(
            deny.map(|spec| spec.contains_key("egress")),
            Some(false),
            "null is not nothing"
        );
        assert_eq!(
            container["env"][1],
            json!({ "name": "THRONG_ALLOW_TARGET", "value": "203.0.113.7/32,*.shop,*.shop.svc,*.shop.svc.cluster.local" })
        );
        let authority = find(&objects, "Secret", "rush-7-authority");
        assert_eq!(authority["data"]["authority.key"], "c2VjcmV0");
        let join = find(&objects, "Secret", "rush-7-join");
        assert_eq!(join["data"]["token"], "dGhyb25nX3g=");
        assert!(
            !format!("{:?}", wanted()).contains("throng_x"),
            "no secret in logs"
        );
        let bundle = find(&objects, "ConfigMap", "rush-7-scenario");
        assert_eq!(bundle["binaryData"][BUNDLE], "YWJj");
        assert!(
            objects
                .iter()
                .all(|object| object["metadata"]["namespace"] == "load")
        );
    }

    #[test]
    fn throng_takes_what_its_pods_are_told() {
        let objects = objects(&wanted()).unwrap();
        for name in ["rush-7-run", "rush-7-agent"] {
            let pod = &find(&objects, "Job", name)["spec"]["template"]["spec"];
            let args = pod["containers"][0]["args"].as_array().unwrap();
            let args = args.iter().map(|arg| arg.as_str().unwrap());
            let parsed = crate::args::parse(["throng"].into_iter().chain(args));
            assert!(parsed.is_ok(), "{name}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn a_volume_takes_the_place_of_the_bundle() {
        let scenario = Scenario::Volume {
            claim: "scenarios".into(),
            file: "rush.yaml".into(),
        };
        let objects = objects(&Wanted {
            scenario,
            ..wanted()
        })
        .unwrap();
        assert!(objects.iter().all(|object| object["kind"] != "ConfigMap"));
        let pod = &find(&objects, "Job", "rush-7-run")["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["args"][1], "/scenario/rush.yaml");
        let volume = pod["volumes"].as_array().unwrap().iter();
        let mut volume = volume.filter(|volume| volume["name"] == "scenario");
        assert_eq!(
            volume.next().unwrap()["persistentVolumeClaim"]["claimName"],
            "scenarios"
        );
    }

    #[test]
    fn openshift_gives_the_ids() {
        let wanted = Wanted {
            openshift: true,
            ..wanted()
        };
        for job in objects(&wanted)
            .unwrap()
            .iter()
            .filter(|object| object["kind"] == "Job")
        {
            let context = &job["spec"]["template"]["spec"]["securityContext"];
            assert_eq!(context["runAsUser"], Value::Null);
            assert_eq!(context["runAsNonRoot"], true);
        }
    }

    #[test]
    fn text_is_yaml_that_says_the_same() {
        let wanted = wanted();
        let back: Vec<Value> = serde_saphyr::from_multiple(&text(&wanted).unwrap()).unwrap();
        assert_eq!(back, objects(&wanted).unwrap());
    }
}
