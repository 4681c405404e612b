//! What a flow means: steps, templates, variables of its own, YAML anchors.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use throng_plan::*;

mod common;
use common::{bundle, compiled, plan, request};

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn a_flow_means_what_it_says() {
    let mut bundle = bundle(
        r#"
timeout: 10s
data:
  people: { csv: people.csv }
  ids: { json: ids.json }
  fixed: { list: [a, 2, { x: "${WORD}" }] }
flows:
  default:
    - let: { person: { random: people }, id: { cycle: ids }, both: "{{ person.name }}-{{ id }}", copy: "{{ id }}", n: 3 }
    - group: outer
      steps:
        - post: http://h/{{ id }}?q={{ env.WORD }}
          name: making
          headers: { X-Version: 1.10, Accept: "{{ '{{' }}{{ both }}" }
          json: { a: "{{ id }}", b: "x{{ id }}", c: [1, null, true], d: { e: "$${WORD}" } }
          timeout: 1s
          redirects: 3
          expect: [2xx, 409]
          tags: { kind: make }
          checks:
            All: { status: [200, 201], body: "{{ id }}", json: { $.a: "{{ id }}", "$.b[0]": 1 }, exists: $.c, header: { etag: x }, duration: 500ms }
          extract: { first: $.a, any: { random: "$.l[*]" }, all: { all: "$.l[*]" }, tag: { header: ETag } }
        - group: inner
          steps:
            - put: "{{ first }}"
              form: { a: "{{ any }}", b: "2" }
    - sleep: [1s, 2s]
    - stop: enough
      if: tag
    - delete: http://h/x
      body: text {{ vu }} {{ iteration }} {{ scenario_iteration }}
"#,
    );
    bundle.env = BTreeMap::from([("WORD".to_owned(), "w".to_owned())]);
    bundle.files = BTreeMap::from([
        (
            "people.csv".to_owned(),
            b"name,city\nAda,London\nBo,Oslo\n".to_vec(),
        ),
        ("ids.json".to_owned(), b"[1,2,3]".to_vec()),
    ]);
    let plan = compiled(&bundle);
    assert_eq!(plan.flows.len(), 1);
    let flow = &plan.flows[0];
    assert_eq!(
        flow.slots,
        [
            "person", "id", "both", "copy", "n", "first", "any", "all", "tag"
        ]
    );
    assert_eq!(
        plan.data[0].rows.row(3),
        json!({"name": "Bo", "city": "Oslo"})
    );
    assert_eq!(
        (plan.data[1].rows.count(), plan.data[1].rows.row(4)),
        (3, json!(2))
    );
    assert_eq!(plan.data[2].rows.row(2), json!({"x": "w"}));

    let slots = [
        json!({"name": "Ada", "city": "London"}),
        json!(7),
        json!("Ada-7"),
        Value::Null,
        Value::Null,
        json!("http://h/next"),
        json!("q"),
    ];
    let scope = Scope {
        slots: &slots,
        vu: 11,
        iteration: 2,
        scenario_iteration: 40,
    };
    let text = |template: &Template| {
        let mut out = String::new();
        template.render(&scope, &mut out);
        out
    };
    let make = request(&plan, 0);
    assert_eq!(
        (
            make.id,
            make.method.as_str(),
            make.name.as_str(),
            make.group.as_str()
        ),
        (0, "POST", "making", "::outer")
    );
    assert_eq!(text(&make.url), "http://h/7?q=w");
    let headers: Vec<_> = make
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)))
        .collect();
    assert_eq!(
        headers,
        [
            ("X-Version", "1.10".to_owned()),
            ("Accept", "{{Ada-7".to_owned())
        ]
    );
    let Body::Json(body) = &make.body else {
        panic!("{:?}", make.body)
    };
    let mut out = Vec::new();
    body.render(&scope, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"a":7,"b":"x7","c":[1,null,true],"d":{"e":"${WORD}"}}"#
    );
    assert_eq!(
        (make.timeout, make.max_redirects, make.reads_body),
        (seconds(1), 3, true)
    );
    assert_eq!(make.expected, StatusSet(vec![(200, 299), (409, 409)]));
    assert_eq!(make.checks.len(), 1);
    let kinds: Vec<_> = make.checks[0]
        .conditions
        .iter()
        .map(|c| format!("{c:?}").split('(').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds,
        [
            "Status",
            "BodyContains",
            "JsonEquals",
            "JsonEquals",
            "JsonExists",
            "Header",
            "MaxDuration"
        ]
    );
    assert_eq!(
        make.extract.iter().map(|e| e.slot).collect::<Vec<_>>(),
        [5, 6, 7, 8]
    );

    let put = request(&plan, 1);
    assert_eq!(
        (put.id, put.group.as_str(), put.name.as_str()),
        (1, "::outer::inner", "{{ first }}")
    );
    assert_eq!(
        (text(&put.url), put.timeout, put.reads_body),
        ("http://h/next".to_owned(), seconds(10), false)
    );
    let last = request(&plan, 2);
    let Body::Text(body) = &last.body else {
        panic!("{:?}", last.body)
    };
    assert_eq!(
        (last.id, last.method.as_str(), text(body)),
        (2, "DELETE", "text 11 2 40".to_owned())
    );
    assert!(
        matches!(flow.steps[2], Step::Sleep { min, max } if min == seconds(1) && max == seconds(2))
    );
    assert!(
        matches!(&flow.steps[3], Step::Stop { reason, when: Condition::If(8) } if reason == "enough")
    );
}

#[test]
fn a_scenarios_own_variables_make_its_own_flow() {
    let mut bundle = bundle(
        "scenarios:
  a: { executor: constant-vus, duration: 1s, env: { WHO: anna } }
  b: { executor: constant-vus, duration: 1s, env: { WHO: bert }, startTime: 60s }
  c: { executor: constant-vus, duration: 1s, env: { WHO: anna }, exec: default, vus: 4 }
  d: { executor: constant-vus, duration: 1s, exec: other }
flows:
  default: [{ get: 'http://h/{{ env.WHO }}' }]
  other: [{ get: 'http://h/{{ env.WHO }}' }]
",
    );
    bundle.env = BTreeMap::from([("WHO".to_owned(), "all".to_owned())]);
    let plan = compiled(&bundle);
    let exec: Vec<_> = plan.scenarios.iter().map(|s| s.exec).collect();
    assert_eq!(exec, [0, 1, 0, 2]);
    let urls: Vec<_> = plan
        .flows
        .iter()
        .map(|flow| match &flow.steps[0] {
            Step::Request(request) => (request.id, request.url.as_literal().unwrap().to_owned()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        urls,
        [
            (0, "http://h/anna".to_owned()),
            (1, "http://h/bert".to_owned()),
            (2, "http://h/all".to_owned())
        ]
    );
    // a, c and d overlap; b begins when they are over.
    assert_eq!((plan.max_vus(), plan.load_end()), (6, seconds(91)));
}

#[test]
fn anchors_and_merges_are_understood() {
    let plan = plan(
        "stages: [{ duration: 1s, target: 1 }]
flows:
  default:
    - get: http://h/1
      headers: &common { a: b }
    - get: http://h/2
      headers: { <<: *common, c: d }
",
    );
    let names: Vec<_> = request(&plan, 1)
        .headers
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(names, ["c", "a"]);
}
