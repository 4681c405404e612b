//! The house rules, one file each. A rule is a function from the files to faults; this file only gathers.

use std::fmt;
use std::path::Path;

mod arrows;
mod files;
mod flags;
mod links;
mod places;
mod sources;

pub(crate) use files::File;

/// From the files to faults.
type Rule = fn(&[File]) -> Vec<String>;

/// What the rules found.
#[derive(Debug)]
pub(crate) struct Report {
    /// Broken rules, each with where and what to do.
    pub(crate) faults: Vec<String>,
    /// Rust files, and the lines of the median one.
    sources: usize,
    median: usize,
}

/// Applies every rule to the workspace at `root`.
pub(crate) fn look(root: &Path) -> Report {
    let files = match files::read(root) {
        Ok(files) => files,
        Err(error) => {
            return Report {
                faults: vec![format!("{}: cannot be read: {error}", root.display())],
                sources: 0,
                median: 0,
            };
        }
    };
    let rules: [Rule; 6] = [
        arrows::faults,
        sources::faults,
        places::faults,
        flags::faults,
        links::faults,
        files::faults,
    ];
    let mut faults: Vec<String> = rules.iter().flat_map(|rule| rule(&files)).collect();
    faults.sort();
    let mut lines: Vec<usize> = files
        .iter()
        .filter(|file| file.is_rust())
        .map(|file| file.text.lines().count())
        .collect();
    lines.sort_unstable();
    Report {
        faults,
        sources: lines.len(),
        median: lines.get(lines.len() / 2).copied().unwrap_or(0),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        writeln!(
            f,
            "tidy: {} Rust files, median {} lines, {} faults",
            self.sources,
            self.median,
            self.faults.len()
        )
    }
}
