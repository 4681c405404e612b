//! Every flag has a `THRONG_*` variable, and docs do not name a variable that no flag reads.

use super::File;
use std::collections::BTreeSet;

/// Rooms that hold flags of the program.
const ROOMS: [&str; 2] = ["cli/src/", "demo/src/"];
/// Variables that no flag of the program reads.
const OTHERS: [&str; 0] = [];

pub(crate) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut known: BTreeSet<String> = OTHERS.iter().map(|name| (*name).to_owned()).collect();
    for file in files
        .iter()
        .filter(|file| file.is_rust() && ROOMS.iter().any(|room| file.path.starts_with(room)))
    {
        for (line, attribute) in attributes(&file.text) {
            let is_flag = words(&attribute).any(|word| word == "long");
            let variable = attribute
                .split("env = \"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            match variable {
                Some(variable) if variable.starts_with("THRONG_") => {
                    known.insert(variable.to_owned());
                }
                _ if is_flag => faults.push(format!(
                    "{}:{line}: a flag without `env = \"THRONG_…\"`",
                    file.path
                )),
                _ => {}
            }
        }
    }
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (index, line) in file.text.lines().enumerate() {
            for name in
                line.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
            {
                if name.starts_with("THRONG_")
                    && name.len() > "THRONG_".len()
                    && !known.contains(name)
                {
                    faults.push(format!(
                        "{}:{}: no flag reads `{name}`",
                        file.path,
                        index + 1
                    ));
                }
            }
        }
    }
    faults
}

/// The insides of `#[arg(…)]`, with their lines (from 1); they may span several.
fn attributes(text: &str) -> Vec<(usize, String)> {
    let opening = concat!("#[", "arg(");
    let mut found = Vec::new();
    for (at, _) in text.match_indices(opening) {
        let inside = &text[at + opening.len()..];
        let mut depth = 1;
        let end = inside.find(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let line = text[..at].lines().count() + 1;
        found.push((line, inside[..end.unwrap_or(inside.len())].to_owned()));
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_without_a_variable_and_a_variable_without_a_flag() {
        let source = |attribute: &str| File {
            path: "cli/src/verb/x.rs".into(),
            text: format!("{}{attribute})]\n", concat!("#[", "arg(")),
        };
        assert_eq!(
            faults(&[source("short, long, env = \"THRONG_X\"")]),
            Vec::<String>::new()
        );
        assert_eq!(faults(&[source("long, value_parser = f(1)")]).len(), 1);
        assert_eq!(
            faults(&[source("value_name = \"FILE\"")]),
            Vec::<String>::new(),
            "a positional needs none"
        );
        let page = File {
            path: "docs/x.md".into(),
            text: "set THRONG_Y".into(),
        };
        assert_eq!(faults(&[source("long, env = \"THRONG_X\""), page]).len(), 1);
    }
}
