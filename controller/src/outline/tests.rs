//! What is planned when, and what each seat promises.

#![expect(clippy::unwrap_used, reason = "tests")]
use super::*;
use plan::SeatChange;

const S: u64 = 1_000_000_000;

fn plan() -> Plan {
    let source = "
scenarios:
  ramp: { executor: ramping-vus, startVUs: 0, stages: [{ duration: 1s, target: 10 }, { duration: 3s, target: 10 }] }
  open: { executor: constant-arrival-rate, rate: 10, duration: 5s, preAllocatedVUs: 1, startTime: 1s, gracefulStop: 2s }
  own: { executor: per-vu-iterations, vus: 4, iterations: 3, maxDuration: 2s, gracefulStop: 1s }
flows:
  default:
    - get: http://127.0.0.1:9/
";
    let bundle = plan::Bundle {
        source: source.to_owned(),
        ..plan::Bundle::default()
    };
    plan::compile(&bundle).unwrap()
}

fn outline() -> Outline {
    Outline::new(&plan())
}

fn none_sure() -> BTreeMap<usize, Until> {
    BTreeMap::new()
}

fn equal(seats: usize) -> Shares {
    Shares::new(vec![1; seats]).unwrap()
}

fn whole(promises: &[Promise]) -> Vec<u128> {
    promises
        .iter()
        .map(|promise| promise.shares.iter().sum())
        .collect()
}

#[test]
fn promises_of_any_number_of_seats_sum_to_the_whole() {
    let outline = outline();
    let alone = outline.promises(
        &equal(1),
        &BTreeMap::new(),
        None,
        &BTreeMap::new(),
        &Ahead::new(),
    );
    assert_eq!(whole(&alone)[1..], [50, 12]);
    for seats in [2, 3, 7] {
        for cut in [None, Some(2 * S)] {
            let all = outline.promises(
                &equal(seats),
                &BTreeMap::new(),
                cut,
                &BTreeMap::new(),
                &Ahead::new(),
            );
            let one = outline.promises(
                &equal(1),
                &BTreeMap::new(),
                cut,
                &BTreeMap::new(),
                &Ahead::new(),
            );
            assert_eq!(whole(&all), whole(&one), "{seats} seats, cut at {cut:?}");
        }
    }
}

#[test]
fn shares_that_change_hands_sum_to_the_whole_at_every_cut() {
    let outline = outline();
    let none = BTreeMap::new();
    for cut in [None, Some(S), Some(2 * S), Some(2 * S + 123_456_789)] {
        let one = outline.promises(&equal(1), &none, cut, &none_sure(), &Ahead::new());
        let mut shares = equal(3);
        let changes = [
            (S / 2, SeatChange::Gone(1)),
            (S, SeatChange::Came(2)),
            (S, SeatChange::Came(1)),
            (2 * S + 50_000_000, SeatChange::Gone(0)),
        ];
        for (from, change) in changes {
            shares.change(from, change).unwrap();
            let all = outline.promises(&shares, &none, cut, &none_sure(), &Ahead::new());
            assert_eq!(whole(&all), whole(&one), "{change:?}, cut at {cut:?}");
        }
    }
}

#[test]
fn a_lost_seat_promised_until_its_share_was_handed_on_and_lived_for_sure_only_until_its_lease_ended()
 {
    let outline = outline();
    let mut shares = equal(2);
    shares.change(3 * S, SeatChange::Gone(0)).unwrap();
    let sure = BTreeMap::from([(0, Until::Lost(2 * S))]);
    let promises = outline.promises(&shares, &BTreeMap::new(), None, &sure, &Ahead::new());
    // It had the one VU, so all arrivals from 1 s on, 10 a second: twenty before 3 s, eleven until its lease's end.
    assert_eq!(promises[1].shares, [20, 30]);
    assert_eq!(promises[1].sure, [11, 30]);
    // Five VUs, one more second of them until the hand-over.
    assert_eq!(
        promises[0].shares[0] - promises[0].sure[0],
        5 * u128::from(S)
    );
    assert_eq!(
        (promises[2].shares[0], promises[2].sure[0]),
        (6, 0),
        "nobody knows when an iteration was done"
    );
}

#[test]
fn a_lost_seat_that_had_not_heard_of_a_pause_may_have_begun_what_it_put_off() {
    let mut outline = outline();
    let paused = Control::default().pause(2 * S).unwrap();
    outline.change(&plan(), paused);
    let sure = BTreeMap::from([(0, Until::Lost(3 * S))]);
    let ahead = BTreeMap::from([(0, BTreeMap::from([(1, 16)]))]);
    let promises = |cut| outline.promises(&equal(2), &BTreeMap::new(), cut, &sure, &ahead);
    // It had the one VU, so all arrivals; the pause let ten of them come due.
    assert_eq!(
        (promises(None)[1].shares[0], promises(None)[1].sure[0]),
        (50, 16)
    );
    let cut = promises(Some(4 * S));
    assert_eq!((cut[1].shares[0], cut[1].sure[0]), (16, 16));
}

#[test]
fn a_run_that_is_cut_short_promised_what_was_due_by_then() {
    let cut = outline().promises(
        &equal(1),
        &BTreeMap::new(),
        Some(2 * S),
        &BTreeMap::new(),
        &Ahead::new(),
    );
    let whole = whole(&cut);
    // 10 VUs for the second second, and the ramp's 10 steps in the first: 0.1 + … + 0.9 (or 1.0) VU s.
    assert!(
        (14_400_000_000..=15_600_000_000).contains(&whole[0]),
        "{whole:?}"
    );
    // Due at 1 s, 1.1 s, …, and those of 2 s itself or not.
    assert!((10..=11).contains(&whole[1]), "{whole:?}");
}

#[test]
fn who_is_late_at_a_stop_promised_what_its_lease_may_have_let_it_do() {
    // The second seat has every arrival but the first's, ten a second from 1 s on, and five VUs.
    let promises = |cut, sure: Option<Until>| {
        let sure = sure.map(|until| (0, until)).into_iter().collect();
        outline().promises(&equal(2), &BTreeMap::new(), cut, &sure, &Ahead::new())
    };
    for (name, cut, until, [open, known]) in [
        ("not cut", None, Some(Until::Late(2 * S)), [50, 50]),
        ("cut, and told", Some(2 * S), None, [11, 11]),
        (
            "cut, and late",
            Some(2 * S),
            Some(Until::Late(4 * S)),
            [31, 11],
        ),
        (
            "its lease was over before",
            Some(2 * S),
            Some(Until::Late(S)),
            [11, 11],
        ),
    ] {
        let promises = promises(cut, until);
        let (share, sure) = (promises[1].shares[0], promises[1].sure[0]);
        assert_eq!([share, sure], [open, known], "{name}");
        let vu_time = promises[0].shares[0] - promises[0].sure[0];
        let beyond = if open == known {
            0
        } else {
            5 * 2 * u128::from(S)
        };
        assert_eq!(vu_time, beyond, "{name}");
    }
}

#[test]
fn a_run_is_as_long_as_its_last_stage_and_drains_as_long_as_its_grace() {
    let outline = outline();
    assert_eq!((outline.length, outline.drain), (6 * S, 28 * S));
    assert_eq!(outline.vus_at(3_000_000_000), 10);
    assert_eq!(outline.vus_at(-1), 0);
}

#[test]
fn a_seat_lasts_until_its_last_arrival_or_its_lowest_vus_last_stage() {
    let outline = outline();
    assert_eq!(outline.lasts(&equal(1), 0), 5 * S + 900_000_000);
    // Of 60 seats the last owns no arrival and no VU.
    assert_eq!(outline.lasts(&equal(60), 59), 0);
    assert_eq!(outline.lasts(&equal(60), 5), 4 * S);
}
