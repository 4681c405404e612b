//! k6's shortcuts (`vus`, `duration`, `iterations`, `stages`, in the file or on the command line) and their precedence.
//!
//! A shortcut is rewritten to the scenario it stands for; that is then read like any other, so its errors point to where
//! the shortcut was written.

use crate::Overrides;
use crate::diagnostics::{Place, list};
use crate::draft::{Fields, Key, Kind, Node, Reader};

/// What one tier (the file, or the command line) says about execution.
#[derive(Default)]
struct Tier {
    vus: Option<Node>,
    duration: Option<Node>,
    iterations: Option<Node>,
    stages: Option<Node>,
    scenarios: Option<Node>,
}

impl Tier {
    /// Those that exclude one another, in the order written here.
    fn exclusive(&self) -> Vec<(&'static str, &Node)> {
        let duration = match self.iterations {
            // Beside iterations it is their maxDuration.
            Some(_) => None,
            None => self.duration.as_ref(),
        };
        [
            ("iterations", self.iterations.as_ref()),
            ("duration", duration),
            ("stages", self.stages.as_ref()),
            ("scenarios", self.scenarios.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, node)| node.map(|node| (name, node)))
        .collect()
    }
}

/// The scenarios to run, each a key and a map: the file's, or the one a shortcut stands for. None after an error.
pub(crate) fn scenarios(
    fields: &mut Fields<'_>,
    overrides: &Overrides,
) -> Option<Vec<(Key, Node)>> {
    let reader = fields.reader;
    let mut file = Tier {
        vus: fields.get("vus").cloned(),
        duration: fields.get("duration").cloned(),
        iterations: fields.get("iterations").cloned(),
        stages: fields.get("stages").cloned(),
        scenarios: fields.get("scenarios").cloned(),
    };
    let line = command_line(reader, overrides)?;
    let vus = line.vus.clone().or_else(|| file.vus.take());
    // An execution option in the higher tier wipes all of the lower; `vus` alone only joins them.
    let tier = if line.exclusive().is_empty() {
        file
    } else {
        line
    };
    let given = tier.exclusive();
    if let [_, (second, node), ..] = given[..] {
        let names = list(given.iter().map(|(name, _)| *name));
        reader.error_help(
            &node.place,
            format!("{names} exclude one another"),
            match second {
                "scenarios" => "put what the others say into a scenario of its own",
                _ => "keep one of them",
            },
        );
        return None;
    }
    derive(reader, tier, vus, &fields.owner)
}

fn derive(
    reader: Reader<'_>,
    tier: Tier,
    vus: Option<Node>,
    owner: &Place,
) -> Option<Vec<(Key, Node)>> {
    if let Some(node) = tier.scenarios {
        if let Some(vus) = vus {
            reader.error_help(
                &vus.place,
                "`vus` has no effect beside `scenarios`",
                "set `vus` inside a scenario, or give a duration (`-d`), iterations (`-i`) or stages (`-s`) as well to replace the scenarios",
            );
            return None;
        }
        let place = node.place.clone();
        let Kind::Map(entries) = node.kind else {
            reader.unexpected(&node, "a map of scenarios by name");
            return None;
        };
        if entries.is_empty() {
            reader.error(&place, "`scenarios` is empty; at least one is needed");
            return None;
        }
        return Some(entries);
    }
    let (executor, place, keys) = if let Some(iterations) = tier.iterations {
        let place = iterations.place.clone();
        let keys = vec![
            ("vus", vus),
            ("iterations", Some(iterations)),
            ("maxDuration", tier.duration),
        ];
        ("shared-iterations", place, keys)
    } else if let Some(duration) = tier.duration {
        let place = duration.place.clone();
        let keys = vec![("vus", vus), ("duration", Some(duration))];
        ("constant-vus", place, keys)
    } else if let Some(stages) = tier.stages {
        let place = stages.place.clone();
        let keys = vec![("startVUs", vus), ("stages", Some(stages))];
        ("ramping-vus", place, keys)
    } else if let Some(vus) = vus {
        reader.error_help(
            &vus.place,
            "`vus` has no effect by itself",
            "give a duration (`-d 30s`), iterations (`-i 100`) or stages (`-s 10s:20`) as well",
        );
        return None;
    } else {
        // As in k6: one VU, one iteration.
        ("per-vu-iterations", owner.clone(), Vec::new())
    };
    let executor = ("executor", Some(Node::text(executor, place.clone())));
    let entries = std::iter::once(executor)
        .chain(keys)
        .filter_map(|(name, node)| {
            let node = node?;
            let key = Key {
                text: name.to_owned(),
                place: node.place.clone(),
            };
            Some((key, node))
        })
        .collect();
    let key = Key {
        text: "default".to_owned(),
        place: place.clone(),
    };
    let node = Node {
        kind: Kind::Map(entries),
        place,
    };
    Some(vec![(key, node)])
}

/// The command line's options as if they had been written in a file.
fn command_line(reader: Reader<'_>, overrides: &Overrides) -> Option<Tier> {
    let number = |value: u64, flag| Node {
        kind: Kind::Number(value.to_string(), value.into()),
        place: Place::Flag(flag),
    };
    let mut stages = Vec::new();
    for written in &overrides.stages {
        let place = Place::Flag("--stage");
        let Some((duration, target)) = written.split_once(':') else {
            reader.error_help(
                &place,
                format!("`{written}` is not a stage"),
                "write `duration:target`, for example `10s:20`",
            );
            return None;
        };
        let Ok(target) = target.trim().parse::<u64>() else {
            reader.error(
                &place,
                format!("the target of `{written}` is not a whole number"),
            );
            return None;
        };
        let entry = |name: &str, node: Node| {
            let key = Key {
                text: name.to_owned(),
                place: node.place.clone(),
            };
            (key, node)
        };
        stages.push(Node {
            kind: Kind::Map(vec![
                entry("duration", Node::text(duration.trim(), place.clone())),
                entry("target", number(target, "--stage")),
            ]),
            place,
        });
    }
    Some(Tier {
        vus: overrides.vus.map(|n| number(n, "--vus")),
        duration: overrides
            .duration
            .as_ref()
            .map(|text| Node::text(text.as_str(), Place::Flag("--duration"))),
        iterations: overrides.iterations.map(|n| number(n, "--iterations")),
        stages: (!stages.is_empty()).then_some(Node {
            kind: Kind::List(stages),
            place: Place::Flag("--stage"),
        }),
        scenarios: None,
    })
}
