//! Changes as decisions: what is asked at which run time, and what comes of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use proto::v1::{PauseRun, ResumeRun, ScaleRun};

const S: u64 = 1_000_000_000;

fn plan() -> Plan {
    let source = "scenarios:
  main: { executor: ramping-vus, stages: [{ duration: 60s, target: 20 }] }
  side: { executor: constant-vus, vus: 2, duration: 10s }
flows: { default: [{ get: \"http://x/\" }] }
";
    plan::compile(&plan::Bundle {
        name: "t.yaml".to_owned(),
        source: source.to_owned(),
        ..plan::Bundle::default()
    })
    .unwrap()
}

fn at(seconds: i64) -> Asked {
    Asked {
        run: seconds * S as i64,
        unix_ms: 7,
        rtt: 0,
        handed: 0,
        length: 60 * S,
    }
}

fn request(change: change_request::Change) -> ChangeRequest {
    ChangeRequest {
        run: "r".to_owned(),
        who: String::new(),
        change: Some(change),
        asked_unix_ms: 0,
    }
}

fn pause(max: u64) -> ChangeRequest {
    request(change_request::Change::Pause(PauseRun { max_ns: max }))
}

fn resume() -> ChangeRequest {
    request(change_request::Change::Resume(ResumeRun {}))
}

fn scale(scenario: &str, change: scale_run::Change) -> ChangeRequest {
    request(change_request::Change::Scale(ScaleRun {
        scenario: scenario.to_owned(),
        change: Some(change),
    }))
}

#[test]
fn a_pause_and_its_end_move_the_deadline_and_leave_two_annotations() {
    let (plan, mut changes) = (plan(), Changes::default());
    assert!(
        changes.make(&plan, &resume(), "cli", at(5)).is_err(),
        "not paused"
    );
    let paused = changes.make(&plan, &pause(600 * S), "cli", at(10)).unwrap();
    assert_eq!((paused.from, paused.new), (11 * S, true));
    assert_eq!(
        changes.latest_end(60 * S),
        660 * S,
        "the pause may take its longest"
    );
    let again = changes.make(&plan, &pause(S), "cli", at(12)).unwrap();
    assert_eq!(
        (again.from, again.new),
        (11 * S, false),
        "it is paused already"
    );
    assert_eq!(changes.latest_end(60 * S), 660 * S);
    let resumed = changes.make(&plan, &resume(), "ann", at(20)).unwrap();
    assert_eq!((resumed.from, changes.control.version()), (21 * S, 2));
    assert_eq!(changes.latest_end(60 * S), 70 * S);
    let told: Vec<String> = changes
        .annotations
        .iter()
        .map(|a| format!("{} {} {} {}", a.asked_ms, a.from_ms, a.what, a.who))
        .collect();
    assert_eq!(told, ["10000 11000 paused cli", "20000 21000 resumed ann"]);
}

#[test]
fn a_change_waits_for_the_farthest_agent_and_for_earlier_changes() {
    let (plan, mut changes) = (plan(), Changes::default());
    let far = Asked { rtt: S, ..at(10) };
    let factor = |factor| scale("", scale_run::Change::Factor(factor));
    assert_eq!(
        changes.make(&plan, &factor(2000), "cli", far).unwrap().from,
        14 * S
    );
    assert_eq!(
        changes
            .make(&plan, &factor(500), "cli", at(11))
            .unwrap()
            .from,
        14 * S
    );
    assert_eq!(
        changes.make(&plan, &pause(S), "cli", at(12)).unwrap().from,
        14 * S
    );
    // A resume that comes before the pause has begun undoes it.
    assert_eq!(
        changes.make(&plan, &resume(), "cli", at(12)).unwrap().from,
        14 * S
    );
    assert_eq!(changes.latest_end(60 * S), 60 * S);
    let before = Asked {
        run: -(S as i64) * 3,
        ..at(0)
    };
    assert_eq!(
        Changes::default()
            .make(&plan, &factor(500), "cli", before)
            .unwrap()
            .from,
        0
    );
}

#[test]
fn scales_say_what_they_change() {
    let (plan, mut changes) = (plan(), Changes::default());
    for (scenario, change, wanted) in [
        (
            "",
            scale_run::Change::Factor(1500),
            "main, side scaled to 1.5 × its curve",
        ),
        (
            "main",
            scale_run::Change::Factor(0),
            "main scaled to 0 × its curve",
        ),
        (
            "side",
            scale_run::Change::Factor(10),
            "side scaled to 0.01 × its curve",
        ),
        ("side", scale_run::Change::Vus(1), "side set to 1 VU"),
    ] {
        let said = changes
            .make(&plan, &scale(scenario, change), "cli", at(1))
            .unwrap();
        assert_eq!(said.text, wanted);
    }
    let (version, annotations) = (changes.control.version(), changes.annotations.len());
    let refused = scale("main", scale_run::Change::Vus(3));
    assert!(changes.make(&plan, &refused, "cli", at(1)).is_err());
    assert_eq!(
        (changes.control.version(), changes.annotations.len()),
        (version, annotations),
        "what is refused leaves nothing"
    );
}

#[test]
fn a_pause_that_takes_too_long_ends_the_run_aloud() {
    let (plan, mut changes) = (plan(), Changes::default());
    changes.make(&plan, &pause(30 * S), "cli", at(10)).unwrap();
    assert_eq!(changes.overdue(40 * S as i64), None);
    assert_eq!(
        changes.overdue(42 * S as i64).unwrap(),
        "it was paused at 00:11.0 and not resumed within 30s (--max-pause)"
    );
    changes.make(&plan, &resume(), "cli", at(40)).unwrap();
    assert_eq!(changes.overdue(50 * S as i64), None);
}

#[test]
fn a_pause_behind_the_end_is_refused() {
    let (plan, mut changes) = (plan(), Changes::default());
    assert!(changes.make(&plan, &pause(S), "cli", at(59)).is_err());
}

#[test]
fn run_times_for_people() {
    for (ns, wanted) in [
        (0, "00:00.0"),
        (12_449_999_999, "00:12.4"),
        (3_599_999_999_999, "59:59.9"),
        (3_612_400_000_000, "1:00:12.4"),
    ] {
        assert_eq!(run_clock(ns), wanted);
    }
}

#[test]
fn a_change_holds_no_sooner_than_the_hand_over_before_it() {
    let (plan, mut changes) = (plan(), Changes::default());
    let handed = Asked {
        handed: 18 * S,
        ..at(10)
    };
    let paused = changes.make(&plan, &pause(S), "cli", handed).unwrap();
    assert_eq!(paused.from, 18 * S);
}

#[test]
fn what_somebody_may_go_by_is_kept_until_all_have_confirmed_what_came_after() {
    let (plan, mut changes) = (plan(), Changes::default());
    for second in [10, 20, 30] {
        let change = if second == 20 { resume() } else { pause(S) };
        changes.make(&plan, &change, "cli", at(second)).unwrap();
    }
    let by = |changes: &Changes, confirmed| -> Vec<u64> {
        changes.gone_by(confirmed).map(Control::version).collect()
    };
    assert_eq!(by(&changes, 0), [0, 1, 2]);
    assert_eq!(by(&changes, 2), [2]);
    assert_eq!(by(&changes, 3), [0; 0]);
    changes.confirmed(2);
    assert_eq!(by(&changes, 0), [2]);
}
