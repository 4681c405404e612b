//! `constant-vus`: so many VUs, for so long.

use super::{Executor, required_duration, vus};
use crate::draft::Fields;

pub(super) fn read(fields: &mut Fields<'_>) -> Option<Executor> {
    let vus = vus(fields, "vus", 1);
    let duration = required_duration(fields);
    Some(Executor::ConstantVus {
        vus: vus?,
        duration: duration?,
    })
}
