//! `let`: sets variables.

use crate::vu::Vu;
use plan::{DataId, Expression, Slot};
use proto::v1::Level;
use serde_json::Value;
use std::rc::Rc;

pub(super) fn run(vu: &mut Vu, values: &[(Slot, Expression)]) {
    let site = Rc::clone(&vu.site);
    for (slot, expression) in values {
        let value = match expression {
            Expression::Json(json) => json.value(&vu.scope()),
            Expression::Random(data) => {
                let rows = &site.plan.data[*data].rows;
                rows.row(vu.random.below(rows.count()))
            }
            Expression::Cycle(data) => site.plan.data[*data]
                .rows
                .row(vu.scope().scenario_iteration),
            Expression::Own(data) => own(vu, *data, vu.number()),
            Expression::PerIteration(data) => own(vu, *data, vu.scope().scenario_iteration),
        };
        vu.slots[*slot] = value;
    }
}

/// A row that nobody else has. That it is here was seen to before the load; if it is not, that must not pass for an empty one.
fn own(vu: &Vu, data: DataId, index: u64) -> Value {
    // Rows that came with VUs of other agents are there, too.
    let share = vu.site.stop.share();
    let set = &share.plan.data[data];
    if !set.rows.at_hand(index) {
        let text = format!(
            "a row of `{}` was not handed to this agent, and is empty; please report this",
            set.name
        );
        let mut recorder = vu.site.recorder.borrow_mut();
        recorder
            .lines
            .message(Level::Error, &text, || format!("row {index}"));
    }
    set.rows.row(index)
}
