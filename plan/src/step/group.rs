//! `group: Checkout` with `steps: […]`: steps whose time is measured together.

use super::{Step, name, read_all};
use crate::draft::{Fields, Node};
use crate::flow::Builder;

pub(super) fn read<'a>(
    flow: &mut Builder<'a>,
    fields: &mut Fields<'a>,
    node: &'a Node,
) -> Option<Step> {
    let reader = flow.reader;
    let title = reader.text(node, "the group's name");
    let steps = fields.require("steps", "[{ get: / }]");
    let title = title.filter(|title| name(fields, node, title, "a group"));
    let outer = flow.group.clone();
    // Even under a wrong name the steps are read, for their own errors.
    flow.group = format!("{outer}::{}", title.as_deref().unwrap_or_default());
    let path = flow.group.clone();
    let steps = steps.and_then(|node| {
        let items = reader.list(node, "a list of steps")?;
        if items.is_empty() {
            reader.error(&node.place, "the group has no steps");
        }
        Some(read_all(flow, items))
    });
    flow.group = outer;
    title?;
    Some(Step::Group {
        path,
        steps: steps?,
    })
}
