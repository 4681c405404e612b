//! Arrivals at the target follow the curve, whoever fires them: a recording server on the loopback is the witness.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Folder, said, throng};
use crate::counts::count;
use plan::{ArrivalCurve, Bundle};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

/// What was asked for (the arrival's index in the whole), and when, in nanoseconds of this test's clock.
type Seen = Arc<Mutex<Vec<(u64, u64)>>>;

/// Serves until the test ends; `GET /17` is arrival 17.
fn record() -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let seen = Arc::clone(&kept);
            // A broken connection is the client's to report.
            std::thread::spawn(move || drop(serve(stream, &seen)));
        }
    });
    (url, seen)
}

/// This test's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the time at which real processes do things is what is tested"
)]
fn nanos() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGAN.elapsed().as_nanos()).unwrap()
}

fn serve(mut stream: TcpStream, seen: &Seen) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut held = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        let at = nanos();
        held.extend_from_slice(&buffer[..read]);
        while let Some(end) = held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head: Vec<u8> = held.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split_whitespace().nth(1).unwrap_or_default();
            if let Ok(index) = path.trim_start_matches('/').parse() {
                seen.lock().unwrap().push((index, at));
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
        }
    }
}

/// Up and down again: 150 arrivals a second at the top, 300 in all.
fn scenario(arrivals: &str) -> String {
    format!(
        "scenarios:\n  main:\n    executor: ramping-arrival-rate\n    startRate: 0\n    stages: [{{ duration: 1s, target: 150 }}, {{ duration: 1s, target: 150 }}, {{ duration: 1s, target: 0 }}]\n    preAllocatedVUs: 60\n    arrivals: {arrivals}\n    catchUp: 20s\nflows:\n  default:\n    - get: /{{{{ scenario_iteration }}}}\n"
    )
}

fn curve(source: &str) -> ArrivalCurve {
    let bundle = Bundle {
        source: source.to_owned(),
        env: Default::default(),
        seed: 7,
        overrides: plan::Overrides {
            base_url: Some("http://h".to_owned()),
            ..Default::default()
        },
        ..Default::default()
    };
    let plan = plan::compile(&bundle).unwrap();
    plan.scenarios[0].arrival_curve(plan.seed).unwrap()
}

/// Runs it; gives what the server saw, and how many arrivals were dropped.
fn run(name: &str, source: &str, fleet: &[&str]) -> (Vec<(u64, u64)>, u64) {
    let folder = Folder::new(name);
    let file = folder.write("arrivals.yaml", source);
    let summary = folder.file("out.json");
    let (url, seen) = record();
    // The clock's begin lies before every arrival.
    let _ = nanos();
    let arguments = [
        "run",
        &file,
        "--base-url",
        &url,
        "--seed",
        "7",
        "--summary",
        &summary,
    ];
    let said = said(&throng(&[&arguments[..], fleet].concat()).output().unwrap());
    assert!(
        said.code == 0 || said.code == 121,
        "{}: {}\n{}",
        said.code,
        said.err,
        said.out
    );
    let dropped = count(&folder.json("out.json"), "dropped_iterations");
    let seen = seen.lock().unwrap().clone();
    (seen, dropped)
}

/// Each index once, none twice, none missing but those that were dropped aloud; and each at its time.
fn follows(curve: &ArrivalCurve, seen: &[(u64, u64)], dropped: u64, what: &str) {
    let mut indexes: Vec<u64> = seen.iter().map(|(index, _)| *index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    assert_eq!(indexes.len(), seen.len(), "{what}: an index came twice");
    assert_eq!(
        indexes.len() as u64 + dropped,
        curve.total(),
        "{what}: {dropped} dropped"
    );
    assert!(indexes.iter().all(|index| *index < curve.total()), "{what}");
    // The test does not know T0; whatever was quickest was at most its way late.
    let mut late: Vec<i128> = seen
        .iter()
        .map(|(index, at)| i128::from(*at) - i128::from(curve.due_at(*index).unwrap()))
        .collect();
    late.sort_unstable();
    let behind = |rank: usize| Duration::from_nanos((late[rank] - late[0]) as u64);
    let median = behind(late.len() / 2);
    // A machine that is busy with other tests begins late now and then, but not mostly.
    assert!(
        median < Duration::from_millis(100),
        "{what}: half were more than {median:?} late"
    );
}

#[test]
fn arrivals_at_the_target_follow_the_curve_for_any_number_of_agents() {
    for (agents, arrivals) in [
        (1, "regular"),
        (2, "poisson"),
        (3, "regular"),
        (7, "poisson"),
    ] {
        let source = scenario(arrivals);
        let name = format!("arrivals-{agents}");
        let (seen, dropped) = run(&name, &source, &["--agents", &agents.to_string()]);
        follows(
            &curve(&source),
            &seen,
            dropped,
            &format!("{arrivals} over {agents}"),
        );
    }
}

#[test]
fn arrivals_follow_the_curve_whatever_the_weights() {
    let source = scenario("regular");
    let (seen, dropped) = run(
        "arrivals-weights",
        &source,
        &["--weights", "local-1=3,local-2=1"],
    );
    follows(&curve(&source), &seen, dropped, "weights");
}

#[test]
fn weights_by_name_choose_agents_of_a_fleet() {
    let controller = Controller::start();
    let _fleet = ["east", "north", "south"].map(|name| controller.agent(name));
    let source = scenario("regular");
    let flags = [
        "--controller",
        &controller.url,
        "--weights",
        "north=3,south=1",
    ];
    let folder = Folder::new("weights-names");
    let file = folder.write("arrivals.yaml", &source);
    let (url, seen) = record();
    let arguments = ["run", &file, "--base-url", &url];
    let said = said(&throng(&[&arguments[..], &flags].concat()).output().unwrap());
    assert!(
        said.code == 0 || said.code == 121,
        "{}: {}",
        said.code,
        said.err
    );
    let line = |name: &str| {
        let found = said
            .out
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        found.map(|line| {
            line.split_whitespace()
                .nth(1)
                .unwrap_or_default()
                .to_owned()
        })
    };
    assert_eq!(line("north").as_deref(), Some("75.0%"), "{}", said.out);
    assert_eq!(line("south").as_deref(), Some("25.0%"), "{}", said.out);
    assert_eq!(line("east"), None, "{}", said.out);
    assert!(!seen.lock().unwrap().is_empty());
}

#[test]
fn weights_that_fit_nobody_are_refused_before_anything_starts() {
    let folder = Folder::new("weights-bad");
    let file = folder.write("arrivals.yaml", &scenario("regular"));
    let table: [(&[&str], &str); 5] = [
        (&["--weights", "2,x"], "`x` is not a whole number"),
        (
            &["--weights", "2,1", "--agents", "3"],
            "--weights is for 2, and --agents says 3",
        ),
        (
            &["--weights", "local-1=2,locl-2=1"],
            "no agent of this process is called locl-2",
        ),
        (
            &["--weights", "0,0"],
            "at least one agent must have a weight above zero",
        ),
        (&["--weights", "9999,2"], "use rounder weights"),
    ];
    for (flags, wanted) in table {
        let arguments = ["run", &file, "--base-url", "http://127.0.0.1:9"];
        let said = said(&throng(&[&arguments[..], flags].concat()).output().unwrap());
        assert_eq!(said.code, 104, "{flags:?}: {}", said.err);
        assert!(said.err.contains(wanted), "{flags:?}: {}", said.err);
    }
}
