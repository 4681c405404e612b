//! `let: { user: { random: users }, id: "{{ user.id }}" }`: sets variables.

use super::Step;
use crate::draft::{Key, Kind, Node, unknown_name};
use crate::flow::{Builder, Shape};
use crate::template::JsonTemplate;
use crate::{DataId, Place};
use serde::Serialize;
use serde_json::Value;

/// Where a value of `let` comes from.
#[derive(Debug, Clone, Serialize)]
pub enum Expression {
    /// A text or JSON with `{{ }}` in it; a string that is one `{{ x }}` alone keeps x's type.
    Json(JsonTemplate),
    /// `{ random: users }`: a row drawn by the VU's seeded generator.
    Random(DataId),
    /// `{ cycle: users }`: row (iteration index of the scenario) mod rows.
    Cycle(DataId),
    /// `{ own: users }`: row k for the k-th VU of the scenario.
    Own(DataId),
    /// `{ per_iteration: users }`: row i for the iteration with index i of the scenario.
    PerIteration(DataId),
}

pub(super) fn read<'a>(flow: &mut Builder<'a>, node: &'a Node) -> Option<Step> {
    let fields = flow
        .reader
        .fields(node, &node.place, "a map of variables")?;
    let mut values = Vec::new();
    for (key, node) in fields.entries {
        let expression = expression(flow, node);
        let shape = match &expression {
            Some(
                Expression::Random(id)
                | Expression::Cycle(id)
                | Expression::Own(id)
                | Expression::PerIteration(id),
            ) => flow.data.get(*id).map_or(Shape::Any, Shape::of_rows),
            Some(Expression::Json(json)) => match json {
                JsonTemplate::Text(_)
                | JsonTemplate::Constant(Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
                    Shape::Plain
                }
                JsonTemplate::Constant(_)
                | JsonTemplate::Value(_)
                | JsonTemplate::Array(_)
                | JsonTemplate::Object(_) => Shape::Any,
            },
            None => Shape::Any,
        };
        let slot = flow.set(&key.text, &key.place, shape);
        values.extend(expression.map(|expression| (slot, expression)));
    }
    Some(Step::Let(values))
}

fn expression(flow: &mut Builder<'_>, node: &Node) -> Option<Expression> {
    if let Kind::Map(entries) = &node.kind
        && let [(key, value)] = entries.as_slice()
        && let Kind::Text(_) = &value.kind
    {
        match key.text.as_str() {
            "random" => return whole(flow, value, "random").map(Expression::Random),
            "cycle" => return whole(flow, value, "cycle").map(Expression::Cycle),
            "own" => return one(flow, key, value).map(Expression::Own),
            "per_iteration" => return one(flow, key, value).map(Expression::PerIteration),
            _ => {}
        }
    }
    flow.json(node).map(Expression::Json)
}

/// A set of which every agent has all rows.
fn whole(flow: &Builder<'_>, node: &Node, how: &str) -> Option<DataId> {
    let id = data(flow, node)?;
    if flow.data[id].is_given() {
        let name = &flow.data[id].name;
        flow.reader.error_help(
            &node.place,
            format!("`{{ {how}: {name} }}` wants all rows, and the rows that setup gives are divided over the agents"),
            format!("`{{ own: {name} }}` is the row of this VU, `{{ per_iteration: {name} }}` that of this arrival"),
        );
        return None;
    }
    Some(id)
}

/// A set of which each VU, or iteration, has a row of its own.
fn one(flow: &Builder<'_>, key: &Key, node: &Node) -> Option<DataId> {
    if let Some(phase) = flow.phase {
        flow.reader.error_help(
            &key.place,
            format!("there are no VUs and no iterations in {}", phase.name()),
            "`each: set` does its steps for each row of a set",
        );
        return None;
    }
    data(flow, node)
}

pub(super) fn data(flow: &Builder<'_>, node: &Node) -> Option<DataId> {
    let name = flow.reader.text(node, "the name of a data set")?;
    let id = flow.data.iter().position(|data| data.name == name);
    if id.is_none() {
        report(flow, &node.place, &name);
    }
    id
}

fn report(flow: &Builder<'_>, place: &Place, name: &str) {
    unknown_name(
        flow.reader,
        place,
        format!("there is no data set `{name}`"),
        name,
        flow.data.iter().map(|data| data.name.as_str()),
    );
}
