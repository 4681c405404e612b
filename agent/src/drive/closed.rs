//! Closed executors: a VU begins its next iteration when the last one is done, for as long as the curve holds it.

use super::indexes::{Indexes, Taken};
use super::{first_vu, moment};
use crate::clock;
use crate::recorder::DropReason;
use crate::stop::{Going, Stop};
use crate::vu::{Ended, Site, Turn, Vu};
use plan::{Executor, Span};
use std::rc::Rc;
use std::sync::Arc;
use tokio::time::Instant;

/// How many iterations a VU may still begin.
#[derive(Debug)]
pub(crate) enum Budget {
    /// As many as time allows.
    Time,
    /// So many.
    Own(u64),
    /// Those it gets from the crowd's common store.
    Shared(Arc<Indexes>),
}

impl Budget {
    /// What each VU of an executor gets.
    pub(crate) fn of(executor: &Executor, indexes: Option<&Arc<Indexes>>) -> Self {
        match (executor, indexes) {
            (Executor::PerVuIterations { iterations, .. }, _) => Self::Own(*iterations),
            (_, Some(indexes)) => Self::Shared(Arc::clone(indexes)),
            (_, None) => Self::Time,
        }
    }

    /// True if the iterations are counted: then what is left when the time is over was dropped, and `due` is kept.
    fn counts(&self) -> bool {
        !matches!(self, Self::Time)
    }

    /// The next iteration's index; `None` if there is none. Waits for the store, but not beyond `until`.
    async fn next(&mut self, until: Instant) -> Option<Option<u64>> {
        match self {
            Self::Time => Some(None),
            Self::Own(left) => {
                *left = left.checked_sub(1)?;
                Some(None)
            }
            Self::Shared(indexes) => match indexes.take(until).await {
                Taken::Index(index) => Some(Some(index)),
                Taken::NoMore => None,
            },
        }
    }
}

/// Runs VU `number` (from 0 in its scenario) through its spans.
pub(crate) async fn drive(
    site: Rc<Site>,
    scenario: usize,
    number: u64,
    spans: Vec<Span>,
    mut budget: Budget,
) {
    let grace = site.plan.scenarios[scenario].graceful_stop;
    let id = first_vu(&site.plan, scenario) + number + 1;
    let cells = &site.tally[scenario];
    let mut stop = site.stop.clone();
    let mut vu: Option<Vu> = None;
    let mut busy_until: Option<Instant> = None;
    for span in spans {
        let [start, end, cut] =
            [span.start, span.stop, span.cut].map(|ns| moment(&site, scenario, ns));
        tokio::select! {
            biased;
            () = stop.ending() => break,
            () = tokio::time::sleep_until(start) => {}
        }
        // A VU that was still finishing an iteration when the ramp wanted it back has been at work all the time, and nobody
        // was late: it carries on.
        let carried_on = busy_until.is_some_and(|until| until > start);
        let since = if carried_on { start } else { clock::now() };
        // Made when first needed: a crowd's setting up is spread over its ramp.
        let vu = vu.get_or_insert_with(|| Vu::new(Rc::clone(&site), scenario, id));
        let _held = site.holds.hold(&site, scenario, since, end);
        let mut due = (!carried_on).then_some(start);
        while may_begin(&site, end) {
            let Some(index) = next(&mut budget, &mut stop, end).await else {
                break;
            };
            if budget.counts() {
                cells.due.add(1);
            }
            let turn = Turn {
                index,
                due: due.take(),
                open: false,
            };
            let ended = vu.iterate(turn, cut, grace).await;
            busy_until = Some(clock::now());
            if ended == Ended::Interrupted {
                break;
            }
            // A flow that neither sends nor sleeps must not keep the others from their turn.
            tokio::task::yield_now().await;
        }
    }
    if let Budget::Own(left @ 1..) = budget
        && site.goes_on()
    {
        site.dropped(scenario, DropReason::TimeUp, left);
    }
}

fn may_begin(site: &Site, end: Instant) -> bool {
    clock::now() < end && site.stop.going() == Going::On && site.fence.is_open()
}

async fn next(budget: &mut Budget, stop: &mut Stop, until: Instant) -> Option<Option<u64>> {
    tokio::select! {
        biased;
        index = budget.next(until) => index,
        () = stop.ending() => None,
    }
}
