//! `shared-iterations`: so many iterations, shared by the VUs that are free.

use super::{Executor, max_duration, positive, vus};
use crate::draft::Fields;

pub(super) fn read(fields: &mut Fields<'_>) -> Option<Executor> {
    let vus = vus(fields, "vus", 1);
    let iterations = positive(fields, "iterations", 1);
    let max_duration = max_duration(fields);
    let (vus, iterations, max_duration) = (vus?, iterations?, max_duration?);
    if iterations < vus {
        let key = if fields.get("iterations").is_some() {
            "iterations"
        } else {
            "vus"
        };
        fields.reader.error_help(
            &fields.place(key),
            format!("{iterations} iterations cannot be shared by {vus} VUs: some would have nothing to do"),
            format!("set `vus` to at most {iterations}, or `iterations` to at least {vus}"),
        );
        return None;
    }
    Some(Executor::SharedIterations {
        vus,
        iterations,
        max_duration,
    })
}
