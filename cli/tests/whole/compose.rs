//! `deploy/compose.yaml` gives throng only flags that it has, and mounts only what is there. A container engine is not needed for that.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{repository, run};
use std::path::Path;

/// The arguments of each service's command that is throng's own, however they are written.
fn commands(text: &str) -> Vec<Vec<String>> {
    let verbs = ["demo", "controller", "agent", "run"];
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(rest) = line.trim().strip_prefix("command:") else {
            continue;
        };
        let clean = |word: &str| word.trim().trim_matches('"').to_owned();
        let words: Vec<String> = match rest.trim().strip_prefix('[') {
            Some(list) => list.trim_end_matches(']').split(',').map(clean).collect(),
            None => {
                let mut words = Vec::new();
                while let Some(item) = lines.peek().and_then(|line| line.trim().strip_prefix("- "))
                {
                    words.push(clean(item));
                    lines.next();
                }
                words
            }
        };
        if verbs.contains(&words[0].as_str()) {
            found.push(words);
        }
    }
    found
}

#[test]
fn compose_gives_throng_what_it_takes() {
    let text = std::fs::read_to_string(repository("deploy/compose.yaml")).unwrap();
    let commands = commands(&text);
    assert_eq!(commands.len(), 4);
    for command in commands {
        let help = run(&[&command[0], "--help"]).out;
        for flag in command.iter().filter(|word| word.starts_with("--")) {
            let known = help
                .split(|letter: char| letter.is_whitespace() || letter == ',')
                .any(|word| word == flag);
            assert!(known, "throng {} has no {flag}", command[0]);
        }
    }
    for line in text.lines().map(str::trim) {
        let Some((from, _)) = line
            .strip_prefix("- ./")
            .and_then(|rest| rest.split_once(':'))
        else {
            continue;
        };
        let place = repository(&format!("deploy/{from}"));
        assert!(Path::new(&place).is_dir(), "{place}");
    }
}
