//! `throng k8s run` against a kubectl that is a script: it keeps what it was given, and its log is a real run's.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// What the script does for `logs`, after a beginning that all stories share. `$throng` is the program, `$here` the story's folder.
const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
throng='THRONG'
echo "$@" >> "$here/asked"
case "$1" in
  create) cat > "$here/created"; CREATE ;;
  delete) cat > "$here/deleted" ;;
  get) GET ;;
  logs) LOGS ;;
  *) echo "unknown: $1" >&2; exit 2 ;;
esac
"#;
/// A real run of one request, and its frame.
const RUN: &str =
    r#""$throng" run --demo "$here/s.yaml" -i 1 -u 1 --report-frame > "$here/log" 2>&1 || true"#;

struct Story {
    folder: PathBuf,
}

impl Story {
    fn new(name: &str, create: &str, get: &str, logs: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("throng-k8s-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let script = SCRIPT
            .replace("THRONG", env!("CARGO_BIN_EXE_throng"))
            .replace("CREATE", create)
            .replace("GET", get)
            .replace("LOGS", logs);
        fs::write(folder.join("kubectl"), script).unwrap();
        fs::set_permissions(folder.join("kubectl"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(
            folder.join("s.yaml"),
            "thresholds: { iterations: [\"count>1\"] }\nflows: { default: [{ get: /api/concerts }] }\n",
        )
        .unwrap();
        Self { folder }
    }

    fn run(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
        command
            .args(["k8s", "run"])
            .arg(self.folder.join("s.yaml"))
            .args(["--image", "registry.example/throng:0.1.0"])
            .args(["--target-cidr", "203.0.113.0/24", "--name", "rush"])
            .args(["--base-url", "http://shop.test", "-i", "1", "--agents", "2"])
            .arg("--kubectl")
            .arg(self.folder.join("kubectl"))
            .args(more);
        command
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_run_brings_its_report_and_its_exit_code_back() {
    let story = Story::new(
        "whole",
        "true",
        "exit 9",
        &format!("{RUN}; cat \"$here/log\""),
    );
    let summary = story.folder.join("summary.json");
    let output = story.run(&[
        "--namespace",
        "load",
        "--summary",
        summary.to_str().unwrap(),
    ]);
    let (out, err) = said(&output);
    assert_eq!(
        output.status.code(),
        Some(99),
        "the run's own: a threshold failed\n{out}{err}"
    );
    assert!(out.contains("http_reqs"), "{out}");
    assert!(
        !out.contains("THRONG-REPORT") && !err.contains("THRONG-REPORT"),
        "{out}{err}"
    );
    let summary: serde_json::Value = serde_json::from_str(&story.text("summary.json")).unwrap();
    assert_eq!(summary["metrics"]["iterations"]["values"]["count"], 1);
    let created = story.text("created");
    assert_eq!(
        created,
        story.text("deleted"),
        "what was made is cleared away"
    );
    assert!(created.contains("name: rush-run"), "{created}");
    let asked = story.text("asked");
    let asked: Vec<&str> = asked.lines().collect();
    assert_eq!(
        asked,
        [
            "create -f - --namespace load",
            "logs --follow job/rush-run --namespace load",
            "delete --ignore-not-found --wait=false -f - --namespace load",
        ]
    );
}

#[test]
fn a_log_that_breaks_is_read_again() {
    // The first time the pod is not there yet, the second time the connection breaks in the middle of the report.
    let logs = format!(
        "n=$(grep -c ^logs \"$here/asked\"); case $n in 1) echo 'container is waiting to start' >&2; exit 1 ;; 2) {RUN}; \
         sed '/BEGIN/q' \"$here/log\" ;; *) cat \"$here/log\" ;; esac"
    );
    let story = Story::new(
        "broken",
        "true",
        "echo '{\"status\":{\"active\":1}}'",
        &logs,
    );
    let output = story.run(&[]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(99), "{out}{err}");
    assert!(
        err.contains("waiting: container is waiting to start"),
        "{err}"
    );
    assert!(out.contains("http_reqs"), "{out}");
}

#[test]
fn a_pod_that_ends_without_a_report_is_told_and_cleared_away() {
    let over = r#"echo '{"status":{"conditions":[{"type":"Failed","status":"True"}]}}'"#;
    let story = Story::new("none", "true", over, "echo 'error: s.yaml: no such file'");
    let output = story.run(&[]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(122), "{out}{err}");
    assert!(
        err.contains("no report from job/rush-run: the log ended before the report"),
        "{err}"
    );
    assert!(err.contains("no such file"), "what the pod said: {err}");
    assert!(story.text("asked").contains("delete"));
}

#[test]
fn a_damaged_report_is_not_believed() {
    let over = r#"echo '{"status":{"conditions":[{"type":"Failed","status":"True"}]}}'"#;
    let logs = format!("{RUN}; sed 's/^\\(THRONG-REPORT 0 .*\\)./\\1/' \"$here/log\"");
    let story = Story::new("damaged", "true", over, &logs);
    let output = story.run(&["--keep"]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(122), "{out}{err}");
    assert!(err.contains("the report came damaged"), "{err}");
    assert!(!story.text("asked").contains("delete"), "--keep keeps");
}

#[test]
fn what_the_cluster_refuses_is_told_with_what_to_ask_for() {
    let create = "echo 'jobs.batch is forbidden' >&2; exit 1";
    let story = Story::new("refused", create, "exit 9", "exit 9");
    let output = story.run(&[]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(122), "{out}{err}");
    assert!(
        err.contains("jobs.batch is forbidden") && err.contains("--render"),
        "{err}"
    );
    assert!(
        story.text("asked").contains("delete"),
        "what was made before it is cleared away"
    );
}

#[test]
fn render_prints_rights_and_manifests_and_asks_nobody() {
    let story = Story::new("render", "exit 9", "exit 9", "exit 9");
    let output = story.run(&["--render"]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("resources: [pods/log]"), "{out}");
    assert!(out.contains("kind: Job"), "{out}");
    assert_eq!(story.text("asked"), "");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test of real processes waits in real time"
)]
fn ctrl_c_ends_the_run_in_the_cluster_and_still_brings_its_report() {
    // The log goes on until the run's Job is told to end; then its report comes.
    let logs = "n=0; until grep -q cascade \"$here/asked\"; do n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.05; done; \
                cat \"$here/log\"";
    let story = Story::new("ctrl-c", RUN, "exit 9", logs);
    let mut child = story
        .command(&[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !story.text("asked").contains("logs") {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it asked for the log"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let told = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(told.success());
    let output = child.wait_with_output().unwrap();
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(99), "{out}{err}");
    assert!(out.contains("http_reqs"), "{out}");
    let asked = story.text("asked");
    let asked: Vec<&str> = asked
        .lines()
        .filter(|line| line.starts_with("delete"))
        .collect();
    assert_eq!(
        asked,
        [
            "delete job/rush-run --cascade=foreground --wait=false",
            "delete --ignore-not-found --wait=false -f -",
        ],
        "the run is told to end, and when its report is here, all is cleared away"
    );
    assert_eq!(story.text("created"), story.text("deleted"));
}

#[test]
fn without_kubectl_it_says_what_to_do() {
    let story = Story::new("missing", "exit 9", "exit 9", "exit 9");
    fs::remove_file(story.folder.join("kubectl")).unwrap();
    let output = story.run(&[]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(104), "{out}{err}");
    assert!(
        err.contains("error: --kubectl ") && err.contains("--render"),
        "{err}"
    );
    assert!(!err.contains("left in the cluster"), "{err}");
}

#[test]
fn who_may_not_read_the_log_is_told_at_once_and_all_is_cleared_away() {
    let logs = "echo 'Error from server (Forbidden): pods is forbidden' >&2; exit 1";
    let story = Story::new("forbidden", "true", "echo '{}'", logs);
    let output = story.run(&[]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(122), "{out}{err}");
    assert!(
        err.contains("logs job/rush-run`: Error from server (Forbidden)")
            && err.contains("--render"),
        "{err}"
    );
    assert_eq!(story.text("created"), story.text("deleted"));
}

#[test]
fn a_log_that_is_no_text_is_not_believed_and_what_cannot_be_cleared_away_is_told() {
    let over = r#"echo '{"status":{"conditions":[{"type":"Complete","status":"True"}]}}'"#;
    let logs = format!(
        "{RUN}; sed '/BEGIN/q' \"$here/log\"; printf '\\377\\376\\n'; sed '1,/BEGIN/d' \"$here/log\""
    );
    let story = Story::new("garbled", "true", over, &logs);
    let script = story.text("kubectl");
    let script = script.replace(
        "delete) cat",
        "delete) echo 'connection refused' >&2; exit 1; cat",
    );
    fs::write(story.folder.join("kubectl"), script).unwrap();
    let output = story.run(&[]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(122), "{out}{err}");
    assert!(err.contains("no report from job/rush-run"), "{err}");
    assert!(
        err.contains("left in the cluster") && err.contains("-l app.kubernetes.io/instance=rush"),
        "{err}"
    );
}

#[test]
fn what_does_not_fit_a_config_map_is_refused_before_anybody_is_asked() {
    let story = Story::new("large", "true", "exit 9", "exit 9");
    // Random text packs to half of its length at best.
    let mut state = 1_u64;
    let rows: String = (0..100_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            format!("{state:016x}\n")
        })
        .collect();
    fs::write(story.folder.join("rows.csv"), format!("id\n{rows}")).unwrap();
    fs::write(
        story.folder.join("s.yaml"),
        "data: { rows: { csv: rows.csv } }\nflows: { default: [{ get: /healthz }] }\n",
    )
    .unwrap();
    let output = story.run(&[]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(104), "{out}{err}");
    assert!(
        err.contains("a ConfigMap holds 1024") && err.contains("--scenario-volume"),
        "{err}"
    );
    assert_eq!(story.text("asked"), "");
}
