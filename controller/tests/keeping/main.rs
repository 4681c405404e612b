//! A director that keeps its runs on a disk that crashes, tears and fills up: whatever happens to it, a later life goes on with
//! everything that an agent was told.

#![expect(clippy::unwrap_used, reason = "tests")]

mod rig;

use journal::fake::FakeDisk;
use proptest::prelude::*;
use rig::{AGENTS, Rig};
use throng_controller::verdict::Grade;

#[derive(Debug, Clone)]
enum Step {
    /// Time goes by, with heartbeats.
    Ticks(u8),
    /// An agent tells of a second, or of one again.
    Interval(u8, u16),
    Again(u8),
    /// An agent leases indexes.
    Lease(u8, u8),
    /// An agent's stream breaks, and it dials again.
    Redial(u8),
    /// The disk takes nothing for so many ticks.
    Slow(u8),
    /// The controller is gone; a later one goes on. With the machine, or alone.
    Crash(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let agent = 0..AGENTS as u8;
    prop_oneof![
        4 => (1u8..40).prop_map(Step::Ticks),
        8 => (agent.clone(), 0u16..500).prop_map(|(a, n)| Step::Interval(a, n)),
        1 => agent.clone().prop_map(Step::Again),
        3 => (agent.clone(), 1u8..50).prop_map(|(a, n)| Step::Lease(a, n)),
        1 => agent.prop_map(Step::Redial),
        2 => (1u8..80).prop_map(Step::Slow),
        2 => any::<bool>().prop_map(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_was_acknowledged_or_granted_is_known_to_every_later_life(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut rig = Rig::begun(FakeDisk::new(seed));
        for step in steps {
            match step {
                Step::Ticks(count) => rig.ticks(count.into()),
                Step::Interval(agent, requests) => rig.interval(agent.into(), requests.into()),
                Step::Again(agent) => rig.again(agent.into()),
                Step::Lease(agent, want) => rig.lease(agent.into(), want.into()),
                Step::Redial(agent) => rig.redial(agent.into()),
                Step::Slow(ticks) => rig.stall(ticks.into()),
                Step::Crash(machine) => rig.crash(machine),
            }
        }
        let report = rig.finish();
        let counted = report.metrics.get("http_reqs").and_then(|metric| metric.values.get("count").copied());
        prop_assert_eq!(counted.unwrap_or(0.0) as u64, rig.requests());
        let came = &report.conservation.completeness;
        prop_assert_eq!(came.intervals, came.merged);
        prop_assert_eq!(report.run.away.len(), rig.crashes);
        let in_points: u64 = report.timeline.iter().map(|point| point.requests).sum();
        prop_assert_eq!(in_points, rig.requests());
    }
}

#[test]
fn a_checkpoint_every_30_s_keeps_the_journal_short_and_going_on_is_the_same() {
    let mut rig = Rig::begun(FakeDisk::new(7));
    for second in 0..200 {
        rig.interval(second % AGENTS, 5);
        rig.ticks(10);
    }
    assert_eq!(rig.segments(), 1, "what a checkpoint covers is gone");
    assert!(rig.records() < 1500, "{}", rig.records());
    rig.crash(true);
    rig.ticks(20);
    let report = rig.finish();
    assert_eq!(report.metrics["http_reqs"].values["count"], 1000.0);
    // The points of before the checkpoint, of after it, and of the later life.
    let points = &report.timeline;
    let in_points: u64 = points.iter().map(|point| point.requests).sum();
    assert_eq!(in_points, 1000);
    assert!(points.iter().take(90).all(|point| point.requests == 10));
    assert!(
        points[190..200]
            .iter()
            .all(|point| point.vus_planned == 8.0)
    );
}

#[test]
fn a_full_disk_ends_the_journal_and_not_the_run() {
    let disk = FakeDisk::new(3);
    let mut rig = Rig::begun(disk.clone());
    rig.interval(0, 10);
    rig.ticks(5);
    disk.set_room(Some(100));
    for _ in 0..5 {
        rig.interval(1, 10);
        rig.ticks(5);
    }
    // Acknowledged all the same, from memory.
    assert_eq!(rig.unacknowledged(), 0);
    let report = rig.finish();
    assert_eq!(report.metrics["http_reqs"].values["count"], 60.0);
    let facets = &report.verdict.facets;
    let facet = facets.iter().find(|facet| facet.name.contains("journal"));
    assert_eq!(facet.unwrap().grade, Grade::Degraded);
    let notes = report.run.notes.join("\n");
    assert!(notes.contains("the journal ended"), "{notes}");
}

#[test]
fn a_journal_that_stopped_is_not_gone_on_with_and_the_run_is_not_left_open() {
    for room in [true, false] {
        let disk = FakeDisk::new(3);
        let mut rig = Rig::begun(disk.clone());
        disk.set_room(Some(10));
        rig.interval(1, 10);
        rig.ticks(5);
        if room {
            disk.set_room(None);
        }
        let told = rig.abandoned();
        assert_eq!(told.exit_code, 122, "{}", told.text);
        assert!(
            told.text.contains("cannot be gone on with"),
            "{}",
            told.text
        );
    }
}

#[test]
fn runs_that_wait_for_their_turn_still_do_in_a_later_life_and_those_that_are_over_are_listed() {
    let mut rig = Rig::begun(FakeDisk::new(5));
    let second = rig.order_another();
    rig.crash(true);
    let listed = rig.runs();
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert_eq!(listed[1].run, second);
    rig.finish();
    rig.crash(false);
    let listed = rig.runs();
    assert_eq!(listed.iter().filter(|run| run.exit_code >= 0).count(), 1);
    assert_eq!(listed[0].run, second, "its turn has come");
}

#[test]
fn a_clock_that_was_estimated_is_set_by_what_an_agent_says() {
    let rig = Rig::begun(FakeDisk::new(9));
    let agent = rig.id(0);
    // The rig's heartbeats do not tell; one that does, half a round trip of 2 ms ago:
    assert_eq!(rig.clock_error(agent, 5_000_000), Some(6_000_000));
    assert_eq!(rig.clock_error(agent, -5_000_000), Some(-4_000_000));
    assert_eq!(rig.clock_error(99, 5_000_000), None, "who makes no load");
}

#[test]
fn a_run_whose_end_is_known_but_not_its_report_gets_it_in_a_later_life() {
    let mut rig = Rig::begun(FakeDisk::new(11));
    rig.interval(0, 10);
    rig.ticks(3);
    let report = rig.finish();
    // As if the disk had taken what happened, and nothing after that.
    rig.forget_report();
    for _ in 0..2 {
        let told = rig.abandoned();
        assert_eq!(told.exit_code, u32::from(report.exit.code), "{}", told.text);
        let again: throng_controller::Report = serde_json::from_slice(&told.report).unwrap();
        assert_eq!(again.metrics["http_reqs"], report.metrics["http_reqs"]);
    }
}

#[test]
fn whoever_was_fenced_while_nobody_directed_takes_part_anew() {
    let mut rig = Rig::begun(FakeDisk::new(13));
    rig.interval(0, 10);
    rig.interval(1, 20);
    rig.ticks(10);
    rig.crash(true);
    // Its lease had run out: it has cut its load, and says that it is done.
    rig.done(0);
    let seats = rig.seats();
    rig.hangs_up(0);
    rig.redial(0);
    rig.ticks(2);
    // The same life has the next seat.
    assert_eq!(rig.seats(), [seats[1] + 1, seats[1]]);
    rig.prepared(0);
    rig.ticks(10);
    rig.prepared(1);
    rig.crash(false);
    rig.ticks(10);
    let report = rig.finish();
    assert_eq!(report.metrics["http_reqs"].values["count"], 30.0);
    assert_eq!(report.agents.len(), 3, "its first part stays in the books");
}

#[test]
fn a_controller_that_stood_still_gives_nobody_up_before_one_more_lease_is_over() {
    let mut rig = Rig::begun(FakeDisk::new(17));
    rig.interval(0, 10);
    rig.ticks(10);
    // Something is on its way to the disk, which stands still with everything else.
    rig.slow(200);
    rig.interval(1, 20);
    rig.freeze(130);
    rig.slow(0);
    // One has called all the time, and is heard now; the other is gone.
    rig.ticks_with(50, 0..1);
    assert_eq!(rig.running(), ["a-0", "a-1"]);
    rig.ticks_with(3, 0..1);
    assert_eq!(rig.running(), ["a-0"]);
    // A later life comes to the same.
    rig.crash(false);
    rig.ticks(5);
    let report = rig.finish();
    assert_eq!(report.metrics["http_reqs"].values["count"], 30.0);
    let away: Vec<(f64, bool)> = report
        .run
        .away
        .iter()
        .map(|a| (a.for_ms, a.stood_still))
        .collect();
    assert_eq!(away, [(13_100.0, true), (500.0, false)]);
    assert!(!report.run.notes.iter().any(|note| note.contains("journal")));
}

#[test]
fn whoever_holds_the_lease_of_an_earlier_life_is_not_given_up_before_it_is_over() {
    let seconds = std::time::Duration::from_secs;
    let mut rig = Rig::begun(FakeDisk::new(23));
    assert_eq!(rig.lease_ms, 5_000);
    // A longer one holds from when it is told.
    rig.own_lease = seconds(60);
    rig.crash(true);
    assert_eq!(rig.lease_ms, 60_000);
    rig.ticks(10);
    for own in [1, 1, 2] {
        // A shorter one does not: one agent cannot dial, and has not heard of it.
        rig.own_lease = seconds(own);
        rig.restart(true);
        rig.redial(0);
        assert_eq!(rig.lease_ms, 60_000, "and nor is it told");
        rig.ticks_with(100, 0..1);
        assert_eq!(rig.running(), ["a-0", "a-1"]);
        rig.redial(1);
    }
    rig.ticks(310);
    // A checkpoint was written meanwhile, of which the next life begins.
    assert_eq!(rig.segments(), 1);
    rig.restart(false);
    rig.redial(0);
    rig.ticks_with(605, 0..1);
    assert_eq!(rig.running(), ["a-0", "a-1"]);
    rig.ticks_with(3, 0..1);
    assert_eq!(rig.running(), ["a-0"]);
    let notes = rig.finish().run.notes;
    let told: Vec<_> = notes.iter().filter(|n| n.contains("--lease")).collect();
    assert_eq!(
        told,
        [
            "the controller was started again with --lease 1m0s; until then the run's lease was 5s",
            "the controller was started again with --lease 1s; the run keeps its lease of 1m0s, which agents may still hold",
            "the controller was started again with --lease 2s; the run keeps its lease of 1m0s, which agents may still hold",
        ]
    );
}

#[test]
fn who_watches_after_a_restart_is_not_told_of_what_is_past_nor_of_a_rate_that_nobody_made() {
    let rates = |events: &mut tokio::sync::broadcast::Receiver<proto::v1::RunEvent>| {
        let mut rates = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let Some(proto::v1::run_event::Event::Progress(progress)) = event.event {
                rates.push(progress.rate);
            }
        }
        rates
    };
    let mut rig = Rig::begun(FakeDisk::new(29));
    let (_, mut events) = rig.watch();
    let second = |rig: &mut Rig| {
        rig.interval(0, 40);
        rig.ticks(10);
    };
    for _ in 0..5 {
        second(&mut rig);
    }
    assert_eq!(rates(&mut events)[2..], [40.0; 3]);
    // Load goes on while nobody directs it, and is told all at once.
    rig.freeze(25);
    rig.restart(false);
    let (state, mut events) = rig.watch();
    assert_eq!(state, "", "that load is to begin was said before it began");
    rig.redial(0);
    for _ in 0..3 {
        rig.interval(0, 40);
    }
    for _ in 0..5 {
        second(&mut rig);
    }
    let told = rates(&mut events);
    assert_eq!(told[3..], [40.0; 2], "{told:?}");
    assert!(told.iter().all(|rate| *rate < 50.0), "{told:?}");
    assert!(told[..3].iter().any(|rate| *rate > 30.0), "{told:?}");
}

#[test]
fn whoever_told_all_and_heard_no_answer_hears_it_before_it_takes_part_anew() {
    let mut rig = Rig::begun(FakeDisk::new(19));
    rig.interval(1, 20);
    rig.ticks(10);
    // Its lease had run out.
    rig.done_in_vain(0, 10);
    assert_eq!(rig.unacknowledged(), 1);
    rig.redial(0);
    rig.ticks(2);
    assert_eq!(rig.unacknowledged(), 0);
    let report = rig.finish();
    assert_eq!(report.metrics["http_reqs"].values["count"], 30.0);
    assert_eq!(report.conservation.completeness.merged, 2);
}

/// What the report of a run tells of its controller, that is or is not killed in the middle.
fn told_of_itself(crash: Option<bool>) -> (Vec<String>, f64) {
    let mut rig = Rig::begun(FakeDisk::new(23));
    rig.interval(0, 10);
    rig.saw(300_000_000, 0.0);
    rig.saw(2_500_000_000, 0.0);
    rig.ticks(5);
    // Less than before; and a clock that was set.
    rig.saw(1_200_000_000, -3.0);
    rig.ticks(5);
    if let Some(machine) = crash {
        rig.crash(machine);
    }
    rig.saw(2_000_000_000, 0.0);
    rig.saw(0, 7.5);
    rig.ticks(5);
    let report = rig.finish();
    (report.run.notes, report.run.controller_lag_ms)
}

#[test]
fn a_later_life_tells_what_an_earlier_one_saw_of_itself() {
    let (notes, lag) = told_of_itself(None);
    assert_eq!(lag, 2_500.0);
    assert!(
        matches!(notes.as_slice(), [behind, back, forward]
            if behind.contains("is 2.5 s behind") && back.contains("set back by 3.0 s") && forward.contains("set forward by 7.5 s")),
        "{notes:?}"
    );
    for machine in [false, true] {
        assert_eq!(told_of_itself(Some(machine)), (notes.clone(), lag));
    }
}

#[test]
fn an_end_that_is_not_kept_yet_is_told_to_nobody() {
    let mut rig = Rig::begun(FakeDisk::new(29));
    rig.interval(0, 10);
    rig.ticks(3);
    let mut early = rig.watches();
    let (_, follows) = early.try_recv().unwrap().unwrap();
    assert!(follows.is_some(), "it goes on");
    rig.interrupt();
    let mut late = rig.watches();
    assert!(late.try_recv().is_err(), "a crash now would undo its end");
    rig.slow(0);
    rig.ticks(1);
    let (events, follows) = late.try_recv().unwrap().unwrap();
    assert!(follows.is_none());
    assert!(matches!(
        events.last().and_then(|event| event.event.as_ref()),
        Some(proto::v1::run_event::Event::Over(_))
    ));
}
