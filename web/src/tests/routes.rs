//! What every route does when all is well.

use super::fake::{Asked, ON, OVER};
use super::rig::{Rig, get, with};
use proto::v1::change_request::Change;
use proto::v1::{StopMode, StopRequest, scale_run};
use serde_json::json;

#[tokio::test]
async fn the_page_and_its_files() {
    let rig = Rig::open();
    let page = rig.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    let tag = page.header("etag").to_owned();
    let again = rig.send(with(get("/"), "if-none-match", &tag)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let older = rig
        .send(with(get("/"), "if-none-match", "\"of an older page\""))
        .await;
    assert_eq!(older.status, 200);
    for wrong in [
        "/assets/",
        "/assets/nothing.js",
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
    ] {
        assert_eq!(rig.get(wrong).await.status, 404, "{wrong}");
    }
}

#[tokio::test]
async fn what_there_is() {
    let rig = Rig::open();
    let agents = rig.get("/api/agents").await.json();
    assert_eq!(agents[0]["name"], "paris-1");
    assert_eq!(agents[0]["labels"], json!({ "zone": "eu" }));
    assert_eq!(agents[0]["rtt_ms"], 1.25);
    let runs = rig.get("/api/runs").await.json();
    assert_eq!(
        runs,
        json!([
            { "run": ON, "name": "x.yaml", "state": "load", "started_unix_ms": 2000, "duration_ms": 5, "agents": 1, "exit_code": null },
            { "run": OVER, "name": "x.yaml", "state": "over", "started_unix_ms": 1000, "duration_ms": 5, "agents": 1, "exit_code": 99 },
        ]),
        "newest first"
    );
    let scenarios = rig.get("/api/scenarios").await.json();
    assert_eq!(
        scenarios,
        json!([{ "name": "a.yaml", "source": "flows: {}" }])
    );
}

#[tokio::test]
async fn every_answer_tells_the_browser_what_to_refuse() {
    let rig = Rig::closed();
    let foreign = with(get("/"), "host", "evil.test");
    for request in [
        get("/"),
        get("/assets/x"),
        get("/api/session"),
        get("/api/runs"),
        foreign,
    ] {
        let shown = format!("{request:?}");
        let answer = rig.send(request).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'self'"), "{shown}");
        assert!(policy.contains("frame-ancestors 'none'"), "{shown}");
        assert!(!policy.contains("unsafe"), "{shown}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(answer.header("access-control-allow-origin"), "");
        if shown.contains("/api/") {
            assert_eq!(answer.header("cache-control"), "no-store", "{shown}");
        }
    }
}

#[tokio::test]
async fn a_run_is_started() {
    let rig = Rig::open();
    let body = json!({
        "name": " a\nb.yaml ", "source": "flows", "base_url": "http://shop.test",
        "env": { "A": "1" }, "expect_agents": 3,
    });
    let answer = rig.post("/api/runs", &body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json(), json!({ "run": "r-new", "queued_behind": 2 }));
    let asked = rig.fake.asked();
    let [Asked::Start(head, bundle)] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!(head.protocol, proto::PROTOCOL);
    assert_eq!((head.expect_agents, head.wait_ms), (3, 60_000));
    assert!(head.queue && head.preflight);
    let wanted = String::from_utf8_lossy(bundle);
    for part in [
        "\"ab.yaml\"",
        "\"flows\"",
        "Some(\"http://shop.test\")",
        "{\"A\": \"1\"}",
    ] {
        assert!(wanted.contains(part), "{part}: {wanted}");
    }
    // Everything but the source may be left out.
    let answer = rig
        .post("/api/runs", r#"{"source":"flows","base_url":" "}"#)
        .await;
    assert_eq!(answer.status, 201);
    let asked = format!("{:?}", rig.fake.asked());
    assert!(asked.contains("expect_agents: 0"), "{asked}");
}

#[tokio::test]
async fn a_scenario_that_does_not_compile_is_told_why() {
    let rig = Rig::open();
    let bad = rig.post("/api/runs", r#"{"source":"bad"}"#).await;
    assert_eq!(bad.status, 422);
    assert_eq!(
        bad.json(),
        json!({ "error": "error: a scenario file needs `flows`\n" })
    );
    let broken = rig.post("/api/runs", r#"{"source":"broken"}"#).await;
    assert_eq!(broken.status, 500, "a bug ends a request, not the page");
    assert_eq!(rig.fake.asked(), []);
    assert_eq!(rig.get("/api/runs").await.status, 200);
}

#[tokio::test]
async fn runs_are_changed() {
    let rig = Rig::open();
    let table = [
        ("pause", r#"{"max_ms": 60000}"#),
        ("pause", "{}"),
        ("resume", "{}"),
        ("scale", r#"{"factor": 1.5}"#),
        ("scale", r#"{"scenario": "main", "vus": 7}"#),
        ("scale", r#"{"scenario": "", "rate": 9}"#),
        ("annotate", r#"{"text": " deployed 4.2 "}"#),
    ];
    for (verb, body) in table {
        let answer = rig.post(&format!("/api/runs/{ON}/{verb}"), body).await;
        assert_eq!(answer.status, 200, "{verb} {body}: {}", answer.text());
        assert_eq!(
            answer.json(),
            json!({ "text": "changed", "from_ms": 2500.0 })
        );
    }
    let asked = rig.fake.asked();
    let changes: Vec<_> = asked
        .iter()
        .map(|asked| {
            let Asked::Change(request) = asked else {
                panic!("{asked:?}")
            };
            assert_eq!(
                (request.run.as_str(), request.who.as_str()),
                (ON, "the web page")
            );
            request.change.clone().expect("something")
        })
        .collect();
    let [
        Change::Pause(pause),
        Change::Pause(usual),
        Change::Resume(_),
        Change::Scale(factor),
        Change::Scale(vus),
        Change::Scale(rate),
        Change::Annotate(note),
    ] = changes.as_slice()
    else {
        panic!("{changes:?}")
    };
    assert_eq!(pause.max_ns, 60_000_000_000);
    assert_eq!(usual.max_ns, 3_600_000_000_000);
    assert_eq!(factor.change, Some(scale_run::Change::Factor(1500)));
    assert_eq!(vus.change, Some(scale_run::Change::Vus(7)));
    assert_eq!(vus.scenario, "main");
    assert_eq!(rate.change, Some(scale_run::Change::Rate(9)));
    assert_eq!(note.text, "deployed 4.2");
}

#[tokio::test]
async fn runs_are_stopped() {
    let rig = Rig::open();
    for (mode, wanted) in [
        ("graceful", StopMode::StopGraceful),
        ("interrupt", StopMode::StopInterrupt),
    ] {
        let body = json!({ "mode": mode }).to_string();
        let answer = rig.post(&format!("/api/runs/{ON}/stop"), &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let request = StopRequest {
            run: ON.into(),
            mode: wanted.into(),
            reason: "by the web page".into(),
        };
        assert_eq!(rig.fake.asked(), [Asked::Stop(request)]);
    }
    let late = rig
        .post(&format!("/api/runs/{OVER}/stop"), r#"{"mode":"graceful"}"#)
        .await;
    assert_eq!(late.json()["text"], "run r-over was over already");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let rig = Rig::open();
    let long = json!({ "text": "x".repeat(201) }).to_string();
    let table = [
        (ON, "scale", "{}", 422, "say one of"),
        (ON, "scale", r#"{"factor":1,"vus":1}"#, 422, "say one of"),
        (ON, "scale", r#"{"factor":-0.1}"#, 422, "0 to 1000"),
        (ON, "scale", r#"{"factor":1e9}"#, 422, "0 to 1000"),
        (ON, "scale", r#"{"vus":-1}"#, 400, "invalid value"),
        (ON, "annotate", r#"{"text":"  "}"#, 422, "1 to 200"),
        (ON, "annotate", &long, 422, "1 to 200"),
        (ON, "stop", r#"{"mode":"now"}"#, 400, "unknown variant"),
        (ON, "stop", r#"{"mod"#, 400, "cannot be read"),
        (ON, "pause", r#"{"max":1}"#, 400, "unknown field"),
        (OVER, "pause", "{}", 422, "is over"),
        ("nope", "pause", "{}", 404, "no run is called nope"),
        ("nope", "stop", r#"{"mode":"graceful"}"#, 404, "no run"),
        ("a%20b", "pause", "{}", 404, "no id of a run"),
        ("..%2f..", "resume", "{}", 404, "no id of a run"),
    ];
    for (run, verb, body, status, why) in table {
        let answer = rig.post(&format!("/api/runs/{run}/{verb}"), body).await;
        assert_eq!(answer.status, status, "{run} {verb} {body}");
        let told = answer.json()["error"].to_string();
        assert!(told.contains(why), "{run} {verb} {body}: {told}");
    }
    assert_eq!(rig.fake.asked(), []);
}

#[tokio::test]
async fn reports_are_there_when_a_run_is_over() {
    let rig = Rig::open();
    let json = rig.get(&format!("/api/runs/{OVER}/report.json")).await;
    assert_eq!(json.status, 200);
    assert_eq!(json.json(), json!({ "exit": { "code": 0 } }));
    assert_eq!(
        json.header("content-disposition"),
        "attachment; filename=\"throng-r-over.json\""
    );
    let text = rig.get(&format!("/api/runs/{OVER}/report.txt")).await;
    assert_eq!(text.text(), "report of 19 bytes\n");
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    for kind in ["json", "txt"] {
        let early = rig.get(&format!("/api/runs/{ON}/report.{kind}")).await;
        assert_eq!(early.status, 409, "{}", early.text());
        let nobody = rig.get(&format!("/api/runs/nope/report.{kind}")).await;
        assert_eq!(nobody.status, 404, "{}", nobody.text());
    }
}
