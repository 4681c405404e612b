//! Serves the demo until Ctrl-C: `cargo run --release -p throng-demo --example serve -- --help`.

use std::{error::Error, net::SocketAddr};

use clap::Parser;

/// The concert reservation service to practise on
#[derive(Parser)]
struct Program {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[command(flatten)]
    flags: throng_demo::Flags,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let program = Program::parse();
    let running = throng_demo::start(program.listen, program.flags.options()).await?;
    eprintln!("listening at http://{}", running.address());
    tokio::signal::ctrl_c().await?;
    println!("{}", serde_json::to_string_pretty(&running.stop().await)?);
    Ok(())
}
