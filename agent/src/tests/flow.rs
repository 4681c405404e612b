//! What an iteration does: cookies, connections, groups, early ends, checks, extraction, redirects.

use super::rig::{Answer, Hit, MS, Play, Town, books_balance, count, merged, totals, trend};
use metrics::{Metric, Tags, Value};
use std::time::Duration;

fn twice(options: &str, steps: &str) -> String {
    format!(
        "
{options}
scenarios: {{ main: {{ executor: per-vu-iterations, vus: 1, iterations: 2 }} }}
flows:
  default:
{steps}
"
    )
}

fn answer(status: u16, headers: &'static str, body: &str) -> Answer {
    Answer {
        after: MS,
        status,
        headers,
        body: body.to_owned(),
    }
}

fn cookie(hit: &Hit) -> bool {
    hit.head.to_lowercase().contains("cookie: who=me")
}

#[test]
fn cookies_last_an_iteration_unless_the_options_say_longer() {
    for (options, kept) in [("", false), ("noCookiesReset: true", true)] {
        let town = Town::new(|_| answer(200, "set-cookie: who=me\r\n", ""));
        let steps = "    - get: http://10.0.0.1/a\n    - get: http://10.0.0.1/b";
        let outcomes = Play::of(twice(options, steps), &town).run();
        books_balance(&outcomes, &town);
        let sent: Vec<bool> = town.hits().iter().map(cookie).collect();
        assert_eq!(sent, [false, true, kept, true]);
    }
}

#[test]
fn connections_are_kept_as_the_options_say() {
    let table = [
        ("", [1, 1, 1, 1]),
        ("noVUConnectionReuse: true", [1, 1, 2, 2]),
        ("noConnectionReuse: true", [1, 2, 3, 4]),
    ];
    for (options, connections) in table {
        let town = Town::slow(MS);
        let steps = "    - get: http://10.0.0.1/a\n    - get: http://10.0.0.1/b";
        Play::of(twice(options, steps), &town).run();
        let seen: Vec<usize> = town.hits().iter().map(|hit| hit.connection).collect();
        assert_eq!(seen, connections, "{options}");
    }
}

#[test]
fn an_early_end_is_counted_logged_and_closes_its_groups() {
    let town = Town::slow(100 * MS);
    let steps = "
    - group: outer
      steps:
        - get: http://10.0.0.1/a
        - group: inner
          steps:
            - get: http://10.0.0.1/b
              extract: { token: $.token }
            - stop: no token
              unless: token
        - get: http://10.0.0.1/never";
    let outcomes = Play::of(twice("", steps), &town).run();
    books_balance(&outcomes, &town);
    let store = merged(&outcomes);
    assert_eq!(totals(&outcomes).completed, 2, "an early end is an end");
    let reason = [("reason", "no token"), ("scenario", "main")];
    assert_eq!(count(&store, Metric::StoppedIterations, &reason), 2);
    let line = outcomes[0].lines.iter().find(|line| !line.error).unwrap();
    assert_eq!(
        (line.text.as_str(), line.count, line.sample.as_str()),
        ("iteration ended early: no token", 2, "VU 1, iteration 0")
    );
    for (group, least) in [("::outer", 200 * MS), ("::outer::inner", 100 * MS)] {
        let filter = Tags::default().with("group", group);
        let Some(Value::Trend(trend)) = store.aggregate(Metric::GroupDuration, &filter) else {
            panic!("no group_duration of {group}");
        };
        let shortest = Duration::from_nanos(trend.min);
        assert!(trend.count == 2 && shortest >= least && shortest < least + 5 * MS);
        assert_eq!(count(&store, Metric::HttpReqs, &[("group", group)]), 2);
    }
    assert!(town.hits().iter().all(|hit| hit.path != "/never"));
}

#[test]
fn what_a_response_says_goes_into_checks_and_later_requests() {
    let town = Town::new(|hit| match hit.path.as_str() {
        "/list" => answer(
            200,
            "x-token: abc\r\ncontent-type: application/json\r\n",
            r#"{"items":[{"id":11},{"id":12}],"none":null}"#,
        ),
        _ => answer(409, "", "taken, sorry"),
    });
    let steps = r#"
    - get: http://10.0.0.1/list
      checks:
        Listed: { status: 2xx, exists: "$.items[0].id", json: { "$.items[1].id": 12 } }
        Absent: { exists: $.none }
      extract: { first: "$.items[0].id", all: { all: "$.items[*].id" }, token: { header: X-Token }, gone: $.gone }
    - post: http://10.0.0.1/take/{{ first }}
      name: take
      headers: { Token: "{{ token }}" }
      json: { ids: "{{ all }}", gone: "{{ gone }}", text: "n {{ first }}" }
      checks: { Taken: { status: 200 }, Sorry: { body: sorry } }"#;
    let outcomes = Play::of(twice("", steps), &town).run();
    books_balance(&outcomes, &town);
    let take = &town.hits()[1];
    assert_eq!(take.path, "/take/11");
    assert_eq!(take.body, r#"{"ids":[11,12],"gone":null,"text":"n 11"}"#);
    let head = take.head.to_lowercase();
    assert!(head.contains("token: abc") && head.contains("content-type: application/json"));
    let store = merged(&outcomes);
    for (check, passes) in [("Listed", 2), ("Absent", 0), ("Taken", 0), ("Sorry", 2)] {
        let filter = Tags::default().with("check", check);
        let rate = store.aggregate(Metric::Checks, &filter);
        assert_eq!(rate, Some(Value::rate(passes, 2)), "{check}");
    }
    let failed = [
        ("name", "take"),
        ("method", "POST"),
        ("status", "409"),
        ("error_code", "1409"),
        ("expected_response", "false"),
        ("proto", "HTTP/1.1"),
        ("scenario", "main"),
    ];
    assert_eq!(count(&store, Metric::HttpReqs, &failed), 2);
    assert_eq!(
        store.aggregate(Metric::HttpReqFailed, &Tags::default()),
        Some(Value::rate(2, 4))
    );
    let line = outcomes[0].lines.iter().find(|line| line.error).unwrap();
    assert_eq!((line.text.as_str(), line.count), ("HTTP 409 Conflict", 2));
    assert_eq!(line.sample, "POST http://10.0.0.1/take/11");
}

#[test]
fn each_hop_of_a_redirect_is_a_request_also_when_the_last_one_is_cut() {
    let town = Town::new(|hit| match hit.path.as_str() {
        "/old" => answer(302, "location: /new\r\n", ""),
        _ => Answer::after(Duration::from_secs(60)),
    });
    let source = "
scenarios: { main: { executor: constant-vus, vus: 1, duration: 1s, gracefulStop: 0s } }
flows: { default: [{ get: http://10.0.0.1/old }] }
";
    let outcomes = Play::of(source, &town).run();
    books_balance(&outcomes, &town);
    let sum = totals(&outcomes);
    assert_eq!((sum.requests, sum.requests_cut, sum.interrupted), (1, 1, 1));
    assert_eq!(
        count(&merged(&outcomes), Metric::HttpReqs, &[("status", "302")]),
        1
    );
}

#[test]
fn what_cannot_be_sent_ends_the_iteration_aloud() {
    let town = Town::new(|_| answer(200, "", r#"{"bad":"a\nb"}"#));
    let steps = r#"
    - get: http://10.0.0.1/a
      extract: { bad: $.bad }
    - get: http://10.0.0.1/b
      headers: { X: "{{ bad }}" }"#;
    let outcomes = Play::of(twice("", steps), &town).run();
    books_balance(&outcomes, &town);
    assert_eq!(town.hits().len(), 2);
    let line = &outcomes[0].lines[0];
    assert!(line.error && line.count == 2 && line.sample.contains("HTTP cannot carry"));
}

#[test]
fn a_flow_that_never_waits_leaves_the_others_their_turn() {
    // Time stands still while anybody works, so that a worker that spins would hang here.
    let source = "
scenarios:
  spin: { executor: per-vu-iterations, vus: 3, iterations: 2000, exec: spin }
  ask: { executor: per-vu-iterations, vus: 1, iterations: 3, exec: ask }
flows:
  spin: [{ let: { a: 1 } }]
  ask: [{ get: http://10.0.0.1/ }]
";
    let town = Town::slow(MS);
    let outcomes = Play::of(source, &town).run();
    books_balance(&outcomes, &town);
    assert_eq!(outcomes[0].totals["spin"].completed, 6000);
    assert_eq!(town.hits().len(), 3);
}

#[test]
fn bytes_on_the_wire_are_counted_under_their_scenario() {
    let town = Town::new(|_| answer(200, "", &"x".repeat(1000)));
    let outcomes = Play::of(twice("", "    - get: http://10.0.0.1/a"), &town).run();
    let store = merged(&outcomes);
    let scenario = [("scenario", "main")];
    let sent: usize = town.hits().iter().map(|hit| hit.head.len()).sum();
    assert_eq!(count(&store, Metric::DataSent, &scenario), sent as u64);
    assert_eq!(count(&store, Metric::DataReceived, &scenario), 2 * 1040);
    assert_eq!(trend(&store, Metric::HttpReqReceiving).0, 2);
}
