//! Arrows between rooms point down only. Read from each room's `Cargo.toml`, so that nothing builds that breaks them.

use super::File;

/// Which rooms a room may know, in its code and in its tests. A room that is not listed is a fault: draw its arrows first.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("plan", &["metrics"]),
    ("metrics", &[]),
    ("journal", &[]),
    ("proto", &["plan", "metrics"]),
    ("trust", &["proto"]),
    ("agent", &["plan", "metrics", "journal", "proto", "trust"]),
    (
        "controller",
        &["plan", "metrics", "journal", "proto", "trust"],
    ),
    ("demo", &["metrics"]),
    ("web", &["proto", "trust"]),
    (
        "cli",
        &[
            "plan",
            "metrics",
            "journal",
            "proto",
            "trust",
            "agent",
            "controller",
            "demo",
            "web",
            "fuzz",
        ],
    ),
    (
        "bench",
        &["agent", "controller", "metrics", "plan", "proto"],
    ),
    (
        "fuzz",
        &[
            "agent",
            "controller",
            "plan",
            "metrics",
            "journal",
            "proto",
            "trust",
            "web",
        ],
    ),
    (
        "sim",
        &["plan", "metrics", "journal", "proto", "agent", "controller"],
    ),
    ("xtask", &[]),
];

/// What the pure rooms must not even depend on.
const IMPURE: [&str; 6] = ["tokio", "tonic", "hyper", "reqwest", "libc", "tracing"];
const PURE: [&str; 2] = ["plan", "metrics"];

pub(crate) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        let Some(room) = file.path.strip_suffix("/Cargo.toml") else {
            continue;
        };
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == room) else {
            faults.push(format!("{}: a room without arrows; add it to xtask/src/tidy/arrows.rs and to ARCHITECTURE.md", file.path));
            continue;
        };
        for (line, dependency) in dependencies(&file.text) {
            let is_room = ALLOWED.iter().any(|(name, _)| *name == dependency);
            if is_room && !allowed.contains(&dependency) {
                faults.push(format!(
                    "{}:{line}: `{room}` must not know `{dependency}`",
                    file.path
                ));
            }
            if PURE.contains(&room) && IMPURE.contains(&dependency) {
                faults.push(format!(
                    "{}:{line}: `{room}` is pure and must not depend on `{dependency}`",
                    file.path
                ));
            }
        }
    }
    faults
}

/// Names under every `[…dependencies]` table, with their lines (from 1). A room is known by its name in the workspace.
fn dependencies(toml: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in toml.lines().enumerate() {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            inside = table.ends_with("dependencies");
            // `[dependencies.name]`
            if let Some((tables, name)) = table.rsplit_once('.')
                && tables.ends_with("dependencies")
            {
                found.push((index + 1, name));
            }
        } else if inside && !line.starts_with('#') {
            let end = line
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
                .unwrap_or(line.len());
            let name = &line[..end];
            if !name.is_empty() {
                found.push((index + 1, name.strip_prefix("throng-").unwrap_or(name)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(room: &str, toml: &str) -> Vec<String> {
        faults(&[File {
            path: format!("{room}/Cargo.toml"),
            text: toml.to_owned(),
        }])
    }

    #[test]
    fn an_arrow_that_points_up_is_found_however_it_is_written() {
        for toml in [
            "[dependencies]\ncontroller.workspace = true\n",
            "[dependencies]\nserde = \"1\"\ncontroller = { path = \"../controller\" }\n",
            "[dev-dependencies]\nthrong-controller = \"0\"\n",
            "[dependencies.controller]\npath = \"..\"\n",
            "[target.'cfg(unix)'.dependencies]\ncontroller.workspace = true\n",
        ] {
            let found = of("agent", toml);
            assert_eq!(found.len(), 1, "{toml}: {found:?}");
            assert!(
                found[0].ends_with("`agent` must not know `controller`"),
                "{found:?}"
            );
        }
    }

    #[test]
    fn good_arrows_pass_and_pure_rooms_stay_pure() {
        assert!(of("agent", "[package]\nname = \"controller\"\n[dependencies]\nplan.workspace = true\ntokio.workspace = true\n").is_empty());
        assert_eq!(
            of("plan", "[dependencies]\ntokio.workspace = true\n").len(),
            1
        );
        assert_eq!(of("attic", "").len(), 1, "an unknown room");
    }
}
