//! Measures what it costs a controller that somebody watches: each second, and for each who comes.
//!
//! Fills a controller as a large fleet does, and lets it go on with nobody, one and many watching. A program, not a test: nothing here
//! passes or fails.
#![expect(unsafe_code, reason = "a libc call for the thread's CPU time")]

mod fleet;

use clap::Parser;
use controller::Config;
use controller::clock;
use controller::director::{Director, Input, Watched};
use controller::view::seconds::Seconds;
use fleet::{Crowd, S, Shape, interval};
use proto::v1::{self, from_agent::Message as From};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(
    name = "view",
    about = "What it costs a controller that a run is watched."
)]
struct Cli {
    /// Agents
    #[arg(long, default_value_t = 50)]
    seats: u32,
    /// Series of each agent, each of requests with all their phases
    #[arg(long, default_value_t = 1000)]
    series: usize,
    /// Steps that they belong to
    #[arg(long, value_delimiter = ',', default_values_t = [20])]
    steps: Vec<usize>,
    /// Requests in each series of an interval
    #[arg(long, default_value_t = 5)]
    samples: u64,
    /// How long the run has gone on
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How often each is measured; the least counts
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    println!(
        "{} agents with {} series each, {} requests a second in each series; {} s into the run; CPU time",
        cli.seats, cli.series, cli.samples, cli.seconds
    );
    for steps in &cli.steps {
        let shape = Shape {
            series: cli.series,
            steps: (*steps).max(1),
            samples: cli.samples,
        };
        if let Err(error) = measure(&cli, shape) {
            eprintln!("view: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure(cli: &Cli, shape: Shape) -> Result<(), String> {
    let now = clock::now();
    let mut watched = Seen::begin(cli, now)?;
    // What is long gone costs by its points alone.
    let thin = Shape {
        series: 1,
        steps: 1,
        samples: 100,
    };
    let thin = watched.wires(cli, thin);
    for _ in 0..cli.seconds {
        watched.second(&thin);
        watched.tick()?;
    }
    println!("{} series of {} steps:", shape.series, shape.steps);
    let wires = watched.wires(cli, shape);
    for _ in 0..2 {
        watched.second(&wires);
        watched.tick()?;
    }
    let row = |what: &str, ms: f64| println!("{ms:>10.2} ms  {what}");
    let nobody = watched.seconds(cli, &wires)?;
    row("a tick each second while nobody watches", nobody);
    let mut watchers = vec![watched.watch()?];
    let one = watched.seconds(cli, &wires)?;
    row("while one watches", one);
    for _ in 0..9 {
        watchers.push(watched.watch()?);
    }
    let ten = watched.seconds(cli, &wires)?;
    row("while ten watch", ten);
    let mut first = f64::MAX;
    let mut again = f64::MAX;
    for _ in 0..cli.rounds {
        watched.second(&wires);
        watched.tick()?;
        first = first.min(watched.costs(|seen| seen.watch().map(drop))?);
        again = again.min(watched.costs(|seen| seen.watch().map(drop))?);
    }
    row("for one who comes", first);
    row("for the next in the same second", again);
    let mut alone = f64::MAX;
    let mut seconds = Seconds::default();
    let wires = wires.iter().map(proto::convert::from_wire);
    let mut intervals = wires
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    for second in 0..i64::from(cli.rounds) {
        for interval in &mut intervals {
            (interval.from, interval.to) = (second * S as i64, (second + 1) * S as i64);
        }
        let took = cpu(|| {
            for interval in &intervals {
                seconds.observe(interval);
            }
            seconds.let_go(second + 1);
            Ok(())
        })?;
        alone = alone.min(took);
    }
    row("each second for its points, watched or not", alone);
    Ok(())
}

struct Seen {
    crowd: Crowd,
    next: u64,
}

impl Seen {
    fn begin(cli: &Cli, now: u64) -> Result<Self, String> {
        let director = Director::new(Config::default());
        Ok(Self {
            crowd: Crowd::begin(director, now, cli.seats)?,
            next: 0,
        })
    }

    /// What each agent measures in a second.
    fn wires(&self, cli: &Cli, shape: Shape) -> Vec<v1::Interval> {
        let wire = |seat| proto::convert::to_wire(&self.crowd.run, &interval(shape, seat, 0));
        (0..cli.seats).map(wire).collect()
    }

    /// Every agent tells of a second.
    fn second(&mut self, wires: &[v1::Interval]) {
        self.crowd.go_by(S);
        let from = self.next as i64 * S as i64;
        let to = from + S as i64;
        for (seat, wire) in (0..).zip(wires) {
            let wire = v1::Interval {
                sequence: self.next,
                from_ns: from,
                to_ns: to,
                ..wire.clone()
            };
            self.crowd.say(seat, From::Interval(wire));
            let beat = v1::Heartbeat {
                run: self.crowd.run.clone(),
                epoch: 1,
                run_ns: Some(to),
                vus: 20,
                ..v1::Heartbeat::default()
            };
            self.crowd.say(seat, From::Heartbeat(beat));
        }
        self.next += 1;
    }

    fn tick(&mut self) -> Result<f64, String> {
        let now = self.crowd.now;
        let took = cpu(|| {
            self.crowd.director.tick(now);
            Ok(())
        })?;
        self.crowd.director.write(now);
        Ok(took)
    }

    /// What a tick costs in which a second is completed; the least of some.
    fn seconds(&mut self, cli: &Cli, wires: &[v1::Interval]) -> Result<f64, String> {
        let mut least = f64::MAX;
        for _ in 0..cli.rounds {
            self.second(wires);
            least = least.min(self.tick()?);
        }
        Ok(least)
    }

    fn watch(&mut self) -> Result<Watched, String> {
        let run = self.crowd.run.clone();
        let watched = self.crowd.ask(|reply| Input::Watch(run, reply))?;
        watched.map_err(|refusal| format!("{refusal:?}"))
    }

    fn costs(&mut self, of: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<f64, String> {
        cpu(|| of(self))
    }
}

/// Milliseconds of this thread's CPU time.
fn cpu(work: impl FnOnce() -> Result<(), String>) -> Result<f64, String> {
    let before = spent()?;
    work()?;
    Ok((spent()? - before) as f64 / 1e6)
}

/// CPU time of this thread so far, in nanoseconds.
fn spent() -> Result<u64, String> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is written by the call and lives until after it.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0 {
        return Err(std::io::Error::last_os_error().to_string());
    }
    Ok(time.tv_sec.cast_unsigned() * S + time.tv_nsec.cast_unsigned())
}
