//! Laws of ownership while agents go and come.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use throng_plan::{
    Bundle, Change, Control, Executor, Plan, Scale, Scenario, SeatChange, Shares, Stage, compile,
};

/// A fleet, and what becomes of it: a seat (by chance) goes, or one of this weight comes, so long after the change before.
type Fleet = (Vec<u32>, Vec<(bool, u32, u64)>);

fn fleets() -> impl Strategy<Value = Fleet> {
    (
        prop::collection::vec(1_u32..4, 1..6),
        prop::collection::vec((any::<bool>(), 1_u32..4, 0_u64..900), 0..6),
    )
}

fn shares((weights, changes): Fleet) -> Shares {
    let mut shares = Shares::new(weights).expect("small weights");
    let mut at = 0;
    for (goes, number, later) in changes {
        at += later;
        let living: Vec<usize> = (0..shares.seats())
            .filter(|seat| shares.weights()[*seat] > 0)
            .collect();
        let change = if goes && living.len() > 1 {
            SeatChange::Gone(living[number as usize % living.len()])
        } else {
            SeatChange::Came(number)
        };
        shares.change(at, change).expect("small weights");
    }
    shares
}

const WHOLE: u64 = 200;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_index_has_one_owner_that_is_there_and_all_ways_of_asking_agree(fleet in fleets(), max_vus in 1_u64..40) {
        let shares = shares(fleet);
        for shares in [shares.of_arrivals(max_vus), shares].map(Arc::new) {
            for changes in 0..=shares.changes().len() {
                let own = shares.under(changes);
                let mut below = vec![0_u64; own.seats()];
                for i in 0..WHOLE {
                    let owner = own.owner(i);
                    prop_assert!(!shares.changes()[..changes].iter().any(|(_, change)| *change == SeatChange::Gone(owner)));
                    prop_assert_eq!(own.count_below(owner, i), below[owner]);
                    if i.is_multiple_of(7) {
                        prop_assert_eq!(own.nth(owner, below[owner]), i);
                    }
                    below[owner] += 1;
                }
                for (seat, count) in below.iter().enumerate() {
                    prop_assert_eq!(own.count_below(seat, WHOLE), *count);
                    let listed: Vec<u64> = own.below(seat, WHOLE).collect();
                    prop_assert_eq!(listed.len() as u64, *count);
                    prop_assert!(listed.iter().all(|i| own.owner(*i) == seat));
                    // Workers take turns, from wherever they begin.
                    let workers = 3;
                    let mut turns: Vec<u64> = (0..workers)
                        .flat_map(|worker| shares.turns(changes, seat, 50, (worker, workers)).take_while(|i| *i < WHOLE))
                        .collect();
                    turns.sort_unstable();
                    prop_assert_eq!(turns, listed.into_iter().filter(|i| *i >= 50).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn only_the_indexes_of_who_goes_and_the_part_of_who_comes_move(fleet in fleets()) {
        let shares = shares(fleet);
        for (index, (_, change)) in shares.changes().iter().enumerate() {
            let (before, after) = (shares.under(index), shares.under(index + 1));
            for i in 0..WHOLE {
                match change {
                    SeatChange::Gone(seat) => prop_assert_eq!(before.owner(i) != after.owner(i), before.owner(i) == *seat),
                    SeatChange::Came(_) => prop_assert!(before.owner(i) == after.owner(i) || after.owner(i) == before.seats()),
                }
            }
        }
    }

    #[test]
    fn arrivals_move_as_little_and_only_to_those_who_have_a_vu(fleet in fleets(), max_vus in 1_u64..12) {
        let shares = shares(fleet);
        let arrivals = shares.of_arrivals(max_vus);
        for index in 0..=shares.changes().len() {
            let (vus, own) = (shares.under(index), arrivals.under(index));
            for i in 0..WHOLE {
                prop_assert!(vus.count_below(own.owner(i), max_vus) > 0, "{} has arrival {} and no VU", own.owner(i), i);
            }
            let Some((_, change)) = shares.changes().get(index) else { break };
            let (next_vus, next) = (shares.under(index + 1), arrivals.under(index + 1));
            for i in 0..WHOLE {
                let (before, after) = (own.owner(i), next.owner(i));
                let emptied = next_vus.count_below(before, max_vus) == 0;
                match change {
                    _ if before == after || emptied => {}
                    SeatChange::Gone(seat) => prop_assert_eq!(before, *seat),
                    SeatChange::Came(_) => prop_assert_eq!(after, vus.seats()),
                }
            }
        }
    }

    #[test]
    fn a_share_stays_within_one_unit_per_change_of_the_ideal_one(fleet in fleets(), whole in 0..WHOLE) {
        let shares = shares(fleet);
        let own = shares.under(usize::MAX);
        let all: u32 = shares.weights().iter().sum();
        for (seat, weight) in shares.weights().iter().enumerate() {
            let ideal = whole as f64 * f64::from(*weight) / f64::from(all);
            let off = (own.count_below(seat, whole) as f64 - ideal).abs();
            prop_assert!(off <= 1.0 + shares.changes().len() as f64, "seat {} is off by {}", seat, off);
        }
    }

    /// A tenure says the same as asking at each instant.
    #[test]
    fn a_tenure_is_when_an_index_is_a_seats(fleet in fleets()) {
        let shares = shares(fleet);
        let instants = || shares.changes().iter().flat_map(|(from, _)| [from.saturating_sub(1), *from, from + 1]).chain([0, 1 << 40]);
        for seat in 0..shares.seats() {
            let tenures: BTreeMap<u64, _> = shares.tenures(seat, 60).map(|tenure| (tenure.index, tenure)).collect();
            for i in 0..60 {
                let tenure = tenures.get(&i);
                prop_assert_eq!(tenure.cloned(), shares.tenure(seat, i));
                let within = |at| tenure.is_some_and(|tenure| tenure.windows.iter().any(|(from, to)| *from <= at && at < *to));
                for at in instants() {
                    prop_assert_eq!(within(at), shares.at(at).owner(i) == seat, "{} at {}", i, at);
                }
                if let Some(tenure) = tenure {
                    prop_assert!(tenure.windows.windows(2).all(|two| two[0].1 < two[1].0));
                    prop_assert_eq!(shares.under(tenure.first).owner(i), seat);
                    prop_assert!((0..tenure.first).all(|changes| shares.under(changes).owner(i) != seat));
                    prop_assert_eq!(tenure.lasts(), shares.under(usize::MAX).owner(i) == seat);
                }
            }
        }
    }
}

fn scenario(executor: Executor) -> Scenario {
    let source = throng_plan::one_request("http://127.0.0.1/");
    let mut plan = compile(&Bundle {
        name: "s.yaml".to_owned(),
        source,
        ..Bundle::default()
    })
    .expect("it is sound");
    let mut scenario = plan.scenarios.remove(0);
    scenario.executor = executor;
    scenario.graceful_stop = std::time::Duration::from_nanos(300);
    scenario
}

fn stages(list: &[(u64, u64)]) -> Vec<Stage> {
    let stage = |(nanos, target): &(u64, u64)| Stage {
        duration: std::time::Duration::from_nanos(*nanos),
        target: *target,
    };
    list.iter().map(stage).collect()
}

/// A run that is paused and scaled by these: (from, so long, factor).
fn controls() -> impl Strategy<Value = Control> {
    prop::collection::vec((1_u64..500, 1_u64..300, 0_u64..2500), 0..3).prop_map(|list| {
        let mut at = 0;
        let mut control = Control::default();
        for (later, long, factor) in list {
            at += later;
            let scale = Scale {
                scenario: 0,
                from: at,
                change: Change::Factor(factor),
            };
            control = control
                .scale(scale)
                .and_then(|c| c.pause(at))
                .and_then(|c| c.resume(at + long))
                .expect("in order");
            at += long;
        }
        control
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever the stages, the weights, who goes or comes when, and what is paused and scaled.
    #[test]
    fn shares_sum_to_the_whole_at_every_instant(
        fleet in fleets(),
        start in 0_u64..12,
        list in prop::collection::vec((0_u64..400, 0_u64..15), 1..5),
        control in controls(),
    ) {
        prop_assume!(list.iter().any(|(length, _)| *length > 0));
        let shares = shares(fleet);
        let scenario = scenario(Executor::RampingVus {
            start_vus: start,
            stages: stages(&list),
            graceful_ramp_down: std::time::Duration::from_nanos(70),
        });
        let vus = control.vus(0, &scenario).expect("a closed one");
        let parts: Vec<Vec<_>> = (0..shares.seats())
            .map(|seat| {
                let own = shares.tenures(seat, vus.max());
                own.flat_map(|own| vus.spans_within(own.index, &control.windows(&scenario, &own.windows))).collect()
            })
            .collect();
        let end = control.run_time(vus.end()).expect("every pause ends");
        for run in (0..=end).step_by(3) {
            if control.is_paused(run) {
                continue;
            }
            let t = control.stage_time(run);
            let of = |spans: &Vec<throng_plan::Span>| spans.iter().filter(|span| span.start <= t && t < span.stop).count() as u64;
            let each: Vec<u64> = parts.iter().map(of).collect();
            prop_assert_eq!(each.iter().sum::<u64>(), vus.vus_at(t), "at {}", run);
            let owned: Vec<u64> = (0..shares.seats()).map(|seat| shares.at(run).count_below(seat, vus.vus_at(t))).collect();
            prop_assert_eq!(each, owned, "at {}", run);
        }
        // What is given away ends with its grace, and never later than it would have.
        for (seat, spans) in parts.iter().enumerate() {
            for span in spans {
                prop_assert!(span.stop <= span.cut, "seat {}", seat);
            }
        }
    }

    /// Every arrival is one seat's at the instant at which it is due, and that instant is nobody's to change.
    #[test]
    fn arrivals_are_due_at_the_same_instants_whatever_becomes_of_the_fleet(
        fleet in fleets(),
        list in prop::collection::vec((1_u64..400, 0_u64..60), 1..4),
        control in controls(),
        max_vus in 1_u64..20,
        seed: u64,
        poisson: bool,
    ) {
        let shares = shares(fleet).of_arrivals(max_vus);
        let mut scenario = scenario(Executor::RampingArrivalRate {
            start_rate: 5,
            time_unit: std::time::Duration::from_nanos(100),
            stages: stages(&list),
            pre_allocated_vus: 1,
            max_vus,
        });
        if poisson {
            scenario.arrivals = throng_plan::Arrivals::Poisson;
        }
        let curve = control.arrivals(0, &scenario, seed).expect("an open one");
        let due = |i| curve.due_at(i).and_then(|at| control.run_time(at)).expect("every pause ends");
        let alone: Vec<u64> = (0..curve.total()).map(due).collect();
        prop_assert!(alone.is_sorted());
        let mut fired = vec![0; alone.len()];
        for seat in 0..shares.seats() {
            for own in shares.tenures(seat, curve.total()) {
                let at = due(own.index);
                let ours = own.windows.iter().any(|(from, to)| *from <= at && at < *to);
                fired[usize::try_from(own.index).expect("few")] += u32::from(ours);
            }
        }
        prop_assert!(fired.iter().all(|times| *times == 1), "{:?}", fired);
    }
}

/// A set of which each VU of one scenario takes its own row, and each arrival of another.
fn with_rows(vus: u64, rate: u64) -> Plan {
    let source = format!(
        "
baseURL: http://h
data: {{ s: {{ setup: true }} }}
setup: [{{ give: {{ s: 1 }} }}]
scenarios:
  closed: {{ executor: constant-vus, vus: {vus}, duration: 1s, exec: a }}
  open: {{ executor: constant-arrival-rate, rate: {rate}, duration: 2s, preAllocatedVUs: 30, exec: b }}
flows:
  a: [{{ let: {{ x: {{ own: s }} }} }}]
  b: [{{ let: {{ x: {{ per_iteration: s }} }} }}]
"
    );
    compile(&Bundle {
        name: "s.yaml".to_owned(),
        source,
        ..Bundle::default()
    })
    .expect("it is sound")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn rows_from_a_change_on_are_those_of_all_that_hold_after_it(fleet in fleets(), vus in 1_u64..80, rate in 1_u64..80, lost in 0_usize..8, weight in 1_u32..4) {
        let mut shares = shares(fleet);
        let living: Vec<usize> = (0..shares.seats()).filter(|seat| shares.weights()[*seat] > 0).collect();
        prop_assume!(living.len() > 1);
        let first = shares.changes().len();
        shares.change(10_000, SeatChange::Gone(living[lost % living.len()])).expect("it can go");
        let between = shares.clone();
        // It takes away again a part of what came with the loss.
        shares.change(20_000, SeatChange::Came(weight)).expect("it can come");
        let plan = with_rows(vus, rate);
        let count = vus.max(2 * rate);
        for seat in 0..between.seats() {
            let all = plan.rows_since(0, &shares, seat, count, first + 1);
            let both = &plan.rows_of(0, &between, seat, count) | &plan.rows_of(0, &shares, seat, count);
            prop_assert_eq!(all, both);
            prop_assert_eq!(plan.rows_since(0, &shares, seat, count, usize::MAX), plan.rows_of(0, &shares, seat, count));
        }
    }

    #[test]
    fn a_loss_moves_only_the_lost_agents_vus_and_rows(fleet in fleets(), vus in 1_u64..80, rate in 1_u64..80, lost in 0_usize..8) {
        let mut shares = shares(fleet);
        let living: Vec<usize> = (0..shares.seats()).filter(|seat| shares.weights()[*seat] > 0).collect();
        prop_assume!(living.len() > 1);
        let lost = living[lost % living.len()];
        let before = shares.clone();
        shares.change(10_000, SeatChange::Gone(lost)).expect("it can go");
        let changes = before.changes().len();
        for i in 0..vus {
            let (was, is) = (shares.under(changes).owner(i), shares.under(changes + 1).owner(i));
            prop_assert_eq!(was != is, was == lost, "VU {}", i);
        }
        let plan = with_rows(vus, rate);
        let count = vus.max(2 * rate);
        let was: Vec<BTreeSet<u64>> = (0..before.seats()).map(|seat| plan.rows_of(0, &before, seat, count)).collect();
        let mut all = BTreeSet::new();
        for (seat, was_here) in was.iter().enumerate() {
            let is = plan.rows_of(0, &shares, seat, count);
            if seat == lost {
                prop_assert!(is.is_empty());
                continue;
            }
            prop_assert!(is.is_superset(was_here), "nothing is taken from who remains");
            prop_assert!(is.difference(was_here).all(|row| was[lost].contains(row)), "all that comes was the lost agent's");
            all.extend(is);
        }
        prop_assert_eq!(all.len() as u64, count, "every row is somewhere");
    }
}
