//! `let`: sets variables.

use crate::vu::Vu;
use plan::{Expression, Slot};
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
        };
        vu.slots[*slot] = value;
    }
}
