//! Measures what a request costs: throng's CPU beside a bare epoll client's and wrk's, against the same server in one run.
//!
//! Programs, not tests: nothing here passes or fails. `cpu` starts servers and clients itself, on loopback, and prints one
//! table; `floor` and `client` are two of the clients it starts. It knows nothing of how throng works inside, except
//! `client`, which drives the agent's request path alone.

mod client;
mod clock;
mod cpu;
mod floor;
mod process;
mod table;
mod target;
mod work;

use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;
use std::time::Duration;
use work::Work;

#[derive(Debug, Parser)]
#[command(
    name = "throng-bench",
    about = "What a request costs in CPU, beside a bare epoll client and wrk."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Measure every client against nginx and `throng demo --fast`, and print one table
    Cpu(cpu::Args),
    /// A bare, paced epoll client: the floor under any load generator
    Floor(Load),
    /// The agent's request path alone: sequential VUs, paced, nothing recorded
    Client(Load),
}

/// What a paced client is to do.
#[derive(Debug, Clone, Args)]
struct Load {
    /// The target's port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// `get` or `reservation`
    #[arg(long, default_value = "get")]
    work: Work,
    /// For `get`: what to ask for
    #[arg(long, default_value = "/")]
    path: String,
    /// Requests a second, all connections together
    #[arg(long, default_value_t = 5000)]
    rate: u32,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 50)]
    connections: u32,
    /// How long
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

impl Load {
    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// What a client did: one line of JSON on its stdout.
#[derive(Debug, Default)]
struct Done {
    /// Answered 200.
    requests: u64,
    /// Answered otherwise.
    errors: u64,
    /// Begun a millisecond or more after they were due.
    late: u64,
}

impl Done {
    fn print(&self) {
        println!(
            "{}",
            serde_json::json!({ "requests": self.requests, "errors": self.errors, "late": self.late })
        );
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Cpu(args) => cpu::measure(&args),
        Verb::Floor(load) => floor::run(&load).map(|done| done.print()),
        Verb::Client(load) => client::run(&load).map(|done| done.print()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throng-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
