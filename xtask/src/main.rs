//! Chores of this repository: `cargo xtask tidy` holds the house rules, `cargo xtask sim` simulates. It knows the files, not what they do.

use std::path::Path;
use std::process::{Command, ExitCode};

mod tidy;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let chore = arguments.next();
    let rest: Vec<String> = arguments.collect();
    match (chore.as_deref(), rest.is_empty()) {
        (Some("tidy"), true) => {
            let report = tidy::look(root());
            print!("{report}");
            if report.faults.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        (Some("sim"), _) => sim(&rest),
        _ => {
            eprintln!(
                "usage: cargo xtask tidy\n       cargo xtask sim [--ring a|b] [--seeds N] [--seed S]\n\n  \
                 tidy   holds the house rules: arrows between rooms, sizes, door signs, links, flags\n  \
                 sim    tries seeds of the simulated cluster; docs/simulation.md"
            );
            ExitCode::from(2)
        }
    }
}

/// Runs the simulation, built as tests are: with every assertion and overflow check.
fn sim(arguments: &[String]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--package", "throng-sim", "--"])
        .args(arguments)
        .current_dir(root())
        .status();
    match status {
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("cargo cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        let report = crate::tidy::look(crate::root());
        assert!(report.faults.is_empty(), "{report}");
    }
}
