//! The steps of a flow: one file each for its type and its reader; this enum is closed, so the compiler lists what a new
//! step must answer.
//!
//! A step is a map headed by its method: the one key that names the step, and that step's own keys beside it.

mod assign;
mod checks;
mod each;
mod extract;
mod give;
mod group;
mod request;
mod sleep;
mod stop;

pub use assign::Expression;
pub use checks::{Check, CheckCondition};
pub use extract::{Extract, ExtractSource};
pub use request::{Body, Request};
pub use stop::Condition;

use crate::diagnostics::{list, suggestion};
use crate::draft::{Fields, Kind, Node};
use crate::flow::Builder;
use crate::template::JsonTemplate;
use crate::{DataId, Slot};
use serde::Serialize;
use std::time::Duration;

/// One step of a flow.
#[derive(Debug, Clone, Serialize)]
pub enum Step {
    /// `let: { user: … }`, in the order written.
    Let(Vec<(Slot, Expression)>),
    /// `get: /path` and the other methods.
    Request(Box<Request>),
    /// `sleep: 1s` or `sleep: [1s, 3s]` (uniform).
    Sleep {
        /// Shortest.
        min: Duration,
        /// Longest; equal to `min` for a fixed sleep.
        max: Duration,
    },
    /// `group: name` with `steps`.
    Group {
        /// Full path in k6's form, `::outer::inner`.
        path: String,
        /// The steps inside.
        steps: Vec<Step>,
    },
    /// `stop: reason` with an optional `unless: variable` / `if: variable`.
    Stop {
        /// Why; the `reason` tag of `iterations_stopped`, and the text of the log line.
        reason: String,
        /// When it stops.
        when: Condition,
    },
    /// `each: users` with `as`, `concurrency` and `steps`: the steps for each row. Only at the top of `setup` and `teardown`.
    Each {
        /// Over which set.
        data: DataId,
        /// The variable that is the row.
        slot: Slot,
        /// How many rows at a time; at least one.
        concurrency: u64,
        /// The steps inside.
        steps: Vec<Step>,
    },
    /// `give: { sessions: … }`: one row of each of these sets for the load. Only in `setup`.
    Give(Vec<(DataId, JsonTemplate)>),
}

/// The keys that head a step.
const HEADS: [&str; 13] = [
    "let", "get", "post", "put", "patch", "delete", "head", "options", "sleep", "group", "stop",
    "each", "give",
];

/// How many of them every flow has; the others belong to setup and teardown.
const EVERYWHERE: usize = 11;

/// Reads steps in order; wrong ones are reported and left out.
pub(crate) fn read_all<'a>(flow: &mut Builder<'a>, items: &'a [Node]) -> Vec<Step> {
    items.iter().filter_map(|item| read(flow, item)).collect()
}

fn read<'a>(flow: &mut Builder<'a>, node: &'a Node) -> Option<Step> {
    let reader = flow.reader;
    let Kind::Map(entries) = &node.kind else {
        reader.unexpected(node, "a step such as `get: /path` or `sleep: 1s`");
        return None;
    };
    let mut heads = entries.iter().filter_map(|(key, node)| {
        let head = HEADS.iter().find(|head| **head == key.text)?;
        Some((*head, key, node))
    });
    let Some((head, key, value)) = heads.next() else {
        let (place, what, written) = match entries.first() {
            None => (&node.place, "an empty step".to_owned(), ""),
            Some((key, _)) => (
                &key.place,
                format!("there is no step `{}`", key.text),
                key.text.as_str(),
            ),
        };
        let there = if flow.phase.is_some() {
            HEADS.len()
        } else {
            EVERYWHERE
        };
        let there = HEADS.iter().copied().take(there);
        reader.error_help(place, what, suggestion(written, there));
        return None;
    };
    // `delete: …` may head a step, and `options`, but only one of them.
    let others: Vec<&str> = heads.map(|(head, _, _)| head).collect();
    if !others.is_empty() {
        reader.error_help(
            &key.place,
            format!("one step cannot be `{head}` and {}", list(others)),
            "begin each step with a `-` of its own",
        );
        return None;
    }
    let mut fields = reader.fields(node, &key.place, "a step")?;
    // The head is read by whoever it names.
    let _ = fields.get(head);
    let step = match head {
        "let" => assign::read(flow, value),
        "sleep" => sleep::read(flow, value),
        "group" => group::read(flow, &mut fields, value),
        "stop" => stop::read(flow, &mut fields, value),
        "each" => each::read(flow, &mut fields, &key.place, value),
        "give" => give::read(flow, &key.place, value),
        method => request::read(flow, &mut fields, method, value),
    };
    fields.finish(&[]);
    step
}

/// A name that stands in a path such as `::outer::inner`, or in a tag.
fn name(fields: &Fields<'_>, node: &Node, text: &str, what: &str) -> bool {
    if text.trim().is_empty() {
        fields
            .reader
            .error(&node.place, format!("{what} needs a name"));
        return false;
    }
    if text.contains("::") {
        fields.reader.error(
            &node.place,
            format!("the name of {what} may not contain `::`, which separates groups"),
        );
        return false;
    }
    true
}
