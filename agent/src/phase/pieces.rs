//! `each`: the same steps for each row, so many rows at a time; what they give is kept in the order of the rows.

use super::{Doer, Trouble, until_cut};
use crate::step::Outcome;
use crate::vu::Vu;
use plan::{FlowId, Plan, Rows, Slot, Step};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::task::JoinSet;

/// Where the step is, and what is known when it begins.
pub(super) struct Each {
    pub(super) flow: FlowId,
    pub(super) index: usize,
    pub(super) slot: Slot,
    pub(super) slots: Vec<Value>,
}

type Given = Vec<(plan::DataId, Vec<u8>)>;

/// What the rows at work have in common.
struct Common {
    each: Each,
    next: Cell<u64>,
    count: u64,
    given: RefCell<BTreeMap<u64, Given>>,
    bytes: Cell<usize>,
}

pub(super) async fn run(
    doer: &mut Doer,
    plan: &Plan,
    each: Each,
    rows: &Rows,
) -> Result<(), Trouble> {
    let Step::Each { concurrency, .. } = &plan.flows[each.flow].steps[each.index] else {
        return Ok(());
    };
    let count = rows.count();
    let common = Rc::new(Common {
        each,
        next: Cell::new(0),
        count,
        given: RefCell::default(),
        bytes: Cell::new(0),
    });
    let mut hands = JoinSet::new();
    for _ in 0..(*concurrency).min(count) {
        let helper = Doer {
            site: Rc::clone(&doer.site),
            kind: doer.kind,
            rows: BTreeMap::new(),
            bytes: 0,
            count: 0,
        };
        hands.spawn_local(rows_one_by_one(helper, Rc::clone(&common)));
    }
    let mut result = Ok(());
    while let Some(done) = hands.join_next().await {
        let done = done.unwrap_or_else(|broke| Err(Trouble::Failed(format!("it broke: {broke}"))));
        // The first one counts; the others are waited for, so that what they did is recorded.
        result = result.and(done);
    }
    for given in common.given.take().into_values() {
        doer.take(given)?;
    }
    result
}

async fn rows_one_by_one(doer: Doer, common: Rc<Common>) -> Result<(), Trouble> {
    let site = Rc::clone(&doer.site);
    let each = &common.each;
    let Step::Each { data, steps, .. } = &site.plan.flows[each.flow].steps[each.index] else {
        return Ok(());
    };
    let rows = &site.plan.data[*data].rows;
    let mut vu = Vu::new(Rc::clone(&site), 0, 1);
    loop {
        // Steps that neither send nor sleep must not keep the others from their turn.
        tokio::task::yield_now().await;
        let row = common.next.get();
        if row >= common.count || common.bytes.get() > proto::MAX_ROWS {
            return Ok(());
        }
        common.next.set(row + 1);
        let mut slots = each.slots.clone();
        slots[each.slot] = rows.row(row);
        vu.begin_piece(slots, doer.choices(each.index, row));
        let outcome = until_cut(&mut vu, steps).await;
        let given = std::mem::take(&mut vu.given);
        if !given.is_empty() {
            let bytes: usize = given.iter().map(|(_, row)| row.len()).sum();
            common.bytes.set(common.bytes.get() + bytes);
            common.given.borrow_mut().insert(row, given);
        }
        let why = match outcome {
            None | Some(Outcome::Fenced) => return Err(Trouble::Cut),
            Some(Outcome::Done) => continue,
            Some(Outcome::Stopped(reason)) => reason,
            Some(Outcome::Unsendable) => {
                "a request cannot be sent with the values it got".to_owned()
            }
        };
        let kind = doer.kind.name();
        doer.say(&format!("{kind}: a row ended early: {why}"), || {
            format!("row {row} of `{}`", site.plan.data[*data].name)
        });
    }
}
