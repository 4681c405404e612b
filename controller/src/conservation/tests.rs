//! The books balance, whatever happened.

use super::*;

const S: u128 = 1_000_000_000;

fn account(fate: Fate, totals: ScenarioTotals) -> Account {
    Account {
        fate,
        requests_merged: totals.requests,
        totals: vec![ScenarioTotals {
            scenario: "s".to_owned(),
            ..totals
        }],
        intervals: 10,
        missing: 0,
        merged_ns: 10 * S,
        held_ns: 10 * S,
    }
}

fn promise(unit: Unit, shares: &[u128]) -> Promise {
    Promise {
        scenario: "s".to_owned(),
        unit,
        shares: shares.to_vec(),
        sure: vec![0; shares.len()],
        ahead: vec![0; shares.len()],
        moved: false,
        ungranted: 0,
        basis: Basis::Whole,
    }
}

fn open(begun: u64, dropped: u64, expired: u64, due: u64) -> ScenarioTotals {
    ScenarioTotals {
        begun,
        dropped,
        expired,
        due,
        completed: begun,
        ..ScenarioTotals::default()
    }
}

/// planned, made, dropped, expired, lost, short, unaccounted
fn numbers(line: &Line) -> [f64; 7] {
    [
        line.planned,
        line.made,
        line.dropped,
        line.expired,
        line.lost,
        line.short,
        line.unaccounted,
    ]
}

#[test]
fn open_lines_balance_whatever_happened() {
    let table = [
        (
            "all made",
            Fate::Done,
            open(90, 8, 2, 100),
            Basis::Whole,
            [200.0, 190.0, 8.0, 2.0, 0.0, 0.0, 0.0],
        ),
        (
            "some vanished",
            Fate::Done,
            open(90, 0, 0, 100),
            Basis::Whole,
            [200.0, 190.0, 0.0, 0.0, 0.0, 0.0, 10.0],
        ),
        (
            "one too many",
            Fate::Done,
            open(101, 0, 0, 100),
            Basis::Whole,
            [200.0, 201.0, 0.0, 0.0, 0.0, 0.0, -1.0],
        ),
        (
            "lost at 60 due",
            Fate::Lost,
            open(57, 1, 0, 60),
            Basis::Whole,
            [200.0, 157.0, 1.0, 0.0, 40.0, 0.0, 2.0],
        ),
        (
            "late",
            Fate::Late,
            open(57, 0, 0, 60),
            Basis::Whole,
            [200.0, 157.0, 0.0, 0.0, 0.0, 0.0, 43.0],
        ),
        (
            "stopped at 60 due",
            Fate::Done,
            open(59, 1, 0, 60),
            Basis::DueUntilStopped,
            [160.0, 159.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        ),
        (
            "stopped, and nobody knows what was due",
            Fate::Done,
            open(59, 1, 0, 0),
            Basis::DoneUntilStopped,
            [160.0, 159.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        ),
        (
            "left at 60 due",
            Fate::Left,
            open(60, 0, 0, 60),
            Basis::Whole,
            [200.0, 160.0, 0.0, 0.0, 40.0, 0.0, 0.0],
        ),
        (
            "drained, and nobody takes over",
            Fate::Drained,
            open(57, 1, 0, 58),
            Basis::Unmoved,
            [200.0, 157.0, 1.0, 0.0, 42.0, 0.0, 0.0],
        ),
        (
            "drained, and some vanished",
            Fate::Drained,
            open(57, 1, 0, 60),
            Basis::Whole,
            [200.0, 157.0, 1.0, 0.0, 0.0, 0.0, 42.0],
        ),
        (
            "of its own, and some vanished",
            Fate::Done,
            open(57, 1, 0, 58),
            Basis::Unmoved,
            [200.0, 157.0, 1.0, 0.0, 0.0, 0.0, 42.0],
        ),
        (
            "leased, and not all begun",
            Fate::Done,
            open(90, 0, 0, 0),
            Basis::Leased,
            [200.0, 190.0, 10.0, 0.0, 0.0, 0.0, 0.0],
        ),
    ];
    for (name, fate, totals, basis, expected) in table {
        let accounts = [
            account(Fate::Done, open(100, 0, 0, 100)),
            account(fate, totals),
        ];
        let promise = Promise {
            basis,
            ..promise(Unit::Iterations, &[100, 100])
        };
        let line = line(&promise, &accounts);
        assert_eq!(numbers(&line), expected, "{name}");
        assert_eq!(
            line.planned,
            line.made + line.dropped + line.expired + line.lost + line.unaccounted,
            "{name}"
        );
    }
}

#[test]
fn closed_lines_balance_in_vu_seconds() {
    let held = |seconds: f64| ScenarioTotals {
        vu_ns: (seconds * 1e9) as u64,
        ..ScenarioTotals::default()
    };
    let table = [
        (
            "all held",
            Fate::Done,
            held(50.0),
            [100.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        ),
        (
            "late starts",
            Fate::Done,
            held(49.5),
            [100.0, 99.5, 0.0, 0.0, 0.0, 0.5, 0.0],
        ),
        (
            "held longer",
            Fate::Done,
            held(51.0),
            [101.0, 101.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        ),
        (
            "lost",
            Fate::Lost,
            held(20.0),
            [100.0, 70.0, 0.0, 0.0, 30.0, 0.0, 0.0],
        ),
    ];
    for (name, fate, totals, expected) in table {
        let accounts = [account(Fate::Done, held(50.0)), account(fate, totals)];
        let line = line(&promise(Unit::VuSeconds, &[50 * S, 50 * S]), &accounts);
        assert_eq!(numbers(&line), expected, "{name}");
        assert_eq!(
            line.planned,
            line.made + line.short + line.lost + line.unaccounted,
            "{name}"
        );
    }
}

#[test]
fn leased_indexes_of_a_lost_agent_are_lost_and_those_of_nobody_dropped() {
    let accounts = [
        account(Fate::Done, open(60, 0, 0, 60)),
        account(Fate::Lost, open(10, 0, 0, 10)),
    ];
    let promise = Promise {
        ungranted: 15,
        ..promise(Unit::Iterations, &[60, 25])
    };
    let books = Conservation::new(&[promise], &accounts, 0, 0);
    assert_eq!(
        numbers(&books.scenarios[0]),
        [100.0, 70.0, 15.0, 0.0, 15.0, 0.0, 0.0]
    );
    assert_eq!(books.gap(), Some(0.15));
}

#[test]
fn requests_counted_are_merged_or_lost_with_an_agent() {
    let requests = |fate, requests, requests_merged| Account {
        requests_merged,
        ..account(
            fate,
            ScenarioTotals {
                requests,
                requests_cut: 1,
                ..ScenarioTotals::default()
            },
        )
    };
    let accounts = [
        requests(Fate::Done, 100, 100),
        requests(Fate::Lost, 50, 45),
        requests(Fate::Lost, 40, 44),
    ];
    let books = Conservation::new(&[], &accounts, 189, 0);
    let expected = Requests {
        counted: 194,
        merged: 189,
        lost: 5,
        unaccounted: 0,
        cut: 3,
    };
    assert_eq!(books.requests, expected);
    let twice = Conservation::new(&[], &accounts[..1], 101, 0);
    assert_eq!(twice.requests.unaccounted, -1, "merged twice shows");
}

#[test]
fn completeness_is_of_time_held() {
    let mut accounts = [
        account(Fate::Done, open(0, 0, 0, 0)),
        account(Fate::Lost, open(0, 0, 0, 0)),
    ];
    accounts[1].held_ns = 15 * S;
    accounts[1].missing = 5;
    let found = Conservation::new(&[], &accounts, 0, 1).completeness;
    let expected = Completeness {
        share: 0.8,
        intervals: 25,
        merged: 20,
        rejected: 1,
        agents: 2,
    };
    assert_eq!(found, expected);
}

#[test]
fn completeness_is_no_more_than_the_requests_that_were_merged_however_long_an_interval_was() {
    // Its totals count 100 requests. One interval of many is missing, a second long or ten: the requests in it tell.
    let mut held = account(Fate::Done, open(100, 0, 0, 100));
    held.totals[0].requests = 100;
    (held.merged_ns, held.held_ns, held.missing) = (9 * S, 10 * S, 1);
    for (merged, share) in [(40, 0.4), (95, 0.9), (100, 0.9)] {
        held.requests_merged = merged;
        let found = Conservation::new(&[], &[held.clone()], merged, 0).completeness;
        assert!((found.share - share).abs() < 1e-9, "{merged}: {found:?}");
    }
}

#[test]
fn what_came_due_at_a_late_agent_after_the_stop_is_unaccounted_and_no_stall() {
    // Of a share of 100 its lease let it do, 60 were due when the run was cut short.
    for (name, begun, [unaccounted, silent]) in [
        ("unheard since before the stop", 50, [50.0, 40.0]),
        ("told all until the stop", 60, [40.0, 40.0]),
        ("was told late", 70, [30.0, 30.0]),
        ("did all that its lease let it do", 100, [0.0, 0.0]),
    ] {
        let accounts = [account(Fate::Late, open(begun, 0, 0, begun))];
        let promise = Promise {
            basis: Basis::DueUntilStopped,
            sure: vec![60],
            ..promise(Unit::Iterations, &[100])
        };
        let iterations = line(&promise, &accounts);
        assert_eq!(
            [iterations.unaccounted, iterations.silent],
            [unaccounted, silent],
            "{name}"
        );
        let held = ScenarioTotals {
            vu_ns: begun * 1_000_000_000,
            ..ScenarioTotals::default()
        };
        let accounts = [account(Fate::Late, held)];
        let promise = Promise {
            sure: vec![60 * S],
            ..self::promise(Unit::VuSeconds, &[100 * S])
        };
        let vu_time = line(&promise, &accounts);
        assert_eq!(
            [vu_time.unaccounted, vu_time.silent],
            [unaccounted, silent],
            "{name}"
        );
    }
}

#[test]
fn what_was_begun_before_a_change_was_heard_was_planned_and_no_more_than_that() {
    // Scaled down to 60; until it heard of it, 69 may have been begun.
    for (begun, planned, unaccounted) in [(60, 60.0, 0.0), (65, 65.0, 0.0), (80, 69.0, -11.0)] {
        let promise = Promise {
            ahead: vec![69],
            ..promise(Unit::Iterations, &[60])
        };
        let line = line(&promise, &[account(Fate::Done, open(begun, 0, 0, begun))]);
        assert_eq!(
            (line.planned, line.unaccounted),
            (planned, unaccounted),
            "{begun}"
        );
    }
}
