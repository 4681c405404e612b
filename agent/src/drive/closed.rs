//! Closed executors: a VU begins its next iteration when the last one is done, for as long as the curve holds it.
//!
//! Where its spans are is asked anew whenever something was changed; a pause begins no iteration and lets those that run finish.

use super::course::{Course, until};
use super::indexes::{Indexes, Taken};
use super::vu_id;
use crate::clock;
use crate::recorder::DropReason;
use crate::stop::{Going, Stop};
use crate::vu::{Ended, Limit, Site, Turn, Vu};
use plan::{Control, Executor, Span};
use std::cell::Cell;
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

/// Runs VU `number` (from 0 in its scenario) through its spans, wherever changes put them.
pub(crate) async fn drive(site: Rc<Site>, scenario: usize, number: u64, mut budget: Budget) {
    let id = vu_id(&site.plan, scenario, number);
    let mut stop = site.stop.clone();
    let mut vu: Option<Vu> = None;
    // Up to where in the scenario's own time it was at work, and what it waited for since.
    let mut worked_to: Option<u64> = None;
    let (mut idle, mut paused) = (true, false);
    while site.goes_on() {
        let course = Course::new(&site, scenario, stop.take_control());
        let Some(curve) = course.control.vus(scenario, &site.plan.scenarios[scenario]) else {
            break;
        };
        let now = clock::now();
        let here = course.position(now);
        let spans = curve.spans(number);
        let ahead = |span: &&Span| here.is_none_or(|here| here < span.stop);
        let Some(span) = spans.iter().find(ahead).copied() else {
            // A change may call it back as long as the stages go on; what counts its iterations has nothing to come back for.
            if budget.counts() || here.is_some_and(|here| here >= curve.end()) {
                break;
            }
            if let Some(vu) = &mut vu {
                vu.client.close_connections();
            }
            idle = true;
            if !wait(&mut stop, course.moment(curve.end())).await {
                break;
            }
            continue;
        };
        let Some(here) = here.filter(|here| *here >= span.start) else {
            idle = true;
            if !wait(&mut stop, course.moment(span.start)).await {
                break;
            }
            continue;
        };
        if course.is_paused(now) {
            (idle, paused) = (true, true);
            if !wait(&mut stop, course.moment(here)).await {
                break;
            }
            continue;
        }
        // A VU that was still finishing an iteration when the ramp wanted it back has been at work all the time, and nobody
        // was late: it carries on. So it does after a change; but after a pause its next iteration was due at once.
        let due = match worked_to {
            Some(to) if to > span.start && paused => course.moment(to),
            Some(to) if to > span.start => None,
            _ => course.moment(span.start),
        };
        let since = worked_to
            .filter(|_| !idle)
            .map_or(here, |to| to.max(span.start));
        (idle, paused) = (false, false);
        // Made when first needed: a crowd's setting up is spread over its ramp.
        let vu = vu.get_or_insert_with(|| Vu::new(Rc::clone(&site), scenario, id));
        let _held = site.holds.hold(&site, scenario, number, since, spans);
        let stint = Stint {
            course: &course,
            span,
            number,
            due,
            until: course.until(now, span.stop),
        };
        let over = stint.work(vu, &mut budget, &mut stop).await;
        worked_to = Course::newest(&site, scenario).position(clock::now());
        if over {
            break;
        }
    }
    if let Budget::Own(left @ 1..) = budget
        && site.goes_on()
    {
        site.dropped(scenario, DropReason::TimeUp, left);
    }
}

/// What a VU does until its span ends, a pause begins, or something is changed.
struct Stint<'a> {
    course: &'a Course,
    span: Span,
    number: u64,
    /// When its first iteration was due, if it was not at work before.
    due: Option<Instant>,
    until: Instant,
}

impl Stint<'_> {
    /// True if there is nothing left to do for this VU, ever.
    async fn work(&self, vu: &mut Vu, budget: &mut Budget, stop: &mut Stop) -> bool {
        let (site, scenario) = (Rc::clone(&vu.site), vu.scenario);
        let it = &site.plan.scenarios[scenario];
        let begun_at = Cell::new(self.span.start);
        let anew = |control: &Arc<Control>| {
            let course = Course::new(&site, scenario, Arc::clone(control));
            let cut = control
                .vus(scenario, it)
                .map(|vus| vus.cut_at(self.number, begun_at.get()));
            course.moment_or_far(cut.unwrap_or(self.span.cut))
        };
        let at = self.course.moment_or_far(self.span.cut);
        let mut due = self.due;
        while clock::now() < self.until && site.goes_on() && !stop.has_news() {
            let taken = tokio::select! {
                biased;
                taken = budget.next(self.until) => taken,
                going = stop.changed() => return going == Going::Cut,
            };
            let Some(index) = taken else {
                // Nothing in time, or nothing ever.
                return clock::now() < self.until;
            };
            if budget.counts() {
                site.tally[scenario].due.add(1);
            }
            let turn = Turn {
                index,
                due: due.take(),
                open: false,
            };
            let here = self.course.position(clock::now());
            begun_at.set(here.unwrap_or(self.span.start));
            let limit = Limit { at, anew: &anew };
            let ended = vu.iterate(turn, limit, it.graceful_stop).await;
            if ended == Ended::Interrupted {
                break;
            }
            // A flow that neither sends nor sleeps must not keep the others from their turn.
            tokio::task::yield_now().await;
        }
        false
    }
}

/// Waits for a moment (forever, if there is none), or for a stop or a change. False if all is over.
async fn wait(stop: &mut Stop, moment: Option<Instant>) -> bool {
    tokio::select! {
        biased;
        going = stop.changed() => going == Going::On,
        () = until(moment) => true,
    }
}

/// Stays until the scenario's stages are over, wherever changes put that: an agent without a VU now may get some.
pub(crate) async fn stay(site: Rc<Site>, scenario: usize) {
    let mut stop = site.stop.clone();
    while site.goes_on() {
        let course = Course::new(&site, scenario, stop.take_control());
        let Some(vus) = course.control.vus(scenario, &site.plan.scenarios[scenario]) else {
            return;
        };
        let over = |here| here >= vus.end();
        if course.position(clock::now()).is_some_and(over)
            || !wait(&mut stop, course.moment(vus.end())).await
        {
            return;
        }
    }
}
