//! What is wrong with a scenario is said with its place and a remedy, all of it at once.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use throng_plan::{Bundle, Overrides, Place, compile};

fn bundle(source: &str) -> Bundle {
    Bundle {
        name: "t.yaml".to_owned(),
        source: source.to_owned(),
        env: BTreeMap::from([("SET".to_owned(), "7".to_owned())]),
        ..Bundle::default()
    }
}

/// `line:column what | help` of each item.
fn errors(bundle: &Bundle) -> Vec<String> {
    let Err(diagnostics) = compile(bundle) else {
        return vec!["compiles".to_owned()];
    };
    assert!(!diagnostics.render(true).is_empty());
    diagnostics
        .items()
        .iter()
        .map(|item| {
            let place = match &item.place {
                Place::Source { line, column, .. } => format!("{line}:{column}"),
                Place::Flag(flag) => (*flag).to_owned(),
                Place::File(name, row) => format!("{name}:{row}"),
            };
            match &item.help {
                Some(help) => format!("{place} {} | {help}", item.what),
                None => format!("{place} {}", item.what),
            }
        })
        .collect()
}

/// Holds a file of cases against a way to make a bundle of their lines. A case is what was written, a line `---`, and what
/// is said; cases are set apart by a line `===`.
fn hold(cases: &str, bundle_of: impl Fn(&str) -> Bundle) {
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases.split("\n===\n") {
        let (written, expected) = case.split_once("\n---\n").unwrap();
        let found = errors(&bundle_of(written)).join("\n");
        if found != expected.trim_end() {
            wrong.push(format!("{written}\n---\n{found}\n"));
        }
        count += 1;
    }
    assert!(count > 10);
    assert!(wrong.is_empty(), "found:\n{}", wrong.join("\n===\n"));
}

/// One scenario of these lines, from line 3 on, four columns in.
#[test]
fn every_bad_executor_is_refused_with_its_place_and_a_remedy() {
    hold(include_str!("bad/executors.txt"), |lines| {
        let lines: String = lines
            .lines()
            .map(|line| format!("    {}\n", line.trim()))
            .collect();
        bundle(&format!(
            "scenarios:\n  main:\n{lines}flows: {{ default: [{{ get: http://h/ }}] }}\n"
        ))
    });
}

/// These top-level lines, from line 1 on; `flows` last.
fn options(lines: &str) -> Bundle {
    bundle(&format!(
        "{lines}\nflows: {{ default: [{{ get: http://h/ }}] }}\n"
    ))
}

#[test]
fn bad_options_are_refused() {
    hold(include_str!("bad/options.txt"), options);
}

/// A flow of these steps, from line 4 on.
#[test]
fn bad_steps_are_refused() {
    hold(include_str!("bad/steps.txt"), |lines| {
        bundle(&format!(
            "data: {{ users: {{ range: [1, 3] }}, people: {{ list: [{{ name: a, city: b }}] }} }}\nflows:\n  default:\n{lines}\n"
        ))
    });
}

/// One line of thresholds, the second, two columns in.
#[test]
fn bad_thresholds_are_refused() {
    hold(include_str!("bad/thresholds.txt"), |line| {
        bundle(&format!(
            "thresholds:\n  {line}\nflows:\n  default:\n    - {{ get: http://h/, checks: {{ Ok: {{ status: 200 }} }} }}\n    - {{ stop: no luck }}\n    - {{ group: outer, steps: [{{ group: inner, steps: [{{ sleep: 1s }}] }}] }}\n"
        ))
    });
}

#[test]
fn bad_yaml_says_where() {
    let table: &[(&str, &str)] = &[
        (
            "",
            "1:1 the scenario file is empty | a file needs `flows` at least; docs/scenarios.md begins with an example",
        ),
        (
            "# nothing\n",
            "1:1 the scenario file is empty | a file needs `flows` at least; docs/scenarios.md begins with an example",
        ),
        (
            "hello",
            "1:1 expected a scenario file, found the text `hello`",
        ),
        (
            "vus: 1\nvus: 2\n",
            "2:1 not readable as YAML: duplicate mapping key: vus",
        ),
        (
            "flows: [1\n",
            "1:8 not readable as YAML: unclosed bracket '['",
        ),
        (
            "a: *b\n",
            "1:4 not readable as YAML: alias references unknown anchor",
        ),
        (
            "--- 1\n--- 2\n",
            "2:5 not readable as YAML: multiple YAML documents detected",
        ),
        (
            "a:\n\tb: 1\n",
            "2:2 not readable as YAML: tabs disallowed within this context (block indentation) | indent with spaces",
        ),
        (
            "a: {{ b }}/c\n",
            "1:11 not readable as YAML: while parsing a block mapping, did not find expected key | inside [ ] or { }, and where a value begins with `{`, put it into quotes: \"{{ name }}\", \"${NAME}\"",
        ),
        ("? [1]\n: 2\n", "1:3 a key must be a text"),
        (
            "vus: 1\n",
            "1:1 a scenario file needs `flows` | for example `flows: { default: [{ get: / }] }`\n1:6 `vus` has no effect by itself | give a duration (`-d 30s`), iterations (`-i 100`) or stages (`-s 10s:20`) as well",
        ),
    ];
    let mut wrong = Vec::new();
    for (source, expected) in table {
        let found = errors(&bundle(source)).join("\n");
        if found != *expected {
            wrong.push(format!(
                "{source}\n  expected {expected}\n  found    {found}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // Depth and aliases have budgets.
    let deep = format!("a: {}1{}", "[".repeat(500), "]".repeat(500));
    assert!(errors(&bundle(&deep))[0].contains("not readable as YAML"));
    let bomb = (1..40).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
        let j = i - 1;
        text + &format!("a{i}: &a{i} [*a{j}, *a{j}, *a{j}, *a{j}]\n")
    });
    assert!(errors(&bundle(&bomb))[0].contains("not readable as YAML"));
}

#[test]
fn bad_data_files_say_which_row() {
    let file = |name: &str, text: &str| {
        let kind = name.rsplit('.').next().unwrap();
        let mut bundle = options(&format!("data: {{ u: {{ {kind}: {name} }} }}"));
        bundle.files = BTreeMap::from([(name.to_owned(), text.as_bytes().to_vec())]);
        errors(&bundle).join("\n")
    };
    assert_eq!(file("a.csv", "x,y\n1,2\n"), "compiles");
    assert_eq!(file("a.csv", "\u{feff}x,y\n1,2\n"), "compiles");
    assert_eq!(
        file("a.csv", "x,y\n1,2\n3\n"),
        "a.csv:3 this row has 1 fields, the header has 2"
    );
    assert_eq!(file("a.csv", "x,y\n"), "1:19 a.csv has no rows");
    assert_eq!(
        file("a.csv", "x,x\n1,2\n"),
        "a.csv:1 the header names `x` twice"
    );
    assert_eq!(
        file("a.csv", "x,\n1,2\n"),
        "a.csv:1 column 2 of the header has no name"
    );
    assert_eq!(file("a.json", "[1]"), "compiles");
    assert_eq!(file("a.json", "[]"), "1:20 a.json has no rows");
    assert_eq!(
        file("a.json", "{}"),
        "a.json:0 expected a JSON array of rows"
    );
    assert_eq!(
        file("a.json", "[1,\n2"),
        "a.json:2 not readable as JSON: EOF while parsing a list at line 2 column 1"
    );
}

#[test]
fn bad_flags_are_named() {
    let with = |overrides: Overrides| {
        let mut bundle = options("");
        bundle.overrides = overrides;
        errors(&bundle).join("\n")
    };
    let stages = |stages: &[&str]| Overrides {
        stages: stages.iter().map(|s| (*s).to_owned()).collect(),
        ..Overrides::default()
    };
    assert_eq!(with(stages(&["10s:20", "5s:0"])), "compiles");
    assert_eq!(
        with(stages(&["10s"])),
        "--stage `10s` is not a stage | write `duration:target`, for example `10s:20`"
    );
    assert_eq!(
        with(stages(&["10s:x"])),
        "--stage the target of `10s:x` is not a whole number"
    );
    assert_eq!(
        with(stages(&["-1s:5"])),
        "--stage `-1s` is negative; a duration cannot be"
    );
    let duration = |text: &str| Overrides {
        duration: Some(text.to_owned()),
        ..Overrides::default()
    };
    assert_eq!(with(duration("30s")), "compiles");
    assert_eq!(
        with(duration("0.1s")),
        "--duration `duration` is 100ms; it must be at least 1s"
    );
    let both = Overrides {
        stages: vec!["1s:1".to_owned()],
        ..duration("1s")
    };
    assert_eq!(
        with(both),
        "--stage `duration`, `stages` exclude one another | keep one of them"
    );
    let alone = Overrides {
        vus: Some(3),
        ..Overrides::default()
    };
    assert_eq!(
        with(alone),
        "--vus `vus` has no effect by itself | give a duration (`-d 30s`), iterations (`-i 100`) or stages (`-s 10s:20`) as well"
    );
    let url = Overrides {
        base_url: Some("nowhere".to_owned()),
        ..Overrides::default()
    };
    assert_eq!(
        with(url),
        "--base-url `nowhere` is not a URL such as `http://localhost:8080`: it begins with neither `http://` nor `https://`"
    );
    let stats = Overrides {
        summary_trend_stats: Some("avg,p95".to_owned()),
        ..Overrides::default()
    };
    assert_eq!(
        with(stats),
        "--summary-trend-stats `p95` is no column: avg, min, med, max, count and p(0) to p(100) are"
    );
}

#[test]
fn what_a_person_reads() {
    let source = "\
scenarios:
  rush:
    executor: ramping-vus
    stages:
      - { duration: 10s, taget: 20 }
    gracefulRampdown: 5s
flows:
  default:
    - get: http://h/{{ tokn }}
    - get: http://h/
      extract: { token: $.token }
";
    let mut bundle = bundle(source);
    bundle.overrides.base_url = Some("x".to_owned());
    let text = compile(&bundle).unwrap_err().render(false);
    insta::assert_snapshot!(text);
}
