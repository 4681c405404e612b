//! Pages keep their word: what they show as scenarios compiles, and is what is shipped.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::repository;
use plan::Bundle;

/// The fenced blocks of a language, in order.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository(page)).unwrap();
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(named)) => {
                open = Some(if named == language {
                    String::new()
                } else {
                    "\0".to_owned()
                })
            }
            (Some(block), Some("")) => {
                if !block.starts_with('\0') {
                    found.push(std::mem::take(block));
                }
                open = None;
            }
            (Some(block), _) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// Without comments and blank lines.
fn bare(yaml: &str) -> Vec<&str> {
    yaml.lines()
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .collect()
}

#[test]
fn coming_from_k6_shows_the_shipped_scenario_line_by_line() {
    let shown = blocks("docs/coming-from-k6.md", "yaml").concat();
    let shipped = std::fs::read_to_string(repository("scenarios/reservation.yaml")).unwrap();
    assert_eq!(bare(&shown), bare(&shipped));
}

#[test]
fn scenarios_of_the_pages_compile() {
    for page in ["README.md", "docs/scenarios.md"] {
        let whole: Vec<String> = blocks(page, "yaml")
            .into_iter()
            .filter(|block| block.lines().any(|line| line == "flows:"))
            .collect();
        assert!(!whole.is_empty(), "{page} shows no scenario");
        for source in whole {
            let overrides = plan::Overrides {
                base_url: Some("http://shop.test".to_owned()),
                ..plan::Overrides::default()
            };
            let mut bundle = Bundle {
                name: page.to_owned(),
                source,
                overrides,
                ..Bundle::default()
            };
            for file in bundle.wanted_files().unwrap() {
                let text = if file.ends_with(".json") {
                    "[{}]"
                } else {
                    "name,id\na,1\n"
                };
                bundle.files.insert(file, text.into());
            }
            if let Err(diagnostics) = plan::compile(&bundle) {
                panic!("{}", diagnostics.render(false));
            }
        }
    }
}

#[test]
fn the_page_of_faults_has_all_of_them_and_names_tests_that_are_there() {
    let page = std::fs::read_to_string(repository("docs/faults.md")).unwrap();
    for fault in 1..=38 {
        let rows = page.matches(&format!("\n| {fault} | ")).count();
        assert_eq!(rows, 2, "fault {fault}: what is done, and what shows it");
    }
    // Every other piece of a line stands between backticks.
    let spans = page
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let named: Vec<(&str, &str)> = spans
        .filter_map(|span| span.split_once("::"))
        .filter(|(file, _)| file.contains('/'))
        .collect();
    assert!(named.len() > 100, "{named:?}");
    for (file, name) in named {
        let text = std::fs::read_to_string(repository(file)).unwrap();
        let there = ["fn", "def"]
            .iter()
            .any(|word| text.contains(&format!("{word} {name}(")));
        assert!(there, "{file} has no {name}");
    }
}
