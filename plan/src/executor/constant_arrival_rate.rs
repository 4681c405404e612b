//! `constant-arrival-rate`: iterations begin at a rate, however long they take.

use super::{Executor, pool, rate_fits, required_duration, time_unit};
use crate::draft::Fields;

pub(super) fn read(fields: &mut Fields<'_>) -> Option<Executor> {
    let node = fields.require("rate", "50");
    let rate = node.and_then(|node| fields.reader.u64(node));
    let time_unit = time_unit(fields);
    let duration = required_duration(fields);
    let pool = pool(fields);
    if let (Some(node), Some(0)) = (node, rate) {
        fields
            .reader
            .error(&node.place, "`rate` must be at least 1");
        return None;
    }
    let (rate, time_unit) = (rate?, time_unit?);
    if !rate_fits(fields, node?, rate, time_unit) {
        return None;
    }
    let (pre_allocated_vus, max_vus) = pool?;
    Some(Executor::ConstantArrivalRate {
        rate,
        time_unit,
        duration: duration?,
        pre_allocated_vus,
        max_vus,
    })
}
