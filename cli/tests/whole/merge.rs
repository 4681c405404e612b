//! A controller that dies for good: its agents stop with their lease, and what they kept makes the report.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, repository, run};
use crate::counts::{ledger, reported};
use journal::{Append, Disk, Held, RealDisk};
use metrics::{Metric, Value};
use proto::v1::{from_agent::Message, record::What};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A disk that keeps what is to be removed.
#[derive(Debug)]
struct Hoarding;

impl Disk for Hoarding {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.make_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(file)
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn Append>> {
        RealDisk.create(file)
    }

    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        RealDisk.replace(file, content)
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, file: &Path) -> io::Result<Box<dyn Held>> {
        RealDisk.lock(file)
    }
}

/// Setup, arrivals, leased indexes and teardown.
const PHASES: &str = "
setup: [{ get: /api/concerts/1/schedules }]
teardown: [{ get: /api/concerts/1/schedules }]
scenarios:
  arrivals: { executor: constant-arrival-rate, rate: 50, duration: 1s, preAllocatedVUs: 5 }
  shared: { executor: shared-iterations, vus: 4, iterations: 100 }
flows:
  default: [{ get: /api/concerts/1/schedules }]
";

/// An agent in this process whose spool keeps everything.
async fn hoard(url: String, name: &'static str, dir: String) {
    let config = agent::Config {
        controller: url,
        name: name.to_owned(),
        labels: Default::default(),
        workers: 1,
        give_up: Duration::from_secs(10),
        drain: Duration::from_secs(5),
        access: agent::Access::default(),
        bounds: Default::default(),
        enlisted: Arc::default(),
        glance: None,
        spool: Some(agent::Spooling {
            disk: Arc::new(Hoarding),
            dir: dir.into(),
            limit: 64 << 20,
        }),
    };
    // Until it is dropped.
    let ended = agent::run(config, std::future::pending()).await;
    panic!("{ended:?}");
}

#[test]
fn the_merged_report_is_the_live_one() {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("merge-live"));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let agents: Vec<_> = ["red", "green"]
        .into_iter()
        .map(|name| runtime.spawn(hoard(controller.url.clone(), name, folder.file(name))))
        .collect();
    let phases = folder.write("phases.yaml", PHASES);
    for file in [repository("cli/tests/scenarios/rush.yaml"), phases] {
        let (live, merged) = (folder.file("live.json"), folder.file("merged.json"));
        let said = run(&[
            "run",
            &file,
            "--base-url",
            &demo.url(),
            "--controller",
            &controller.url,
            "--compat",
            "k6",
            "--expect-agents",
            "2",
            "--summary",
            &live,
        ]);
        said.ran();
        let live = folder.json("live.json");
        let id = live["run"]["id"].as_str().unwrap();
        let again = run(&["merge", &folder.file(""), "--run", id, "--summary", &merged]);
        assert_eq!(
            again.code, said.code,
            "{}\n{}\n{}",
            again.err, said.out, again.out
        );
        let (mut live, mut merged) = (live, folder.json("merged.json"));
        for report in [&mut live, &mut merged] {
            // What an agent heard last of the line, and of the most VUs, is a matter of the moment.
            for agent in report["agents"].as_array_mut().unwrap() {
                for momentary in ["rtt_ms", "offset_ms", "vus_max"] {
                    agent[momentary].take();
                }
            }
            // When it began, and how well its controller kept up, only the controller knows.
            for label in ["started_unix_ms", "notes", "controller_lag_ms"] {
                report["run"][label].take();
            }
            // What a controller saw from second to second, and nobody else.
            report["timeline"].take();
        }
        for part in live.as_object().unwrap().keys() {
            assert_eq!(merged[part], live[part], "{part} of {file}");
        }
    }
    drop(agents);
    runtime.shutdown_background();
}

/// Requests that the journals in a controller's directory tell of, as far as they are written.
fn journaled(runs: &str) -> u64 {
    let of = |run: std::fs::DirEntry| {
        let mut requests = 0;
        // A directory without a journal has none yet; a segment may go while it is looked at.
        let _ =
            journal::read::<journal::Error>(&RealDisk, &run.path().join("journal"), |_, frame| {
                requests += told(frame.payload);
                Ok(())
            });
        requests
    };
    let runs = std::fs::read_dir(runs).unwrap();
    runs.map(|run| of(run.unwrap())).sum()
}

/// Requests in a record, if it is an interval.
fn told(record: &[u8]) -> u64 {
    let record = <proto::v1::Record as prost::Message>::decode(record).unwrap();
    let Some(What::Said(said)) = record.what else {
        return 0;
    };
    let Some(Message::Interval(interval)) = said.message.and_then(|said| said.message) else {
        return 0;
    };
    let interval = proto::convert::from_wire(&interval).unwrap();
    let values = interval.series.iter().flat_map(|series| &series.values);
    values
        .map(|(metric, value)| match value {
            Value::Counter(sum) if *metric == Metric::HttpReqs => *sum as u64,
            _ => 0,
        })
        .sum()
}

/// Two agents make load for ten minutes, and their controller is killed when that has come about; until they gave it up.
fn killed(demo: &Demo, controller: Controller, folder: &Folder, when: impl FnMut() -> bool) {
    let agents = ["red", "green"].map(|name| {
        let spool = folder.file(name);
        controller.agent_with(name, &["--spool", &spool, "--give-up", "1s"])
    });
    let (file, url) = (repository("cli/tests/scenarios/rush.yaml"), demo.url());
    let started = run(&[
        "run",
        &file,
        "--base-url",
        &url,
        "--controller",
        &controller.url,
        "--compat",
        "k6",
        "--expect-agents",
        "2",
        "--detach",
        "-s",
        "100ms:6",
        "-s",
        "10m:6",
    ]);
    assert_eq!(started.code, 0, "{}", started.err);
    let requests = || demo.ledger()["requests"].as_u64().unwrap();
    crate::common::wait_for(when);
    let before = requests();
    // SIGKILL.
    drop(controller);
    for agent in agents {
        let said = agent.end();
        assert_eq!(said.code, 123, "{}", said.err);
        assert!(said.err.contains("the lease ran out"), "{}", said.err);
        assert!(
            said.err.contains(" stays: no controller has all of it"),
            "{}",
            said.err
        );
    }
    assert!(requests() > before, "they went on as long as their lease");
}

/// Holds a merged report against what truly happened.
fn is_the_truth(summary: &serde_json::Value, truth: &serde_json::Value) {
    let requests = &summary["conservation"]["requests"];
    assert_eq!(requests["unaccounted"], 0);
    assert_eq!(requests["lost"], 0);
    let cut = requests["cut"].as_u64().unwrap();
    let (seen, made) = (ledger(truth), reported(summary));
    let sum = |counts: &crate::counts::Counts| counts.values().sum::<u64>();
    // Of those in flight when the lease ended the target may have seen all or none.
    assert!(
        sum(&made) <= sum(&seen) && sum(&seen) <= sum(&made) + cut,
        "{made:?} and {cut} cut are not {seen:?}"
    );
    assert_eq!(summary["conservation"]["completeness"]["share"], 1.0);
}

#[test]
fn without_a_controller_load_ends_with_the_lease_and_the_spools_make_the_report() {
    let (demo, folder) = (Demo::fast(), Folder::new("merge"));
    killed(&demo, Controller::start(), &folder, || {
        demo.ledger()["requests"].as_u64().unwrap() > 1000
    });
    let truth = demo.ledger();
    let (summary, spool) = (folder.file("s.json"), folder.file(""));
    let merged = run(&["merge", &spool, "--summary", &summary]);
    // All agents ended before the load was over.
    assert_eq!(merged.code, 122, "{}\n{}", merged.err, merged.out);
    assert!(
        merged
            .out
            .contains("merged from the transcripts of 2 agents"),
        "{}",
        merged.out
    );
    is_the_truth(&folder.json("s.json"), &truth);

    // Twice the same transcripts are the same report.
    let again = run(&["merge", &spool, &folder.file("red")]);
    assert_eq!((again.code, &again.out), (122, &merged.out));
    // Half of them are half of the load, and the report says so.
    let half = run(&["merge", &folder.file("red")]);
    assert_eq!(half.code, 122, "{}", half.err);
    assert!(
        half.out.contains("there is no transcript of it"),
        "{}",
        half.out
    );
}

#[test]
fn what_the_controller_had_and_what_it_never_got_make_one_report() {
    let (demo, folder) = (Demo::fast(), Folder::new("merge-runs"));
    let runs = folder.file("runs");
    let controller = Controller::keeping(&runs, None);
    killed(&demo, controller, &folder, || journaled(&runs) > 0);
    let truth = demo.ledger();
    let (summary, all) = (folder.file("s.json"), folder.file(""));
    let merged = run(&["merge", &all, "--summary", &summary]);
    assert_eq!(merged.code, 122, "{}\n{}", merged.err, merged.out);
    assert!(
        merged.out.contains("merged from the run's directory"),
        "{}",
        merged.out
    );
    is_the_truth(&folder.json("s.json"), &truth);
    // Nothing was written: it can be done again, with less.
    let again = run(&["merge", &all]);
    assert_eq!((again.code, &again.out), (122, &merged.out));
    let alone = run(&["merge", &runs, "--summary", &summary]);
    assert_eq!(alone.code, 122, "{}\n{}", alone.err, alone.out);
    let (had, seen) = (reported(&folder.json("s.json")), ledger(&truth));
    let sum = |counts: &crate::counts::Counts| counts.values().sum::<u64>();
    assert!(
        0 < sum(&had) && sum(&had) < sum(&seen),
        "{had:?} of {seen:?}"
    );
}

#[test]
fn where_nothing_was_kept_there_is_nothing_to_merge() {
    let folder = Folder::new("merge-nothing");
    let said = run(&["merge", &folder.file("")]);
    assert_eq!((said.code, said.out.as_str()), (104, ""));
    assert!(said.err.contains("nothing to merge"), "{}", said.err);
    assert!(said.err.contains("--spool"), "{}", said.err);
}
