//! What people read first: the help of every verb, as snapshots. A change here is a change of the program's face.

use crate::common::{said, throng};

fn help(arguments: &[&str]) -> String {
    let output = throng(arguments)
        .arg("--help")
        .env("COLUMNS", "100")
        .output();
    let said = said(&output.expect("the program was built with this test"));
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    said.out
}

#[test]
fn every_verb() {
    for verb in [
        "",
        "run",
        "plan",
        "controller",
        "agent",
        "agents",
        "runs",
        "pause",
        "resume",
        "scale",
        "annotate",
        "stop",
        "watch",
        "wait",
        "report",
        "login",
        "token create",
        "merge",
        "k8s run",
        "doctor",
        "completions",
        "man",
        "demo",
    ] {
        let arguments: Vec<&str> = verb.split_whitespace().collect();
        let name = match verb {
            "" => "throng".to_owned(),
            verb => verb.replace(' ', "-"),
        };
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, help(&arguments));
        });
    }
}

#[test]
fn no_line_is_wider_than_a_terminal() {
    for verb in ["run", "plan", "controller", "agent", "demo"] {
        for line in help(&[verb]).lines() {
            assert!(line.chars().count() <= 100, "{verb}: {line}");
        }
    }
}
