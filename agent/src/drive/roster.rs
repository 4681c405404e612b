//! Which of an agent's VUs are a worker's, and when they are the agent's.
//!
//! A VU stays with the worker that had it first, so that nothing is handed over inside an agent. Those that come with a change are dealt
//! out anew. However agents come and go, what is left is spread evenly: see [`dealt_to`].

use crate::share::Share;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Run times from which and up to which a VU is the agent's.
pub(crate) type Windows = Vec<(u64, u64)>;

/// One worker's VUs of one scenario that ever are the agent's.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    vus: BTreeMap<u64, Windows>,
}

/// By scenario: the newest roster.
#[derive(Debug, Default)]
pub(crate) struct Rosters(RefCell<HashMap<usize, Kept>>);

#[derive(Debug)]
struct Kept {
    /// After so many tellings,
    tellings: usize,
    /// of the VUs below this one.
    below: u64,
    roster: Rc<Roster>,
}

impl Rosters {
    /// The worker's roster of a scenario's VUs below `below`; `moves` says whether they ever go to others.
    pub(crate) fn of(
        &self,
        share: &Share,
        (worker, workers): (usize, usize),
        (scenario, below, moves): (usize, u64, bool),
    ) -> Rc<Roster> {
        let tellings = share.tellings().len();
        if let Some(kept) = self.0.borrow().get(&scenario)
            && (kept.tellings, kept.below) == (tellings, below)
        {
            return Rc::clone(&kept.roster);
        }
        let roster = Rc::new(Roster::new(share, (worker, workers), below, moves));
        let kept = Kept {
            tellings,
            below,
            roster: Rc::clone(&roster),
        };
        self.0.borrow_mut().insert(scenario, kept);
        roster
    }
}

impl Roster {
    fn new(share: &Share, (worker, workers): (usize, usize), below: u64, moves: bool) -> Self {
        let (shares, seat) = (share.shares(), share.seat);
        if !moves || shares.changes().is_empty() {
            let own = shares.under(0);
            let vus = (0..).zip(own.below(seat, below));
            let vus = vus.filter(|(rank, _)| dealt_to(*rank, workers) == worker);
            return Self {
                vus: vus.map(|(_, vu)| (vu, vec![(0, u64::MAX)])).collect(),
            };
        }
        // Of each change, and of the beginning, how many were dealt out.
        let mut dealt: Vec<usize> = (0..=shares.changes().len()).collect();
        let vus = shares.tenures(seat, below).filter_map(|tenure| {
            let rank = &mut dealt[tenure.first];
            let whose = dealt_to(*rank, workers);
            *rank += 1;
            (whose == worker).then_some((tenure.index, tenure.windows))
        });
        Self { vus: vus.collect() }
    }

    /// VUs that ever are the agent's, in order.
    pub(crate) fn vus(&self) -> impl Iterator<Item = u64> + '_ {
        self.vus.keys().copied()
    }

    /// When a VU is the agent's.
    pub(crate) fn windows(&self, vu: u64) -> &[(u64, u64)] {
        self.vus.get(&vu).map_or(&[], Vec::as_slice)
    }

    /// True if it is the agent's after all changes so far.
    pub(crate) fn keeps(&self, vu: u64) -> bool {
        let last = self.windows(vu).last();
        last.is_some_and(|(_, to)| *to == u64::MAX)
    }
}

/// The worker to which the `rank`-th VU is dealt: each `workers` of them in a row to as many workers, beginning with one by chance.
///
/// Were it the same one each time, every second VU, which is what a newcomer takes of a lone agent's, would be all that half of the
/// workers have.
fn dealt_to(rank: usize, workers: usize) -> usize {
    let workers = workers.max(1) as u64;
    let rank = rank as u64;
    // splitmix64's finish: the same for all workers.
    let mut chance = (rank / workers).wrapping_add(0x9E37_79B9_7F4A_7C15);
    chance = (chance ^ (chance >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    chance = (chance ^ (chance >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    chance ^= chance >> 31;
    // Below `workers`, which is a usize.
    usize::try_from((rank + chance % workers) % workers).unwrap_or(0)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::dealt_to;

    #[test]
    fn vus_are_dealt_evenly_and_so_is_every_part_of_them_that_an_agent_may_lose() {
        for workers in 1..9 {
            for step in 1..9 {
                let mut dealt = vec![0_i64; workers];
                for rank in (0..200_000).step_by(step) {
                    dealt[dealt_to(rank, workers)] += 1;
                }
                let (least, most) = (dealt.iter().min().unwrap(), dealt.iter().max().unwrap());
                assert!(
                    most - least <= 8.max(most / 4),
                    "{workers} workers, every {step}th: {dealt:?}"
                );
                assert!(
                    step > 1 || most - least <= 1,
                    "{workers} workers: {dealt:?}"
                );
            }
        }
    }
}
