//! `give: { sessions: { user: "{{ user }}" } }`: setup gives the load a row of a data set.

use super::{Step, assign};
use crate::draft::Node;
use crate::flow::Builder;
use crate::{PhaseKind, Place};

pub(super) fn read<'a>(flow: &mut Builder<'a>, place: &Place, node: &'a Node) -> Option<Step> {
    let reader = flow.reader;
    if flow.phase != Some(PhaseKind::Setup) {
        reader.error_help(
            place,
            "`give` is a step of `setup`",
            "what one step found out, a later one of the same flow has in a variable",
        );
        return None;
    }
    let fields = reader.fields(node, &node.place, "a map of rows by data set")?;
    if fields.entries.is_empty() {
        reader.error_help(
            &node.place,
            "`give` gives nothing",
            "for example `give: { sessions: { user: \"{{ user }}\" } }`",
        );
        return None;
    }
    let mut rows = Vec::new();
    for (key, node) in fields.entries {
        let set = Node::text(key.text.clone(), key.place.clone());
        let id = assign::data(flow, &set);
        if let Some(id) = id
            && !flow.data[id].is_given()
        {
            let name = &key.text;
            reader.error_help(
                &key.place,
                format!("`{name}` has rows already"),
                format!(
                    "a set that setup gives is declared as `{name}: {{ setup: true }}` under `data`"
                ),
            );
        }
        let row = flow.json(node);
        rows.extend(id.zip(row));
    }
    Some(Step::Give(rows))
}
