//! The laws of changes to a running test: one stage clock for everybody, scaled curves exact, monotone and striped.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use throng_plan::{
    Arrivals, Change, Control, Executor, Pause, Scale, ScaledArrivals, ScaledVus, Scenario, Stage,
    Stripe,
};

fn scenario(executor: Executor) -> Scenario {
    Scenario {
        name: "main".to_owned(),
        executor,
        start_time: Duration::ZERO,
        graceful_stop: Duration::from_nanos(300),
        exec: 0,
        tags: BTreeMap::new(),
        arrivals: Arrivals::Regular,
        catch_up: Duration::from_nanos(1000),
    }
}

fn stages(list: &[(u64, u64)]) -> Vec<Stage> {
    list.iter()
        .map(|(nanos, target)| Stage {
            duration: Duration::from_nanos(*nanos),
            target: *target,
        })
        .collect()
}

fn ramping_vus(start: u64, list: &[(u64, u64)]) -> Scenario {
    scenario(Executor::RampingVus {
        start_vus: start,
        stages: stages(list),
        graceful_ramp_down: Duration::from_nanos(70),
    })
}

fn ramping_rate(start: u64, list: &[(u64, u64)]) -> Scenario {
    scenario(Executor::RampingArrivalRate {
        start_rate: start,
        time_unit: Duration::from_nanos(100),
        stages: stages(list),
        pre_allocated_vus: 1,
        max_vus: 9,
    })
}

fn constant_rate(rate: u64, duration: u64) -> Scenario {
    scenario(Executor::ConstantArrivalRate {
        rate,
        time_unit: Duration::from_nanos(100),
        duration: Duration::from_nanos(duration),
        pre_allocated_vus: 1,
        max_vus: 9,
    })
}

fn poisson(scenario: Scenario) -> Scenario {
    Scenario {
        arrivals: Arrivals::Poisson,
        ..scenario
    }
}

fn constant_vus(vus: u64, duration: u64) -> Scenario {
    scenario(Executor::ConstantVus {
        vus,
        duration: Duration::from_nanos(duration),
    })
}

fn control(changes: &[(u64, Change)]) -> Control {
    let mut sorted = changes.to_vec();
    sorted.sort_by_key(|(at, _)| *at);
    sorted
        .into_iter()
        .fold(Control::default(), |control, (from, change)| {
            control
                .scale(Scale {
                    scenario: 0,
                    from,
                    change,
                })
                .expect("in order")
        })
}

fn vus(scenario: &Scenario, changes: &[(u64, Change)]) -> ScaledVus {
    control(changes).vus(0, scenario).expect("closed")
}

fn arrivals(scenario: &Scenario, changes: &[(u64, Change)]) -> ScaledArrivals {
    control(changes).arrivals(0, scenario, 7).expect("open")
}

/// Pauses in order and apart; the last may be open.
fn pauses() -> impl Strategy<Value = Vec<Pause>> {
    (
        prop::collection::vec((0_u64..50, 0_u64..50), 0..5),
        any::<bool>(),
    )
        .prop_map(|(steps, open)| {
            let mut at = 0;
            let mut pauses: Vec<Pause> = steps
                .into_iter()
                .map(|(gap, length)| {
                    let from = at + gap;
                    at = from + length;
                    Pause { from, to: Some(at) }
                })
                .collect();
            if let (true, Some(last)) = (open, pauses.last_mut()) {
                last.to = None;
            }
            pauses
        })
}

fn stage_list() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0_u64..200, 0_u64..40), 1..5)
}

fn factors() -> impl Strategy<Value = Vec<(u64, Change)>> {
    prop::collection::vec((0_u64..600, 0_u64..3500), 0..4).prop_map(|list| {
        list.into_iter()
            .map(|(at, factor)| (at, Change::Factor(factor)))
            .collect()
    })
}

/// As the curves of a constant number or rate may be changed.
fn settings(of: fn(u64) -> Change) -> impl Strategy<Value = Vec<(u64, Change)>> {
    prop::collection::vec((0_u64..600, 1_u64..3500, any::<bool>()), 0..4).prop_map(move |list| {
        list.into_iter()
            .map(|(at, number, set)| {
                let change = if set {
                    of(number % 40 + 1)
                } else {
                    Change::Factor(number)
                };
                (at, change)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn stage_time_stands_still_in_pauses_and_else_goes_with_run_time(pauses in pauses()) {
        let control = Control::new(1, pauses, Vec::new()).expect("in order and apart");
        for run in 0..400 {
            let step = control.stage_time(run + 1) - control.stage_time(run);
            prop_assert_eq!(step, u64::from(!control.is_paused(run)), "at {}", run);
        }
    }

    #[test]
    fn run_time_and_stage_time_are_inverse_outside_of_pauses(pauses in pauses()) {
        let control = Control::new(1, pauses, Vec::new()).expect("in order and apart");
        for run in 0..400 {
            let back = control.run_time(control.stage_time(run));
            if !control.is_paused(run) {
                prop_assert_eq!(back, Some(run));
            } else {
                prop_assert!(back.is_none_or(|back| back > run && !control.is_paused(back)));
            }
        }
        for stage in 0..400 {
            match control.run_time(stage) {
                Some(run) => prop_assert_eq!(control.stage_time(run), stage),
                None => prop_assert!(control.open_pause().is_some()),
            }
        }
    }

    #[test]
    fn run_time_is_strictly_monotone(pauses in pauses()) {
        let control = Control::new(1, pauses, Vec::new()).expect("in order and apart");
        for stage in 0..400 {
            if let Some(next) = control.run_time(stage + 1) {
                prop_assert!(control.run_time(stage).is_some_and(|run| run < next));
            }
        }
    }

    #[test]
    fn a_scaled_number_of_vus_is_the_plans_times_the_factor(
        start in 0_u64..40, list in stage_list(), changes in factors()
    ) {
        let scenario = ramping_vus(start, &list);
        let planned = scenario.executor.vu_curve(scenario.graceful_stop).expect("closed");
        let scaled = vus(&scenario, &changes);
        let mut sorted = changes;
        sorted.sort_by_key(|(at, _)| *at);
        for t in 0..800 {
            let factor = sorted.iter().rev().find(|(at, _)| *at <= t);
            let Change::Factor(factor) = factor.map_or(Change::Factor(1000), |(_, c)| *c) else {
                unreachable!("only factors here")
            };
            prop_assert_eq!(scaled.vus_at(t), planned.vus_at(t) * factor / 1000);
        }
    }

    #[test]
    fn shares_sum_to_the_scaled_whole_at_every_instant(
        start in 0_u64..40, list in stage_list(), changes in factors(),
        weights in prop::collection::vec(1_u32..5, 1..5)
    ) {
        let scaled = vus(&ramping_vus(start, &list), &changes);
        let stripe = Stripe::new(weights);
        let spans: Vec<_> = (0..stripe.agents())
            .map(|agent| -> Vec<_> {
                stripe.below(agent, scaled.max()).map(|vu| scaled.spans(vu)).collect()
            })
            .collect();
        for t in (0..800).step_by(7) {
            let at_work = |agent: &Vec<Vec<throng_plan::Span>>| {
                agent.iter().flatten().filter(|s| s.start <= t && t < s.stop).count() as u64
            };
            let sum: u64 = spans.iter().map(at_work).sum();
            prop_assert_eq!(sum, scaled.vus_at(t), "at {}", t);
            for (agent, spans) in spans.iter().enumerate() {
                prop_assert_eq!(at_work(spans), stripe.count_below(agent, scaled.vus_at(t)));
            }
        }
    }

    #[test]
    fn a_constant_number_of_vus_can_be_set(vus_ in 1_u64..40, changes in settings(Change::Vus)) {
        let scaled = vus(&constant_vus(vus_, 500), &changes);
        for t in (0..600).step_by(3) {
            let spans = (0..scaled.max() + 1).flat_map(|vu| scaled.spans(vu));
            let at_work = spans.filter(|s| s.start <= t && t < s.stop).count() as u64;
            prop_assert_eq!(at_work, scaled.vus_at(t), "at {}", t);
        }
    }

    #[test]
    fn spans_come_in_order_apart_and_with_their_cut_behind_them(
        start in 0_u64..40, list in stage_list(), changes in factors()
    ) {
        let scaled = vus(&ramping_vus(start, &list), &changes);
        for vu in 0..scaled.max() {
            let spans = scaled.spans(vu);
            for span in &spans {
                prop_assert!(span.start < span.stop && span.stop <= span.cut);
                prop_assert_eq!(scaled.cut_at(&spans, span.start), span.cut);
            }
            for pair in spans.windows(2) {
                prop_assert!(pair[0].stop < pair[1].start);
                prop_assert!(pair[0].cut <= pair[1].start || pair[0].cut == pair[1].cut);
            }
        }
    }

    #[test]
    fn scaled_arrivals_are_exact_inverses_each_index_once(
        start in 0_u64..40, list in stage_list(), changes in factors()
    ) {
        exact(&arrivals(&ramping_rate(start, &list), &changes), 900)?;
    }

    #[test]
    fn a_constant_rate_can_be_scaled_and_set_exactly(
        rate in 1_u64..40, duration in 1_u64..700, changes in settings(Change::Rate)
    ) {
        exact(&arrivals(&constant_rate(rate, duration), &changes), 900)?;
    }

    #[test]
    fn scaled_poisson_arrivals_are_exact_inverses_each_index_once(
        start in 0_u64..40, list in stage_list(), changes in factors(),
        rate in 1_u64..40, duration in 1_u64..700, settings in settings(Change::Rate)
    ) {
        exact(&arrivals(&poisson(ramping_rate(start, &list)), &changes), 900)?;
        exact(&arrivals(&poisson(constant_rate(rate, duration)), &settings), 900)?;
    }

    #[test]
    fn a_change_leaves_alone_what_was_due_before_it(
        start in 0_u64..40, list in stage_list(), changes in factors(), at in 0_u64..600
    ) {
        let mut changes = changes;
        changes.sort_by_key(|(at, _)| *at);
        let last = changes.last().map_or(0, |(at, _)| *at).max(at);
        let mut more = changes.clone();
        more.push((last, Change::Factor(1700)));
        for scenario in [ramping_rate(start, &list), poisson(ramping_rate(start, &list))] {
            let (once, again) = (arrivals(&scenario, &changes), arrivals(&scenario, &more));
            for t in 0..last {
                prop_assert_eq!(once.due_by(t), again.due_by(t), "at {}", t);
            }
        }
    }

    #[test]
    fn nothing_changes_before_a_change(
        start in 0_u64..40, list in stage_list(), changes in factors()
    ) {
        let scenario = ramping_rate(start, &list);
        let planned = scenario.executor.arrival_curve().expect("open");
        let scaled = arrivals(&scenario, &changes);
        let first = changes.iter().map(|(at, _)| *at).min().unwrap_or(u64::MAX);
        for t in 0..900.min(first) {
            prop_assert_eq!(scaled.due_by(t), planned.due_by(t), "at {}", t);
        }
    }

    #[test]
    fn a_scaled_rate_makes_the_plans_arrivals_times_the_factor(
        start in 0_u64..40, list in stage_list(), at in 0_u64..600, factor in 0_u64..3500
    ) {
        let scenario = ramping_rate(start, &list);
        let planned = scenario.executor.arrival_curve().expect("open");
        let scaled = arrivals(&scenario, &[(at, Change::Factor(factor))]);
        let (before, all) = (planned.due_by(at), planned.total());
        let wanted = before as f64 + (all - before) as f64 * factor as f64 / 1000.0;
        // Each of the three roundings leaves out less than one arrival, the middle one of them scaled.
        let slack = 2.0 + factor as f64 / 1000.0;
        prop_assert!((scaled.total() as f64 - wanted).abs() <= slack, "{} {}", scaled.total(), wanted);
    }

    #[test]
    fn a_factor_of_one_is_the_plan(start in 0_u64..40, list in stage_list(), at in 0_u64..600) {
        let change = [(at, Change::Factor(1000))];
        let open = ramping_rate(start, &list);
        let planned = open.executor.arrival_curve().expect("open");
        let scaled = arrivals(&open, &change);
        prop_assert_eq!(scaled.total(), planned.total());
        for n in 0..planned.total().min(500) {
            prop_assert_eq!(scaled.due_at(n), planned.due_at(n));
        }
        let closed = ramping_vus(start, &list);
        let planned = closed.executor.vu_curve(closed.graceful_stop).expect("closed");
        for vu in 0..planned.max() {
            prop_assert_eq!(vus(&closed, &change).spans(vu), planned.spans(vu));
        }
    }
}

fn exact(curve: &ScaledArrivals, until: u64) -> Result<(), TestCaseError> {
    prop_assert_eq!(curve.due_by(until), curve.total());
    let mut last = 0;
    for n in 0..curve.total().min(700) {
        let at = curve.due_at(n);
        let Some(at) = at else {
            return Err(TestCaseError::fail(format!("{n} is never due")));
        };
        prop_assert!(at >= last && at <= curve.duration());
        prop_assert!(curve.due_by(at) > n, "{} at {}", n, at);
        prop_assert!(
            at == 0 || curve.due_by(at - 1) <= n,
            "{} is due before {}",
            n,
            at
        );
        last = at;
    }
    prop_assert_eq!(curve.due_at(curve.total()), None);
    Ok(())
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let year = 365 * 24 * 3600 * 1_000_000_000_u64;
    let scenario = scenario(Executor::RampingArrivalRate {
        start_rate: 1,
        time_unit: Duration::from_nanos(10 * year),
        stages: vec![Stage {
            duration: Duration::from_nanos(9 * year),
            target: 10 * year,
        }],
        pre_allocated_vus: 1,
        max_vus: 1,
    });
    let changes = [
        (year, Change::Factor(1_000_000)),
        (8 * year, Change::Factor(1)),
    ];
    let curve = arrivals(&scenario, &changes);
    let last = curve.due_at(curve.total() - 1);
    assert!(last.is_some_and(|at| at <= 9 * year && curve.due_by(at) == curve.total()));
}

#[test]
fn versions_pauses_and_their_order() {
    let control = Control::default();
    assert!(control.resume(5).is_err(), "not paused");
    let paused = control.pause(10).expect("first");
    assert!(paused.pause(20).is_err(), "paused already");
    let gone_on = paused.resume(30).expect("paused");
    assert_eq!(
        (control.version(), paused.version(), gone_on.version()),
        (0, 1, 2)
    );
    assert_eq!(
        gone_on.pauses(),
        [Pause {
            from: 10,
            to: Some(30)
        }]
    );
    let early = paused
        .resume(5)
        .expect("a pause that has not begun ends before it does");
    assert_eq!(early.stage_time(100), 100);
    let scale = |from| Scale {
        scenario: 0,
        from,
        change: Change::Factor(2),
    };
    let scaled = control.scale(scale(10)).expect("first");
    assert!(scaled.scale(scale(9)).is_err(), "out of order");
}

#[test]
fn what_cannot_be_scaled_is_refused_with_a_remedy() {
    let source = "scenarios:
  ramp: { executor: ramping-vus, stages: [{ duration: 1s, target: 2 }] }
  flat: { executor: constant-vus, vus: 2, duration: 1s }
  rate: { executor: constant-arrival-rate, rate: 2, duration: 1s, preAllocatedVUs: 1 }
  rise: { executor: ramping-arrival-rate, stages: [{ duration: 1s, target: 2 }], preAllocatedVUs: 1 }
  share: { executor: shared-iterations, vus: 1, iterations: 2 }
  mine: { executor: constant-vus, vus: 2, duration: 1s, exec: mine }
data: { users: { range: [1, 2] } }
flows:
  default: [{ get: \"http://x/\" }]
  mine: [{ let: { user: { own: users } } }, { get: \"http://x/{{ user }}\" }]
";
    let plan = throng_plan::compile(&throng_plan::Bundle {
        name: "t.yaml".to_owned(),
        source: source.to_owned(),
        ..throng_plan::Bundle::default()
    })
    .expect("compiles");
    let table = [
        ("rmap", Change::Factor(2000), "did you mean `ramp`?"),
        ("", Change::Vus(3), "say which one with `--scenario`"),
        ("", Change::Factor(2000), "it has a number of iterations"),
        (
            "share",
            Change::Factor(2000),
            "it has a number of iterations",
        ),
        (
            "ramp",
            Change::Vus(3),
            "multiply them with `--factor` instead of `--vus`",
        ),
        (
            "ramp",
            Change::Rate(3),
            "it has VUs and no rate; use `--factor`",
        ),
        ("flat", Change::Rate(3), "use `--factor` or `--vus`"),
        ("flat", Change::Vus(0), "`--factor 0` takes all VUs away"),
        (
            "flat",
            Change::Vus(u64::MAX),
            "at most 100000000 are possible",
        ),
        ("flat", Change::Factor(1_000_001), "a factor above 1000"),
        (
            "rate",
            Change::Vus(3),
            "change that with `--factor` or `--rate`",
        ),
        ("rate", Change::Rate(0), "`--factor 0` lets nothing arrive"),
        (
            "rate",
            Change::Rate(u64::MAX),
            "more than one iteration per nanosecond",
        ),
        ("mine", Change::Vus(3), "takes a row of `users` of its own"),
        (
            "mine",
            Change::Factor(1001),
            "takes a row of `users` of its own",
        ),
        (
            "rise",
            Change::Rate(3),
            "multiply it with `--factor` instead of `--rate`",
        ),
    ];
    for (name, change, wanted) in table {
        let said = plan.scaled_by(name, change).map_err(|error| error.0);
        assert!(
            said.as_ref().is_err_and(|said| said.contains(wanted)),
            "{name} {change:?}: {said:?}"
        );
    }
    for (name, change, wanted) in [
        ("ramp", Change::Factor(500), 0),
        ("flat", Change::Vus(5), 1),
        ("rate", Change::Rate(5), 2),
        ("rise", Change::Factor(0), 3),
        ("mine", Change::Vus(1), 5),
    ] {
        assert_eq!(plan.scaled_by(name, change), Ok(vec![wanted]));
    }
}
