//! Whatever a file holds, the answer is a plan or what is wrong with it; never a panic, never an empty complaint.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use throng_plan::{Bundle, Overrides, compile, wanted_env};

const WHOLE: &str = r#"
baseURL: ${BASE:-http://h:1}
tags: { team: a }
userAgent: me
maxRedirects: 3
timeout: 5s
dns: { ttl: 1m }
summaryTrendStats: [avg, "p(95)"]
scenarios:
  a: { executor: ramping-vus, startVUs: 1, stages: [{ duration: 1s, target: 5 }, { duration: 0s, target: 2 }], gracefulRampDown: 3s, env: { A: b } }
  b: { executor: constant-arrival-rate, rate: 5, timeUnit: 1s, duration: 9s, preAllocatedVUs: 2, maxVUs: 4, startTime: 2s, exec: other }
  c: { executor: ramping-arrival-rate, startRate: 5, stages: [{ duration: 1m, target: 9 }], preAllocatedVUs: 2, tags: { k: v } }
  d: { executor: shared-iterations, vus: 2, iterations: 8, maxDuration: 1m, gracefulStop: 0s }
thresholds:
  http_req_duration: ["p(95)<500", { threshold: "avg<3", abortOnFail: true, delayAbortEval: 1s }]
  "checks{check:Ok}": rate>0.5
data:
  users: { range: [1, 10] }
  names: { list: [{ n: a }, { n: b }] }
  rows: { csv: rows.csv }
flows:
  default:
    - let: { u: { random: users }, n: { cycle: names }, t: "{{ n.n }}-{{ u }}" }
    - post: /x/{{ u }}
      headers: { A: "{{ t }}", B: 1.10 }
      json: { a: ["{{ u }}", null, 1.5], b: "x{{ vu }}" }
      checks: { Ok: { status: [200, 2xx], json: { "$.a[?@.b > 1]": 2 }, exists: $.c } }
      extract: { v: "$.l[*].id", w: { random: "$..x" } }
      expect: 200-299
    - stop: none
      unless: v
    - group: G
      steps: [{ sleep: [1s, 2s] }, { get: "http://{{ env.HOST }}/" }]
  other: [{ get: /, timeout: 1s }]
"#;

fn try_it(source: &str, overrides: Overrides) -> Result<(), TestCaseError> {
    let bundle = Bundle {
        name: "f.yaml".to_owned(),
        source: source.to_owned(),
        env: BTreeMap::from([("HOST".to_owned(), "h".to_owned())]),
        files: BTreeMap::from([("rows.csv".to_owned(), b"a,b\n1,2\n".to_vec())]),
        overrides,
        seed: 1,
    };
    let _ = (wanted_env(source), bundle.wanted_files());
    match compile(&bundle) {
        Ok(plan) => {
            let _ = (plan.digest(), plan.load_end(), plan.max_vus());
            for scenario in &plan.scenarios {
                if let Some(curve) = scenario.executor.vu_curve(scenario.graceful_stop) {
                    let _ = (
                        curve.vus_at(curve.end() / 2),
                        curve.held_at(curve.end()),
                        curve.spans(curve.max() / 2),
                    );
                }
                if let Some(curve) = scenario.executor.arrival_curve() {
                    let _ = (
                        curve.due_at(curve.total() / 2),
                        curve.due_by(curve.duration() / 2),
                    );
                }
            }
        }
        Err(diagnostics) => {
            prop_assert!(!diagnostics.items().is_empty());
            prop_assert!(diagnostics.render(false).contains("error"));
            let _ = diagnostics.render(true);
        }
    }
    Ok(())
}

/// Pieces that mean something somewhere.
const PIECES: [&str; 44] = [
    "-1s",
    "0",
    "99999999999999999999",
    "1e400",
    ".inf",
    "~",
    "''",
    "\"",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "&a ",
    "*a",
    "<<: *a",
    "? ",
    "| ",
    "> ",
    "!!str ",
    "!!int x",
    "#",
    "---\n",
    "${A}",
    "${",
    "{{ x }}",
    "{{",
    "}}",
    "{{ '",
    "$",
    "$.a[",
    "p(95)<",
    "10s",
    "é\u{301}",
    "\u{0}",
    "\u{feff}",
    "\r\n",
    "flows:",
    "100000001",
    "9223372036854775808",
];

#[test]
fn the_whole_file_compiles() {
    let bundle = Bundle {
        source: WHOLE.to_owned(),
        env: BTreeMap::from([("HOST".to_owned(), "h".to_owned())]),
        files: BTreeMap::from([("rows.csv".to_owned(), b"a,b\n1,2\n".to_vec())]),
        ..Bundle::default()
    };
    compile(&bundle).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_text(source in any::<String>()) {
        try_it(&source, Overrides::default())?;
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..30)) {
        try_it(&pieces.concat(), Overrides::default())?;
    }

    /// A good file with some words replaced, removed or doubled.
    #[test]
    fn a_mutated_file(edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(&PIECES[..])), 1..5)) {
        let mut source = WHOLE.to_owned();
        for (at, length, piece) in edits {
            let chars: Vec<char> = source.chars().collect();
            let at = at.index(chars.len() + 1);
            let end = (at + length).min(chars.len());
            source = chars[..at].iter().collect::<String>() + piece + &chars[end..].iter().collect::<String>();
        }
        try_it(&source, Overrides::default())?;
    }

    /// A good file with one value replaced by another of the file: types and names in wrong places.
    #[test]
    fn a_shuffled_file(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let words: Vec<&str> = WHOLE.split_inclusive([' ', '\n', ',']).collect();
        let (a, b) = (a.index(words.len()), b.index(words.len()));
        let mut words = words.clone();
        words[a] = words[b];
        try_it(&words.concat(), Overrides::default())?;
    }

    #[test]
    fn any_flags(
        vus in any::<Option<u64>>(), iterations in any::<Option<u64>>(), duration in any::<Option<String>>(),
        stages in prop::collection::vec("[0-9smh.:-]{0,8}", 0..3), base_url in any::<Option<String>>(), stats in any::<Option<String>>(),
    ) {
        let overrides = Overrides {
            vus, iterations, duration, stages, base_url, summary_trend_stats: stats, ..Overrides::default()
        };
        try_it("flows: { default: [{ get: / }] }", overrides)?;
    }
}
