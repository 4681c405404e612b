//! `throng scale`: changes how much load a run makes while it runs.

use crate::args::Remote;
use crate::change;
use crate::error::Error;
use proto::v1::{ScaleRun, change_request, scale_run::Change};

/// `throng scale`.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("to").required(true).multiple(false).args(["factor", "vus", "rate"]))]
pub(crate) struct Args {
    /// The run's id, as `throng runs` shows it
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Which scenario; the only one, or with --factor all, unless given
    #[arg(long, env = "THRONG_SCENARIO", value_name = "NAME")]
    pub(crate) scenario: Option<String>,
    /// So many times the plan's VUs or rate, e.g. 1.5; 1 is the plan again
    #[arg(long, env = "THRONG_FACTOR", value_parser = thousandths, value_name = "X")]
    pub(crate) factor: Option<u64>,
    /// So many VUs, of a constant-vus scenario
    #[arg(long, env = "THRONG_SCALE_VUS", value_name = "N")]
    pub(crate) vus: Option<u64>,
    /// So many iterations per time unit, of a constant-arrival-rate scenario
    #[arg(long, env = "THRONG_RATE", value_name = "N")]
    pub(crate) rate: Option<u64>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// A factor in thousandths, exactly as written.
fn thousandths(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "`{text}` is not a factor; write a number such as 2, 0.5 or 1.125, with at most three decimals"
        )
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && decimals.is_empty()
        || decimals.len() > 3
        || !digits(whole)
        || !digits(decimals)
    {
        return Err(wrong());
    }
    let number = |part: &str| {
        if part.is_empty() {
            Some(0)
        } else {
            part.parse::<u64>().ok()
        }
    };
    let thousandths = number(whole)
        .and_then(|whole| whole.checked_mul(plan::control::FACTOR_ONE))
        .zip(number(&format!("{decimals:0<3}")))
        .and_then(|(whole, rest)| whole.checked_add(rest));
    thousandths
        .filter(|factor| *factor <= plan::control::MOST_FACTOR)
        .ok_or_else(|| format!("`{text}`: a factor above 1000 is not possible"))
}

/// Asks, and says from which run time on it holds.
///
/// # Errors
/// `NoSuchRun`, `Refused`, or `Unreachable`.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let to = (args.factor.map(Change::Factor))
        .or(args.vus.map(Change::Vus))
        .or(args.rate.map(Change::Rate));
    let scale = ScaleRun {
        scenario: args.scenario.unwrap_or_default(),
        change: to,
    };
    change::ask(
        &args.remote,
        &args.run,
        change_request::Change::Scale(scale),
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn factors_are_taken_exactly() {
        for (text, wanted) in [
            ("1", Some(1000)),
            ("0", Some(0)),
            ("1.5", Some(1500)),
            (".25", Some(250)),
            ("2.", Some(2000)),
            ("0.125", Some(125)),
            ("1000", Some(1_000_000)),
            ("1000.001", None),
            ("0.0001", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            (".", None),
            ("", None),
            ("two", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(thousandths(text).ok(), wanted, "{text}");
        }
    }
}
