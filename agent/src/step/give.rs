//! `give`: rows that setup makes for the load.

use crate::vu::Vu;
use plan::{DataId, JsonTemplate};

pub(super) fn run(vu: &mut Vu, rows: &[(DataId, JsonTemplate)]) {
    for (data, row) in rows {
        let mut json = Vec::new();
        row.render(&vu.scope(), &mut json);
        vu.given.push((*data, json));
    }
}
