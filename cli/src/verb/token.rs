//! `throng token`: makes, lists and takes back join tokens, in the controller's state directory. Works whether or not a controller runs.

use crate::error::Error;
use crate::serving::{State, trouble};
use crate::table::Table;
use controller::door::books::Entry;
use std::time::Duration;
use trust::Role;

/// `throng token`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What to do with tokens.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum What {
    /// Make a token and print it; makes the CA too, if there is none yet
    Create(Create),
    /// List the tokens that were made; their secrets are not known
    List(List),
    /// Take tokens back; certificates that came from them open nothing any more
    Revoke(Revoke),
}

/// `throng token create`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Create {
    /// Who may come in with it: `agent` makes load, `operator` starts and stops runs
    #[arg(long, env = "THRONG_TOKEN_ROLE", value_name = "ROLE", default_value = "agent", value_parser = role)]
    pub(crate) role: Role,
    /// How often it may be used, or `unlimited`
    #[arg(long, env = "THRONG_TOKEN_USES", value_name = "N", default_value = "1", value_parser = uses)]
    pub(crate) uses: Uses,
    /// How long it may be used
    #[arg(long, env = "THRONG_TOKEN_EXPIRES", value_name = "TIME", default_value = "24h", value_parser = plan::parse_duration)]
    pub(crate) expires: Duration,
    #[command(flatten)]
    pub(crate) state: State,
}

/// `throng token list`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) state: State,
}

/// `throng token revoke`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Revoke {
    /// The token's id, as `throng token list` shows it, or its beginning
    #[arg(value_name = "ID", value_parser = beginning)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) state: State,
}

const EXAMPLES: &str = "\
Examples:
  For one agent, within a day:
    throng token create
  For yourself:
    throng token create --role operator
  For a fleet whose pods come and go, before any controller runs:
    throng token create --uses unlimited --expires 8760h --state ./state";

/// How often a token may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uses(pub(crate) Option<u64>);

fn role(text: &str) -> Result<Role, String> {
    Role::of(text).ok_or_else(|| "expected `agent` or `operator`".to_owned())
}

fn uses(text: &str) -> Result<Uses, String> {
    match (text, text.parse()) {
        ("unlimited", _) => Ok(Uses(None)),
        (_, Ok(count @ 1..)) => Ok(Uses(Some(count))),
        _ => Err("expected a number from 1, or `unlimited`".to_owned()),
    }
}

fn beginning(text: &str) -> Result<String, String> {
    let hexadecimal = text
        .chars()
        .all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
    if text.len() < 4 || !hexadecimal {
        return Err(
            "expected at least 4 digits of an id, as `throng token list` shows it".to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// Does it.
///
/// # Errors
/// `Flags`, `State`.
pub(crate) fn run(args: Args) -> Result<u8, Error> {
    let told = |error: std::io::Error| Error::State(format!("the book of tokens: {error}"));
    match args.what {
        What::Create(args) => {
            let authority = args.state.authority()?;
            let token = authority
                .token(args.role, args.uses.0, args.expires)
                .map_err(trouble)?;
            println!("{}", token.text());
        }
        What::List(args) => {
            let entries = args.state.authority()?.books().list().map_err(told)?;
            print!("{}", table(&entries, crate::clock::unix_millis()));
        }
        What::Revoke(args) => {
            let revoked = args
                .state
                .authority()?
                .books()
                .revoke(&args.id)
                .map_err(told)?;
            if revoked.is_empty() {
                return Err(Error::flags(
                    format!("there is no token {}", args.id),
                    "`throng token list` lists them",
                ));
            }
            for id in revoked {
                println!("token {id} is revoked, and what came in with it opens nothing any more");
            }
        }
    }
    Ok(0)
}

fn table(entries: &[Entry], now_ms: u64) -> String {
    if entries.is_empty() {
        return "no tokens; `throng token create` makes one\n".to_owned();
    }
    let mut table = Table::new(["ID", "ROLE", "USED", "EXPIRES", "STATE"]);
    for entry in entries {
        let left = entry.expires_ms.saturating_sub(now_ms);
        let used_up = entry.uses.is_some_and(|uses| entry.used >= uses);
        table.row([
            entry.id.clone(),
            entry.role.clone(),
            match entry.uses {
                Some(uses) => format!("{} of {uses}", entry.used),
                None => format!("{} of any", entry.used),
            },
            if left == 0 {
                "-".to_owned()
            } else {
                format!("in {}", span(left))
            },
            match (entry.revoked, left == 0, used_up) {
                (true, _, _) => "revoked",
                (_, true, _) => "expired",
                (_, _, true) => "used up",
                _ => "good",
            }
            .to_owned(),
        ]);
    }
    table.to_string()
}

/// Milliseconds in the largest unit that they fill.
fn span(ms: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
    ];
    let found = units.iter().find(|(unit, _)| ms >= *unit);
    found.map_or_else(
        || "1 s".to_owned(),
        |(unit, name)| format!("{} {name}", ms / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_and_ids() {
        assert_eq!(uses("3"), Ok(Uses(Some(3))));
        assert_eq!(uses("unlimited"), Ok(Uses(None)));
        assert!(uses("0").is_err() && uses("-1").is_err() && uses("many").is_err());
        assert!(beginning("0af3").is_ok());
        // An empty beginning would be everybody's.
        assert!(beginning("").is_err() && beginning("0a").is_err() && beginning("wxyz").is_err());
    }
}
