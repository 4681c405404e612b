//! Starts a server and a client, lets them warm up, and counts: CPU by the kernel, requests by the server.

use super::clock::now;
use super::process::{Process, core_count};
use super::table::{Round, Row, json, render};
use super::target::Target;
use super::work::Work;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Before it is counted: connections are opened, caches are warm.
const WARM_UP: Duration = Duration::from_millis(1500);
/// The server's core and the client's, if there are two.
const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The throng binary: `demo --fast` as a target, `run` as a client; without it, and none beside this program, only nginx is measured
    #[arg(long)]
    throng: Option<PathBuf>,
    /// wrk, if it is there
    #[arg(long, default_value = "/usr/bin/wrk")]
    wrk: PathBuf,
    /// nginx, if it is there
    #[arg(long, default_value = "/usr/sbin/nginx")]
    nginx: PathBuf,
    /// Requests a second; keep it well below what the server can do
    #[arg(long, default_value_t = 5000)]
    rate: u32,
    /// As fast as the connections allow, as wrk does, instead of at a rate; the server is saturated, which flatters everybody
    #[arg(long, conflicts_with = "rate")]
    unpaced: bool,
    /// Connections (VUs)
    #[arg(long, default_value_t = 50)]
    connections: u32,
    /// Seconds that are counted in each round
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Rounds of each client; the best counts, the worst is shown beside
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only clients whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Also write the table as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A client that can be started.
struct Candidate {
    name: &'static str,
    command: Command,
    /// It goes as fast as it can: its rate is a result.
    unpaced: bool,
}

/// Measures everything there is and prints the table.
pub(crate) fn measure(args: &Args) -> io::Result<()> {
    let here = std::env::current_exe()?;
    let throng = args
        .throng
        .clone()
        .or_else(|| Some(here.with_file_name("throng")).filter(|path| path.exists()));
    let cores = core_count()?;
    let pace = if args.unpaced {
        "as fast as they can".to_owned()
    } else {
        format!("{} requests/s", args.rate)
    };
    println!(
        "{pace} over {} connections, {} rounds of {} s, {cores} cores{}",
        args.connections,
        args.rounds,
        args.seconds,
        match cores {
            1 => ": client and server share one",
            _ => ": one for the server, one for the client",
        }
    );
    let mut rows = Vec::new();
    if args.nginx.exists() {
        let target = Target::nginx(&args.nginx, SERVER_CORE)?;
        rows.extend(against(args, &here, throng.as_deref(), target, Work::Get)?);
    }
    if let Some(throng) = throng.as_deref() {
        for work in [Work::Get, Work::Reservation] {
            let target = Target::demo(throng, SERVER_CORE)?;
            rows.extend(against(args, &here, Some(throng), target, work)?);
        }
    }
    println!("\n{}", render(&rows));
    println!(
        "wrk is never paced: it goes as fast as its connections allow. At one connection it never finds two answers at once."
    );
    if let Some(file) = &args.json {
        fs::write(file, format!("{:#}\n", json(&rows)))?;
    }
    Ok(())
}

/// All clients that can do `work`, against one server.
fn against(
    args: &Args,
    here: &Path,
    throng: Option<&Path>,
    mut target: Target,
    work: Work,
) -> io::Result<Vec<Row>> {
    let scenario = throng
        .map(|_| Scenario::write(args, work, target.path))
        .transpose()?;
    let mut rows: Vec<Row> = Vec::new();
    for round in 0..args.rounds {
        for mut candidate in candidates(args, here, throng, scenario.as_ref(), &target, work) {
            if args
                .only
                .as_deref()
                .is_some_and(|only| !candidate.name.contains(only) && candidate.name != "floor")
            {
                continue;
            }
            progress(&format!(
                "{} {} round {}/{}",
                target.name,
                candidate.name,
                round + 1,
                args.rounds
            ));
            let label = format!("{} against {}", candidate.name, target.name);
            let mut round = one(args, &mut candidate, &mut target)
                .map_err(|error| io::Error::other(format!("{label}: {error}")))?;
            let paced = !candidate.unpaced && !args.unpaced;
            round.slow = paced && round.rate() < f64::from(args.rate) * 0.98;
            if round.slow {
                eprintln!(
                    "{label}: {:.0} requests/s instead of {}: too slow for this machine now; try a lower --rate",
                    round.rate(),
                    args.rate
                );
            }
            if round.failed * 200 > round.requests {
                eprintln!(
                    "{label}: {} of {} requests were not answered with 200: the costs are of another work",
                    round.failed, round.requests
                );
            }
            match rows.iter_mut().find(|row| row.client == candidate.name) {
                Some(row) => row.rounds.push(round),
                None => rows.push(Row {
                    target: target.name,
                    work: match work {
                        Work::Get => "GET",
                        Work::Reservation => "reservation",
                    },
                    client: candidate.name,
                    rounds: vec![round],
                }),
            }
        }
    }
    progress("");
    Ok(rows)
}

/// What is being measured, for who watches; nothing in a file.
fn progress(what: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}

/// One client, one round.
fn one(args: &Args, candidate: &mut Candidate, target: &mut Target) -> io::Result<Round> {
    let mut client = Process::start(&mut candidate.command, CLIENT_CORE)?;
    std::thread::sleep(WARM_UP);
    let began = (
        now(),
        client.cpu()?,
        target.process.cpu()?,
        target.served()?,
    );
    std::thread::sleep(Duration::from_secs(args.seconds.into()));
    client.still_runs()?;
    target.process.still_runs()?;
    let ended = (
        now(),
        client.cpu()?,
        target.process.cpu()?,
        target.served()?,
    );
    Ok(Round {
        time: ended.0.duration_since(began.0),
        client_cpu: ended.1.saturating_sub(began.1),
        server_cpu: ended.2.saturating_sub(began.2),
        requests: ended.3.requests.saturating_sub(began.3.requests),
        slow: false,
        failed: ended.3.failed.saturating_sub(began.3.failed),
    })
}

fn candidates(
    args: &Args,
    here: &Path,
    throng: Option<&Path>,
    scenario: Option<&Scenario>,
    target: &Target,
    work: Work,
) -> Vec<Candidate> {
    let seconds = total_seconds(args);
    // A rate that nobody reaches is no pace at all.
    let rate = if args.unpaced {
        1_000_000_000
    } else {
        args.rate
    };
    let own = |verb: &str| {
        let mut command = Command::new(here);
        command.args([
            verb,
            "--port",
            &target.port.to_string(),
            "--rate",
            &rate.to_string(),
            "--connections",
            &args.connections.to_string(),
        ]);
        command.args(["--seconds", &seconds.to_string(), "--path", target.path]);
        command.args([
            "--work",
            if work == Work::Get {
                "get"
            } else {
                "reservation"
            },
        ]);
        command
    };
    let mut all = vec![
        Candidate {
            name: "floor",
            command: own("floor"),
            unpaced: false,
        },
        Candidate {
            name: "throng's request path",
            command: own("client"),
            unpaced: false,
        },
    ];
    if let (Some(throng), Some(scenario)) = (throng, scenario) {
        let mut command = Command::new(throng);
        command
            .args([
                "run",
                "--quiet",
                "--agents",
                "1",
                "--base-url",
                &format!("http://127.0.0.1:{}", target.port),
            ])
            .arg(&scenario.0);
        all.push(Candidate {
            name: "throng run",
            command,
            unpaced: false,
        });
    }
    if work == Work::Get && args.wrk.exists() {
        for (name, connections) in [("wrk, unpaced", args.connections), ("wrk, 1 connection", 1)] {
            let mut command = Command::new(&args.wrk);
            command.args([
                "-t1",
                "-c",
                &connections.to_string(),
                "-d",
                &format!("{seconds}s"),
                "-H",
                "user-id: 7",
            ]);
            command.arg(format!("http://127.0.0.1:{}{}", target.port, target.path));
            all.push(Candidate {
                name,
                command,
                unpaced: true,
            });
        }
    }
    all
}

/// How long a client is told to run: longer than it is counted.
fn total_seconds(args: &Args) -> u32 {
    args.seconds + 10
}

/// The same work as a scenario file for `throng run`.
struct Scenario(PathBuf);

impl Scenario {
    fn write(args: &Args, work: Work, path: &str) -> io::Result<Self> {
        let name = format!(
            "throng-bench-{}-{}.yaml",
            std::process::id(),
            if work == Work::Get {
                "get"
            } else {
                "reservation"
            }
        );
        let file = std::env::temp_dir().join(name);
        let (seconds, vus) = (total_seconds(args), args.connections);
        let executor = if args.unpaced {
            format!("executor: constant-vus\n    vus: {vus}")
        } else {
            let rate = args.rate / work.steps();
            format!(
                "executor: constant-arrival-rate\n    rate: {rate}\n    timeUnit: 1s\n    preAllocatedVUs: {vus}"
            )
        };
        let head = format!(
            "baseURL: http://127.0.0.1\nscenarios:\n  bench:\n    {executor}\n    duration: {seconds}s\n    gracefulStop: 1s\n"
        );
        let flow = match work {
            Work::Get => format!(
                "flows:\n  default:\n    - get: {path}\n      headers: {{ user-id: \"7\" }}\n"
            ),
            Work::Reservation => include_str!("reservation.yaml").to_owned(),
        };
        fs::write(&file, head + &flow)?;
        Ok(Self(file))
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        // Left-overs of a temporary directory harm nobody.
        let _ = fs::remove_file(&self.0);
    }
}
