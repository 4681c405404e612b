//! Measures when arrivals reach a target: how late each is, and how many come in one millisecond.
//!
//! Starts a recording server on the loopback and `throng run` against it, at several rates, and prints one table. Every request
//! carries its arrival's index, so what was due when is read from the plan. A program, not a test: nothing here passes or fails.

use clap::Parser;
use plan::{ArrivalCurve, Bundle};
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Parser)]
#[command(
    name = "arrivals",
    about = "When arrivals reach a target: error against the plan, and arrivals per millisecond."
)]
struct Cli {
    /// The program [default: `throng` beside this one]
    #[arg(long)]
    throng: Option<PathBuf>,
    /// Arrivals per second
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_u64, 5_000, 10_000])]
    rates: Vec<u64>,
    /// How long each
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Agents, one worker each
    #[arg(long, default_value_t = 1)]
    agents: u32,
    /// VUs in all
    #[arg(long, default_value_t = 200)]
    vus: u64,
    /// `regular` or `poisson`
    #[arg(long, default_value = "regular")]
    arrivals: String,
}

/// An arrival's index, and when it reached the server.
type Seen = Arc<Mutex<Vec<(u64, Instant)>>>;

fn main() -> ExitCode {
    match measure(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arrivals: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> io::Result<()> {
    let throng = match &cli.throng {
        Some(throng) => throng.clone(),
        None => std::env::current_exe()?.with_file_name("throng"),
    };
    println!(
        "{} arrivals, {} s each, {} agent(s) with one worker, {} VUs. Error: at the target, behind the quickest arrival of the run.",
        cli.arrivals, cli.seconds, cli.agents, cli.vus
    );
    println!(
        "{:>8} {:>9} {:>8}  {:>9} {:>9} {:>9}   {:>7} {:>6} {:>6} {:>6} {:>6}",
        "rate/s",
        "arrived",
        "missing",
        "p50",
        "p99",
        "max",
        "per ms",
        "p50",
        "p99",
        "max",
        "spread"
    );
    for rate in &cli.rates {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K{rate}/s");
        }
        let row = one(cli, &throng, *rate)?;
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        println!("{row}");
    }
    println!(
        "spread: variance of the arrivals in a millisecond, divided by their mean; 0 evenly spaced, 1 as random visitors, more in bursts."
    );
    Ok(())
}

/// One rate: a server, a run, and the row about it.
fn one(cli: &Cli, throng: &PathBuf, rate: u64) -> io::Result<String> {
    let source = format!(
        "scenarios:\n  main:\n    executor: constant-arrival-rate\n    rate: {rate}\n    duration: {}s\n    preAllocatedVUs: {}\n    arrivals: {}\nflows:\n  default:\n    - get: /{{{{ scenario_iteration }}}}\n",
        cli.seconds, cli.vus, cli.arrivals
    );
    let curve = curve(&source)?;
    let (port, seen) = serve()?;
    let output = Command::new(throng)
        .args(["run", "-", "--seed", "1", "--quiet", "--no-preflight"])
        .args(["--base-url", &format!("http://127.0.0.1:{port}")])
        .args(["--agents", &cli.agents.to_string()])
        .stdin(input(&source)?)
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", throng.display())))?;
    let mut seen = std::mem::take(
        &mut *seen
            .lock()
            .map_err(|_| io::Error::other("the server broke"))?,
    );
    if seen.is_empty() {
        return Err(io::Error::other(format!(
            "nothing arrived; throng said: {}",
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    seen.sort_by_key(|(_, at)| *at);
    Ok(row(rate, &curve, &seen))
}

fn row(rate: u64, curve: &ArrivalCurve, seen: &[(u64, Instant)]) -> String {
    let first = seen[0].1;
    // Nanoseconds between arriving and being due, both from beginnings of their own.
    let mut errors: Vec<i128> = seen
        .iter()
        .filter_map(|(index, at)| {
            let due = i128::from(curve.due_at(*index)?);
            Some(at.duration_since(first).as_nanos() as i128 - due)
        })
        .collect();
    errors.sort_unstable();
    let error = |q: f64| {
        let rank = (q * (errors.len() - 1) as f64).round() as usize;
        let behind = errors[rank] - errors[0];
        format!("{:.3}ms", behind as f64 / 1e6)
    };
    // The quickest arrival was due here, on the clock that begins with the first one.
    let zero = errors[0];
    let millis = usize::try_from(curve.duration() / 1_000_000).unwrap_or(0);
    let mut per_ms = vec![0_u32; millis];
    for (_, at) in seen {
        let t = at.duration_since(first).as_nanos() as i128 - zero;
        if let Some(count) = usize::try_from(t / 1_000_000)
            .ok()
            .and_then(|ms| per_ms.get_mut(ms))
        {
            *count += 1;
        }
    }
    let mean = per_ms.iter().map(|n| f64::from(*n)).sum::<f64>() / millis.max(1) as f64;
    let variance = per_ms
        .iter()
        .map(|n| (f64::from(*n) - mean).powi(2))
        .sum::<f64>()
        / millis.max(1) as f64;
    per_ms.sort_unstable();
    let count = |q: f64| {
        let rank = (q * per_ms.len().saturating_sub(1) as f64).round() as usize;
        per_ms.get(rank).copied().unwrap_or(0)
    };
    format!(
        "{rate:>8} {:>9} {:>8}  {:>9} {:>9} {:>9}   {mean:>7.2} {:>6} {:>6} {:>6} {:>6.2}",
        seen.len(),
        curve.total().saturating_sub(seen.len() as u64),
        error(0.5),
        error(0.99),
        error(1.0),
        count(0.5),
        count(0.99),
        count(1.0),
        variance / mean.max(f64::MIN_POSITIVE),
    )
}

fn curve(source: &str) -> io::Result<ArrivalCurve> {
    let bundle = Bundle {
        name: "arrivals".to_owned(),
        source: source.to_owned(),
        overrides: plan::Overrides {
            base_url: Some("http://127.0.0.1".to_owned()),
            ..plan::Overrides::default()
        },
        seed: 1,
        ..Bundle::default()
    };
    let plan = plan::compile(&bundle).map_err(|wrong| io::Error::other(wrong.to_string()))?;
    plan.scenarios
        .first()
        .and_then(|scenario| scenario.arrival_curve(plan.seed))
        .ok_or_else(|| io::Error::other("a plan without arrivals"))
}

/// The scenario as another process's stdin.
fn input(source: &str) -> io::Result<Stdio> {
    use std::io::Write as _;
    let (reader, mut writer) = io::pipe()?;
    // Smaller than a pipe's buffer.
    writer.write_all(source.as_bytes())?;
    Ok(reader.into())
}

/// A server on a thread of its own, until this process ends: notes the index in the path, answers in two bytes.
fn serve() -> io::Result<(u16, Seen)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(tokio::task::LocalSet::new().run_until(async move {
            let Ok(listener) = TcpListener::from_std(listener) else {
                return;
            };
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(answer(stream, Arc::clone(&kept)));
            }
        }));
    });
    Ok((port, seen))
}

async fn answer(mut stream: TcpStream, seen: Seen) {
    // Without it the answer would only be slower.
    let _ = stream.set_nodelay(true);
    let mut held = Vec::with_capacity(4096);
    loop {
        held.clear();
        loop {
            match stream.read_buf(&mut held).await {
                Ok(0) | Err(_) => return,
                Ok(_) if held.ends_with(b"\r\n\r\n") => break,
                Ok(_) => {}
            }
        }
        let at = Instant::now();
        let index = std::str::from_utf8(&held).ok().and_then(|head| {
            head.split_whitespace()
                .nth(1)?
                .strip_prefix('/')?
                .parse()
                .ok()
        });
        if let (Some(index), Ok(mut seen)) = (index, seen.lock()) {
            seen.push((index, at));
        }
        if stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await
            .is_err()
        {
            return;
        }
    }
}
