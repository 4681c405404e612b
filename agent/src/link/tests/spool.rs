//! What an agent keeps on disk: everything until the controller has it, and everything if it never does.

use super::*;
use journal::fake::FakeDisk;
use journal::{Disk, RealDisk};
use proto::transcript::Record;
use std::path::Path;
use std::sync::Arc;

const LIMIT: u64 = 64 << 20;

/// The records of the one transcript there is.
fn records(disk: &dyn Disk, dir: &Path) -> Vec<Record> {
    let runs = disk.list(dir).unwrap();
    let [run] = &runs[..] else { panic!("{runs:?}") };
    assert!(run.starts_with("r-"), "{run}");
    let mut records = Vec::new();
    for part in ["head", "seen"] {
        journal::read(disk, &dir.join(run).join(part), |_, frame| {
            records.push(Record::decode(frame.kind, frame.payload).unwrap());
            Ok::<_, journal::Error>(())
        })
        .unwrap();
    }
    records
}

fn kinds(records: &[Record]) -> Vec<&'static str> {
    let mut kinds: Vec<&str> = records
        .iter()
        .map(|record| match record {
            Record::Said(From::Hello(_)) => "hello",
            Record::Said(From::Started(_)) => "started",
            Record::Said(From::Interval(_)) => "interval",
            Record::Said(From::Heartbeat(_)) => "totals",
            Record::Said(From::Log(_)) => "log",
            Record::Said(From::Done(_)) => "done",
            Record::Heard(To::Welcome(_)) => "welcome",
            Record::Heard(To::Bundle(_)) => "bundle",
            Record::Heard(To::Assign(_)) => "assign",
            Record::Heard(To::Go(_)) => "go",
            other => panic!("{other:?}"),
        })
        .collect();
    kinds.dedup();
    kinds
}

#[test]
fn what_the_controller_has_whole_is_removed_from_the_disk_and_not_before() {
    story(async {
        let dir = tempfile::tempdir().unwrap();
        let mut controller = Controller::start().await;
        let spool = Spooling::new(dir.path().to_owned(), LIMIT);
        let mut agent = Agent::spooling(&controller.url, Duration::from_secs(10), Some(spool));
        let mut line = controller.welcome(LONG).await;
        let crew = load(&mut agent, &mut line).await;
        crew.reports.send(seen(0, 5.0)).unwrap();
        let first = interval(&mut line).await;
        // It was on disk before it was sent.
        let kept = records(&RealDisk, dir.path());
        assert!(kept.contains(&Record::Said(From::Interval(first))));
        assert_eq!(
            kinds(&kept),
            [
                "hello", "welcome", "bundle", "assign", "go", "started", "totals", "interval"
            ]
        );
        crew.reports
            .send(Report::Finished { interrupted: false })
            .unwrap();
        assert!(matches!(line.next().await, From::Done(_)));
        let kept = records(&RealDisk, dir.path());
        assert!(kinds(&kept).contains(&"done"));
        line.send(ack(0)).await;
        line.send(closed()).await;
        go_home(agent, &line).await;
        assert_eq!(RealDisk.list(dir.path()).unwrap(), [""; 0]);
    });
}

#[test]
fn what_the_controller_never_took_stays_on_disk_with_its_end() {
    story(async {
        let disk = FakeDisk::new(1);
        let dir = Path::new("/spool");
        let mut controller = Controller::start().await;
        let spool = Spooling {
            disk: Arc::new(disk.clone()),
            dir: dir.to_owned(),
            limit: LIMIT,
        };
        let give_up = Duration::from_millis(300);
        let mut agent = Agent::spooling(&controller.url, give_up, Some(spool));
        let mut line = controller.welcome(1_000).await;
        let mut crew = load(&mut agent, &mut line).await;
        crew.reports.send(seen(0, 5.0)).unwrap();
        interval(&mut line).await;
        // The controller dies, and never comes back.
        drop(line);
        drop(controller);
        for second in 1..4 {
            crew.reports.send(seen(second, 5.0)).unwrap();
        }
        assert_eq!(crew.told().await, Told::Stop(StopHow::Interrupt));
        crew.reports
            .send(Report::Finished { interrupted: true })
            .unwrap();
        assert!(matches!(
            agent.ended().await.unwrap_err(),
            Error::Unreachable { .. }
        ));
        disk.crash();
        let kept = records(&disk, dir);
        let sequences: Vec<u64> = kept
            .iter()
            .filter_map(|record| match record {
                Record::Said(From::Interval(interval)) => Some(interval.sequence),
                _ => None,
            })
            .collect();
        assert_eq!(sequences, [0, 1, 2, 3]);
        assert!(kept.iter().any(|record| matches!(
            record,
            Record::Said(From::Done(done)) if done.intervals == 4 && done.interrupted
        )));
    });
}

#[test]
fn a_disk_that_is_full_costs_no_interval() {
    story(async {
        let disk = FakeDisk::new(1);
        disk.set_room(Some(10));
        let mut controller = Controller::start().await;
        let spool = Spooling {
            disk: Arc::new(disk),
            dir: "/spool".into(),
            limit: LIMIT,
        };
        let mut agent = Agent::spooling(&controller.url, Duration::from_secs(10), Some(spool));
        let mut line = controller.welcome(LONG).await;
        let crew = load(&mut agent, &mut line).await;
        for second in 0..3 {
            crew.reports.send(seen(second, 5.0)).unwrap();
            assert_eq!(interval(&mut line).await.from_ns, second * SECOND);
        }
        go_home(agent, &line).await;
    });
}
