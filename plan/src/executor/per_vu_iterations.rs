//! `per-vu-iterations`: each VU does so many iterations.

use super::{Executor, max_duration, positive, vus};
use crate::draft::Fields;

pub(super) fn read(fields: &mut Fields<'_>) -> Option<Executor> {
    let vus = vus(fields, "vus", 1);
    let iterations = positive(fields, "iterations", 1);
    let max_duration = max_duration(fields);
    Some(Executor::PerVuIterations {
        vus: vus?,
        iterations: iterations?,
        max_duration: max_duration?,
    })
}
