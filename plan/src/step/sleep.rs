//! `sleep: 1s`, or `sleep: [1s, 3s]` for a time drawn between the two.

use super::Step;
use crate::draft::{Kind, Node};
use crate::flow::Builder;
use std::time::Duration;

pub(super) fn read<'a>(flow: &mut Builder<'a>, node: &'a Node) -> Option<Step> {
    if let Kind::List(items) = &node.kind {
        let [min, max] = items.as_slice() else {
            flow.reader.error(
                &node.place,
                format!(
                    "expected `[shortest, longest]`, found {} items",
                    items.len()
                ),
            );
            return None;
        };
        let (low, high) = (duration(flow, min), duration(flow, max));
        let (low, high) = (low?, high?);
        if low > high {
            flow.reader
                .error(&node.place, "the shortest sleep is longer than the longest");
            return None;
        }
        return Some(Step::Sleep {
            min: low,
            max: high,
        });
    }
    let time = duration(flow, node)?;
    Some(Step::Sleep {
        min: time,
        max: time,
    })
}

/// A bare number is a millisecond elsewhere and a second in k6's `sleep()`: here it must say which.
fn duration(flow: &Builder<'_>, node: &Node) -> Option<Duration> {
    if let Kind::Number(text, _) = &node.kind
        && text != "0"
    {
        flow.reader.error_help(
            &node.place,
            format!("{text} of what? A sleep needs a unit"),
            format!("write `{text}s` or `{text}ms`"),
        );
        return None;
    }
    flow.reader.duration(node)
}
