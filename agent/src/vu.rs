//! A virtual user: its client, its variables, and one iteration of its flow, which may be cut at any await.

use crate::clock;
use crate::drive::first_vu;
use crate::drive::giving::Giving;
use crate::drive::holds::Holds;
use crate::drive::roster::Rosters;
use crate::fence::Fence;
use crate::http::{Client, Cut, Exchange, Shared};
use crate::lines::ErrorKind;
use crate::prepared::Prepared;
use crate::random::Random;
use crate::recorder::{DropReason, Iteration, Recorder};
use crate::share::Share;
use crate::step;
use crate::stop::{Going, Stop};
use crate::tally::Tally;
use plan::{Control, DataId, Plan, Request, Scope};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What the VUs of one worker have in common.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) plan: Arc<Plan>,
    pub(crate) prepared: Vec<Prepared>,
    pub(crate) http: Arc<Shared>,
    pub(crate) recorder: RefCell<Recorder>,
    pub(crate) tally: Tally,
    pub(crate) fence: Arc<Fence>,
    pub(crate) stop: Stop,
    pub(crate) t0: Instant,
    /// VUs that run iterations or may begin one now (`vus`), and VUs that were made (`vus_max`).
    pub(crate) active: Cell<u64>,
    pub(crate) made: Cell<u64>,
    /// Closed VUs within their spans.
    pub(crate) holds: Holds,
    /// Which worker this is, of how many.
    pub(crate) turn: (usize, usize),
    /// Which VUs are its own, and when.
    pub(crate) rosters: Rosters,
    /// Which of them were given away and are not free yet, of the whole agent.
    pub(crate) giving: Arc<Giving>,
}

impl Site {
    /// True while the load goes on: neither stopped nor fenced.
    pub(crate) fn goes_on(&self) -> bool {
        self.stop.going() == Going::On && self.fence.is_open()
    }

    /// Iterations that were due until now and will not begin.
    pub(crate) fn dropped(&self, scenario: usize, reason: DropReason, n: u64) {
        let cells = &self.tally[scenario];
        cells.due.add(n);
        cells.dropped.add(n);
        self.recorder.borrow_mut().dropped(scenario, reason, n);
    }
}

/// Which iteration this is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// Its index in the scenario, where the executor counts them.
    pub(crate) index: Option<u64>,
    /// When it was due; `None` if nobody waits for it (a closed VU's later iterations).
    pub(crate) due: Option<Instant>,
    /// True for an open model: corrected times are recorded.
    pub(crate) open: bool,
}

/// When an iteration is cut at the latest.
#[derive(Clone, Copy)]
pub(crate) struct Limit<'a> {
    /// As far as is known when it begins;
    pub(crate) at: Instant,
    /// and when something is changed meanwhile.
    pub(crate) anew: &'a dyn Fn(&Arc<Control>, &Share) -> Instant,
}

/// How an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself.
    Completed,
    /// Cut.
    Interrupted,
}

/// One virtual user.
pub(crate) struct Vu {
    pub(crate) site: Rc<Site>,
    pub(crate) scenario: usize,
    /// Its number in the whole test, from 1.
    id: u64,
    /// Iterations begun in this scenario.
    iterations: u64,
    pub(crate) client: Client,
    pub(crate) slots: Vec<Value>,
    pub(crate) random: Random,
    index: u64,
    /// Due time of an open iteration, until its first request took it.
    pub(crate) due: Option<Instant>,
    /// The request step that is under way, for a cut.
    pub(crate) current: Option<usize>,
    /// Rendering space.
    pub(crate) text: String,
    /// Rows that setup gave and nobody took yet, as JSON.
    pub(crate) given: Vec<(DataId, Vec<u8>)>,
    /// What may cut an iteration. Kept from one to the next: waiting for the same moment again costs nothing.
    cutters: Option<Cutters>,
}

struct Cutters {
    stop: Stop,
    timer: Pin<Box<Sleep>>,
}

impl Vu {
    /// VU number `id` (from 1) of a scenario.
    pub(crate) fn new(site: Rc<Site>, scenario: usize, id: u64) -> Self {
        let flow = &site.plan.flows[site.plan.scenarios[scenario].exec];
        site.made.set(site.made.get() + 1);
        Self {
            client: Client::new(Arc::clone(&site.http)),
            slots: vec![Value::Null; flow.slots.len()],
            random: Random::of(0, 0, 0, 0),
            scenario,
            id,
            iterations: 0,
            index: 0,
            due: None,
            current: None,
            text: String::new(),
            given: Vec::new(),
            cutters: None,
            site,
        }
    }

    /// This agent has done with it: another one makes it anew. Returns the iterations it began here.
    pub(crate) fn retire(self) -> u64 {
        self.site.made.set(self.site.made.get() - 1);
        self.iterations
    }

    /// It was here before, and began so many iterations.
    pub(crate) fn go_on_from(self, iterations: u64) -> Self {
        Self { iterations, ..self }
    }

    /// Its number in its scenario, from 0. Whoever takes rows by it is never scaled beyond the plan's VUs.
    pub(crate) fn number(&self) -> u64 {
        let before = first_vu(&self.site.plan, self.scenario);
        self.id.saturating_sub(before + 1)
    }

    /// Begins a piece of setup or teardown with these variables; `choices` seeds what it draws.
    pub(crate) fn begin_piece(&mut self, slots: Vec<Value>, choices: Random) {
        self.fresh();
        self.slots = slots;
        self.random = choices;
    }

    /// The values a template can name.
    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            slots: &self.slots,
            vu: self.id,
            iteration: self.iterations.saturating_sub(1),
            scenario_iteration: self.index,
        }
    }

    /// Runs one iteration, cut at its limit. `grace` is how long it may go on after a graceful stop.
    pub(crate) async fn iterate(&mut self, turn: Turn, limit: Limit<'_>, grace: Duration) -> Ended {
        let begun = clock::now();
        let site = Rc::clone(&self.site);
        let cells = &site.tally[self.scenario];
        cells.begun.add(1);
        cells.in_flight.add(1);
        if let Some(due) = turn.due {
            let mut recorder = site.recorder.borrow_mut();
            recorder.lateness(self.scenario, nanos(begun, due));
        }
        self.begin(turn);
        let completed = self.steps_until(limit, grace).await;
        if !completed {
            self.account_for_cut();
        }
        if site.plan.options.no_vu_connection_reuse {
            self.client.close_connections();
        }
        let traffic = self.client.traffic();
        let mut recorder = site.recorder.borrow_mut();
        recorder.traffic(self.scenario, traffic);
        cells.in_flight.sub(1);
        if !completed {
            cells.interrupted.add(1);
            return Ended::Interrupted;
        }
        let now = clock::now();
        let iteration = Iteration {
            duration: nanos(now, begun),
            corrected: turn.due.filter(|_| turn.open).map(|due| nanos(now, due)),
        };
        recorder.iteration(self.scenario, iteration);
        cells.completed.add(1);
        Ended::Completed
    }

    fn begin(&mut self, turn: Turn) {
        self.index = turn.index.unwrap_or(self.iterations);
        self.random = match turn.index.filter(|_| turn.open) {
            Some(arrival) => Random::of(self.site.plan.seed, self.scenario, 0, arrival),
            None => Random::of(self.site.plan.seed, self.scenario, self.id, self.iterations),
        };
        self.due = turn.due.filter(|_| turn.open);
        self.fresh();
        self.slots.fill(Value::Null);
        self.iterations += 1;
    }

    /// What does not outlive an iteration.
    fn fresh(&mut self) {
        let options = &self.site.plan.options;
        if !options.no_cookies_reset {
            self.client.reset_cookies();
        }
    }

    /// True if the flow came to its end before it was cut.
    async fn steps_until(&mut self, limit: Limit<'_>, grace: Duration) -> bool {
        let mut cutters = self.cutters.take().unwrap_or_else(|| Cutters {
            stop: self.site.stop.clone(),
            timer: Box::pin(tokio::time::sleep_until(limit.at)),
        });
        let done = self.steps_beside(&mut cutters, limit, grace).await;
        self.cutters = Some(cutters);
        done
    }

    async fn steps_beside(
        &mut self,
        cutters: &mut Cutters,
        limit: Limit<'_>,
        grace: Duration,
    ) -> bool {
        let Cutters { stop, timer } = cutters;
        let (mut going, mut at) = (stop.going(), limit.at);
        let steps = step::run(self);
        tokio::pin!(steps);
        loop {
            let cut = match going {
                Going::On => at,
                Going::Ending(since) => at.min(since + grace),
                Going::Cut => return false,
            };
            if timer.deadline() != cut {
                timer.as_mut().reset(cut);
            }
            tokio::select! {
                biased;
                done = &mut steps => return done,
                word = stop.changed() => {
                    going = word;
                    let (control, share) = stop.word();
                    at = (limit.anew)(&control, &share);
                }
                () = timer.as_mut() => return false,
            }
        }
    }

    /// A request that was under way when the iteration was cut: its redirects are whole, its last hop is not.
    pub(crate) fn account_for_cut(&mut self) {
        let (Some(id), Some(Cut { hops, pending })) = (self.current.take(), self.client.take_cut())
        else {
            return;
        };
        let site = Rc::clone(&self.site);
        if let Some(request) = site.plan.requests().into_iter().find(|r| r.id == id) {
            for hop in &hops {
                self.record_hop(request, hop);
            }
        }
        if pending.written {
            site.tally[self.scenario].requests_cut.add(1);
        }
    }

    /// Records an exchange's hops and the errors among them.
    pub(crate) fn record(&mut self, request: &Request, exchange: &Exchange) {
        for hop in &exchange.hops {
            self.record_hop(request, hop);
        }
    }

    fn record_hop(&mut self, request: &Request, hop: &crate::http::Hop) {
        let corrected = self
            .due
            .take()
            .map(|due| nanos(Instant::from_std(hop.done), due));
        let mut recorder = self.site.recorder.borrow_mut();
        recorder.request(self.scenario, request, hop, corrected);
        self.site.tally[self.scenario].requests.add(1);
        let kind = match (hop.failure, hop.status) {
            (Some(failure), _) => ErrorKind::Failure(failure),
            (None, Some(status)) if !request.expected.contains(status.as_u16()) => {
                ErrorKind::Status(status)
            }
            (None, _) => return,
        };
        recorder.lines.error(kind, || {
            let detail = hop.detail.as_deref().unwrap_or_default();
            let colon = if detail.is_empty() { "" } else { ": " };
            format!("{} {}{colon}{detail}", hop.method, hop.url)
        });
    }
}

/// Nanoseconds from `earlier` to `later`, at least zero.
pub(crate) fn nanos(later: Instant, earlier: Instant) -> u64 {
    u64::try_from(later.saturating_duration_since(earlier).as_nanos()).unwrap_or(u64::MAX)
}
