//! Closed executors: a VU begins its next iteration when the last one is done, for as long as the curve holds it.
//!
//! Where its spans are is asked anew whenever something was changed; a pause begins no iteration and lets those that run finish. A VU
//! that goes to another agent begins nothing more from that run time on, and is held until its iteration is over; one that comes
//! begins once nobody holds it.

use super::course::{Course, until};
use super::indexes::{Indexes, Taken};
use super::vu_id;
use crate::clock;
use crate::recorder::DropReason;
use crate::share::Share;
use crate::stop::{Going, Stop};
use crate::vu::{Ended, Limit, Site, Turn, Vu};
use plan::{Control, Executor, ScaledVus, Span};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How soon an agent without VUs asks again whether there is anything left to do: often in a short run, seldom in a long one.
const INQUIRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

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

    /// True if nothing can ever call a VU back that has no time left.
    fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Once there will be no more; never, if only time tells.
    async fn exhausted(&self) {
        match self {
            Self::Shared(indexes) => indexes.exhausted().await,
            Self::Time | Self::Own(_) => std::future::pending().await,
        }
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

/// When a VU is at work here: as the curve has it, while it is this agent's.
fn spans(
    site: &Site,
    (control, share): (&Control, &Share),
    scenario: usize,
    (vus, number): (&ScaledVus, u64),
) -> Vec<Span> {
    if share.shares().changes().is_empty() {
        return vus.spans(number);
    }
    let it = &site.plan.scenarios[scenario];
    let of = (scenario, vus.max(), it.executor.vus_move());
    let roster = site.rosters.of(share, site.turn, of);
    let mut windows = roster.windows(number).to_vec();
    // Whoever leaves finishes the indexes that it has on lease, since nobody else can; until then it is held.
    if let (Executor::SharedIterations { .. }, Some((_, to))) = (&it.executor, windows.last_mut())
        && share.shares().gone_from(share.seat) == Some(*to)
    {
        *to = u64::MAX;
    }
    vus.spans_within(number, &control.windows(it, &windows))
}

/// True if a VU is this agent's after all changes so far.
fn keeps(site: &Site, share: &Share, scenario: usize, (vus, number): (&ScaledVus, u64)) -> bool {
    let moves = site.plan.scenarios[scenario].executor.vus_move();
    share.shares().changes().is_empty()
        || site
            .rosters
            .of(share, site.turn, (scenario, vus.max(), moves))
            .keeps(number)
}

/// VUs of a scenario's that are to go to others and are not done here: at work, or with a span still to come before they go.
pub(crate) fn give(site: &Site, scenario: usize, (control, share): (&Arc<Control>, &Share)) {
    let it = &site.plan.scenarios[scenario];
    let Some(vus) = control.vus(scenario, it).filter(|_| it.executor.vus_move()) else {
        return;
    };
    let here = Course::new(site, scenario, Arc::clone(control)).position(clock::now());
    let held = site.holds.numbers(scenario);
    let of = (scenario, vus.max(), true);
    let roster = site.rosters.of(share, site.turn, of);
    for vu in roster.vus().filter(|vu| !roster.keeps(*vu)) {
        let spans = spans(site, (control, share), scenario, (&vus, vu));
        let to_come = spans
            .iter()
            .any(|span| here.is_none_or(|here| here < span.stop));
        if to_come || held.contains(&vu) {
            site.giving.insert(scenario, vu);
        }
    }
}

/// Runs VU `number` (from 0 in its scenario) through its spans, wherever changes put them.
pub(crate) async fn drive(site: Rc<Site>, scenario: usize, number: u64, mut budget: Budget) {
    let id = vu_id(&site.plan, scenario, number);
    let mut stop = site.stop.clone();
    let mut vu: Option<Vu> = None;
    // What it began while it was here before.
    let mut before = 0;
    // Up to where in the scenario's own time it was at work, and what it waited for since.
    let mut worked_to: Option<u64> = None;
    let (mut idle, mut paused, mut waited) = (true, false, false);
    while site.goes_on() {
        let (control, share) = stop.take();
        let course = Course::new(&site, scenario, control);
        let Some(curve) = course.control.vus(scenario, &site.plan.scenarios[scenario]) else {
            break;
        };
        let now = clock::now();
        let here = course.position(now);
        let spans = spans(&site, (&course.control, &share), scenario, (&curve, number));
        let ahead = |span: &&Span| here.is_none_or(|here| here < span.stop);
        let Some(span) = spans.iter().find(ahead).copied() else {
            // A change may call it back as long as the stages go on; what counts its own iterations has nothing to come back for, and
            // whoever left does not come back.
            let left = share.shares().gone_from(share.seat).is_some();
            if left || budget.is_own() || here.is_some_and(|here| here >= curve.end()) {
                break;
            }
            if keeps(&site, &share, scenario, (&curve, number)) {
                if let Some(vu) = &mut vu {
                    vu.client.close_connections();
                }
            } else {
                before = vu.take().map_or(before, Vu::retire);
                site.giving.remove(scenario, number);
            }
            idle = true;
            let end = course.moment(curve.end());
            if !wait(&mut stop, end, &budget).await {
                break;
            }
            continue;
        };
        if share.waits_for(scenario, number) {
            (idle, waited) = (true, true);
            if !wait(&mut stop, course.moment(curve.end()), &budget).await {
                break;
            }
            continue;
        }
        let Some(here) = here.filter(|here| *here >= span.start) else {
            idle = true;
            if !wait(&mut stop, course.moment(span.start), &budget).await {
                break;
            }
            continue;
        };
        if course.is_paused(now) {
            (idle, paused) = (true, true);
            if !wait(&mut stop, course.moment(here), &budget).await {
                break;
            }
            continue;
        }
        // A VU that was still finishing an iteration when the ramp wanted it back has been at work all the time, and nobody
        // was late: it carries on. So it does after a change, and so does who came from another agent, where it was still finishing; but
        // after a pause its next iteration was due at once.
        let due = match worked_to {
            _ if waited => None,
            Some(to) if to > span.start && paused => course.moment(to),
            Some(to) if to > span.start => None,
            _ => course.moment(span.start),
        };
        let since = worked_to
            .filter(|_| !idle)
            .map_or(here, |to| to.max(span.start));
        (idle, paused, waited) = (false, false, false);
        // Made when first needed: a crowd's setting up is spread over its ramp.
        let vu =
            vu.get_or_insert_with(|| Vu::new(Rc::clone(&site), scenario, id).go_on_from(before));
        // Its time counts here until its last iteration is over, also beyond the moment at which it is another agent's.
        let whole = curve.spans(number);
        let _held = site.holds.hold(&site, scenario, number, since, whole);
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
    site.giving.remove(scenario, number);
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
        let anew = |control: &Arc<Control>, share: &Share| {
            let course = Course::new(&site, scenario, Arc::clone(control));
            let cut = control.vus(scenario, it).map(|vus| {
                let spans = spans(&site, (control, share), scenario, (&vus, self.number));
                vus.cut_at(&spans, begun_at.get())
            });
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
async fn wait(stop: &mut Stop, moment: Option<Instant>, budget: &Budget) -> bool {
    tokio::select! {
        biased;
        going = stop.changed() => going == Going::On,
        () = until(moment) => true,
        () = budget.exhausted() => false,
    }
}

/// Stays until the scenario is over, wherever changes put that: an agent without a VU now may get some.
pub(crate) async fn stay(site: Rc<Site>, scenario: usize, budget: Budget) {
    let mut stop = site.stop.clone();
    while site.goes_on() {
        let (control, share) = stop.take();
        let course = Course::new(&site, scenario, control);
        let Some(vus) = course.control.vus(scenario, &site.plan.scenarios[scenario]) else {
            return;
        };
        let left = share.shares().gone_from(share.seat);
        let left = left.map(|run| site.t0 + Duration::from_nanos(run));
        let end = [course.moment(vus.end()), left].into_iter().flatten().min();
        if end.is_some_and(|end| clock::now() >= end) {
            return;
        }
        let soon = match &budget {
            // Whoever takes no indexes does not hear that there are no more of them, unless it asks.
            Budget::Shared(indexes) => {
                indexes.inquire();
                let now = clock::now();
                let passed = now.saturating_duration_since(site.t0);
                let soon = now + (passed / 8).clamp(INQUIRY.0, INQUIRY.1);
                Some(end.map_or(soon, |end| end.min(soon)))
            }
            Budget::Time | Budget::Own(_) => end,
        };
        if !wait(&mut stop, soon, &budget).await {
            return;
        }
    }
}
