//! `throng completions`: what a shell needs to complete throng's verbs and flags.

use crate::args;
use clap_complete::Shell;
use std::io::Write as _;

/// `throng completions`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which shell: `bash`, `zsh`, `fish`, `elvish` or `powershell`
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    pub(crate) shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  throng completions bash > /etc/bash_completion.d/throng
  throng completions zsh > \"${fpath[1]}/_throng\"
  throng completions fish > ~/.config/fish/completions/throng.fish";

/// Prints the script.
pub(crate) fn run(args: &Args) -> u8 {
    // Whoever reads may have seen enough and gone.
    let _ = std::io::stdout().write_all(&script(args.shell));
    0
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "throng", &mut script);
    script
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_shell_hears_of_every_verb() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for verb in args::command().get_subcommands() {
                assert!(
                    script.contains(verb.get_name()),
                    "{shell}: {}",
                    verb.get_name()
                );
            }
        }
    }
}
