//! Chores of this repository: `cargo xtask tidy` holds the house rules. It knows the files, not what they do.

use std::path::Path;
use std::process::ExitCode;

mod tidy;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("tidy"), None) => {
            let report = tidy::look(root());
            print!("{report}");
            if report.faults.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        _ => {
            eprintln!(
                "usage: cargo xtask tidy\n\n  tidy   holds the house rules: arrows between rooms, sizes, door signs, links, flags"
            );
            ExitCode::from(2)
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
