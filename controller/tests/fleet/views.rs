//! What a watcher sees of a run that goes on: whoever comes late sees everything so far, and both the same points as the report.

use crate::fake::{Fake, SECOND, Server, Watch, head, start};
use proto::v1::change_request::Change;
use proto::v1::{self, Annotate, ChangeRequest, ScenarioTotals};

const LONG: &str = "
scenarios:
  main: { executor: constant-vus, vus: 4, duration: 60s, gracefulStop: 1s }
flows: { default: [{ get: http://127.0.0.1:9/ }] }
";
const MS: u64 = 1_000_000;

fn requests(watch: &Watch) -> Vec<u64> {
    let spans = watch.points.values().filter_map(|point| point.span);
    spans.map(|span| span.requests).collect()
}

fn note(run: &str, text: &str) -> ChangeRequest {
    ChangeRequest {
        run: run.to_owned(),
        who: "ann".to_owned(),
        change: Some(Change::Annotate(Annotate {
            text: text.to_owned(),
        })),
        asked_unix_ms: 0,
    }
}

#[tokio::test]
async fn whoever_comes_late_sees_everything_so_far() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let mut fast = Fake::join(&server, "a").await;
    let mut slow = Fake::join(&server, "b").await;
    let run = start(&mut control, LONG, head(2)).await.unwrap();
    let mut early = Watch::of(&mut control, &run).await;
    early.until_so(|watch| watch.view.is_some()).await;
    assert!(early.points.is_empty(), "nothing was measured yet");
    let too_early = control.change(note(&run, "x")).await.unwrap_err();
    assert!(too_early.message().contains("has not begun"), "{too_early}");

    let (_, _) = tokio::join!(fast.begin(), slow.begin());
    early.until("load").await;
    fast.set(ScenarioTotals {
        begun: 200,
        completed: 190,
        in_flight: 3,
        requests: 180,
        ..ScenarioTotals::default()
    });
    for _ in 0..2 {
        fast.measure(90, 10 * MS).await;
        slow.measure(10, 1_000 * MS).await;
    }
    let noted = control.change(note(&run, " cache\u{7} flushed ")).await;
    let noted = noted.unwrap().into_inner();
    assert_eq!(
        (noted.text.as_str(), noted.agents),
        ("noted: cache flushed", 0)
    );
    let nothing = control.change(note(&run, " ")).await.unwrap_err();
    assert!(nothing.message().contains("needs a text"), "{nothing}");

    early
        .until_so(|watch| requests(watch).starts_with(&[100, 100]))
        .await;
    let mut late = Watch::of(&mut control, &run).await;
    late.until_so(|watch| watch.view.is_some()).await;
    assert!(
        requests(&late).starts_with(&[100, 100]),
        "{:?}",
        late.points
    );
    let (_, point) = late.points.first_key_value().unwrap();
    let span = point.span.unwrap();
    assert_eq!((span.from_ns, span.to_ns), (0, SECOND as i64));
    assert!((point.vus_planned - 4.0).abs() < 1e-9, "{point:?}");
    assert_eq!(point.agents, 2);
    let near = |ns: u64, ms: u64| ns.abs_diff(ms * MS) <= ms * MS / 200;
    assert!(near(span.p50_ns, 10), "{span:?}");
    assert!(near(span.p95_ns, 1_000), "merged, not averaged: {span:?}");
    assert_eq!(span.max_ns, 1_000 * MS);

    late.until_so(|watch| {
        let view = watch.view.as_ref();
        view.is_some_and(|view| view.marks.iter().any(|mark| mark.kind == "note"))
    })
    .await;
    let view = late.view.clone().unwrap();
    assert_eq!(view.whole.unwrap().requests, 200);
    let scenario = &view.scenarios[0];
    assert_eq!(
        (
            scenario.name.as_str(),
            scenario.executor.as_str(),
            scenario.exec.as_str()
        ),
        ("main", "constant-vus", "default")
    );
    assert_eq!(
        (scenario.stage, scenario.stages, scenario.vus_planned),
        (1, 1, 4)
    );
    assert_eq!(
        (scenario.begun, scenario.completed, scenario.vus),
        (200, 190, 3)
    );
    assert_eq!((scenario.begins_ns, scenario.ends_ns), (0, 60 * SECOND));
    let agents: Vec<(&str, &str, f64)> = view
        .agents
        .iter()
        .map(|agent| (agent.name.as_str(), agent.standing.as_str(), agent.share))
        .collect();
    assert_eq!(agents, [("a", "running", 0.5), ("b", "running", 0.5)]);
    assert!(near(view.agents[0].p95_ns, 10) && near(view.agents[1].p95_ns, 1_000));
    let marks: Vec<(&str, &str, &str)> = view
        .marks
        .iter()
        .map(|mark| (mark.kind.as_str(), mark.text.as_str(), mark.who.as_str()))
        .collect();
    assert_eq!(
        marks,
        [
            ("stage", "main: constant-vus", ""),
            ("note", "cache flushed", "ann")
        ]
    );

    fast.done().await;
    slow.done().await;
    let (report, _) = early.over().await;
    late.over().await;
    assert_eq!(early.points, late.points);
    let mut after = Watch::of(&mut control, &run).await;
    after.over().await;
    let (last, seen) = (early.view.clone(), after.view);
    assert!(last.is_some_and(|last| last.whole.unwrap().requests == 200));
    assert_eq!(early.view, seen, "how it stood in the end");
    let told: Vec<(f64, u64, f64)> = early
        .points
        .values()
        .filter_map(|point| point.span)
        .map(|span| {
            (
                span.from_ns as f64 / 1e6,
                span.requests,
                (span.p95_ns / 1_000) as f64 / 1e3,
            )
        })
        .collect();
    let reported: Vec<(f64, u64, f64)> = report
        .timeline
        .iter()
        .map(|point| {
            (
                point.from_ms,
                point.requests,
                (point.p95_ms * 1e3).trunc() / 1e3,
            )
        })
        .collect();
    let close = |(told, reported): (&(f64, u64, f64), &(f64, u64, f64))| {
        (told.0, told.1) == (reported.0, reported.1) && (told.2 - reported.2).abs() < 0.002
    };
    assert_eq!(told.len(), reported.len());
    assert!(
        told.iter().zip(&reported).all(close),
        "{told:?} {reported:?}"
    );
    assert_eq!(reported.iter().map(|point| point.1).sum::<u64>(), 200);
    let notes: Vec<&str> = report
        .run
        .annotations
        .iter()
        .map(|of| of.what.as_str())
        .collect();
    assert_eq!(notes, ["cache flushed"]);
    assert!(report.run.annotations[0].note);
    let marks: Vec<&str> = report.marks.iter().map(|mark| mark.kind.word()).collect();
    // They ended before their part was over, which is a loss, too.
    assert_eq!(marks, ["stage", "note", "lost", "lost"]);
    server.stop().await;
}

#[tokio::test]
async fn a_lost_agent_is_marked_and_its_seconds_are_not_waited_for_beyond_its_lease() {
    let server = Server::start().await;
    let mut control = server.control().await;
    let mut stays = Fake::join(&server, "a").await;
    let mut dies = Fake::join(&server, "b").await;
    let run = start(&mut control, LONG, head(2)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    let (_, _) = tokio::join!(stays.begin(), dies.begin());
    watch.until("load").await;
    stays.measure(7, MS).await;
    dies.die();
    watch
        .until_so(|watch| {
            let lost = |view: &v1::View| view.agents.iter().any(|agent| agent.standing == "lost");
            requests(watch).first() == Some(&7) && watch.view.as_ref().is_some_and(lost)
        })
        .await;
    watch
        .until_so(|watch| {
            let marks = watch.view.iter().flat_map(|view| &view.marks);
            marks
                .into_iter()
                .any(|mark| mark.kind == "lost" && mark.text == "b lost")
        })
        .await;
    stays.measure(8, MS).await;
    watch
        .until_so(|watch| requests(watch).starts_with(&[7, 8]))
        .await;
    server.stop().await;
}
