//! VUs: each at work on the agent that owns it, one iteration after the other, for as long as the curve holds it.

use super::{Scene, Site, View, is_leased};
use agent::{Report, StopHow};
use plan::{Control, Executor, Shares};
use proto::v1::{HeldVus, ScenarioTotals};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

/// Shortest and longest iteration.
const ITERATION: (u64, u64) = (20_000_000, 600_000_000);

/// An iteration that runs.
#[derive(Debug, Clone, Copy)]
struct Busy {
    /// Readings of the clock.
    since: u64,
    until: u64,
    /// Position up to which its VU's time was counted.
    counted: u64,
    /// Position at which the curve lets the VU go.
    stop: u64,
    /// Position at which it is cut.
    cut: u64,
}

/// One closed scenario on one agent.
#[derive(Debug)]
pub(super) struct Closed {
    busy: BTreeMap<u64, Busy>,
    /// Position up to which a VU that is idle was at work.
    worked: BTreeMap<u64, u64>,
    /// VUs that another agent still works on.
    waiting: BTreeSet<u64>,
    /// `per-vu-iterations`: how many each VU may begin, and has begun.
    each: Option<u64>,
    moves: bool,
    /// VUs that were given away and are not free yet.
    giving: BTreeSet<u64>,
    begun: BTreeMap<u64, u64>,
    leased: bool,
    store: VecDeque<Range<u64>>,
    asked: bool,
    last: bool,
}

impl Closed {
    pub(super) fn new(executor: &Executor) -> Self {
        Self {
            busy: BTreeMap::new(),
            worked: BTreeMap::new(),
            waiting: BTreeSet::new(),
            each: match executor {
                Executor::PerVuIterations { iterations, .. } => Some(*iterations),
                _ => None,
            },
            moves: executor.vus_move(),
            giving: BTreeSet::new(),
            begun: BTreeMap::new(),
            leased: is_leased(executor),
            store: VecDeque::new(),
            asked: false,
            last: false,
        }
    }

    pub(super) fn wait_for(&mut self, waiting: Option<&BTreeSet<u64>>) {
        self.waiting = waiting.cloned().unwrap_or_default();
    }

    /// Whose a VU is: those that count their own iterations do not move.
    fn owner(&self, shares: &Shares, run: u64, vu: u64) -> usize {
        if self.moves {
            shares.at(run).owner(vu)
        } else {
            shares.under(0).owner(vu)
        }
    }

    /// Notes which VUs are to go to others and may be at work here until then.
    pub(super) fn give(&mut self, site: &Site, view: &View<'_>, now: u64) {
        let scenario = &view.plan.scenarios[site.scenario];
        let Some(curve) = view
            .control
            .vus(site.scenario, scenario)
            .filter(|_| self.moves)
        else {
            return;
        };
        let run = now.saturating_sub(site.t0);
        let last = view.shares.under(usize::MAX);
        for vu in 0..curve.max() {
            let ours = to_come(view.shares, run, vu, site.seat) || self.busy.contains_key(&vu);
            if ours && last.owner(vu) != site.seat {
                self.giving.insert(vu);
            }
        }
    }

    pub(super) fn grant(&mut self, indexes: Range<u64>, last: bool) {
        self.asked = false;
        self.last |= last;
        if !indexes.is_empty() {
            self.store.push_back(indexes);
        }
    }

    /// The next leased index; asks for more if there is none.
    fn take(&mut self, scenario: usize, reports: &mut Vec<Report>, want: u64) -> Option<u64> {
        while let Some(front) = self.store.front_mut() {
            if let Some(index) = front.next() {
                return Some(index);
            }
            self.store.pop_front();
        }
        if !self.last && !self.asked {
            self.asked = true;
            reports.push(Report::WantIterations { scenario, want });
        }
        None
    }

    /// True once nothing is left to do.
    pub(super) fn turn(&mut self, site: &mut Site, view: &View<'_>, scene: &mut Scene<'_>) -> bool {
        let now = scene.now();
        let Some(here) = site.position(view.control, now) else {
            return view.stop.is_some();
        };
        self.finish(site, view, scene, here);
        self.free(site, view, scene);
        if view.stop.is_some() {
            return self.busy.is_empty();
        }
        let scenario = &view.plan.scenarios[site.scenario];
        let Some(curve) = view.control.vus(site.scenario, scenario) else {
            return true;
        };
        let run = now.saturating_sub(site.t0);
        let paused = view.control.is_paused(run);
        let ownership = view.shares.at(run);
        for vu in 0..curve.max() {
            let ours = self.owner(view.shares, run, vu) == site.seat && !self.waiting.contains(&vu);
            if self.busy.contains_key(&vu) || !ours || paused {
                continue;
            }
            let spans = curve.spans(vu);
            let span = spans
                .iter()
                .find(|span| span.start <= here && here < span.stop);
            let Some(span) = span.copied() else {
                self.worked.remove(&vu);
                continue;
            };
            if let Some(each) = self.each {
                let begun = self.begun.entry(vu).or_default();
                if *begun >= each {
                    continue;
                }
                *begun += 1;
                site.totals.due += 1;
            }
            if self.leased {
                let want = ownership.count_below(site.seat, curve.max()).max(1) * 2;
                let Some(index) = self.take(site.scenario, &mut scene.reports, want) else {
                    continue;
                };
                site.totals.due += 1;
                scene
                    .target
                    .index(scene.at, site.life, site.scenario, index);
            }
            site.begin(view, scene, vu);
            let until = scene.clock.when(scene.open_until);
            scene
                .target
                .hold(scene.at, site.life, site.scenario, vu, until);
            let counted = self.worked.remove(&vu).unwrap_or(here).max(span.start);
            let busy = Busy {
                since: now,
                until: now + scene.random.between(ITERATION.0, ITERATION.1),
                counted,
                stop: span.stop,
                cut: span.cut,
            };
            self.busy.insert(vu, busy);
        }
        let spent = self.leased && self.last && self.store.iter().all(Range::is_empty);
        if here >= curve.end() {
            self.time_is_up(site, view, curve.max());
        }
        self.busy.is_empty() && (spent || here >= curve.end())
    }

    /// What VUs that count their own iterations have not begun by now is dropped.
    fn time_is_up(&mut self, site: &mut Site, view: &View<'_>, vus: u64) {
        let Some(each) = self.each else {
            return;
        };
        for vu in (0..vus).filter(|vu| view.shares.under(0).owner(*vu) == site.seat) {
            let begun = self.begun.entry(vu).or_default();
            let left = each - std::mem::replace(begun, each);
            site.totals.due += left;
            site.totals.dropped += left;
        }
    }

    /// Ends the iterations whose time has come.
    fn finish(&mut self, site: &mut Site, view: &View<'_>, scene: &mut Scene<'_>, here: u64) {
        let now = scene.now();
        let interrupt = view.stop == Some(StopHow::Interrupt);
        let over: Vec<u64> = self
            .busy
            .iter()
            .filter(|(_, busy)| interrupt || busy.until <= now || busy.cut <= here)
            .map(|(vu, _)| *vu)
            .collect();
        for vu in over {
            let Some(busy) = self.busy.remove(&vu) else {
                continue;
            };
            let reached = here.min(busy.stop);
            site.totals.vu_ns += reached.saturating_sub(busy.counted);
            if busy.until <= now && !interrupt {
                site.complete(scene, busy.until - busy.since);
            } else {
                site.cut();
            }
            self.worked.insert(vu, reached);
            scene.target.release(site.life, site.scenario, vu);
        }
    }

    pub(super) fn next(&self, site: &Site, view: &View<'_>, now: u64) -> Option<u64> {
        let over = self.busy.values().filter_map(|busy| {
            let cut = site.when(view.control, busy.cut);
            cut.into_iter().chain([busy.until]).min()
        });
        let over = over.min();
        if view.stop.is_some() {
            return over;
        }
        let scenario = &view.plan.scenarios[site.scenario];
        let curve = view.control.vus(site.scenario, scenario)?;
        let starts = (0..curve.max()).flat_map(|vu| curve.spans(vu));
        let edges = starts.map(|span| span.start).chain([curve.end()]);
        let edges = edges.filter_map(|at| site.when(view.control, at));
        let moves = view.shares.changes().iter().map(|(from, _)| from + site.t0);
        edges.chain(moves).chain(over).filter(|at| *at > now).min()
    }

    /// With the time of iterations that run.
    pub(super) fn totals(&self, site: &Site, control: &Control, now: u64) -> ScenarioTotals {
        let mut totals = site.totals.clone();
        if let Some(here) = site.position(control, now) {
            let running = self.busy.values();
            let held = running.map(|busy| here.min(busy.stop).saturating_sub(busy.counted));
            totals.vu_ns += held.sum::<u64>();
        }
        if self.leased || self.each.is_some() {
            return totals;
        }
        totals.due = 0;
        totals
    }

    /// VUs that were given away, are not at work and will not be.
    fn free(&mut self, site: &Site, view: &View<'_>, scene: &mut Scene<'_>) {
        let run = scene.now().saturating_sub(site.t0);
        let before = self.giving.len();
        let busy = &self.busy;
        let last = view.shares.under(usize::MAX);
        let stopped = view.stop.is_some();
        self.giving.retain(|vu| {
            let ours = to_come(view.shares, run, *vu, site.seat);
            last.owner(*vu) != site.seat && (busy.contains_key(vu) || (ours && !stopped))
        });
        if self.giving.len() < before {
            scene.reports.push(Report::Freed);
        }
    }

    pub(super) fn held(&self, scenario: usize) -> Option<HeldVus> {
        let scenario = u32::try_from(scenario).ok()?;
        let vus = self.giving.iter().copied().collect();
        (!self.giving.is_empty()).then_some(HeldVus { scenario, vus })
    }
}

/// True if a VU is a seat's at a run time, or will be.
fn to_come(shares: &Shares, run: u64, vu: u64, seat: usize) -> bool {
    let now = shares.changes_by(run);
    (now..=shares.changes().len()).any(|changes| shares.under(changes).owner(vu) == seat)
}
