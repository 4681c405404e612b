//! `cargo xtask sim`: tries seeds, and shows the first that breaks a law and how to repeat it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use throng_sim::{Outcome, Sabotage, run};

const USAGE: &str = "usage: cargo xtask sim [--ring a|b] [--seeds N] [--seed S] [--sabotage NAME]";

struct Wanted {
    seeds: u64,
    first: u64,
    /// One seed was asked for: it is shown.
    one: bool,
    sabotage: Option<Sabotage>,
    /// The second ring.
    streams: bool,
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        seeds: 300,
        first: 0,
        one: false,
        sabotage: None,
        streams: false,
    };
    let mut seeds = None;
    while let Some(argument) = arguments.next() {
        let value = arguments
            .next()
            .ok_or(format!("{argument} needs a value"))?;
        let number = || {
            value
                .parse()
                .map_err(|_| format!("{argument} {value}: not a number"))
        };
        match argument.as_str() {
            "--seeds" => seeds = Some(number()?),
            "--seed" => {
                wanted.first = number()?;
                wanted.one = true;
            }
            "--ring" => {
                wanted.streams = match value.as_str() {
                    "a" => false,
                    "b" => true,
                    _ => return Err(format!("there is no ring {value}: a or b")),
                };
            }
            "--sabotage" => {
                wanted.sabotage =
                    Some(Sabotage::named(&value).ok_or(format!("nothing is called {value}"))?);
            }
            _ => return Err(format!("{argument} is not known")),
        }
    }
    wanted.one &= seeds.is_none();
    let usual = if wanted.streams { 20 } else { wanted.seeds };
    wanted.seeds = seeds.unwrap_or(if wanted.one { 1 } else { usual });
    Ok(wanted)
}

fn main() -> ExitCode {
    let wanted = match wanted(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if wanted.one {
        return show(&wanted);
    }
    let next = AtomicU64::new(wanted.first);
    let broken = Mutex::new(BTreeMap::new());
    let verdicts = Mutex::new(Verdicts::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed - wanted.first >= wanted.seeds {
                        return;
                    }
                    let outcome = wanted.run(seed, false);
                    note(seed, outcome, &broken, &verdicts);
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_default();
    for (verdict, (count, because)) in &verdicts {
        println!("{count:>7}  {verdict}");
        for (facet, count) in because {
            println!("         {count:>7}  because of {facet}");
        }
    }
    let broken = broken.into_inner().unwrap_or_default();
    println!(
        "{} seeds from {}, {} broken",
        wanted.seeds,
        wanted.first,
        broken.len()
    );
    for (seed, how) in broken.iter().take(20) {
        println!("seed {seed}: {how}");
    }
    match broken.keys().next() {
        None => ExitCode::SUCCESS,
        Some(seed) => {
            let ring = if wanted.streams { " --ring b" } else { "" };
            println!("repeat it with: cargo xtask sim{ring} --seed {seed}");
            ExitCode::FAILURE
        }
    }
}

impl Wanted {
    fn run(&self, seed: u64, keep: bool) -> Outcome {
        if self.streams {
            throng_sim::ring_b::run(seed)
        } else {
            run(seed, self.sabotage, keep)
        }
    }
}

/// What runs came to: how many, and for which facets.
type Verdicts = BTreeMap<String, (u64, BTreeMap<String, u64>)>;

fn note(
    seed: u64,
    outcome: Outcome,
    broken: &Mutex<BTreeMap<u64, String>>,
    verdicts: &Mutex<Verdicts>,
) {
    if let (Some(how), Ok(mut broken)) = (outcome.broken, broken.lock()) {
        broken.insert(seed, how);
    }
    if let (Some(came), Ok(mut verdicts)) = (outcome.verdict, verdicts.lock()) {
        let (count, because) = verdicts.entry(came.to).or_default();
        *count += 1;
        for facet in came.because {
            *because.entry(facet).or_default() += 1;
        }
    }
}

/// One seed, with the end of its log.
fn show(wanted: &Wanted) -> ExitCode {
    if !wanted.streams {
        println!("{:#?}", throng_sim::Setting::new(wanted.first));
    }
    let outcome = wanted.run(wanted.first, true);
    for line in &outcome.tail {
        println!("{line}");
    }
    println!("{} events, hash {:016x}", outcome.events, outcome.hash);
    match (outcome.broken, outcome.verdict) {
        (Some(how), _) => {
            println!("broken: {how}");
            ExitCode::FAILURE
        }
        (None, came) => {
            let came = came.unwrap_or_default();
            println!("{}", came.to);
            for facet in came.because {
                println!("because of {facet}");
            }
            ExitCode::SUCCESS
        }
    }
}
