//! Nothing in the repository speaks of one machine: no home folders, no private hosts, no mirrors of package registries.

use super::File;

/// Written in two pieces, so that this file does not contain what it looks for.
const FORBIDDEN: [(&str, &str); 8] = [
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/wo", "rk/"),
    ("/Us", "ers/"),
    ("/tm", "p/"),
    ("arti", "factory"),
    ("[source.", "crates-io]"),
    ("replace-", "with"),
];

pub(crate) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            for (first, second) in FORBIDDEN {
                let wanted = format!("{first}{second}");
                if contains_path(line, &wanted) {
                    faults.push(format!(
                        "{}:{}: `{wanted}` is a place on one machine",
                        file.path,
                        index + 1
                    ));
                }
            }
        }
        if file.path == "Cargo.lock" {
            for (index, line) in file.text.lines().enumerate() {
                if let Some(source) = line.strip_prefix("source = ")
                    && source != "\"registry+https://github.com/rust-lang/crates.io-index\""
                {
                    faults.push(format!(
                        "Cargo.lock:{}: {source} is not the public registry",
                        index + 1
                    ));
                }
            }
        }
    }
    faults
}

/// A path counts only at a path's beginning: `https://host/home/x` names a resource, not a machine's folder.
fn contains_path(line: &str, wanted: &str) -> bool {
    line.match_indices(wanted).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !wanted.starts_with('/')
            || before
                .is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | '/')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_at_a_paths_beginning_only() {
        let file = |text: String| {
            [File {
                path: "a.md".into(),
                text,
            }]
        };
        assert_eq!(faults(&file(format!("see `{}{}x`", "/ho", "me/"))).len(), 1);
        assert_eq!(faults(&file(format!("{}{}x", "/wo", "rk/"))).len(), 1);
        assert_eq!(
            faults(&file(format!("http://shop.test{}{}x", "/wo", "rk/"))).len(),
            0
        );
        assert_eq!(
            faults(&[File {
                path: "Cargo.lock".into(),
                text: "source = \"registry+https://mirror.example/\"\n".into()
            }])
            .len(),
            1
        );
    }
}
