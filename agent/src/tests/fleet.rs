//! A fleet that changes: crews of one run under one stopped clock, and the controller's part in their coming and going.

use super::rig::{MS, Outcome, Play, SECOND, Town, listen, paused};
use crate::alarm::Alarm;
use crate::clock;
use crate::crew::{Crew, Job, StopHow};
use crate::fence::Fence;
use crate::http::{ClientConfigOptions, Shared};
use crate::share::Assignment;
use crate::worker;
use plan::{Plan, Rows, SeatChange, Shares};
use proto::v1::HeldVus;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::Instant;

/// How far ahead changes are told.
const LEAD: Duration = Duration::from_millis(700);
/// How often it is asked who still holds what it gave.
const BEAT: Duration = Duration::from_millis(100);

/// What becomes of a fleet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// A seat's crew is cut; that is known so much later.
    Lose(usize, Duration),
    /// A crew of this weight comes.
    Join(u32),
    /// A seat hands over and goes.
    Drain(usize),
}

/// What became of it.
pub(super) struct Story {
    pub(super) plan: Arc<Plan>,
    pub(super) shares: Shares,
    /// By seat.
    pub(super) outcomes: Vec<Outcome>,
    /// Seats that were lost, and when.
    pub(super) lost: Vec<(usize, Duration)>,
}

struct Seat {
    crew: Rc<Crew>,
    fence: Arc<Fence>,
    taken: UnboundedReceiver<(u32, Vec<HeldVus>)>,
    done: JoinHandle<Outcome>,
}

struct Fleet {
    plan: Arc<Plan>,
    http: Arc<Shared>,
    workers: usize,
    t0: Instant,
    indexes: Rc<Cell<u64>>,
    shares: Shares,
    /// All that were told, one after the other.
    told: Vec<Shares>,
    epoch: u32,
    seats: Vec<Seat>,
    lost: Vec<(usize, Duration)>,
}

/// Plays a scenario while these things happen, each so long after T0 (or once the one before is done).
pub(super) fn play(play: &Play, acts: &[(Duration, Act)]) -> Story {
    let plan = Arc::new(play.plan());
    let (weights, workers) = (vec![1; play.agents as usize], play.workers);
    let town = play.town.clone();
    LocalSet::new().block_on(&paused(), async move {
        let mut fleet = Fleet::new(plan, &town, weights, workers);
        for seat in 0..fleet.shares.seats() {
            fleet.muster(seat, Vec::new());
        }
        for (at, act) in acts {
            tokio::time::sleep_until(fleet.t0 + *at).await;
            match *act {
                Act::Lose(seat, later) => fleet.lose(seat, later).await,
                Act::Join(weight) => fleet.join(weight).await,
                Act::Drain(seat) => fleet.drain(seat).await,
            }
        }
        fleet.end().await
    })
}

impl Fleet {
    fn new(plan: Arc<Plan>, town: &Town, weights: Vec<u32>, workers: usize) -> Self {
        let t0 = clock::now() + 50 * MS;
        town.begins(t0);
        let http = Shared::new(ClientConfigOptions {
            dial: Arc::new(town.clone()),
            ..ClientConfigOptions::default()
        });
        let shares = Shares::new(weights).unwrap();
        Self {
            plan,
            http: http.unwrap(),
            workers,
            t0,
            indexes: Rc::default(),
            told: vec![shares.clone()],
            shares,
            epoch: 1,
            seats: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn run_time(&self) -> Duration {
        clock::now().saturating_duration_since(self.t0)
    }

    fn muster(&mut self, seat: usize, waiting: Vec<BTreeSet<u64>>) {
        let fence = Arc::new(Fence::new(u64::MAX));
        let job = Job {
            plan: self.plan_of(seat),
            epoch: self.epoch,
            shares: Arc::new(self.shares.clone()),
            seat,
            waiting,
            t0: self.t0,
            workers: self.workers,
            fence: Arc::clone(&fence),
        };
        let (reports, heard) = tokio::sync::mpsc::unbounded_channel();
        let (crew, workers) = Crew::enlist(job, &self.http, reports, Alarm::wheel).unwrap();
        for orders in workers {
            tokio::task::spawn_local(worker::run(orders));
        }
        let crew = Rc::new(crew);
        let (tell, taken) = tokio::sync::mpsc::unbounded_channel();
        let done = tokio::task::spawn_local(listen(
            Rc::clone(&crew),
            heard,
            Arc::clone(&self.plan),
            Rc::clone(&self.indexes),
            self.t0,
            move |word| drop(tell.send(word)),
        ));
        self.seats.push(Seat {
            crew,
            fence,
            taken,
            done,
        });
    }

    fn living(&self) -> Vec<usize> {
        let weights = self.shares.weights();
        (0..self.seats.len())
            .filter(|seat| weights[*seat] > 0)
            .collect()
    }

    /// A change from a little later on, as the next assignment.
    fn change(&mut self, change: SeatChange) {
        let from = u64::try_from((self.run_time() + LEAD).as_nanos()).unwrap();
        self.shares.change(from, change).unwrap();
        self.told.push(self.shares.clone());
        self.epoch += 1;
    }

    fn tell(&self, seat: usize, waiting: Vec<BTreeSet<u64>>) {
        self.seats[seat].crew.reassign(Assignment {
            epoch: self.epoch,
            shares: Arc::new(self.shares.clone()),
            waiting,
            plan: self.plan_of(seat),
        });
    }

    /// The plan with the rows that a seat got so far; each is its number.
    fn plan_of(&self, seat: usize) -> Arc<Plan> {
        let mut plan = Plan::clone(&self.plan);
        for id in 0..plan.data.len() {
            let needs = plan.rows_needed(id);
            let all = needs.iter().map(|need| need.rows).max().unwrap_or(0);
            let given = |shares: &Shares| plan.rows_of(id, shares, seat, all);
            let own: BTreeSet<u64> = self.told.iter().flat_map(given).collect();
            if let Rows::Given { count, rows, .. } = &mut plan.data[id].rows {
                *count = all;
                rows.extend(own.into_iter().map(|row| (row, row.into())));
            }
        }
        Arc::new(plan)
    }

    /// What a seat says it holds, once it goes by the newest assignment; nothing if it is done.
    async fn taken(&mut self, seat: usize) -> Vec<BTreeSet<u64>> {
        let mut told = BTreeSet::new();
        while let Some((epoch, held)) = self.seats[seat].taken.recv().await {
            if epoch == self.epoch {
                told.extend(held.iter().flat_map(|one| {
                    let scenario = one.scenario as usize;
                    one.vus.iter().map(move |vu| (scenario, *vu))
                }));
                break;
            }
        }
        by_scenario(told)
    }

    async fn lose(&mut self, seat: usize, later: Duration) {
        self.lost.push((seat, self.run_time()));
        self.seats[seat].fence.shut();
        self.seats[seat].crew.stop(StopHow::Interrupt);
        tokio::time::sleep(later).await;
        self.change(SeatChange::Gone(seat));
        for seat in self.living() {
            self.tell(seat, Vec::new());
        }
    }

    async fn join(&mut self, weight: u32) {
        let givers = self.living();
        self.change(SeatChange::Came(weight));
        let mut held = Vec::new();
        for seat in givers.clone() {
            self.tell(seat, Vec::new());
        }
        for seat in givers.clone() {
            merge(&mut held, self.taken(seat).await);
        }
        let newcomer = self.seats.len();
        self.muster(newcomer, held.clone());
        self.free(&givers, &[newcomer], held).await;
    }

    async fn drain(&mut self, seat: usize) {
        self.change(SeatChange::Gone(seat));
        self.tell(seat, Vec::new());
        let held = self.taken(seat).await;
        let takers = self.living();
        for taker in &takers {
            self.tell(*taker, held.clone());
        }
        self.free(&[seat], &takers, held).await;
    }

    /// Tells takers what is free, until everything is.
    async fn free(&mut self, givers: &[usize], takers: &[usize], mut held: Vec<BTreeSet<u64>>) {
        while held.iter().any(|vus| !vus.is_empty()) {
            tokio::time::sleep(BEAT).await;
            let mut now = Vec::new();
            for seat in givers {
                let held = self.seats[*seat].crew.held().into_iter();
                let held = held.flat_map(|one| {
                    let scenario = one.scenario as usize;
                    one.vus.into_iter().map(move |vu| (scenario, vu))
                });
                merge(&mut now, by_scenario(held.collect()));
            }
            if now != held {
                held = now;
                for taker in takers {
                    self.tell(*taker, held.clone());
                }
            }
        }
    }

    async fn end(self) -> Story {
        let mut outcomes = Vec::new();
        for seat in self.seats {
            outcomes.push(seat.done.await.unwrap());
        }
        Story {
            plan: self.plan,
            shares: self.shares,
            outcomes,
            lost: self.lost,
        }
    }
}

fn by_scenario(vus: BTreeSet<(usize, u64)>) -> Vec<BTreeSet<u64>> {
    let mut all: Vec<BTreeSet<u64>> = Vec::new();
    for (scenario, vu) in vus {
        all.resize_with(all.len().max(scenario + 1), BTreeSet::new);
        all[scenario].insert(vu);
    }
    all
}

fn merge(all: &mut Vec<BTreeSet<u64>>, more: Vec<BTreeSet<u64>>) {
    all.resize_with(all.len().max(more.len()), BTreeSet::new);
    for (all, more) in all.iter_mut().zip(more) {
        all.extend(more);
    }
}

/// Numbers by chance, the same each time for a seed.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// Up to three things that happen to a fleet of so many, from 600 ms on.
    pub(super) fn acts(&mut self, agents: usize) -> Vec<(Duration, Act)> {
        let mut living: Vec<usize> = (0..agents).collect();
        let mut seats = agents;
        let mut at = 600 * MS;
        let mut acts = Vec::new();
        for _ in 0..=self.below(3) {
            let which = usize::try_from(self.below(living.len() as u64)).unwrap();
            let act = match self.below(3) {
                0 if living.len() > 1 => {
                    let later = 1500 * MS + MS * u32::try_from(self.below(1500)).unwrap();
                    Act::Lose(living.swap_remove(which), later)
                }
                1 if living.len() > 1 => Act::Drain(living.swap_remove(which)),
                _ => {
                    living.push(seats);
                    seats += 1;
                    Act::Join(1 + u32::try_from(self.below(2)).unwrap())
                }
            };
            acts.push((at, act));
            at += SECOND + MS * u32::try_from(self.below(2500)).unwrap();
        }
        acts
    }
}
