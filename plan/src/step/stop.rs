//! `stop: no token` with `unless: token` or `if: queued`: ends the iteration early, for a counted reason.

use super::Step;
use crate::Slot;
use crate::draft::{Fields, Node};
use crate::flow::Builder;
use serde::Serialize;
use serde_json::Value;

/// When a step applies. A variable is "there" when it is neither null, false nor an empty string.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Condition {
    /// Always.
    Always,
    /// If the variable is there.
    If(Slot),
    /// If it is not.
    Unless(Slot),
}

impl Condition {
    /// True if it holds for these variables.
    #[must_use]
    pub fn holds(&self, slots: &[Value]) -> bool {
        let there = |slot: &Slot| match slots.get(*slot) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Bool(true) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => true,
        };
        match self {
            Condition::Always => true,
            Condition::If(slot) => there(slot),
            Condition::Unless(slot) => !there(slot),
        }
    }
}

pub(super) fn read<'a>(
    flow: &mut Builder<'a>,
    fields: &mut Fields<'a>,
    node: &'a Node,
) -> Option<Step> {
    let reader = flow.reader;
    let reason = reader
        .text(node, "the reason for stopping")
        .filter(|reason| {
            let good = !reason.trim().is_empty() && !reason.contains("{{");
            if !good {
                reader.error_help(
                    &node.place,
                    "a reason is a short constant text: it is counted under this name",
                    "for example `stop: no token`",
                );
            }
            good
        });
    let when = match (fields.get("if"), fields.get("unless")) {
        (None, None) => Some(Condition::Always),
        (Some(node), None) => variable(flow, node).map(Condition::If),
        (None, Some(node)) => variable(flow, node).map(Condition::Unless),
        (Some(_), Some(node)) => {
            reader.error(&node.place, "`if` and `unless` exclude one another");
            None
        }
    };
    Some(Step::Stop {
        reason: reason?,
        when: when?,
    })
}

fn variable(flow: &mut Builder<'_>, node: &Node) -> Option<Slot> {
    let name = flow.reader.text(node, "the name of a variable")?;
    flow.slot(name.trim(), &node.place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn there_is_neither_null_nor_false_nor_empty() {
        let table = [
            (json!(null), false),
            (json!(false), false),
            (json!(""), false),
            (json!("0"), true),
            (json!(0), true),
            (json!(true), true),
            (json!([]), true),
            (json!({}), true),
        ];
        for (value, there) in table {
            let slots = [value];
            assert_eq!(Condition::If(0).holds(&slots), there, "{}", slots[0]);
            assert_eq!(Condition::Unless(0).holds(&slots), !there, "{}", slots[0]);
        }
        assert!(Condition::Always.holds(&[]));
        assert!(Condition::Unless(7).holds(&[]));
    }
}
