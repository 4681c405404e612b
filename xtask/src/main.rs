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
    // With the whole workspace's features, as `cargo test --workspace` has built it before: by itself it would have fewer, and all that it
    // depends on would be compiled once more. A package's test brings the package's program along.
    let build = [
        "test",
        "--quiet",
        "--workspace",
        "--test",
        "seeds",
        "--no-run",
    ];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = done(Command::new(cargo).args(build));
    if built != Ok(0) {
        return exit(built);
    }
    // This program lies beside it.
    match std::env::current_exe() {
        Ok(here) => exit(done(
            Command::new(here.with_file_name("throng-sim")).args(arguments),
        )),
        Err(error) => exit(Err(error.to_string())),
    }
}

/// The status with which a program ends.
fn done(command: &mut Command) -> Result<u8, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .current_dir(root())
        .status()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.ok_or_else(|| format!("{program}: {status}"))
}

fn exit(done: Result<u8, String>) -> ExitCode {
    done.map_or_else(
        |what| {
            eprintln!("{what}");
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
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
