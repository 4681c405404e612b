//! `ramping-vus`: VUs that come and go, stage by stage.

use super::{Executor, MOST_VUS, capped, stages};
use crate::draft::Fields;
use std::time::Duration;

pub(super) fn read(fields: &mut Fields<'_>) -> Option<Executor> {
    let start_vus = match fields.get("startVUs") {
        None => Some(1),
        Some(_) => fields
            .u64("startVUs")
            .and_then(|value| capped(fields, "startVUs", value)),
    };
    let graceful_ramp_down = match fields.get("gracefulRampDown") {
        None => Some(Duration::from_secs(30)),
        Some(node) => fields.reader.duration(node),
    };
    let stages = stages(fields)?;
    let mut fits = true;
    for (stage, node) in &stages {
        if stage.target > MOST_VUS {
            fits = false;
            fields.reader.error(
                &node.place,
                format!(
                    "the target is {}; at most {MOST_VUS} VUs are possible",
                    stage.target
                ),
            );
        }
    }
    let start_vus = start_vus?;
    let stages: Vec<_> = stages.into_iter().map(|(stage, _)| stage).collect();
    if start_vus == 0 && stages.iter().all(|stage| stage.target == 0) {
        fields.reader.error(
            &fields.place("stages"),
            "there would never be a VU: `startVUs` and every `target` are 0",
        );
        return None;
    }
    fits.then_some(Executor::RampingVus {
        start_vus,
        stages,
        graceful_ramp_down: graceful_ramp_down?,
    })
}
