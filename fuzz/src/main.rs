//! `cargo run --release -p throng-fuzz -- --seconds N [TARGET]`: tries targets for as long as wanted; a broken one is written down.
#![expect(
    clippy::disallowed_methods,
    reason = "how long to try is real time, and nothing else here reads a clock"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};
use throng_fuzz::{ALL, Target, driver};

const USAGE: &str =
    "usage: throng-fuzz [--seconds N] [--seed N] [--file INPUT] [TARGET...]; targets:";

fn main() -> ExitCode {
    match wanted(std::env::args().skip(1)) {
        Ok(wanted) => wanted.go(),
        Err(wrong) => {
            let names = ALL.map(|target| target.name).join(" ");
            eprintln!("{wrong}\n{USAGE} {names}");
            ExitCode::from(2)
        }
    }
}

struct Wanted {
    seconds: u64,
    seed: u64,
    file: Option<String>,
    targets: Vec<Target>,
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        seconds: 10,
        // Another one each time, printed, so that it can be given again.
        seed: u64::from(std::process::id()),
        file: None,
        targets: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let text = arguments.next().unwrap_or_default();
            text.parse()
                .map_err(|_| format!("{argument} {text}: not a number"))
        };
        match argument.as_str() {
            "--seconds" => wanted.seconds = number()?,
            "--seed" => wanted.seed = number()?,
            "--file" => wanted.file = arguments.next(),
            name => match ALL.into_iter().find(|target| target.name == name) {
                Some(target) => wanted.targets.push(target),
                None => return Err(format!("there is no target `{name}`")),
            },
        }
    }
    if wanted.targets.is_empty() {
        wanted.targets = ALL.into();
    }
    Ok(wanted)
}

impl Wanted {
    fn go(self) -> ExitCode {
        if let Some(file) = self.file {
            let bytes = match std::fs::read(&file) {
                Ok(bytes) => bytes,
                Err(error) => {
                    eprintln!("{file}: {error}");
                    return ExitCode::from(2);
                }
            };
            for target in self.targets {
                println!("{}: kind {:x}", target.name, (target.run)(&bytes));
            }
            return ExitCode::SUCCESS;
        }
        for target in self.targets {
            let begun = Instant::now();
            let time = Duration::from_secs(self.seconds);
            let tried = driver::drive(target, self.seed, |_| begun.elapsed() < time);
            println!(
                "{}: {} inputs, {} kinds of answers, seed {}",
                target.name, tried.inputs, tried.kinds, self.seed
            );
            if let Some(input) = tried.broke {
                let file = format!("fuzz-broke-{}-{}", target.name, self.seed);
                match std::fs::write(&file, &input) {
                    Ok(()) => eprintln!(
                        "{} broke; its input is in {file}: try it again with --file",
                        target.name
                    ),
                    Err(error) => eprintln!("{} broke on {input:?} ({file}: {error})", target.name),
                }
                return ExitCode::FAILURE;
            }
        }
        ExitCode::SUCCESS
    }
}
