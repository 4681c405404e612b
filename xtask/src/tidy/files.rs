//! The files of the repository. Knows where they are and nothing of what stands in them.

use std::io;
use std::path::Path;

/// Folders that are made, not written.
const MADE: [&str; 3] = ["target", "runs", ".git"];
/// Largest file that is looked at, in bytes.
const LARGEST: u64 = 4 << 20;

/// A file.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Relative to the workspace, with `/`.
    pub(crate) path: String,
    /// What stands in it; empty if that is not text.
    pub(crate) text: String,
}

impl File {
    /// A Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Every file below `root`, sorted by path.
pub(crate) fn read(root: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    walk(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}/{name}")
        };
        let kind = entry.file_type()?;
        if kind.is_dir() && !(prefix.is_empty() && MADE.contains(&name.as_str())) {
            walk(&entry.path(), &path, files)?;
        } else if kind.is_file() && entry.metadata()?.len() <= LARGEST && path != ".git" {
            // What is not text has nothing to say about house rules, but pages show it.
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            files.push(File { path, text });
        }
    }
    Ok(())
}

/// Files every repository like this one has.
pub(crate) fn faults(files: &[File]) -> Vec<String> {
    let wanted = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        ".ci/run",
        ".github/workflows/ci.yml",
        "justfile",
        "clippy.toml",
        "deny.toml",
    ];
    let missing = wanted
        .iter()
        .filter(|wanted| !files.iter().any(|file| file.path == **wanted));
    missing.map(|path| format!("{path}: missing")).collect()
}
