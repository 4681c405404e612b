//! Measures how long a restarted controller takes to go on with a large run, and how long a checkpoint keeps it from directing.
//!
//! Makes a run's directory as a controller leaves it that is killed at the worst moment, and lets another one find it. A program, not a
//! test: nothing here passes or fails.

mod fleet;

use clap::Parser;
use controller::director::Director;
use controller::journal::{Folder, LARGE};
use controller::{Config, clock};
use fleet::{Crowd, S, Shape, interval};
use metrics::Metric;
use proto::v1::{self, from_agent::Message as From};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The director looks so often a second whether one is due.
const LOOKS: u64 = 10;

#[derive(Debug, Parser)]
#[command(
    name = "resume",
    about = "How long a restarted controller takes to go on, and what a checkpoint costs it."
)]
struct Cli {
    /// Series of each agent, each of requests with all their phases
    #[arg(long, default_value_t = 1000)]
    series: usize,
    /// Agents
    #[arg(long, default_value_t = 50)]
    seats: u32,
    /// Requests in each series of an interval
    #[arg(long, default_value_t = 5)]
    samples: u64,
    /// Intervals since the newest checkpoint [default: as many as there can be]
    #[arg(long)]
    mib: Option<u64>,
    /// Seconds that were merged into that checkpoint
    #[arg(long, default_value_t = 3)]
    before: u64,
}

fn main() -> ExitCode {
    match measure(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("resume: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> Result<(), String> {
    let dir = std::env::temp_dir().join(format!("throng-resume-{}", std::process::id()));
    let measured = in_folder(cli, &dir);
    // What cannot be removed is in the directory for what is temporary.
    let _ = std::fs::remove_dir_all(&dir);
    measured
}

fn in_folder(cli: &Cli, dir: &Path) -> Result<(), String> {
    println!(
        "{} agents with {} series each, {} requests a second in each series:",
        cli.seats, cli.series, cli.samples
    );
    let mut left = Left::begin(dir, cli)?;
    for _ in 0..cli.before {
        left.second(cli);
    }
    left.checkpoint();
    let length = prost::Message::encoded_len(&left.wire(cli, 0)) as u64 * u64::from(cli.seats);
    println!("{:>10.1} MiB of intervals a second", mib(length));
    let before = left.bytes;
    // When so much is there, the next look makes another checkpoint.
    let most = LARGE + length / LOOKS;
    let most = cli.mib.map_or(most, |mib| mib << 20);
    while left.bytes - before < most {
        left.agent_second(cli);
    }
    println!(
        "{:>10.1} MiB of intervals since the newest checkpoint",
        mib(left.bytes - before)
    );
    println!(
        "{:>10.2} s to decode and merge a second of the fleet",
        left.took.as_secs_f64() / f64::from(left.next) * f64::from(cli.seats)
    );
    let expected = left.requests;
    drop(left);
    for _ in 0..3 {
        let begun = Instant::now();
        let folder = Folder::on_disk(dir)?;
        let director = Director::resuming(Config::default(), folder, None);
        let took = begun.elapsed();
        let active = director.active().ok_or("the run is gone")?;
        let found = active.gather.count(Metric::HttpReqs);
        if found != expected {
            return Err(format!("{found} requests of {expected} are there"));
        }
        println!(
            "{:>10.0} ms until a restarted controller went on",
            took.as_secs_f64() * 1e3
        );
        drop(director);
        // Its thread gives the directory back when it has written everything.
        while Folder::on_disk(dir).is_err() {
            std::thread::yield_now();
        }
    }
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A controller whose run makes load, and what it was told.
struct Left {
    crowd: Crowd,
    /// Who tells next, counted on.
    next: u32,
    bytes: u64,
    requests: u64,
    /// What decoding and merging took.
    took: Duration,
}

impl Left {
    fn begin(dir: &Path, cli: &Cli) -> Result<Self, String> {
        let now = clock::now();
        let director = Director::resuming(Config::default(), Folder::on_disk(dir)?, Some(now));
        Ok(Self {
            crowd: Crowd::begin(director, now, cli.seats)?,
            next: 0,
            bytes: 0,
            requests: 0,
            took: Duration::ZERO,
        })
    }

    /// So much time goes by; milliseconds that the director took over it, and then the journal.
    fn tick(&mut self, by: u64) -> (f64, f64) {
        self.crowd.go_by(by);
        let now = self.crowd.now;
        let begun = Instant::now();
        self.crowd.director.tick(now);
        let took = begun.elapsed();
        self.crowd.director.write(now);
        let written = begun.elapsed() - took;
        (took.as_secs_f64() * 1e3, written.as_secs_f64() * 1e3)
    }

    /// Each agent tells of a second.
    fn second(&mut self, cli: &Cli) {
        for _ in 0..cli.seats {
            self.agent_second(cli);
        }
    }

    /// The next agent tells of a second.
    fn agent_second(&mut self, cli: &Cli) {
        let seat = self.next % cli.seats;
        if seat == 0 {
            self.crowd.now += S;
        }
        let wire = self.wire(cli, seat);
        self.bytes += prost::Message::encoded_len(&wire) as u64;
        self.requests += cli.series as u64 * cli.samples;
        let begun = Instant::now();
        self.crowd.say(seat, From::Interval(wire));
        self.took += begun.elapsed();
        self.crowd.director.write(self.crowd.now);
        self.next += 1;
    }

    fn checkpoint(&mut self) {
        let (usual, _) = self.tick(S / 10);
        let (due, written) = self.tick(40 * S);
        println!("{due:>10.1} ms for a tick with a checkpoint, {usual:.1} ms without");
        println!("{written:>10.1} ms until the journal's thread has it on disk");
    }

    fn wire(&self, cli: &Cli, seat: u32) -> v1::Interval {
        let shape = Shape {
            series: cli.series,
            steps: cli.series,
            samples: cli.samples,
        };
        let sequence = u64::from(self.next / cli.seats);
        proto::convert::to_wire(&self.crowd.run, &interval(shape, seat, sequence))
    }
}
