//! Links between pages lead somewhere, headings included. Links to other sites are their own business.

use super::File;
use std::collections::BTreeSet;

pub(crate) fn faults(files: &[File]) -> Vec<String> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, target) in targets(&file.text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = target
                .split_once('#')
                .map_or((target, None), |(path, heading)| (path, Some(heading)));
            let resolved = if path.is_empty() {
                file.path.clone()
            } else {
                resolve(&file.path, path)
            };
            let folder = format!("{}/", resolved.trim_end_matches('/'));
            if !paths.contains(resolved.as_str())
                && !paths.iter().any(|path| path.starts_with(&folder))
            {
                faults.push(format!(
                    "{}:{line}: the link to `{target}` leads nowhere",
                    file.path
                ));
                continue;
            }
            if let Some(heading) = heading
                && let Some(page) = files.iter().find(|page| page.path == resolved)
                && !anchors(&page.text).contains(heading)
            {
                faults.push(format!(
                    "{}:{line}: `{resolved}` has no heading `#{heading}`",
                    file.path
                ));
            }
        }
    }
    // Programs name pages in their messages.
    for file in files
        .iter()
        .filter(|file| file.is_rust() && !file.path.starts_with("xtask/"))
    {
        for (index, line) in file.text.lines().enumerate() {
            for word in line
                .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '.' | '_')))
            {
                if word.starts_with("docs/") && word.ends_with(".md") && !paths.contains(word) {
                    faults.push(format!("{}:{}: there is no `{word}`", file.path, index + 1));
                }
            }
        }
    }
    faults
}

/// What `](…)` holds outside of code, with its line (from 1).
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let mut rest = line;
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            if let Some(end) = rest.find(')') {
                found.push((
                    index + 1,
                    rest[..end].split_whitespace().next().unwrap_or(""),
                ));
            }
        }
    }
    found
}

fn resolve(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter_map(|c| {
                    if c == ' ' {
                        Some('-')
                    } else {
                        (c.is_alphanumeric() || c == '-' || c == '_').then_some(c)
                    }
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed() {
        let page = |path: &str, text: &str| File {
            path: path.into(),
            text: text.into(),
        };
        let files = |text: &str| {
            [
                page("docs/a.md", text),
                page("docs/b.md", "# One word, two\n"),
                page("README.md", ""),
            ]
        };
        for good in [
            "[b](b.md)",
            "[b](b.md#one-word-two)",
            "[r](../README.md)",
            "[x](https://x.test/y)",
            "[d](../docs)",
            "```\n[x](y.md)\n```",
        ] {
            assert_eq!(faults(&files(good)), Vec::<String>::new(), "{good}");
        }
        for bad in ["[b](c.md)", "[b](b.md#two)", "[r](README.md)"] {
            assert_eq!(faults(&files(bad)).len(), 1, "{bad}");
        }
    }
}
