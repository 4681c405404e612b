//! Recording a sample of a known series allocates nothing, counted by the test binary's own allocator.
#![expect(
    unsafe_code,
    reason = "counting allocations takes an allocator, whose trait is unsafe"
)]
#![expect(clippy::unwrap_used, reason = "tests")]

use super::{Census, Iteration, MOST_SERIES, Recorder};
use crate::http::{Failure, Hop, Phases, Proto};
use crate::lines::ErrorKind;
use http::{Method, StatusCode};
use plan::{Bundle, Plan};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

fn plan() -> Arc<Plan> {
    let source = "
scenarios: { main: { executor: constant-arrival-rate, rate: 1, duration: 1s, preAllocatedVUs: 1 } }
flows:
  default:
    - group: shop
      steps:
        - get: http://10.0.0.1/
          checks: { ok: { status: 200 } }
    - stop: no token
";
    let bundle = Bundle {
        source: source.to_owned(),
        ..Bundle::default()
    };
    Arc::new(plan::compile(&bundle).unwrap())
}

fn hop(status: u16, failure: Option<Failure>) -> Hop {
    let now = crate::clock::now().into_std();
    let n = u64::from(status);
    Hop {
        url: "http://10.0.0.1/".parse().unwrap(),
        method: Method::GET,
        status: StatusCode::from_u16(status).ok(),
        failure,
        detail: failure.map(|_| "why".to_owned()),
        phases: Phases {
            blocked: n,
            connecting: 1,
            tls: 2,
            sending: 3_000,
            waiting: 1_000_000 * n,
            receiving: 1 << 40,
        },
        sent: now,
        done: now,
        written: true,
        proto: Some(Proto::Http1),
        tls_version: None,
        resent: true,
    }
}

/// Everything a worker records, once.
fn record(recorder: &mut Recorder, plan: &Plan, hops: &[Hop]) {
    let request = plan.requests()[0].clone();
    let counted = |recorder: &mut Recorder| {
        for (corrected, hop) in [None, Some(5), Some(u64::MAX)].into_iter().zip(hops) {
            recorder.request(0, &request, hop, corrected);
        }
        recorder.check(0, &request, 0, true);
        recorder.lateness(0, 77);
        recorder.iteration(
            0,
            Iteration {
                duration: 1 << 33,
                corrected: Some(1 << 34),
            },
        );
        recorder.group(0, "::shop", 12_345_678);
        recorder.stopped(0, "no token");
        recorder.traffic(0, (100, 2000));
        recorder.dropped(0, super::DropReason::Expired, 1);
        recorder.lag(1_234_567);
        recorder
            .lines
            .error(ErrorKind::Failure(Failure::Reset), String::new);
    };
    // The first time makes the series (and the kind of line).
    counted(recorder);
    assert_eq!(allocations(|| counted(recorder)), 0);
    assert_eq!(
        allocations(|| (0..10_000).for_each(|_| counted(recorder))),
        0
    );
}

#[test]
fn recording_a_sample_of_a_known_series_allocates_nothing() {
    let plan = plan();
    let mut recorder = Recorder::new(Arc::clone(&plan), Arc::new(Census::new(MOST_SERIES)));
    let hops = [hop(200, None), hop(503, None), hop(0, Some(Failure::Reset))];
    record(&mut recorder, &plan, &hops);
    let first = recorder.cut();
    assert!(
        first
            .series
            .iter()
            .any(|s| s.tags.get("status") == Some("503"))
    );
    // The space stays reserved over a cut; a kind of line is new again.
    record(&mut recorder, &plan, &hops);
}

#[test]
fn samples_beyond_the_limit_of_series_allocate_nothing_either() {
    let plan = plan();
    let mut recorder = Recorder::new(Arc::clone(&plan), Arc::new(Census::new(0)));
    let hops = [hop(200, None), hop(404, None), hop(500, None)];
    record(&mut recorder, &plan, &hops);
    let cutting = recorder.cut();
    let overflow: Vec<_> = cutting
        .series
        .iter()
        .filter(|series| series.tags.is_overflow())
        .collect();
    assert_eq!(overflow.len(), 1);
    let found = |metric| {
        let mut values = overflow[0].values.iter();
        values.find(|(m, _)| *m == metric).unwrap().1.clone()
    };
    let n = 3 * 10_002;
    assert_eq!(
        found(metrics::Metric::HttpReqs),
        metrics::Value::counter(f64::from(n))
    );
    assert_eq!(
        found(metrics::Metric::HttpReqFailed),
        metrics::Value::rate(2 * 10_002, 3 * 10_002)
    );
    assert_eq!(
        found(metrics::Metric::OverflowSamples),
        metrics::Value::counter(f64::from(n))
    );
}

#[test]
fn two_workers_that_see_the_same_kinds_share_their_room() {
    let plan = plan();
    let census = Arc::new(Census::new(20));
    let request = plan.requests()[0].clone();
    let mut workers = [(); 2].map(|()| Recorder::new(Arc::clone(&plan), Arc::clone(&census)));
    for worker in &mut workers {
        for status in [200, 201, 202] {
            worker.request(0, &request, &hop(status, None), None);
        }
    }
    for worker in &mut workers {
        let series = worker.cut().series;
        let statuses: Vec<_> = series.iter().filter_map(|s| s.tags.get("status")).collect();
        assert_eq!(statuses, ["200", "201"]);
        assert!(series.iter().any(|s| s.tags.is_overflow()));
    }
}

#[test]
fn what_the_agents_own_host_refused_is_a_failed_request_and_no_time_of_the_target() {
    let plan = plan();
    let request = plan.requests()[0].clone();
    let mut recorder = Recorder::new(Arc::clone(&plan), Arc::new(Census::new(MOST_SERIES)));
    recorder.request(0, &request, &hop(0, Some(Failure::Local)), Some(7));
    let series = recorder.cut().series;
    let local = |s: &&metrics::Series| s.tags.get("error") == Some(proto::LOCAL_ERROR);
    let values = &series.iter().find(local).unwrap().values;
    let metrics: Vec<_> = values.iter().map(|(metric, _)| *metric).collect();
    assert_eq!(
        metrics,
        [
            metrics::Metric::HttpReqs,
            metrics::Metric::HttpReqFailed,
            metrics::Metric::ResentRequests
        ]
    );
}
