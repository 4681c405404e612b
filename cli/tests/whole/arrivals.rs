//! Arrivals at the target follow the curve, whoever fires them: a recording server on the loopback is the witness.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Folder, said, throng};
use crate::counts::count;
use plan::{ArrivalCurve, Bundle};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// Runs it; gives what the server saw, how many arrivals were dropped, and who watched the machine.
fn run(name: &str, source: &str, fleet: &[&str]) -> (Vec<(u64, u64)>, u64, Witness) {
    let folder = Folder::new(name);
    let file = folder.write("arrivals.yaml", source);
    let summary = folder.file("out.json");
    let (url, seen) = record();
    // The clock's begin lies before every arrival.
    let witness = Witness::new();
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
    (seen, dropped, witness)
}

/// Each index once, none twice, none missing but those that were dropped aloud; and each at its time.
fn follows(
    curve: &ArrivalCurve,
    (seen, dropped, witness): &(Vec<(u64, u64)>, u64, Witness),
    what: &str,
) {
    let mut indexes: Vec<u64> = seen.iter().map(|(index, _)| *index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    assert_eq!(indexes.len(), seen.len(), "{what}: an index came twice");
    assert_eq!(
        indexes.len() as u64 + *dropped,
        curve.total(),
        "{what}: {dropped} dropped"
    );
    assert!(indexes.iter().all(|index| *index < curve.total()), "{what}");
    let off = distance(curve, seen);
    let stall = witness.longest().as_secs_f64();
    // What this machine kept from running for so long came in a heap behind it: 150 arrivals a second at most.
    let excused = 150.0 * stall / curve.total() as f64;
    assert!(
        off.count <= 0.04 + excused && off.windows <= 0.10 + 2.0 * excused,
        "{what}: {off:?}, with a stall of {stall:.3} s"
    );
}

/// How far what was seen is from the curve, in parts of all arrivals.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Distance {
    /// Kolmogorov and Smirnov's: how far the number seen so far is ever from the number due so far.
    count: f64,
    /// Half the sum over all tenths of a second of how far the number seen in one is from the number due in it.
    windows: f64,
}

fn distance(curve: &ArrivalCurve, seen: &[(u64, u64)]) -> Distance {
    const WINDOW: u64 = 100_000_000;
    // The test does not know T0; whatever was quickest was at once there. Who is early makes all others late by that.
    let t0 = seen
        .iter()
        .map(|(index, at)| i128::from(*at) - i128::from(curve.due_at(*index).unwrap()))
        .min()
        .unwrap();
    let mut at: Vec<u64> = seen
        .iter()
        .map(|(_, at)| u64::try_from(i128::from(*at) - t0).unwrap())
        .collect();
    at.sort_unstable();
    let total = curve.total() as f64;
    let by = |t: u64| at.partition_point(|at| *at <= t) as f64;
    let due = |t: u64| curve.due_by(t.min(curve.duration())) as f64;
    let end = curve.duration().max(*at.last().unwrap());
    let mut off = Distance {
        count: 0.0,
        windows: 0.0,
    };
    for window in 0..=end / WINDOW {
        let (from, to) = (window * WINDOW, (window + 1) * WINDOW);
        let before = if window == 0 {
            (0.0, 0.0)
        } else {
            (by(from), due(from))
        };
        off.count = off.count.max((by(to) - due(to)).abs() / total);
        off.windows += ((by(to) - before.0) - (due(to) - before.1)).abs() / total / 2.0;
    }
    off
}

/// Looks at the clock every five milliseconds: what it missed, nobody could do.
struct Witness {
    longest: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Witness {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test of real processes waits in real time"
    )]
    fn new() -> Self {
        let (longest, over) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (into, until) = (Arc::clone(&longest), Arc::clone(&over));
        std::thread::spawn(move || {
            let pause = Duration::from_millis(5);
            let mut last = nanos();
            while !until.load(Ordering::Relaxed) {
                std::thread::sleep(pause);
                let now = nanos();
                into.fetch_max(now - last, Ordering::Relaxed);
                last = now;
            }
        });
        Self { longest, over }
    }

    fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest.load(Ordering::Relaxed))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The bound tells the curve from what is not the curve.
#[test]
fn what_does_not_follow_the_curve_is_told_apart() {
    let curve = curve(&scenario("regular"));
    let seen = |at: &dyn Fn(u64, u64) -> u64| -> Vec<(u64, u64)> {
        let all = (0..curve.total()).map(|n| (n, at(n, curve.due_at(n).unwrap())));
        all.collect()
    };
    const MS: u64 = 1_000_000;
    let off = |at: &dyn Fn(u64, u64) -> u64| distance(&curve, &seen(at));
    let fine = |off: Distance| off.count <= 0.04 && off.windows <= 0.10;
    assert!(fine(off(&|_, due| due + 77 * MS)), "T0 is not known");
    assert!(
        fine(off(&|n, due| due + n * 7919 % 12 * MS)),
        "a little late"
    );
    assert!(!fine(off(&|n, _| n * 10 * MS)), "a constant rate");
    assert!(!fine(off(&|_, due| due / 250 / MS * 250 * MS)), "in heaps");
    assert!(
        !fine(off(&|n, due| due + n % 2 * 250 * MS)),
        "one agent of two is late"
    );
    assert!(!fine(off(&|_, due| due + due / 10)), "a clock that is slow");
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
        let ran = run(&name, &source, &["--agents", &agents.to_string()]);
        follows(&curve(&source), &ran, &format!("{arrivals} over {agents}"));
    }
}

#[test]
fn arrivals_follow_the_curve_whatever_the_weights() {
    let source = scenario("regular");
    let ran = run(
        "arrivals-weights",
        &source,
        &["--weights", "local-1=3,local-2=1"],
    );
    follows(&curve(&source), &ran, "weights");
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
