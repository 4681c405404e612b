//! Open executors: an iteration begins when it is due, whether or not earlier ones are done.
//!
//! Each worker begins every W-th of its agent's arrivals. A late wake-up begins all that is due, each with its own due time;
//! what is found later than the scenario's `catchUp` is expired. An arrival without a free VU goes to a worker that has one, or is dropped.

use super::course::Course;
use super::pool::{Arrival, Bench, Pool};
use super::sequence::{self, Due, Next, Sequence};
use crate::alarm::Alarm;
use crate::clock;
use crate::obedience::Member;
use crate::recorder::DropReason;
use crate::share::Share;
use crate::stop::Going;
use crate::vu::{Limit, Site, Turn, nanos};
use plan::{Control, ScaledArrivals};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

/// One worker's part of an open scenario.
pub(crate) struct Open {
    pub(crate) site: Rc<Site>,
    pub(crate) scenario: usize,
    pub(crate) pool: Arc<Pool>,
    pub(crate) mail: UnboundedReceiver<Arrival>,
    pub(crate) member: Member,
    pub(crate) alarm: Alarm,
}

/// When arrivals are due, under one version of the changes.
struct Timetable {
    course: Course,
    curve: Option<ScaledArrivals>,
    /// When the last stage ends; `None` if that is not known in a pause.
    end: Option<Instant>,
}

impl sequence::Timetable for Timetable {
    fn due(&self, index: u64) -> Due {
        let Some(ns) = self.curve.as_ref().and_then(|curve| curve.due_at(index)) else {
            return Due::Never;
        };
        self.course.run_time(ns).map_or(Due::Unknown, Due::At)
    }

    fn total(&self) -> u64 {
        self.curve.as_ref().map_or(0, ScaledArrivals::total)
    }
}

impl Timetable {
    fn new(site: &Site, scenario: usize, control: Arc<Control>) -> Self {
        let it = &site.plan.scenarios[scenario];
        let curve = control.arrivals(scenario, it, site.plan.seed);
        let course = Course::new(site, scenario, control);
        let end = curve
            .as_ref()
            .and_then(|curve| course.moment(curve.duration()));
        Self { course, curve, end }
    }
}

async fn wait_until(alarm: &mut Alarm, moment: Option<Instant>) {
    match moment {
        Some(moment) => alarm.wait_until(moment).await,
        None => std::future::pending().await,
    }
}

impl Open {
    /// Begins arrivals until the scenario is over, then waits for those that run.
    pub(crate) async fn drive(mut self) {
        let bench = Bench::new(&self.site, self.scenario, &self.pool);
        let bench = Rc::new(RefCell::new(bench));
        let mut stop = self.site.stop.clone();
        let mut running = tokio::task::JoinSet::new();
        let (control, mut share) = stop.take();
        let mut sequence = Sequence::new(share.seat, self.site.turn, self.scenario);
        let mut timetable = self.hear(control, &share, &mut sequence, &bench);
        while self.site.stop.going() == Going::On {
            let next = sequence.peek(&timetable);
            let settles = bench.borrow().again.map(|run| self.moment(run));
            if settles.is_some_and(|again| clock::now() >= again) {
                self.settle(&share, &bench);
            }
            // Passed-on arrivals may come until the end, also when our own are all begun. In a pause nothing comes.
            let wake = match next {
                Next::At { due, .. } => Some(self.moment(due)),
                Next::Never => self.end(&timetable, &share),
                Next::Unknown => None,
            };
            if next == Next::Never && wake.is_some_and(|end| clock::now() >= end) {
                break;
            }
            tokio::select! {
                biased;
                going = stop.changed() => if going == Going::On {
                    let control;
                    (control, share) = stop.take();
                    timetable = self.hear(control, &share, &mut sequence, &bench);
                },
                passed = self.mail.recv() => {
                    if let Some(passed) = passed {
                        // Its VU was claimed by the sender.
                        self.begin(passed, &bench, &mut running);
                    }
                }
                () = wait_until(&mut self.alarm, [wake, settles].into_iter().flatten().min()) => {
                    if !self.site.fence.is_open() { break; }
                    let now = clock::now();
                    // Looked at after the clock: an arrival that is due now cannot have been given away by a word that was said before.
                    if let (Next::At { index, due }, false) = (next, stop.has_news())
                        && now >= self.moment(due)
                    {
                        sequence.advance(index);
                        let due = self.moment(due);
                        self.take_up(now, Arrival { index, due }, &bench, &mut running);
                    }
                }
            }
            while let Some(done) = running.try_join_next() {
                crate::worker::broke(done);
            }
        }
        // What another worker sent here before it could know that we stop: it was due, so it is begun or counted.
        self.mail.close();
        while let Ok(passed) = self.mail.try_recv() {
            if self.site.goes_on() {
                self.begin(passed, &bench, &mut running);
            } else {
                self.site.tally[self.scenario].dropped.add(1);
                self.drop_one(DropReason::TimeUp);
            }
        }
        let share = stop.share();
        self.settle(&share, &bench);
        drop(self.member);
        while let Some(done) = running.join_next().await {
            crate::worker::broke(done);
        }
    }

    /// Takes what was told, and says so.
    fn hear(
        &self,
        control: Arc<Control>,
        share: &Share,
        sequence: &mut Sequence,
        bench: &RefCell<Bench>,
    ) -> Timetable {
        self.settle(share, bench);
        sequence.hear(share, |telling| {
            Timetable::new(&self.site, self.scenario, Arc::clone(&telling.control))
        });
        self.member.obeys(share.epoch);
        Timetable::new(&self.site, self.scenario, control)
    }

    fn settle(&self, share: &Share, bench: &RefCell<Bench>) {
        let now = nanos(clock::now(), self.site.t0);
        bench.borrow_mut().settle(share, now);
    }

    /// From when on nothing more can come.
    fn end(&self, timetable: &Timetable, share: &Share) -> Option<Instant> {
        // Whoever left gets nothing any more.
        let left = share.shares().gone_from(share.seat);
        let left = left.map(|run| self.moment(run));
        [timetable.end, left].into_iter().flatten().min()
    }

    fn moment(&self, run: u64) -> Instant {
        self.site.t0 + Duration::from_nanos(run)
    }

    fn take_up(
        &self,
        now: Instant,
        arrival: Arrival,
        bench: &Rc<RefCell<Bench>>,
        running: &mut tokio::task::JoinSet<()>,
    ) {
        let cells = &self.site.tally[self.scenario];
        cells.due.add(1);
        let catch_up = self.site.plan.scenarios[self.scenario].catch_up;
        let worker = self.site.turn.0;
        if now.saturating_duration_since(arrival.due) > catch_up {
            cells.expired.add(1);
            self.drop_one(DropReason::Expired);
        } else if self.pool.claim(worker) {
            self.begin(arrival, bench, running);
        } else if !self.pool.pass_on(worker, arrival) {
            cells.dropped.add(1);
            self.drop_one(DropReason::NoFreeVu);
            self.grow(bench);
        }
    }

    fn drop_one(&self, reason: DropReason) {
        let mut recorder = self.site.recorder.borrow_mut();
        recorder.dropped(self.scenario, reason, 1);
    }

    /// Runs an arrival on a VU that was claimed for it.
    fn begin(
        &self,
        arrival: Arrival,
        bench: &Rc<RefCell<Bench>>,
        running: &mut tokio::task::JoinSet<()>,
    ) {
        let Some(mut vu) = bench.borrow_mut().take() else {
            // Unreachable while claims and VUs are counted alike; counted all the same.
            self.site.tally[self.scenario].dropped.add(1);
            self.drop_one(DropReason::NoFreeVu);
            return;
        };
        let site = Rc::clone(&self.site);
        let (scenario, bench) = (self.scenario, Rc::clone(bench));
        running.spawn_local(async move {
            let grace = site.plan.scenarios[scenario].graceful_stop;
            let cut_end =
                site.plan.scenarios[scenario].cut_end() - site.plan.scenarios[scenario].start_time;
            let cut_end = u64::try_from(cut_end.as_nanos()).unwrap_or(u64::MAX);
            let anew = |control: &Arc<Control>, _: &Share| {
                Course::new(&site, scenario, Arc::clone(control)).moment_or_far(cut_end)
            };
            let (control, share) = site.stop.word();
            let limit = Limit {
                at: anew(&control, &share),
                anew: &anew,
            };
            let turn = Turn {
                index: Some(arrival.index),
                due: Some(arrival.due),
                open: true,
            };
            site.active.set(site.active.get() + 1);
            vu.iterate(turn, limit, grace).await;
            site.active.set(site.active.get() - 1);
            bench.borrow_mut().give_back(vu);
        });
    }

    /// k6: an arrival that found no VU is dropped, and one more VU is made for those to come, up to `maxVUs`.
    fn grow(&self, bench: &RefCell<Bench>) {
        if self.site.stop.going() != Going::On || bench.borrow_mut().grow() {
            return;
        }
        let plan = &self.site.plan;
        let name = &plan.scenarios[self.scenario].name;
        let most = plan.scenarios[self.scenario].executor.max_vus();
        let mut recorder = self.site.recorder.borrow_mut();
        recorder.lines.message(
            proto::v1::Level::Warn,
            &format!("scenario {name}: arrivals dropped, all VUs are busy (maxVUs {most} in the whole fleet)"),
            String::new,
        );
    }
}
