//! `ramping-arrival-rate`: iterations begin at a rate that changes, stage by stage.

use super::{Executor, pool, rate_fits, stages, time_unit};
use crate::draft::Fields;

pub(super) fn read(fields: &mut Fields<'_>) -> Option<Executor> {
    let start_node = fields.get("startRate");
    let start_rate = match start_node {
        None => Some(0),
        Some(node) => fields.reader.u64(node),
    };
    let time_unit = time_unit(fields);
    let stages = stages(fields);
    let pool = pool(fields);
    let (start_rate, time_unit, stages) = (start_rate?, time_unit?, stages?);
    let mut fits = start_node.is_none_or(|node| rate_fits(fields, node, start_rate, time_unit));
    for (stage, node) in &stages {
        fits &= rate_fits(fields, node, stage.target, time_unit);
    }
    if !fits {
        return None;
    }
    let stages: Vec<_> = stages.into_iter().map(|(stage, _)| stage).collect();
    if start_rate == 0 && stages.iter().all(|stage| stage.target == 0) {
        fields.reader.error(
            &fields.place("stages"),
            "no iteration would ever begin: `startRate` and every `target` are 0",
        );
        return None;
    }
    let (pre_allocated_vus, max_vus) = pool?;
    Some(Executor::RampingArrivalRate {
        start_rate,
        time_unit,
        stages,
        pre_allocated_vus,
        max_vus,
    })
}
