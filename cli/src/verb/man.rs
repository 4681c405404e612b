//! `throng man`: manual pages, one for throng and one for each verb, made from the same words as `--help`.

use crate::args;
use crate::error::Error;
use clap::Command;
use std::path::PathBuf;

/// `throng man`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to write them; made if it is not there
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

const EXAMPLES: &str = "\
Example:
  throng man /usr/local/share/man/man1 && man throng-run";

/// Writes the pages and prints their names.
///
/// # Errors
/// `Flags` when the folder cannot be written to.
pub(crate) fn run(args: &Args) -> Result<u8, Error> {
    let refused = |error: std::io::Error| {
        Error::flags(
            format!(
                "cannot write manual pages to {}: {error}",
                args.folder.display()
            ),
            "give a folder that may be written to",
        )
    };
    std::fs::create_dir_all(&args.folder).map_err(refused)?;
    for (name, page) in pages().map_err(refused)? {
        let path = args.folder.join(&name);
        std::fs::write(&path, page).map_err(refused)?;
        println!("{}", path.display());
    }
    Ok(0)
}

/// The pages by file name.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = args::command().disable_help_flag(false);
    // Gives every verb its whole name and the flags that all share.
    command.build();
    let mut pages = Vec::new();
    collect(&command, "throng", &mut pages)?;
    Ok(pages)
}

fn collect(
    command: &Command,
    name: &str,
    pages: &mut Vec<(String, Vec<u8>)>,
) -> std::io::Result<()> {
    let page = clap_mangen::Man::new(command.clone()).title(name);
    let mut text = Vec::new();
    page.render(&mut text)?;
    pages.push((format!("{name}.1"), text));
    for inner in command.get_subcommands() {
        if inner.get_name() != "help" {
            collect(inner, &format!("{name}-{}", inner.get_name()), pages)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_page_for_throng_and_each_verb() {
        let pages = pages().unwrap();
        let of = |name: &str| {
            let page = pages.iter().find(|(file, _)| file == name);
            String::from_utf8(page.unwrap().1.clone()).unwrap()
        };
        assert!(of("throng.1").contains("throng\\-run(1)"));
        let run = of("throng-run.1");
        assert!(run.contains("THRONG_EXPECT_AGENTS"), "{run}");
        assert!(run.contains("quiet"), "flags that all share are in it");
    }
}
