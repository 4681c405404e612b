//! The tree of groups and checks from the tags of the `checks` and `group_duration` series.

use super::{Check, Group};
use crate::{Metric, Store, Tags, Value, md5};
use std::collections::{BTreeMap, BTreeSet};

/// Groups within groups that are told apart (paths come from outside, and a tree is walked recursively); deeper names stay one.
const DEPTH: usize = 20;

/// `declared` gives the order: the group's path and the check's name, as the plan has them. What it does not name
/// follows by name.
pub(super) fn tree(store: &Store, declared: &[(String, String)]) -> Group {
    let mut seen: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    let mut paths: BTreeSet<String> = BTreeSet::new();
    for (metric, tags, value) in store.iter() {
        let path = tags.get("group").unwrap_or("");
        match (metric, &*value) {
            (Metric::Checks, Value::Rate { passes, total }) => {
                let name = name_of(tags);
                let sums = seen.entry((path.to_owned(), name)).or_default();
                sums.0 = sums.0.saturating_add(*passes);
                sums.1 = sums.1.saturating_add(total.saturating_sub(*passes));
            }
            (Metric::GroupDuration, _) => {
                paths.insert(path.to_owned());
            }
            _ => {}
        }
    }
    let mut root = group("", "");
    for key in declared {
        if let Some(sums) = seen.remove(key) {
            place(&mut root, key, sums);
        }
    }
    for (key, sums) in seen {
        place(&mut root, &key, sums);
    }
    for path in paths {
        descend(&mut root, &path);
    }
    root
}

/// Checks beyond an agent's limit of series have lost their names.
fn name_of(tags: &Tags) -> String {
    let name = tags.get("check");
    let name = name.or_else(|| tags.is_overflow().then_some("(beyond the limit of series)"));
    name.unwrap_or("(unnamed)").to_owned()
}

fn group(name: &str, path: &str) -> Group {
    Group {
        name: name.to_owned(),
        path: path.to_owned(),
        id: md5::hex(path),
        ..Group::default()
    }
}

fn place(root: &mut Group, (path, name): &(String, String), (passes, fails): (u64, u64)) {
    let path = format!("{path}::{name}");
    let check = Check {
        name: name.clone(),
        id: md5::hex(&path),
        path,
        passes,
        fails,
    };
    let parent = check.path.len() - name.len() - 2;
    let parent = check.path[..parent].to_owned();
    descend(root, &parent).checks.push(check);
}

/// The group of that path, made on the way if it is new.
fn descend<'a>(root: &'a mut Group, path: &str) -> &'a mut Group {
    let mut here = root;
    let mut so_far = String::new();
    for name in path.splitn(DEPTH, "::").filter(|name| !name.is_empty()) {
        so_far.push_str("::");
        so_far.push_str(name);
        let index = here
            .groups
            .iter()
            .position(|group| group.name == name)
            .unwrap_or_else(|| {
                here.groups.push(group(name, &so_far));
                here.groups.len() - 1
            });
        here = &mut here.groups[index];
    }
    here
}
