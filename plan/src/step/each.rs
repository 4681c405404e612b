//! `each: users` with `as: user`, `concurrency: 20` and `steps`: setup and teardown do steps for each row of a data set.

use super::{Step, assign, read_all};
use crate::draft::{Fields, Node};
use crate::flow::{Builder, Shape};
use crate::{PhaseKind, Place};

/// Most rows at a time: each has a connection of its own.
const MOST: u64 = 1000;

pub(super) fn read<'a>(
    flow: &mut Builder<'a>,
    fields: &mut Fields<'a>,
    place: &Place,
    node: &'a Node,
) -> Option<Step> {
    let reader = flow.reader;
    let name = fields.get("as");
    let concurrency = fields.get("concurrency");
    let steps = fields.require("steps", "[{ get: / }]");
    let top = flow.phase.filter(|phase| flow.group == phase.group());
    let Some(phase) = top.filter(|_| !flow.in_each) else {
        let (what, help) = match flow.phase {
            None => (
                "`each` is a step of `setup` and `teardown`",
                "in a flow, `let: { user: { own: users } }` gives each VU a row of its own",
            ),
            Some(_) => (
                "`each` stands by itself, in no `group` and no other `each`",
                "put a `group` into its `steps`",
            ),
        };
        reader.error_help(place, what, help);
        return None;
    };
    let data = assign::data(flow, node);
    if let (PhaseKind::Setup, Some(id)) = (phase, data)
        && flow.data[id].is_given()
    {
        let name = &flow.data[id].name;
        reader.error_help(
            &node.place,
            format!("setup gives the rows of `{name}`; it cannot go over them"),
            "do it in the `each` that gives them, or in `teardown`",
        );
    }
    let concurrency = match concurrency {
        None => Some(1),
        Some(node) => reader.u64(node).filter(|n| {
            let good = (1..=MOST).contains(n);
            if !good {
                let what = format!("{n} rows at a time; there may be 1 to {MOST}");
                reader.error(&node.place, what);
            }
            good
        }),
    };
    let known = flow.known();
    let (name, name_place) = match name {
        None => ("row".to_owned(), place.clone()),
        Some(node) => (
            reader.text(node, "the name of a variable")?,
            node.place.clone(),
        ),
    };
    let shape = data
        .and_then(|id| flow.data.get(id))
        .map_or(Shape::Any, Shape::of_rows);
    let slot = flow.set(&name, &name_place, shape);
    flow.in_each = true;
    let steps = steps.and_then(|node| {
        let items = reader.list(node, "a list of steps")?;
        if items.is_empty() {
            reader.error(&node.place, "`each` has no steps");
        }
        Some(read_all(flow, items))
    });
    flow.in_each = false;
    flow.forget(known);
    Some(Step::Each {
        data: data?,
        slot,
        concurrency: concurrency?,
        steps: steps?,
    })
}
