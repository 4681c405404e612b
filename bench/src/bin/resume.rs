//! Measures how long a restarted controller takes to go on with a large run, and how long a checkpoint keeps it from directing.
//!
//! Makes a run's directory as a controller leaves it that is killed at the worst moment, and lets another one find it. A program, not a
//! test: nothing here passes or fails.

use clap::Parser;
use controller::active::Order;
use controller::director::{Director, Input};
use controller::journal::{Folder, LARGE};
use controller::link::{Link, Outgoing};
use controller::run::Needs;
use controller::weights::Weights;
use controller::{Config, clock, service_fleet};
use metrics::{Digits, Interval, Kind, Metric, Series, Tags, Trend, Value};
use plan::{Bundle, Overrides};
use proto::v1::{self, from_agent::Message as From};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// The director looks so often a second whether one is due.
const LOOKS: u64 = 10;
const S: u64 = 1_000_000_000;
const SCENARIO: &str = "
scenarios:
  load: { executor: constant-vus, vus: 1000, duration: 10h, exec: default }
flows:
  default: [{ get: 'http://h/' }]
";

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
    director: Director,
    run: String,
    now: u64,
    agents: Vec<Agent>,
    /// Who tells next, counted on.
    next: u32,
    bytes: u64,
    requests: u64,
    /// What decoding and merging took.
    took: Duration,
}

struct Agent {
    id: u64,
    link: Arc<Link>,
    // Held, for its end would end the agent's part.
    _stream: mpsc::Receiver<Outgoing>,
}

impl Left {
    fn begin(dir: &Path, cli: &Cli) -> Result<Self, String> {
        let now = clock::now();
        let director = Director::resuming(Config::default(), Folder::on_disk(dir)?, Some(now));
        let mut left = Self {
            director,
            run: String::new(),
            now,
            agents: Vec::new(),
            next: 0,
            bytes: 0,
            requests: 0,
            took: Duration::ZERO,
        };
        for seat in 0..cli.seats {
            left.hello(seat)?;
        }
        let order = order(cli.seats)?;
        let digest = order.plan.digest().to_vec();
        let started = left.ask(|reply| Input::Start(Box::new(order), true, reply))?;
        left.run = started.map_err(|refusal| format!("{refusal:?}"))?.run;
        for seat in 0..cli.seats {
            let prepared = v1::Prepared {
                run: left.run.clone(),
                epoch: 1,
                digest: digest.clone(),
                ..v1::Prepared::default()
            };
            left.say(seat, From::Prepared(prepared));
        }
        // T0 comes.
        left.tick(S);
        let begun = left
            .director
            .active()
            .is_some_and(|active| active.t0.is_some());
        begun
            .then_some(left)
            .ok_or_else(|| "the run did not begin".to_owned())
    }

    fn hello(&mut self, seat: u32) -> Result<(), String> {
        let (outbox, stream) = mpsc::channel(1 << 14);
        let link = Arc::new(Link::behind(Some(outbox), self.now, self.director.gate()));
        let hello = v1::Hello {
            name: format!("agent-{seat}"),
            incarnation: u64::from(seat) + 1,
            ..v1::Hello::default()
        };
        let (said, connection) = (link.clone(), u64::from(seat));
        let id = self.ask(|reply| Input::Hello(Box::new(hello), said, connection, reply))?;
        self.agents.push(Agent {
            id: id.ok_or("an agent was refused")?,
            link,
            _stream: stream,
        });
        Ok(())
    }

    fn ask<T>(&mut self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, String> {
        let (reply, mut answer) = oneshot::channel();
        self.director.take(self.now, input(reply));
        self.director.write(self.now);
        answer.try_recv().map_err(|error| error.to_string())
    }

    fn say(&mut self, seat: u32, message: From) {
        let agent = &self.agents[seat as usize];
        let (connection, now) = (u64::from(seat), self.now);
        if let Some(input) = service_fleet::input(&agent.link, connection, agent.id, message, now) {
            self.director.take(now, input);
        }
    }

    /// So much time goes by; milliseconds that the director took over it, and then the journal.
    fn tick(&mut self, by: u64) -> (f64, f64) {
        self.now += by;
        for agent in &self.agents {
            // Nobody's lease ends here.
            let _ = agent.link.answer(0, self.now);
        }
        let begun = Instant::now();
        self.director.tick(self.now);
        let took = begun.elapsed();
        self.director.write(self.now);
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
            self.now += S;
        }
        let wire = self.wire(cli, seat);
        self.bytes += prost::Message::encoded_len(&wire) as u64;
        self.requests += cli.series as u64 * cli.samples;
        let begun = Instant::now();
        self.say(seat, From::Interval(wire));
        self.took += begun.elapsed();
        self.director.write(self.now);
        self.next += 1;
    }

    fn checkpoint(&mut self) {
        let (usual, _) = self.tick(S / 10);
        let (due, written) = self.tick(40 * S);
        println!("{due:>10.1} ms for a tick with a checkpoint, {usual:.1} ms without");
        println!("{written:>10.1} ms until the journal's thread has it on disk");
    }

    fn wire(&self, cli: &Cli, seat: u32) -> v1::Interval {
        let sequence = u64::from(self.next / cli.seats);
        let second = i64::try_from(sequence).unwrap_or(0) * S as i64;
        let interval = Interval {
            agent: seat,
            incarnation: u64::from(seat) + 1,
            sequence,
            from: second,
            to: second + S as i64,
            series: (0..cli.series)
                .map(|series| requests(series as u64, u64::from(seat) + sequence, cli.samples))
                .collect(),
        };
        proto::convert::to_wire(&self.run, &interval)
    }
}

/// What a second of one kind of request comes to.
fn requests(series: u64, salt: u64, samples: u64) -> Series {
    let name = format!("/api/concerts/{{{{ id }}}}/schedules/{series}");
    let tags = [
        ("expected_response", "true"),
        ("group", ""),
        ("method", "GET"),
        ("name", &name),
        ("proto", "HTTP/1.1"),
        ("scenario", "load"),
        ("status", "200"),
    ];
    let tags = tags
        .into_iter()
        .fold(Tags::default(), |tags, (name, value)| {
            tags.with(name, value)
        });
    let mut random = series.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt;
    let mut trend = |digits: Digits, about: u64| {
        let mut trend = Trend::new(digits);
        for _ in 0..samples {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            trend.record(about / 2 + (random >> 33) % about);
        }
        Value::trend(trend)
    };
    let mut values = vec![
        (Metric::HttpReqs, Value::counter(samples as f64)),
        (Metric::HttpReqFailed, Value::rate(0, samples)),
    ];
    let times = [
        (Metric::HttpReqDuration, 20_000_000),
        (Metric::HttpReqBlocked, 20_000),
        (Metric::HttpReqConnecting, 200_000),
        (Metric::HttpReqTlsHandshaking, 1_000_000),
        (Metric::HttpReqSending, 30_000),
        (Metric::HttpReqWaiting, 19_000_000),
        (Metric::HttpReqReceiving, 200_000),
    ];
    for (metric, about) in times {
        debug_assert_eq!(metric.kind(), Kind::Trend);
        values.push((metric, trend(metric.resolution(), about)));
    }
    Series { tags, values }
}

fn order(seats: u32) -> Result<Order, String> {
    let bundle = Bundle {
        name: "large.yaml".to_owned(),
        source: SCENARIO.to_owned(),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        overrides: Overrides::default(),
        seed: 1,
    };
    let plan = plan::compile(&bundle).map_err(|wrong| wrong.render(false))?;
    Ok(Order {
        id: String::new(),
        name: bundle.name.clone(),
        seed: bundle.seed,
        unix_ms: clock::unix_ms(),
        bundle: serde_json::to_vec(&bundle).map_err(|error| error.to_string())?,
        plan,
        needs: Needs {
            expect: seats,
            min: 0,
            wait: S,
            preflight: false,
            on_loss: Default::default(),
        },
        weights: Weights::Equal,
    })
}
